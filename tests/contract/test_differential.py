# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Definitions drawn at random come back from the fake as they come back from QEMU's driver."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from tests.contract.definitions import lines
from tests.contract.fake import FakeHypervisor
from tests.contract.places import Place

NAME = "drawn"


@pytest.fixture(scope="module")
def embed(request: pytest.FixtureRequest, opened: Callable[[str, pytest.FixtureRequest], Place]) -> Hypervisor:
    hypervisor: Hypervisor = opened("embed", request).hypervisor
    return hypervisor


@st.composite
def _disks(draw: st.DrawFn, board: str) -> str:
    buses = {
        "vd": "virtio",
        "sd": draw(st.sampled_from(["sata", "scsi", "usb"] if board == "q35" else ["scsi", "usb"])),
    }
    if board == "pc":
        buses["hd"] = "ide"
    found = []
    for prefix, bus in sorted(buses.items()):
        # A third USB device brings a hub with it, which the fake does not know.
        most = 1 if bus == "usb" else 3
        letters = draw(st.lists(st.sampled_from("abcd" if bus == "ide" else "abcdefghi"), unique=True, max_size=most))
        for letter in letters:
            device = draw(st.sampled_from(["disk", "cdrom"])) if bus in ("sata", "ide", "scsi") else "disk"
            given_bus = f" bus='{bus}'" if bus not in ("virtio", "ide") or draw(st.booleans()) else ""
            driver = draw(
                st.sampled_from(["", "<driver name='qemu' type='qcow2'/>", "<driver name='qemu' cache='none'/>"])
            )
            source = f"<source file='/x/{prefix}{letter}'/>" if device == "disk" or draw(st.booleans()) else ""
            found.append(
                f"<disk type='file' device='{device}'>{driver}{source}"
                f"<target dev='{prefix}{letter}'{given_bus}/></disk>"
            )
    return "".join(draw(st.permutations(found)))


@st.composite
def _nics(draw: st.DrawFn) -> str:
    models = draw(st.lists(st.sampled_from(["", "virtio", "e1000", "e1000e", "rtl8139"]), max_size=3))
    return "".join(
        f"<interface type='user'><mac address='52:54:00:AA:00:{number:02d}'/>"
        + (f"<model type='{model}'/>" if model else "")
        + "</interface>"
        for number, model in enumerate(models)
    )


@st.composite
def guests(draw: st.DrawFn) -> str:
    """Draw a guest of an x86 board with devices of the kinds that the collection writes, in any order."""
    board = draw(st.sampled_from(["q35", "pc"]))
    vcpus = draw(st.sampled_from(["", "<vcpu>2</vcpu>", "<vcpu current='1'>4</vcpu>", "<vcpu current='4'>4</vcpu>"]))
    unit = draw(st.sampled_from(["KiB", "MiB", "MB", "k"]))
    size = draw(st.integers(70000, 90000)) if unit[0] in "Kk" else draw(st.integers(60, 90))
    cpu = draw(st.sampled_from(["", "<cpu mode='maximum'/>", "<cpu mode='host-model'/>"]))
    extras = [
        "<serial type='pty'/>",
        "<console type='pty'/>",
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
        "<channel type='unix'><target type='virtio' name='other'/></channel>",
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
        "<memballoon model='none'/>",
        "<controller type='usb' model='none'/>",
        "<controller type='scsi' model='virtio-scsi'/>",
        "<graphics type='vnc'/>",
        "<video><model type='vga'/></video>",
        "<watchdog model='i6300esb'/>",
        "<input type='tablet' bus='usb'/>",
    ]
    devices = draw(st.lists(st.sampled_from(extras), unique=True, max_size=6))
    parts = draw(st.permutations([*devices, draw(_disks(board)), draw(_nics())]))
    return f"""<domain type='qemu'><name>{NAME}</name><memory unit='{unit}'>{size}</memory>{vcpus}
      <os><type arch='x86_64' machine='{board}'>hvm</type></os>{cpu}<devices>{"".join(parts)}</devices></domain>"""


def _outcome(hypervisor: Hypervisor, xml: str) -> tuple[str, str]:
    """Define a guest; return its error's name, or its definition, and that of a second time."""
    try:
        hypervisor.define_guest(xml)
        first = hypervisor.guests([NAME])[NAME].xml
        hypervisor.define_guest(first)
        return first, hypervisor.guests([NAME])[NAME].xml
    except VirtError as error:
        return type(error).__name__, ""
    finally:
        hypervisor.undefine_guest(NAME)


@given(xml=guests())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
def test_the_fake_fills_in_what_libvirt_fills_in(embed: Hypervisor, xml: str) -> None:
    real, fake = _outcome(embed, xml), _outcome(FakeHypervisor(), xml)
    assert [_read(each) for each in fake] == [_read(each) for each in real]


def _read(xml: str) -> list[str]:
    return lines(xml, False) if xml.startswith("<") else [xml]
