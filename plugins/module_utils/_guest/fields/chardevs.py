# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines between a guest and its host: more serial ports, parallel ports, virtio consoles, and channels with a name.

The first serial port is the console's, and two channels are the agents': they have words of their own (see console.py).
Sources are libvirt's (formatdomain: consoles, serial, parallel and channel devices).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ... import _xml
from ..._errors import SpecError
from ..._table import LIVE, QEMU, RESTART, Arm, Field, Keyed, Spec, Table, Union
from ..._types import ON_OFF, PATH, PORT, PRESENCE, Type, choice, counted, pattern, read_text, write_text
from ..._xml import Element
from .boot import OPTIONAL_PATH
from .parts import HOST, group
from .plugging import plugged

AGENT_NAME = "org.qemu.guest_agent.0"
SPICE_NAME = "com.redhat.spice.0"
# The channels that have a word of their own.
OWNED = {AGENT_NAME: "agent", SPICE_NAME: "spice_agent"}

# sources

_MODE = Field("mode", ("source/@mode",), choice("bind", "connect"))
UNIX = group((Field("path", ("source/@path",), PATH), _MODE), needed=("path", "mode"))
TCP = group(
    (
        Field("host", ("source/@host",), HOST),
        Field("port", ("source/@service",), PORT),
        _MODE,
        Field("protocol", ("protocol/@type",), choice("raw", "telnet"), absent="raw"),
    ),
    needed=("host", "port", "mode"),
)


def _parse_said(value: Any) -> bool:
    if value is not True:
        raise SpecError(f"{value!r} is not true: name another source instead")
    return True


# A source of which there is nothing to say but that it is the one.
SAID = Type(_parse_said, PRESENCE.read, PRESENCE.write, argument={"type": "bool"}, schema={"enum": [True]})
_ALL = ("source", "protocol")


def _nothing(element: Element, value: Any) -> None:
    """Nothing to write beside the mark."""


def _bare(name: str, kind: str) -> Arm:
    return Arm({"@type": kind}, Field(name, _ALL, SAID, getter=lambda element: True, setter=_nothing))


def _several(name: str, kind: str, type_: Type) -> Arm:
    def write(element: Element, value: Mapping[str, Any]) -> None:
        type_.write(element, None, value)

    return Arm(
        {"@type": kind}, Field(name, _ALL, type_, getter=lambda element: type_.read(element, None), setter=write)
    )


def _path(name: str, kind: str) -> Arm:
    def write(element: Element, value: str) -> None:
        _xml.write(element, "source/@path", value)

    return Arm(
        {"@type": kind},
        Field(name, _ALL, PATH, getter=lambda element: _xml.read(element, "source/@path"), setter=write),
    )


_SPICE = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*", "the name of a port of SPICE such as org.spice-space.webdav.0")
ARMS = {
    "pty": _bare("pty", "pty"),
    "file": _path("file", "file"),
    "unix": _several("unix", "unix", UNIX),
    "tcp": _several("tcp", "tcp", TCP),
    "device": _path("device", "dev"),
    "nothing": _bare("nothing", "null"),
    "spiceport": Arm(
        {"@type": "spiceport"},
        Field(
            "spiceport",
            _ALL,
            _SPICE,
            getter=lambda element: _xml.read(element, "source/@channel"),
            setter=lambda element, value: _xml.write(element, "source/@channel", value),
        ),
    ),
}
SOURCE = Union("source", ARMS)


# console_source: that of the first serial port


def _parse_source(value: Any) -> dict[str, Any]:
    given = {name: part for name, part in value.items() if part is not None} if isinstance(value, Mapping) else {}
    if len(given) != 1 or next(iter(given)) not in ARMS:
        raise SpecError(f"{value!r} is not a mapping with exactly one of {', '.join(ARMS)}")
    ((name, part),) = given.items()
    try:
        return {name: ARMS[name].row.type.parse(part)}
    except SpecError as error:
        raise SpecError(f"{name}: {problem}" for problem in error.problems) from None


def _read_source(element: Element, attribute: str | None) -> Any:
    return SOURCE.read(element)


def _write_source(element: Element, attribute: str | None, value: Mapping[str, Any]) -> None:
    SOURCE.write(element, value)


SOURCE_TYPE = Type(
    _parse_source,
    _read_source,
    _write_source,
    SOURCE.show,
    SOURCE.same,
    {"type": "dict", "options": {name: arm.row.type.argument for name, arm in ARMS.items()}},
    inner={name: arm.row.type for name, arm in ARMS.items()},
)

# what all of them have


LOG = Type(OPTIONAL_PATH.parse, read_text, write_text)


def set_log(element: Element, value: str) -> None:
    """Write the file that gets a copy of what a line carries; an empty path is none."""
    _xml.remove(element, "log")
    if value:
        _xml.write(element, "log/@file", value)


_MORE = (
    SOURCE,
    Field("append", ("source/@append",), ON_OFF),
    Field("log", ("log/@file",), LOG, absent="", setter=set_log),
    Field("log_append", ("log/@append",), ON_OFF),
)


def _number(least: int, most: int, what: str) -> Field:
    return Field("port", ("target/@port",), counted(least, most, what))


# serials: the models that libvirt completes by one of the guest's board


