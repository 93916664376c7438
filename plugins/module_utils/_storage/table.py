# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a storage pool.

Path, type and source are what a pool is: another one is another pool. Owner and mode are those of a directory, which
libvirt sets when it builds the pool. Which row goes with which type is in ``kinds``.
"""

from __future__ import annotations

import posixpath
import re
from typing import Any

from .. import _xml
from .._change import UNSET, Step
from .._errors import SpecError
from .._table import LIVE, RECREATE, Context, Field, Table
from .._types import LINE, PATH, Type, pattern, read_text, write_text
from .._xml import Element, SubElement


def _parse_path(value: Any) -> str:
    """Return the path as libvirt keeps it (virFileSanitizePath), without dots, which it would keep too."""
    text = str(PATH.parse(value))
    if ".." in text.split("/"):
        raise SpecError(f"{value!r} holds ..; write the path without it")
    clean = posixpath.normpath("/" + text.lstrip("/"))
    if clean == "/":
        raise SpecError("/ cannot be a pool: give it a directory of its own")
    return clean


DIRECTORY = Type(_parse_path, read_text, write_text)


def _parse_mode(value: Any) -> int:
    """Return permission bits; a number is refused, since YAML has read 0711 as 457 by then."""
    if isinstance(value, str) and re.match(r"^0?[0-7]{3}$", value.strip()):
        return int(value.strip(), 8)
    raise SpecError(f"{value!r} is not a mode: write three octal digits in quotes, such as '0711'")


def _read_mode(element: Element, attribute: str | None) -> int:
    return int(read_text(element, attribute), 8)


def _write_mode(element: Element, attribute: str | None, value: int) -> None:
    write_text(element, attribute, f"{value:04o}")


def _show_mode(value: int) -> str:
    return f"{value:04o}"


MODE = Type(_parse_mode, _read_mode, _write_mode, _show_mode)


def _parse_id(value: Any) -> int:
    if str(value).strip().isdigit():
        return int(value)
    raise SpecError(f"{value!r} is not the number of a user or group")


def _read_id(element: Element, attribute: str | None) -> int:
    return int(read_text(element, attribute))


def _write_id(element: Element, attribute: str | None, value: int) -> None:
    write_text(element, attribute, str(value))


ID = Type(_parse_id, _read_id, _write_id)


def _define(context: Context, root: Element) -> Step:
    return Step("define_pool", {"xml": _xml.to_text(root)}, f"define pool {context.name}")


# sources

_HOST = re.compile(r"^(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+)(:(?P<port>[0-9]{1,5}))?$")


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise SpecError(f"{value!r} is not a list with something in it")
    found = tuple(str(LINE.parse(word)) for word in value)
    if len(set(found)) != len(found) or "" in found:
        raise SpecError(f"{value!r} has an entry that is empty, or one twice")
    return found


def _host(word: str) -> tuple[str, str]:
    """Return a host's name or address, and its port, empty for the usual one."""
    match = _HOST.match(word)
    if match is None or not 0 < int(match["port"] or 1) < 65536:
        raise SpecError(f"{word!r} is not a host: write NAME, NAME:PORT or [IPv6]:PORT")
    return match["name"].strip("[]"), match["port"] or ""


def _parse_hosts(value: Any) -> tuple[str, ...]:
    found = _strings(value)
    for word in found:
        _host(word)
    return found


def _get_hosts(root: Element) -> Any:
    found = []
    for node in _xml.find_all(root, "source/host"):
        name, port = node.get("name", ""), node.get("port")
        shown = f"[{name}]" if ":" in name else name
        # 0 is libvirt's word for the usual one.
        found.append(shown if port in (None, "0") else f"{shown}:{port}")
    return tuple(found) or UNSET


def _set_hosts(root: Element, value: tuple[str, ...]) -> None:
    _xml.remove(root, "source/host")
    source = _xml.ensure(root, "source")
    for word in value:
        name, port = _host(word)
        node = SubElement(source, "host", {"name": name})
        if port:
            node.set("port", port)


def _get_devices(root: Element) -> Any:
    return tuple(node.get("path", "") for node in _xml.find_all(root, "source/device")) or UNSET


def _set_devices(root: Element, value: tuple[str, ...]) -> None:
    _xml.remove(root, "source/device")
    source = _xml.ensure(root, "source")
    for path in value:
        SubElement(source, "device", {"path": path})


def _same_devices(want: tuple[str, ...], have: tuple[str, ...]) -> bool:
    return sorted(want) == sorted(have)


def _same_hosts(want: tuple[str, ...], have: tuple[str, ...]) -> bool:
    # libvirt writes the usual port of iSCSI where none was said; no other source has that one.
    return [word.removesuffix(":3260") for word in want] == [word.removesuffix(":3260") for word in have]


HOSTS = Type(_parse_hosts, read_text, write_text, show=list, same=_same_hosts)
DEVICES = Type(_strings, read_text, write_text, show=list, same=_same_devices)


def _set_adapter(root: Element, value: str) -> None:
    _xml.write(root, "source/adapter/@type", "scsi_host")
    _xml.write(root, "source/adapter/@name", value)


def _set_username(root: Element, value: str) -> None:
    _xml.write(root, "source/auth/@type", "ceph" if root.get("type") == "rbd" else "chap")
    _xml.write(root, "source/auth/@username", value)


_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def _get_secret(root: Element) -> Any:
    return _xml.read(root, "source/auth/secret/@uuid") or _xml.read(root, "source/auth/secret/@usage") or UNSET


def _set_secret(root: Element, value: str) -> None:
    _xml.remove(root, "source/auth/secret")
    _xml.write(root, f"source/auth/secret/@{'uuid' if _UUID.match(value) else 'usage'}", value)


NAME = pattern(r"[^\s/][^\s]*", "the name of a source: no blank, no / in front")
WORD = pattern(r"[A-Za-z0-9_.+-]+", "one word")
VERSION = pattern(r"[0-9]+(\.[0-9]+)?", "a version of NFS, such as '4.2'")
IQN = pattern(r"(iqn|eui|naa)\.\S+", "the name of an initiator, such as iqn.2026-01.com.example:host1")

SOURCE = (
    Field("source_hosts", ("source/host",), HOSTS, RECREATE, getter=_get_hosts, setter=_set_hosts),
    Field("source_path", ("source/dir/@path",), PATH, RECREATE),
    Field("source_devices", ("source/device",), DEVICES, RECREATE, getter=_get_devices, setter=_set_devices),
    Field("source_name", ("source/name",), NAME, RECREATE),
    Field("source_adapter", ("source/adapter/@name",), WORD, RECREATE, setter=_set_adapter),
    Field("source_format", ("source/format/@type",), WORD, RECREATE),
    Field("source_version", ("source/protocol/@ver",), VERSION, RECREATE),
    Field("source_initiator", ("source/initiator/iqn/@name",), IQN, RECREATE),
    Field("auth_username", ("source/auth/@username",), LINE, RECREATE, setter=_set_username),
    Field("auth_secret", ("source/auth/secret",), LINE, RECREATE, getter=_get_secret, setter=_set_secret),
)

POOL = Table(
    (
        Field("type", ("@type",), LINE, RECREATE),
        Field("path", ("target/path",), DIRECTORY, RECREATE),
        *SOURCE,
        Field("mode", ("target/permissions/mode",), MODE, LIVE),
        Field("owner", ("target/permissions/owner",), ID, LIVE),
        Field("group", ("target/permissions/group",), ID, LIVE),
    ),
    (),
    _define,
)
