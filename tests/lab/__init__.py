# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real virtualization hosts and guests on one machine, for the tests of this collection. See docs/lab.md."""

from __future__ import annotations

from ._run import LabError
from .host import Host, hosts
from .machine import Machine, machines
from .vm import VM, vms

__all__ = ["VM", "Host", "LabError", "Machine", "hosts", "machines", "vms"]
