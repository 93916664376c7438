# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Xen host that people kept by xl comes under control, and a configuration for xl is written that xl starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playing import assert_idiom, idiom, task
from tests.integration.xen.playing import URI, XenPlayer
from tests.lab import tiny_xen
from tests.lab.vm import TINY, VM

FOLDER = "/srv/xen-by-hand"
# As people write them, and as xen-create-image does (a blank behind each address): one with a file and a link to start with
# the host, one that runs and has no file any more.
BY_HAND = f"""\
name = 'byhand1'
type = 'pv'
kernel = '{TINY}/vmlinux'
ramdisk = '{TINY}/initrd'
extra = '{tiny_xen.CMDLINE}'
memory = 128
vcpus = 1
disk = [ 'file:{FOLDER}/byhand1.img,xvda,w' ]
vif = [ 'ip=192.168.122.61 ,mac=00:16:3e:aa:00:01,bridge=virbr0' ]
on_crash = 'restart'
"""
FORGOTTEN = f"""\
name = 'byhand2'
type = 'pv'
kernel = '{TINY}/vmlinux'
ramdisk = '{TINY}/initrd'
cmdline = '{tiny_xen.CMDLINE}'
memory = 128
disk = [ 'format=raw, vdev=xvda, access=rw, target={FOLDER}/byhand2.img' ]
"""
NAMES = ("byhand1", "byhand2", "byxl")


@pytest.fixture
def by_hand(lab_dom0: VM) -> Iterator[VM]:
    """Return the Xen host with two guests that only xl knows, one of which runs."""
    made = (
        f"virsh -c {URI} net-start default; mkdir -p {FOLDER} /etc/xen/auto; "
        f"truncate -s 16M {FOLDER}/byhand1.img {FOLDER}/byhand2.img; "
        "ln -sf /etc/xen/byhand1.cfg /etc/xen/auto/byhand1.cfg"
    )
    lab_dom0.exec(["sh", "-c", made], check=False, timeout=120)
    for path, text in (("/etc/xen/byhand1.cfg", BY_HAND), (f"{FOLDER}/byhand2.cfg", FORGOTTEN)):
        lab_dom0.exec(["sh", "-c", f"cat >{path}"], input=text, timeout=60)
    lab_dom0.exec(["sh", "-c", f"xl create {FOLDER}/byhand2.cfg && rm {FOLDER}/byhand2.cfg"], timeout=180)
    yield lab_dom0
    known = "; ".join(f"destroy {name}; undefine {name}" for name in NAMES)
    unknown = "; ".join(f"xl destroy {name}" for name in NAMES)
    files = " ".join(f"/etc/xen/{name}.cfg /etc/xen/auto/{name}.cfg" for name in NAMES)
    gone = f"{{ virsh -c {URI} '{known}'; {unknown}; rm -rf {FOLDER} {files}; }} 2>/dev/null"
    lab_dom0.exec(["sh", "-c", gone], check=False, timeout=180)


def test_guests_of_xl_come_under_control(by_hand: VM, tmp_path: Path) -> None:
    play = XenPlayer(by_hand, tmp_path)
    # A daemon of an emulated host that has just started a guest may be silent for longer than a task waits for it.
    play.virsh("list")
    look = task("look", "capture", guests=["byhand*"], networks=[], pools=[], profiles=False)
    (captured,) = play([look])
    document = captured["document"]
    guests: dict[str, Any] = {guest["name"]: guest for guest in document["guests"]}
    assert set(guests) == {"byhand1", "byhand2"}
    one = guests["byhand1"]
    assert {"type": "pv", "memory": "128MiB", "autostart": True, "on_crash": "restart"}.items() <= one.items()
    assert one["disks"][0]["file"] == f"{FOLDER}/byhand1.img"
    assert {"bridge": "virbr0", "mac": "00:16:3e:aa:00:01", "ip": "192.168.122.61"}.items() <= one["nics"][0].items()
    assert guests["byhand2"]["disks"][0]["file"] == f"{FOLDER}/byhand2.img"
    runs = [row for row in captured["residue"] if row["at"] == "state"]
    assert [row["name"] for row in runs] == ["byhand2"] and "it runs under xl" in runs[0]["why"]
    assert [row for row in captured["residue"] if row["at"] == ""] == []
    hold = {"document": document}
    # What xl has is read on its host alone; the rest goes over libvirt's connection.
    results = play.afar([task("hold", "estate", **hold), task("again", "estate", **hold), {**look, "name": "after"}])
    assert results.named("hold")["summary"]["create"] == 2
    assert not results.named("again").changed and results.named("again")["plan"] == []
    # What libvirt has is said as it was said before, now that it knows them.
    after = {guest["name"]: guest for guest in results.named("after")["document"]["guests"]}
    assert {name: guest["memory"] for name, guest in after.items()} == {"byhand1": "128MiB", "byhand2": "128MiB"}
    # It never stopped, and libvirt starts it once it was shut down there.
    assert "byhand2" in by_hand.exec(["xl", "list"]).stdout
    by_hand.exec(["xl", "destroy", "byhand2"], timeout=60)
    (started,) = play.afar([task("start", "guest", name="byhand2", state="running")])
    assert started["guest"]["state"] == "running"


@pytest.mark.slow
def test_xl_starts_what_was_written_for_it(by_hand: VM, tmp_path: Path) -> None:
    play = XenPlayer(by_hand, tmp_path)
    guest = {
        "name": "byxl",
        "type": "pv",
        "kernel": f"{TINY}/vmlinux",
        "initrd": f"{TINY}/initrd",
        "cmdline": tiny_xen.CMDLINE,
        "memory": "128MiB",
        "disks": [{"file": f"{FOLDER}/byhand1.img"}],
        "autostart": True,
    }
    assert_idiom(play(idiom("xl_config", "write", guest=guest)), "write")
    by_hand.exec(["xl", "create", "/etc/xen/byxl.cfg"], timeout=180)
    assert "byxl" in by_hand.exec(["xl", "list"]).stdout
    assert by_hand.exec(["readlink", "/etc/xen/auto/byxl.cfg"]).stdout.strip() == "/etc/xen/byxl.cfg"
    by_hand.exec(["xl", "destroy", "byxl"], timeout=60)
    remove = {"guest": {"name": "byxl"}, "state": "absent"}
    assert play([task("remove", "xl_config", **remove), task("remove (again)", "xl_config", **remove)]).changed() == ["remove"]
    assert by_hand.exec(["ls", "/etc/xen/auto"]).stdout.strip() == "byhand1.cfg"
