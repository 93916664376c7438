# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wires the module screenshot: a guest's screen as a file of the host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ._apply import Ports
from ._errors import NotFound, SpecError
from ._module import Deed
from ._png import to_png

SCREENSHOT_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "screen": {"type": "int", "default": 0},
}


def screenshot_deed(params: Mapping[str, Any], ports: Ports) -> Deed:
    """Take the picture; the file is written where it shows something else. Looking changes nothing, so it is done at once."""
    name, path, screen = params["name"], params["path"], params["screen"]
    if screen < 0:
        raise SpecError("screen: the screens of a guest are counted from 0")
    if not Path(path).is_absolute() or path.endswith("/"):
        raise SpecError(f"path: {path!r} is not the absolute path of a file")
    if ports.files.path_facts(str(Path(path).parent)).kind != "dir":
        raise NotFound(f"could not write {path}: directory {Path(path).parent} does not exist; make it first")
    kind, picture = ports.hypervisor.screenshot(name, screen)
    image, width, height = to_png(picture, kind)
    found = {"path": path, "width": width, "height": height, "size": len(image)}

    def write() -> Mapping[str, Any]:
        ports.files.write_file(path, image)
        return found

    same = ports.files.file_content(path) == image
    return Deed(not same, found, (lambda: found) if same else write)
