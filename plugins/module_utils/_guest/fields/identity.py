# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who the machine says it is (SMBIOS), and words straight to QEMU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ... import _xml
from ..._errors import SpecError
from ..._table import QEMU, Field
from ..._types import LINE, Type, mapping, no_control, pattern, read_text, write_text
from ..._xml import NAMESPACES, Element, SubElement
from .groups import group

# sysinfo: blocks of the SMBIOS with their entries (libvirt, formatdomain: SMBIOS system information).

_BLOCKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "bios": ("bios", ("vendor", "version", "date")),
    "system": ("system", ("manufacturer", "product", "version", "serial", "sku", "family")),
    "baseboard": ("baseBoard", ("manufacturer", "product", "version", "serial", "asset", "location")),
    "chassis": ("chassis", ("manufacturer", "version", "serial", "asset", "sku")),
}
ENTRIES = tuple(f"{block}_{name}" for block, (_tag, names) in _BLOCKS.items() for name in names)
_SYSINFO = "sysinfo[@type='smbios']"


def _settle(root: Element) -> None:
    """Have the firmware show the block while there is one, and only then."""
    sysinfo = _xml.find(root, _SYSINFO)
    if sysinfo is not None and len(sysinfo):
        _xml.write(root, "os/smbios/@mode", "sysinfo")
        return
    _xml.remove(root, _SYSINFO)
    if _xml.read(root, "os/smbios/@mode") == "sysinfo":
        _xml.remove(root, "os/smbios")


def _entry(path: str) -> Callable[[Element, Any], None]:
    def write(root: Element, value: str) -> None:
        if value:
            _xml.write(root, path, value)
        else:
            _xml.remove(root, path)
        _settle(root)

    return write


def _ordered(value: Any) -> tuple[str, ...]:
    """Return OEM strings as they are given: their order is theirs."""
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{value!r} is not a list of strings")
    found = tuple(str(LINE.parse(item)) for item in value)
    if "" in found:
        raise SpecError("an empty string says nothing; leave it out")
    return found


def _get_strings(root: Element) -> Any:
    return tuple(read_text(entry, None) for entry in _xml.find_all(root, f"{_SYSINFO}/oemStrings/entry"))


def _set_strings(root: Element, value: Sequence[str]) -> None:
    _xml.remove(root, f"{_SYSINFO}/oemStrings")
    for text in value:
        SubElement(_xml.ensure(root, f"{_SYSINFO}/oemStrings"), "entry").text = text
    _settle(root)


def _entries() -> list[Field]:
    found = []
    for block, (tag, names) in _BLOCKS.items():
        for name in names:
            path = f"{_SYSINFO}/{tag}/entry[@name='{name}']"
            found.append(Field(f"{block}_{name}", (path, "os/smbios"), LINE, absent="", setter=_entry(path)))
    return found


# qemu_commandline (libvirt, drvqemu: pass-through of arbitrary QEMU commands)

_QEMU = f"{{{NAMESPACES['qemu']}}}"


def _parse_arguments(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{value!r} is not a list of arguments, each a word of its own: [-device, edu]")
    for item in value:
        if not isinstance(item, str) or not item or not no_control(item):
            raise SpecError(f"{item!r} is not an argument: one line of text, quoted where YAML would read a number")
    return tuple(value)


def _get_arguments(root: Element) -> Any:
    return tuple(node.get("value", "") for node in _xml.find_all(root, "qemu:commandline/qemu:arg"))


def _set_arguments(root: Element, value: Sequence[str]) -> None:
    _xml.remove(root, "qemu:commandline/qemu:arg")
    for text in value:
        SubElement(_xml.ensure(root, "qemu:commandline"), f"{_QEMU}arg", {"value": text})


def _variable(name: Any) -> list[str]:
    return [str(pattern(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable").parse(name))]


def _get_environment(root: Element) -> Any:
    return {node.get("name", ""): node.get("value", "") for node in _xml.find_all(root, "qemu:commandline/qemu:env")}


def _set_environment(root: Element, value: Mapping[str, str]) -> None:
    _xml.remove(root, "qemu:commandline/qemu:env")
    for name, text in value.items():
        attributes = {"name": name, "value": text} if text else {"name": name}
        SubElement(_xml.ensure(root, "qemu:commandline"), f"{_QEMU}env", attributes)


ROWS = (
    group(
        "sysinfo",
        (
            *_entries(),
            Field(
                "oem_strings",
                (f"{_SYSINFO}/oemStrings", "os/smbios"),
                Type(_ordered, read_text, write_text, show=list),
                getter=_get_strings,
                setter=_set_strings,
            ),
        ),
        drivers=QEMU,
    ),
    group(
        "qemu_commandline",
        (
            Field(
                "args",
                ("qemu:commandline/qemu:arg",),
                Type(_parse_arguments, read_text, write_text, show=list),
                getter=_get_arguments,
                setter=_set_arguments,
            ),
            Field(
                "env",
                ("qemu:commandline/qemu:env",),
                mapping(_variable, LINE),
                getter=_get_environment,
                setter=_set_environment,
            ),
        ),
        drivers=frozenset({"qemu"}),
    ),
)
