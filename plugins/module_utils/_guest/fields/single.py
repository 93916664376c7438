# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of which a guest has one: watchdog, entropy, TPM, panic, vsock, smart card, IOMMU."""

from __future__ import annotations

from typing import Any

from ... import _xml
from ..._change import UNSET
from ..._errors import SpecError
from ..._table import QEMU, Field, Spec
from ..._types import PATH, Type, choice, read_text, write_text
from ..._units import LOOKS_LIKE_SIZE, parse_size, show_size
from ..._xml import Element
from .groups import NONE, device, plug, plugged, word

WATCHDOGS = ("i6300esb", "ib700", "itco", "diag288")
WATCHDOG_ACTIONS = ("reset", "shutdown", "poweroff", "pause", "none", "dump", "inject-nmi")
TPMS = ("tpm-crb", "tpm-tis", "tpm-spapr")
PANICS = ("isa", "hyperv", "pseries", "s390")
IOMMUS = ("intel", "smmuv3", "virtio")
_WATCHDOG, _RNG, _TPM, _VSOCK = "devices/watchdog", "devices/rng", "devices/tpm", "devices/vsock"
BUILTIN = "builtin"

# rng: a file of the host, or QEMU's own


def _parse_source(value: Any) -> str:
    return str(value) if value in (BUILTIN, NONE) else str(PATH.parse(value))


SOURCE = Type(_parse_source, read_text, write_text)


def _get_source(root: Element) -> Any:
    model = _xml.read(root, f"{_RNG}/backend/@model")
    if model == BUILTIN:
        return BUILTIN
    return (_xml.read(root, f"{_RNG}/backend") or "/dev/random") if model == "random" else UNSET


def _set_source(root: Element, value: str) -> None:
    _xml.remove(root, f"{_RNG}/backend")
    if _xml.read(root, f"{_RNG}/@model") is None:
        _xml.write(root, f"{_RNG}/@model", "virtio")
    _xml.write(root, f"{_RNG}/backend/@model", BUILTIN if value == BUILTIN else "random")
    if value != BUILTIN:
        _xml.write(root, f"{_RNG}/backend", value)


def _parse_rate(value: Any) -> int:
    found = 0 if value in (0, "0") else parse_size(value)
    if found >= 2**31:
        raise SpecError(f"{value!r} is more in a second than libvirt can count")
    return found


RATE = Type(
    _parse_rate,
    read_text,
    write_text,
    lambda rate: show_size(rate) if rate else "0",
    schema={"pattern": f"0|{LOOKS_LIKE_SIZE}", "minimum": 0, "maximum": 0},
)


def _get_rate(root: Element) -> Any:
    amount = _xml.read(root, f"{_RNG}/rate/@bytes")
    if amount is None:
        return 0
    # Another period than a second has no word.
    return int(amount) if _xml.read(root, f"{_RNG}/rate/@period") in (None, "0", "1000") else UNSET


def _set_rate(root: Element, bytes_per_second: int) -> None:
    _xml.remove(root, f"{_RNG}/rate")
    if bytes_per_second:
        _xml.write(root, f"{_RNG}/rate/@bytes", str(bytes_per_second))
        _xml.write(root, f"{_RNG}/rate/@period", "1000")


# tpm


def _set_backend(root: Element, value: str) -> None:
    if _xml.read(root, f"{_TPM}/backend/@type") != value:
        _xml.remove(root, f"{_TPM}/backend")
    _xml.write(root, f"{_TPM}/backend/@type", value)


def _set_tpm(root: Element, value: str) -> None:
    _xml.write(root, f"{_TPM}/@model", value)
    if _xml.read(root, f"{_TPM}/backend/@type") is None:
        _xml.write(root, f"{_TPM}/backend/@type", "emulator")


# vsock: a number of the host's, or the next free one at each start


def _parse_cid(value: Any) -> str:
    text = str(value)
    if text in ("auto", NONE):
        return text
    if isinstance(value, bool) or not text.isdigit() or not 3 <= int(text) <= 2**32 - 2:
        raise SpecError(f"{value!r} is not a context id from 3 up, nor auto or none")
    return str(int(text))


CID = Type(_parse_cid, read_text, write_text, schema={"pattern": "auto|none|[0-9]+", "minimum": 3})


def _get_cid(root: Element) -> Any:
    if _xml.find(root, _VSOCK) is None:
        return NONE
    if _xml.read(root, f"{_VSOCK}/cid/@auto") == "yes":
        return "auto"
    return _xml.read(root, f"{_VSOCK}/cid/@address") or UNSET