def _set_model(element: Element, value: str) -> None:
    for path in ("target/model", "address", "alias"):
        _xml.remove(element, path)
    _xml.write(element, "target/@type", value)


MODELS = ("isa-serial", "usb-serial", "pci-serial", "spapr-vio-serial", "system-serial", "sclp-serial")
_SECOND = "a port from 1 up; the first one is the console's (console, console_log, console_source)"


def _ports(name: str, kind: str, rows: Sequence[Any], **more: Any) -> Keyed:
    return plugged(
        name,
        kind,
        f"devices/{kind}",
        Table((*rows, *_MORE)),
        ident=("name", "port", "port"),
        mark="port",
        called=lambda entry: f"{kind}{entry.get('port', '?')}",
        drivers=QEMU,
        **more,
    )


SERIALS = _ports(
    "serials",
    "serial",
    (
        _number(1, 255, _SECOND),
        Field("model", ("target/@type",), choice(*MODELS), setter=_set_model, follows=True),
    ),
    effect=RESTART,
    select=lambda element: _xml.read(element, "target/@port") not in (None, "0"),
)
PARALLELS = _ports(
    "parallels",
    "parallel",
    (_number(0, 2, "a parallel port"),),
    effect=RESTART,
    select=lambda element: _xml.read(element, "target/@port") is not None,
)


def _set_hvc(element: Element, value: int) -> None:
    _xml.write(element, "target/@type", "virtio")
    _xml.write(element, "target/@port", str(value))


CONSOLES = _ports(
    "consoles",
    "console",
    (Field("port", ("target/@port",), counted(1, 30, _SECOND), setter=_set_hvc),),
    effect=LIVE,
    # libvirt gives numbers to those that have none.
    select=lambda element: _xml.read(element, "target/@type") == "virtio" and _xml.read(element, "target/@port") is not None,
)


def _parse_target(value: Any) -> str:
    text: str = _TARGET.parse(value)
    if text in OWNED:
        raise SpecError(f"{text} goes by the option {OWNED[text]}; leave it out here")
    return text


_TARGET = pattern(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}", "the name of a port such as org.example.control.0")
TARGET = Type(_parse_target, read_text, write_text, schema=_TARGET.schema)


def _set_target(element: Element, value: str) -> None:
    _xml.write(element, "target/@type", "virtio")
    _xml.write(element, "target/@name", value)


def _is_named(element: Element) -> bool:
    name = _xml.read(element, "target/@name")
    return _xml.read(element, "target/@type") == "virtio" and bool(name) and name not in OWNED


CHANNELS = plugged(
    "channels",
    "channel",
    "devices/channel",
    Table((Field("target", ("target/@name",), TARGET, setter=_set_target), *_MORE)),
    ident=("name", "target", "target"),
    mark="target",
    effect=LIVE,
    called=lambda entry: str(entry.get("target", "?")),
    select=_is_named,
    drivers=QEMU,
)

LISTS = (SERIALS, PARALLELS, CONSOLES, CHANNELS)


def _entries(spec: Spec) -> list[tuple[Keyed, Spec, str]]:
    return [
        (keyed, entry, f"{keyed.name}.{entry.get('name') or keyed.sign(entry)}")
        for keyed in LISTS
        for entry in spec.get(keyed.name, ())
    ]


def each_is_told_apart(spec: Spec) -> list[str]:
    found = []
    seen: dict[tuple[str, str], str] = {}
    for keyed, entry, path in _entries(spec):
        sign = keyed.sign(entry)
        if not sign:
            found.append(f"{path}: needs {keyed.mark}, by which the guest knows it")
        elif (keyed.name, sign) in seen:
            found.append(f"{path}.{keyed.mark}: {sign} is {seen[keyed.name, sign]}'s too; each needs one of its own")
        seen.setdefault((keyed.name, sign), path)
    return found


def words_of_a_file(spec: Spec) -> list[str]:
    found = []
    for _keyed, entry, path in _entries(spec):
        if "append" in entry and "file" not in (entry.get("source") or {}):
            found.append(f"{path}.append: goes with file only")
        if "log_append" in entry and not entry.get("log"):
            found.append(f"{path}.log_append: goes with log only")
    return found


def no_console_no_lines(spec: Spec) -> list[str]:
    """``console: false`` takes every serial port and console away, so that none of them can be listed beside it."""
    if spec.get("console") is not False:
        return []
    return [
        f"{keyed.name}: goes with console: true, which the first serial port is"
        for keyed in (SERIALS, CONSOLES)
        if spec.get(keyed.name)
    ]


def a_port_of_spice_has_a_screen(spec: Spec) -> list[str]:
    """QEMU offers such ports over the connection of its screen (libvirt refuses them without one)."""
    if (spec.get("graphics") or {}).get("type", "spice") == "spice":
        return []
    paths = [path for _keyed, entry, path in _entries(spec) if "spiceport" in (entry.get("source") or {})]
    paths += ["console_source"] if "spiceport" in (spec.get("console_source") or {}) else []
    return [f"{path}.spiceport: goes with graphics: {{type: spice}} only" for path in paths]


RULES = (each_is_told_apart, words_of_a_file, no_console_no_lines, a_port_of_spice_has_a_screen)
