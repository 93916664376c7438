# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: console
short_description: Listen to a guest's serial console, wait for a text, and type on it
version_added: 0.1.0
description:
  - Opens the serial console of a running guest, plays O(steps) on it one after the other, and gives it back in every case,
    also when the task is ended by a signal or runs out of time.
  - For what has no shell, such as boot menus, installers, network appliances and kernels that stop. To run commands in a guest
    over its console, use the connection P(virtfleet.core.console#connection).
  - A console tells only what the guest writes while somebody listens. What it wrote before is in the log of the console, where
    the guest has one.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.actiongroup_virtfleet
attributes:
  check_mode:
    support: partial
    details:
      - Where nothing is typed and O(force) is not set, the task listens in check mode too. Otherwise check mode looks whether the guest
        runs, and opens no console.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - The task is changed whenever it types something or takes the console by O(force).
options:
  name:
    description:
      - The guest, which must be running.
    type: str
    required: true
  device:
    description:
      - The alias of the serial or console device, such as V(serial1); without it the guest's first.
    type: str
  force:
    description:
      - Take the console from whoever has it open. Without it, a console that is in use is an error.
    type: bool
    default: false
  safe:
    description:
      - Open the console only where the hypervisor keeps others off it meanwhile. Xen's driver does not know this.
    type: bool
    default: false
  timeout:
    description:
      - How long each O(steps[].wait) may take that names no limit of its own, in seconds or with a unit, such as V(2m).
    type: str
    default: 30s
  limit:
    description:
      - How much of what the guest says is kept. Of more than this, the end is kept, and RV(dropped) says what is missing.
    type: str
    default: 64KiB
  steps:
    description:
      - What to do, in this order. Each step has one of O(steps[].line), O(steps[].secret), O(steps[].text), O(steps[].key),
        O(steps[].wait) and O(steps[].capture).
      - Without steps, two seconds are listened to.
    type: list
    elements: dict
    default: []
    suboptions:
      line:
        description:
          - Type this, then Enter.
        type: str
      secret:
        description:
          - The same for a password. It is kept out of logs and results.
        type: str
      text:
        description:
          - Type this without Enter.
        type: str
      key:
        description:
          - Press this key.
        type: str
        choices:
          - enter
          - escape
          - tab
          - space
          - backspace
          - delete
          - insert
          - up
          - down
          - right
          - left
          - home
          - end
          - page-up
          - page-down
          - f1
          - f2
          - f3
          - f4
          - f5
          - f6
          - f7
          - f8
          - f9
          - f10
          - f11
          - f12
          - ctrl-a
          - ctrl-b
          - ctrl-c
          - ctrl-d
          - ctrl-e
          - ctrl-f
          - ctrl-g
          - ctrl-h
          - ctrl-i
          - ctrl-j
          - ctrl-k
          - ctrl-l
          - ctrl-m
          - ctrl-n
          - ctrl-o
          - ctrl-p
          - ctrl-q
          - ctrl-r
          - ctrl-s
          - ctrl-t
          - ctrl-u
          - ctrl-v
          - ctrl-w
          - ctrl-x
          - ctrl-y
          - ctrl-z
          - ctrl-space
          - ctrl-[
          - ctrl-\
          - ctrl-]
          - ctrl-^
          - ctrl-_
      wait:
        description:
          - Wait until what the guest says matches this regular expression of Python. C(^) and C($) are the ends of lines.
          - Looked at is what was said since the text that the wait before it found.
          - When it does not come in time, the task fails and says what was seen last.
        type: str
      capture:
        description:
          - Listen for so long, in seconds or with a unit.
          - When the guest powers off meanwhile, the step ends well, and RV(ended) is true.
        type: str
      timeout:
        description:
          - How long this O(steps[].wait) may take.
        type: str
seealso:
  - plugin: virtfleet.core.console
    plugin_type: connection
    description: Runs tasks in a guest over the same console.
  - module: virtfleet.core.screenshot
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: What does web1 say?
  virtfleet.core.console:
    name: web1
    steps:
      - capture: 10s
  register: said

- name: Boot the second entry of the menu
  virtfleet.core.console:
    name: web1
    steps:
      - {wait: GNU GRUB, timeout: 1m}
      - {key: down}
      - {key: enter}
      - {wait: "login:", timeout: 3m}

- name: Log in on an appliance and save its configuration
  virtfleet.core.console:
    name: router1
    steps:
      - {key: enter}
      - {wait: "Username:"}
      - {line: admin}
      - {wait: "Password:"}
      - {secret: "{{ vault_router1 }}"}
      - {wait: "> ?$"}
      - {line: write memory}
      - {wait: 'saved|failed'}
      - {line: exit}
  register: saved
  failed_when: saved is failed or saved.matches[-1] == 'failed'
"""

RETURN = r"""
output:
  description:
    - What the guest said, as plain text. Colours, movements of the cursor and other control characters are left out.
    - Empty in check mode where something would be typed.
  returned: success
  type: str
  sample: "Debian GNU/Linux 12 web1 ttyS0\n\nweb1 login: "
output_lines:
  description: The same, line by line.
  returned: success
  type: list
  elements: str
  sample: [Debian GNU/Linux 12 web1 ttyS0, "", "web1 login: "]
matches:
  description: What each O(steps[].wait) found, in their order.
  returned: success
  type: list
  elements: str
  sample: ["login:"]
dropped:
  description: How many characters were said before those that were kept.
  returned: success
  type: int
  sample: 0
ended:
  description: Whether the guest ended its console, as it does when it powers off.
  returned: success
  type: bool
  sample: false
"""

from ansible_collections.virtfleet.core.plugins.module_utils._console.steps import CONSOLE_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._console_module import console_deed
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_deed


def main() -> None:
    """Play steps on a guest's console."""
    main_deed(CONSOLE_OPTIONS, console_deed)


if __name__ == "__main__":
    main()
