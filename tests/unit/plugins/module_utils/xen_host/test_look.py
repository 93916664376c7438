# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking at a machine: a folder of files stands for it, and what its programs say was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _machine_look, _xen_host_look, _xen_host_module
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.seen import Seen, Xendomains
from ansible_collections.virtfleet.core.plugins.module_utils._xen_host.wants import OPTIONS
from tests.unit.plugins.module_utils.xen_host.hosts_xen import LINUX, XEN, cfg, linux, options, xen

# As Xen 4.17 says it, shortened.
INFO = """\
host                   : dom0
release                : 6.1.0-9-amd64
nr_cpus                : 2
virt_caps              : pv hvm hap shadow vmtrace gnttab-v1 gnttab-v2
total_memory           : 3071
free_memory            : 1466
xen_major              : 4
xen_minor              : 17
xen_extra              : .7-pre
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64
xen_scheduler          : credit2
xen_commandline        : placeholder dom0_mem=1536M,max:1536M com1=115200,8n1 console=com1
"""
LIST = """\
Name                                        ID   Mem VCPUs\tState\tTime(s)
Domain-0                                     0  1536     2     r-----      75.2
web1                                         3   256     1     -b----       4.4
"""
POLICY = """\
xen-system-amd64:
  Installed: (none)
  Candidate: 4.17.7+13-g2445b30a44-0+deb12u1
  Version table:
     4.17.7+13-g2445b30a44-0+deb12u1 500
        500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
xen-hypervisor-4.16-amd64:
  Installed: (none)
  Candidate: (none)
  Version table:
xen-hypervisor-4.17-amd64:
  Installed: (none)
  Candidate: 4.17.7+13-g2445b30a44-0+deb12u1
"""
PKGNAMES = "xen-hypervisor-4.17-amd64\nxen-hypervisor-4.17-amd64-dbg\nxen-hypervisor-common\nxen-hypervisor-4.16-amd64\n"
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


