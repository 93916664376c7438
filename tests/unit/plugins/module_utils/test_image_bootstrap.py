# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user may say of an image made of packages, what is said back, and what counts as the same image."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import (
    BOOTSTRAP_OPTIONS,
    Bootstrap,
    File,
    Network,
    differing,
    for_host,
    form,
    form_key,
    read_bootstrap,
)
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import read_spec

MIB = 1 << 20


def public_key(kind: str = "ssh-ed25519", body: bytes = bytes(32)) -> str:
    blob = len(kind).to_bytes(4, "big") + kind.encode() + len(body).to_bytes(4, "big") + body
    return f"{kind} {base64.b64encode(blob).decode()}"


KEY = public_key()
HASH = "$6$salt$" + 86 * "x"


def read(**params: Any) -> Bootstrap:
    problems: list[str] = []
    found = read_bootstrap({"suite": "bookworm", **params}, problems)
    assert problems == []
    assert found is not None
    return found


def made(digests: Mapping[str, str] | None = None, **params: Any) -> dict[str, Any]:
    return form(for_host(read(**params), "x86_64", digests or {}))


def complaints(**params: Any) -> list[str]:
    problems: list[str] = []
    assert read_bootstrap({"suite": "bookworm", **params}, problems) is None
    return problems


def test_the_normal_form_of_all() -> None:
    spec = read(
        mirror=["http://deb.example.com/debian/", "deb  http://x/y bookworm  main"],
        components=["main", "contrib"],
        architecture="x86_64",
        packages=["bb", "aa", "bb"],
        kernel="linux-image-amd64",
        kernel_arguments=["b=1", "a"],
        documentation=True,
        partitioning="mbr",
        filesystem="ext3",
        swap="1.5MiB",
        hostname="web1.example.com",
        network={"address": "192.0.2.10", "netmask": "255.255.255.0", "gateway": "192.0.2.1", "nameservers": ["::1"]},
        root_keys=[f"{KEY}  me", KEY],
        root_password_hash=HASH,
        serial_console=False,
        timezone="Europe/Berlin",
        locale="de_DE.UTF-8",
        files=[
            {"path": "/b", "src": "/host/b", "mode": "0600", "owner": "www-data"},
            {"path": "/a", "content": "", "mode": None, "owner": "a:b", "src": None},
        ],
        commands=["true", "false"],
    )
    assert spec == Bootstrap(
        suite="bookworm",
        mirror=("http://deb.example.com/debian", "deb http://x/y bookworm main"),
        components=("main", "contrib"),
        architecture="amd64",
        packages=("aa", "bb"),
        kernel="linux-image-amd64",
        kernel_arguments=("b=1", "a"),
        documentation=True,
        partitioning="mbr",
        filesystem="ext3",
        swap_bytes=2 * MIB,
        hostname="web1.example.com",
        network=Network("192.0.2.10/24", "192.0.2.1", ("::1",)),
        root_keys=(KEY, f"{KEY} me"),
        root_password_hash=HASH,
        serial_console=False,
        timezone="Europe/Berlin",
        locale="de_DE.UTF-8",
        files=(File("/a", "", owner="a:b"), File("/b", src="/host/b", mode=0o600, owner="www-data:www-data")),
        commands=("true", "false"),
    )


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"suite": "wheezy"}, "bootstrap.suite: 'wheezy' is not known; it is one of bookworm, jammy,"),
        ({"architecture": "i386"}, "bootstrap.architecture: 'i386' is not one of amd64, arm64"),
        ({"mirror": ["ftp://x/y"]}, "bootstrap.mirror[0]: 'ftp://x/y' is no http or https URL and no source line"),
        ({"mirror": ["http://a:b@x/y"]}, "is no http or https URL"),
        ({"mirror": ["deb http://x"]}, "is not a whole source line of apt"),
        ({"mirror": ["http://x", ""]}, "bootstrap.mirror[1]: it is empty"),
        ({"mirror": ["http://x\ndeb-src y"]}, "holds a control character"),
        ({"components": ["Main"]}, "bootstrap.components[0]: 'Main' is not the name of a component"),
        ({"packages": ["ok", "no,no"]}, "bootstrap.packages[1]: 'no,no' is not the name of a package"),
        ({"packages": ["-o=x"]}, "is not the name of a package"),
        ({"packages": ["a b"]}, "is not the name of a package"),
        ({"kernel": "Linux"}, "bootstrap.kernel: 'Linux' is not auto, none or the name of a package"),
        ({"kernel_arguments": ["a b"]}, "bootstrap.kernel_arguments[0]: 'a b' is not one word for the kernel's command line"),
        ({"kernel_arguments": ["$x"]}, "is not one word for the kernel's command line"),
        ({"kernel_arguments": ["a"], "kernel": "none"}, "bootstrap.kernel_arguments: without a kernel"),
        ({"partitioning": "lvm"}, "bootstrap.partitioning: 'lvm' is not one of gpt, mbr, none"),
        ({"filesystem": "zfs"}, "bootstrap.filesystem: 'zfs' is not one of ext4"),
        ({"swap": "512"}, "bootstrap.swap: '512' is not a size: write a number with its unit"),
        ({"swap": "1MiB", "partitioning": "none"}, "bootstrap.swap: without a partition table there is no place for it"),
        ({"hostname": "a_b"}, "bootstrap.hostname: 'a_b' is not a host name"),
        ({"hostname": 65 * "a"}, "is not a host name"),
        ({"hostname": "-a"}, "is not a host name"),
        ({"hostname": "a..b"}, "is not a host name"),
        ({"network": {"address": "192.0.2.1"}}, "network.address: '192.0.2.1' needs its prefix, as in 192.0.2.1/24"),
        ({"network": {"address": "192.0.2.999/24"}}, "network.address: '192.0.2.999/24' is not an IP address"),
        ({"network": {"address": "192.0.2.9", "netmask": "255.0.255.0"}}, "with netmask '255.0.255.0' is not an IP address"),
        ({"network": {"address": "192.0.2.9/24", "netmask": "255.255.255.0"}}, "the address has a prefix already"),
        ({"network": {"address": "192.0.2.9/24", "gateway": "192.0.3.1"}}, "192.0.3.1 is not in the network 192.0.2.0/24"),
        ({"network": {"gateway": "192.0.2.1"}}, "network.gateway: it needs an address; without one the guest asks by DHCP"),
        ({"network": {"nameservers": ["1.1.1.1", "one"]}}, "network.nameservers[1]: 'one' is not an IP address"),
        ({"root_keys": ["ssh-ed25519 AAAA"]}, "bootstrap.root_keys[0]: 'ssh-ed25519 AAAA' is not one whole public key"),
        ({"root_keys": [KEY.replace("ssh-ed25519", "ssh-rsa")]}, "is not one whole public key"),
        ({"root_keys": [f"{KEY}\n{KEY}"]}, "is not one whole public key"),
        ({"root_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "is not one whole public key"),
        ({"root_password_hash": "secret-word"}, "bootstrap.root_password_hash: it is not a hash of crypt(5)"),
        ({"root_password_hash": "$1$salt$abcdefghijk"}, "with a strong method"),
        ({"root_password_hash": f"{HASH}:0:0"}, "it is not a hash of crypt(5)"),
        ({"timezone": "../etc"}, "bootstrap.timezone: '../etc' is not a time zone"),
        ({"locale": "german"}, "bootstrap.locale: 'german' is not a locale"),
        ({"files": [{"path": "etc/x", "content": ""}]}, "files[0].path: 'etc/x' is not the absolute path of a file"),
        ({"files": [{"path": "/etc/../x", "content": ""}]}, "is not the absolute path of a file"),
        ({"files": [{"path": "/x"}]}, "files[0]: a file has either a content or a src"),
        ({"files": [{"path": "/x", "content": "", "src": "/y"}]}, "a file has either a content or a src"),
        ({"files": [{"path": "/x", "src": "y"}]}, "files[0].src: 'y' is not an absolute path on the host"),
        ({"files": [{"path": "/x", "content": "", "mode": 420}]}, "files[0].mode: 420 is not a mode: write octal digits in quotes"),
        ({"files": [{"path": "/x", "content": "", "mode": "0999"}]}, "is not a mode"),
        ({"files": [{"path": "/x", "content": "", "owner": "a b"}]}, "files[0].owner: 'a b' is not USER or USER:GROUP"),
        ({"files": 2 * [{"path": "/x", "content": ""}]}, "files: '/x' is given twice"),
        ({"commands": ["true", " "]}, "bootstrap.commands[1]: ' ' is no command"),
    ],
)
def test_what_cannot_be(params: dict[str, Any], said: str) -> None:
    (found,) = complaints(**params)
    assert said in found
    assert found.startswith("bootstrap.")


