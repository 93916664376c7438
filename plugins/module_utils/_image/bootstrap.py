# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user says of an image that is made of packages, checked and in normal form. Pure.

The normal form holds only what differs from the defaults: an option that a later version brings changes no key, and so
replaces no image. Of secrets it holds checksums.
"""
from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Union

from .._errors import SpecError
from .._units import parse_size, round_up, show_size
from .suites import ARCHITECTURES, SUITES, Suite

PARTITIONINGS = ("gpt", "mbr", "none")
FILESYSTEMS = ("ext4", "ext3", "ext2")
AUTO, NONE = "auto", "none"
MIB = 1 << 20

# As module options: what is left out is None, or empty.
BOOTSTRAP_OPTIONS: dict[str, Any] = {
    "suite": {"type": "str", "required": True},
    "mirror": {"type": "list", "elements": "str"},
    "components": {"type": "list", "elements": "str"},
    "architecture": {"type": "str"},
    "packages": {"type": "list", "elements": "str"},
    "kernel": {"type": "str"},
    "kernel_arguments": {"type": "list", "elements": "str"},
    "documentation": {"type": "bool"},
    "partitioning": {"type": "str", "choices": list(PARTITIONINGS)},
    "filesystem": {"type": "str", "choices": list(FILESYSTEMS)},
    "swap": {"type": "str"},
    "hostname": {"type": "str"},
    "network": {
        "type": "dict",
        "options": {
            "address": {"type": "str"},
            "netmask": {"type": "str"},
            "gateway": {"type": "str"},
            "nameservers": {"type": "list", "elements": "str"},
        },
    },
    "root_keys": {"type": "list", "elements": "str", "no_log": False},
    "root_password_hash": {"type": "str", "no_log": True},
    "serial_console": {"type": "bool"},
    "timezone": {"type": "str"},
    "locale": {"type": "str"},
    "files": {
        "type": "list",
        "elements": "dict",
        "options": {
            "path": {"type": "str", "required": True},
            "content": {"type": "str", "no_log": True},
            "src": {"type": "str"},
            "mode": {"type": "raw"},
            "owner": {"type": "str"},
        },
    },
    "commands": {"type": "list", "elements": "str"},
}


@dataclass(frozen=True)
class Network:
    """A static address with its prefix, or None for DHCP; more name servers than DHCP's in either case."""

    address: str | None = None
    gateway: str | None = None
    nameservers: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """One file for the image, from its content or from a file of the host, of which ``digest`` is the sha256."""

    path: str
    content: str | None = None
    src: str | None = None
    mode: int = 0o644
    owner: str = "root:root"
    digest: str | None = None


@dataclass(frozen=True)
class Bootstrap:
    """An image made of packages. ``kernel`` is a package, ``auto`` or ``none``; ``architecture`` None is the host's."""

    suite: str
    architecture: str | None = None
    mirror: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    kernel: str = AUTO
    kernel_arguments: tuple[str, ...] = ()
    documentation: bool = False
    partitioning: str = "gpt"
    filesystem: str = "ext4"
    swap_bytes: int = 0
    hostname: str | None = None
    network: Network = field(default_factory=Network)
    root_keys: tuple[str, ...] = ()
    root_password_hash: str | None = None
    serial_console: bool = True
    timezone: str | None = None
    locale: str | None = None
    files: tuple[File, ...] = ()
    commands: tuple[str, ...] = ()

    @property
    def release(self) -> Suite:
        return SUITES[self.suite]

    @property
    def kernel_package(self) -> str | None:
        """Return the kernel's package for the architecture, which must be known by now; None for no kernel."""
        if self.kernel == NONE:
            return None
        if self.kernel == AUTO:
            return self.release.distribution.kernels[self.architecture or ""]
        return self.kernel


