# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations for xl are written from the words of guests, once, and not over libvirt's head."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError, Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._xl_module import xl_config_subject
from tests.unit.plugins.module_utils.guest.house import House

GUEST: dict[str, Any] = {"name": "old1", "memory": "1GiB", "disks": [{"file": "/data/old.qcow2"}]}
PATH = "/etc/xen/old1.cfg"


@pytest.fixture
def house() -> House:
    return House(xen=("pv", "hvm", "pvh"))


def planned(house: House, guest: dict[str, Any], **options: Any) -> Plan:
    subject = xl_config_subject({"state": "present", "path": None, "guest": guest, **options})
    return subject.plan(subject.gather(house.ports))


def made(house: House, guest: dict[str, Any], **options: Any) -> Plan:
    plan = planned(house, guest, **options)
    assert {outcome.outcome for outcome in apply(plan, house.ports)} <= {"done"}
    assert planned(house, guest, **options).actions == ()
    return plan


def test_written_once(house: House) -> None:
    (action,) = made(house, GUEST).actions
    assert (action.kind, action.name, action.action) == ("xl_config", "old1", "create")
    assert house.files.configs[PATH][0].startswith('name = "old1"')
    # libvirt has no part in it but the conversion.
    assert house.fake.calls == [] and house.fake.guests() == {}


def test_a_change_is_written_and_what_starts_with_the_host_is_a_link(house: House) -> None:
    made(house, GUEST)
    (action,) = made(house, {**GUEST, "vcpus": 2}).actions
    assert [change.path for change in action.changes] == [("config",)]
    (action,) = made(house, {**GUEST, "vcpus": 2, "autostart": True}).actions
    assert [step.op for step in action.steps] == ["files.set_xl_autostart"]
    assert house.files.configs[PATH][1] is True


def test_gone_with_its_link(house: House) -> None:
    made(house, {**GUEST, "autostart": True}, path="/srv/old1.cfg")
    (action,) = made(house, {"name": "old1"}, path="/srv/old1.cfg", state="absent").actions
    assert [step.op for step in action.steps] == ["files.set_xl_autostart", "files.remove_xl_config"]
    assert house.files.configs == {}


@pytest.mark.parametrize(
    ("guest", "said"),
    [
        ({"disks": [{"size": "1GiB"}]}, r"guest.disks\[0\].size: xl_config writes a configuration and makes no disk"),
        ({"disks": [{"image": "debian-12"}]}, r"guest.disks\[0\].image: xl_config writes"),
        ({"cloud_init": {"user_data": {}}}, "guest.cloud_init: a configuration has none"),
        ({"state": "running"}, "guest.state: a configuration has none"),
        ({"vpcus": 2}, "guest.vpcus: no such option; did you mean vcpus"),
        ({"kernel": "/gone"}, "kernel: /gone does not exist on the host"),
        ({"memory": None}, "memory: needed to make the guest old1"),
    ],
)
def test_what_cannot_be(house: House, guest: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        planned(house, {**GUEST, **guest})
    assert house.files.configs == {}


def test_one_guest_has_one_tool(house: House) -> None:
    house.run(name="old1", memory="1GiB")
    with pytest.raises(Conflict, match="libvirt has a guest of this name"):
        planned(house, GUEST)


def test_only_on_the_xen_host_itself() -> None:
    with pytest.raises(Unsupported, match="is no Xen host"):
        planned(House(), GUEST)
    with pytest.raises(Unsupported, match="run the task there"):
        planned(House(xen=("pv",), remote=True), GUEST)


def test_the_path_is_absolute(house: House) -> None:
    with pytest.raises(SpecError, match="path: 'old1.cfg' is not an absolute path"):
        planned(house, GUEST, path="old1.cfg")
