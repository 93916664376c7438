# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Single changes on a really running guest do what the plan predicted, and nothing else."""

from __future__ import annotations

import copy
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import Host

Options = dict[str, Any]

MIB = 1024  # KiB, which libvirt writes memory in


def _disk(options: Options, name: str) -> Options:
    found: Options = next(disk for disk in options["disks"] if disk["name"] == name)
    return found


def _memory(amount: str) -> Any:
    return lambda options: options.update(memory=amount)


def _more_memory(options: Options) -> None:
    options.update(memory="512MiB", memory_max="512MiB")


def _grow(options: Options) -> None:
    _disk(options, "root")["size"] = "96MiB"


def _other_cd(options: Options) -> None:
    cd = _disk(options, "cd")
    cd["cdrom"] = cd["cdrom"].replace("one.iso", "two.iso")


def _add_disk(options: Options) -> None:
    # First in the list: a disk that is inserted must not rename the others.
    options["disks"].insert(0, {"name": "extra", "size": "16MiB"})


def _remove_disk(options: Options) -> None:
    options["disks"].remove(_disk(options, "extra"))


def _add_nic(options: Options) -> None:
    options["nics"].append({"name": "second", "network": "lab"})


def _remove_nic(options: Options) -> None:
    options["nics"].pop()


def _other_bus(options: Options) -> None:
    _disk(options, "data")["bus"] = "scsi"


# What is changed, how, the path of the change, and its predicted effect.
CHANGES: list[tuple[str, Any, str, str]] = [
    ("memory within the maximum", _memory("192MiB"), "memory", "live"),
    ("vcpus", lambda options: options.update(vcpus=2), "vcpus", "live"),
    ("a disk grown", _grow, "disks.root.size", "live"),
    ("the cd changed", _other_cd, "disks.cd.source", "live"),
    ("a disk added", _add_disk, "disks.extra", "live"),
    ("a disk removed", _remove_disk, "disks.extra", "live"),
    ("a nic added", _add_nic, "nics.second", "live"),
    ("a nic removed", _remove_nic, "nics.second", "live"),
    ("a tag", lambda options: options.update(tags=["x"]), "tags", "live"),
    ("autostart", lambda options: options.update(autostart=True), "autostart", "live"),
    ("memory above the maximum", _more_memory, "memory", "restart"),
    ("a bus changed", _other_bus, "disks.data.bus", "restart"),
    ("the machine changed", lambda options: options.update(machine="pc"), "machine", "restart"),
]


class Running:
    """A running guest as libvirt and the host see it."""

    def __init__(self, host: Host, name: str) -> None:
        self.host, self.name = host, name

    @property
    def pid(self) -> int:
        return self.host.guests()[self.name].pid

    def xml(self, *args: str) -> ET.Element:
        return ET.fromstring(self.host.exec(["virsh", "dumpxml", self.name, *args]).stdout)

    def live(self, path: str) -> Any:
        """Return what a change's path is in the running guest."""
        root = self.xml()
        targets = {
            (disk.findtext("alias") or "", (disk.find("source").get("file") if disk.find("source") is not None else ""))
            for disk in root.findall("devices/disk")
        }
        sources = {source or "" for _alias, source in targets}
        return {
            "memory": int(root.findtext("currentMemory") or 0) // MIB,
            "vcpus": int(root.find("vcpu").get("current") or root.findtext("vcpu") or 0),
            "disks.root.size": self._size("root"),
            "disks.cd.source": sorted(source.rpartition("/")[2] for source in sources if source.endswith(".iso")),
            "disks.extra": any("-extra." in source for source in sources),
            "nics.second": len(root.findall("devices/interface")),
            "tags": [tag.text for tag in root.iter("{https://virtfleet.github.io/xml/1}tag")],
            "autostart": "Autostart:      enable" in self.host.exec(["virsh", "dominfo", self.name]).stdout,
            "disks.data.bus": sorted(disk.find("target").get("bus") for disk in root.findall("devices/disk")),
            "machine": root.find("os/type").get("machine").rpartition("-")[0],
        }[path]

    def _size(self, disk: str) -> int:
        root = self.xml()
        for element in root.findall("devices/disk"):
            source = element.find("source")
            if source is not None and f"-{disk}." in (source.get("file") or ""):
                info = self.host.exec(["virsh", "domblkinfo", self.name, element.find("target").get("dev")]).stdout
                return int(info.split("Capacity:")[1].split()[0]) // 1024**2
        raise AssertionError(f"no disk {disk}")