_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]+")
_COMPONENT = re.compile(r"[a-z0-9][a-z0-9/-]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?([=/][A-Za-z0-9.+:~-]+)?")
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,64}}$){_LABEL}(\.{_LABEL})*", re.IGNORECASE)
_KEY = re.compile(r"(?:^|\s)((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+) +([A-Za-z0-9+/]+={0,2})(?:\s|$)")
# What crypt(5) calls strong: yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-512 and SHA-256.
_HASH = re.compile(r"\$(?:y|gy|7|2[aby]|6|5)\$[./A-Za-z0-9$=,]{8,}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}")
_LOCALE = re.compile(r"(?:C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]+)?(@[a-z]+)?")
# Nothing that GRUB's or update-grub's shell would read as more than a word.
_ARGUMENT = re.compile(r"[A-Za-z0-9_.,:=/@%+-]+")
_OWNER = re.compile(r"[a-z0-9_][a-z0-9_-]*(:[a-z0-9_][a-z0-9_-]*)?")
_MODE = re.compile(r"[0-7]{3,4}")


def read_bootstrap(params: Mapping[str, Any], problems: list[str]) -> Bootstrap | None:
    """Return the normal spec of the suboptions; add every complaint to ``problems``, and return None if there is one."""
    given = {key: value for key, value in params.items() if value is not None}
    found: list[str] = []
    suite = given.get("suite", "")
    if suite not in SUITES:
        found.append(f"suite: {suite!r} is not known; it is one of {', '.join(sorted(SUITES))}")
    architecture = given.get("architecture")
    if architecture is not None:
        # Libvirt's word for it is as good.
        architecture = {name: debian for debian, name in ARCHITECTURES.items()}.get(architecture, architecture)
        if architecture not in ARCHITECTURES:
            found.append(f"architecture: {architecture!r} is not one of {', '.join(ARCHITECTURES)}")
    kernel = given.get("kernel", AUTO)
    found += _each("mirror", given, _mirror_problem)
    found += _each("components", given, _matched(_COMPONENT, "the name of a component"))
    found += _each("packages", given, _matched(_PACKAGE, "the name of a package, and =VERSION at most"))
    found += _each("kernel_arguments", given, _matched(_ARGUMENT, "one word for the kernel's command line"))
    if given.get("kernel_arguments") and kernel == NONE:
        found.append("kernel_arguments: without a kernel they are the guest's own (cmdline)")
    found += _matched(_PACKAGE, "auto, none or the name of a package")("kernel", kernel)
    partitioning, filesystem = given.get("partitioning", "gpt"), given.get("filesystem", "ext4")
    if partitioning not in PARTITIONINGS:
        found.append(f"partitioning: {partitioning!r} is not one of {', '.join(PARTITIONINGS)}")
    if filesystem not in FILESYSTEMS:
        found.append(f"filesystem: {filesystem!r} is not one of {', '.join(FILESYSTEMS)}")
    swap = _swap(given, partitioning, found)
    for option, pattern, words in (
        ("hostname", _HOSTNAME, "a host name (letters, digits, hyphens; at most 64 characters)"),
        ("timezone", _ZONE, "a time zone such as Europe/Berlin"),
        ("locale", _LOCALE, "a locale such as C.UTF-8 or de_DE.UTF-8"),
    ):
        if option in given:
            found += _matched(pattern, words)(option, given[option])
    network = _network(given.get("network") or {}, found)
    found += _each("root_keys", given, _key_problem)
    if "root_password_hash" in given and not _HASH.fullmatch(given["root_password_hash"]):
        found.append(
            "root_password_hash: it is not a hash of crypt(5) with a strong method; make one by `mkpasswd -m yescrypt` or "
            "by the filter password_hash('sha512')"
        )
    files = tuple(_file(number, item, found) for number, item in enumerate(given.get("files", ())))
    paths = [file.path for file in files]
    found += [f"files: {path!r} is given twice" for path in sorted({path for path in paths if paths.count(path) > 1})]
    for number, command in enumerate(given.get("commands", ())):
        if not command.strip() or "\0" in command:
            found.append(f"commands[{number}]: {command!r} is no command")
    problems += [f"bootstrap.{problem}" for problem in found]
    if found:
        return None
    return Bootstrap(
        suite=suite,
        architecture=architecture,
        mirror=tuple(" ".join(item.split()).rstrip("/") for item in given.get("mirror", ())),
        components=tuple(given.get("components", ())),
        packages=_sorted(given.get("packages", ())),
        kernel=kernel,
        kernel_arguments=tuple(given.get("kernel_arguments", ())),
        documentation=given.get("documentation", False),
        partitioning=partitioning,
        filesystem=filesystem,
        swap_bytes=swap,
        hostname=given.get("hostname"),
        network=network,
        root_keys=_sorted(" ".join(key.split()) for key in given.get("root_keys", ())),
        root_password_hash=given.get("root_password_hash"),
        serial_console=given.get("serial_console", True),
        timezone=given.get("timezone"),
        locale=given.get("locale"),
        files=tuple(sorted(files, key=lambda file: file.path)),
        commands=tuple(given.get("commands", ())),
    )