def _set_cid(root: Element, value: str) -> None:
    if value == NONE:
        _xml.remove(root, _VSOCK)
        return
    if _xml.read(root, f"{_VSOCK}/@model") is None:
        _xml.write(root, f"{_VSOCK}/@model", "virtio")
    _xml.remove(root, f"{_VSOCK}/cid")
    if value == "auto":
        _xml.write(root, f"{_VSOCK}/cid/@auto", "yes")
    else:
        _xml.write(root, f"{_VSOCK}/cid/@auto", "no")
        _xml.write(root, f"{_VSOCK}/cid/@address", value)


def _comes(before: Any, after: Any) -> bool:
    """Tell whether a change plugs in a device that there was none of."""
    words = [next(iter(value.values()), None) if isinstance(value, dict) else value for value in (before, after)]
    return words[0] == NONE and words[1] not in (NONE, None)


_SMARTCARD = "devices/smartcard"
SMARTCARDS = ("passthrough", "host")


def _get_smartcard(root: Element) -> Any:
    if _xml.find(root, _SMARTCARD) is None:
        return NONE
    mode = _xml.read(root, f"{_SMARTCARD}/@mode")
    if mode == "passthrough" and _xml.read(root, f"{_SMARTCARD}/@type") not in (None, "spicevmc"):
        return UNSET
    return mode if mode in SMARTCARDS else UNSET


def _set_smartcard(root: Element, value: str) -> None:
    _xml.remove(root, _SMARTCARD)
    if value != NONE:
        _xml.write(root, f"{_SMARTCARD}/@mode", value)
    if value == "passthrough":
        _xml.write(root, f"{_SMARTCARD}/@type", "spicevmc")


ROWS = (
    device(
        "watchdog",
        _WATCHDOG,
        (
            Field("model", (f"{_WATCHDOG}/@model",), choice(*WATCHDOGS, NONE)),
            Field("action", (f"{_WATCHDOG}/@action",), choice(*WATCHDOG_ACTIONS)),
        ),
        "i6300esb",
        drivers=QEMU,
    ),
    device(
        "rng",
        _RNG,
        (
            Field("source", (f"{_RNG}/backend",), SOURCE, getter=_get_source, setter=_set_source),
            Field("rate", (f"{_RNG}/rate",), RATE, getter=_get_rate, setter=_set_rate),
        ),
        "/dev/urandom",
        plugged,
        plug("source of entropy", _RNG),
        drivers=QEMU,
        in_port=_comes,
    ),
    device(
        "tpm",
        _TPM,
        (
            Field("model", (f"{_TPM}/@model",), choice(*TPMS, NONE), setter=_set_tpm),
            Field(
                "type",
                (f"{_TPM}/backend/@type", f"{_TPM}/backend/@version", f"{_TPM}/backend/device/@path"),
                choice("emulator", "passthrough"),
                setter=_set_backend,
            ),
            Field("version", (f"{_TPM}/backend/@version",), choice("1.2", "2.0")),
            Field("device", (f"{_TPM}/backend/device/@path",), PATH),
        ),
        "tpm-crb",
        drivers=QEMU,
    ),
    word("panic", "devices/panic", "@model", PANICS, drivers=QEMU),
    Field(
        "vsock",
        (_VSOCK,),
        CID,
        plugged,
        op=plug("vsock", _VSOCK),
        getter=_get_cid,
        setter=_set_cid,
        drivers=QEMU,
        in_port=_comes,
    ),
    Field("smartcard", (_SMARTCARD,), choice(*SMARTCARDS, NONE), getter=_get_smartcard, setter=_set_smartcard, drivers=QEMU),
    word("iommu", "devices/iommu", "@model", IOMMUS, drivers=QEMU, drops=("driver",)),
)


def nothing_has_no_words(spec: Spec) -> list[str]:
    found = []
    for option, kind in (("watchdog", "model"), ("rng", "source"), ("tpm", "model")):
        value = spec.get(option) or {}
        if value.get(kind) == NONE and any(part for name, part in value.items() if name != kind):
            found.append(f"{option}: {kind}: none takes it away; leave its other words out")
    return found


def a_tpm_is_emulated_or_real(spec: Spec) -> list[str]:
    tpm = spec.get("tpm") or {}
    if "device" in tpm and tpm.get("type", "emulator") == "emulator":
        return ["tpm: device is the host's own TPM; it goes with type: passthrough"]
    if "version" in tpm and tpm.get("type") == "passthrough":
        return ["tpm: the host's own TPM has its own version; leave version out"]
    return []


RULES = (nothing_has_no_words, a_tpm_is_emulated_or_real)
