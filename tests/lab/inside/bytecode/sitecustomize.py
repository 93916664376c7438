# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep the compiled form of what Python imports from ZIP files, in the folder that VIRTFLEET_BYTECODE names.

Ansible sends each task its modules as a ZIP file of sources, which Python compiles anew for each task: a third of a
task's time here, and most of it in an emulated machine. The same sources give the same code, whatever the file is called.
"""

import _frozen_importlib_external
import _imp
import marshal
import os
import sys
import zipimport

_FOLDER = os.environ.get("VIRTFLEET_BYTECODE", "/run/virtfleet-lab-bytecode")
_MAGIC = int.from_bytes(_frozen_importlib_external.MAGIC_NUMBER[:2], "little")
_compile = zipimport._compile_source


def _compiled(path, source):
    kept = f"{_FOLDER}/{sys.implementation.cache_tag}-{_MAGIC:x}-{_imp.source_hash(_MAGIC, source).hex()}"
    try:
        with open(kept, "rb") as file:
            return marshal.load(file)
    except (OSError, EOFError, ValueError, TypeError):
        pass
    code = _compile(path, source)
    part = f"{kept}.{os.getpid()}"
    try:
        os.makedirs(_FOLDER, mode=0o700, exist_ok=True)
        with open(part, "wb") as file:
            marshal.dump(code, file)
        os.replace(part, kept)
    except OSError:
        pass
    return code


zipimport._compile_source = _compiled