def for_host(bootstrap: Bootstrap, machine: str, digests: Mapping[str, str]) -> Bootstrap:
    """Return the spec with what only the host knows: its architecture (``x86_64``), and the sha256 of files by ``src``.

    Raises SpecError where the host's architecture is none that images are made for, and none was given.
    """
    architecture = bootstrap.architecture or {name: debian for debian, name in ARCHITECTURES.items()}.get(machine)
    if architecture is None:
        raise SpecError(
            f"bootstrap.architecture: this host is {machine}, for which no images are made "
            f"(known: {', '.join(ARCHITECTURES)})"
        )
    files = tuple(
        replace(file, digest=digests[file.src] if file.src is not None else _digest(file.content or ""))
        for file in bootstrap.files
    )
    return replace(bootstrap, architecture=architecture, files=files)


def form(bootstrap: Bootstrap) -> dict[str, Any]:
    """Return the normal form of a spec that knows its host: what was said, without defaults and secrets.

    What may hold a secret (the password's hash, files, commands) stands there as a checksum of it.
    """
    plain = Bootstrap(bootstrap.suite)
    made: dict[str, Any] = {"suite": bootstrap.suite, "architecture": bootstrap.architecture}
    for name in ("kernel", "documentation", "partitioning", "filesystem", "hostname", "serial_console", "timezone", "locale"):
        if getattr(bootstrap, name) != getattr(plain, name):
            made[name] = getattr(bootstrap, name)
    for name in ("mirror", "components", "packages", "kernel_arguments", "root_keys"):
        if getattr(bootstrap, name):
            made[name] = list(getattr(bootstrap, name))
    if bootstrap.swap_bytes:
        made["swap"] = show_size(bootstrap.swap_bytes)
    network = bootstrap.network
    if network != Network():
        said = {"address": network.address, "gateway": network.gateway, "nameservers": list(network.nameservers)}
        made["network"] = {name: value for name, value in said.items() if value}
    if bootstrap.root_password_hash is not None:
        made["root_password_hash"] = _digest(bootstrap.root_password_hash)
    if bootstrap.files:
        made["files"] = {
            file.path: f"{file.mode:04o} {file.owner} {file.digest or _digest(file.content or '')}"
            for file in bootstrap.files
        }
    if bootstrap.commands:
        made["commands"] = _digest(json.dumps(bootstrap.commands))
    return made


