# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of devices on a really running guest, each as predicted; and definitions of all that cannot run here."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

from tests.integration.playing import Player, task

Options = dict[str, Any]
Change = Callable[[Options], Any]

# An overlay makes libvirt hold the definition against its schema; this one is what virtiofs needs, too.
SHARED = {"at": ".", "xml": "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"}


def _disk(**words: Any) -> Change:
    return lambda options: options["disks"][0].update(words)


def _nic(**words: Any) -> Change:
    return lambda options: options["nics"][0].update(words)


def _shares(*entries: Options) -> Change:
    return lambda options: options.update(filesystems=list(entries))


def _at(path: str, attribute: str | None = None) -> Callable[[ET.Element], Any]:
    def read(root: ET.Element) -> Any:
        found = root.find(f"devices/{path}")
        if found is None:
            return None
        return found.get(attribute) if attribute is not None else found.text

    return read


# What is changed while it runs: how, its path, where it is seen in the running guest, and as what.
CHANGES: list[tuple[Change, str, Callable[[ET.Element], Any], Any]] = [
    (
        _disk(iotune={"total_iops": 500, "write_bytes": "8MiB"}),
        "disks.root.iotune",
        _at("disk/iotune/write_bytes_sec"),
        str(8 << 20),
    ),
    (_disk(iotune={"write_bytes": "0B"}), "disks.root.iotune", _at("disk/iotune/write_bytes_sec"), None),
    (_disk(iotune={"total_iops": 0}), "disks.root.iotune", _at("disk/iotune"), None),
    (_nic(link="down"), "nics.lab.link", _at("interface/link", "state"), "down"),
    (
        _nic(filter={"name": "quiet", "parameters": {"WHO": "10.0.0.9"}}),
        "nics.lab.filter",
        _at("interface/filterref", "filter"),
        "quiet",
    ),
    (_nic(link="up"), "nics.lab.link", _at("interface/link"), None),
    (_nic(filter={}), "nics.lab.filter", _at("interface/filterref"), None),
    (_nic(isolated=True), "nics.lab.isolated", _at("interface/port", "isolated"), "yes"),
    (_nic(isolated=False), "nics.lab.isolated", _at("interface/port"), None),
    (_shares({"source": "@FOLDER@", "target": "data"}), "filesystems.data", _at("filesystem/target", "dir"), "data"),
    (_shares(), "filesystems.data", _at("filesystem"), None),
]
# What waits for a start, all of it written in one run.
WAITING: list[tuple[Change, str, Callable[[ET.Element], Any], Any]] = [
    (_disk(cache="none"), "disks.root.cache", _at("disk/driver", "cache"), "none"),
    (_disk(discard="unmap"), "disks.root.discard", _at("disk/driver", "discard"), "unmap"),
    (_disk(serial="disk-1"), "disks.root.serial", _at("disk/serial"), "disk-1"),
    (_nic(mtu=1400), "nics.lab.mtu", _at("interface/mtu", "size"), "1400"),
    (
        _shares({"source": "@FOLDER@", "target": "old", "driver": "9p"}),
        "filesystems.old",
        _at("filesystem/target", "dir"),
        "old",
    ),
]


def _root(play: Player, name: str, *args: str) -> ET.Element:
    return ET.fromstring(play.host.exec(["virsh", "dumpxml", name, *args]).stdout)


def test_words_of_devices_on_a_running_guest(play: Player, guest_name: str, booted: dict[str, str]) -> None:
    folder = str(play.host.folder / "pool")
    options: Options = {
        "name": guest_name,
        **booted,
        "disks": [{"size": "16MiB"}],
        "nics": [{"network": "lab"}],
        "filesystems": [],
        "xml_overlay": [SHARED],
        "state": "running",
    }
    play(
        [
            task("filter", "nwfilter", name="quiet", rules=[]),
            task("start", "guest", **options, wait_for="agent"),
        ]
    )
    pid = play.host.guests()[guest_name].pid

    def converge(changes: list[Change], paths: list[str], effect: str) -> set[str]:
        """Make the changes; return the paths that wait then."""
        nonlocal options
        options = copy.deepcopy(options)
        for change in changes:
            change(options)
        for share in options["filesystems"]:
            share["source"] = share["source"].replace("@FOLDER@", folder)
        check, real, again = play(
            [
                task("check", "guest", check=True, **options),
                task("real", "guest", **options),
                task("again", "guest", **options),
            ]
        )
        predicted, done = check.changes("guest", guest_name), real.changes("guest", guest_name)
        assert predicted == done and set(paths) <= set(done), (paths, predicted, done)
        assert {row["effect"] for row in done.values()} == {effect}, (paths, done)
        outcome = {"live": "done", "restart": "pending"}[effect]
        assert real["plan"][-1]["outcome"] == outcome, (paths, real["plan"][-1]["error"])
        assert not again.changed, (paths, again["plan"])
        assert play.host.guests()[guest_name].pid == pid, paths
        return {row["path"] for rows in again["pending"] for row in rows["changes"]}

    for change, path, seen, expected in CHANGES:
        assert converge([change], [path], "live") == set(), path
        assert seen(_root(play, guest_name)) == expected, path
    paths = [path for _change, path, _seen, _expected in WAITING]
    assert set(paths) <= converge([change for change, *_rest in WAITING], paths, "restart")
    stop = task("stop", "guest", name=guest_name, state="stopped", stop_timeout="60s", force_stop=True)
    assert play([stop, task("start", "guest", **options)])[-1]["pending"] == []
    root = _root(play, guest_name)
    assert [seen(root) for _change, _path, seen, _expected in WAITING] == [expected for *_rest, expected in WAITING]


