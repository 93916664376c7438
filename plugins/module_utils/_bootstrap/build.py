# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a disk of packages: a root from the cache, made this image's own, and written to a raw disk."""
from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import shlex
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._errors import HostError, NotFound, Unsupported
from .._image.bootstrap import Bootstrap
from .._image.bootstrap_files import EPOCH, LAST_STEPS, Entry, first_steps, late_entries
from .._image.layout import Layout, lay_out
from .._image.suites import ARCHITECTURES
from .._long_work import Progress
from .._programs import Programs
from . import disk, inside, root
from .disk import Disk
from .inside import run_inside
from .root import TAR, Roots
from .sources import source_lines

CACHE = Path("/var/cache/virtfleet")
_LOCK = "lock"
_PROGRAMS = (*inside.PROGRAMS, *root.PROGRAMS, *disk.PROGRAMS, "tar", "qemu-img")

# $1 is the root, $2 the folder with what is to be done. Everything mounted here goes with the last process.
_OWN = """
set -eu
root=$1 work=$2
tar -x --numeric-owner --xattrs '--xattrs-include=*' -f "$3" -C "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
inside() {
    chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 SYSTEMD_OFFLINE=1 \\
        SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" DEBIAN_FRONTEND=noninteractive "$@"
}
inside tar -x -p --keep-directory-symlink -f - < "$work/layer.tar"
cp -r "$work/steps" "$root/run/virtfleet"
inside sh /run/virtfleet/first
if [ -e "$work/steps/command-000" ]; then
    mkdir -p "$root/run/lock" "$root/run/kept"
    inside sh -c 'mv /etc/resolv.conf /run/kept/; mv /usr/sbin/policy-rc.d /run/kept/ 2> /dev/null || true'
    [ ! -e /etc/resolv.conf ] || inside sh -c 'cat > /etc/resolv.conf' < /etc/resolv.conf
    inside sh -c 'printf "#!/bin/sh\\nexit 101\\n" > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d'
    for command in "$work"/steps/command-*; do
        number=$((1${command##*-} - 1000))
        code=0
        inside sh "/run/virtfleet/${command##*/}" || code=$?
        if [ "$code" != 0 ]; then
            echo "commands[$number] ended with code $code"
            exit 1
        fi
    done
    inside sh -c 'rm -f /etc/resolv.conf /usr/sbin/policy-rc.d; cp -P /run/kept/resolv.conf /etc/
        [ ! -e /run/kept/policy-rc.d ] || cp -p /run/kept/policy-rc.d /usr/sbin/'
fi
umount "$root/run" "$root/sys" "$root/proc"
umount -R "$root/dev"
inside sh -s < "$work/last"
find "$root" -xdev -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
"""

# Reads the hash from a file, since anybody can read a command line.
_SET_HASH = """
awk -F: -v OFS=: -v days=@DAYS@ '
    BEGIN { getline hash < "/run/virtfleet/password" }
    $1 == "root" { $2 = hash; $3 = days }
    { print }
' /etc/shadow > /run/virtfleet/shadow
cat /run/virtfleet/shadow > /etc/shadow
"""