def test_a_refused_hash_is_not_repeated() -> None:
    assert "secret-word" not in str(complaints(root_password_hash="secret-word"))


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SpecError) as refused:
        read_spec(
            {"name": "a/b", "source": "/x", "size": "1", "bootstrap": {"suite": "x", "hostname": "_", "kernel": None}}
        )
    said = "\n".join(refused.value.problems)
    for part in ("name: 'a/b'", "size: '1'", "bootstrap.suite", "bootstrap.hostname", "made of packages or has a source"):
        assert part in said


@pytest.mark.parametrize(
    ("params", "size", "good"),
    [
        ({}, "228MiB", True),
        ({}, "100MiB", False),
        ({"swap": "1GiB"}, "1GiB", False),
        ({"partitioning": "none"}, "200MiB", True),
        ({"partitioning": "none"}, "100MiB", False),
    ],
)
def test_a_disk_too_small_for_its_parts(params: dict[str, Any], size: str, good: bool) -> None:
    given = {"name": "x", "size": size, "bootstrap": {"suite": "bookworm", **params}}
    if good:
        assert read_spec(given).bootstrap is not None
    else:
        with pytest.raises(SpecError, match="size: .* cannot hold the parts that bootstrap asks for; give"):
            read_spec(given)


def test_a_host_without_images() -> None:
    with pytest.raises(SpecError, match="this host is riscv64, for which no images are made"):
        for_host(read(), "riscv64", {})
    assert for_host(read(architecture="aarch64"), "riscv64", {}).architecture == "arm64"