def form_key(made: Mapping[str, Any]) -> str:
    """Return the key of a normal form, 64 hexadecimal digits."""
    return _digest(json.dumps(made, sort_keys=True, separators=(",", ":")))


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return the suboptions in which two normal forms differ, as (name, before, after)."""
    names = sorted({*before, *after})
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _sorted(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(items)))


# the checks


def _each(option: str, given: Mapping[str, Any], check: Any) -> list[str]:
    return [problem for number, item in enumerate(given.get(option, ())) for problem in check(f"{option}[{number}]", item)]


def _matched(pattern: re.Pattern[str], words: str) -> Any:
    def check(option: str, value: str) -> list[str]:
        return [] if pattern.fullmatch(value) else [f"{option}: {value!r} is not {words}"]

    return check


def _mirror_problem(option: str, value: str) -> list[str]:
    if not _PRINTABLE.fullmatch(value):
        return [f"{option}: it is empty or holds a control character"]
    words = value.split()
    if words[0] == "deb":
        return [] if len(words) > 3 else [f"{option}: {value!r} is not a whole source line of apt (deb URL SUITE COMPONENT)"]
    if not re.fullmatch(r"https?://[^\s/@]+(/[^\s@]*)?", value):
        return [f"{option}: {value!r} is no http or https URL and no source line that begins with deb"]
    return []


def _key_problem(option: str, value: str) -> list[str]:
    """Hold that a line of authorized_keys (sshd(8)) has a key in it, and that the key is of the kind that it says."""
    match = _KEY.search(value) if _PRINTABLE.fullmatch(value) else None
    try:
        blob = base64.b64decode(match.group(2), validate=True) if match else b""
    except (binascii.Error, ValueError):
        blob = b""
    kind = match.group(1).encode() if match else b""
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind) or len(blob) < len(kind) + 8:
        return [f"{option}: {value[:40]!r} is not one whole public key as it stands in a .pub file"]
    return []


def _swap(given: Mapping[str, Any], partitioning: str, found: list[str]) -> int:
    if "swap" not in given:
        return 0
    try:
        size = round_up(parse_size(given["swap"]), MIB)
    except SpecError as error:
        found.extend(f"swap: {problem}" for problem in error.problems)
        return 0
    if partitioning == "none" and size:
        found.append(
            "swap: without a partition table there is no place for it; choose partitioning gpt, or give the guest a "
            "second disk for it"
        )
    return size


_Interface = Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]


def _network(given: Mapping[str, Any], found: list[str]) -> Network:
    said = {key: value for key, value in given.items() if value is not None}
    interface: _Interface | None = None
    if "address" in said:
        text, mask = said["address"], said.get("netmask")
        if "/" in text and mask is not None:
            found.append("network.netmask: the address has a prefix already; give one of the two")
        if "/" not in text and mask is None:
            found.append(f"network.address: {text!r} needs its prefix, as in {text}/24, or a netmask")
        else:
            try:
                interface = ipaddress.ip_interface(text if "/" in text else f"{text}/{mask}")
            except ValueError:
                found.append(f"network.address: {text!r}{f' with netmask {mask!r}' if mask else ''} is not an IP address")
    else:
        found += [
            f"network.{option}: it needs an address; without one the guest asks by DHCP"
            for option in ("netmask", "gateway")
            if option in said
        ]
    if "gateway" in said:
        gateway = _address("network.gateway", said["gateway"], found)
        link_local = gateway is not None and gateway.is_link_local
        if gateway is not None and interface is not None and gateway not in interface.network and not link_local:
            found.append(f"network.gateway: {gateway} is not in the network {interface.network} of the address")
    for number, server in enumerate(said.get("nameservers", ())):
        _address(f"network.nameservers[{number}]", server, found)
    return Network(
        address=str(interface) if interface is not None else None,
        gateway=said.get("gateway"),
        nameservers=tuple(said.get("nameservers", ())),
    )


def _address(option: str, value: str, found: list[str]) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(value)
    except ValueError:
        found.append(f"{option}: {value!r} is not an IP address")
        return None


def _file(number: int, item: Mapping[str, Any], found: list[str]) -> File:
    option = f"files[{number}]"
    path, content, src = item.get("path") or "", item.get("content"), item.get("src")
    if not path.startswith("/") or path.endswith("/") or ".." in path.split("/") or not _PRINTABLE.fullmatch(path):
        found.append(f"{option}.path: {path!r} is not the absolute path of a file")
    if (content is None) == (src is None):
        found.append(f"{option}: a file has either a content or a src")
    if src is not None and (not src.startswith("/") or not _PRINTABLE.fullmatch(src)):
        found.append(f"{option}.src: {src!r} is not an absolute path on the host")
    mode = item.get("mode")
    if mode is not None and not (isinstance(mode, str) and _MODE.fullmatch(mode)):
        # YAML has read 0644 as 420 by then.
        found.append(f"{option}.mode: {mode!r} is not a mode: write octal digits in quotes, such as '0644'")
        mode = None
    owner = item.get("owner") or "root"
    if not _OWNER.fullmatch(owner):
        found.append(f"{option}.owner: {owner!r} is not USER or USER:GROUP")
    return File(
        path=str(PurePosixPath(path)),
        content=content,
        src=src,
        mode=int(mode, 8) if mode is not None else 0o644,
        owner=owner if ":" in owner else f"{owner}:{owner}",
    )
