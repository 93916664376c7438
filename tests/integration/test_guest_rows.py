# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people set on a guest itself: what is live is seen in one running guest, and what waits is taken by a real libvirt."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.integration.playing import Player, task
from tests.lab import Host

Options = dict[str, Any]

# An overlay that says what is there already: with one, libvirt checks the definition against its schema.
CHECKED = [{"at": ".", "xml": "<on_reboot>restart</on_reboot>"}]


def look(host: Host, name: str, *args: str) -> ET.Element:
    return ET.fromstring(host.exec(["virsh", "dumpxml", name, *args]).stdout)


def _attribute(path: str, name: str) -> Any:
    def read(root: ET.Element) -> Any:
        element = root.find(path)
        return None if element is None else element.get(name)

    return read


def _there(path: str) -> Any:
    return lambda root: root.find(path) is not None


# What is changed, to what, where it is seen in the running guest, and as what.
LIVE: list[tuple[str, Any, Any, Any]] = [
    ("vcpu_pins", {"0": "0"}, _attribute("cputune/vcpupin[@vcpu='0']", "cpuset"), "0"),
    ("emulator_pin", "0", _attribute("cputune/emulatorpin", "cpuset"), "0"),
    ("iothreads", 2, lambda root: root.findtext("iothreads"), "2"),
    ("iothread_pins", {"2": "0"}, _attribute("cputune/iothreadpin[@iothread='2']", "cpuset"), "0"),
    ("memballoon", {"stats_period": 7}, _attribute("devices/memballoon/stats", "period"), "7"),
    ("graphics_password", "another", _attribute("devices/graphics", "passwd"), "another"),
    ("tablet", False, _there("devices/input[@type='tablet']"), False),
    ("tablet", True, _there("devices/input[@type='tablet']"), True),
    ("rng", {"source": "none"}, _there("devices/rng"), False),
    ("rng", {"source": "builtin"}, _attribute("devices/rng/backend", "model"), "builtin"),
]
# What waits, all in one definition.
WAITS: Options = {
    "cpu": {"model": "Nehalem", "features": {"vmx": "disable"}, "check": "none", "cache": "emulate"},
    "numa": [{"cpus": "0", "memory": "128MiB"}, {"cpus": "1", "memory": "128MiB"}],
    "numatune": {"mode": "preferred", "nodeset": "0"},
    "memory_backing": {"source": "memfd", "access": "shared", "allocation": "ondemand", "discard": True},
    "features": {"pae": True, "smm": True, "vmport": False, "pmu": False, "vmcoreinfo": True, "kvm_hidden": True},
    "clock": {
        "offset": "timezone",
        "timezone": "Europe/Berlin",
        "timers": {"rtc": {"tickpolicy": "catchup", "track": "guest"}, "hpet": {"present": False}},
    },
    "pm": {"suspend_to_mem": False, "suspend_to_disk": False},
    "boot_menu": True,
    "sysinfo": {
        "bios_vendor": "Acme",
        "bios_date": "11/26/2026",
        "system_manufacturer": "Acme",
        "system_serial": "S1",
        "baseboard_asset": "A1",
        "chassis_sku": "K1",
        "oem_strings": ["b=1", "a=2"],
    },
    "qemu_commandline": {"args": ["-fw_cfg", "name=opt/org.example/word,string=here"], "env": {"VIRTFLEET_TEST": "1"}},
    "graphics": {"type": "vnc", "listen": "127.0.0.1", "port": 5931},
    "video": "virtio",
    "sound": "ich9",
    "watchdog": {"model": "i6300esb", "action": "pause"},
    "rng": {"source": "/dev/urandom", "rate": "64KiB"},
    "panic": "isa",
    "memballoon": {"autodeflate": True, "free_page_reporting": True},
}
# What the lab's host cannot start (no cgroups, no KVM, no TPM, no vhost), all in one definition.
DEFINED: Options = {
    "cputune": {
        "shares": 512,
        "period": "50ms",
        "quota": "25ms",
        "global_period": "100ms",
        "global_quota": "unlimited",
        "emulator_period": "10ms",
        "emulator_quota": "5ms",
        "iothread_period": "20ms",
        "iothread_quota": "1s",
    },
    "blkio_weight": 300,
    "memtune": {"hard_limit": "1GiB", "soft_limit": "512MiB", "swap_hard_limit": "2GiB"},
    "memory_backing": {"hugepages": True, "hugepage_size": "2MiB", "locked": True, "nosharepages": True},
    "hyperv": ["relaxed", "vapic", "spinlocks", "runtime", "reset", "frequencies", "reenlightenment", "tlbflush", "ipi", "evmcs"],
    "cpu": {"model": "host-passthrough", "migratable": False, "features": {"vmx": "require"}},
    "features": {"ioapic": "qemu", "smm": True},
    "firmware": "efi",
    "secure_boot": True,
    "tpm": {"model": "tpm-crb", "version": "2.0"},
    "vsock": 7,
    "smartcard": "passthrough",
    "spice_agent": True,
    "graphics": {"type": "spice", "port": "auto"},
    "iommu": "intel",
    "watchdog": {"model": "ib700", "action": "inject-nmi"},
    "iothreads": 2,
    "iothread_pins": {"1-2": "0-1"},
    "vcpu_pins": {"0": "0", "1": "1"},
    "memballoon": {"model": "none"},
}