def test_the_form_leaves_out_what_nobody_said() -> None:
    assert made() == {"suite": "bookworm", "architecture": "amd64"}
    every = {name: None for name in BOOTSTRAP_OPTIONS if name != "suite"}
    assert made(**every) == made()
    said = {"kernel": "auto", "documentation": False, "partitioning": "gpt", "filesystem": "ext4", "serial_console": True}
    assert made(**said) == made(), "to say the default is to say nothing"
    assert made(architecture="amd64") == made()


def test_the_form_holds_no_secret() -> None:
    text = json.dumps(
        made(
            root_password_hash=HASH,
            files=[{"path": "/etc/token", "content": "s3cret"}],
            commands=["echo s3cret | passwd --stdin"],
        )
    )
    assert HASH not in text
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("params", "others"),
    [
        ({"packages": ["aa", "bb"]}, {"packages": ["bb", "aa", "aa"]}),
        ({"root_keys": [KEY, f"{KEY} me"]}, {"root_keys": [f" {KEY}   me", KEY]}),
        ({"mirror": ["http://x/debian"]}, {"mirror": ["http://x/debian/"]}),
        ({"swap": "1GiB"}, {"swap": "1024MiB"}),
        (
            {"network": {"address": "192.0.2.9/24"}},
            {"network": {"address": "192.0.2.9", "netmask": "255.255.255.0", "nameservers": []}},
        ),
        (
            {"files": [{"path": "/a", "content": "x"}, {"path": "/b", "content": "y"}]},
            {"files": [{"path": "/b", "content": "y", "mode": "644"}, {"path": "/a", "content": "x", "owner": "root:root"}]},
        ),
    ],
)
def test_the_same_in_other_words(params: dict[str, Any], others: dict[str, Any]) -> None:
    assert form_key(made(**params)) == form_key(made(**others))


