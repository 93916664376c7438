# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of ssh in a folder of the lab: known to each other and to nobody else, and never asking a question."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# The configuration; what lets in; what the other side is known by. The keys have their public halves beside them.
CONFIG, KEY, HOST_KEY = "ssh_config", "id_ed25519", "host_key"


def write_way_in(folder: Path, name: str, how: Mapping[str, str]) -> None:
    """Write the configuration in which `name` leads to its root, and `ssh`, a program that uses it.

    `how` says what differs: where it is, how long to wait. The keys are in the folder.
    """
    public = " ".join((folder / f"{HOST_KEY}.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"{name} {public}\n")
    options = {
        "User": "root",
        **how,
        "HostKeyAlias": name,
        "UserKnownHostsFile": f"{folder}/known_hosts",
        "StrictHostKeyChecking": "yes",
        "IdentityFile": f"{folder}/{KEY}",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "LogLevel": "ERROR",
    }
    lines = [f"Host {name}", *(f"  {key} {value}" for key, value in options.items())]
    (folder / CONFIG).write_text("\n".join(lines) + "\n")
    write_script(folder / "ssh", f'#!/bin/sh\nexec ssh -F {folder / CONFIG} "$@"\n')


def words(folder: Path, name: str, *command: str, user: str) -> list[str]:
    """Return the words of an ssh command to `name`, by the configuration in the folder."""
    return ["ssh", "-F", str(folder / CONFIG), "-l", user, name, *command]


def write_script(path: Path, text: str) -> None:
    """Write a program."""
    path.write_text(text)
    path.chmod(0o755)
