# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets: what they hold is compared where it can be, and shown nowhere."""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import SecretFacts, Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._network.expand import uuid_for
from ansible_collections.virtfleet.core.plugins.module_utils._render import diff, plan_rows
from ansible_collections.virtfleet.core.plugins.module_utils._secret.options import SECRET_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._secret.plan import plan
from ansible_collections.virtfleet.core.plugins.module_utils._secret.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._secret_module import TABLES, read_secrets, secret_subject
from tests.unit.plugins.module_utils.converging import Kind, changes, ops
from tests.unit.plugins.module_utils.examples import examples
from tests.unit.plugins.module_utils.guest.house import House

SECRET = Kind(SECRET_OPTIONS, secret_subject)
KEY = {"name": "client.a", "usage": "ceph"}
VALUE = "correct-horse-battery"


def shown(made: Plan) -> dict[str, tuple[Any, Any, str]]:
    return changes(SECRET.made(KEY), made)


def held(house: House) -> bytes | None:
    (record,) = house.fake.secret_records.values()
    return record.value


def test_a_new_secret() -> None:
    house = House()
    made = SECRET.twice(house, **KEY, value=VALUE, description="For the cluster")
    assert ops(made) == ["define_secret", "set_secret_value"] and made.effect is Effect.LIVE
    assert shown(made) == {
        "usage": (None, "ceph", "live"),
        "usage_id": (None, "client.a", "live"),
        "description": (None, "For the cluster", "live"),
        "value": (None, "(hidden)", "live"),
        "state": ("absent", "present", "live"),
    }
    facts = house.fake.secrets()["ceph/client.a"]
    assert facts.uuid == uuid_for(house.fake.host(), "secret", "client.a") and held(house) == VALUE.encode()
    assert made.actions[0].key == ("secret", "client.a")


def test_an_estate_is_in_the_uuid() -> None:
    host = House().fake.host()
    (action,) = plan(replace(parse(KEY), estate="prod"), Snapshot(host)).actions
    want = str(uuid.uuid5(uuid.UUID(host.uuid), "prod/secret/ceph/client.a"))
    assert _xml.read(_xml.parse(action.steps[0].args["xml"]), "uuid") == want


@pytest.mark.parametrize(
    ("usage", "path"),
    [("volume", "volume"), ("ceph", "name"), ("iscsi", "target"), ("tls", "name"), ("vtpm", "name")],
)
def test_each_usage(usage: str, path: str) -> None:
    house = House()
    SECRET.twice(house, name="a", usage=usage, usage_id="/srv/x y")
    facts = house.fake.secrets()[f"{usage}//srv/x y"]
    assert _xml.read(_xml.parse(facts.xml), f"usage/{path}") == "/srv/x y"


def test_only_what_was_said_is_compared() -> None:
    house = House()
    SECRET.run(house, **KEY, value=VALUE, description="a", ephemeral=True)
    assert SECRET.plan(house, **KEY).actions == ()
    assert shown(SECRET.twice(house, **KEY, ephemeral=False)) == {"ephemeral": (True, False, "live")}
    assert shown(SECRET.twice(house, **KEY, description="")) == {"description": ("a", "", "live")}
    assert held(house) == VALUE.encode()


def test_a_value_that_can_be_read_is_set_where_it_differs() -> None:
    house = House()
    SECRET.run(house, **KEY)
    assert shown(SECRET.twice(house, **KEY, value=VALUE)) == {"value": (None, "(hidden)", "live")}
    coded = base64.b64encode(VALUE.encode()).decode()
    assert SECRET.plan(house, **KEY, value_base64=f" {coded[:8]}\n{coded[8:]}").actions == ()
    assert SECRET.plan(house, **KEY, value="other", value_policy="on_create").actions == ()
    assert SECRET.plan(house, **KEY, value=VALUE, value_policy="always").actions == ()
    assert shown(SECRET.twice(house, **KEY, value="other")) == {"value": ("(hidden)", "(hidden)", "live")}
    assert held(house) == b"other"


