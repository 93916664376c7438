# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each row of the guest's table is changed on one really running guest, and does what it says.

What is live is seen in the running guest at once, in the same QEMU. What waits is in the definition and in nothing else.
One guest is booted for all of it. Which rows a change turns is read from the plan; a row that nothing turns fails the
test, unless the reason stands in ``NOT_HERE``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import Action, Change, Effect, Outcome
from ansible_collections.virtfleet.core.plugins.module_utils._estate_module import ESTATE_OPTIONS, estate_subject
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.tuning import LIMITS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST, LISTS
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT, Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._module import Subject
from ansible_collections.virtfleet.core.plugins.module_utils._table import Field, Keyed, Union
from tests.contract.places import unix_uri
from tests.contract.test_booted import _until
from tests.contract.test_estate_libvirtd import _run
from tests.lab import Host
from tests.lab import tiny as tiny_guest
from tools.dev import object_options

ROOT = Path(__file__).resolve().parents[2]
NAME = "rows"
Words = dict[str, Any]
_LISTS = [keyed.name for keyed in LISTS]

# What is changed at once, one after another; a list is replaced by its words below, each an entry of that name.
LIVE: list[Words] = [
    {"title": "Another", "description": "Rows", "tags": ["a", "b"]},
    {"os": "debian11"},
    {"memory": "192MiB"},
    {"vcpus": 2},
    {"vcpu_pins": {"0": "0"}},
    {"emulator_pin": "0"},
    {"iothreads": 2},
    {"iothread_pins": {"2": "0"}},
    {"memballoon": {"stats_period": 7}},
    {"graphics_password": "another"},
    {"tablet": False},
    {"tablet": True},
    {"rng": {"source": "none"}},
    {"rng": {"source": "builtin"}},
    {"disks": {"root": {"iotune": {"total_iops": 500}}}},
    {"disks": {"root": {"size": "17MiB"}}},
    {"disks": {"cd": {"cdrom": "@FOLDER@/a.iso"}}},
    {"disks": {"more": {"size": "1MiB", "bus": "scsi", "serial": "S-1", "wwn": "5000c50015ea71aa", "queues": 0}}},
    {"nics": {"lab": {"link": "down"}}},
    {"nics": {"lab": {"link": "up"}}},
    {"nics": {"lab": {"filter": {"name": "quiet"}}}},
    {"nics": {"lab": {"isolated": True}}},
    {"nics": {"lab": {"filter": {}}}},
    {"nics": {"lab": {"isolated": False}}},
    {"disks": {"more": None}},
    {"filesystems": {"p": {"source": "@FOLDER@", "target": "p"}}},
    {"filesystems": {"p": None}},
    {"channels": {"made": {"target": "org.example.made.0", "unix": {"path": "@FOLDER@/made.sock", "mode": "bind"}}}},
    {
        "channels": {
            "logged": {"target": "org.example.logged.0", "pty": True, "log": "@FOLDER@/c.log", "log_append": True}
        }
    },
    {"channels": {"kept": {"target": "org.example.kept.0", "file": "@FOLDER@/kept", "append": True}}},
    {"channels": {"net": {"target": "org.example.net.0", "tcp": {"host": "127.0.0.1", "port": 4560, "mode": "bind"}}}},
    {"channels": {"sink": {"target": "org.example.sink.0", "nothing": True}}},
    {"channels": {"made": None, "logged": None}},
    {"consoles": {"first": {"port": 1, "pty": True, "log": "@FOLDER@/hvc.log", "log_append": False}}},
    {"consoles": {"second": {"port": 2, "file": "@FOLDER@/hvc", "append": False}}},
    {"consoles": {"second": None}},
    {"consoles": {"first": None}},
    {"memory_modules": {"m0": {"slot": 0, "size": "128MiB"}}},
]
# What waits for the next cold start, each of these written in one definition.
WAITS: list[Words] = [
    {
        "memory_max": "320MiB",
        "numa": [{"cpus": "0-3", "memory": "320MiB"}],
        "vcpus_max": 4,
        "cpuset": "0",
        "topology": {"sockets": 2, "cores": 2, "threads": 1},
        "cpu": {"model": "Nehalem", "features": {"vmx": "disable"}, "check": "none", "cache": "emulate"},
        "numatune": {"mode": "preferred", "nodeset": "0"},
        "memory_backing": {"source": "file", "access": "private", "allocation": "ondemand", "discard": True},
        "memballoon": {"autodeflate": True, "free_page_reporting": True},
        "features": {"acpi": True, "pae": True, "smm": True, "vmport": False, "pmu": False, "vmcoreinfo": True, "kvm_hidden": True},
        "pm": {"suspend_to_mem": False, "suspend_to_disk": False},
        "boot_menu": True,
        "clock": {"offset": "timezone", "timezone": "Europe/Berlin", "timers": {"hpet": {"present": False}}},
        "on_reboot": "destroy",
        "on_crash": "preserve",
        "console_log": "@FOLDER@/rows.log",
        "console_source": {"tcp": {"host": "127.0.0.1", "port": 4561, "mode": "bind", "protocol": "telnet"}},
        "serials": {
            "one": {
                "port": 1,
                "model": "isa-serial",
                "tcp": {"host": "127.0.0.1", "port": 4562, "mode": "bind", "protocol": "telnet"},
            },
            "two": {"port": 2, "model": "usb-serial", "file": "@FOLDER@/s2", "append": True, "log": "@FOLDER@/s2.log"},
            "three": {"port": 3, "model": "pci-serial", "unix": {"path": "@FOLDER@/s3.sock", "mode": "bind"}},
            "four": {"port": 4, "model": "pci-serial", "pty": True, "log": "@FOLDER@/s4.log", "log_append": True},
            "five": {"port": 5, "model": "pci-serial", "device": "/dev/null"},
            "six": {"port": 6, "model": "pci-serial", "nothing": True},
        },
        "parallels": {
            "lpt": {"port": 0, "file": "@FOLDER@/lpt", "append": True, "log": "@FOLDER@/lpt.log", "log_append": False},
            "dev": {"port": 1, "device": "/dev/null"},
            "net": {"port": 2, "tcp": {"host": "127.0.0.1", "port": 4563, "mode": "bind"}},
        },
        "graphics": {"listen": "0.0.0.0", "port": 5931},
        "video": "virtio",
        "sound": "ich9",
        "watchdog": {"model": "i6300esb", "action": "pause"},
        "rng": {"source": "/dev/urandom", "rate": "64KiB"},
        "panic": "isa",
        "iommu": "intel",
        "sysinfo": {
            **{f"bios_{word}": "Acme" for word in ("vendor", "version")},
            "bios_date": "11/26/2026",
            **{f"system_{word}": "Acme" for word in ("manufacturer", "product", "version", "serial", "sku", "family")},
            **{f"baseboard_{word}": "Acme" for word in ("manufacturer", "product", "version", "serial", "asset", "location")},
            **{f"chassis_{word}": "Acme" for word in ("manufacturer", "version", "serial", "asset", "sku")},
            "oem_strings": ["b=1"],
        },
        "qemu_commandline": {"args": ["-fw_cfg", "name=opt/org.example/word,string=here"], "env": {"A": "1"}},
        "disks": {
            "root": {
                "boot_order": 1,
                "cache": "none",
                "io": "native",
                "discard": "unmap",
                "detect_zeroes": "unmap",
                "error_policy": "report",
                "copy_on_read": True,
                "queues": 2,
                "iothread": 1,
                "serial": "disk-1",
            },
            "raw": {"readonly": True, "shareable": True, "cache": "none"},
            "stick": {"removable": True},
            "first": {"wwn": "5000c50015ea71ab"},
        },
        "nics": {
            "lab": {
                "boot_order": 2,
                "mtu": 1400,
                "driver": "qemu",
                "queues": 2,
                "rx_queue_size": 512,
                "rom": {"bar": False},
                "portgroup": "fast",
            }
        },
        "filesystems": {
            "old": {
                "source": "@FOLDER@/other",
                "target": "old",
                "driver": "9p",
                "readonly": True,
                "accessmode": "mapped",
                "fmode": "0600",
                "dmode": "0700",
            }
        },
    },
    {
        "machine": "pc-q35-7.1",
        "on_reboot": "restart",
        "on_poweroff": "restart",
        "cpu": {"model": "host-passthrough", "migratable": False, "cache": "passthrough"},
        "numa": [{"cpus": "0-1", "memory": "160MiB"}, {"cpus": "2-3", "memory": "160MiB"}],
        "memory_slots": 8,
        "memory_hotplug_max": "4GiB",
        "memory_modules": {"m0": {"slot": 7, "size": "256MiB", "node": 1}},
        "memory_backing": {
            "source": "memfd",
            "allocation": "immediate",
            "discard": False,
            "hugepages": True,
            "hugepage_size": "2MiB",
            "locked": True,
            "nosharepages": True,
        },
        "memballoon": {"model": "none", "stats_period": 0, "autodeflate": False, "free_page_reporting": False},
        "features": {"ioapic": "qemu", "apic": True},
        "hyperv": ["relaxed", "vapic"],
        "tpm": {"model": "tpm-crb", "type": "emulator", "version": "2.0"},
        "smartcard": "passthrough",
        "graphics": {"type": "spice", "port": "auto"},
        "console_source": {"tcp": None, "pty": True},
        "serials": {"five": {"device": None, "spiceport": "org.example.five"}, "six": None},
        "parallels": {"net": None},
        "spice_agent": True,
        "agent": False,
        "disks": {
            "raw": {"target": "vdx"},
            "stick": {"bus": "sata", "removable": False},
            "nbd": {"nbd": {"host": "192.0.2.7", "export": "disk"}, "bus": "sata"},
            "rbd": {"rbd": {"name": "rbd/web1", "hosts": ["192.0.2.8:6789"]}, "bus": "sata"},
            "iscsi": {"iscsi": {"host": "192.0.2.9", "target": "iqn.2013-07.example:d/1"}, "bus": "sata"},
            "block": {"block": "/dev/null", "bus": "sata"},
            "secret": {"file": "@FOLDER@/a.iso", "format": "raw", "bus": "sata", "luks_secret": "key"},
        },
        # Only virtio has these.
        "nics": {"lab": {"model": "e1000e", "mac": "52:54:00:aa:00:07", "mtu": 0, "driver": None, "queues": 0, "rx_queue_size": 0}},
    },
    {
        "nics": {
            "lab": {
                "network": None,
                "portgroup": None,
                "bridge": "vfrows0",
                "virtualport": {"type": "openvswitch", "profileid": "rows"},
            }
        }
    },
    {
        "nics": {
            "lab": {
                "bridge": None,
                "virtualport": {},
                "direct": "eth0",
                "mode": "bridge",
                "model": "virtio",
                "trust_guest_rx_filters": True,
                "vlan": [42],
                "tx_queue_size": 256,
            }
        }
    },
    {
        "nics": {
            "lab": {
                "direct": None,
                "mode": None,
                "type": "user",
                "trust_guest_rx_filters": False,
                "vlan": [],
                "tx_queue_size": 0,
            }
        }
    },
    {"nics": {"lab": {"type": "network", "network": "rows"}}},
    {"tpm": {"type": "passthrough", "version": None, "device": "/dev/tpm0"}, "features": {"acpi": False}},
    {
        "kernel": "",
        "initrd": "",
        "cmdline": "",
        "boot": ["network", "disk"],
        "firmware": "efi",
        "secure_boot": True,
        "features": {"acpi": True, "smm": True},
        "console": False,
        "console_log": "",
        "console_source": None,
        "serials": dict.fromkeys(("one", "two", "three", "four", "five")),
        "disks": {"root": {"boot_order": None}},
        "nics": {"lab": {"boot_order": None}},
    },
]
_CGROUPS = "the lab's host has no cgroups"
_SHAPING = "traffic is shaped by the kernel, which a lab's host shares with the machine"
_CARD = "the lab's host has no device to give away"
_NO_WORD = "nobody can say it: it only tells apart what is there"
_SAME_SOURCE = "one row for all lines, which is turned of a serial port"
# Why a row is not changed on a running guest here.
NOT_HERE: dict[str, str] = {
    **dict.fromkeys((f"cputune.{word}" for word in ("shares", *LIMITS)), _CGROUPS),
    **dict.fromkeys(("blkio_weight", "memtune.hard_limit", "memtune.soft_limit", "memtune.swap_hard_limit"), _CGROUPS),
    **{f"nics[].rate{which}": _SHAPING for which in ("", "_peak", "_burst", "_in", "_in_peak", "_in_burst")},
    **{f"hostdevs[].{word}": _CARD for word in ("managed", "driver", "boot_order", "rom")},
    **{f"hostdevs[].source: {form}": _CARD for form in ("pci", "usb", "mdev", "scsi")},
    **dict.fromkeys(
        ("memory_shared", "disks[].source: remote", "nics[].source: ethernet", "hostdevs[].source: scsi"), _NO_WORD
    ),
    **{
        f"{lines}[].source: {source}": _SAME_SOURCE
        for lines, sources in (
            ("channels", ("device", "spiceport")),
            ("consoles", ("unix", "tcp", "device", "nothing", "spiceport")),
            ("parallels", ("pty", "unix", "nothing", "spiceport")),
        )
        for source in sources
    },
    **dict.fromkeys(("nics[].backend", "nics[].backend_log", "nics[].forwards"), "the lab's libvirt has no passt"),
    "features.apic": "every guest of a PC has one",
    "vsock": "the lab's host has no vhost-vsock",
    **{
        f"launch_security.{word}": "the lab's host has no processor that keeps a guest's memory from it"
        for word in ("type", "policy", "kernel_hashes", "cbitpos", "reduced_phys_bits", "session", "dh_cert")
    },
    "accel": "guests of the lab are emulated",
    "features.gic": "is of ARM",
    "arch": "another architecture is another guest, made anew",
    "type": "QEMU has one type only",
    "disks[].image": "another image is data loss; see tests/integration/test_guest_changes.py",
    "disks[].lun": "goes with a disk of the host by SCSI; see tests/integration/test_guest_devices.py",
    "disks[].source: nfs": "libvirt's QEMU driver takes it of a guest that is off; see tests/integration/test_guest_devices.py",
    "disks[].source: https": "can only be read, and such a disk is plugged in at once, from a server that is not there",
    "disks[].source: volume": "AppArmor denies it on most hosts, so that pools' volumes are files",
    "nics[].address": "is in the network's definition; see tests/integration/test_estate.py",
}


