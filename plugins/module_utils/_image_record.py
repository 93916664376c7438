# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of an image: what it was made from, as ``{source, checksum, sha256, sha512}``.

Its place is the extended attribute ``user.virtfleet`` of the image itself. It is set on the finished file before that
is renamed into place, so file and record become true in one step and no kill can part them; it moves with the file
(``mv``, ``cp -a``, ``rsync -X``) and dies with it. A file beside the image would not do: libvirt lists every file and
directory of a directory pool as a volume, hidden ones too.

Where the file system has no such attributes (tmpfs before Linux 6.6, NFS before 4.2, vfat) the record is kept in the
state directory (``/var/lib/virtfleet/records``, without root ``~/.local/state/virtfleet/records``) in a file named by
the image's path. That file holds one entry for each inode, so that it can be written before the rename and still be
right after a kill on either side of it.
"""
from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._errors import HostError

ATTRIBUTE = "user.virtfleet"

# The file system has no attributes, none of this kind, or no room for this one.
_NO_ATTRIBUTES = {errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSPC, errno.E2BIG, errno.ERANGE}


def state_directory() -> Path:
    """Return where the collection keeps what must survive a reboot."""
    if os.geteuid() == 0:
        return Path("/var/lib/virtfleet")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "virtfleet"


def read_record(path: str) -> dict[str, str]:
    """Return the record of an image, empty where there is none."""
    try:
        return _strings(_load(os.getxattr(path, ATTRIBUTE)))
    except OSError:
        # No attribute, or no attributes at all; a file that is gone or closed has no entry below either.
        pass
    try:
        inode = Path(path).stat().st_ino
    except OSError:
        return {}
    return _strings(_stored(path).get(str(inode)))


def write_record(part: str, path: str, record: Mapping[str, str]) -> None:
    """Give the file ``part``, which is about to be renamed to ``path``, its record."""
    text = json.dumps(dict(record), sort_keys=True, separators=(",", ":")).encode()
    try:
        os.setxattr(part, ATTRIBUTE, text)
        return
    except OSError as error:
        if error.errno not in _NO_ATTRIBUTES:
            raise HostError(f"could not write the record of image {path}: {error.strerror}") from error
    # The entry of the file in place is kept: until the rename it is the one that counts.
    inodes = {str(file.stat().st_ino) for file in (Path(part), Path(path)) if file.exists()}
    kept = {inode: entry for inode, entry in _stored(path).items() if inode in inodes}
    kept[str(Path(part).stat().st_ino)] = dict(record)
    _store(path, kept)


def forget_record(path: str) -> None:
    """Remove what the state directory holds of an image that is gone."""
    _place(path).unlink(missing_ok=True)


def _place(path: str) -> Path:
    return state_directory() / "records" / f"{hashlib.sha256(path.encode()).hexdigest()[:32]}.json"


def _stored(path: str) -> dict[str, Any]:
    try:
        content = _load(_place(path).read_bytes())
    except OSError:
        return {}
    return content if content.pop("path", None) == path else {}


def _store(path: str, entries: Mapping[str, Any]) -> None:
    place = _place(path)
    part = place.with_suffix(".part")
    try:
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            json.dump({"path": path, **entries}, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        part.replace(place)
    except OSError as error:
        raise HostError(f"could not write the record of image {path} to {place}: {error.strerror}") from error


def _load(text: bytes) -> dict[str, Any]:
    # Whoever may write the image may write its record: what does not read as one counts as none.
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _strings(content: Any) -> dict[str, str]:
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str)}
