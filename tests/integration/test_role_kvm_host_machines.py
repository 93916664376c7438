# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host on bare machines with systemd, from nothing to a host and back, by ssh as a user who becomes root."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.packages import every_name
from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import D12, D13
from tests.integration.playing import Controller, Results
from tests.integration.role_kvm_host import ROLE, certificates, changed
from tests.lab import Machine
from tests.lab.fixtures import MachineFactory
from tests.lab.machine import USER

SYSTEMS = {"bookworm": D12, "trixie": D13}
SLOW = [pytest.param("bookworm", marks=pytest.mark.slow), "trixie"]
PREFLIGHT = Path(__file__).resolve().parents[2] / "playbooks/preflight.yml"
RECORD = "/var/lib/virtfleet/kvm_host.json"
GUEST = "<domain type='qemu'><name>standing</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>"

NEEDY = """
mkdir -p /tmp/needy/DEBIAN
cat >/tmp/needy/DEBIAN/control <<END
Package: needy
Version: 1
Architecture: all
Maintainer: nobody <nobody@example.org>
Depends: swtpm
Description: needs a package that the role has installed
END
dpkg-deb --build /tmp/needy /tmp/needy.deb
dpkg --install /tmp/needy.deb
"""

Make = Callable[[str], Machine]


@pytest.fixture(scope="module")
def machine_of(lab_machine_factory: MachineFactory) -> Make:
    """Return what gives a machine of a release; the tests of this file follow each other on it."""
    return lambda suite: lab_machine_factory(f"kvm-{suite}", suite=suite)


@pytest.fixture
def host_of(machine_of: Make, tmp_path: Path) -> Make:
    """Return what gives a machine of a release that is a host, by the test that made it one or by the role now."""

    def host(suite: str) -> Machine:
        machine = machine_of(suite)
        if not (machine.root / "usr/sbin/libvirtd").exists():
            role(machine, tmp_path, kvm_host_users=[USER], kvm_host_network="default")
        return machine

    return host


def role(
    machine: Machine, folder: Path, *args: str, entry: str = "main", fails: bool = False, become: bool = True, **options: Any
) -> Results:
    """Run an entry of the role there; ``seen`` shows its facts."""
    said = {"main": "kvm_host_facts", "preflight": "kvm_host_preflight"}.get(entry, "kvm_host_facts")
    play = {
        "hosts": "hypervisors",
        "gather_facts": False,
        "become": become,
        "tasks": [
            {"name": "role", "ansible.builtin.import_role": {"name": ROLE, "tasks_from": entry}, "vars": options},
            {"name": "seen", "ansible.builtin.debug": {"msg": f"{{{{ {said} | default({{}}) }}}}"}, "tags": ["always"]},
        ],
    }
    results = Controller([machine], folder, user=USER)([play], *args, fails=fails)
    failed = [result for result in results if result.outcome in ("failed", "unreachable")]
    assert bool(failed) == fails, [result.msg for result in failed]
    return results


def said(machine: Machine, *argv: str, check: bool = True) -> str:
    return str(machine.exec(list(argv), check=check, timeout=300).stdout).strip()


# what the tables name


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_apt_knows_every_name(machine_of: Make, suite: str) -> None:
    machine = machine_of(suite)
    said(machine, "apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update")
    names = sorted(every_name(SYSTEMS[suite]))
    known = said(machine, "apt-cache", "show", "--no-all-versions", *names, check=False)
    real = {line.removeprefix("Package: ") for line in known.splitlines() if line.startswith("Package: ")}
    assert sorted(set(names) - real) == []


# from nothing to a host


@pytest.mark.parametrize("suite", SLOW)
def test_preflight_without_root(machine_of: Make, tmp_path: Path, suite: str) -> None:
    results = Controller([machine_of(suite)], tmp_path, user=USER)(PREFLIGHT)
    assert changed(results) == []
    seen = results.named("Remember what was found")["ansible_facts"]["kvm_host_preflight"]
    assert (seen["ok"], seen["system"]) == (False, SYSTEMS[suite])
    found = {one["check"]: one for one in seen["findings"]}
    assert "become: true" in found["root"]["advice"]
    assert found["daemons"]["found"] == "libvirt is not installed"
    assert "libvirt-daemon-system" in seen["missing"]
    assert any(line.startswith("fail | root | ") for line in results.named("Show what is not as it should be")["msg"])