class Running:
    """One booted guest, changed word by word in this process."""

    def __init__(self, host: Host, hypervisor: Libvirt) -> None:
        self.host, self.hypervisor = host, hypervisor
        self.folder = host.folder / "rows"
        self.folder.mkdir(mode=0o755, exist_ok=True)
        (self.folder / "other").mkdir(exist_ok=True)
        (self.folder / "a.iso").write_bytes(bytes(1 << 20))
        booted = tiny_guest.build().into(host.folder)
        self.guest: Words = {
            "name": NAME,
            "state": "running",
            "accel": "tcg",
            "machine": "q35",
            "kernel": str(booted.kernel),
            "initrd": str(booted.initrd),
            "cmdline": booted.cmdline,
            "memory": "256MiB",
            "numa": [{"cpus": "0-2", "memory": "256MiB"}],
            "memory_slots": 4,
            "memory_hotplug_max": "2GiB",
            "vcpus": 1,
            "vcpus_max": 3,
            "iothreads": 1,
            "graphics_password": "firstone",
            # What virtiofs needs.
            "memory_backing": {"source": "memfd", "access": "shared"},
            "disks": [
                {"name": "root", "size": "16MiB"},
                {"name": "raw", "size": "1MiB", "format": "raw"},
                {"name": "stick", "size": "1MiB", "bus": "usb"},
                {"name": "cd", "cdrom": ""},
                {"name": "first", "size": "1MiB", "bus": "scsi"},
            ],
            "nics": [{"name": "lab", "network": "rows"}],
            "filesystems": [],
        }

    def document(self) -> Words:
        return {
            "version": 1,
            "pools": [{"name": "rows", "path": str(self.folder)}],
            "networks": [{"name": "rows", "cidr": "10.68.0.0/24", "bridge": "vfrows0", "state": "active"}],
            "nwfilters": [{"name": "quiet", "rules": []}],
            "guests": [self.guest],
        }

    def subject(self, **options: Any) -> Subject:
        defaults = {name: option.get("default") for name, option in ESTATE_OPTIONS.items()}
        return estate_subject({"uri": "qemu:///system", **defaults, "document": self.document(), **options})

    @property
    def ports(self) -> Ports:
        return Ports(self.hypervisor, LocalFiles(_run))

    def change(self, words: Words) -> None:
        """Take words into the document: those of an entry of a list beside those that it has."""
        self.guest = copy.deepcopy(self.guest)
        for name, value in self._placed(words).items():
            if name in _LISTS:
                for entry, said in value.items():
                    entries = self.guest.setdefault(name, [])
                    there = next((item for item in entries if item["name"] == entry), None)
                    if said is None:
                        entries.remove(there)
                    elif there is None:
                        entries.append({"name": entry, **said})
                    else:
                        there.update(said)
            elif isinstance(value, dict) and isinstance(self.guest.get(name), dict):
                self.guest[name].update(value)
            else:
                self.guest[name] = value

    def _placed(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._placed(part) for name, part in value.items()}
        return value.replace("@FOLDER@", str(self.folder)) if isinstance(value, str) else value

    def make(self) -> tuple[Action, Outcome]:
        """Make the document true; return what was planned for the guest, and how it went."""
        subject = self.subject()
        plan = subject.plan(subject.gather(self.ports))
        outcomes = apply(plan, self.ports)
        assert {outcome.outcome for outcome in outcomes} <= {"done", "pending"}, outcomes
        (outcome,) = [outcome for outcome in outcomes if outcome.action.kind == "guest"]
        return outcome.action, outcome

    def waiting(self) -> tuple[set[tuple[str, ...]], Any]:
        """Return what waits for the next cold start, and what another run would still do."""
        subject = self.subject()
        plan = subject.plan(subject.gather(self.ports))
        return {change.path for change in plan.pending.get(("guest", NAME), ())}, plan.actions

    def look(self) -> tuple[int, str, str]:
        """Return the QEMU of the guest, how it runs and how it is defined, the collection's own record aside."""
        facts = self.hypervisor.guests([NAME])[NAME]
        return self.host.guests()[NAME].pid, _plain(facts.live_xml), _plain(facts.xml)


