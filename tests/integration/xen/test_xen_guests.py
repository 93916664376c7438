# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests of a real Xen by the words that guests of KVM have."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.playing import assert_idiom, idiom, task
from tests.integration.xen.playing import XenPlayer
from tests.lab import tiny_xen
from tests.lab.vm import TINY, VM

Options = dict[str, Any]
MIB = 1 << 20
_numbers = itertools.count(1)


@pytest.fixture
def guest_name(furnished: VM) -> Iterator[str]:
    """Return a guest's name that nobody else uses; the guest is gone afterwards."""
    name = f"x{next(_numbers)}"
    yield name
    furnished.exec(["sh", "-c", f"xl destroy {name}; virsh -c xen:///system destroy {name}"], check=False, timeout=120)
    furnished.exec(["virsh", "-c", "xen:///system", "undefine", name, "--managed-save"], check=False, timeout=120)


@pytest.fixture
def booted() -> Options:
    """Return the options that boot the tiny guest directly."""
    return {
        "kernel": f"{TINY}/vmlinux",
        "initrd": f"{TINY}/initrd",
        "cmdline": tiny_xen.CMDLINE,
        "memory": "192MiB",
        "memory_max": "256MiB",
        "vcpus": 1,
        "vcpus_max": 2,
    }


# A boot sector that waits for whatever comes: sti; hlt; jmp to the beginning. A BIOS that finds none resets its machine.
WAITS = (
    "printf '\\373\\364\\353\\374' | dd of={disk} conv=notrunc status=none && "
    "printf '\\125\\252' | dd of={disk} bs=1 seek=510 conv=notrunc status=none"
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pv", "pvh", "hvm"])
def test_a_guest_through_its_life(play: XenPlayer, furnished: VM, guest_name: str, booted: Options, kind: str) -> None:
    # An HVM guest needs hardware virtualization. Where that is emulated, inside an emulated machine, each word of its kernel that
    # its BIOS loads is an exit of its own: it takes ten minutes, and ten more to come up. Its BIOS boots a disk in less.
    boots = kind != "hvm"
    booted = booted if boots else {"memory": booted["memory"]}
    options = {
        "name": guest_name,
        "type": kind,
        **booted,
        "disks": [{"size": "16MiB", "format": "raw"}],
        "nics": [{"network": "default"}],
        "tags": ["one"],
    }
    made = assert_idiom(play(idiom("guest", "make", **options)), "make")
    assert made["plan"][-1]["action"] == "create"
    if not boots:
        furnished.exec(["sh", "-c", WAITS.format(disk=play.virsh("vol-path", "--pool", "default", f"{guest_name}-root.raw").strip())])
    assert_idiom(play(idiom("guest", "start", **options, state="running"), timeout=2400), "start")
    if boots:
        play([task("wait", "guest", **options, state="running", wait_for="address", wait_timeout="10m")], timeout=1200)
    asked = {} if boots else {"stop_timeout": "10s", "force_stop": True}
    results = play(
        [
            *idiom("guest", "pause", **options, state="paused"),
            *idiom("guest", "go on", **options, state="running"),
            *idiom("guest", "save", **options, state="saved"),
            *idiom("guest", "wake", **options, state="running"),
            task("look", "guest_info", name=[guest_name]),
        ],
        timeout=2400,
    )
    for name in ("pause", "go on", "save", "wake"):
        assert_idiom(results, name)
    (seen,) = results.named("look")["guests"]
    assert (seen["state"], seen["type"], seen["tags"]) == ("running", kind, ["one"])
    results = play(
        [
            *idiom("guest", "stop", name=guest_name, state="stopped", **asked),
            *idiom("guest", "remove", name=guest_name, state="absent", confirm_data_loss=[guest_name]),
        ]
    )
    for name in ("stop", "remove"):
        assert_idiom(results, name)
    assert guest_name not in play.virsh("list", "--all", "--name").split()
    assert f"{guest_name}-root" not in play.virsh("vol-list", "default")


@pytest.mark.slow
def test_an_address_that_only_the_guest_knows(play: XenPlayer, guest_name: str, booted: Options) -> None:
    write = f"xenstore-write /local/domain/$(xl domid {guest_name})/attr/vif/0/ipv4/0 192.0.2.77"
    results = play([
        task("start", "guest", name=guest_name, type="pv", **booted, nics=[{"bridge": "virbr0"}], state="running"),
        task("none", "guest_info", name=[guest_name]),
        # As the tools of XenServer in a guest do.
        {"name": "write", "ansible.builtin.shell": write},
        task("look", "guest_info", name=[guest_name]),
    ])
    assert results.named("none")["guests"][0]["addresses"] == []
    (found,) = results.named("look")["guests"][0]["addresses"]
    assert (found["address"], found["mac"][:8]) == ("192.0.2.77", "00:16:3e")


# What is changed in a running guest, and the path and predicted effect of the change.
CHANGES: list[tuple[str, Options, str, str]] = [
    ("memory within the maximum", {"memory": "160MiB"}, "memory", "live"),
    ("vcpus", {"vcpus": 2}, "vcpus", "live"),
    ("a tag", {"tags": ["x"]}, "tags", "live"),
    ("a description", {"description": "by hand"}, "description", "live"),
    ("a disk added", {"disks": [{"size": "16MiB"}, {"name": "extra", "size": "8MiB"}]}, "disks.extra", "live"),
    ("a disk removed", {"disks": [{"size": "16MiB"}]}, "disks.extra", "live"),
    ("a nic added", {"nics": [{"network": "default"}, {"name": "two", "network": "default"}]}, "nics.two", "live"),
    ("a nic removed", {"nics": [{"network": "default"}]}, "nics.two", "live"),
    ("autostart", {"autostart": True}, "autostart", "live"),
    ("on_crash", {"on_crash": "restart"}, "on_crash", "restart"),
    ("memory above the maximum", {"memory": "320MiB", "memory_max": "320MiB"}, "memory", "restart"),
    ("another type", {"type": "pvh"}, "type", "restart"),
]


@pytest.mark.slow
def test_each_change_does_what_the_plan_predicted(play: XenPlayer, guest_name: str, booted: Options) -> None:
    options = {
        "name": guest_name,
        "type": "pv",
        **booted,
        "disks": [{"size": "16MiB"}],
        "nics": [{"network": "default"}],
    }
    play([task("start", "guest", **options, state="running", wait_for="address")])
    number = play.virsh("domid", guest_name)
    tasks = []
    for what, change, _path, _effect in CHANGES:
        options = {**options, **change}
        tasks += idiom("guest", what, **options)
    results = play(tasks, timeout=1800)
    waiting: set[str] = set()
    for what, _change, path, effect in CHANGES:
        real = assert_idiom(results, what)
        done = real.changes("guest", guest_name)
        assert done[path]["effect"] == effect, (what, done)
        pending = {row["path"] for rows in results.named(f"{what} (again)")["pending"] for row in rows["changes"]}
        if effect == "live":
            assert real["plan"][-1]["outcome"] == "done", (what, real["plan"][-1]["error"])
            assert pending == waiting, what
        else:
            assert path in pending, (what, pending)
            waiting = pending
    assert play.virsh("domid", guest_name) == number, "it runs as it did"
    (restarted,) = play([task("restart", "guest", **options, restart_policy="if_needed")])
    assert restarted["pending"] == [] and play.virsh("domid", guest_name) != number
    assert 'machine="xenpvh"' in play.virsh("dumpxml", guest_name).replace("'", '"')


# Bad input, and what is said of it before anything is touched; all of one document at once.
WRONG: dict[str, tuple[Options, str]] = {
    "kernel": ({"kernel": "/gone"}, "/gone does not exist on the host"),
    "big": ({"memory": "64GiB", "memory_max": "64GiB"}, "are more than the host has"),
    "nic": ({"nics": [{"type": "user"}]}, "not supported by the hypervisor driver xen"),
    "agent": ({"agent": True}, "not supported by the hypervisor driver xen"),
}
REFUSED: list[tuple[Options, str]] = [
    ({"memory": "1900MiB", "memory_max": "1900MiB", "state": "running"}, "shall be started with 1900MiB together"),
    ({"state": "running", "wait_for": "agent"}, "wait_for: guests of xen have no guest agent"),
]


@pytest.mark.slow
def test_what_cannot_be(play: XenPlayer, guest_name: str, booted: Options) -> None:
    guests = [{"name": f"{guest_name}-{name}", **booted, **options} for name, (options, _said) in WRONG.items()]
    tasks = [task("document", "estate", document={"version": 1, "name": guest_name, "guests": guests})]
    tasks += [
        task(f"refused {number}", "guest", **{"name": guest_name, **booted, **options})
        for number, (options, _said) in enumerate(REFUSED)
    ]
    results = play([{**entry, "ignore_errors": True} for entry in tasks], fails=True)
    wrong = results.named("document")
    assert wrong.outcome == "failed"
    for number, (_options, said) in enumerate(WRONG.values()):
        assert any(f"guests[{number}]." in line and said in line for line in wrong.msg.split("; ")), wrong.msg
    for number, (_options, said) in enumerate(REFUSED):
        refused = results.named(f"refused {number}")
        assert refused.outcome == "failed" and said in refused.msg, refused.msg
    assert guest_name not in play.virsh("list", "--all", "--name")
