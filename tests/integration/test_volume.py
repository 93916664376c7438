# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules volume and volume_info on a real libvirtd."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import Host

_numbers = itertools.count(1)
MIB = 1 << 20


@pytest.fixture
def volume_name(furnished: Host) -> Iterator[str]:
    name = f"v{next(_numbers)}.qcow2"
    yield name
    for volume in (name, f"{name}.uploading", f"top-{name}"):
        furnished.exec(["virsh", "vol-delete", volume, "default"], check=False)


def image_info(host: Host, name: str) -> dict[str, Any]:
    path = Path(host.folder) / "pool" / name
    done = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", str(path)], check=True, capture_output=True, text=True
    )
    return dict(json.loads(done.stdout))


def test_a_copy(play: Player, furnished: Host, volume_name: str) -> None:
    top, consent = f"top-{volume_name}", {"confirm_data_loss": [volume_name, f"top-{volume_name}"]}
    play([task("make", "volume", name=volume_name, size="8MiB")])
    path = Path(furnished.folder) / "pool" / volume_name
    subprocess.run(["qemu-io", "-c", "write -P 7 1M 1M", str(path)], check=True, capture_output=True)
    results = play([
        *idiom("volume", "copy", name=top, clone=volume_name, size="16MiB", format="raw"),
        *idiom("volume", "wipe", name=volume_name, state="absent", wipe=True, **consent),
    ])
    assert assert_idiom(results, "copy")["volume"]["capacity_bytes"] == 16 * MIB
    assert_idiom(results, "wipe")
    copy = path.with_name(top).read_bytes()
    assert (copy[MIB : 2 * MIB], len(copy)) == (bytes([7]) * MIB, 16 * MIB)
    assert not copy[:MIB].strip(b"\0") and not copy[2 * MIB :].strip(b"\0")
    play([task("remove", "volume", name=top, state="absent", **consent)])


def test_from_nothing_to_nothing(play: Player, volume_name: str) -> None:
    top = f"top-{volume_name}"
    consent = {"confirm_data_loss": [volume_name, f"default/{top}"]}
    results = play([
        *idiom("volume", "make", name=volume_name, size="8MiB"),
        *idiom("volume", "grow", name=volume_name, size="16MiB"),
        task("stand on it", "volume", name=top, backing=volume_name, size="32MiB"),
        task("look", "volume_info", name=[volume_name, top]),
        {**task("pull away", "volume", name=volume_name, state="absent", **consent), "ignore_errors": True},
        {**task("no consent", "volume", name=top, state="absent"), "ignore_errors": True},
        task("remove the upper", "volume", name=top, state="absent", **consent),
        *idiom("volume", "make anew", name=volume_name, size="4MiB", format="raw", **consent),
        *idiom("volume", "remove", name=volume_name, state="absent", **consent),
        task("nothing", "volume_info", name=[volume_name, top]),
    ], fails=True)  # fmt: skip
    made = assert_idiom(results, "make")["volume"]
    assert (made["format"], made["size"], made["state"]) == ("qcow2", "8MiB", "present")
    assert assert_idiom(results, "grow")["volume"]["capacity_bytes"] == 16 * MIB
    upper = results.named("stand on it")["volume"]
    assert (upper["backing"], upper["size"]) == (made["path"], "32MiB")
    low, high = sorted(results.named("look")["volumes"], key=lambda row: str(row["size"]))
    assert (low["overlays"], high["overlays"], low["guests"]) == ([upper["path"]], [], [])
    assert f"{upper['path']} stands on it" in results.named("pull away").msg
    assert "add 'top-" in results.named("no consent").msg
    anew = assert_idiom(results, "make anew")
    assert (anew["volume"]["format"], anew["volume"]["size"]) == ("raw", "4MiB")
    assert anew["plan"][0]["effect"] == "data_loss"
    assert assert_idiom(results, "remove")["volume"]["state"] == "absent"
    assert results.named("nothing")["volumes"] == []


def test_a_file_becomes_a_volume(play: Player, volume_name: str, tmp_path: Path) -> None:
    source = tmp_path / "source.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(source), "8M"], check=True)
    subprocess.run(["qemu-io", "-c", "write -P 7 1M 1M", str(source)], check=True, capture_output=True)
    options = {"name": volume_name, "source": str(source), "size": "16MiB"}
    made = assert_idiom(play(idiom("volume", "upload", **options)), "upload")
    assert (made["volume"]["format"], made["volume"]["size"]) == ("qcow2", "16MiB")
    info = image_info(play.host, volume_name)
    assert (info["format"], info["virtual-size"]) == ("qcow2", 16 * MIB)
    path = made["volume"]["path"]
    subprocess.run(["qemu-img", "resize", "-q", str(source), "16M"], check=True)
    subprocess.run(["qemu-img", "compare", "-q", str(source), path], check=True)
    # A run that was killed in the middle leaves a mark; the next one begins again.
    play.host.exec(["virsh", "vol-create-as", "default", f"{volume_name}.uploading", "512", "--format", "raw"])
    play.host.exec(["virsh", "vol-delete", volume_name, "default"])
    play.host.exec(["virsh", "vol-create-as", "default", volume_name, "1M", "--format", "raw"])
    finished = assert_idiom(play(idiom("volume", "finish", **options)), "finish")
    assert finished["volume"]["format"] == "qcow2"
    subprocess.run(["qemu-img", "compare", "-q", str(source), path], check=True)


def test_a_volume_of_a_guest_stays(play: Player, volume_name: str, guest_name: str, booted: dict[str, str]) -> None:
    disks = [{"name": "data", "volume": f"default/{volume_name}"}]
    consent = {"confirm_data_loss": [volume_name]}
    results = play([
        task("make", "volume", name=volume_name, size="8MiB"),
        task("start", "guest", name=guest_name, disks=disks, state="running", **booted),
        {**task("grow", "volume", name=volume_name, size="16MiB"), "ignore_errors": True},
        task("stop", "guest", name=guest_name, state="stopped", force_stop=True, stop_timeout="1s"),
        task("grow when stopped", "volume", name=volume_name, size="16MiB"),
        {**task("remove", "volume", name=volume_name, state="absent", **consent), "ignore_errors": True},
        task("look", "volume_info", name=[volume_name], query="[].guests[]"),
    ], fails=True)  # fmt: skip
    assert f"{guest_name}, which is running: give the size to that guest's disk" in results.named("grow").msg
    assert results.named("grow when stopped").changed
    assert f"guest {guest_name} uses it" in results.named("remove").msg
    assert results.named("look")["result"] == [guest_name]