def test_a_file_of_the_host_counts_by_its_content() -> None:
    item = {"files": [{"path": "/a", "src": "/host/a"}]}
    first, second = made({"/host/a": "1"}, **item), made({"/host/a": "2"}, **item)
    assert [name for name, _before, _after in differing(first, second)] == ["files"]
    with pytest.raises(KeyError):
        made({}, **item)


CHANGES: list[dict[str, Any]] = [
    {"suite": "trixie"},
    {"mirror": ["http://x/y"]},
    {"components": ["main"]},
    {"architecture": "arm64"},
    {"packages": ["aa"]},
    {"kernel": "none"},
    {"kernel_arguments": ["a"]},
    {"documentation": True},
    {"partitioning": "mbr"},
    {"filesystem": "ext2"},
    {"swap": "1MiB"},
    {"hostname": "a"},
    {"network": {"address": "192.0.2.9/24"}},
    {"network": {"nameservers": ["192.0.2.53"]}},
    {"root_keys": [KEY]},
    {"root_password_hash": HASH},
    {"serial_console": False},
    {"timezone": "UTC"},
    {"locale": "C.UTF-8"},
    {"files": [{"path": "/a", "content": ""}]},
    {"commands": ["true"]},
]


def test_every_suboption_is_part_of_the_key() -> None:
    keys = {form_key(made(**change)) for change in CHANGES}
    assert len(keys | {form_key(made())}) == len(CHANGES) + 1
    assert {name for change in CHANGES for name in change} == set(BOOTSTRAP_OPTIONS)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_difference_is_named(change: dict[str, Any]) -> None:
    (row,) = differing(made(), made(**change))
    assert row[0] == next(iter(change))
    assert differing(made(**change), made(**change)) == []


@given(
    packages=st.lists(st.sampled_from(["vim", "less", "openssh-server", "python3"]), max_size=6),
    hostname=st.one_of(st.none(), st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z]{1,5})?", fullmatch=True)),
    swap=st.integers(0, 4096),
    commands=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), max_size=3),
)
def test_a_form_is_json_and_its_key_steady(
    packages: list[str], hostname: str | None, swap: int, commands: list[str]
) -> None:
    params = {"packages": packages, "hostname": hostname, "swap": f"{swap}MiB", "commands": commands}
    first = made(**params)
    again = json.loads(json.dumps(first))
    assert form_key(again) == form_key(first)
    assert differing(again, first) == []
    assert form_key(made(**{**params, "packages": packages[::-1]})) == form_key(first)
    assert len(form_key(first)) == 64


@given(st.dictionaries(st.sampled_from(sorted(set(BOOTSTRAP_OPTIONS) - {"files", "network", "documentation", "serial_console"})),
                       st.one_of(st.none(), st.text(max_size=20), st.lists(st.text(max_size=20), max_size=3))))  # fmt: skip
def test_nothing_but_complaints_of_any_text(params: dict[str, Any]) -> None:
    lists = {name for name, option in BOOTSTRAP_OPTIONS.items() if option["type"] == "list"}
    typed = {
        name: value if value is None or isinstance(value, list) == (name in lists) else None
        for name, value in params.items()
    }
    problems: list[str] = []
    found = read_bootstrap({"suite": "bookworm", **typed}, problems)
    assert (found is None) == bool(problems)
    assert all("\n" not in problem for problem in problems)