@pytest.mark.parametrize("suite", SLOW)
def test_from_nothing_to_a_host_and_nothing_to_do_again(machine_of: Make, tmp_path: Path, suite: str) -> None:
    machine = machine_of(suite)
    texts = certificates(tmp_path / "pki", host="localhost")
    options = {
        "kvm_host_users": [USER],
        "kvm_host_remote": "tls",
        "kvm_host_tls": {**texts, "allowed": ["CN=tester"]},
        "kvm_host_network": "default",
    }
    checked = role(machine, tmp_path, "--check", **options)
    assert "Say which packages would be installed" in changed(checked)
    assert checked.named("seen")["msg"]["libvirt_version"] == "(after apply)"
    assert not (machine.root / "usr/sbin/libvirtd").exists()

    results = role(machine, tmp_path, **options)
    assert results.named("Install the packages").changed
    seen = results.named("seen")["msg"]
    assert (seen["ready"], seen["daemons"], seen["system"]) == (True, "monolithic", SYSTEMS[suite])
    assert seen["accelerator"]["verdict"] == "tcg"
    assert not [warning for warning in seen["warnings"] if not warning.startswith("accelerator")]
    assert {"swtpm", "python3-libvirt"} <= set(said(machine, "dpkg-query", "-Wf", "${Package}\n").split())

    # A user of the group manages guests without root, and a client of another host comes in by TLS.
    assert said(machine, "su", USER, "-c", "virsh -c qemu:///system pool-list --name") == "default"
    assert said(machine, "virsh", "-c", "qemu:///system", "net-list", "--name", "--autostart") == "default"
    for name in ("cacert.pem", "clientcert.pem", "clientkey.pem"):
        place = machine.root / "root/pki" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text((tmp_path / "pki" / name).read_text())
    uri = "qemu+tls://localhost/system?pkipath=/root/pki"
    assert said(machine, "virsh", "-c", uri, "hostname") == machine.name

    began = time.monotonic()
    assert changed(role(machine, tmp_path, **options)) == []
    print(f"an unchanged run on {suite}: {time.monotonic() - began:.1f} s")

    machine.reboot()
    assert changed(role(machine, tmp_path, "--check", **options)) == []
    assert changed(role(machine, tmp_path, **options)) == []
    assert said(machine, "virsh", "-c", uri, "hostname") == machine.name
    assert said(machine, "virsh", "-c", "qemu:///system", "pool-list", "--name") == "default"

    # ssh is the way again: the port is closed.
    assert "Close what was opened before and is no longer asked for" in changed(
        role(machine, tmp_path, "--tags", "kvm_host_remote")
    )
    assert said(machine, "virsh", "-c", uri, "hostname", check=False) == ""


@pytest.mark.slow
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_daemon_that_does_not_start_does_not_lock_the_host(host_of: Make, tmp_path: Path, suite: str) -> None:
    machine = host_of(suite)
    # Certificates are well, and libvirtd refuses its settings.
    conf = machine.root / "etc/libvirt/libvirtd.conf"
    before = conf.read_text()
    conf.write_text('tls_port = "none of your business"\nno_such = [\n')
    options = {"kvm_host_remote": "tls", "kvm_host_tls": certificates(tmp_path / "pki")}
    results = role(machine, tmp_path, "--tags", "kvm_host_remote", fails=True, **options)
    assert "The socket was closed again" in results.named("Say why").msg
    assert said(machine, "systemctl", "is-enabled", "libvirtd-tls.socket", check=False) == "disabled"
    conf.write_text(before)
    assert said(machine, "virsh", "-c", "qemu:///system", "list", "--name") == ""


