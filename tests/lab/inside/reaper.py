# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Start a daemon and stay as the parent of whatever it leaves: `python3 reaper.py DAEMON [ARGUMENT...]`.

QEMU and dnsmasq become orphans on purpose. Whoever adopts them must collect them when they end, at once: libvirt
waits until a stopped guest's process is really gone, and the first process of a container may take seconds.
The exit status is the daemon's own (of its fork to the background); the reaper goes on behind that.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36


def main() -> int:
    """Run the command; return its exit status as soon as there is one."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        told = os.read(reading, 1)
        return told[0] if told else 1
    os.close(reading)
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    daemon = os.fork()
    if not daemon:
        os.close(writing)
        try:
            os.execvp(sys.argv[1], sys.argv[1:])
        except OSError as error:
            print(f"{sys.argv[1]}: {error.strerror}", flush=True)
            os._exit(127)
    while True:
        try:
            ended, status = os.wait()
        except ChildProcessError:
            os._exit(0)
        if ended == daemon:
            # Whoever reads the daemon's output waits for the last one to close it.
            nothing = os.open(os.devnull, os.O_RDWR)
            for number in (0, 1, 2):
                os.dup2(nothing, number)
            os.write(writing, bytes([os.waitstatus_to_exitcode(status) & 0xFF]))
            os.close(writing)


if __name__ == "__main__":
    sys.exit(main())