EXPECTED: dict[str, Any] = {
    "memory within the maximum": 192,
    "vcpus": 2,
    "a disk grown": 96,
    "the cd changed": ["two.iso"],
    "a disk added": True,
    "a disk removed": False,
    "a nic added": 2,
    "a nic removed": 1,
    "a tag": ["x"],
    "autostart": True,
}


@pytest.fixture
def options(play: Player, guest_name: str, booted: dict[str, str]) -> Options:
    """Return the options of the guest that the changes start from."""
    for name in ("one.iso", "two.iso"):
        (play.host.folder / name).write_bytes(b"\0" * 4096)
    return {
        "name": guest_name,
        **booted,
        "memory": "160MiB",
        "memory_max": "256MiB",
        "vcpus": 1,
        "vcpus_max": 2,
        "disks": [
            {"name": "root", "size": "64MiB"},
            {"name": "data", "size": "8MiB"},
            {"name": "cd", "cdrom": str(play.host.folder / "one.iso")},
        ],
        "nics": [{"network": "lab"}],
        "console_log": f"/var/log/libvirt/qemu/{guest_name}-console.log",
        "state": "running",
    }


def test_each_change_does_what_the_plan_predicted(play: Player, guest_name: str, options: Options) -> None:
    play([task("start", "guest", **options, wait_for="agent")])
    guest = Running(play.host, guest_name)
    _give_password(guest)
    pid = guest.pid
    # It stands in the definition alone, as whoever edits that would see it.
    waiting = {"graphics_password"}
    for what, change, path, effect in CHANGES:
        wanted = copy.deepcopy(options)
        change(wanted)
        before = guest.live(path)
        check, real, again = play(
            [
                task("check", "guest", check=True, **wanted),
                task("real", "guest", **wanted),
                task("again", "guest", **wanted),
            ]
        )
        predicted, done = check.changes("guest", guest_name), real.changes("guest", guest_name)
        assert predicted == done and done[path]["effect"] == effect, (what, predicted, done)
        assert {row["effect"] for row in done.values()} == {effect}, (what, done)
        assert not again.changed, (what, again["plan"])
        assert guest.pid == pid, what
        pending = {row["path"] for rows in again["pending"] for row in rows["changes"]}
        if effect == "live":
            assert real["plan"][-1]["outcome"] == "done", (what, real["plan"][-1]["error"])
            assert guest.live(path) == EXPECTED[what], what
            assert pending == waiting, what
        else:
            assert real["plan"][-1]["outcome"] == "pending", what
            assert guest.live(path) == before, what
            assert path in pending, (what, pending)
            waiting = pending
        options = wanted
    assert "by-hand" in _password(guest), "a password set by hand survives every change"
    assert (play.host.folder / "pool" / f"{guest_name}-extra.qcow2").exists(), "a detached disk keeps its volume"
    # What was written comes true with the next cold start.
    restarted = play(
        [
            task("stop", "guest", name=guest_name, state="stopped", stop_timeout="60s", force_stop=True),
            # If it does not come up, its console shall say why.
            task("start", "guest", **options, wait_for="agent", wait_timeout="3m"),
        ]
    )[-1]
    assert restarted["pending"] == []
    assert guest.pid != pid
    assert guest.live("memory") == 512
    assert guest.live("machine") == "pc-i440fx"
    assert "scsi" in guest.live("disks.data.bus")


def _give_password(guest: Running) -> None:
    root = guest.xml("--inactive", "--security-info")
    root.find("devices/graphics").set("passwd", "by-hand")
    guest.host.exec(["virsh", "define", "/dev/stdin"], input=ET.tostring(root, encoding="unicode"))


