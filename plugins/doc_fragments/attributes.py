# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hold the attributes that the collection's modules document: check mode, diff mode, idempotence, action group."""

from __future__ import annotations


class ModuleDocFragment:
    """Describe the attributes; a module says what it supports."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Predicts in check mode what it would change, and changes nothing.
  diff_mode:
    description: Shows in diff mode what changed, or in check mode what would change.
  idempotent:
    description:
      - A second run with the same arguments changes nothing.
      - This holds while nobody else changes the object in between.
"""

    # Together with the standard fragment: a module that makes something so, and says everything beforehand.
    CONVERGING = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

    # Together with the standard fragment: a module that only reads.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads.
  diff_mode:
    support: N/A
    details:
      - This module only reads.
  idempotent:
    support: full
    details:
      - This module only reads.
"""

    # Together with the one before: a module that only reads, and keeps what it read.
    FACTS_MODULE = r"""
options: {}
attributes:
  facts:
    description: Returns C(ansible_facts), which the host has from then on.
    support: full
"""

    # Sanity wants this from each member of the action group in meta/runtime.yml.
    ACTIONGROUP_VIRTFLEET = r"""
options: {}
attributes:
  action_group:
    description:
      - Use C(group/virtfleet.core.virtfleet) in C(module_defaults) to set defaults, such as O(uri), for every module of
        the collection.
    support: full
    membership:
      - virtfleet.core.virtfleet
"""
