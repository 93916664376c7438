# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role xen_host where no Xen can start: what it refuses, what it would install, and the roles side by side.

These machines share this machine's kernel. What really starts Xen is tests/integration/test_role_xen_host.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import D12, D13, is_hypervisor
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.packages import every_name
from tests.integration.playing import Controller, Results
from tests.lab import Machine
from tests.lab.fixtures import MachineFactory
from tests.lab.machine import USER

ROOT = Path(__file__).resolve().parents[2]
ROLE, HOST = ROOT / "roles/xen_host", ROOT / "roles/host"
SYSTEMS = {"bookworm": D12, "trixie": D13}
WOULD = "Say which packages would be installed"
# A menu and a kernel such as the role wants to see before it begins.
MENU = """menuentry 'Debian GNU/Linux' $menuentry_id_option 'gnulinux-simple-1234' {
\tlinux\t/boot/vmlinuz-6.1.0-9-amd64 root=UUID=1234 ro quiet
}
"""
GROUND = {"boot/grub/grub.cfg": MENU, "boot/vmlinuz-6.1.0-9-amd64": "", "boot/config-6.1.0-9-amd64": "CONFIG_XEN_DOM0=y\n"}

Make = Callable[[str], Machine]

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def machine_of(lab_machine_factory: MachineFactory) -> Make:
    """Return what gives a machine of a release; the tests of this file follow each other on it."""
    return lambda suite: lab_machine_factory(f"xen-{suite}", suite=suite)


def role(
    machine: Machine, folder: Path, *args: str, kind: str = "host", entry: str = "main", become: bool = True,
    fails: bool = False, **options: Any,
) -> Results:  # fmt: skip
    """Run an entry of a role there; ``seen`` shows the facts of the front role."""
    tasks = [
        {"name": "role", "ansible.builtin.import_role": {"name": f"virtfleet.core.{kind}", "tasks_from": entry}},
        {"name": "seen", "ansible.builtin.debug": {"msg": "{{ host_preflight | default(host_facts) | default({}) }}"}},
    ]
    play = {"hosts": "hypervisors", "gather_facts": False, "become": become, "vars": {"hypervisor": "xen", **options}}
    results = Controller([machine], folder, user=USER)([{**play, "tasks": tasks}], *args, fails=fails)
    assert any(result.outcome == "failed" for result in results) == fails
    return results


def refused(results: Results) -> str:
    return next(result for result in results if result.outcome == "failed").msg


def stand_on(machine: Machine, suite: str) -> Machine:
    """Give a machine what a computer has and it hasn't."""
    for path, text in GROUND.items():
        place = machine.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert suite in SYSTEMS
    return machine


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_machine_without_grub_is_refused_and_untouched(machine_of: Make, tmp_path: Path, suite: str) -> None:
    machine = machine_of(suite)
    results = role(machine, tmp_path, fails=True)
    assert "not started by GRUB" in refused(results) and "Nothing was touched" in refused(results)
    assert results.changed() == []
    seen = role(machine, tmp_path, entry="preflight", become=False).named("seen")["msg"]
    found = {one["check"]: one["status"] for one in seen["findings"]}
    assert (seen["ok"], found["boot_loader"], found["root"], found["system"]) == (False, "fail", "fail", "ok")
    assert "can't be a Xen host" in refused(role(machine, tmp_path, entry="preflight", fails=True, xen_host_preflight_fail=True))


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_apt_knows_every_name_and_the_hypervisor(machine_of: Make, tmp_path: Path, suite: str) -> None:
    machine = stand_on(machine_of(suite), suite)
    machine.exec(["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update"], timeout=300)
    names = sorted(every_name(SYSTEMS[suite]))
    known = machine.exec(["apt-cache", "show", "--no-all-versions", *names], check=False, timeout=300).stdout
    real = {line.removeprefix("Package: ") for line in known.splitlines() if line.startswith("Package: ")}
    assert sorted(set(names) - real) == []
    results = role(machine, tmp_path, "--check", xen_host_features=["hvm", "uefi", "pvgrub", "bootstrap"])
    would = results.named(WOULD)["msg"]
    assert {"xen-system-amd64", "libvirt-daemon-driver-xen", "qemu-system-xen", "grub-xen-host"} <= set(would)
    seen = results.named("seen")["msg"]
    assert (seen["pending_reboot"], seen["ready"], seen["waiting"]) == (True, False, ["pool default"])
    # For guests of xl, libvirt stays away.
    alone = role(machine, tmp_path, "--check", xen_host_xendomains="keep").named(WOULD)["msg"]
    assert not [name for name in alone if "libvirt" in name]
    # Without the package that follows the newest, the newest is found by its name.
    pin = machine.root / "etc/apt/preferences.d/lab"
    pin.write_text("Package: xen-system-amd64\nPin: version *\nPin-Priority: -1\n")
    try:
        would = role(machine, tmp_path, "--check").named(WOULD)["msg"]
    finally:
        pin.unlink()
    assert len([name for name in would if is_hypervisor(name)]) == 1 and "xen-system-amd64" not in would


