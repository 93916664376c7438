# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be right is said before anything is touched, with the option, the value, and what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.playing import Player, task

BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "misspelt option": ({"vpcus": 2}, ("vpcus", "Unsupported parameters")),
    "misspelt suboption": ({"disks": [{"siez": "1GiB"}]}, ("siez",)),
    "bare number for memory": ({"memory": "2048"}, ("memory", "'2048'", "unit", "2GiB")),
    "bare number for a disk": ({"disks": [{"size": "10"}]}, ("disks[0].size", "'10'", "2GiB")),
    "memory above the host's": ({"memory": "4TiB"}, ("memory", "4TiB", "more than the host has")),
    "a disk that does not exist": ({"disks": [{"file": "/nowhere/x.qcow2"}]}, ("disks[0].file", "/nowhere/x.qcow2")),
    "an iso that does not exist": ({"disks": [{"cdrom": "/nowhere/x.iso"}]}, ("disks[0].cdrom", "does not exist")),
    "an unknown network": ({"nics": [{"network": "nope"}]}, ("nics[0].network", "nope", "lab")),
    "an unknown pool": ({"disks": [{"size": "1GiB", "pool": "nope"}]}, ("pool", "nope", "default")),
    "an unknown image": ({"disks": [{"image": "nope"}]}, ("disks[0].image", "nope", "default")),
    "two disks on one target": (
        {"disks": [{"name": "a", "size": "1MiB", "target": "vda"}, {"name": "b", "size": "1MiB", "target": "vda"}]},
        ("vda", "a and b"),
    ),
    "two disks of one name": ({"disks": [{"size": "1MiB"}, {"size": "2MiB"}]}, ("disks[1].name", "root")),
    "boot order given twice": (
        {"boot": ["disk"], "disks": [{"size": "1MiB", "boot_order": 1}]},
        ("boot_order", "twice", "boot: []"),
    ),
    "one place for two devices": (
        {"disks": [{"name": "a", "size": "1MiB", "boot_order": 1}, {"name": "b", "size": "1MiB", "boot_order": 1}]},
        ("boot_order", "disks.a", "disks.b"),
    ),
    "topology that does not multiply": (
        {"vcpus": 4, "topology": {"sockets": 1, "cores": 3}},
        ("topology", "3 CPUs", "has 4"),
    ),
    "a slash in the name": ({"name": "a/b"}, ("name", "'a/b'", "slash")),
    "a line break in the name": ({"name": "a\nb"}, ("name", "line break")),
    "an architecture that the host lacks": ({"arch": "sparc64"}, ("arch", "sparc64", "x86_64")),
    "an overlay against an option": (
        {"title": "x", "xml_overlay": [{"at": ".", "xml": "<title>y</title>"}]},
        ("xml_overlay", "title"),
    ),
    "an overlay that is no XML": (
        {"xml_overlay": [{"at": "devices", "xml": "<a>"}]},
        ("xml_overlay[0].xml", "line 1"),
    ),
    "an address outside the network": (
        {"nics": [{"network": "lab", "address": "10.99.0.1"}]},
        ("10.99.0.1", "10.77.0"),
    ),
}


@pytest.fixture(scope="module")
def answers(furnished: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Play every bad task in one run."""
    play = Player(furnished, tmp_path_factory.mktemp("bad"))
    tasks = []
    for what, (options, _words) in BAD.items():
        made = task(what, "guest", **{"name": "bad", "memory": "64MiB", "state": "running", **options})
        tasks.append({**made, "ignore_errors": True})
    results = play([*tasks, task("left", "guest_info")], fails=True)
    return {result.task: result for result in results}


@pytest.mark.parametrize("what", BAD)
def test_says_what_is_wrong(answers: dict[str, Any], what: str) -> None:
    result = answers[what]
    assert result.outcome == "failed"
    for word in BAD[what][1]:
        assert word in result.msg, result.msg
    assert "Traceback" not in result.msg


def test_nothing_was_touched(answers: dict[str, Any], furnished: Any) -> None:
    assert "bad" not in {guest["name"] for guest in answers["left"]["guests"]}
    assert "bad-" not in furnished.exec(["virsh", "vol-list", "default"]).stdout


def test_a_disk_that_qemu_cannot_reach_is_said_with_the_directory(play: Player, guest_name: str) -> None:
    closed = play.host.folder / "closed"
    closed.mkdir(mode=0o700, exist_ok=True)
    disk = closed / "x.raw"
    disk.write_bytes(b"\0" * 1024)
    result = play([task("closed", "guest", name=guest_name, memory="64MiB", disks=[{"file": str(disk)}])], fails=True)[
        0
    ]
    assert result.outcome == "failed"
    assert str(closed) in result.msg and "0700" in result.msg


def test_all_complaints_come_at_once(play: Player, guest_name: str) -> None:
    options = {"memory": "5", "disks": [{"size": "7"}], "nics": [{"mac": "x", "network": "lab"}]}
    result = play([task("all", "guest", name=guest_name, **options)], fails=True)[0]
    for word in ("memory", "disks[0].size", "nics[0].mac"):
        assert word in result.msg
