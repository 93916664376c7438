# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role kvm_host on a host without systemd: what it refuses, the files that it writes, the daemons that it starts.

The lab host has the machine's own packages, so that here nothing is installed: `dpkg-query` is a script that says what
the test wants to be there. What really installs is tests/integration/test_role_kvm_host_machines.py.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.packages import wanted
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.wants import DEFAULT_FEATURES
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import System
from ansible_collections.virtfleet.core.plugins.module_utils._machine.systems import system_of
from tests.integration.playing import Player
from tests.integration.role_kvm_host import certificates, changed, layered, play_role, program
from tests.lab import Host
from tests.lab._apt import os_release
from tests.lab.fixtures import HostFactory
from tests.lab.net import nat

ROLE = Path(__file__).resolve().parents[2] / "roles/kvm_host"
WOULD = "Say which packages would be installed"
RECORD = "/var/lib/virtfleet/kvm_host.json"
TAGS = {
    "kvm_host_packages", "kvm_host_users", "kvm_host_nested", "kvm_host_hugepages", "kvm_host_apparmor",
    "kvm_host_daemons", "kvm_host_remote", "kvm_host_pools", "kvm_host_network", "kvm_host_bridge", "kvm_host_facts",
}  # fmt: skip
# What is not the matter of a test is not asked for.
QUIET = {"kvm_host_accel": "tcg", "kvm_host_pools": []}


def _base() -> list[str]:
    release = os_release()
    system = system_of(System(release["ID"], release.get("VERSION_ID", ""), ""))
    assert system is not None
    return list(wanted(system, "x86_64", DEFAULT_FEATURES).names)


@pytest.fixture(scope="module")
def host(lab_host_factory: HostFactory) -> Host:
    """Return a host of the role's own: its daemons are started by the role in the end."""
    return layered(lab_host_factory("role"))


@pytest.fixture(scope="module")
def base(host: Host) -> list[str]:
    """Return the packages that a complete host has."""
    return _base()


@pytest.fixture
def player(host: Host, tmp_path: Path) -> Player:
    host.exec(["rm", "-f", RECORD])
    return Player(host, tmp_path)


# what it refuses


def test_what_is_refused_is_refused_before_anything_is_touched(player: Player, tmp_path: Path) -> None:
    def as_if(name: str, version: str) -> list[dict[str, object]]:
        place = tmp_path / f"{name}-release"
        place.write_text(f'ID={name}\nVERSION_ID="{version}"\nPRETTY_NAME="{name} {version}"\n')
        return [{"name": "as if", "ansible.builtin.command": f"mount --bind {place} /etc/os-release"}]

    cases = [
        (as_if("fedora", "44"), None, "it runs fedora 44 on x86_64"),
        # A part of Ubuntu's second stack without the whole.
        (as_if("ubuntu", "26.04"), ["qemu-system-x86-hwe", "libvirt-clients"], "qemu-system-x86-hwe without ubuntu-virt-hwe"),
    ]
    for before, installed, said in cases:
        try:
            results = play_role(player, before=before, installed=installed, fails=True, **QUIET)
        finally:
            player.host.exec(["umount", "/etc/os-release"])
        assert said in results.named("refused").msg
        assert "Nothing was touched" in results.named("refused").msg
        assert changed(results) == ["as if"]


def test_an_option_that_does_not_fit_is_refused(player: Player) -> None:
    results = play_role(player, fails=True, kvm_host_network="some")
    said = [error for result in results for error in result.values.get("argument_errors", ())]
    assert any("kvm_host_network must be one of" in error for error in said)


# what it would do


def test_a_bare_host_in_check_mode_hears_what_would_come(player: Player, tmp_path: Path) -> None:
    more = ["libvirt-daemon-driver-storage-rbd", "bash"]
    # The machine may be a KVM host of its own, with a record of it.
    before = Path(RECORD).read_text() if Path(RECORD).exists() else None
    results = play_role(player, "--check", installed=["bash"], kvm_host_extra_packages=more, **QUIET)
    assert results.named(WOULD)["msg"] == sorted([*_base(), more[0]])
    assert changed(results)[0] == WOULD
    assert results.named("seen")["msg"]["warnings"] == []
    assert (Path(RECORD).read_text() if Path(RECORD).exists() else None) == before


