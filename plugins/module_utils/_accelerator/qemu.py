# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask QEMU whether it runs the payload with KVM, and how long that takes beside emulation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import arm, limited, payload
from .tried import Tried

# A pass that takes so many times longer than emulation is none.
SLOWER = 5.0


@dataclass(frozen=True)
class Target:
    """The test guest of one architecture: what QEMU is told besides what holds for all, and how it ends when all is well.

    It is written to a file, whose name follows the last of ``words``. ``steps`` are the letters that it writes, in order.
    """

    image: Callable[[], bytes]
    steps: Mapping[str, str]
    code: int
    words: tuple[str, ...]


_LETTERS = ("-chardev", "stdio,id=say", "-device", f"isa-debugcon,iobase={payload.SAY_PORT:#x},chardev=say")
_EXIT = ("-device", f"isa-debug-exit,iobase={payload.END_PORT:#x},iosize=1")
TARGETS: Mapping[str, Target] = {
    # isa-debug-exit ends QEMU with the value doubled, and one more.
    "x86_64": Target(
        payload.rom, payload.STEPS, payload.PASSED * 2 + 1, ("-machine", "q35", *_LETTERS, *_EXIT, "-bios")
    ),
    "aarch64": Target(arm.image, arm.STEPS, 0, ("-machine", "virt", "-serial", "stdio", "-kernel")),
}
_ALWAYS = ("-m", "64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot")


def version(emulator: str, limit: float) -> str | None:
    """Return QEMU's version as it says it, or None where it does not."""
    found = re.search(r"version (\d+(?:\.\d+)+)", limited.run([emulator, "--version"], limit).output)
    return found.group(1) if found else None


def tried(emulator: str, arch: str, file: Path, limit: float) -> Tried:
    """Return how the test guest in ``file`` goes by KVM, measured by how it goes by emulation.

    On a busy host either may be slow for a moment, so a slow one gets a second chance, and the quicker counts.
    """
    target = TARGETS[arch]
    found = _once(emulator, target, file, "kvm", limit)
    if not found.ok:
        return found
    emulated = _once(emulator, target, file, "tcg", limit)
    # Without emulation there is nothing to compare with.
    if emulated.ok and found.seconds > SLOWER * emulated.seconds:
        again = _once(emulator, target, file, "kvm", limit)
        seconds = min(found.seconds, again.seconds) if again.ok else found.seconds
        if seconds > SLOWER * emulated.seconds:
            said = f"{seconds:.1f} s, and {emulated.seconds:.1f} s by emulation"
            return Tried("slow", None, found.reached, said, seconds)
    return found


def _once(emulator: str, target: Target, file: Path, accel: str, limit: float) -> Tried:
    cpu = "host" if accel == "kvm" else "max"
    ran = limited.run([emulator, "-accel", accel, "-cpu", cpu, *_ALWAYS, *target.words, str(file)], limit)
    steps = [target.steps[letter] for letter in ran.output if letter in target.steps]
    reached = steps[-1] if steps else ""
    if ran.code == target.code and steps == list(target.steps.values()):
        return Tried(reached=reached, seconds=ran.seconds)
    return Tried("limit" if ran.code is None else "guest", None, reached, _complaint(ran), ran.seconds)


def _complaint(ran: limited.Ran) -> str:
    lines = [line.strip() for line in ran.errors.splitlines() if line.strip() and "warning:" not in line]
    if lines:
        # QEMU puts its own name in front.
        return re.sub(r"^qemu-[\w-]+: ", "", lines[-1]).rstrip(".")
    return "" if ran.code is None else f"QEMU ended with code {ran.code}"
