# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The option that all info modules share."""

    DOCUMENTATION = r"""
options:
  query:
    description:
      - A JMESPath expression that is put to the list (or mapping) that the module returns; its answer is returned as
        RV(ignore:result). Only this option needs the Python library jmespath on the host.
    type: str
"""