def _plain(xml: str | None) -> str:
    assert xml is not None
    root = _xml.parse(xml)
    for own in _xml.find_all(root, "metadata/virtfleet:guest"):
        for child in [child for child in own if not child.tag.endswith("}tags")]:
            own.remove(child)
    return _xml.to_text(root)


def _rows(change: Change) -> Iterator[str]:
    """Yield the rows that a change turns, as the guide of all options names them."""
    name, *rest = change.path
    row = GUEST.entry(name)
    if isinstance(row, Keyed):
        inner = [(rest[1], change.after)] if len(rest) > 1 else list((change.after or {}).items())
        for word, value in inner:
            entry = next((item for item in row.item.entries if item.name == word), None)
            if isinstance(entry, Union):
                yield f"{name}[].{word}: {next(iter(value), '')}"
            elif entry is not None:
                yield f"{name}[].{word}"
    elif isinstance(row, Field) and row.parts and isinstance(change.after, Mapping):
        kind = next(iter(change.after), None)
        yield from (f"{name}.{word}" for word in change.after)
        if row.op is not None and len(row.at) == 1 and kind == row.parts[0].name:
            yield name
    else:
        yield name


@pytest.fixture(scope="module")
def running(lab_host_factory: Any) -> Iterator[Running]:
    if not HAS_LIBVIRT:
        pytest.skip("this Python has no module libvirt")
    host = lab_host_factory("rows")
    hypervisor = Libvirt.connect(unix_uri(host.uri))
    found = Running(host, hypervisor)
    try:
        found.make()
        # Before its own kernel runs, a guest lets no device go.
        _until(lambda: hypervisor.agent_ping(NAME, 5), f"the agent of {NAME}", 300)
        yield found
    finally:
        if NAME in hypervisor.guests():
            hypervisor.shutdown_guest(NAME, 0, True)
            hypervisor.undefine_guest(NAME)
        hypervisor.close()


