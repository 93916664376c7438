# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image of packages is booted by pygrub, as PV and as PVH, and reached by ssh; one of xen-tools comes under control."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.integration.playing import task
from tests.integration.xen.playing import XenPlayer
from tests.lab import xen_tools
from tests.lab.vm import VM

ADDRESS = "192.168.122.77"
# A mirror of its own is not what is tested: the host's is taken, by both.
XEN_TOOLS = (
    "xen-create-image --hostname=tools1 --dir=/srv/xen-tools --dist=bookworm --size=1Gb --swap=64Mb --memory=256Mb "
    "--ip=192.168.122.78 --netmask=255.255.255.0 --gateway=192.168.122.1 --bridge=virbr0 --pygrub --force "
    "--genpass=0 --password=lab --nohosts --mirror={mirror} --install-method=tar --install-source={base}"
)
BASE = f"/srv/{xen_tools.NAME}"


def reached(dom0: VM, address: str) -> str:
    """Return what `uname -n` says inside, by ssh through the Xen host."""
    told = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "ConnectTimeout=60"]
    way = ["ssh", "-F", str(dom0.ssh_config), "-i", str(dom0.ssh_key), *told, "-J", dom0.name, f"root@{address}"]
    return subprocess.run([*way, "uname", "-n"], text=True, capture_output=True, timeout=300, check=True).stdout.strip()


@pytest.mark.slow
def test_an_image_of_packages_is_booted_by_pygrub(play: XenPlayer) -> None:
    # Images are partitioned with a place for UEFI too; the role xen_host installs what makes it by the feature bootstrap.
    play.dom0.exec(["sh", "-c", "apt-get -q update && apt-get -q -y install dosfstools mtools"], timeout=1200)
    key = play.dom0.ssh_key.with_suffix(".pub").read_text().strip()
    image: dict[str, Any] = {
        "name": "packed.raw",
        "pool": "default",
        "format": "raw",
        "size": "1GiB",
        "bootstrap": {
            "suite": "bookworm",
            "hostname": "packed",
            "packages": ["openssh-server"],
            "root_keys": [key],
            "swap": "64MiB",
            "network": {"address": f"{ADDRESS}/24", "gateway": "192.168.122.1"},
        },
    }
    guest: dict[str, Any] = {
        "name": "packed",
        "type": "pv",
        "memory": "320MiB",
        "disks": [{"volume": "default/packed.raw"}],
        "nics": [{"bridge": "virbr0", "ip": ADDRESS}],
        "state": "running",
    }
    wait = {"wait_for": "ssh", "wait_timeout": "15m", "stop_timeout": "5m"}
    results = play(
        [
            task("image", "image", **image),
            task("image again", "image", **image),
            task("start", "guest", **guest, **wait),
            task("again", "guest", **guest),
        ],
        timeout=5400,
    )
    assert not results.named("image again").changed and not results.named("again").changed
    assert {"address": ADDRESS}.items() <= results.named("start")["guest"]["addresses"][0].items()
    assert reached(play.dom0, ADDRESS) == "packed"
    # The same image as PVH, with a cold start that was allowed.
    other = {**guest, "type": "pvh", "restart_policy": "if_needed"}
    (changed,) = play([task("pvh", "guest", **other, **wait)], timeout=3600)
    assert changed["pending"] == []
    assert reached(play.dom0, ADDRESS) == "packed"
    play([task("gone", "guest", name="packed", state="absent", stop_timeout="5m", force_stop=True)], timeout=1200)
    play([task("image gone", "image", name="packed.raw", pool="default", state="absent", confirm_data_loss=["packed.raw"])])


@pytest.mark.slow
def test_a_guest_of_xen_tools_comes_under_control(play: XenPlayer) -> None:
    dom0 = play.dom0
    listed = dom0.exec(["sh", "-c", "grep -rhE '^(deb|URIs:) ' /etc/apt/sources.list*"]).stdout
    mirror = next(word for word in listed.split() if "://" in word)
    with xen_tools.base().open("rb") as base:
        subprocess.run(dom0.ssh(f"mkdir -p /srv/xen-tools; cat >{BASE}"), stdin=base, timeout=600, check=True)
    dom0.exec(["sh", "-c", XEN_TOOLS.format(mirror=mirror, base=BASE)], timeout=5400)
    look = task("look", "capture", guests=["tools1"], networks=[], pools=[], profiles=False)
    (captured,) = play([look])
    (guest,) = captured["document"]["guests"]
    # pygrub is what a guest without a kernel is booted by.
    assert {"type": "pv", "memory": "256MiB", "cmdline": "root=/dev/xvda2 ro"}.items() <= guest.items()
    assert "bootloader" not in guest and "xml_overlay" not in guest
    assert [(disk["file"].rpartition("/")[2], disk["target"]) for disk in guest["disks"]] == [
        ("disk.img", "xvda2"),
        ("swap.img", "xvda1"),
    ]
    assert guest["nics"][0]["ip"] == "192.168.122.78"
    hold = {"document": captured["document"]}
    results = play([task("hold", "estate", **hold), task("again", "estate", **hold)])
    assert results.named("hold")["summary"]["create"] == 1
    assert not results.named("again").changed and results.named("again")["plan"] == []
    (kept,) = play([task("kept", "guest_info", name=["tools1"])])
    assert kept["guests"][0]["state"] == "stopped"
    play([task("gone", "guest", name="tools1", state="absent")])
