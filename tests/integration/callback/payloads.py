# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A callback that lets the plays of one checkout share what Ansible packs for each module."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

from ansible import constants
from ansible.executor import module_common
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

DOCUMENTATION = """
name: payloads
type: aggregate
short_description: Keep packed modules from play to play
description:
  - Ansible looks for all that a module imports, and packs it, once in each run of C(ansible-playbook), which costs more
    than the run of most modules. It keeps what it packed in its temporary folder, which becomes a link to a folder
    below the one in VIRTFLEET_PAYLOADS, named by the sources, Python and ansible-core.
"""

ROOT = Path(__file__).resolve().parents[3]
UNUSED_SECONDS = 24 * 3600


def _key() -> str:
    """Return what names the present sources: each file's path, size and time."""
    found = [__version__, sys.version]
    for folder in ("plugins", "meta"):
        for path in sorted((ROOT / folder).rglob("*.[py]*")):
            if path.suffix != ".pyc":
                status = path.stat()
                found.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


class CallbackModule(CallbackBase):
    """Link the folder of packed modules, and do nothing else."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "payloads"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        kept = os.environ.get("VIRTFLEET_PAYLOADS")
        # Older ones lock what they pack within one run only.
        if kept and hasattr(module_common, "_locking"):
            folder = Path(kept) / _key()
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)
            for other in folder.parent.iterdir():
                if time.time() - other.stat().st_mtime > UNUSED_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
            (Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache").symlink_to(folder)