def test_the_two_roles_refuse_each_other_unless_told(machine_of: Make, tmp_path: Path) -> None:
    machine = stand_on(machine_of("bookworm"), "bookworm")
    record = machine.root / "var/lib/virtfleet/kvm_host.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text('{"version": 1}')
    try:
        assert "it is a KVM host" in refused(role(machine, tmp_path, fails=True))
        role(machine, tmp_path, "--check", xen_host_beside_kvm=True)
    finally:
        record.unlink()
    # A hypervisor that is installed, as far as dpkg can tell.
    package = "Package: xen-hypervisor-4.17-amd64\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.example>\nDescription: x\n"
    machine.exec(["sh", "-c", "mkdir -p /tmp/hv/DEBIAN && cat >/tmp/hv/DEBIAN/control"], input=package)
    machine.exec(["sh", "-c", "dpkg-deb --build /tmp/hv /tmp/hv.deb && dpkg --install /tmp/hv.deb"])
    quiet = {"hypervisor": "kvm", "kvm_host_accel": "tcg", "kvm_host_pools": []}
    try:
        assert "it has xen-hypervisor-4.17-amd64" in refused(role(machine, tmp_path, "--check", fails=True, **quiet))
        seen = role(machine, tmp_path, "--check", kvm_host_beside_xen=True, **quiet).named("seen")["msg"]
        assert (seen["hypervisor"], seen["uri"], seen["pending_reboot"]) == ("kvm", "qemu:///system", False)
    finally:
        machine.exec(["dpkg", "--purge", "xen-hypervisor-4.17-amd64"])


def test_an_option_that_does_not_fit_is_refused(machine_of: Make, tmp_path: Path) -> None:
    machine = stand_on(machine_of("bookworm"), "bookworm")
    results = role(machine, tmp_path, fails=True, xen_host_boot="windows")
    said = [error for result in results for error in result.values.get("argument_errors", ())]
    assert any("xen_host_boot must be one of" in error for error in said)
    results = role(machine, tmp_path, fails=True, hypervisor="vmware")
    assert any("host_hypervisor must be one of" in error for result in results
               for error in result.values.get("argument_errors", ()))  # fmt: skip
    said_by_module = refused(role(machine, tmp_path, fails=True, xen_host_hypervisor_options=["dom0_mem=1G"]))
    assert "is said by the option dom0_memory" in said_by_module


# the roles as they are written down


def test_every_entry_is_specified_and_every_default_is_an_option() -> None:
    for folder, lacking in ((ROLE, {"xen_host_dom0_memory", "xen_host_dom0_vcpus", "xen_host_scheduler"}), (HOST, set())):
        spec = yaml.safe_load((folder / "meta/argument_specs.yml").read_text())["argument_specs"]
        entries = {"main", "preflight", "uninstall"}
        assert set(spec) == entries
        assert all((folder / f"tasks/{entry}.yml").exists() for entry in entries)
        defaults = yaml.safe_load((folder / "defaults/main.yml").read_text())
        options = {**spec["main"]["options"], **spec["preflight"]["options"]}
        said = {name: option["default"] for name, option in options.items() if "default" in option}
        assert said == {name: value for name, value in defaults.items() if name in said}
        assert set(options) - set(defaults) == lacking


def test_each_part_has_its_tag() -> None:
    spec = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    described = str(spec["main"]["description"]).replace("V(", " ").replace(")", " ").replace(",", " ").split()
    tags = {tag for task in yaml.safe_load((ROLE / "tasks/main.yml").read_text()) for tag in task["tags"]}
    assert tags - {"xen_host"} <= set(described)
