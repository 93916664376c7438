# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests that a user might write: strategies for the module's options, and for foreign XML."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_WORDS = st.sampled_from(["", "web", "Häß & <b>", "a 'quoted' \"word\"", "日本", "{{ evil }}"])
_SIZES = st.sampled_from(["64MiB", "200MB", "512MiB", "1GiB", "1500MB", "2GiB", "3GiB", "100000000B"])
_CPUS = st.integers(1, 6)

# Each by its own name, so that any choice of them is a list.
DISKS: dict[str, list[dict[str, Any]]] = {
    "root": [
        {"image": "debian-12", "size": "20GiB"},
        {"image": "debian-12", "size": "30GiB"},
        {"image": "debian-13", "size": "20GiB", "bus": "sata"},
        {"image": "debian-12"},
        {"size": "20GiB"},
    ],
    "data": [
        {"name": "data", "size": "1GiB"},
        {"name": "data", "size": "2GiB", "bus": "scsi"},
        {"name": "data", "size": "2GB", "format": "raw", "pool": "fast"},
        {"name": "data", "size": "1GiB", "target": "vdx", "readonly": True},
    ],
    "file": [{"file": "/data/old.qcow2"}, {"file": "/data/old.qcow2", "bus": "usb"}],
    "block": [{"block": "/dev/vg/lv"}, {"block": "/dev/vg/lv", "lun": True, "bus": "scsi"}],
    "remote": [
        {"name": "remote", "nbd": {"host": "192.0.2.7", "export": "a"}, "cache": "none", "io": "native"},
        {"name": "remote", "nbd": {"host": "192.0.2.7", "port": 10810}},
        {"name": "remote", "rbd": {"name": "rbd/a", "hosts": ["mon1:6789", "[2001:db8::1]"], "user": "me", "secret": "ceph"}},
        {"name": "remote", "iscsi": {"host": "192.0.2.9", "target": "iqn.2013-07.example:d/1"}, "luks_secret": "key"},
        {"name": "remote", "https": "https://images.example/debian.iso?x=1", "readonly": True},
        {"name": "remote", "file": "/data/old.qcow2", "luks_secret": ""},
    ],
    "tuned": [
        {"name": "tuned", "size": "1GiB", "iotune": {"total_iops": 100, "total_iops_max": 200}, "discard": "unmap"},
        {"name": "tuned", "size": "1GiB", "iotune": {"total_iops": 100}, "queues": 2, "serial": "A-1"},
        {"name": "tuned", "size": "1GiB", "iotune": {"total_iops": 0, "total_iops_max": 0}, "queues": 0, "iothread": 1},
        {"name": "tuned", "size": "1GiB", "format": "raw", "shareable": True, "copy_on_read": True, "detect_zeroes": "unmap"},
    ],
    "volume": [{"volume": "fast/scratch.raw"}, {"volume": "scratch.raw", "pool": "fast", "bus": "sata"}],
    "cdrom": [{"cdrom": "/iso/netinst.iso"}, {"cdrom": "/iso/other.iso"}, {"cdrom": ""}],
}
NICS: dict[str, list[dict[str, Any]]] = {
    "lab": [
        {"network": "lab"},
        {"network": "lab", "address": "10.20.0.11"},
        {"network": "lab", "address": "10.20.0.12", "model": "e1000e"},
        {"name": "lab", "network": "dmz"},
    ],
    "user": [{"type": "user"}, {"name": "user", "bridge": "br1"}, {"type": "user", "model": "e1000e"}],
    "let-in": [
        {"name": "let-in", "type": "user", "backend": "passt", "forwards": [{"host": "2022", "guest": 22}, {"host": "80-90"}]},
        {"name": "let-in", "type": "user", "backend": "passt", "forwards": [], "backend_log": "/var/log/passt.log"},
        {"name": "let-in", "type": "user", "forwards": [{"proto": "udp"}]},
    ],
    "br0": [{"bridge": "br0"}, {"bridge": "br0", "rate": "1MiB", "rate_in": "2MiB", "rate_in_peak": "3MiB"}],
    "other": [
        {"name": "other", "network": "lab", "link": "down", "filter": {"name": "a", "parameters": {"IP": ["10.0.0.1"]}}},
        {"name": "other", "network": "lab", "link": "up", "filter": {}, "mtu": 1400, "portgroup": "fast"},
        {"name": "other", "direct": "eth0", "mode": "bridge", "vlan": [7, 3], "trust_guest_rx_filters": True},
        {"name": "other", "type": "user", "mtu": 0, "queues": 2, "rom": {"bar": False}},
        {"name": "other", "bridge": "br0", "isolated": True, "rate": "0B"},
    ],
    "second": [{"name": "second", "network": "lab"}, {"name": "second", "network": "dmz", "address": "10.30.0.7"}],
}
HOSTDEVS: dict[str, list[dict[str, Any]]] = {
    "card": [{"name": "card", "pci": "06:12.5"}, {"name": "card", "pci": "0000:07:00.0", "managed": False}],
    "named": [{"pci": "0000:06:12.6", "rom": {"bar": True}}, {"pci": "0000:06:12.6", "driver": "vfio"}],
    "stick": [{"usb": "0951:1666"}, {"name": "stick", "usb": "1.4"}],
    "gpu": [{"mdev": "53764d0e-85a0-42b4-af5c-2046b460b1dc"}],
}
FILESYSTEMS: dict[str, list[dict[str, Any]]] = {
    "srv": [
        {"source": "/srv", "target": "srv", "driver": "9p"},
        {"source": "/opt", "target": "srv", "driver": "9p", "readonly": True, "accessmode": "squash"},
    ],
    "old": [{"name": "old", "source": "/opt", "target": "o/l/d", "driver": "9p", "fmode": "0600"}],
    "fast": [{"source": "/srv", "target": "fast"}],
}
MODULES: dict[str, list[dict[str, Any]]] = {
    "0": [{"slot": 0, "size": "512MiB"}, {"slot": 0, "size": "1GiB", "node": 0}],
    "two": [{"name": "two", "slot": 2, "size": "128MiB"}],
}
# A guest that has slots for them.
_SLOTS = {
    "memory": "1GiB", "memory_max": "1GiB", "numa": [{"memory": "1GiB"}], "memory_slots": 4, "memory_hotplug_max": "4GiB",
}  # fmt: skip
_TCP = {"host": "127.0.0.1", "port": 4555, "mode": "bind"}
SERIALS: dict[str, list[dict[str, Any]]] = {
    "net": [
        {"name": "net", "port": 1, "tcp": _TCP},
        {"name": "net", "port": 1, "tcp": {**_TCP, "protocol": "telnet"}, "log": "/var/log/s1.log", "log_append": True},
        {"name": "net", "port": 1, "pty": True, "model": "pci-serial", "log": ""},
    ],
    "file": [{"port": 2, "file": "/var/log/s2"}, {"port": 2, "file": "/var/log/s2", "append": True}],
}
PARALLELS: dict[str, list[dict[str, Any]]] = {
    "lpt": [{"port": 0, "device": "/dev/parport0"}, {"port": 0, "nothing": True}]
}
CONSOLES: dict[str, list[dict[str, Any]]] = {
    "hvc": [{"port": 1, "pty": True}, {"name": "hvc", "port": 2, "nothing": True}]
}
CHANNELS: dict[str, list[dict[str, Any]]] = {
    "control": [
        {"target": "org.example.control.0", "unix": {"path": "/run/control.sock", "mode": "bind"}},
        {"target": "org.example.control.0", "nothing": True, "log": "/var/log/c.log"},
    ],
    "other": [
        {"name": "other", "target": "org.example.a", "pty": True},
        {"name": "other", "target": "org.example.b", "pty": True, "log": "/var/log/b.log"},
    ],
}
OVERLAYS: list[dict[str, str]] = [
    {"at": "features", "xml": "<hyperv><relaxed state='on'/></hyperv>"},
    {"at": "devices", "xml": "<watchdog model='i6300esb' action='reset'/>"},
    {"at": "devices", "xml": "<channel type='unix'><target type='virtio' name='org.example.0'/></channel>"},
    {"at": "devices", "xml": "<graphics type='vnc' passwd='geheim'/>"},
    {"at": ".", "xml": "<cputune><shares>100</shares></cputune>"},
    {"at": ".", "xml": "<memoryBacking><access mode='shared'/></memoryBacking>"},
    {"remove": "devices/rng"},
    {"remove": "clock/timer[@name='hpet']"},
]


