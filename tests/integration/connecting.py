# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection plugins opened without a play."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import yaml
from ansible import constants
from ansible.playbook.play_context import PlayContext


def opened(plugin: ModuleType, uri: str, guest: str, **variables: Any) -> Any:
    """Return the connection to a guest, with its options as Ansible finds them.

    Ansible's loader is not asked: it wants to be the first to import ansible_collections in a process.
    """
    documented = yaml.safe_load(plugin.DOCUMENTATION)
    name = f"virtfleet.core.{documented['name']}"
    constants.config.initialize_plugin_configuration_definitions("connection", name, documented["options"])
    connection = plugin.Connection(PlayContext(), os.devnull)
    connection._load_name = name
    connection.set_options(
        var_options={"inventory_hostname": guest, "ansible_virtfleet_uri": uri, **variables},
    )
    return connection