@pytest.mark.slow
def test_the_daemons_of_a_modular_host_are_used(host_of: Make, tmp_path: Path) -> None:
    """Debian builds no virtqemud. Its units are written here, and under its name and sockets libvirtd does the work."""
    machine = host_of("trixie")
    units = machine.root / "etc/systemd/system"
    names = ("qemud", "networkd", "storaged", "nodedevd", "secretd", "nwfilterd", "interfaced", "proxyd")
    sockets = [f"virt{name}{kind}" for name in names for kind in ("", "-ro")]
    for socket in sockets:
        # The name of a descriptor is how the daemon knows what it was handed.
        handed = "libvirtd-ro.socket" if socket.endswith("-ro") else "libvirtd.socket"
        path = f"{socket.removesuffix('-ro')}-sock{'-ro' if socket.endswith('-ro') else ''}"
        (units / f"{socket}.socket").write_text(
            f"[Socket]\nListenStream=/run/libvirt/{path}\nFileDescriptorName={handed}\nSocketMode=0666\nRemoveOnStop=yes\n"
            "Service=virtqemud.service\n[Install]\nWantedBy=sockets.target\n"
        )
    (units / "virtqemud.service").write_text(
        "[Service]\nType=notify\nExecStart=/usr/sbin/libvirtd --timeout 120\nKillMode=process\n"
    )
    machine.exec(["systemctl", "daemon-reload"])

    # As long as libvirtd is in use, it is what counts; with both, neither is touched.
    assert role(machine, tmp_path, "--check").named("seen")["msg"]["daemons"] == "monolithic"
    machine.exec(["systemctl", "enable", "--now", "virtqemud.socket"])
    refused = role(machine, tmp_path, fails=True).named("Refuse what stands in the way").msg
    assert "libvirtd and virtqemud are both in use" in refused
    libvirtd = [f"libvirtd{part}.socket" for part in ("", "-ro", "-admin")]
    machine.exec(["systemctl", "disable", "--now", *libvirtd, "libvirtd.service"])

    results = role(machine, tmp_path)
    assert results.named("seen")["msg"]["daemons"] == "modular"
    assert "Have systemd listen for libvirt's daemons" in changed(results)
    for socket in sockets:
        assert said(machine, "systemctl", "is-active", f"{socket}.socket") == "active"
        assert said(machine, "systemctl", "is-enabled", f"{socket}.socket") == "enabled"
    assert not (machine.root / "run/libvirt/libvirt-sock").exists()
    assert said(machine, "virsh", "-c", "qemu:///system", "pool-list", "--name") == "default"
    assert said(machine, "systemctl", "is-active", "virtqemud.service") == "active"
    assert changed(role(machine, tmp_path)) == []

    machine.exec(["systemctl", "disable", "--now", "virtqemud.service", *(f"{socket}.socket" for socket in sockets)])
    for name in ("virtqemud.service", *(f"{socket}.socket" for socket in sockets)):
        (units / name).unlink()
    machine.exec(["systemctl", "daemon-reload"])
    role(machine, tmp_path)
    assert said(machine, "virsh", "-c", "qemu:///system", "pool-list", "--name") == "default"


# and back


@pytest.mark.parametrize("suite", SLOW)
def test_what_was_added_goes_and_comes_again(host_of: Make, tmp_path: Path, suite: str) -> None:
    machine = host_of(suite)
    disk = machine.root / "var/lib/libvirt/images/precious.raw"
    disk.write_text("precious")
    machine.exec(["sh", "-c", f"echo \"{GUEST}\" | virsh -c qemu:///system define /dev/stdin"])
    refused = role(machine, tmp_path, entry="uninstall", fails=True).named("Refuse while something is in use").msg
    assert "guests are defined: standing" in refused and "Nothing was touched" in refused
    machine.exec(["virsh", "-c", "qemu:///system", "undefine", "standing"])

    # Somebody has installed what needs a part of it by now.
    machine.exec(["sh", "-ec", NEEDY])
    checked = changed(role(machine, tmp_path, "--check", entry="uninstall"))
    assert "Remove the packages" in checked
    results = role(machine, tmp_path, entry="uninstall")
    assert "Remove the packages" in changed(results)
    assert results.named("Say which packages are needed by others by now and stay")["msg"]["swtpm"] == "needy"
    assert said(machine, "dpkg-query", "-Wf", "${db:Status-Status}", "swtpm") == "installed"
    assert not (machine.root / "usr/sbin/libvirtd").exists()
    assert not [name for name in said(machine, "dpkg-query", "-Wf", "${db:Status-Status} ${Package}\n").splitlines()
                if name.startswith(("installed libvirt-daemon", "installed qemu-system"))]  # fmt: skip
    assert disk.read_text() == "precious"
    assert not (machine.root / RECORD.lstrip("/")).exists()
    assert not (machine.root / "etc/pki/libvirt/private/serverkey.pem").exists()
    assert "virbr0" not in said(machine, "ip", "-brief", "link")
    assert USER not in said(machine, "getent", "group", "libvirt", check=False)
    assert changed(role(machine, tmp_path, entry="uninstall")) == []

    results = role(machine, tmp_path)
    assert results.named("seen")["msg"]["ready"] is True
    assert disk.read_text() == "precious"
