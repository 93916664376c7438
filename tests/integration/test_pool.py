# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules pool and pool_info on a real libvirtd: no file is ever lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import Host

_numbers = itertools.count(1)


@pytest.fixture
def pool_name(furnished: Host) -> Iterator[str]:
    name = f"p{next(_numbers)}"
    yield name
    furnished.exec(["virsh", "pool-destroy", name], check=False)
    furnished.exec(["virsh", "pool-undefine", name], check=False)


def folder_of(host: Host, name: str) -> Path:
    return Path(host.folder) / "pools" / name


def test_from_nothing_to_nothing(play: Player, pool_name: str) -> None:
    folder = folder_of(play.host, pool_name)
    options = {"name": pool_name, "path": str(folder)}
    results = play([
        *idiom("pool", "make", **options),
        task("after making", "pool_info", name=[pool_name, "missing"], volumes=True),
        *idiom("pool", "lock up", **options, mode="0700", group="daemon"),
        task("unlocked", "pool_info", name=[pool_name], query="[0].[mode, group, state]"),
        *idiom("pool", "stop", **options, state="inactive"),
        task("stopped", "pool", **options),
        *idiom("pool", "start", **options, state="active"),
        *idiom("pool", "not with the host", name=pool_name, autostart=False),
        *idiom("pool", "remove", name=pool_name, state="absent", remove_directory=True),
    ])
    made = assert_idiom(results, "make")
    (seen,) = results.named("after making")["pools"]
    assert seen == {**made["pool"], "volumes": []}
    assert (seen["state"], seen["autostart"], seen["type"]) == ("active", True, "dir") and seen["capacity_bytes"] > 0
    assert_idiom(results, "lock up")
    assert results.named("unlocked")["result"] == ["0700", 1, "active"]
    for title in ("stop", "start", "not with the host"):
        assert_idiom(results, title)
    assert not results.named("stopped").changed
    assert assert_idiom(results, "remove")["pool"] == {"name": pool_name, "state": "absent"}
    assert not folder.exists()


def test_files_stay(play: Player, pool_name: str) -> None:
    folder = folder_of(play.host, pool_name)
    options = {"name": pool_name, "path": str(folder)}
    play([task("make", "pool", **options)])
    precious = folder / "precious.img"
    precious.write_bytes(b"data")
    play.host.exec(["virsh", "pool-refresh", pool_name])
    refused: list[tuple[dict[str, Any], str]] = [
        ({"name": pool_name, "state": "absent", "remove_directory": True}, "precious.img"),
        ({"name": pool_name, "path": f"{folder}-2"}, "leave its volumes behind"),
        ({"name": f"{pool_name}-twin", "path": f"{folder}/"}, f"directory of pool {pool_name} already"),
    ]
    tasks = [{**task("refused", "pool", **said), "ignore_errors": True} for said, _words in refused]
    for result, (_said, words) in zip(play(tasks, fails=True), refused, strict=True):
        assert result.outcome == "failed" and words in result.msg
    results = play([
        *idiom("pool", "remove", name=pool_name, state="absent"),
        *idiom("pool", "take it again", **options),
        task("look", "pool_info", name=[pool_name], volumes=True, query="[0].volumes[].name"),
    ])
    assert_idiom(results, "remove")
    assert_idiom(results, "take it again")
    assert results.named("look")["result"] == ["precious.img"]
    assert precious.read_bytes() == b"data"


def test_a_directory_that_exists_keeps_its_mode(play: Player, pool_name: str) -> None:
    folder = folder_of(play.host, pool_name)
    folder.mkdir(parents=True, mode=0o755)
    folder.chmod(0o750)
    results = play(idiom("pool", "take", name=pool_name, path=str(folder)))
    assert_idiom(results, "take")
    assert folder.stat().st_mode & 0o777 == 0o750


def test_a_pool_with_disks_of_guests_stays(play: Player, pool_name: str, guest_name: str) -> None:
    play([
        task("make", "pool", name=pool_name, path=str(folder_of(play.host, pool_name))),
        task("guest", "guest", name=guest_name, memory="64MiB", disks=[{"size": "4MiB", "pool": pool_name}]),
    ])
    (refused,) = play([task("remove", "pool", name=pool_name, state="absent")], fails=True)
    assert refused.outcome == "failed" and f"{guest_name}: {guest_name}-root.qcow2" in refused.msg


def test_an_interrupted_creation_is_finished(play: Player, pool_name: str) -> None:
    """A build that fails leaves a definition; the next run, with the cause gone, builds and starts it."""
    folder = folder_of(play.host, pool_name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way", encoding="utf-8")
    (result,) = play([task("make", "pool", name=pool_name, path=str(folder))], fails=True)
    assert result.outcome == "failed" and str(folder) in result.msg
    folder.unlink()
    finished = assert_idiom(play(idiom("pool", "finish", name=pool_name, path=str(folder))), "finish")
    assert (finished["pool"]["state"], finished["pool"]["autostart"]) == ("active", True)


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "path: is missing"),
    ({"path": "relative"}, "absolute"),
    ({"path": "/srv/x", "mode": 457}, "in quotes"),
    ({"path": "/srv/x", "owner": "nobody-of-this-name"}, "owner: the host has no user"),
    ({"path": "/srv/x", "remove_directory": True}, "remove_directory"),
]


def test_bad_input(play: Player, pool_name: str) -> None:
    tasks = [{**task("make", "pool", name=pool_name, **options), "ignore_errors": True} for options, _words in BAD]
    results = play(tasks, fails=True)
    for result, (_options, words) in zip(results, BAD, strict=True):
        assert result.outcome == "failed" and words in result.msg


def test_a_source_of_the_network(play: Player, pool_name: str) -> None:
    """Not started: there is no such server. What libvirt has no driver for is named with its package."""
    wish = {"name": pool_name, "type": "netfs", "path": str(folder_of(play.host, pool_name)), "state": "inactive",
            "source_hosts": ["nas.invalid"], "source_path": "/export", "source_version": "4.2"}  # fmt: skip
    rbd = {"type": "rbd", "source_name": "vms", "source_hosts": ["mon.invalid"], "state": "inactive"}
    tasks = [
        *idiom("pool", "define", **wish),
        {**task("another", "pool", **{**wish, "source_path": "/other"}), "ignore_errors": True},
        {**task("rbd", "pool", name=f"{pool_name}-rbd", **rbd), "ignore_errors": True},
        *idiom("pool", "remove", name=pool_name, state="absent"),
    ]
    results = play(tasks, fails=True)
    made = assert_idiom(results, "define")["pool"]
    assert {**made, **wish, "source_format": "auto"} == made
    assert "it would be another pool" in results.named("another").msg
    assert "libvirt-daemon-driver-storage-rbd" in results.named("rbd").msg
    assert_idiom(results, "remove")
