# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest of another architecture boots, with nothing said of it but its name for that architecture."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import tiny_arm


def test_a_linux_of_64_bit_arm_boots_and_answers(play: Player, guest_name: str) -> None:
    files = tiny_arm.build().into(play.host.folder)
    options = {
        "name": guest_name,
        "arch": "arm64",
        "memory": "256MiB",
        "kernel": str(files.kernel),
        "initrd": str(files.initrd),
        "cmdline": tiny_arm.CMDLINE,
        "disks": [{"size": "1GiB"}],
        "nics": [{"network": "lab"}],
        "console_log": f"/var/log/libvirt/qemu/{guest_name}-console.log",
        "state": "running",
    }
    assert_idiom(play(idiom("guest", "make", **options)), "make")
    # What it says before somebody listens is in the log only.
    deadline, said = time.monotonic() + 300, ""
    while f"{tiny_arm.READY} aarch64" not in said and time.monotonic() < deadline:
        time.sleep(0.5)
        said = str(play.host.exec(["cat", options["console_log"]], check=False).stdout)
    assert f"{tiny_arm.READY} aarch64" in said, said[-2000:]
    steps = [{"line": "hello"}, {"wait": "heard hello", "timeout": "60s"}, {"line": "off"}, {"capture": "60s"}]
    assert play([task("talk", "console", name=guest_name, steps=steps)])[0]["ended"]
    root = ET.fromstring(play.host.exec(["virsh", "dumpxml", guest_name]).stdout)
    assert root.get("type") == "qemu" and root.find("os/type").get("arch") == "aarch64"
    assert root.find("os/type").get("machine").startswith("virt-")
    assert root.find("devices/graphics") is None
