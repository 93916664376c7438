# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module guest on a real libvirtd: definitions, states, disks, seeds, and guests that boot."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import Host

Options = dict[str, Any]


def test_the_lectures_own_guest_is_one_short_task(play: Player, guest_name: str) -> None:
    """512 MB, two CPUs, a 4 GB qcow2 disk, an ISO in the drive, boot from CD."""
    iso = play.host.folder / "lecture.iso"
    iso.write_bytes(b"\0" * 2048)
    options = {
        "name": guest_name,
        "memory": "512MiB",
        "vcpus": 2,
        "disks": [{"size": "4GiB"}, {"cdrom": str(iso)}],
        "boot": ["cdrom", "disk"],
    }
    results = play([*idiom("guest", "make", **options), task("info", "guest_info", name=[guest_name])])
    assert_idiom(results, "make")
    guest = results.named("info")["guests"][0]
    assert (guest["memory"], guest["vcpus"], guest["boot"], guest["state"]) == (
        "512MiB",
        2,
        ["cdrom", "disk"],
        "stopped",
    )
    assert [(disk["name"], disk["device"], disk["format"]) for disk in guest["disks"]] == [
        ("root", "disk", "qcow2"),
        ("cdrom", "cdrom", "raw"),
    ]
    info = json.loads(play.host.exec(["qemu-img", "info", "--output=json", guest["disks"][0]["source"]["file"]]).stdout)
    assert (info["virtual-size"], info["format"]) == (4 * 1024**3, "qcow2")


def test_a_guest_goes_through_all_states(play: Player, guest_name: str, booted: Options) -> None:
    base = {"name": guest_name, **booted, "nics": [{"network": "lab"}], "stop_timeout": "30s"}
    states = ["running", "paused", "running", "saved", "running", "stopped", "present"]
    tasks = [task("make", "guest", **base)]
    for number, state in enumerate(states):
        # The agent answers only once the guest has booted, and a guest that has not booted ignores its power button.
        wait = {"wait_for": "agent"} if state == "running" else {}
        options = {**base, "state": state, **wait}
        tasks += [
            task(f"{number} {state} (check)", "guest", check=True, **options),
            task(f"{number} {state}", "guest", **options),
            task(f"{number} {state} (again)", "guest", **options),
        ]
    results = play(tasks)
    before = "stopped"
    for number, state in enumerate(states[:-1]):
        check, real, again = (results.named(f"{number} {state}{end}") for end in (" (check)", "", " (again)"))
        for result in (check, real):
            assert result.changes("guest", guest_name) == {
                "state": {
                    "path": "state",
                    "before": before,
                    "after": state,
                    "effect": "restart" if state in ("stopped", "saved") else "live",
                }
            }
        assert check["guest"]["state"] == before
        assert real["guest"]["state"] == state
        assert not again.changed
        before = state
    assert not results.named(f"{len(states) - 1} present").changed


def test_absent_removes_the_guest_and_keeps_its_disks(play: Player, guest_name: str) -> None:
    options = {
        "name": guest_name,
        "memory": "64MiB",
        "disks": [{"size": "8MiB"}, {"name": "data", "size": "4MiB"}],
        "cloud_init": {"user_data": {"users": []}},
    }
    gone = {"name": guest_name, "state": "absent"}
    results = play(
        [
            task("make", "guest", **options),
            *idiom("guest", "remove", **gone),
            task("make it anew", "guest", **options),
            task("remove with data", "guest", **gone, confirm_data_loss=[f"{guest_name}/data"]),
        ]
    )
    removed = assert_idiom(results, "remove")
    assert removed["plan"][0]["effect"] == "recreate"
    pool = play.host.folder / "pool"
    anew = results.named("make it anew")
    assert "volume" not in {row["kind"] for row in anew["plan"]}, "disks that stayed are used again"
    assert results.named("remove with data")["plan"][0]["effect"] == "data_loss"
    assert (pool / f"{guest_name}-root.qcow2").exists()
    assert not (pool / f"{guest_name}-data.qcow2").exists()
    assert not (pool / f"{guest_name}-seed.iso").exists()


