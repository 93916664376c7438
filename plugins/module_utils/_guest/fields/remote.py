# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are somewhere in the network: one form each for nbd, rbd, iscsi, nfs and https.

A form reads and writes below ``source``. A secret is named by its usage, as virtfleet.core.secret makes it; its value never
stands in a definition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ... import _xml
from ..._change import UNSET
from ..._errors import SpecError
from ..._table import ALL, QEMU, XEN, Arm, Field
from ..._types import LINE, PATH, PORT, YES_NO, Type, pattern, read_text, write_text
from ..._xml import Element, SubElement
from .parts import HOST, USAGE, group

_SOURCE = tuple(
    f"source/{part}" for part in ("@protocol", "@name", "@query", "@tls", "host", "auth", "config", "initiator", "identity")
)
_USER = pattern(r"[A-Za-z0-9_.@:-]+", "the name of a user")
_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::([0-9]+))?$")
_HOST_ROWS = (Field("host", ("host/@name",), HOST), Field("port", ("host/@port",), PORT))


def _split_host(text: str) -> tuple[str, str | None]:
    found = _HOST.match(text)
    if found is None:
        raise SpecError(f"{text!r} is not a host such as 192.0.2.7, mon1:6789 or [2001:db8::7]:6789")
    host = str(HOST.parse(found.group(1).strip("[]")))
    return host, None if found.group(2) is None else str(PORT.parse(found.group(2)))


def _parse_hosts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise SpecError(f"{value!r} is not a list of hosts")
    for item in value:
        _split_host(str(item))
    return tuple(str(item) for item in value)


def _get_hosts(source: Element) -> Any:
    found = []
    for item in source.findall("host"):
        name, port = item.get("name", ""), item.get("port")
        shown = f"[{name}]" if ":" in name else name
        found.append(shown if port is None else f"{shown}:{port}")
    return tuple(found) or UNSET


def _set_hosts(source: Element, value: Sequence[str]) -> None:
    _xml.remove(source, "host")
    for item in value:
        name, port = _split_host(item)
        SubElement(source, "host", {"name": name, **({} if port is None else {"port": port})})


HOSTS = Type(_parse_hosts, read_text, write_text, list, argument={"type": "list", "elements": "str"})


def _secret(kind: str) -> tuple[Field, Field]:
    """Return the rows of a user and of the secret that proves who it is."""
    usage = f"auth/secret[@type='{kind}']/@usage"
    return Field("user", ("auth/@username",), _USER), Field("secret", (usage,), USAGE)


def _form(protocol: str, type_: Type, drivers: frozenset[str] = QEMU) -> Arm:
    def get(disk: Element) -> Any:
        source = _xml.find(disk, "source")
        return UNSET if source is None else type_.read(source, None)

    def put(disk: Element, value: Any) -> None:
        type_.write(_xml.ensure(disk, "source"), None, value)

    row = Field(protocol, _SOURCE, type_, getter=get, setter=put, drivers=drivers)
    return Arm({"@type": "network", "source/@protocol": protocol}, row)


_NBD = group((*_HOST_ROWS, Field("export", ("@name",), LINE), Field("tls", ("@tls",), YES_NO)), ("host",))
_RBD = group(
    (
        Field("name", ("@name",), pattern(r"[^/\s:@]+/[^\s:@]+", "an image with its pool, such as rbd/web1")),
        Field("hosts", ("host",), HOSTS, getter=_get_hosts, setter=_set_hosts),
        *_secret("ceph"),
        Field("config", ("config/@file",), PATH),
    ),
    ("name",),
)
_IQN = pattern(r"(iqn|eui|naa)\.[^\s/]+(/[0-9]+)?", "a target such as iqn.2013-07.example:disks/1, with its LUN")
_ISCSI = group(
    (
        *_HOST_ROWS,
        Field("target", ("@name",), _IQN),
        *_secret("iscsi"),
        Field("initiator", ("initiator/iqn/@name",), pattern(r"iqn\.[^\s/]+", "an initiator such as iqn.2013-07.example:hv1")),
    ),
    ("host", "target"),
)
# A number has a plus before it (libvirt, formatdomain: disk source, identity).
_ID = pattern(r"\+[0-9]{1,10}|[a-z_][a-z0-9_.-]{0,31}", "a user's or group's name, or its number such as '+1000'")
_NFS = group(
    (
        *_HOST_ROWS,
        Field("path", ("@name",), PATH),
        Field("user", ("identity/@user",), _ID),
        Field("group", ("identity/@group",), _ID),
    ),
    ("host", "path", "user", "group"),
)


def _parse_url(value: Any) -> str:
    text = str(LINE.parse(value))
    parts = urlsplit(text)
    try:
        whole = parts.scheme == "https" and parts.hostname and parts.path.strip("/") and parts.port != 0
    except ValueError:
        whole = False
    if not whole or parts.username or parts.fragment or " " in text:
        raise SpecError(f"{value!r} is not an address such as https://images.example/debian.iso, without user and password")
    return text


def _read_url(source: Element, attribute: str | None) -> str:
    host, port = _xml.read(source, "host/@name") or "", _xml.read(source, "host/@port")
    shown = f"[{host}]" if ":" in host else host
    query = source.get("query")
    place = f"{shown}:{port}" if port not in (None, "443") else shown
    return f"https://{place}/{(source.get('name') or '').lstrip('/')}{f'?{query}' if query else ''}"


def _write_url(source: Element, attribute: str | None, value: str) -> None:
    parts = urlsplit(value)
    _set_hosts(source, [f"{parts.netloc}" if parts.port else f"{parts.netloc}:443"])
    source.set("name", parts.path.lstrip("/"))
    source.attrib.pop("query", None)
    if parts.query:
        source.set("query", parts.query)


def _same_url(want: str, have: str) -> bool:
    one, two = urlsplit(want), urlsplit(have)
    return (one.hostname, one.port or 443, one.path, one.query) == (two.hostname, two.port or 443, two.path, two.query)


_URL = Type(_parse_url, _read_url, _write_url, same=_same_url)

FORMS = {
    "nbd": _form("nbd", _NBD),
    "rbd": _form("rbd", _RBD, QEMU | XEN),
    "iscsi": _form("iscsi", _ISCSI),
    "nfs": _form("nfs", _NFS),
    "https": _form("https", _URL),
}


def _get_other(disk: Element) -> Any:
    protocol, name = _xml.read(disk, "source/@protocol"), _xml.read(disk, "source/@name")
    return UNSET if protocol is None else f"{protocol}:{name or ''}"


# What the secret of a form is for, as libvirt looks it up.
SECRETS = {"rbd": "ceph", "iscsi": "iscsi"}

# Other network disks are seen, so that they are told apart; they have no word.
OTHER = Arm({"@type": "network"}, Field("remote", _SOURCE, LINE, getter=_get_other, said=False, drivers=ALL))
