# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
name: estate_schema
short_description: The JSON Schema of the document of an estate, for editors
version_added: 0.1.0
author:
  - virtfleet.core contributors (@virtfleet)
description:
  - Editors complete the words of a document by it, explain them, and underline what is misspelt, of the wrong type, or a size
    without its unit.
  - It fits a file that is the document of M(virtfleet.core.estate), and a file of variables that has it as V(estate).
  - It is made of the options of the collection that is installed, so it always says what that collection takes.
notes:
  - Wherever a value may come from elsewhere, a text with V({{ }}) or V({% %}) is taken for it.
seealso:
  - module: virtfleet.core.estate
"""

EXAMPLES = r"""
- name: Write the schema beside the host variables
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Write it
      ansible.builtin.copy:
        content: "{{ lookup('virtfleet.core.estate_schema') | to_json }}"
        dest: "{{ inventory_dir | default(playbook_dir) }}/estate.schema.json"
        mode: "0644"
"""

RETURN = r"""
_raw:
  description: The schema, JSON Schema draft 7, as the one element of a list.
  type: list
  elements: dict
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.virtfleet.core.plugins.plugin_utils._schema import schema


class LookupModule(LookupBase):
    """Return the schema."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """Return the schema; there is nothing to say of which."""
        if terms or kwargs:
            raise AnsibleError("virtfleet.core.estate_schema takes no words: there is one schema")
        return [schema()]
