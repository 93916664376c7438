# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial console with its log and where it leads, and the channel of the guest agent."""

from __future__ import annotations

from typing import Any

from ... import _xml
from ..._change import UNSET
from ..._table import QEMU, Field, Spec
from ..._types import PRESENCE
from ..._xml import Element
from .chardevs import AGENT_NAME, LOG, SOURCE_TYPE, set_log

AGENT = f"devices/channel[@type='unix'][target/@type='virtio'][target/@name='{AGENT_NAME}']"


def _first_ports(root: Element) -> list[Element]:
    """Return the serial port that is the console's; those with higher numbers are listed in serials."""
    ports = _xml.find_all(root, "devices/serial")
    return [port for port in ports if _xml.read(port, "target/@port") in (None, "0")][:1]


def _get_console(root: Element) -> Any:
    return bool(_first_ports(root)) or _xml.find(root, "devices/console") is not None


def _set_console(root: Element, value: bool) -> None:
    if not value:
        _xml.remove(root, "devices/serial")
        _xml.remove(root, "devices/console")
    elif _get_console(root):
        return
    elif root.get("type") == "xen" and _xml.read(root, "os/type") != "hvm":
        # The ring that a paravirtual guest shares with xenconsoled, hvc0 inside; there is no serial port.
        _xml.write(root, "devices/console[@type='pty']/target/@type", "xen")
        _xml.write(root, "devices/console/target/@port", "0")
    else:
        _xml.write(root, "devices/serial[@type='pty']/target/@port", "0")
        _xml.write(root, "devices/console[@type='pty']/target/@type", "serial")


def _lines(root: Element) -> list[Element]:
    """Return the first serial port and its mirror among the consoles; one of them may stand alone before libvirt has read it."""
    consoles = _xml.find_all(root, "devices/console")
    mirrors = [console for console in consoles if _xml.read(console, "target/@type") != "virtio"]
    return _first_ports(root) + mirrors[:1]


def _logged(root: Element) -> list[Element]:
    # A console that is no serial port, such as Xen's or a virtio one, may stand alone.
    return _lines(root) or _xml.find_all(root, "devices/console")[:1]


def _get_log(root: Element) -> Any:
    files = (_xml.read(element, "log/@file") for element in _logged(root))
    return next((file for file in files if file), "")


def _set_log(root: Element, value: str) -> None:
    """Write the log below both; libvirt mirrors the first serial port in console."""
    for element in _logged(root):
        set_log(element, value)


def _get_source(root: Element) -> Any:
    lines = _lines(root)
    return SOURCE_TYPE.read(lines[0], None) if lines else UNSET


def _set_source(root: Element, value: Any) -> None:
    """Write where the first serial port leads, alike in both (libvirt keeps them so)."""
    for element in _lines(root):
        SOURCE_TYPE.write(element, None, value)


ROWS = (
    Field("console", ("devices/serial", "devices/console"), PRESENCE, getter=_get_console, setter=_set_console),
    Field(
        "console_log",
        ("devices/serial/log/@file", "devices/console/log/@file"),
        LOG,
        getter=_get_log,
        setter=_set_log,
        absent="",
        # What xenconsoled writes down is its own setting.
        drivers=QEMU,
    ),
    Field(
        "console_source",
        tuple(f"devices/{line}/{leaf}" for line in ("serial", "console") for leaf in ("@type", "source", "protocol")),
        SOURCE_TYPE,
        getter=_get_source,
        setter=_set_source,
        drivers=QEMU,
    ),
    Field("agent", (AGENT,), PRESENCE, absent=False, drivers=QEMU),
)


def a_log_has_a_console(spec: Spec) -> list[str]:
    if spec.get("console_log") and spec.get("console") is False:
        return ["console_log: the guest has no console whose output could be logged; say console: true"]
    return []


def a_source_has_a_console(spec: Spec) -> list[str]:
    if spec.get("console_source") and spec.get("console") is False:
        return ["console_source: the guest has no console that could lead anywhere; say console: true"]
    return []


RULES = (a_log_has_a_console, a_source_has_a_console)