def _some(kinds: dict[str, list[dict[str, Any]]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    chosen = [st.none() | st.sampled_from(forms) for forms in kinds.values()]
    return st.tuples(*chosen).flatmap(lambda found: st.permutations([item for item in found if item is not None]))


OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "title": _WORDS,
    "description": _WORDS,
    "tags": st.lists(st.sampled_from(["web", "prod", "a b", "ü"]), max_size=3),
    "memory": _SIZES,
    "memory_max": st.sampled_from(["3GiB", "4000MB", "4GiB"]),
    "vcpus": _CPUS,
    "vcpus_max": _CPUS,
    "topology": st.sampled_from([{"cores": 2}, {"sockets": 2, "cores": 2, "threads": 1}, {"cores": 1}]),
    "machine": st.sampled_from(["q35", "pc", "pc-q35-7.2"]),
    "firmware": st.sampled_from(["bios", "efi"]),
    "boot": st.lists(st.sampled_from(["disk", "cdrom", "network"]), unique=True),
    "kernel": st.sampled_from(["/boot/vmlinuz", ""]),
    "initrd": st.sampled_from(["/boot/initrd", ""]),
    "cmdline": st.sampled_from(["quiet", "", "a='b'  c"]),
    "cpu": st.sampled_from(
        [
            {"model": "host-model"},
            {"model": "EPYC-Rome", "features": {"vmx": "require", "svm": "disable"}},
            {"model": "host-passthrough", "migratable": False, "check": "none", "features": {}},
        ]
    ),
    "vcpu_pins": st.sampled_from([{"0": "0-1"}, {0: "3"}, {}]),
    "emulator_pin": st.sampled_from(["0", "1-3", ""]),
    "iothreads": st.integers(0, 3),
    "iothread_pins": st.sampled_from([{}, {"1": "2"}]),
    "cputune": st.sampled_from(
        [{"shares": 100}, {"period": "50ms", "quota": "unlimited"}, {"global_quota": "1.5s", "emulator_period": "2ms"}]
    ),
    "numatune": st.sampled_from([{"nodeset": "0"}, {"mode": "interleave", "nodeset": "0-1"}, {"nodeset": ""}]),
    "blkio_weight": st.sampled_from([100, 500]),
    "memtune": st.sampled_from([{"hard_limit": "8GiB"}, {"hard_limit": "unlimited", "soft_limit": "1GB"}]),
    "memory_backing": st.sampled_from(
        [
            {"source": "memfd", "access": "shared"},
            {"hugepages": True, "hugepage_size": "2MiB", "locked": True},
            {"hugepages": False, "locked": False, "discard": True},
        ]
    ),
    "launch_security": st.sampled_from([{"type": "sev", "policy": "0x3"}, {"policy": "1", "cbitpos": 47}, {"type": "none"}]),
    "memballoon": st.sampled_from([{"model": "none"}, {"model": "virtio", "stats_period": 10}, {"autodeflate": True}]),
    "features": st.sampled_from([{"acpi": False}, {"acpi": True, "pae": True, "vmport": False}, {"kvm_hidden": True}]),
    "hyperv": st.sampled_from([True, False, ["relaxed", "vapic"]]),
    "clock": st.sampled_from(
        [
            {"offset": "localtime"},
            {"offset": "utc", "timers": {"hpet": {"present": False}, "rtc": {"tickpolicy": "catchup"}}},
            {"timers": {}},
        ]
    ),
    "pm": st.sampled_from([{"suspend_to_mem": True}, {"suspend_to_mem": False, "suspend_to_disk": False}]),
    "boot_menu": st.booleans(),
    "secure_boot": st.booleans(),
    "sysinfo": st.sampled_from(
        [{"system_serial": "S1", "bios_vendor": "Acme"}, {"system_serial": ""}, {"oem_strings": ["b", "a"]}, {"oem_strings": []}]
    ),
    "qemu_commandline": st.sampled_from([{"args": ["-device", "edu"]}, {"args": [], "env": {"A": "b"}}, {"env": {}}]),
    "graphics": st.sampled_from(
        [{"type": "vnc", "listen": "0.0.0.0", "port": 5910}, {"type": "spice", "port": "auto"}, {"type": "none"}]
    ),
    "graphics_password": st.sampled_from(["geheim", "ander", ""]),
    "video": st.sampled_from(["virtio", "vga", "none"]),
    "sound": st.sampled_from(["ich9", "none"]),
    "tablet": st.booleans(),
    "spice_agent": st.booleans(),
    "watchdog": st.sampled_from([{"model": "i6300esb", "action": "pause"}, {"model": "none"}, {"action": "reset"}]),
    "rng": st.sampled_from([{"source": "none"}, {"source": "builtin"}, {"source": "/dev/random", "rate": "1KiB"}]),
    "tpm": st.sampled_from([{"model": "tpm-crb", "version": "2.0"}, {"model": "none"}, {"type": "emulator"}]),
    "panic": st.sampled_from(["isa", "none"]),
    "vsock": st.sampled_from(["auto", "7", "none"]),
    "smartcard": st.sampled_from(["passthrough", "none"]),
    "iommu": st.sampled_from(["intel", "none"]),
    "console": st.booleans(),
    "console_log": st.sampled_from(["/var/log/web.log", ""]),
    "agent": st.booleans(),
    "autostart": st.booleans(),
    "disks": _some(DISKS),
    "nics": _some(NICS),
    "hostdevs": _some(HOSTDEVS),
    "filesystems": _some(FILESYSTEMS),
    "memory_modules": _some(MODULES),
    "serials": _some(SERIALS),
    "parallels": _some(PARALLELS),
    "consoles": _some(CONSOLES),
    "channels": _some(CHANNELS),
    "console_source": st.sampled_from([{"pty": True}, {"tcp": _TCP}, {"nothing": True}]),
    "disks_exact": st.booleans(),
    "nics_exact": st.booleans(),
    "hostdevs_exact": st.booleans(),
    "filesystems_exact": st.booleans(),
    "memory_modules_exact": st.booleans(),
    "serials_exact": st.booleans(),
    "parallels_exact": st.booleans(),
    "consoles_exact": st.booleans(),
    "channels_exact": st.booleans(),
    "pool": st.sampled_from(["default", "fast"]),
    "cloud_init": st.sampled_from([{"user_data": {"a": 1}}, {"user_data": "#!/bin/sh\n", "policy": "ignore"}, {}]),
    "xml_overlay": st.lists(st.sampled_from(OVERLAYS), max_size=3, unique_by=str),
}


# Options that contradict each other unless they are chosen together.
_TOGETHER: list[st.SearchStrategy[dict[str, Any]]] = [
    st.sampled_from(
        [
            {},
            {},
            {"kernel": "/boot/vmlinuz"},
            {"kernel": "/boot/vmlinuz", "initrd": "/boot/initrd", "cmdline": "a='b'  c"},
            {"kernel": "", "initrd": "", "cmdline": ""},
        ]
    ),
    st.sampled_from(
        [{}, {}, {"console": True, "console_log": "/var/log/web.log"}, {"console": False}, {"console_log": ""}]
    ),
    st.sampled_from(
        [
            {},
            {},
            {"vcpus": 2},
            {"vcpus": 5},
            {"vcpus": 2, "vcpus_max": 4},
            {"vcpus": 1, "vcpus_max": 4, "topology": {"cores": 2, "threads": 2}},
            {"vcpus": 6, "topology": {"sockets": 3, "cores": 2}},
        ]
    ),
    st.sampled_from(
        [
            *[{}] * 4,
            _SLOTS,
            {**_SLOTS, "memory_modules": []},
            *({**_SLOTS, "memory_modules": [entry]} for entries in MODULES.values() for entry in entries),
            {**_SLOTS, "memory_modules": [entries[0] for entries in MODULES.values()], "memory_modules_exact": True},
        ]
    ),
]


def guests(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return the options of a guest that mostly make sense; what does not is refused, which is tried too."""
    together = {"kernel", "initrd", "cmdline", "console", "console_log", "vcpus", "vcpus_max", "topology"}
    together |= {"memory_modules", "memory_modules_exact"}
    alone = {name: how for name, how in OPTIONS.items() if name not in fixed and name not in together}
    one_more = st.none() | st.sampled_from(sorted(together))
    odd = one_more.flatmap(lambda name: st.just({}) if name is None else st.fixed_dictionaries({name: OPTIONS[name]}))
    return st.tuples(st.fixed_dictionaries(fixed, optional=alone), *_TOGETHER, odd).map(
        lambda parts: {name: value for part in parts for name, value in part.items()}
    )


# XML that no row knows, by the place where it is put.
FOREIGN: list[tuple[str, str]] = [
    (
        ".",
        "<qemu:capabilities xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><qemu:del capability='x'/>"
        "</qemu:capabilities>",
    ),
    (".", "<perf><event name='cmt' enabled='yes'/></perf>"),
    (".", "<seclabel type='none' model='none'/>"),
    ("metadata", "<app:thing xmlns:app='https://example.org/app' kind='x'>text<app:part/></app:thing>"),
    ("metadata/virtfleet:guest", "<later:word xmlns:later='https://virtfleet.github.io/xml/2' a='1'/>"),
    ("os", "<acpi><table type='slic'>/slic.dat</table></acpi>"),
    ("features", "<unknown state='on'/>"),
    ("cpu", "<maxphysaddr mode='passthrough'/>"),
    ("devices", "<redirdev bus='usb' type='spicevmc'/>"),
    ("devices", "<hostdev mode='subsystem' type='pci'><source><address bus='0x01'/></source></hostdev>"),
    ("devices", "<shmem name='shared'><model type='ivshmem-plain'/></shmem>"),
    ("devices/disk", "<iotune><total_bytes_sec>1000</total_bytes_sec></iotune>"),
    ("devices/disk", "<iotune><size_iops_sec>1000</size_iops_sec></iotune>"),
    ("devices/disk", "<blockio logical_block_size='512'/>"),
    ("devices/interface", "<tune><sndbuf>1000</sndbuf></tune>"),
    ("devices", "<filesystem type='mount'><source dir='/srv'/><target dir='theirs'/></filesystem>"),
    ("devices/disk", "<serial>ABC</serial>"),
    ("devices/interface", "<bandwidth><inbound average='1000'/></bandwidth>"),
    ("devices/interface", "<link state='down'/>"),
]