@pytest.fixture
def options(guest_name: str, booted: dict[str, str]) -> Options:
    """Return the options of the guest that the changes start from."""
    return {
        "name": guest_name,
        **booted,
        "memory": "256MiB",
        "vcpus": 2,
        "graphics_password": "firstone",
        "state": "running",
    }


def test_what_is_live_is_seen_at_once_and_what_waits_comes_true(play: Player, guest_name: str, options: Options) -> None:
    play([task("start", "guest", **options, wait_for="agent")])
    pid = play.host.guests()[guest_name].pid
    for option, value, read, seen in LIVE:
        wanted = {**options, option: value}
        check, real, again = play(
            [
                task("check", "guest", check=True, **wanted),
                task("real", "guest", **wanted),
                task("again", "guest", **wanted),
            ]
        )
        predicted, done = check.changes("guest", guest_name), real.changes("guest", guest_name)
        assert predicted == done and {row["effect"] for row in done.values()} == {"live"}, (option, done)
        assert set(done) == {option}
        assert real["plan"][-1]["outcome"] == "done", (option, real["plan"][-1]["error"])
        assert not again.changed and again["pending"] == [], (option, again["plan"], again["pending"])
        assert read(look(play.host, guest_name, "--security-info")) == seen, option
        if option == "graphics_password":
            assert value not in str([dict(result.values) for result in (check, real, again)])
        options = wanted
    later = {**options, **WAITS}
    check, real, again = play(
        [
            task("check", "guest", check=True, **later, xml_overlay=CHECKED),
            task("real", "guest", **later, xml_overlay=CHECKED),
            task("again", "guest", **later, xml_overlay=CHECKED),
        ]
    )
    done = real.changes("guest", guest_name)
    assert check.changes("guest", guest_name) == done and set(done) == set(WAITS)
    assert {row["effect"] for row in done.values()} == {"restart"}, done
    assert not again.changed
    pending = {row["path"] for rows in again["pending"] for row in rows["changes"]}
    # A running guest does not say what its processor was asked to be.
    assert set(WAITS) - {"cpu"} <= pending
    assert play.host.guests()[guest_name].pid == pid
    off = {"name": guest_name, "state": "stopped", "stop_timeout": "60s", "force_stop": True}
    restarted = play(
        [task("stop", "guest", **off), task("start", "guest", **later, wait_for="agent", wait_timeout="3m")]
    )[-1]
    assert restarted["pending"] == []
    root = look(play.host, guest_name)
    assert root.find("devices/watchdog").get("action") == "pause"
    assert root.find("devices/graphics").get("port") == "5931"
    arguments = play.host.exec(["cat", f"/proc/{play.host.guests()[guest_name].pid}/cmdline"]).stdout.split("\0")
    assert "-fw_cfg" in arguments and any("serial=S1" in argument for argument in arguments)


