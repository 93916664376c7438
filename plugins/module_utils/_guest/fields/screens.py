# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees and hears of a guest: its screen, who may look at it, its video card, sound and pointer."""

from __future__ import annotations

import ipaddress
from typing import Any

from ... import _xml
from ..._change import UNSET, Change, Effect, Step
from ..._errors import SpecError
from ..._table import LIVE, QEMU, Context, Field, Spec
from ..._types import PRESENCE, Type, choice, no_control, read_text, write_text
from ..._xml import Element
from .chardevs import SPICE_NAME
from .groups import NONE, device, plug, word

SCREENS = ("vnc", "spice")
VIDEOS = ("virtio", "vga", "qxl", "bochs", "cirrus", "ramfb", "vmvga", "xen", "none")
SOUNDS = ("ich9", "ich6", "ac97", "es1370", "sb16", "usb")
_GRAPHICS = "devices/graphics"
_VIDEO = "devices/video"
AUTO = "auto"


def _parse_listen(value: Any) -> str:
    try:
        return "" if value == "" else str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise SpecError(f"{value!r} is not an IP address such as 127.0.0.1 or 0.0.0.0") from None


LISTEN = Type(_parse_listen, read_text, write_text)


def _get_screen(root: Element) -> Any:
    return _xml.read(root, f"{_GRAPHICS}/@type")


def _set_screen(root: Element, value: str) -> None:
    """Write the kind of screen; what only the former kind had is void."""
    element = _xml.ensure(root, _GRAPHICS)
    if element.get("type") == value:
        return
    kept = ("port", "autoport", "listen", "passwd", "passwdValidTo")
    element.attrib = {"type": value, **{name: element.attrib[name] for name in kept if name in element.attrib}}
    for child in [child for child in element if child.tag != "listen"]:
        element.remove(child)
    if "port" not in element.attrib:
        _set_port(root, AUTO)


def _get_listen(root: Element) -> Any:
    listen = _xml.read(root, f"{_GRAPHICS}/listen[@type='address']/@address")
    return listen or _xml.read(root, f"{_GRAPHICS}/@listen") or UNSET


def _set_listen(root: Element, value: str) -> None:
    for path in (f"{_GRAPHICS}/@listen", f"{_GRAPHICS}/listen"):
        _xml.remove(root, path)
    if value:
        _xml.write(root, f"{_GRAPHICS}/listen[@type='address']/@address", value)


def _parse_port(value: Any) -> int | str:
    text = str(value)
    if text == AUTO:
        return AUTO
    if not text.isdigit() or not 1 <= int(text) <= 65535 or isinstance(value, bool):
        raise SpecError(f"{value!r} is not a TCP port, nor auto")
    return int(text)


PORT = Type(
    _parse_port, read_text, write_text, schema={"pattern": "auto|[0-9]+", "minimum": 1, "maximum": 65535}
)


def _get_port(root: Element) -> Any:
    port = _xml.read(root, f"{_GRAPHICS}/@port")
    if _xml.read(root, f"{_GRAPHICS}/@autoport") == "yes" or port == "-1":
        return AUTO
    return UNSET if port is None else int(port)


def _set_port(root: Element, value: int | str) -> None:
    _xml.write(root, f"{_GRAPHICS}/@port", "-1" if value == AUTO else str(value))
    _xml.write(root, f"{_GRAPHICS}/@autoport", "yes" if value == AUTO else "no")


# graphics_password: by itself, so that nothing else of the screen is hidden with it.


def _parse_password(value: Any) -> str:
    if not isinstance(value, str) or not no_control(value):
        raise SpecError("is not one line of text without control characters")
    return value


PASSWORD = Type(_parse_password, read_text, write_text)


def _get_password(root: Element) -> Any:
    return _xml.read(root, f"{_GRAPHICS}/@passwd") or ""


def _set_password(root: Element, value: str) -> None:
    for path in (f"{_GRAPHICS}/@passwd", f"{_GRAPHICS}/@passwdValidTo"):
        _xml.remove(root, path)
    if value and _xml.find(root, _GRAPHICS) is not None:
        _xml.write(root, f"{_GRAPHICS}/@passwd", value)


