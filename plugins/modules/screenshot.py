# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: screenshot
short_description: Save a picture of a guest's screen
version_added: 0.1.0
description:
  - Saves what a running guest shows on its screen as a PNG file on the host where the module runs. The guest notices
    nothing.
  - Useful where a guest stands still while it boots, and in reports of failed tasks.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.actiongroup_virtfleet
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - The file is written, and the task changed, when the screen shows something else than the file.
options:
  name:
    description:
      - The guest, which must be running and have a video card.
    type: str
    required: true
  path:
    description:
      - Where to save the picture, an absolute path. Its folder must be there. A file that is there is replaced.
    type: path
    required: true
  screen:
    description:
      - Which screen, of a guest that has several. The heads of the first card are counted first, then those of the next.
    type: int
    default: 0
seealso:
  - module: virtfleet.core.console
    description: What a guest writes to its serial console, for guests without a screen.
"""

EXAMPLES = r"""
- name: What does the installer show?
  virtfleet.core.screenshot:
    name: win11
    path: /var/tmp/win11.png

- name: Bring the picture here
  ansible.builtin.fetch:
    src: /var/tmp/win11.png
    dest: pictures/
"""

RETURN = r"""
path:
  description: Where the picture is.
  returned: success
  type: str
  sample: /var/tmp/win11.png
width:
  description: Its width in points.
  returned: success
  type: int
  sample: 1024
height:
  description: Its height in points.
  returned: success
  type: int
  sample: 768
size:
  description: The size of the file in bytes.
  returned: success
  type: int
  sample: 48211
"""

from ansible_collections.virtfleet.core.plugins.module_utils._module import main_deed
from ansible_collections.virtfleet.core.plugins.module_utils._screenshot_module import (
    SCREENSHOT_OPTIONS,
    screenshot_deed,
)


def main() -> None:
    """Save a picture of a guest's screen."""
    main_deed(SCREENSHOT_OPTIONS, screenshot_deed)


if __name__ == "__main__":
    main()