class Machine:
    """A folder that stands for a machine's root, and what its programs say."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said = {
            "dpkg-query": "installed bash\n", "apt-cache policy": POLICY, "apt-cache pkgnames": PKGNAMES,
            "xl info": INFO, "xl list": LIST, "systemctl": "",
        }  # fmt: skip
        self.file("etc/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')

    def file(self, path: str, text: str = "") -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def dom0(self) -> None:
        self.file("sys/hypervisor/type", "xen\n")
        self.file("sys/hypervisor/uuid", "00000000-0000-0000-0000-000000000000\n")

    def run(self, argv: Sequence[str], **_options: Any) -> tuple[int, str, str]:
        name = Path(argv[0]).name
        said = self.said.get(f"{name} {argv[1]}", self.said.get(name))
        return (127, "", "not found") if said is None else (0, said, "")

    def look(self, **said: Any) -> Seen:
        return _xen_host_look.look(self.run, options(**said))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(_machine_look, "ROOT", tmp_path)
    monkeypatch.setattr("ansible_collections.virtfleet.core.plugins.module_utils._programs.get_bin_path",
                        lambda name, **_more: f"/bin/{name}")  # fmt: skip
    return Machine(tmp_path)


def test_a_bare_machine(machine: Machine) -> None:
    seen = machine.look()
    assert (seen.xen, seen.dom0, seen.info, seen.running, seen.secure_boot, seen.menu) == (False, False, {}, None, None, None)
    assert (seen.kernels, seen.loop, seen.device_model, seen.xendomains, seen.kvm) == ({}, False, False, Xendomains(), "")


def test_what_apt_has(machine: Machine) -> None:
    version = "4.17.7+13-g2445b30a44-0+deb12u1"
    assert machine.look().candidates == {"xen-system-amd64": version, "xen-hypervisor-4.17-amd64": version}
    del machine.said["apt-cache policy"]
    assert machine.look().candidates == {}


def test_what_it_stands_on(machine: Machine) -> None:
    machine.file("boot/grub/grub.cfg", cfg(XEN, linux(), xen()))
    machine.file("boot/vmlinuz-6.1.0-9-amd64")
    machine.file("boot/config-6.1.0-9-amd64", "CONFIG_XEN=y\nCONFIG_XEN_DOM0=y\n")
    machine.file("boot/vmlinuz-6.1.0-9-cloud")
    machine.file("boot/config-6.1.0-9-cloud", "CONFIG_XEN=y\n# CONFIG_XEN_DOM0 is not set\n")
    machine.file("proc/meminfo", "MemTotal:        3050000 kB\nMemFree: 1 kB\n")
    machine.file("proc/cmdline", "root=/dev/vda1 quiet\n")
    machine.file("sys/module/loop/parameters/max_loop")
    seen = machine.look()
    assert seen.menu is not None
    assert [entry.path for entry in seen.menu.entries] == [LINUX, XEN]
    assert seen.kernels == {"6.1.0-9-amd64": True, "6.1.0-9-cloud": False}
    assert (seen.memory_kib, seen.cmdline, seen.loop) == (3050000, ("root=/dev/vda1", "quiet"), True)


@pytest.mark.parametrize(("byte", "on"), [("\x01", True), ("\x00", False)])
def test_secure_boot(machine: Machine, byte: str, on: bool) -> None:
    machine.file(SECURE_BOOT, f"\x06\x00\x00\x00{byte}")
    assert machine.look().secure_boot is on


def test_what_runs(machine: Machine) -> None:
    machine.dom0()
    machine.file("usr/libexec/xen-qemu-system-i386")
    seen = machine.look()
    assert (seen.xen, seen.dom0, seen.running, seen.dom0_memory) == (True, True, ("web1",), 1536)
    assert seen.info["xen_commandline"] == "placeholder dom0_mem=1536M,max:1536M com1=115200,8n1 console=com1"
    assert seen.device_model
    machine.said.pop("xl info")
    machine.said.pop("xl list")
    assert (machine.look().info, machine.look().running) == ({}, None)


def test_a_guest_of_xen_is_no_dom0(machine: Machine) -> None:
    machine.file("sys/hypervisor/type", "xen\n")
    machine.file("sys/hypervisor/uuid", "b5f3d9a0-1234-4000-8000-000000000001\n")
    seen = machine.look()
    assert (seen.xen, seen.dom0) == (True, False)


def unit(enabled: str, active: str) -> str:
    return f"Id=xendomains.service\nLoadState=loaded\nActiveState={active}\nUnitFileState={enabled}\n"


@pytest.mark.parametrize(
    ("said", "links", "enabled", "active"),
    [
        ("", ["rc2.d/S01xendomains"], False, False),
        # Debian 12 has a script, for which systemd makes a unit whether it is enabled or not.
        (unit("generated", "active"), ["rc0.d/K01xendomains", "rc2.d/S01xendomains"], True, True),
        (unit("generated", "inactive"), ["rc0.d/K01xendomains", "rc2.d/K01xendomains"], False, False),
        (unit("enabled", "inactive"), [], True, False),
        (unit("disabled", "inactive"), [], False, False),
        # The script's links stay where a unit has taken its place.
        (unit("disabled", "inactive"), ["rc2.d/S01xendomains"], False, False),
    ],
)
def test_xens_own_service(machine: Machine, said: str, links: list[str], enabled: bool, active: bool) -> None:
    (machine.root / "run/systemd/system").mkdir(parents=True)
    machine.said["systemctl"] = said
    for link in links:
        machine.file(f"etc/{link}")
    found = machine.look().xendomains
    assert (found.enabled, found.active) == (enabled, active)


def test_its_guests(machine: Machine) -> None:
    machine.file("etc/xen/auto/web.cfg")
    machine.file("etc/xen/auto/db")
    machine.file("var/lib/xen/save/mail")
    found = machine.look().xendomains
    assert (found.auto, found.saved) == (("db", "web"), ("mail",))
    machine.file("etc/default/xendomains", 'XENDOMAINS_AUTO=/srv/auto\nXENDOMAINS_SAVE=""\n')
    machine.file("srv/auto/other.cfg")
    found = machine.look().xendomains
    assert (found.auto, found.saved) == (("other",), ())


def test_the_module_reads_looks_and_judges(machine: Machine) -> None:
    machine.said["dpkg-query"] = "installed\txen-utils-4.17\t\t\t\n"
    machine.file("var/lib/virtfleet/xen_host.json", '{"packages": ["xen-utils-4.17"]}')
    machine.file("var/lib/virtfleet/kvm_host.json", "{}")
    params = {name: option.get("default") for name, option in OPTIONS.items()}
    found = _xen_host_module.read_xen_host({**params, "removal": True}, machine.run)
    assert found["xen_host"]["removal"]["packages"] == ["xen-utils-4.17"]
    assert "removal" not in _xen_host_module.read_xen_host(params, machine.run)["xen_host"]
    assert "kvm" in [one["check"] for one in found["findings"]] or found["xen_host"]["system"] == "Debian 12"
    machine.dom0()
    below = _xen_host_module.read_xen_host(params, machine.run)["xen_host"]
    assert below["xen"]["version"] == "4.17.7-pre"
    assert (below["xen"]["memory_bytes"], below["xen"]["dom0_memory_bytes"]) == (3071 << 20, 1536 << 20)
    assert (below["abilities"], below["strangers"], below["boot"]["running"]) == (["pv", "pvh"], ["web1"], "xen")
