# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a machine: a folder of files stands for it, and a function for its programs."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _kvm_host_look, _kvm_host_module, _machine_look
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.seen import Firewall, Nested, Seen
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.settings import FRESH, PKI
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.wants import OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._machine.removal import Package
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import Unit
from tests.integration.role_kvm_host import certificates
from tests.unit.plugins.module_utils.kvm_host.hosts import options

DPKG = "installed bash\nconfig-files old\ninstalled libvirt-clients\n"
SYSTEMCTL = """Id=libvirtd.socket
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Id=virtqemud.socket
LoadState=not-found
ActiveState=inactive
UnitFileState=

Id=docker.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled
"""


class Machine:
    """A folder that stands for a machine's root, and what its programs say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said = {"dpkg-query": DPKG, "systemctl": SYSTEMCTL, "iptables": "-P FORWARD DROP\n-A FORWARD -j X\n"}
        self.file("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')

    def file(self, path: str, text: str = "") -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def run(self, argv: Sequence[str], **_options: Any) -> tuple[int, str, str]:
        said = self.said.get(Path(argv[0]).name)
        return (127, "", "not found") if said is None else (0, said, "")

    def look(self, **said: Any) -> Seen:
        return _kvm_host_look.look(self.run, options(**said))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(_machine_look, "ROOT", tmp_path)
    monkeypatch.setattr("ansible_collections.virtfleet.core.plugins.module_utils._programs.get_bin_path",
                        lambda name, **_more: f"/bin/{name}")  # fmt: skip
    return Machine(tmp_path)


def test_a_bare_machine(machine: Machine) -> None:
    seen = machine.look()
    assert (seen.system.id, seen.system.version, seen.system.name) == ("debian", "12", "Debian GNU/Linux 12")
    assert seen.packages == {"bash", "libvirt-clients"}
    assert (seen.systemd, seen.units, seen.programs, seen.pools, seen.record) == (False, {}, frozenset(), {}, {})
    assert (seen.nested, seen.apparmor, seen.firewall, seen.sudo) == (None, None, Firewall(), "")
    assert set(seen.files.values()) == {None}


def test_units_are_asked_for_under_systemd(machine: Machine) -> None:
    (machine.root / "run/systemd/system").mkdir(parents=True)
    seen = machine.look()
    assert seen.systemd
    assert seen.units == {"libvirtd.socket": Unit("enabled", "active"), "docker.service": Unit("enabled", "active")}
    assert (seen.firewall.docker, seen.firewall.docker_forward) == (True, "DROP")


def test_daemons_that_answer_without_systemd(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("libvirtd", "virtlogd", "virtqemud"):
        machine.file(f"usr/sbin/{name}")
    folder = machine.root / "run/libvirt"
    folder.mkdir(parents=True)
    # A socket's path is short, and pytest's folders are not.
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.bind("libvirt-sock")
        one.listen()
        # Left behind by one that was killed.
        two.bind("virtqemud-sock")
        two.close()
        monkeypatch.setattr(_machine_look, "RUNS", ".")
        monkeypatch.setattr(_machine_look, "at", lambda path: Path(path) if path.startswith("./") else machine.root / path[1:])
        seen = machine.look()
    assert seen.programs == {"libvirtd", "virtlogd", "virtqemud"}
    assert seen.answering == {"libvirtd"}


def test_the_kernel(machine: Machine) -> None:
    machine.file("sys/module/kvm_amd/parameters/nested", "1\n")
    machine.file("sys/module/kvm_amd/refcnt", "3\n")
    machine.file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "7\n")
    machine.file("sys/module/apparmor/parameters/enabled", "Y\n")
    machine.file("etc/apparmor.d/abstractions/libvirt-qemu", "include if exists <abstractions/libvirt-qemu.d>\n")
    seen = machine.look()
    assert seen.nested == Nested("kvm_amd", True, 3)
    assert seen.hugepages == {2048: 7}
    assert seen.apparmor is not None
    assert (seen.apparmor.helper, seen.apparmor.drop_in) == (False, True)


@pytest.mark.parametrize(("flags", "module"), [("fpu vmx sse", "kvm_intel"), ("fpu svm", "kvm_amd"), ("fpu vmxx", None)])
def test_a_module_that_is_not_loaded_is_known_by_the_processor(machine: Machine, flags: str, module: str | None) -> None:
    machine.file("proc/cpuinfo", f"processor : 0\nflags : {flags}\nbugs :\n")
    seen = machine.look().nested
    assert (seen.module if seen else None) == module
    assert seen is None or seen.on is None


def test_xen(machine: Machine) -> None:
    assert machine.look().xen == ""
    machine.said["dpkg-query"] = DPKG + "installed xen-hypervisor-4.17-amd64\ninstalled xen-hypervisor-common\n"
    assert machine.look().xen == "it has xen-hypervisor-4.17-amd64"
    # A guest of Xen may be a KVM host; only the one that rules the others has no UUID.
    machine.file("sys/hypervisor/type", "xen\n")
    machine.file("sys/hypervisor/uuid", "b5f3d9a0-0000-4000-8000-000000000001\n")
    assert machine.look().xen == "it has xen-hypervisor-4.17-amd64"
    machine.file("sys/hypervisor/uuid", "00000000-0000-0000-0000-000000000000\n")
    assert machine.look().xen == "it runs on Xen"


def test_firewalls(machine: Machine) -> None:
    machine.file("etc/ufw/ufw.conf", "# x\nENABLED=yes\n")
    machine.file("etc/default/ufw", 'DEFAULT_FORWARD_POLICY="DROP"\n')
    machine.file("run/docker.sock")
    machine.file("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
    wall = machine.look().firewall
    assert wall == Firewall(ufw=True, ufw_forward="DROP", docker=True, docker_forward="DROP", bridged=True)


@pytest.mark.parametrize(("real", "kind"), [("usr/lib/cargo/bin/sudo", "sudo-rs"), ("usr/bin/sudo.ws", "sudo")])
def test_sudo(machine: Machine, real: str, kind: str) -> None:
    machine.file(real)
    (machine.root / "usr/bin").mkdir(exist_ok=True)
    (machine.root / "usr/bin/sudo").symlink_to(machine.root / real)
    assert machine.look().sudo == kind


def test_what_libvirt_keeps(machine: Machine) -> None:
    machine.file("etc/libvirt/storage/fast.xml", "<pool type='dir'><target><path>/data/fast</path></target></pool>")
    machine.file("etc/libvirt/storage/odd.xml", "<pool type='rbd'/>")
    machine.file("etc/libvirt/qemu/web1.xml")
    machine.file("run/libvirt/qemu/passing.xml")
    machine.file("etc/libvirt/qemu/networks/default.xml")
    machine.file("etc/libvirt/qemu/networks/autostart/default.xml")
    machine.file("run/libvirt/network/lab.xml")
    seen = machine.look()
    assert seen.pools == {"fast": "/data/fast", "odd": ""}
    assert (seen.guests, seen.networks, seen.autostart) == (("passing", "web1"), ("lab",), ("default",))


def test_ports_and_certificates(machine: Machine) -> None:
    head = "  sl  local_address rem_address   st\n"
    machine.file("proc/net/tcp", f"{head}   0: 0100007F:0016 00000000:0000 0A\n   1: 00000000:4082 00000000:0000 01\n")
    machine.file("proc/net/tcp6", f"{head}   0: 00000000000000000000000000000000:407D 0:0000 0A\n")
    machine.file("etc/pki/CA/cacert.pem", "x")
    seen = machine.look(remote="tls", tls={"ca": "a", "cert": "b", "key": "c"})
    assert seen.listening == {16509}
    assert seen.pki == {"ca": "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
    assert seen.tls == "nobody listens on port 16514"


def test_certificates_are_tried_before_they_are_used(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> None:
    texts = certificates(tmp_path_factory.mktemp("pki"))
    other = certificates(tmp_path_factory.mktemp("other"))
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}

    def problem(**replaced: str) -> str:
        for name, path in PKI.items():
            machine.file(path[1:], {**texts, **replaced}[name])
        return machine.look(remote="tls").pki_problem

    assert problem() == ""
    assert problem(key=other["key"]) == "key values mismatch"
    assert "unable to get local issuer certificate" in problem(ca=other["ca"]) or "self-signed" in problem(ca=other["ca"])
    assert problem(cert="no certificate") != ""
    # The right one lies ready; one that is not what was asked for is nobody's.
    problem(key=other["key"])
    machine.file(PKI["key"][1:] + FRESH, texts["key"])
    seen = machine.look(remote="tls", tls=hashes)
    assert (seen.fresh, seen.pki_problem) == ({"key"}, "")
    assert machine.look(remote="tls", tls={**hashes, "key": "another"}).pki_problem == "key values mismatch"


def test_a_damaged_record_is_no_empty_one(machine: Machine) -> None:
    machine.file("var/lib/virtfleet/kvm_host.json", '{"packages": [')
    with pytest.raises(HostError, match=r"could not read /var/lib/virtfleet/kvm_host\.json"):
        machine.look()


def test_what_packages_need(machine: Machine) -> None:
    machine.said["dpkg-query"] = "installed\ta\tdpkg (>= 1)\tb | c\tvirtual (= 2)\nconfig-files\told\t\t\t\ninstalled\tb\t\t\t\n"
    assert _machine_look.installed(machine.run) == {
        "a": Package((("dpkg",), ("b", "c")), ("virtual",)),
        "b": Package(),
    }


def test_the_module_reads_looks_and_judges(machine: Machine) -> None:
    machine.said["dpkg-query"] = "installed\tswtpm\t\t\t\n"
    machine.file("var/lib/virtfleet/kvm_host.json", '{"packages": ["swtpm"]}')
    params = {name: option.get("default") for name, option in OPTIONS.items()}
    found = _kvm_host_module.read_kvm_host({**params, "removal": True}, machine.run)
    assert found["kvm_host"]["removal"]["packages"] == ["swtpm"]
    assert "removal" not in _kvm_host_module.read_kvm_host(params, machine.run)["kvm_host"]
    words = [one["check"] for one in found["findings"]]
    assert words[:3] == ["system", "root", "stack"]
