# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/site.yml on a bare machine; a file for each release runs this, so that they run side by side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.integration.playing import Controller
from tests.lab import Machine, tiny
from tests.lab.fixtures import MachineFactory
from tests.lab.guests import until
from tests.lab.machine import USER
from tests.unit.plugins.inventory.listing import Done

SITE = Path(__file__).resolve().parents[2] / "playbooks/site.yml"
EXAMPLE = SITE.parent / "site/inventory"
IMAGE = "/srv/tiny.qcow2"
ADDRESS = "10.20.0.11"
ASK = "Ask the guest for its name"
REBOOT = {"name": "reboot", "ansible.builtin.reboot": {"reboot_timeout": 120}}


def estate() -> dict[str, Any]:
    """Return the estate of the example, with an image that is at hand and boots in seconds, and no key for its seed."""
    found: dict[str, Any] = yaml.safe_load((EXAMPLE / "host_vars/hv1.example.yml").read_text())["estate"]
    found["images"] = [{"name": "tiny", "source": IMAGE}]
    (guest,) = found["guests"]
    guest.update(memory="256MiB", accel="tcg", disks=[{"image": "tiny"}], cloud_init={"user_data": {}})
    return found


def fleet(machine: Machine, known_hosts: Path) -> dict[str, Any]:
    """Return the inventory of the example's guests, with this machine's ways of ssh."""
    found: dict[str, Any] = yaml.safe_load((EXAMPLE / "fleet.virtfleet.yml").read_text())
    found["hypervisors"] = [machine.uri]
    compose = found["compose"]
    before = f"-F {machine.ssh_config} -o UserKnownHostsFile={known_hosts} -J root@"
    compose["ansible_ssh_common_args"] = compose["ansible_ssh_common_args"].replace("-J root@", before)
    compose["ansible_user"] = "'root'"
    compose["ansible_ssh_private_key_file"] = f"'{tiny.build().ssh_key}'"
    return found


class SiteOnABareMachine:
    """From nothing to a guest that is reached through its host, and nothing to do again, also after a reboot."""

    suite: ClassVar[str]

    @pytest.fixture(scope="class")
    @classmethod
    def machine(cls, lab_machine_factory: MachineFactory) -> Machine:
        """A machine that has Python and a disk image."""
        machine = lab_machine_factory(f"site-{cls.suite}", suite=cls.suite)
        shutil.copyfile(tiny.disk().qcow2, machine.root / IMAGE.lstrip("/"))
        return machine

    @pytest.fixture(scope="class")
    @classmethod
    def play(cls, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Controller:
        """What plays there, with the guests in its inventory."""
        folder = tmp_path_factory.mktemp(cls.suite)
        source = folder / "fleet.virtfleet.yml"
        source.write_text(json.dumps(fleet(machine, folder / "known_hosts")))
        return Controller([machine], folder, user=USER, variables={"estate": estate()}, sources=[source])

    def test_check_mode_says_what_would_come(self, machine: Machine, play: Controller) -> None:
        results = play(SITE, "--check")
        assert results.changed() == ["Say which packages would be installed"]
        assert "libvirt-daemon-system" in results.named("Say which packages would be installed")["msg"]
        facts = results.named("Remember what is there")["ansible_facts"]["kvm_host_facts"]
        assert (facts["ready"], facts["libvirt_version"]) == (False, "(after apply)")
        assert not (machine.root / "usr/sbin/libvirtd").exists()

    def test_from_nothing_to_a_guest_that_answers(self, machine: Machine, play: Controller) -> None:
        results = play(SITE)
        made = ["Install the packages", "Have the pools", "Have the networks", "Have the images", "Have the guests"]
        assert [name for name in results.changed() if name in made] == made
        facts = results.named("Remember what is there")["ansible_facts"]["kvm_host_facts"]
        assert (facts["ready"], facts["accelerators"]) == (True, ["tcg"])
        # The network that libvirt's package brings along is left as it is: off.
        assert machine.exec(["virsh", "net-list", "--name"]).stdout.split() == ["lab"]
        assert list(machine.guests()) == ["web1"]
        assert results.on("web1").named(ASK)["stdout"].strip() == "web1"

    def test_the_inventory_lists_it_and_the_agent_answers_too(self, machine: Machine, play: Controller) -> None:
        done = play.command(["ansible-inventory", "--list"])
        listed = Done(done.returncode, done.stdout, done.stderr, 0)
        assert listed.groups["guests"] == listed.groups["tag_web"] == ["web1"]
        assert listed.hosts["web1"]["ansible_host"] == ADDRESS
        assert listed.hosts["web1"]["virt_host"] == machine.name
        agent = ["-e", "ansible_connection=virtfleet.core.agent"]
        done = play.command(["ansible", "web1", "-m", "ansible.builtin.raw", "-a", "uname -n", *agent])
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[1] == "web1"

    def test_there_is_nothing_to_do_again(self, play: Controller) -> None:
        results = play(SITE)
        assert results.changed() == []
        assert results.on("web1").named(ASK)["stdout"].strip() == "web1"

    def test_there_is_nothing_to_do_after_a_reboot(self, machine: Machine, play: Controller) -> None:
        play([{"hosts": "hypervisors", "become": True, "gather_facts": False, "tasks": [REBOOT]}])
        until(lambda: "web1" in machine.guests(), 60, "the guest that starts with its host")
        results = play(SITE)
        assert results.changed() == []
        assert results.on("web1").named(ASK)["stdout"].strip() == "web1"