def test_every_row_on_a_running_guest(running: Running) -> None:
    turned: dict[str, Effect] = {}
    silent: set[tuple[str, ...]] = set()
    for words in LIVE:
        action = _is_live(running, words)
        turned.update((row, Effect.LIVE) for change in action.changes for row in _rows(change))
    for words in WAITS:
        action, told_nothing = _waits(running, words)
        # Later ones also set back what the running guest has, or change a nic that is another one by then.
        silent.update(told_nothing if words is WAITS[0] else ())
        for change in action.changes:
            for row in _rows(change):
                turned.setdefault(row, Effect.RESTART)
    known = {name for name, _place, _effect, qemu, *_other in object_options.rows(ROOT) if qemu == "yes"}
    assert set(turned) <= known
    assert sorted(known - set(turned) - set(NOT_HERE)) == [], "neither turned here nor in NOT_HERE with a reason"
    assert sorted(set(NOT_HERE) & set(turned)) == [], "turned here all the same"
    assert sorted(set(NOT_HERE) - known) == [], "no such rows"
    # A running guest does not say what its processor was asked to be.
    assert silent == {("cpu",)}
    assert len(turned) >= 60 and list(turned.values()).count(Effect.LIVE) >= 20


def _is_live(running: Running, words: Words) -> Action:
    """Make a change that is true at once, and see it in the running guest and in its definition."""
    pid, live, defined = running.look()
    running.change(words)
    action, outcome = running.make()
    assert {change.effect for change in action.changes} == {Effect.LIVE}, action.changes
    assert (outcome.outcome, outcome.error) == ("done", None), words
    new_pid, new_live, new_defined = running.look()
    assert new_pid == pid, words
    if "size" in words.get("disks", {}).get("root", {}):
        # No leaf of XML: QEMU says it.
        assert str(17 << 20) in running.host.exec(["virsh", "domblkinfo", NAME, "vda"]).stdout
    else:
        assert new_live != live and new_defined != defined, words
    assert running.waiting() == (set(), ()), words
    return action


def _waits(running: Running, words: Words) -> tuple[Action, list[tuple[str, ...]]]:
    """Make changes that are true after the next cold start, and see them in the definition alone.

    Return what was done, and the changes that are not told to wait.
    """
    pid, live, defined = running.look()
    running.change(words)
    action, outcome = running.make()
    assert {change.effect for change in action.changes} == {Effect.RESTART}, action.changes
    assert (outcome.outcome, outcome.error) == ("pending", None), words
    new_pid, new_live, new_defined = running.look()
    assert (new_pid, new_live) == (pid, live), words
    assert new_defined != defined
    pending, actions = running.waiting()
    assert actions == ()
    silent = [change.path for change in action.changes if change.path not in pending]
    return action, silent
