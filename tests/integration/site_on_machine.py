# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/site.yml on a bare machine; a file for each release runs this, so that they run side by side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from tests.integration.playing import Controller
from tests.lab import Machine, tiny
from tests.lab._cache import cache_folder
from tests.lab.fixtures import MachineFactory
from tests.lab.guests import until
from tests.lab.machine import USER
from tests.unit.plugins.inventory.listing import Done

SITE = Path(__file__).resolve().parents[2] / "playbooks/site.yml"
PLAN = SITE.with_name("plan.yml")
EXAMPLE = SITE.parent / "site/inventory"
# Where the module image keeps what it has installed for an image, so that the next one of the same packages is quick.
ROOTS = "var/cache/virtfleet/roots"
ADDRESS = "10.20.0.11"
ASK = "Ask the guest for its name"
HAVE = "Have everything that the estate says"
SPARE = [f"spare{number}" for number in range(1, 9)]
REBOOT = {"name": "reboot", "ansible.builtin.reboot": {"reboot_timeout": 120}}


def estate(suite: str) -> dict[str, Any]:
    """Return the estate of the example, with an image that is made of packages, and so needs no seed.

    Of its ten guests only web1 runs: a machine's guests are emulated.
    """
    found: dict[str, Any] = yaml.safe_load((EXAMPLE / "host_vars/hv1.example.yml").read_text())["estate"]
    key = tiny.build().ssh_public_key
    system = {"suite": suite, "packages": ["openssh-server", "qemu-guest-agent"], "hostname": "web1", "root_keys": [key]}
    found["images"] = [{"name": "small", "size": "1GiB", "bootstrap": system}]
    del found["guest_defaults"]["cloud_init"]
    found["guest_defaults"].update(memory="512MiB", accel="tcg")
    web, db1 = found["guests"]
    web.update(count=1, disks=[{"image": "small", "size": "2GiB"}])
    db1.update(profiles=["big"], disks=[{"image": "small", "size": "2GiB"}, {"name": "data", "size": "20GiB"}])
    spare = {
        "name": "spare",
        "count": 8,
        "memory": "128MiB",
        "disks": [{"image": "small"}],
        "nics": [{"network": "lab", "address": "10.20.0.31"}],
        "state": "stopped",
    }
    found["guests"].append(spare)
    return found


def share_roots(source: Path, target: Path) -> None:
    """Copy the roots that are not there yet, each under its final name only when it is whole."""
    if not source.is_dir():
        return
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for root in source.iterdir():
        if root.name.startswith(".") or (target / root.name).exists():
            continue
        part = target / f".{root.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(root, part)
        part.rename(target / root.name)


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
    def machine(cls, lab_machine_factory: MachineFactory) -> Iterator[Machine]:
        """A machine that has Python and what earlier runs have installed for the guest's image."""
        machine = lab_machine_factory(f"site-{cls.suite}", suite=cls.suite)
        kept = cache_folder() / f"site-roots-{cls.suite}"
        share_roots(kept, machine.root / ROOTS)
        # A container has no firmware that says its UUID, and libvirt would draw another at every start.
        settings = machine.root / "etc/libvirt/libvirtd.conf"
        settings.parent.mkdir()
        settings.write_text('host_uuid_source = "machine-id"\n', encoding="utf-8")
        yield machine
        # Only what this run has needed is worth keeping.
        used = {root.name for root in (machine.root / ROOTS).iterdir()}
        for root in kept.glob("*"):
            if root.name not in used:
                shutil.rmtree(root)
        share_roots(machine.root / ROOTS, kept)

    @pytest.fixture(scope="class")
    @classmethod
    def play(cls, machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Controller:
        """What plays there, with the guests in its inventory."""
        folder = tmp_path_factory.mktemp(cls.suite)
        source = folder / "fleet.virtfleet.yml"
        source.write_text(json.dumps(fleet(machine, folder / "known_hosts")))
        variables = {"estate": estate(cls.suite), "kvm_host_features": ["bootstrap"]}
        return Controller([machine], folder, user=USER, variables=variables, sources=[source])

    def test_check_mode_says_what_would_come(self, machine: Machine, play: Controller) -> None:
        results = play(SITE, "--check")
        assert results.changed() == ["Say which packages would be installed"]
        assert "libvirt-daemon-system" in results.named("Say which packages would be installed")["msg"]
        facts = results.named("Remember what is there")["ansible_facts"]["kvm_host_facts"]
        assert (facts["ready"], facts["libvirt_version"]) == (False, "(after apply)")
        assert not (machine.root / "usr/sbin/libvirtd").exists()

    def test_from_nothing_to_a_guest_that_answers(self, machine: Machine, play: Controller) -> None:
        results = play(SITE)
        assert [name for name in results.changed() if name in ("Install the packages", HAVE)] == ["Install the packages", HAVE]
        facts = results.named("Remember what is there")["ansible_facts"]["kvm_host_facts"]
        assert (facts["ready"], facts["accelerators"]) == (True, ["tcg"])
        made = results.named(HAVE)
        assert [row["name"] for row in made["plan"] if row["kind"] == "guest"] == ["web1", "db1", *SPARE]
        assert {row["outcome"] for row in made["plan"]} == {"done"}
        # The network that libvirt's package brings along is left as it is: off.
        assert machine.exec(["virsh", "net-list", "--name"]).stdout.split() == ["lab"]
        assert list(machine.guests()) == ["web1"]
        assert results.on("web1").named(ASK)["stdout"].strip() == "web1"
        reserved = machine.exec(["virsh", "net-dumpxml", "lab"]).stdout
        assert all(f"ip='10.20.0.{last}'" in reserved for last in (11, 20, *range(31, 39)))

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
        assert results.named(HAVE)["summary"] == {"unchanged": 14}
        assert results.on("web1").named(ASK)["stdout"].strip() == "web1"

    def test_there_is_nothing_to_do_after_a_reboot(self, machine: Machine, play: Controller) -> None:
        play([{"hosts": "hypervisors", "become": True, "gather_facts": False, "tasks": [REBOOT]}])
        until(lambda: "web1" in machine.guests(), 60, "the guest that starts with its host")
        results = play(SITE)
        assert results.changed() == []
        assert results.on("web1").named(ASK)["stdout"].strip() == "web1"
