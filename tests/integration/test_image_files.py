# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the files of images are made and fetched: formats, packing, room, and servers that ask for words."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.images import MIB, Web, bad, failures, seen, tried
from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import Host


def test_from_format_to_format(play: Player, furnished: Host, name: str, web: Web) -> None:
    """One disk goes through all formats, each made of the one before; the first comes packed from a server."""
    size = 5 * MIB + 512
    disk = b"\x01" + os.urandom(MIB) + bytes(size - MIB - 5) + b"last"
    (furnished.folder / f"{name}.raw").write_bytes(disk)
    packed = web.serve("disk.xz", lzma.compress(disk))
    formats = ("vmdk", "vdi", "vpc", "vhdx", "parallels", "qcow2", "raw")
    places = [str(furnished.folder / f"{name}.to.{format}") for format in formats]
    tasks = [
        task(format, "image", path=place, format=format, source=source)
        for format, place, source in zip(formats, places, [packed, *places], strict=False)
    ]
    results = play([*tasks, task("again", "image", path=places[2], format="vpc", size=str(size) + "B", source=places[1])])
    for format, place, result in zip(formats, places, results, strict=False):
        assert (result["image"]["format"], result["image"]["virtual_bytes"]) == (format, size)
        compared = ["qemu-img", "compare", "-f", "raw", "-F", format, f"{furnished.folder}/{name}.raw", place]
        subprocess.run(compared, check=True, capture_output=True)
    assert Path(places[-1]).read_bytes() == disk
    assert not results.named("again").changed


def test_how_the_file_is_made(play: Player, furnished: Host, pool: Path, name: str) -> None:
    source = furnished.folder / f"{name}.src"
    source.write_bytes(b"all work and no play " * 100_000)
    whole, packed = f"{name}.raw", {"name": name, "source": str(source)}
    words = {"compress": True, "compression_type": "zstd", "cluster_size": "128KiB", "lazy_refcounts": True}
    results = tried(
        play,
        *idiom("image", "make", **packed, **words),
        *idiom("image", "amend", **packed, lazy_refcounts=False),
        *idiom("image", "preallocate", name=whole, size="8MiB", preallocation="falloc"),
        *idiom("image", "grow", name=whole, size="16MiB", preallocation="falloc"),
        bad("loses", "image", **packed, cluster_size="2MiB"),
        bad("refuse", "image", name=whole, size="8MiB", preallocation="falloc", compress=True),
    )
    made, amended = (assert_idiom(results, name) for name in ("make", "amend"))
    assert made.changes("image", name)["cluster_size"]["after"] == "128KiB"
    assert made["image"]["record"]["compression"] == "zstd"
    assert amended.changes("image", name)["lazy_refcounts"] == {
        "path": "lazy_refcounts", "before": True, "after": False, "effect": "live"
    }  # fmt: skip
    told = seen(pool / f"{name}.qcow2")
    assert (told["cluster-size"], told["format-specific"]["data"]["compression-type"]) == (128 << 10, "zstd")  # type: ignore[index]
    assert int(str(told["actual-size"])) < MIB
    assert_idiom(results, "preallocate")
    assert assert_idiom(results, "grow")["image"]["actual_bytes"] >= 16 * MIB
    loss, refusal = failures(results)
    assert "cluster_size 128KiB -> 2MiB: clusters keep their size" in loss
    assert "compress: an image of format raw is not made so; it goes with qcow2" in refusal
    assert "preallocation: falloc does not go with compress: true" in refusal


def test_zeros_give_their_room_back(play: Player, furnished: Host, pool: Path, name: str) -> None:
    full = pool / f"{name}.raw"
    full.write_bytes(b"x" * MIB + bytes(15 * MIB))
    furnished.exec(["virsh", "pool-refresh", "default"])
    blank = {"name": f"{name}-blank", "size": "8MiB", "sparsify": True}
    results = tried(
        play,
        *idiom("image", "free", name=f"{name}.raw", sparsify=True),
        *idiom("image", "grow", name=f"{name}.raw", sparsify=True, size="32MiB"),
        *idiom("image", "blank", **blank),
        bad("refuse", "image", name=f"{name}.raw", sparsify=True, preallocation="full"),
    )
    freed = assert_idiom(results, "free")
    assert freed.changes("image", f"{name}.raw")["sparsify"]["why"] == "nobody has looked for its zeros"
    assert freed["image"]["actual_bytes"] < 2 * MIB <= 15 * MIB
    assert full.read_bytes()[: 16 * MIB] == b"x" * MIB + bytes(15 * MIB)
    assert assert_idiom(results, "grow")["image"]["actual_bytes"] < 2 * MIB
    assert_idiom(results, "blank")
    assert "preallocation: full does not go with sparsify: true" in failures(results)[0]