def test_preflight_changes_nothing_and_tells_all(host: Host, player: Player, base: list[str]) -> None:
    def preflight(*args: str, fails: bool = False, **options: object) -> dict[str, object]:
        results = play_role(
            player, *args, entry="preflight", installed=base[1:], show="kvm_host_preflight", fails=fails, **options
        )
        assert changed(results) == []
        if fails:
            return {"refused": results.named("refused").msg}
        seen: dict[str, object] = results.named("seen")["msg"]
        return seen

    seen = preflight("--check", kvm_host_accel="kvm")
    found = {(one["check"], one["status"]) for one in seen["findings"]}  # type: ignore[attr-defined]
    assert {("system", "ok"), ("root", "ok"), ("packages", "warn"), ("accelerator", "fail")} <= found
    assert (seen["ok"], seen["missing"]) == (False, base[:1])
    assert "KVM was asked for" in str(preflight(fails=True, kvm_host_accel="kvm", kvm_host_preflight_fail=True)["refused"])
    assert preflight(kvm_host_accel="tcg", kvm_host_preflight_fail=True)["ok"] is True


# daemons by hand


def test_a_complete_host_is_left_as_it_is(host: Host, player: Player, base: list[str]) -> None:
    before = host.libvirtd
    play_role(player, installed=base)
    results = play_role(player, installed=base)
    assert changed(results) == []
    assert host.libvirtd == before
    seen = results.named("seen")["msg"]
    assert seen["ready"] is True
    assert (seen["uri"], seen["daemons"], seen["stack"]) == ("qemu:///system", "monolithic", "base")
    assert seen["accelerator"]["verdict"] == "tcg"
    assert "tcg" in seen["accelerators"]
    assert "x86_64" in seen["architectures"]
    assert "efi" in seen["firmware"]
    assert [int(part) for part in seen["libvirt_version"].split(".")] >= [8]
    assert any(said.startswith("accelerator: KVM does not work here") for said in seen["warnings"])
    # A host that is as it should be is asked this often, and each time costs.
    asked = [result.task for result in results if result.outcome == "ok" and "ansible_facts" not in result.values]
    asked = [task for task in asked if task not in ("seen", "Refuse what stands in the way")]
    assert [task for task in asked if not task.startswith("Validating")] == [
        "Try whether KVM works", "Look at the host", "Have the storage pools running", "Ask libvirt what it can do",
    ]  # fmt: skip


def test_a_stopped_libvirtd_is_started_by_hand_and_once(host: Host, player: Player, base: list[str]) -> None:
    tags = ("--tags", "kvm_host_daemons")
    started = ["Start libvirt's daemons by hand"]
    host.stop_libvirtd()
    assert changed(play_role(player, "--check", *tags, installed=base, **QUIET)) == ["Say which daemons would be started"]
    assert changed(play_role(player, *tags, installed=base, **QUIET))[-1:] == started
    pid = host.exec(["cat", "/run/virtfleet/libvirtd.pid"]).stdout.strip()
    assert Path(f"/proc/{pid}/exe").readlink() == Path("/usr/sbin/libvirtd")
    assert changed(play_role(player, *tags, installed=base, **QUIET)) == []
    # A killed daemon leaves its socket and its pid file behind.
    os.kill(int(pid), signal.SIGKILL)
    assert changed(play_role(player, *tags, installed=base, **QUIET)) == started
    assert host.exec(["cat", "/run/virtfleet/libvirtd.pid"]).stdout.strip() != pid


# clients from other hosts


def _have_it_started_by_the_role(host: Host) -> None:
    """Leave libvirtd to the role: one that somebody else has started is never started anew by it."""
    if host.exec(["test", "-e", "/run/virtfleet/libvirtd.pid"], check=False).returncode:
        host.stop_libvirtd()


@pytest.mark.slow
def test_tls_lets_in_who_has_a_certificate_and_is_closed_again(
    host: Host, player: Player, base: list[str], tmp_path: Path
) -> None:
    _have_it_started_by_the_role(host)
    texts = certificates(tmp_path / "pki")
    uri = f"qemu+tls://localhost/system?pkipath={tmp_path / 'pki'}"
    tags = ("--tags", "kvm_host_remote,kvm_host_daemons")
    hand = {**QUIET, "kvm_host_remote": "tls"}

    results = play_role(player, *tags, installed=base, kvm_host_tls=texts, **hand)
    assert texts["key"].splitlines()[1] not in "".join(str(result.values) for result in results)
    assert host.exec(["virsh", "-c", uri, "hostname"]).stdout.strip() == host.exec(["hostname"]).stdout.strip()
    assert host.exec(["stat", "-c", "%a %U", "/etc/pki/libvirt/private/serverkey.pem"]).stdout.strip() == "600 root"
    assert changed(play_role(player, *tags, installed=base, kvm_host_tls=texts, **hand)) == []

    # A key of somebody else: nothing is touched, and clients get in as before.
    wrong = {**texts, "key": certificates(tmp_path / "other")["key"]}
    refused = play_role(player, *tags, installed=base, kvm_host_tls=wrong, fails=True, **hand)
    assert "key values mismatch" in refused.named("refused").msg
    assert host.exec(["virsh", "-c", uri, "hostname"]).stdout
    assert host.exec(["sh", "-c", "ls /etc/pki/*/*.virtfleet /etc/pki/*/*/*.virtfleet"], check=False).stdout == ""

    # The client's own name is not among those that may come.
    play_role(player, *tags, installed=base, kvm_host_tls={**texts, "allowed": ["CN=somebody"]}, **hand)
    assert host.exec(["virsh", "-c", uri, "hostname"], check=False).returncode != 0
    play_role(player, *tags, installed=base, kvm_host_tls={**texts, "allowed": ["CN=tester"]}, **hand)
    assert host.exec(["virsh", "-c", uri, "hostname"]).stdout

    assert "Write who may come in" in changed(play_role(player, *tags, installed=base, **QUIET))
    assert host.exec(["virsh", "-c", uri, "hostname"], check=False).returncode != 0