def _password(guest: Running) -> str:
    return str(guest.xml("--inactive", "--security-info").find("devices/graphics").get("passwd"))


def test_growing_a_disk_of_a_stopped_guest_needs_no_start(play: Player, guest_name: str) -> None:
    base = {"name": guest_name, "memory": "64MiB"}
    results = play(
        [
            task("make", "guest", **base, disks=[{"size": "8MiB"}]),
            task("check", "guest", check=True, **base, disks=[{"size": "24MiB"}]),
            task("grow", "guest", **base, disks=[{"size": "24MiB"}]),
            task("again", "guest", **base, disks=[{"size": "24MiB"}]),
        ]
    )
    assert results.named("check")["plan"][0]["changes"] == results.named("grow")["plan"][0]["changes"]
    assert not results.named("again").changed
    refused = play([task("shrink", "guest", **base, disks=[{"size": "4MiB"}])], fails=True)[0]
    assert f"{guest_name}/root" in refused.msg and "confirm_data_loss" in refused.msg


def test_a_device_attached_by_hand_is_left_alone_and_named(play: Player, guest_name: str) -> None:
    base = {"name": guest_name, "memory": "64MiB", "disks": [{"size": "8MiB"}]}
    foreign = play.host.folder / "pool" / f"{guest_name}-foreign.raw"
    play.host.exec(["truncate", "-s", "1M", str(foreign)])
    play([task("make", "guest", **base)])
    play.host.exec(["virsh", "attach-disk", guest_name, str(foreign), "vdx", "--config", "--subdriver", "raw"])
    left, exact, again = play(
        [
            task("left", "guest", **base),
            task("exact", "guest", **base, disks_exact=True),
            task("again", "guest", **base, disks_exact=True),
        ]
    )
    assert not left.changed
    assert left["unmanaged"] == [{"kind": "guest", "name": guest_name, "entries": ["disks.vdx"]}]
    assert set(exact.changes("guest", guest_name)) == {"disks.vdx"}
    assert not again.changed and foreign.exists()


def test_another_image_under_a_disk_is_data_loss_and_needs_consent(play: Player, guest_name: str) -> None:
    host = play.host
    for name in ("a", "b"):
        host.exec(
            ["qemu-img", "create", "-q", "-f", "qcow2", str(host.folder / "pool" / f"{guest_name}-{name}.qcow2"), "8M"]
        )
    host.exec(["virsh", "pool-refresh", "default"])
    base = {"name": guest_name, "memory": "64MiB"}
    play([task("make", "guest", **base, disks=[{"image": f"{guest_name}-a"}])])
    other = {**base, "disks": [{"image": f"{guest_name}-b"}]}
    refused = play([task("refused", "guest", **other)], fails=True)[0]
    assert f"{guest_name}/root" in refused.msg
    check, real, again = play(
        [
            task("check", "guest", check=True, **other, confirm_data_loss=[f"{guest_name}/root"]),
            task("real", "guest", **other, confirm_data_loss=[f"{guest_name}/root"]),
            task("again", "guest", **other),
        ]
    )
    assert check["plan"][0]["changes"] == real["plan"][0]["changes"]
    assert real["plan"][0]["effect"] == "data_loss"
    assert not again.changed


def test_a_saved_guest_wakes_with_what_it_had_until_its_next_cold_start(
    play: Player, guest_name: str, booted: dict[str, str]
) -> None:
    base = {"name": guest_name, **booted}
    play([task("start", "guest", **base, state="running"), task("save", "guest", **base, state="saved")])
    more = {**base, "memory": "384MiB"}
    results = play([*idiom("guest", "more", **more), task("wake", "guest", **more, state="running")])
    real = assert_idiom(results, "more")
    assert real.changes("guest", guest_name)["memory"]["effect"] == "restart"
    for result in (results.named("more (again)"), results.named("wake")):
        assert {change["path"] for change in result["pending"][0]["changes"]} == {"memory", "memory_max"}
    assert play.host.exec(["virsh", "dommemstat", guest_name]).stdout.split()[1] == str(256 * MIB)
