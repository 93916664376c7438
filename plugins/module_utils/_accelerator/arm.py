# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test guest for 64-bit Arm: it counts, writes to the serial port of QEMU's board `virt`, and powers off.

It was run by emulation only; no Arm host with KVM was at hand. It knows less than the one for x86-64: a loop, by which a
KVM that emulates instructions is found by time, and a call to the firmware's interface PSCI, which KVM answers.
"""

from __future__ import annotations

from .assemble import assemble

STEPS = {"b": "its first instructions", "c": "a loop of 60 million instructions"}

# Only relative jumps are in it, so it runs wherever QEMU puts it.
CODE = """
.64
start:
  01 20 a1 d2                     | mov x1, #0x9000000         | the serial port (PL011), whose data register is first
  40 0c 80 52                     | mov w0, #0x62              | b
  20 00 00 b9                     | str w0, [x1]
  02 26 a0 52                     | mov w2, #0x1300000         | twenty million times
  03 00 80 d2                     | mov x3, #0x0
count:
  63 00 02 8b                     | add x3, x3, x2
  42 04 00 71                     | subs w2, w2, #0x1
  c1 ff ff 54                     | b.ne count
  60 0c 80 52                     | mov w0, #0x63              | c
  20 00 00 b9                     | str w0, [x1]
  00 01 80 52                     | mov w0, #0x8               | PSCI's SYSTEM_OFF, 0x84000008
  00 80 b0 72                     | movk w0, #0x8400, lsl #16
  02 00 00 d4                     | hvc #0x0
halt:
  7f 20 03 d5                     | wfi
  ff ff ff 17                     | b halt
"""


def image() -> bytes:
    """Return the code, which QEMU loads and jumps to as to any kernel without a header."""
    return assemble(CODE, 0)