def test_a_private_value_is_set_once_or_always() -> None:
    house = House()
    made = SECRET.twice(house, **KEY, value=VALUE, private=True)
    assert ops(made) == ["define_secret", "set_secret_value", "define_secret"]
    assert [_xml.parse(step.args["xml"]).get("private") for step in made.actions[0].steps if "xml" in step.args] == [
        "no",
        "yes",
    ]
    assert SECRET.plan(house, **KEY, value="other").actions == ()
    for _again in range(2):
        outcomes = SECRET.run(house, **KEY, value="other", value_policy="always")
        assert [outcome.outcome for outcome in outcomes] == ["done"]
        assert outcomes[0].action.changes[0].why == "a private value cannot be compared, and value_policy says always"
    assert held(house) == b"other"


def test_private_is_for_ever() -> None:
    house = House()
    SECRET.run(house, **KEY, value=VALUE)
    made = SECRET.twice(house, **KEY, value="last", private=True)
    assert ops(made) == ["set_secret_value", "define_secret"] and held(house) == b"last"
    with pytest.raises(Conflict, match="never makes a private secret readable again"):
        SECRET.plan(house, **KEY, private=False)


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_interrupted_creation_is_finished(number: int, done: bool) -> None:
    house = House()
    house.fake.fail_at(number, done=done)
    (outcome,) = SECRET.run(house, **KEY, value=VALUE, private=True)
    assert outcome.outcome == "failed" and VALUE not in (outcome.error or "")
    SECRET.run(house, **KEY, value=VALUE, private=True)
    assert held(house) == VALUE.encode()
    assert SECRET.plan(house, **KEY, value=VALUE, private=True).actions == ()


def test_an_ephemeral_secret_comes_again() -> None:
    house = House()
    SECRET.run(house, **KEY, value=VALUE, ephemeral=True)
    house.fake.restart()
    SECRET.twice(house, **KEY, value=VALUE, ephemeral=True)


def test_a_name_stands_for_one_use() -> None:
    house = House()
    SECRET.run(house, **KEY, usage_id="client.b")
    with pytest.raises(Conflict, match="for ceph client.b already.*usage_id: client.b"):
        SECRET.plan(house, **KEY)


def test_a_secret_of_another_hand_is_known_by_its_use() -> None:
    house = House()
    house.fake.define_secret("<secret><usage type='ceph'><name>client.a</name></usage></secret>")
    before = house.fake.secrets()["ceph/client.a"].uuid
    SECRET.twice(house, name="mine", usage="ceph", usage_id="client.a", value=VALUE)
    assert house.fake.secrets()["ceph/client.a"].uuid == before


def test_removal() -> None:
    house = House()
    assert SECRET.plan(house, **KEY, state="absent").actions == ()
    SECRET.run(house, **KEY, value=VALUE)
    gone = SECRET.twice(house, **KEY, state="absent")
    assert ops(gone) == ["undefine_secret"] and gone.effect is Effect.RECREATE


def naming(house: House, device: str) -> None:
    facts = house.fake.secrets()["ceph/client.a"]
    house.fake.define_guest(
        "<domain type='qemu'><name>web1</name><memory unit='MiB'>64</memory><os><type arch='x86_64' machine='q35'>hvm</type>"
        f"</os><devices>{device.format(uuid=facts.uuid)}</devices></domain>"
    )


