# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs a new guest: libvirt's offer, the verdict of a look at the host, and the user's word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._change import Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._gather import gather_guests
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import Options, plan
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from tests.unit.plugins.module_utils.guest.house import LIES, House

PLAIN: dict[str, Any] = {"memory": "1GiB"}


def house(lies: bool = False, **how: Any) -> House:
    made = House(**how)
    if lies:
        made.files.verdict = LIES
    return made


def kind(made: House) -> str | None:
    return made.definition().get("type")


@pytest.mark.parametrize(
    ("how", "options", "type", "looks"),
    [
        ({}, {}, "kvm", 1),
        ({}, {"accel": "auto"}, "kvm", 1),
        ({}, {"accel": "kvm"}, "kvm", 1),
        ({"lies": True}, {}, "qemu", 1),
        ({"lies": True}, {"accel": "auto"}, "qemu", 1),
        # Where nothing hangs on it nobody looks.
        ({}, {"accel": "tcg"}, "qemu", 0),
        ({"lies": True}, {"accel": "tcg"}, "qemu", 0),
        ({"domain_types": ("qemu",)}, {}, "qemu", 0),
        ({}, {"arch": "i686"}, "qemu", 0),
        # Over a remote connection libvirt's word counts.
        ({"remote": True, "lies": True}, {}, "kvm", 0),
        ({"remote": True, "lies": True}, {"accel": "kvm"}, "kvm", 0),
    ],
)
def test_what_a_new_guest_runs_by(how: dict[str, Any], options: dict[str, Any], type: str, looks: int) -> None:
    made = house(**how)
    made.run(**PLAIN, **options)
    assert (kind(made), made.files.looks) == (type, looks)


@pytest.mark.parametrize("lies", [False, True])
@pytest.mark.parametrize("accel", [{}, {"accel": "auto"}, {"accel": "kvm"}])
def test_a_guest_that_is_there_is_neither_looked_at_nor_changed(lies: bool, accel: dict[str, Any]) -> None:
    made = house()
    made.run(**PLAIN, accel="kvm")
    made.files.verdict = LIES if lies else made.files.verdict
    before = made.files.looks
    assert made.plan(**PLAIN, **accel).actions == ()
    assert "accel" not in str(made.plan(memory="2GiB", **accel).warnings)
    assert made.plan(state="absent").actions != ()
    assert made.files.looks == before


def test_a_guest_that_is_not_there_and_shall_not_be_needs_no_look() -> None:
    made = house()
    assert made.plan(state="absent").actions == () and made.files.looks == 0


def test_the_warning_says_why_and_what_to_do() -> None:
    (warning,) = house(lies=True).plan(**PLAIN).warnings
    assert warning.startswith("New guests are emulated, although libvirt offers KVM.")
    assert LIES.reason in warning and LIES.advice in warning
    # Whoever said it need not be told.
    assert house(lies=True).plan(**PLAIN, accel="tcg").warnings == ()
    assert house().plan(**PLAIN).warnings == ()
    assert house(lies=True, domain_types=("qemu",)).plan(**PLAIN).warnings == ()


def test_many_guests_are_one_look_and_one_warning() -> None:
    made = house(lies=True)
    specs = [parse({"name": f"g{number}", **PLAIN}) for number in range(3)]
    snap = gather_guests(made.ports.hypervisor, made.ports.files, specs)
    whole = Plan()
    for spec in specs:
        whole = whole.joined(plan(spec, snap, Options()))
    assert made.files.looks == 1 and len(whole.actions) == 3 and len(whole.warnings) == 1


def test_kvm_by_name_is_refused_where_guests_do_not_run_by_it() -> None:
    made = house(lies=True)
    with pytest.raises(SpecError) as caught:
        made.run(**PLAIN, accel="kvm", disks=[{"size": "1GiB"}])
    said = str(caught.value)
    assert "guest web1: accel: guests would not run by kvm" in said and LIES.reason in said and LIES.advice in said
    assert "fresh: true" in said and "VIRTFLEET_ACCELERATOR" in said
    assert made.fake.calls == [] and made.fake.guests() == {}


def test_it_goes_on_once_the_verdict_is_another() -> None:
    made = house(lies=True)
    with pytest.raises(SpecError):
        made.run(**PLAIN, accel="kvm")
    made.files.verdict = replace(LIES, verdict="kvm", kind="nested")
    made.run(**PLAIN, accel="kvm")
    assert kind(made) == "kvm"
