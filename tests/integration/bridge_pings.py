# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program: asks an address for an echo every 20 ms until its input ends, and prints the longest silence in seconds."""

from __future__ import annotations

import select
import socket
import struct
import sys
import time


def checksum(data: bytes) -> int:
    """Return the checksum of RFC 1071."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def main(address: str) -> None:
    """Ask, listen, print."""
    longest, number = 0.0, 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as wire:
        last = time.monotonic()
        while True:
            number = (number + 1) & 0xFFFF
            head = struct.pack("!BBHHH", 8, 0, 0, 0x7666, number)
            try:
                wire.sendto(struct.pack("!BBHHH", 8, 0, checksum(head), 0x7666, number), (address, 0))
            except OSError:
                pass  # no route or no neighbour: silence too
            until = time.monotonic() + 0.02
            while (left := until - time.monotonic()) > 0:
                ready, _writers, _errors = select.select([wire, sys.stdin], [], [], left)
                if sys.stdin in ready:
                    print(max(longest, time.monotonic() - last))
                    return
                if wire in ready and wire.recv(1500)[20:21] == b"\0":
                    longest, last = max(longest, time.monotonic() - last), time.monotonic()


if __name__ == "__main__":
    main(sys.argv[1])