def _password_effect(context: Context, before: Any, after: str) -> Effect:
    """Whether a screen asks for a password at all is settled when QEMU starts."""
    return Effect.LIVE if before and after else Effect.RESTART


def _change_password(context: Context, change: Change, live: Element | None, new: Element | None) -> Step | None:
    screen = _xml.find(live, _GRAPHICS) if live is not None else None
    if screen is None:
        return None
    wanted = _xml.clone(screen)
    wanted.attrib.pop("passwdValidTo", None)
    wanted.set("passwd", change.after)
    arguments = {"name": context.name, "xml": _xml.to_text(wanted)}
    return Step("update_device", arguments, "change the password of the running guest's screen", True)


# video: libvirt gives a card to each guest with a screen, so that none is a model there.


def _get_video(root: Element) -> Any:
    element = _xml.find(root, _VIDEO)
    found = NONE if element is None else _xml.read(element, "model/@type")
    return found if found in VIDEOS else UNSET


def _set_video(root: Element, value: str) -> None:
    if value == NONE and _xml.find(root, _GRAPHICS) is None:
        _xml.remove(root, _VIDEO)
        return
    if value == _get_video(root) and _xml.find(root, _VIDEO) is not None:
        return
    element = _xml.ensure(root, _VIDEO)
    for path in ("address", "alias", "driver", "model"):
        _xml.remove(element, path)
    _xml.write(element, "model/@type", value)


def _voids(before: Any, after: Any) -> tuple[str, ...]:
    """A guest that gets its first screen gets a card too, also where it was to have none."""
    first = "type" in after and NONE == (before or {}).get("type", NONE) != after["type"]
    return ("video",) if first else ()


TABLET = "devices/input[@type='tablet']"
SPICE_AGENT = f"devices/channel[@type='spicevmc'][target/@type='virtio'][target/@name='{SPICE_NAME}']"


def _set_tablet(root: Element, value: bool) -> None:
    if not value:
        _xml.remove(root, TABLET)
    elif _xml.find(root, TABLET) is None:
        _xml.write(root, f"{TABLET}/@bus", "usb")


ROWS = (
    device(
        "graphics",
        _GRAPHICS,
        (
            Field("type", (f"{_GRAPHICS}/@type",), choice(*SCREENS, NONE), getter=_get_screen, setter=_set_screen),
            # A running guest listens somewhere, also where nobody said where.
            Field("listen", (f"{_GRAPHICS}/listen",), LISTEN, getter=_get_listen, setter=_set_listen, absent=""),
            Field("port", (f"{_GRAPHICS}/@port",), PORT, getter=_get_port, setter=_set_port),
        ),
        "vnc",
        voids=_voids,
    ),
    Field(
        "graphics_password",
        (f"{_GRAPHICS}/@passwd", f"{_GRAPHICS}/@passwdValidTo"),
        PASSWORD,
        _password_effect,
        op=_change_password,
        secret=True,
        absent="",
        getter=_get_password,
        setter=_set_password,
        live_drivers=QEMU,
    ),
    Field("video", (_VIDEO,), choice(*VIDEOS), getter=_get_video, setter=_set_video),
    word("sound", "devices/sound", "@model", SOUNDS),
    Field(
        "tablet",
        (TABLET,),
        PRESENCE,
        LIVE,
        op=plug("tablet", TABLET),
        setter=_set_tablet,
        absent=False,
        live_drivers=QEMU,
    ),
    Field("spice_agent", (SPICE_AGENT,), PRESENCE, absent=False, drivers=QEMU),
)


def a_password_has_a_screen(spec: Spec) -> list[str]:
    password, kind = spec.get("graphics_password"), (spec.get("graphics") or {}).get("type")
    if password and kind == NONE:
        return ["graphics_password: the guest has no screen; say graphics: {type: vnc}"]
    if password and kind == "vnc" and len(password.encode()) > 8:
        return ["graphics_password: VNC looks at 8 bytes of a password only; take a shorter one, and a tunnel"]
    return []


def no_screen_has_no_place(spec: Spec) -> list[str]:
    screen = spec.get("graphics") or {}
    if screen.get("type") == NONE and (screen.get("listen") or screen.get("port")):
        return ["graphics: a guest without a screen listens nowhere; leave listen and port out"]
    return []


RULES = (a_password_has_a_screen, no_screen_has_no_place)