@pytest.mark.slow
def test_plain_tcp_is_opened_for_a_lab_and_said_to_be_open(host: Host, player: Player, base: list[str]) -> None:
    _have_it_started_by_the_role(host)
    lab = {**QUIET, "kvm_host_remote": "lab-tcp"}
    seen = play_role(player, installed=base, **lab).named("seen")["msg"]
    assert host.exec(["virsh", "-c", "qemu+tcp://localhost/system", "hostname"]).stdout
    assert any("is root here, without a password" in said for said in seen["warnings"])
    play_role(player, installed=base, **QUIET)
    assert host.exec(["virsh", "-c", "qemu+tcp://localhost/system", "hostname"], check=False).returncode != 0


# pools and networks


def test_pools_are_made_and_an_existing_one_stays_where_it_is(host: Host, player: Player, base: list[str]) -> None:
    tags = ("--tags", "kvm_host_pools")
    task = "Have the storage pools running"
    elsewhere = host.folder / "elsewhere"
    host.exec(["virsh", "pool-define-as", "kept", "dir", "--target", str(elsewhere)])
    elsewhere.mkdir()
    pools = [{"name": "kept"}, {"name": "fast", "path": str(host.folder / "fast")}]
    options = {**QUIET, "kvm_host_pools": pools}
    assert play_role(player, *tags, installed=base, **options).named(task).changed
    assert changed(play_role(player, *tags, installed=base, **options)) == []
    assert set(host.exec(["virsh", "pool-list", "--name", "--autostart"]).stdout.split()) >= {"kept", "fast"}


def _have_a_default_network(host: Host) -> None:
    """Have the network that libvirt's package defines, stopped."""
    if host.exec(["virsh", "net-info", "default"], check=False).returncode:
        host.exec(["virsh", "net-define", "/dev/stdin"], input=nat("default", "10.91.0.0/24", "rolebr0"))
    host.exec(["virsh", "net-destroy", "default"], check=False)
    host.exec(["virsh", "net-autostart", "default", "--disable"])


def test_the_default_network_is_started_on_request_only(host: Host, player: Player, base: list[str]) -> None:
    tags = ("--tags", "kvm_host_network")
    task = 'Have the network "default" running'
    started = ["virsh", "net-list", "--name", "--autostart"]
    _have_a_default_network(host)
    assert play_role(player, "--check", *tags, installed=base, **QUIET).named(task).outcome == "skipped"
    assert host.exec(started).stdout.strip() == ""
    want = {**QUIET, "kvm_host_network": "default"}
    assert play_role(player, *tags, installed=base, **want).named(task).changed
    assert host.exec(started).stdout.strip() == "default"
    assert changed(play_role(player, *tags, installed=base, **want)) == []


# the kernel, users and AppArmor