class Builder:
    """Makes disks of packages on this host. ``cache`` is where roots are kept and the work is done."""

    def __init__(self, programs: Programs, cache: Path = CACHE) -> None:
        self._programs = programs
        self._cache = cache

    def check(self, bootstrap: Bootstrap) -> None:
        """Raise where this host cannot do it, before anything is touched."""
        if os.geteuid() != 0:
            raise Unsupported("making an image of packages needs root, since its files belong to many users; use become")
        self._programs.need("make an image of packages", _PROGRAMS)
        machine = os.uname().machine
        wanted = ARCHITECTURES[bootstrap.architecture or ""]
        if machine != wanted and not _runs(wanted):
            raise Unsupported(
                f"could not make an image for {bootstrap.architecture} on a host with {machine}: it cannot run programs of "
                "that architecture; install the packages qemu-user-static and binfmt-support"
            )

    def build(self, bootstrap: Bootstrap, size: int, key: str, place: Path, progress: Progress) -> None:
        """Write the raw disk of a spec, which knows its host, to the file ``place``."""
        self.check(bootstrap)
        layout = lay_out(bootstrap, size, key)
        with self._working() as work:
            kept = self._root(bootstrap, work, progress)
            tree = self._make_own(bootstrap, layout, kept, work, progress)
            progress.say("writing the disk")
            Disk(self._programs, layout, place, work).make(bootstrap, tree, kept)

    def prepare(self, bootstrap: Bootstrap, progress: Progress) -> Path:
        """Return the folder of the root that serves a spec, made first where there is none; the slow half of a build."""
        self.check(bootstrap)
        with self._working() as work:
            return self._root(bootstrap, work, progress)

    def _root(self, bootstrap: Bootstrap, work: Path, progress: Progress) -> Path:
        return Roots(self._programs, self._cache).get(bootstrap, source_lines(bootstrap), work, progress)

    def _make_own(self, bootstrap: Bootstrap, layout: Layout, kept: Path, work: Path, progress: Progress) -> Path:
        """Unpack the root and make it this image's: its files, its first steps, the user's commands, no identity."""
        began = time.monotonic()
        tree, steps = work / "root", work / "steps"
        tree.mkdir(mode=0o755)
        steps.mkdir(mode=0o700)
        entries = [*late_entries(bootstrap, layout), *_given(bootstrap)]
        with tarfile.open(work / "layer.tar", "w") as layer:
            for entry in entries:
                _add(layer, entry)
            _add_sources(layer, bootstrap)
        first = first_steps(bootstrap)
        if bootstrap.root_password_hash is not None:
            _private(steps / "password", f"{bootstrap.root_password_hash}\n")
            first += _SET_HASH.replace("@DAYS@", str(EPOCH // 86400))
        first += "".join(
            f"chown -h {shlex.quote(file.owner)} {shlex.quote(file.path)}\n"
            for file in bootstrap.files
            if file.owner != "root:root"
        )
        _private(steps / "first", first)
        for number, command in enumerate(bootstrap.commands):
            _private(steps / f"command-{number:03d}", command + "\n")
        (work / "last").write_text(LAST_STEPS, encoding="utf-8")
        run_inside(
            self._programs,
            "fill the image",
            ["sh", "-c", _OWN, "sh", str(tree), str(work), str(kept / TAR)],
            progress.place,
            {"SOURCE_DATE_EPOCH": str(EPOCH)},
        )
        progress.say(f"unpacked and filled in {time.monotonic() - began:.1f} s")
        return tree

    @contextmanager
    def _working(self) -> Iterator[Path]:
        """Yield a private folder for the work, and remove it with everything in it, and what killed runs left."""
        base = self._cache / "work"
        for folder in (self._cache, base):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(base)
        work = Path(tempfile.mkdtemp(prefix="image-", dir=base))
        handle = os.open(work / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield work
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise HostError(f"{error.filename or work} is on a full disk; make room in {self._cache}") from error
            raise
        finally:
            _remove(work)
            os.close(handle)


def _sweep(base: Path) -> None:
    """Remove the folders of runs that were killed: nobody holds their locks any more."""
    for left in base.glob("image-*"):
        try:
            handle = os.open(left / _LOCK, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            # Killed before it had a lock; or at this very moment on its way to one.
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > 60:
                    shutil.rmtree(left, ignore_errors=True)
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(left)
        except BlockingIOError:
            pass
        finally:
            os.close(handle)


def _remove(work: Path) -> None:
    """Remove a folder, the lock last: killed in the middle of it, the next run still sees that nobody holds it."""
    with contextlib.suppress(OSError):
        for part in work.iterdir():
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part, ignore_errors=True)
            elif part.name != _LOCK:
                part.unlink()
    shutil.rmtree(work, ignore_errors=True)


def _runs(machine: str) -> bool:
    """Say whether the kernel hands programs of another architecture to an emulator (binfmt_misc in its documentation)."""
    try:
        return "enabled" in Path(f"/proc/sys/fs/binfmt_misc/qemu-{machine}").read_text(encoding="ascii")
    except OSError:
        return False


def _given(bootstrap: Bootstrap) -> list[Entry]:
    return [
        Entry(file.path, file.content.encode(), file.mode) for file in bootstrap.files if file.content is not None
    ]


def _add(layer: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path.lstrip("/"))
    info.mode, info.mtime, info.uname, info.gname = entry.mode, EPOCH, "root", "root"
    if entry.target is not None:
        info.type, info.linkname = tarfile.SYMTYPE, entry.target
    elif entry.directory:
        info.type = tarfile.DIRTYPE
    info.size = len(entry.content)
    layer.addfile(info, io.BytesIO(entry.content))


def _add_sources(layer: tarfile.TarFile, bootstrap: Bootstrap) -> None:
    """Add the files that are given by their place on the host."""
    for file in bootstrap.files:
        if file.src is None:
            continue
        try:
            with open(file.src, "rb") as source:
                info = tarfile.TarInfo(file.path.lstrip("/"))
                info.mode, info.mtime, info.uname, info.gname = file.mode, EPOCH, "root", "root"
                info.size = os.fstat(source.fileno()).st_size
                layer.addfile(info, source)
        except OSError as error:
            raise NotFound(f"could not read {file.src} for the image: {error.strerror}") from error


def _private(place: Path, text: str) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
