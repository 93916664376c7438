# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs that work on a whole system's root, so that nothing of them can outlive the module or reach the host.

They get mount and process namespaces of their own. Mounts are seen by nobody else and go with the last process; the
kernel kills every process in there when the module dies, also by SIGKILL. They get a /dev of their own too: packages
that are installed as root may mount, link and unlink below /dev, and a devtmpfs is one and the same for all.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .._errors import HostError
from .._programs import Programs
from .complaints import translate

PROGRAMS = ("setpriv", "unshare", "mount", "sh")

# $1 is the file that gets all output; the rest is the command.
_OWN_DEV = """
set -eu
log=$1
shift
exec < /dev/null >> "$log" 2>&1
umask 022
mount -t tmpfs -o mode=0755 tmpfs /dev
node() {
    mknod "/dev/$1" c "$2" "$3"
    chmod 0666 "/dev/$1"
}
node null 1 3
node zero 1 5
node full 1 7
node random 1 8
node urandom 1 9
node tty 5 0
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mkdir /dev/pts
mount -t devpts -o newinstance,mode=0620,ptmxmode=0666 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
mkdir -m 1777 /dev/shm
exec < /dev/null
exec "$@"
"""


def run_inside(
    programs: Programs,
    says: str,
    argv: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run a command in namespaces of its own, with all its output added to ``log``.

    Raises HostError "could not <says>: ..." with the reason found in what it said (see ``complaints``).
    """
    begun = log.stat().st_size if log.exists() else 0
    code, _output, complaint = programs.attempt(
        says,
        [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--mount", "--propagation", "private", "--uts", "--ipc"),
            *("--pid", "--fork", "--kill-child", "--mount-proc"),
            *("sh", "-c", _OWN_DEV, "sh", str(log), *argv),
        ],
        environment,
    )
    if code == 0:
        return
    with log.open("rb") as file:
        file.seek(begun)
        said = file.read().decode(errors="replace")
    raise HostError(f"could not {says}: {translate(said, complaint)}")