@pytest.mark.parametrize(
    "device",
    [
        "<disk type='network' device='disk'><source protocol='rbd' name='p/i'><auth username='a'>"
        "<secret type='ceph' usage='client.a'/></auth></source><target dev='vda' bus='virtio'/></disk>",
        "<disk type='file' device='disk'><source file='/x'><encryption format='luks'>"
        "<secret type='passphrase' uuid='{uuid}'/></encryption></source><target dev='vda' bus='virtio'/></disk>",
        "<tpm model='tpm-crb'><backend type='emulator'><encryption secret='{uuid}'/></backend></tpm>",
    ],
)
def test_what_a_guest_names_stays(device: str) -> None:
    house = House()
    SECRET.run(house, **KEY)
    naming(house, device)
    with pytest.raises(Conflict, match="guest web1 could not start without it"):
        SECRET.plan(house, **KEY, state="absent")
    (found,) = read_secrets({"usage": [], "usage_id": []}, house.ports)["secrets"]
    assert found["guests"] == ["web1"]


def test_what_a_pool_names_stays() -> None:
    house = House()
    SECRET.run(house, **KEY)
    house.fake.define_pool(
        "<pool type='rbd'><name>rbd</name><source><name>p</name><auth type='ceph' username='a'>"
        "<secret usage='client.a'/></auth></source><target><path>/x</path></target></pool>"
    )
    with pytest.raises(Conflict, match="pool rbd could not start"):
        SECRET.plan(house, **KEY, state="absent")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": ""}, "^name: "),
        ({"name": "a\nb"}, "^name: "),
        ({"usage": "disk"}, "^usage: "),
        ({"usage_id": "x" * 201}, "^usage_id: "),
        ({"state": "active"}, "^state: "),
        ({"value": ""}, "^value: is empty"),
        ({"value_base64": ""}, "^value_base64: is empty"),
        ({"value_base64": "####"}, "^value_base64: is not base64$"),
        ({"value": "a\ud800"}, "^value: holds what is no text"),
        ({"value": "a", "value_base64": "YQ=="}, "^value_base64: is given beside value"),
        ({"value": "a", "value_policy": "never"}, "^value_policy: "),
        ({"value_policy": "always"}, "^value_policy: there is no value"),
    ],
)
def test_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse({**KEY, **options})


def test_a_value_is_shown_nowhere() -> None:
    house = House()
    coded = base64.b64encode(VALUE.encode()).decode()
    said = []
    for options in ({"value": VALUE}, {"value_base64": coded}, {"value": VALUE + "2"}, {"value": VALUE, "private": True}):
        subject = SECRET.made({**KEY, **options})
        snap = subject.gather(house.ports)
        made = subject.plan(snap)
        progress: list[str] = []
        outcomes = apply(made, house.ports, progress.append)
        spec = parse({**KEY, **options})
        said += [
            repr(spec), repr(made), repr(snap), repr(outcomes), progress, plan_rows(TABLES, made, outcomes),
            diff(TABLES, made), subject.result(house.ports, snap), repr(house.fake.calls),
        ]  # fmt: skip
    said.append(read_secrets({"usage": [], "usage_id": []}, house.ports))
    text = json.dumps(said)
    assert "(hidden)" in text and VALUE not in text and coded not in text


def test_facts_are_silent() -> None:
    assert "hunter2" not in repr(SecretFacts("u", "ceph", "a", "<secret/>", b"hunter2"))


WORDS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["a", "b"]),
        "usage": st.sampled_from(["ceph", "tls"]),
        "usage_id": st.sampled_from([None, "x"]),
        "state": st.sampled_from(["present", "present", "absent"]),
        "description": st.sampled_from([None, "", "words"]),
        "ephemeral": st.sampled_from([None, True, False]),
        "private": st.sampled_from([None, True, False]),
        "value": st.sampled_from([None, "one", "two"]),
    }
)


@settings(max_examples=examples(100))
@given(words=st.lists(WORDS, min_size=1, max_size=5))
def test_whatever_is_said_is_true_at_once_or_refused_before_anything_is_touched(words: list[dict[str, Any]]) -> None:
    house = House()
    for said in words:
        before, asked = house.fake.secrets(), len(house.fake.calls)
        try:
            SECRET.twice(house, **said)
        except VirtError:
            assert house.fake.secrets() == before and len(house.fake.calls) == asked
