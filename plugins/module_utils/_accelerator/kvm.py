# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask KVM itself, by ioctls, whether it runs the payload: no QEMU needed.

``main`` is a program of its own, because a broken KVM may never return from running a guest. It prints a line of JSON
for each thing that went well, at once, so that what was reached is known also of one that had to be ended.

The numbers are those of linux/kvm.h; Documentation/virt/kvm/api.rst says what they do.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import struct
import sys
from typing import Any

from . import limited
from .payload import ADDRESS, END_PORT, PASSED, RAM_BYTES, SAY_PORT, STEPS, rom
from .tried import Tried

DEVICE = "/dev/kvm"
API_VERSION = 12

# Without an argument an ioctl's number has a bit more on PowerPC (asm/ioctl.h). The others are asked on x86 only.
_PLAIN = 0x2000AE00 if os.uname().machine.startswith("ppc") else 0xAE00
_GET_API_VERSION = _PLAIN
_CREATE_VM = _PLAIN + 1
_GET_VCPU_MMAP_SIZE = 0xAE04
_GET_SUPPORTED_CPUID = 0xC008AE05
_CREATE_VCPU = 0xAE41
_SET_USER_MEMORY_REGION = 0x4020AE46
_SET_TSS_ADDR = 0xAE47
_SET_IDENTITY_MAP_ADDR = 0x4008AE48
_CREATE_IRQCHIP = 0xAE60
_RUN = 0xAE80
_SET_CPUID2 = 0x4008AE90

_EXIT_IO = 2
# Why KVM_RUN came back, in words: kvm_run.exit_reason.
_EXITS = {
    8: "it shut down (triple fault)",
    9: "KVM could not enter it",
    17: "KVM could not emulate an instruction of it",
}
_CPUID_ENTRIES = 256
# Four pages that Intel's processors without unrestricted guests need; where no memory of the guest is, and below 2 GiB,
# since ioctl() of Python takes a C int.
_TSS_ADDRESS = 0x7FF00000
_IDENTITY_MAP = 0x7FF10000


def tried(run: bool, limit: float) -> Tried:
    """Return how far KVM gets: with ``run`` as far as the payload goes, else until it gives a virtual machine."""
    # Run as the modules are that Ansible starts anew: from where this one was found.
    code = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import main; main()"
    ran = limited.run([sys.executable, "-c", code, "run" if run else "open"], limit)
    lines = [json.loads(line) for line in ran.output.splitlines() if line.endswith("}")]
    steps = [STEPS[line["step"]] for line in lines if "step" in line]
    reached = steps[-1] if steps else ""
    last = lines[-1] if lines else {}
    if "failed" in last:
        return Tried(last["failed"], last.get("errno"), reached, last["said"], ran.seconds)
    if ran.code is None:
        return Tried("limit", None, reached, "", ran.seconds)
    if last == ({"ended": PASSED} if run else {"did": "vm"}):
        return Tried(reached=reached, seconds=ran.seconds)
    if "ended" in last:
        return Tried(
            "guest", None, reached, "it found a wrong result, or an exception came that had no cause", ran.seconds
        )
    said = (ran.errors.strip().splitlines() or [f"the program that asks ended with code {ran.code}"])[-1]
    return Tried("start", None, reached, said, ran.seconds)


def main() -> None:
    """Print how far KVM gets; the one word on the command line is ``run`` or, to leave the payload out, ``open``."""
    doing = "open"
    try:
        kvm = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
        _say(did=doing)
        doing = "version"
        version = fcntl.ioctl(kvm, _GET_API_VERSION, 0)
        if version != API_VERSION:
            _say(failed=doing, said=f"it speaks version {version} of KVM's language, and not {API_VERSION}")
            return
        _say(did=doing)
        doing = "vm"
        vm = fcntl.ioctl(kvm, _CREATE_VM, 0)
        _say(did=doing)
        if sys.argv[-1] == "run":
            doing = "vcpu"
            _run(kvm, vm)
    except OSError as error:
        _say(failed=doing, errno=error.errno, said=error.strerror)


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _run(kvm: int, vm: int) -> None:
    fcntl.ioctl(vm, _SET_TSS_ADDR, _TSS_ADDRESS)
    fcntl.ioctl(vm, _SET_IDENTITY_MAP_ADDR, struct.pack("Q", _IDENTITY_MAP))
    fcntl.ioctl(vm, _CREATE_IRQCHIP, 0)
    ram = mmap.mmap(-1, RAM_BYTES)
    image = rom()
    top = mmap.mmap(-1, len(image))
    top.write(image)
    for slot, (place, memory) in enumerate(((0, ram), (ADDRESS, top))):
        region = struct.pack("IIQQQ", slot, 0, place, len(memory), _address(memory))
        fcntl.ioctl(vm, _SET_USER_MEMORY_REGION, region)
    vcpu = fcntl.ioctl(vm, _CREATE_VCPU, 0)
    # What the processor has, as with QEMU's `-cpu host`: without it, it would know no 64-bit mode.
    cpuid = bytearray(8 + 40 * _CPUID_ENTRIES)
    struct.pack_into("I", cpuid, 0, _CPUID_ENTRIES)
    fcntl.ioctl(kvm, _GET_SUPPORTED_CPUID, cpuid)
    fcntl.ioctl(vcpu, _SET_CPUID2, cpuid)
    state = mmap.mmap(vcpu, fcntl.ioctl(kvm, _GET_VCPU_MMAP_SIZE, 0))
    _say(did="vcpu")
    while True:
        fcntl.ioctl(vcpu, _RUN, 0)
        reason = struct.unpack_from("I", state, 8)[0]
        port, value = _output(state) if reason == _EXIT_IO else (None, 0)
        if port == SAY_PORT:
            _say(step=chr(value))
        elif port == END_PORT:
            _say(ended=value)
            return
        else:
            # Nothing else gives the payload a reason to come out here.
            _say(failed="guest", said=_EXITS.get(reason, f"KVM gave up with exit reason {reason}"))
            return


def _output(state: mmap.mmap) -> tuple[int, int]:
    """Return the port and the byte of an output, from kvm_run's io: direction, size, port, count, offset of the data."""
    port, offset = struct.unpack_from("=2xHxxxxQ", state, 32)
    return port, state[offset]


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