def test_settings_are_written_once_and_taken_away_again(
    host: Host, player: Player, base: list[str], tmp_path: Path
) -> None:
    user = "games"
    shelf = str(host.folder / "shelf")
    options = {
        "kvm_host_accel": "tcg",
        "kvm_host_users": [user],
        "kvm_host_nested": True,
        "kvm_host_hugepages": {"2MiB": 3, "1GiB": 1},
        "kvm_host_network": "default",
        "kvm_host_pools": [{"name": "shelf", "path": shelf, "any_guest": True}],
    }
    # AppArmor, as far as the role can see; and the kernel's module, which turns the switch when it is loaded.
    _apparmor(host)
    programs = program(tmp_path / "more", "apparmor_parser", f'echo "$@" >>{tmp_path}/loaded')
    program(programs, "modprobe", f'echo "$@" >>{tmp_path}/probed; echo Y >/sys/module/kvm_intel/parameters/nested')
    _have_a_default_network(host)

    checked = changed(play_role(player, "--check", installed=base, path=programs, **options))
    assert not (tmp_path / "loaded").exists()
    results = play_role(player, installed=base, path=programs, **options)
    assert set(checked) <= set(changed(results))
    assert any("1GiB" in said and "hugepagesz=1G" in said for said in results.named("seen")["msg"]["warnings"])

    def text(path: str) -> str:
        return str(host.exec(["cat", path]).stdout)

    assert "options kvm_intel nested=1" in text("/etc/modprobe.d/virtfleet-kvm.conf")
    assert (tmp_path / "probed").read_text() == "--remove kvm_intel\nkvm_intel\n"
    assert text("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages").strip() == "3"
    assert "hugepages-2048kB/nr_hugepages - - - - 3" in text("/etc/tmpfiles.d/virtfleet-hugepages.conf")
    assert "1048576" not in text("/etc/tmpfiles.d/virtfleet-hugepages.conf")
    assert f'  "{shelf}/**" r,' in text("/etc/apparmor.d/local/usr.lib.libvirt.virt-aa-helper")
    assert "/site/** r," in text("/etc/apparmor.d/local/usr.lib.libvirt.virt-aa-helper")
    assert f'  "{shelf}/**" rwk,' in text("/etc/apparmor.d/abstractions/libvirt-qemu.d/virtfleet")
    assert (tmp_path / "loaded").read_text() == "--replace /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper\n"
    assert user in text("/etc/group").split("libvirt:")[1].splitlines()[0]

    assert changed(play_role(player, installed=base, path=programs, **options)) == []
    assert changed(play_role(player, "--check", installed=base, path=programs, **options)) == []

    # And back. A guest stands in the way, and a disk in the pool stays.
    (Path(shelf) / "disk.raw").write_text("precious")
    host.exec(["virsh", "define", "/dev/stdin"], input=GUEST)
    refused = play_role(player, entry="uninstall", path=programs, fails=True).named("refused").msg
    assert "guests are defined: standing" in refused
    host.exec(["virsh", "undefine", "standing"])
    checked = changed(play_role(player, "--check", entry="uninstall", path=programs))
    assert {"Forget the pools, whose files stay", "Stop the network", "Remove the record"} <= set(checked)
    play_role(player, entry="uninstall", path=programs)
    for path in ("/etc/modprobe.d/virtfleet-kvm.conf", "/etc/tmpfiles.d/virtfleet-hugepages.conf", RECORD):
        assert host.exec(["test", "-e", path], check=False).returncode == 1
    assert shelf not in text("/etc/apparmor.d/local/usr.lib.libvirt.virt-aa-helper")
    assert "/site/** r," in text("/etc/apparmor.d/local/usr.lib.libvirt.virt-aa-helper")
    assert text("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages").strip() == "0"
    assert user not in text("/etc/group").split("libvirt:")[1].splitlines()[0]
    assert "shelf" not in host.exec(["virsh", "pool-list", "--all", "--name"]).stdout.split()
    assert host.exec(["virsh", "net-list", "--name"]).stdout.split() == []
    assert (Path(shelf) / "disk.raw").read_text() == "precious"
    assert changed(play_role(player, entry="uninstall", path=programs)) == []


GUEST = "<domain type='qemu'><name>standing</name><memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>"


def _apparmor(host: Host) -> None:
    """Let AppArmor be on, with profiles of a libvirt that reads a folder of additions, and a rule of somebody else."""
    host.exec(["sh", "-c", """
        mkdir -p /sys/module/apparmor/parameters /etc/apparmor.d/abstractions /etc/apparmor.d/local
        echo Y >/sys/module/apparmor/parameters/enabled
        touch /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper
        echo 'include if exists <abstractions/libvirt-qemu.d>' >/etc/apparmor.d/abstractions/libvirt-qemu
        echo '/site/** r,' >/etc/apparmor.d/local/usr.lib.libvirt.virt-aa-helper
    """])  # fmt: skip


# the role as it is written


def test_each_part_has_a_tag() -> None:
    parts = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    settings = yaml.safe_load((ROLE / "tasks/settings.yml").read_text())
    assert {tag for part in parts for tag in part["tags"]} == {"kvm_host", *TAGS}
    assert all("kvm_host" in part["tags"] for part in parts)
    # What looks is part of each.
    assert all(set(part["tags"]) == {"kvm_host", *TAGS} for part in parts[:2])
    assert all({"kvm_host"} < set(task["tags"]) <= {"kvm_host", *TAGS} for task in settings)
    spec = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert set(str(spec["main"]["description"]).replace("V(", " ").replace(")", " ").replace(",", " ").split()) >= TAGS


def test_every_entry_is_specified_and_every_default_is_an_option() -> None:
    spec = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
    assert set(spec) == {"main", "preflight", "uninstall"}
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    options = {**spec["main"]["options"], **spec["preflight"]["options"]}
    assert {name: option["default"] for name, option in options.items() if "default" in option} == defaults
    assert set(options) - set(defaults) == {"kvm_host_nested"}