def test_what_this_host_cannot_start_is_defined_as_written(play: Player, guest_name: str) -> None:
    base = {"name": guest_name, "memory": "512MiB", "vcpus": 2}
    play([task("make", "guest", **base)])
    check, real, again = play(
        [
            task("check", "guest", check=True, **base, **DEFINED, xml_overlay=CHECKED),
            task("real", "guest", **base, **DEFINED, xml_overlay=CHECKED),
            task("again", "guest", **base, **DEFINED, xml_overlay=CHECKED),
        ]
    )
    assert set(real.changes("guest", guest_name)) == set(DEFINED)
    assert check["plan"][0]["changes"] == real["plan"][0]["changes"]
    assert not again.changed, again["plan"]
    back: Options = {
        "cputune": {"global_quota": "unlimited", "quota": "unlimited"},
        "memtune": {"hard_limit": "unlimited", "soft_limit": "unlimited", "swap_hard_limit": "unlimited"},
        "memory_backing": {"hugepages": False, "locked": False, "nosharepages": False},
        "hyperv": False,
        "cpu": {"model": "maximum", "features": {}},
        "features": {"acpi": True},
        "secure_boot": False,
        "tpm": {"model": "none"},
        "vsock": "none",
        "smartcard": "none",
        "spice_agent": False,
        "graphics": {"type": "none"},
        "iommu": "none",
        "watchdog": {"model": "none"},
        "iothread_pins": {},
        "vcpu_pins": {},
        "memballoon": {"model": "virtio"},
    }
    gone, again = play(
        [task("gone", "guest", **base, **back, xml_overlay=CHECKED), task("again", "guest", **base, **back)]
    )
    assert set(gone.changes("guest", guest_name)) == set(back) - {"features"}
    assert not again.changed, again["plan"]


def test_a_system_is_looked_up_where_the_guest_is_made(play: Player, guest_name: str) -> None:
    listed = play([task("all", "os_info", family=["winnt"]), task("one", "os_info", name=["debian-11"], query="[0].id")])
    assert "win-11" in [system["os"] for system in listed[0]["systems"]]
    assert listed[1]["result"] == "http://debian.org/debian/11"
    options = {"name": guest_name, "os": "win11", "memory": "512MiB", "vcpus": 2, "xml_overlay": CHECKED}
    check, real, again = play(
        [
            task("check", "guest", check=True, **options),
            task("real", "guest", **options),
            task("again", "guest", **options),
        ]
    )
    assert check["plan"][0]["changes"] == real["plan"][0]["changes"] and not again.changed, again["plan"]
    assert any("less than Microsoft Windows 11 needs" in warning for warning in real["warnings"])
    root = look(play.host, guest_name)
    assert root.find("os").get("firmware") == "efi" and root.find("devices/tpm").get("model") == "tpm-crb"
    assert root.find("clock").get("offset") == "localtime"
    linux = {**options, "os": "debian11"}
    moved, unknown = play([task("moved", "guest", **linux), task("unknown", "guest", **{**options, "os": "debian-11x"})], fails=True)
    assert set(moved.changes("guest", guest_name)) == {"os"}
    assert unknown.outcome == "failed" and "did you mean debian11" in unknown.msg
    document = play([task("capture", "capture", guests=[guest_name])])[0]["document"]
    (entry,) = document["guests"]
    assert entry["os"] == "debian-11" and entry["tpm"]["model"] == "tpm-crb"
