# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host on a bare machine with systemd; a file for each release runs this, so that they run side by side."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.integration.playing import Controller, Results
from tests.lab import Machine
from tests.lab.fixtures import MachineFactory
from tests.lab.machine import USER

ROLE = "virtfleet.core.kvm_host"
SEEN = {"name": "seen", "ansible.builtin.debug": {"msg": "{{ kvm_host_facts }}"}}
REBOOT = {"name": "reboot", "ansible.builtin.reboot": {"reboot_timeout": 120}}


class RoleOnABareMachine:
    """From nothing to a host, by somebody who becomes root, and nothing to do again, also after a reboot."""

    suite: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def machine(cls, lab_machine_factory: MachineFactory) -> Machine:
        """A machine that has Python and hardly more."""
        return lab_machine_factory(f"role-{cls.suite}", suite=cls.suite)

    @pytest.fixture(scope="class")
    @classmethod
    def play(cls, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Controller:
        """What plays there."""
        return Controller([machine], tmp_path_factory.mktemp(cls.suite), user=USER)

    def run(self, play: Controller, *args: str, **options: Any) -> Results:
        """Run the role; its facts are what the task `seen` says."""
        role = {"role": ROLE, **options}
        book = {"hosts": "hypervisors", "become": True, "gather_facts": False, "roles": [role], "post_tasks": [SEEN]}
        return play([book], *args)

    def test_check_mode_says_what_would_come(self, machine: Machine, play: Controller) -> None:
        results = self.run(play, "--check")
        assert results.changed() == ["Say which packages would be installed"]
        assert "libvirt-daemon-system" in results.named("Say which packages would be installed")["msg"]
        seen = results.named("seen")["msg"]
        assert (seen["ready"], seen["libvirt_version"]) == (False, "(after apply)")
        assert not (machine.root / "usr/sbin/libvirtd").exists()

    def test_it_becomes_a_host(self, machine: Machine, play: Controller) -> None:
        results = self.run(play)
        assert "Install the packages" in results.changed()
        seen = results.named("seen")["msg"]
        assert seen["ready"] is True
        assert seen["accelerators"] == ["tcg"]
        # No network was started, and none will be.
        assert machine.exec(["virsh", "net-list", "--name"]).stdout.strip() == ""
        assert machine.exec(["virsh", "net-list", "--name", "--all", "--autostart"]).stdout.strip() == ""

    def test_there_is_nothing_to_do_again(self, play: Controller) -> None:
        assert self.run(play).changed() == []
        assert self.run(play, "--check").changed() == []

    def test_there_is_nothing_to_do_after_a_reboot(self, play: Controller) -> None:
        play([{"hosts": "hypervisors", "become": True, "gather_facts": False, "tasks": [REBOOT]}])
        results = self.run(play)
        assert results.changed() == []
        assert results.named("seen")["msg"]["ready"] is True