def test_absent_removes_nvram_tpm_save_and_snapshots_and_never_an_iso(play: Player, guest_name: str) -> None:
    iso = play.host.folder / "keep.iso"
    iso.write_bytes(b"\0" * 2048)
    tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>"
    options = {
        "name": guest_name,
        "memory": "128MiB",
        "firmware": "efi",
        "disks": [{"size": "8MiB"}, {"cdrom": str(iso)}],
        "xml_overlay": [{"at": "devices", "xml": tpm}],
    }
    play([task("make", "guest", **options)])
    host = play.host
    host.exec(["virsh", "snapshot-create-as", guest_name, "s1", "--disk-only", "--print-xml"])
    play(
        [
            task("start", "guest", name=guest_name, state="running"),
            task("save", "guest", name=guest_name, state="saved"),
        ]
    )
    nvram = host.home / "lib" / "qemu" / "nvram"
    save = host.home / "lib" / "qemu" / "save" / f"{guest_name}.save"
    assert save.exists()
    uuid = host.exec(["virsh", "domuuid", guest_name]).stdout.strip()
    tpm_state = host.home / "lib" / "swtpm" / uuid
    assert list(nvram.glob(f"{guest_name}*")) and tpm_state.exists()
    results = play([*idiom("guest", "remove", name=guest_name, state="absent")])
    assert_idiom(results, "remove")
    assert not save.exists() and not list(nvram.glob(f"{guest_name}*"))
    # libvirt 9.0 and later remove the TPM's state with the definition.
    assert not tpm_state.exists()
    assert iso.exists()


def test_a_guest_that_ignores_the_button_is_forced_off_only_if_allowed(
    play: Player, guest_name: str, booted: Options
) -> None:
    stubborn = {**booted, "cmdline": f"{booted['cmdline']} tiny.nopower tiny.noagent"}
    base = {"name": guest_name, **stubborn, "nics": [{"network": "lab"}]}
    play([task("start", "guest", **base, state="running", wait_for="address")])
    refused = play([task("stop", "guest", name=guest_name, state="stopped", stop_timeout="3s")], fails=True)[0]
    assert refused.outcome == "failed"
    assert guest_name in refused.msg and "force" in refused.msg
    forced = play(
        [
            task("force", "guest", name=guest_name, state="stopped", stop_timeout="2s", force_stop=True),
        ]
    )[0]
    assert forced["guest"]["state"] == "stopped"


def test_a_waiting_task_says_what_it_saw_last(play: Player, guest_name: str, booted: Options) -> None:
    log = f"/var/log/libvirt/qemu/{guest_name}-console.log"
    silent = {**booted, "cmdline": f"{booted['cmdline']} tiny.nodhcp tiny.noagent"}
    base = {"name": guest_name, **silent, "nics": [{"network": "lab"}], "console_log": log, "state": "running"}
    play([task("start", "guest", **base)])
    deadline = time.monotonic() + 90
    while "TINY-READY" not in play.host.exec(["cat", log], check=False).stdout and time.monotonic() < deadline:
        time.sleep(0.5)
    result = play([task("wait", "guest", **base, wait_for="address", wait_timeout="2s")], fails=True)[0]
    assert result.outcome == "failed" and not result.changed
    for word in (guest_name, "2 s", "lease", "console", "TINY-READY"):
        assert word in result.msg, result.msg


@pytest.mark.e2e
def test_waits_for_ssh_at_the_reserved_address(play: Player, guest_name: str, booted: Options) -> None:
    options = {
        "name": guest_name,
        **booted,
        "nics": [{"network": "lab", "address": "10.77.0.222"}],
        "state": "running",
        "wait_for": "ssh",
        "wait_timeout": "60s",
    }
    results = play([*idiom("guest", "start", **options), task("stop", "guest", name=guest_name, state="absent")])
    started = assert_idiom(results, "start")
    assert [address["address"] for address in started["guest"]["addresses"]] == ["10.77.0.222"]
    assert "10.77.0.222" not in play.host.exec(["virsh", "net-dumpxml", "lab"]).stdout, (
        "the reservation goes with the guest"
    )


SEED = {"user_data": {"hostname": "one"}, "network_config": {"version": 2}}


def test_a_seed_is_rebuilt_only_when_its_content_changes(play: Player, guest_name: str, booted: Options) -> None:
    base = {"name": guest_name, **booted, "disks": []}
    changed = {**SEED, "user_data": {"hostname": "two"}}
    results = play(
        [
            *idiom("guest", "make", **base, cloud_init=SEED),
            task("ignored", "guest", **base, cloud_init={**changed, "policy": "ignore"}),
            *idiom("guest", "next boot", **base, cloud_init={**changed, "policy": "next_boot"}),
            task("left out", "guest", **base),
        ]
    )
    assert_idiom(results, "make")
    assert not results.named("ignored").changed
    real = assert_idiom(results, "next boot")
    assert set(real.changes("guest", guest_name)) == {"cloud_init"}
    assert not results.named("left out").changed, "an option left out leaves the seed as it is"
    seed = play.host.folder / "pool" / f"{guest_name}-seed.iso"
    content = play.host.exec(
        ["xorriso", "-indev", str(seed), "-osirrox", "on", "-extract", "/", str(play.folder / "seed")]
    )
    assert content.returncode == 0
    assert "two" in play.host.exec(["cat", str(play.folder / "seed" / "user-data")]).stdout
    assert play.host.exec(["stat", "-c", "%a", str(seed)]).stdout.strip() in ("600", "640")