HERE_AND_THERE: Options = {
    "memory": "64MiB",
    "disks": [
        {"name": "nbd", "nbd": {"host": "192.0.2.7", "port": 10809, "export": "disk"}, "queues": 2, "cache": "none", "io": "native"},
        {"name": "rbd", "rbd": {"name": "rbd/web1", "hosts": ["mon1:6789", "192.0.2.8"], "user": "libvirt", "secret": "ceph"}},
        {"name": "iscsi", "iscsi": {"host": "192.0.2.9", "target": "iqn.2013-07.example:d/1", "user": "me", "secret": "scsi"}},
        {"name": "nfs", "nfs": {"host": "192.0.2.10", "path": "/export/disk.raw", "user": "+0", "group": "+0"}, "luks_secret": "disk-key"},
        {"name": "https", "https": "https://images.example/debian.iso?x=1", "readonly": True},
        {"name": "lun", "block": "/dev/null", "lun": True, "bus": "scsi"},
        {
            "name": "all",
            "size": "8MiB",
            "bus": "usb",
            "removable": True,
            "copy_on_read": True,
            "detect_zeroes": "unmap",
            "discard": "unmap",
            "error_policy": "report",
            "serial": "A-1",
            "iotune": {"read_iops": 100, "read_iops_max": 200, "write_bytes": "1MiB"},
        },
        {"name": "shared", "size": "8MiB", "format": "raw", "bus": "scsi", "shareable": True, "cache": "none", "wwn": "5000c50015ea71aa"},
    ],
    "nics": [
        {
            "network": "lab",
            "rate": "1MiB",
            "rate_peak": "2MiB",
            "rate_burst": "1MiB",
            "rate_in": "1MiB",
            "rate_in_peak": "3MiB",
            "rate_in_burst": "512KiB",
            "queues": 2,
            "driver": "qemu",
            "rx_queue_size": 512,
            "mtu": 9000,
            "portgroup": "fast",
            "isolated": True,
            "rom": {"bar": False},
        },
        {"direct": "eth0", "mode": "bridge", "trust_guest_rx_filters": True, "vlan": [42], "tx_queue_size": 256},
        {"type": "user", "link": "down", "filter": {}},
    ],
    "hostdevs": [
        {"pci": "0000:06:12.5", "rom": {"bar": True, "file": "/opt/rom.bin"}, "driver": "vfio", "boot_order": 1},
        {"usb": "0951:1666"},
        {"usb": "1.4", "name": "stick"},
        {"mdev": "53764d0e-85a0-42b4-af5c-2046b460b1dc"},
    ],
    "filesystems": [
        {"source": "/srv", "target": "data"},
        {"source": "/opt", "target": "old", "driver": "9p", "readonly": True, "fmode": "0600", "dmode": "0700"},
    ],
    "xml_overlay": [SHARED],
}


def test_what_cannot_run_here_is_a_definition_that_libvirt_takes(play: Player, guest_name: str) -> None:
    options = {"name": guest_name, **HERE_AND_THERE}
    made, again, captured = play(
        [
            task("made", "guest", **options),
            task("again", "guest", **options),
            task("captured", "capture", guests=[guest_name], networks=[], pools=[]),
        ]
    )
    assert made.changed and not again.changed, again["plan"]
    (said,) = captured["document"]["guests"]
    for name in ("disks", "nics", "hostdevs", "filesystems"):
        assert [entry["name"] for entry in said[name] if "name" in entry] or len(said[name]) == len(options[name])
        assert len(said[name]) == len(options[name]), (name, said[name], captured["residue"])
    assert said["disks"][1]["rbd"] == options["disks"][1]["rbd"]
    assert said["hostdevs"][1]["usb"] == "0951:1666"
    # All of them is said in words: an overlay of a device would be another device.
    assert [overlay for overlay in said.get("xml_overlay", ()) if overlay.get("at") == "devices"] == []
    fewer = {**options, "disks": options["disks"][:1], "hostdevs": [], "filesystems": []}
    gone, still = play([task("gone", "guest", **fewer), task("still", "guest", **fewer)])
    assert {"hostdevs.stick", "filesystems.old", "disks.rbd"} <= set(gone.changes("guest", guest_name))
    assert not still.changed
    assert _root(play, guest_name).findall("devices/hostdev") == []
