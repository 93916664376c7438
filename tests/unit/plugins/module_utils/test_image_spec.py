# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user may say of an image, and what is said back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._image.making import Making
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import (
    ImageSpec,
    image_file_name,
    read_spec,
    show_source,
    split_checksum,
)

HEX = 64 * "a"


def test_the_normal_form() -> None:
    params = {"name": "web", "size": "4GiB", "confirm_data_loss": ["web"], "path": None, "source": None}
    assert read_spec(params) == ImageSpec("web", pool="default", size_bytes=4 << 30, consent=("web",))
    spec = read_spec({"path": "/images/a.raw"})
    assert (spec.name, spec.pool, spec.made_format) == ("a.raw", None, "raw")
    assert read_spec({"name": "x", "size": "1000B"}).size_bytes == 1024, "whole sectors, as qemu-img makes them"


@pytest.mark.parametrize(
    ("name", "format", "file", "made"),
    [
        ("debian-12", None, "debian-12.qcow2", "qcow2"),
        ("debian-12", "raw", "debian-12.raw", "raw"),
        ("debian.img", None, "debian.img", "qcow2"),
        ("debian.img", "raw", "debian.img", "raw"),
        ("debian.iso", None, "debian.iso", "raw"),
        ("v1.2", None, "v1.2.qcow2", "qcow2"),
    ],
)
def test_the_file_of_a_name(name: str, format: str | None, file: str, made: str) -> None:
    spec = read_spec({"name": name, "format": format})
    assert (spec.file_name, spec.made_format) == (file, made)
    assert image_file_name(name, format) == file


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "an image needs a name, or a path"),
        ({"name": "a/b"}, "cannot be a file's name"),
        ({"name": "a\nb"}, "cannot be a file's name"),
        ({"name": "a\n"}, "cannot be a file's name"),
        ({"name": ""}, "cannot be a file's name"),
        ({"name": ".."}, "cannot be a file's name"),
        ({"name": "-rf"}, "cannot be a file's name"),
        ({"name": "x.part"}, "kept for images that are being made"),
        ({"path": "relative"}, "not an absolute path"),
        ({"path": "/a/../b"}, "not an absolute path"),
        ({"path": "/a/"}, "not an absolute path"),
        ({"path": "/dev/sda"}, "is a device"),
        ({"path": "/a/b", "pool": "p"}, "either a pool or a path"),
        ({"name": "x", "size": "20"}, "size: '20' is not a size: write a number with its unit"),
        ({"name": "x", "size": "0GiB"}, "of no use"),
        ({"name": "x", "format": "qed"}, "format: 'qed' is not one of qcow2, raw, vmdk, vdi, vpc, vhdx, parallels"),
        ({"name": "x", "state": "gone"}, "state: 'gone' is not one of"),
        ({"name": "x", "source": "ftp://host/x"}, "no absolute path and no file, http or https URL"),
        ({"name": "x", "source": "images/x"}, "no absolute path"),
        ({"name": "x", "source": "/x\n"}, "control character"),
        ({"name": "x", "source": "https://me:pw@host/x"}, "give them as url_username and url_password"),
        ({"name": "x", "source": "http://[host/x"}, "no absolute path and no file"),
        ({"name": "x", "checksum": f"sha256:{HEX}"}, "there is no source"),
        ({"name": "x", "source": "/x", "checksum": f"md5:{HEX}"}, "does not begin with sha256: or sha512:"),
        ({"name": "x", "source": "/x", "checksum": HEX}, "does not begin with sha256: or sha512:"),
        ({"name": "x", "source": "/x", "checksum": "sha256:abc"}, "has no 64 hexadecimal digits"),
        ({"name": "x", "source": "/x", "checksum": f"sha512:{HEX}"}, "has no 128 hexadecimal digits"),
        ({"name": "x", "source": "/x", "backing": "base"}, "either has a source or stands on"),
        ({"name": "x", "format": "raw", "backing": "base"}, "format raw cannot stand on a backing image"),
        ({"name": "x", "backing": "a/b"}, "backing: 'a/b' cannot be a file's name"),
    ],
)
def test_what_cannot_be_right(params: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_spec(params)
    assert said in str(caught.value)


OF = {"name": "x", "source": "/x"}


@pytest.mark.parametrize(
    ("params", "made"),
    [
        ({**OF, "compress": True}, Making("zlib")),
        ({**OF, "compress": True, "compression_type": "zstd"}, Making("zstd")),
        ({**OF, "format": "raw", "compress": False, "preallocation": "off"}, Making("", "off")),
        ({"name": "x.raw", "size": "1GiB", "preallocation": "full"}, Making(preallocation="full")),
        ({"name": "x", "size": "1GiB", "preallocation": "metadata"}, Making(preallocation="metadata")),
        ({"name": "x.raw", "backing": "b", "cluster_size": "128KiB"}, Making(cluster_bytes=128 << 10)),
        ({"name": "x", "lazy_refcounts": False}, Making(lazy_refcounts=False)),
        ({"name": "x.vdi", "source": "/x", "sparsify": True}, Making(sparsify=True)),
        ({"name": "x.raw", "size": "1GiB", "luks_secret": "key"}, Making(luks_secret="key")),
        ({"name": "x", "backing": "b", "luks_passphrase": "päss "}, Making(passphrase="päss ".encode())),
    ],
)
def test_how_the_file_is_made(params: dict[str, Any], made: Making) -> None:
    assert read_spec(params).making == made


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({**OF, "format": "raw", "compress": True}, "compress: an image of format raw is not made so; it goes with qcow2"),
        ({"name": "x.vmdk", "source": "/x", "preallocation": "full"}, "preallocation: an image of format vmdk is not made so"),
        ({**OF, "format": "raw", "cluster_size": "64KiB"}, "cluster_size: an image of format raw"),
        ({**OF, "sparsify": True, "preallocation": "falloc"}, "preallocation: falloc does not go with sparsify: true"),
        ({**OF, "sparsify": True, "luks_secret": "key"}, "sparsify: true does not go with luks_secret"),
        ({**OF, "format": "raw", "lazy_refcounts": True}, "lazy_refcounts: an image of format raw"),
        ({"name": "x", "size": "1GiB", "compress": True}, "compress: a blank image holds nothing yet"),
        ({"name": "x", "backing": "b", "compress": True}, "compress: an overlay holds nothing yet"),
        ({**OF, "compression_type": "zstd"}, "compression_type: it says by what compress: true packs"),
        ({**OF, "compress": True, "compression_type": "lz4"}, "compression_type: 'lz4' is not one of zlib, zstd"),
        ({**OF, "compress": True, "preallocation": "falloc"}, "preallocation: falloc does not go with compress: true"),
        ({**OF, "format": "raw", "preallocation": "metadata"}, "preallocation: a raw image has no metadata"),
        ({**OF, "preallocation": "sparse"}, "preallocation: 'sparse' is not one of off, metadata, falloc, full"),
        ({"name": "x", "backing": "b", "preallocation": "full"}, "preallocation: full does not go with backing"),
        ({**OF, "luks_secret": "a", "luks_passphrase": "b"}, "luks_passphrase: is given beside luks_secret"),
        ({**OF, "luks_passphrase": ""}, "luks_passphrase: it is empty"),
        ({**OF, "luks_secret": "a", "compress": True}, "compress: true does not go with luks_secret"),
        ({**OF, "format": "vdi", "luks_secret": "a"}, "luks_secret: an image of format vdi is not made so; it goes with qcow2 and raw"),
        ({**OF, "cluster_size": "96KiB"}, "cluster_size: 96KiB is not a power of two from 512B to 2MiB"),
        ({**OF, "cluster_size": "4MiB"}, "cluster_size: 4MiB is not a power of two"),
        ({**OF, "cluster_size": "64"}, "cluster_size: '64' is not a size"),
    ],
)
def test_what_does_not_go_together(params: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_spec(params)
    (problem,) = caught.value.problems
    assert problem.startswith(said)


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        read_spec({"name": "a/b", "size": "4", "format": "x", "source": "y"})
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("checksum", "parts"),
    [
        (f"sha256:{HEX.upper()}", ("sha256", HEX, None)),
        ("sha512:https://host/SHA512SUMS", ("sha512", None, "https://host/SHA512SUMS")),
        ("sha256:/srv/SUMS", ("sha256", None, "/srv/SUMS")),
        ("sha256:file:///srv/SUMS", ("sha256", None, "file:///srv/SUMS")),
    ],
)
def test_checksums(checksum: str, parts: tuple[str, str | None, str | None]) -> None:
    assert split_checksum(checksum) == parts


def test_secrets_of_a_source_are_not_shown() -> None:
    assert show_source("https://me:pw@host:8/a/b.img") == "https://host:8/a/b.img"
    shown = show_source("https://host/b?X-Amz-Signature=abc#part")
    assert shown.startswith("https://host/b?hidden-")
    assert "abc" not in shown
    assert shown != show_source("https://host/b?X-Amz-Signature=abd")
    assert show_source("/srv/what?#") == "/srv/what?#"


@given(st.dictionaries(st.sampled_from(["name", "path", "size", "format", "source", "checksum", "backing"]), st.text()))
def test_any_text_is_taken_or_refused_in_words(params: dict[str, str]) -> None:
    try:
        spec = read_spec(params)
    except SpecError as error:
        assert error.problems
        return
    assert "/" not in spec.name or spec.path is not None
    assert "\n" not in spec.file_name
