# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What apt, mmdebstrap and the makers of file systems say, as sentences that say what to do. The text only, no host."""
from __future__ import annotations

import re

_LAST_LINES = 3
_LONGEST = 600

# The first that is found wins: what is above is nearer to the cause.
_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"No space left on device|You don't have enough free space|Disk quota exceeded",
        "the disk is full; make room in /var/cache/virtfleet and in the image's folder (a root takes about a GiB while it "
        "is made)",
    ),
    (
        r"Could not resolve '([^']+)'|Temporary failure resolving '([^']+)'",
        "the name {0} cannot be resolved from this host; check its name servers, or give another mirror",
    ),
    (
        r"(?:NO_PUBKEY|Missing key|no public key)\s*:?\s*([0-9A-Fa-f]{8,})?",
        "a signature of the mirror cannot be verified, since its key {0} is not in the keyring; install the newest keyring "
        "(package debian-archive-keyring or ubuntu-keyring), or name the right one by signed-by in a source line",
    ),
    (
        r"The repository '([^']+)' does not have a Release file",
        "the mirror does not have {0}; check the suite and the mirror's URL",
    ),
    (
        r"The repository '([^']+)' is not signed|EXPKEYSIG|signatures? (?:couldn't be verified|were invalid)",
        "{0} is not signed by a key that this host knows; check the mirror, or install the newest keyring "
        "(package debian-archive-keyring or ubuntu-keyring)",
    ),
    (r"Unable to locate package (\S+)", "there is no package {0} in the suite's components; check packages and components"),
    (
        r"Version '([^']+)' for '([^']+)' was not found",
        "there is no version {0} of package {1} on the mirror; check packages",
    ),
    (
        r"((?:Unmet dependencies|have unmet dependencies)[^\n]*(?:\n[^\n]+){0,3})",
        "the packages do not go together: {0}",
    ),
    (
        r"(?:Failed to fetch|Err:\d+) (\S+)",
        "the mirror failed at {0}; run again, or give another mirror",
    ),
    (
        r"Exec format error",
        "this host cannot run programs of the image's architecture; install the packages qemu-user-static and "
        "binfmt-support",
    ),
    (
        r"(?:unshare|mount): [^\n]*(?:Operation not permitted|[Pp]ermission denied)",
        "namespaces and mounts are not allowed here; a container must be privileged for this",
    ),
    (
        r"Could not allocate (?:block|inode) in ext2 filesystem|ext2fs_\w+: No free space",
        "the packages do not fit; give a larger size",
    ),
)


def translate(said: str, complaint: str) -> str:
    """Return the reason that a program gave, with what to do where that is known; else its last words."""
    for pattern, sentence in _CAUSES:
        match = re.search(pattern, said)
        if match is None:
            continue
        found = [" ".join(group.split()) for group in match.groups() if group]
        while len(found) < 2:
            found.append("the mirror" if not found else "")
        hint = next((line.strip() for line in said[match.start() :].splitlines() if line.strip()), "")
        return f"{sentence.format(*found)} (it said: {hint[:_LONGEST]})"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return ("; ".join(lines[-_LAST_LINES:]) or complaint)[:_LONGEST]