def test_how_it_is_fetched(play: Player, furnished: Host, pool: Path, name: str, web: Web) -> None:
    web.serve("disk.raw", b"\x01" + os.urandom(MIB - 1))
    closed, login = f"{web.url}/closed/disk.raw", {"url_username": "reader", "url_password": "s3cret-word"}
    content = b"\x01" + os.urandom(MIB - 1)
    kept, digits = web.serve("kept.raw", content), f"sha256:{hashlib.sha256(content).hexdigest()}"
    limits = {"cache_size": "8MiB", "cache_age": "7d"}
    mirror = furnished.folder / f"{name}.mirror"
    mirror.mkdir()
    (mirror / "away.raw").write_bytes(b"\x01" * MIB)
    source = "https://images.invalid/away.raw"
    results = tried(
        play,
        task("plain", "image", name=name, source=closed, headers={"X-Token": "s3cret-token"}, **login),
        bad("no login", "image", name=f"{name}d", source=closed),
        bad("own certificate", "image", name=f"{name}e", source=f"{web.secure_url}/disk.raw"),
        task("trusted", "image", name=f"{name}e", source=f"{web.secure_url}/disk.raw", validate_certs=False),
        *idiom("image", "mirrored", name=f"{name}b", format="raw", source=source, mirror=str(mirror)),
        bad("slow", "image", name=f"{name}c", source=f"{web.url}/slow/disk.raw", timeout=1),
        *(task(each, "image", name=f"{name}{each}", source=kept, checksum=digits, **limits) for each in "fg"),
        task("kept", "image_info", name=[f"{name}f"]),
        bad("no limit", "image", name=f"{name}h", source=kept, checksum=digits, cache_size="20", cache_age="7d"),
        task("emptied", "image", name=f"{name}h", source=kept, checksum=digits, cache_size="0B"),
    )
    assert web.seen.count("/kept.raw") == 2, "once for both, and once more for the last"
    assert kept in [row["source"] for row in results.named("kept")["downloads"]]
    warned = results.named("plain")
    assert "without encryption and without a checksum" in str(warned.values.get("warnings"))
    assert "s3cret" not in json.dumps(dict(warned.values))
    assert assert_idiom(results, "mirrored")["image"]["record"]["source"] == source
    no_login, own_certificate, slow, no_limit = failures(results)
    assert "cache_size: '20' is not a size" in no_limit
    assert "refused access (401" in no_login and "check url_username" in no_login
    assert "certificate" in own_certificate.lower()
    assert "the server was silent for 1 s" in slow


def test_how_a_document_fetches_its_images(
    play: Player, furnished: Host, pool: Path, name: str, web: Web
) -> None:
    web.serve("disk.raw", b"\x01" + os.urandom(MIB - 1))
    closed, login = f"{web.url}/closed/disk.raw", {"url_username": "reader", "url_password": "s3cret-word"}
    mirror = furnished.folder / f"{name}.mirror"
    mirror.mkdir()
    (mirror / "away.raw").write_bytes(b"\x01" * MIB)
    content = b"\x01" + os.urandom(MIB - 1)
    kept = web.serve("kept.raw", content)

    def document(*sources: str) -> dict[str, Any]:
        images = [{"name": f"{name}{number}", "source": source} for number, source in enumerate(sources)]
        digits = {kept: f"sha256:{hashlib.sha256(content).hexdigest()}"}
        checked = [{**image, "checksum": digits[image["source"]]} if image["source"] in digits else image for image in images]
        return {"version": 1, "name": name, "images": checked}

    results = tried(
        play,
        task("plain", "estate", document=document(closed), headers={"X-Token": "s3cret-token"}, **login),
        task("trusted", "estate", document=document(f"{web.secure_url}/disk.raw"), validate_certs=False, prune=True,
             confirm_data_loss=[f"{name}0"]),
        task("mirrored", "estate", document=document("https://images.invalid/away.raw"), mirror=str(mirror),
             confirm_data_loss=[f"{name}0"]),
        bad("slow", "estate", document=document(closed, f"{web.url}/slow/disk.raw"), timeout=1,
            confirm_data_loss=[f"{name}0"], **login),
        task("keeping", "estate", document=document(kept, kept), cache_size="8MiB", cache_age="7d",
             confirm_data_loss=[f"{name}0", f"{name}1"]),
        task("gone", "estate", document={"version": 1, "name": name}, prune=True,
             confirm_data_loss=[f"{name}0", f"{name}1"]),
    )  # fmt: skip
    assert "s3cret" not in json.dumps(dict(results.named("plain").values))
    assert [row["action"] for row in results.named("mirrored")["plan"]] == ["replace"]
    assert "the server was silent for 1 s" in failures(results)[0]
    assert web.seen.count("/kept.raw") == 1
    assert not list(pool.glob(f"{name}*"))