def test_a_changed_seed_with_recreate_needs_consent_and_makes_the_disk_anew(play: Player, guest_name: str) -> None:
    host = play.host
    base_image = host.folder / "pool" / f"{guest_name}-base.qcow2"
    host.exec(["qemu-img", "create", "-q", "-f", "qcow2", str(base_image), "16M"])
    host.exec(["virsh", "pool-refresh", "default"])
    base = {"name": guest_name, "memory": "64MiB", "disks": [{"image": f"{guest_name}-base"}]}
    first = {**SEED, "policy": "recreate"}
    second = {**first, "user_data": {"hostname": "two"}}
    disk = host.folder / "pool" / f"{guest_name}-root.qcow2"
    play([task("make", "guest", **base, cloud_init=first)])
    host.exec(["qemu-io", "-f", "qcow2", "-c", "write -P 170 0 64k", str(disk)])

    def pristine() -> bool:
        return host.exec(["qemu-img", "compare", "-q", str(disk), str(base_image)], check=False).returncode == 0

    refused = play([task("recreate", "guest", **base, cloud_init=second)], fails=True)[0]
    assert f"confirm_data_loss: [{guest_name}/root]" in refused.msg
    assert not pristine()
    results = play([*idiom("guest", "recreate", **base, cloud_init=second, confirm_data_loss=[guest_name])])
    assert_idiom(results, "recreate")
    assert pristine()
    info = json.loads(host.exec(["qemu-img", "info", "--output=json", str(disk)]).stdout)
    assert info["backing-filename"] == str(base_image)


@pytest.mark.parametrize("count", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_guests_by_a_loop_change_nothing_the_second_time(play: Player, count: int) -> None:
    """No MAC is given; neither a second run, check mode, nor a restart of libvirtd finds a difference."""
    loop = [f"many{number:02d}" for number in range(count)]
    many = {
        **task("many", "guest", name="{{ item }}", memory="64MiB", nics=[{"network": "lab"}], disks=[{"size": "1MiB"}]),
        "loop": loop,
    }
    removal = {
        **task("gone", "guest", name="{{ item }}", state="absent", confirm_data_loss=["{{ item }}"]),
        "loop": loop,
    }
    try:
        first = play([many], timeout=900)[0]
        assert [item["changed"] for item in first["results"]] == [True] * count
        macs = {nic["mac"] for item in first["results"] for nic in item["guest"]["nics"]}
        assert len(macs) == count
        second, check = play([{**many, "name": "again"}, {**many, "name": "check", "check_mode": True}], timeout=900)
        assert not any(item["changed"] for item in [*second["results"], *check["results"]])
        play.host.restart_libvirtd()
        restarted = play([many], timeout=900)[0]
        assert not any(item["changed"] for item in restarted["results"])
        assert macs == {nic["mac"] for item in restarted["results"] for nic in item["guest"]["nics"]}
    finally:
        play([removal], timeout=900)


def test_idempotent_after_save_restore_and_a_restarted_daemon(play: Player, guest_name: str, booted: Options) -> None:
    base = {
        "name": guest_name,
        **booted,
        "nics": [{"network": "lab"}],
        "disks": [{"size": "8MiB"}],
        "vcpus_max": 2,
        "title": "a title",
        "description": "two\nlines",
        "tags": ["x", "y"],
        "autostart": True,
    }
    play(
        [
            task("start", "guest", **base, state="running", wait_for="agent"),
            task("save", "guest", name=guest_name, state="saved"),
            task("restore", "guest", name=guest_name, state="running"),
        ]
    )
    play.host.restart_libvirtd()
    time.sleep(0.5)
    again, check = play(
        [task("again", "guest", **base, state="running"), task("check", "guest", **base, state="running", check=True)]
    )
    assert not again.changed and not check.changed, again["plan"]
    assert again["pending"] == []


@pytest.mark.parametrize("kind", ["frozen", "stopped"])
def test_a_dead_daemon_is_an_error_within_its_time_limit(play: Player, kind: str) -> None:
    host: Host = play.host
    if kind == "frozen":
        host.freeze()
    else:
        host.stop_libvirtd()
    begin = time.monotonic()
    try:
        result = play([task("read", "guest_info")], fails=True)[0]
    finally:
        if kind == "frozen":
            host.thaw()
        else:
            host.start_libvirtd()
    assert result.outcome == "failed"
    # 30 s are the module's.
    assert time.monotonic() - begin < 50
    assert "qemu:///system" in result.msg and "libvirtd" in result.msg
