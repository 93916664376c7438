# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What QEMU's user may reach: the search permission of every directory above a path.

With libvirt's dynamic ownership (the default) the driver gives a disk, a backing file or an ISO itself to QEMU's user
when the guest starts, so the mode of the file decides nothing there. Directories are never touched, so a directory
that is closed to QEMU's user is what really denies a disk. A file's own mode does matter where ownership cannot be
changed (``dynamic_ownership = 0``, an NFS export with root_squash); that is not judged here, because it cannot be
seen from here, and a wrong "no" would be worse than libvirt's own refusal.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ._facts import PathFacts

# As the distributions name QEMU's user: Debian and Ubuntu, then Fedora and RHEL.
_QEMU_USERS = ("libvirt-qemu", "qemu")

# The layout of system.posix_acl_access: linux/posix_acl_xattr.h.
_ACL_ATTRIBUTE = "system.posix_acl_access"
_ACL_HEADER = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_ACL_VERSION = 2
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_READ, _WRITE, _SEARCH = 4, 2, 1


@dataclass(frozen=True)
class Reader:
    """A user as the kernel judges one: its name for messages, its id and all its groups."""

    name: str
    uid: int
    gids: frozenset[int]


def reader_of(user: str | None) -> Reader | None:
    """Return the user of that name; for None QEMU's user where root runs this, else the caller.

    None where there is no such user: then nothing can be said about what it may read.
    """
    if user is None and os.geteuid() != 0:
        return Reader(name_of(os.geteuid()), os.geteuid(), frozenset((os.getegid(), *os.getgroups())))
    for name in (user,) if user is not None else _QEMU_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Reader(name, entry.pw_uid, frozenset(os.getgrouplist(name, entry.pw_gid)))
    return None


def path_facts(path: str, user: str | None = None) -> PathFacts:
    """Look at a path as ``user`` would reach it; never raise for a path that is missing or closed."""
    try:
        status = Path(path).stat()
    except FileNotFoundError:
        return PathFacts(path, exists=False, readable=False, why=f"{path} does not exist")
    except OSError as error:
        return PathFacts(path, exists=False, readable=False, why=f"{path} cannot be looked at: {error.strerror}")
    reader = reader_of(user)
    why = _closed_directory(Path(path), reader) if reader is not None and reader.uid != 0 else ""
    return PathFacts(
        path, exists=True, kind=_kind(status), readable=not why, size_bytes=_size(Path(path), status), why=why
    )


def _kind(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return "file"
    if stat.S_ISBLK(status.st_mode):
        return "block"
    if stat.S_ISDIR(status.st_mode):
        return "dir"
    return "other"


def _size(path: Path, status: os.stat_result) -> int:
    if not stat.S_ISBLK(status.st_mode):
        return status.st_size
    # A device's st_size is 0; where its end is only the driver knows, and only to whoever may open it.
    try:
        with path.open("rb") as device:
            return device.seek(0, os.SEEK_END)
    except OSError:
        return 0


def _closed_directory(path: Path, reader: Reader) -> str:
    for directory in _directories(path):
        try:
            status = directory.stat()
            acl = _access_list(directory)
        except OSError as error:
            return f"directory {directory} cannot be looked at: {error.strerror}"
        if not may_search(status, acl, reader):
            mode = stat.S_IMODE(status.st_mode)
            owner = f"{name_of(status.st_uid)}:{_group_of(status.st_gid)}"
            return f"directory {directory} is closed to user {reader.name} (mode {mode:04o}, owner {owner})"
    return ""


def _directories(path: Path) -> Iterator[Path]:
    """Yield the directories above a path, from the root down: as it was written, then where its links lead."""
    # Path.absolute keeps `..`, and Path.resolve follows links.
    written = Path(os.path.abspath(path))
    seen: set[Path] = set()
    for whole in (written, written.resolve()):
        for directory in reversed(whole.parents):
            if directory not in seen:
                seen.add(directory)
                yield directory


def may_search(status: os.stat_result, acl: bytes | None, reader: Reader) -> bool:
    """Say whether a user may pass through a directory."""
    return _may(status, acl, reader, _SEARCH)


def may_use(device: Path, reader: Reader) -> bool:
    """Say whether a user may both read and write a device; raise OSError where there is none."""
    return reader.uid == 0 or _may(device.stat(), _access_list(device), reader, _READ | _WRITE)


def _may(status: os.stat_result, acl: bytes | None, reader: Reader, wanted: int) -> bool:
    """Say whether the permissions of a file that is not the superuser's are enough (acl(5), "Access check algorithm")."""
    if reader.uid == status.st_uid:
        return status.st_mode >> 6 & wanted == wanted
    entries = _entries(acl) if acl else []
    if not entries:
        return status.st_mode >> (3 if status.st_gid in reader.gids else 0) & wanted == wanted
    masks = [permissions for tag, permissions, _id in entries if tag == _MASK]
    mask = masks[0] if masks else 7
    for tag, permissions, ident in entries:
        if tag == _USER and ident == reader.uid:
            return permissions & mask & wanted == wanted
    groups = [
        permissions
        for tag, permissions, ident in entries
        if (tag == _GROUP_OBJ and status.st_gid in reader.gids) or (tag == _GROUP and ident in reader.gids)
    ]
    if groups:
        return any(permissions & mask & wanted == wanted for permissions in groups)
    return any(permissions & wanted == wanted for tag, permissions, _id in entries if tag == _OTHER)


def _access_list(directory: Path) -> bytes | None:
    try:
        return os.getxattr(directory, _ACL_ATTRIBUTE)
    except OSError:
        # No list, or a file system without them: then the mode says it all.
        return None


def _entries(acl: bytes) -> list[tuple[int, int, int]]:
    if len(acl) < _ACL_HEADER.size or _ACL_HEADER.unpack_from(acl)[0] != _ACL_VERSION:
        return []
    whole = (len(acl) - _ACL_HEADER.size) // _ACL_ENTRY.size
    body = acl[_ACL_HEADER.size : _ACL_HEADER.size + whole * _ACL_ENTRY.size]
    return list(_ACL_ENTRY.iter_unpack(body))


def name_of(uid: int) -> str:
    """Return a user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_of(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
