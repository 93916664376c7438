# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes: what is made, what is grown, and what is never lost without a word."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import (
    Conflict,
    NotFound,
    SpecError,
    Unsupported,
    VirtError,
)
from ansible_collections.virtfleet.core.plugins.module_utils._volume.options import RUN_OPTIONS, VOLUME_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._volume.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._volume_module import read_volumes, volume_subject
from tests.unit.plugins.module_utils.converging import Kind, changes, ops
from tests.unit.plugins.module_utils.examples import examples
from tests.unit.plugins.module_utils.guest.house import FAST, GIB, IMAGES, House

VOLUME = Kind({**VOLUME_OPTIONS, **RUN_OPTIONS}, volume_subject)
NAME = "data.qcow2"


def shown(plan: Plan) -> dict[str, tuple[Any, Any, str]]:
    return changes(VOLUME.made({"name": NAME}), plan)


def defined(house: House, devices: str = "", os: str = "") -> None:
    house.fake.define_guest(
        "<domain type='qemu'><name>web1</name><memory unit='MiB'>64</memory>"
        f"<os><type arch='x86_64' machine='q35'>hvm</type>{os}</os><devices>{devices}</devices></domain>"
    )


def disk(source: str) -> str:
    return f"<disk type='file' device='disk'><source {source}/><target dev='vda' bus='virtio'/></disk>"


def test_a_new_volume() -> None:
    house = House()
    made = VOLUME.twice(house, name=NAME, size="5GiB")
    assert ops(made) == ["create_volume"] and made.effect is Effect.LIVE
    assert [action.key for action in made.actions] == [("volume", f"default/{NAME}")]
    assert shown(made) == {
        "format": (None, "qcow2", "live"), "size": (None, "5GiB", "live"), "state": ("absent", "present", "live"),
    }  # fmt: skip
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and (found.format, found.capacity) == ("qcow2", 5 * GIB)
    VOLUME.twice(house, name="a.img", size="1GB", pool="fast")
    found = house.fake.file_at(f"{FAST}/a.img")
    assert found is not None and (found.format, found.capacity) == ("raw", 1_000_000_000)


def test_sizes_are_whole_sectors() -> None:
    house = House()
    VOLUME.twice(house, name=NAME, size="1000001B")
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and found.capacity == 1000448


@pytest.mark.parametrize("backing", ["debian-12", "debian-12.qcow2", f"{IMAGES}/debian-12.qcow2"])
def test_an_overlay(backing: str) -> None:
    house = House()
    made = VOLUME.twice(house, name=NAME, backing=backing)
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and (found.backing, found.backing_format) == (f"{IMAGES}/debian-12.qcow2", "qcow2")
    assert found.capacity == 2 * GIB and shown(made)["backing"] == (None, f"{IMAGES}/debian-12.qcow2", "live")


def test_an_overlay_on_a_file_elsewhere() -> None:
    house = House()
    VOLUME.twice(house, name=NAME, backing="/data/old.qcow2", size="8GiB")
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and (found.backing, found.capacity) == ("/data/old.qcow2", 8 * GIB)


def test_what_there_is_counts_only_where_something_was_said_of_it() -> None:
    house = House()
    assert VOLUME.plan(house, name="debian-12.qcow2").actions == ()
    assert VOLUME.plan(house, name="debian-12.qcow2", format="qcow2", size="2GiB").actions == ()
    assert VOLUME.plan(house, name="debian-12.qcow2", source="/data/old.qcow2").actions == ()


def test_growth() -> None:
    house = House()
    grown = VOLUME.twice(house, name="debian-12.qcow2", size="3GiB")
    assert ops(grown) == ["resize_volume"] and shown(grown) == {"size": ("2GiB", "3GiB", "live")}


@pytest.mark.parametrize("state", ["running", "saved", "stopped"])
def test_a_volume_in_use_is_grown_by_its_guest(state: str) -> None:
    house = House()
    defined(house, disk(f"file='{IMAGES}/debian-12.qcow2'"))
    if state != "stopped":
        house.fake.start_guest("web1")
    if state == "saved":
        house.fake.save_guest("web1")
    if state == "stopped":
        assert ops(VOLUME.plan(house, name="debian-12.qcow2", size="3GiB")) == ["resize_volume"]
        return
    with pytest.raises(Conflict, match=f"web1, which is {state}: give the size to that guest's disk"):
        VOLUME.plan(house, name="debian-12.qcow2", size="3GiB")


LOSSES: list[dict[str, Any]] = [{"size": "1GiB"}, {"format": "raw", "size": "2GiB"}, {"backing": "debian-13"}]


@pytest.mark.parametrize("said", LOSSES)
def test_a_loss_needs_consent(said: dict[str, Any]) -> None:
    house = House()
    with pytest.raises(Conflict, match=r"would be lost.*add 'debian-12.qcow2' to confirm_data_loss"):
        VOLUME.plan(house, name="debian-12.qcow2", **said)
    made = VOLUME.twice(house, name="debian-12.qcow2", confirm_data_loss=["debian-12.qcow2"], **said)
    assert made.effect is Effect.DATA_LOSS and ops(made) == ["delete_volume", "create_volume"]
    assert made.actions[0].action == "replace"


def test_removal() -> None:
    house = House()
    assert VOLUME.plan(house, name=NAME, state="absent").actions == ()
    assert VOLUME.plan(house, name=NAME, pool="none", state="absent").actions == ()
    with pytest.raises(Conflict, match="with all that is in it"):
        VOLUME.plan(house, name="debian-12.qcow2", state="absent", confirm_data_loss=["fast/debian-12.qcow2"])
    gone = VOLUME.twice(house, name="debian-12.qcow2", state="absent", confirm_data_loss=["default/debian-12.qcow2"])
    assert gone.effect is Effect.DATA_LOSS and house.fake.file_at(f"{IMAGES}/debian-12.qcow2") is None


@pytest.mark.parametrize(
    ("devices", "os"),
    [
        (disk(f"file='{IMAGES}/debian-12.qcow2'"), ""),
        (disk("pool='default' volume='debian-12.qcow2'").replace("type='file'", "type='volume'"), ""),
        ("", f"<kernel>{IMAGES}/debian-12.qcow2</kernel>"),
    ],
)
@pytest.mark.parametrize("said", [{"state": "absent"}, {"size": "1GiB"}])
def test_what_a_guest_uses_is_not_lost(devices: str, os: str, said: dict[str, Any]) -> None:
    house = House()
    defined(house, devices, os)
    with pytest.raises(Conflict, match="guest web1 uses it"):
        VOLUME.plan(house, name="debian-12.qcow2", confirm_data_loss=["debian-12.qcow2"], **said)


def test_what_another_volume_stands_on_is_not_lost() -> None:
    house = House()
    VOLUME.run(house, name="top.qcow2", pool="fast", backing=f"{IMAGES}/debian-12.qcow2")
    defined(house, disk(f"file='{FAST}/top.qcow2'"))
    with pytest.raises(Conflict, match=rf"{FAST}/top.qcow2 stands on it \(used by guest web1\)"):
        VOLUME.plan(house, name="debian-12.qcow2", state="absent", confirm_data_loss=["debian-12.qcow2"])


def test_an_overlay_that_libvirt_has_not_seen_counts() -> None:
    house = House()
    house.fake.put_file(f"{FAST}/new.qcow2", "qcow2", GIB, backing=f"{IMAGES}/debian-12.qcow2")
    with pytest.raises(Conflict, match=f"{FAST}/new.qcow2 stands on it"):
        VOLUME.plan(house, name="debian-12.qcow2", state="absent", confirm_data_loss=["debian-12.qcow2"])


def test_a_file_that_libvirt_has_not_seen_is_not_written_over() -> None:
    house = House()
    house.fake.put_file(f"{IMAGES}/{NAME}", "qcow2", GIB, data=b"precious")
    seen = VOLUME.twice(house, name=NAME, source="/data/old.qcow2", size="2GiB")
    assert ops(seen) == ["refresh_pool", "resize_volume"]
    assert shown(seen)["pool"] == (None, "default", "live")
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and found.data == b"precious"


# content

SOURCE = "/srv/appliance.qcow2"


def sourced() -> House:
    house = House()
    house.fake.put_file(SOURCE, "qcow2", 4 * GIB, data=b"bytes")
    return house


def test_a_source_is_uploaded_once() -> None:
    house = sourced()
    made = VOLUME.twice(house, name=NAME, source=SOURCE, size="6GiB")
    assert ops(made) == [
        "create_volume", "create_volume", "upload_file", "refresh_pool", "resize_volume", "delete_volume",
    ]  # fmt: skip
    assert shown(made)["format"] == (None, "qcow2", "live") and shown(made)["size"] == (None, "6GiB", "live")
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and (found.format, found.capacity, found.data) == ("qcow2", 6 * GIB, b"bytes")
    assert house.fake.file_at(f"{IMAGES}/{NAME}.uploading") is None
    source = house.fake.file_at(SOURCE)
    assert source is not None
    source.data = b"later"
    assert VOLUME.plan(house, name=NAME, source=SOURCE, size="6GiB").actions == ()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("number", range(1, 7))
def test_an_interrupted_upload_is_finished(number: int, done: bool) -> None:
    house = sourced()
    house.fake.fail_at(number, done=done)
    (outcome,) = VOLUME.run(house, name=NAME, source=SOURCE, size="6GiB")
    assert outcome.outcome == "failed"
    VOLUME.run(house, name=NAME, source=SOURCE, size="6GiB")
    assert VOLUME.plan(house, name=NAME, source=SOURCE, size="6GiB").actions == ()
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and (found.format, found.capacity, found.data) == ("qcow2", 6 * GIB, b"bytes")
    assert house.fake.file_at(f"{IMAGES}/{NAME}.uploading") is None


def test_a_half_made_volume_needs_its_source_or_goes() -> None:
    house = sourced()
    house.fake.fail_at(3)
    VOLUME.run(house, name=NAME, source=SOURCE)
    with pytest.raises(Conflict, match="cut short"):
        VOLUME.plan(house, name=NAME, size="6GiB")
    VOLUME.twice(house, name=NAME, state="absent", confirm_data_loss=[NAME])
    assert [name for name in house.fake.folders[IMAGES] if name.startswith(NAME)] == []


def test_replaced_by_a_source() -> None:
    house = sourced()
    VOLUME.run(house, name=NAME, size="9GiB")
    VOLUME.twice(house, name=NAME, source=SOURCE, size="5GiB", confirm_data_loss=[NAME])
    found = house.fake.file_at(f"{IMAGES}/{NAME}")
    assert found is not None and (found.capacity, found.data) == (5 * GIB, b"bytes")


def test_sources_that_are_refused() -> None:
    house = sourced()
    house.fake.put_file("/srv/b.vmdk", "vmdk", GIB)
    house.fake.put_file("/srv/part.qcow2", "qcow2", GIB, backing=SOURCE)
    with pytest.raises(NotFound, match="there is no file /srv/none"):
        VOLUME.plan(house, name=NAME, source="/srv/none")
    with pytest.raises(SpecError, match="is vmdk, not qcow2 or raw"):
        VOLUME.plan(house, name=NAME, source="/srv/b.vmdk")
    with pytest.raises(SpecError, match="is qcow2, not raw"):
        VOLUME.plan(house, name=NAME, source=SOURCE, format="raw")
    with pytest.raises(SpecError, match="less than the disk in"):
        VOLUME.plan(house, name=NAME, source=SOURCE, size="1GiB")
    with pytest.raises(Conflict, match=f"needs the file {SOURCE}"):
        VOLUME.plan(house, name=NAME, source="/srv/part.qcow2")


def test_over_a_remote_uri() -> None:
    house = House(remote=True)
    VOLUME.twice(house, name=NAME, backing=f"{FAST}/scratch.raw")
    with pytest.raises(Unsupported, match=r"data2.*does not reach"):
        VOLUME.plan(house, name="data2", source="/srv/x")
    with pytest.raises(Conflict, match=f"{IMAGES}/{NAME} stands on it"):
        VOLUME.plan(house, name="scratch.raw", pool="fast", state="absent", confirm_data_loss=["scratch.raw"])


# what is refused


def test_pools_that_cannot_hold_it() -> None:
    house = House()
    with pytest.raises(NotFound, match=r"no pool 'defalt', did you mean 'default'\?"):
        VOLUME.plan(house, name=NAME, pool="defalt", size="1GiB")
    house.fake.stop_pool("fast")
    with pytest.raises(Conflict, match=r"pool fast is not active.*state: active"):
        VOLUME.plan(house, name=NAME, pool="fast", size="1GiB")
    house.fake.define_pool("<pool type='logical'><name>vg</name><target><path>/dev/vg</path></target></pool>")
    with pytest.raises(Unsupported, match="of type logical"):
        VOLUME.plan(house, name=NAME, pool="vg", size="1GiB")


def test_backings_that_cannot_be() -> None:
    house = House()
    with pytest.raises(NotFound, match=r"no debian-1 in the pool default, did you mean 'debian-1"):
        VOLUME.plan(house, name=NAME, backing="debian-1")
    with pytest.raises(NotFound, match="no /srv/none;"):
        VOLUME.plan(house, name=NAME, backing="/srv/none")
    with pytest.raises(SpecError, match="less than"):
        VOLUME.plan(house, name=NAME, backing="debian-12", size="1GiB")
    with pytest.raises(SpecError, match="cannot stand on itself"):
        VOLUME.plan(house, name="debian-12.qcow2", backing="debian-12")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "size: is missing"),
        ({"size": "5"}, "size: '5' is not a size"),
        ({"size": "0GiB"}, "size: "),
        ({"name": "a/b"}, "name: "),
        ({"name": "a.part"}, r"name: 'a.part' ends in \.part"),
        ({"name": "a.uploading"}, "name: "),
        ({"pool": "a/b"}, "pool: "),
        ({"format": "vmdk"}, "format: "),
        ({"state": "gone"}, "state: "),
        ({"source": "relative"}, "source: "),
        ({"backing": "a/b"}, "backing: "),
        ({"backing": "debian-12", "format": "raw"}, "backing: a raw volume"),
        ({"backing": "debian-12", "source": "/srv/x"}, "backing: .* not both"),
    ],
)
def test_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        VOLUME.plan(House(), **{"name": NAME, **options})


def test_all_complaints_at_once() -> None:
    with pytest.raises(SpecError) as error:
        parse({"name": "a/b", "size": "5", "format": "x"})
    assert [problem.partition(":")[0] for problem in error.value.problems] == ["name", "format", "size"]


def test_who_uses_a_volume() -> None:
    house = House()
    VOLUME.run(house, name=NAME, backing="debian-12")
    defined(house, disk(f"file='{IMAGES}/{NAME}'"))
    (found,) = read_volumes({"name": ["debian-12.qcow2"], "pool": []}, house.ports)["volumes"]
    assert (found["overlays"], found["guests"]) == ([f"{IMAGES}/{NAME}"], ["web1"])
    assert (found["pool"], found["size"], found["state"]) == ("default", "2GiB", "present")
    listed = read_volumes({"name": [], "pool": ["fast"]}, house.ports)["volumes"]
    assert [item["name"] for item in listed] == ["scratch.raw"]


SIZES = st.sampled_from([None, "1GiB", "3GiB", "5GiB"])


@settings(max_examples=examples(60))
@given(
    words=st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["a.qcow2", "b.raw", "debian-12.qcow2"]),
                "state": st.sampled_from(["present", "present", "absent"]),
                "size": SIZES,
                "format": st.sampled_from([None, "qcow2", "raw"]),
                "backing": st.sampled_from([None, None, "debian-13"]),
                "source": st.sampled_from([None, None, SOURCE]),
                "confirm_data_loss": st.sampled_from([[], ["a.qcow2"], ["a.qcow2", "b.raw"]]),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_said_is_true_at_once_or_refused_before_anything_is_touched(words: list[dict[str, Any]]) -> None:
    house = sourced()
    for said in words:
        before, asked = house.picture(), len(house.fake.calls)
        try:
            VOLUME.twice(house, **said)
        except VirtError:
            assert house.picture() == before and len(house.fake.calls) == asked


def test_a_source_keeps_its_length_for_the_volume() -> None:
    """What is written needs room in pools that keep to it."""
    house = House()
    house.fake.put_file(SOURCE, "qcow2", 4 * GIB, data=bytes(1000))
    made = VOLUME.plan(house, name=NAME, source=SOURCE)
    sizes = [_xml.read(_xml.parse(step.args["xml"]), "capacity") for step in made.actions[0].steps[:2]]
    assert sizes == ["512", "1000"]


def test_a_copy_of_another_volume() -> None:
    house = House()
    made = VOLUME.twice(house, name="copy.raw", pool="fast", clone="default/debian-12.qcow2", size="30GiB")
    assert ops(made) == ["create_volume", "clone_volume", "resize_volume", "delete_volume"]
    assert shown(made)["clone"] == (None, "default/debian-12.qcow2", "live")
    found = house.fake.file_at(f"{FAST}/copy.raw")
    assert found is not None and (found.format, found.capacity, found.backing) == ("raw", 30 * GIB, None)
    assert ops(VOLUME.plan(house, name="same.qcow2", clone="debian-12.qcow2"))[-1] == "delete_volume"
    assert house.fake.file_at(f"{FAST}/copy.raw.uploading") is None


def test_a_copy_that_was_cut_short_is_made_again() -> None:
    house = House()
    options = {"name": "copy.qcow2", "clone": "debian-12.qcow2"}
    house.fake.create_volume("default", "<volume><name>copy.qcow2.uploading</name><capacity>512</capacity></volume>")
    house.fake.create_volume("default", "<volume><name>copy.qcow2</name><capacity>512</capacity></volume>")
    assert ops(VOLUME.plan(house, **options)) == ["delete_volume", "create_volume", "clone_volume", "delete_volume"]
    with pytest.raises(Conflict, match="holds a part only"):
        VOLUME.plan(house, name="third.qcow2", clone="copy.qcow2")
    VOLUME.twice(house, **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clone": "none.qcow2"}, "there is no volume none.qcow2 in the pool default"),
        ({"clone": "nopool/debian-12.qcow2"}, "in the pool nopool"),
        ({"clone": "debian-12.qcow2", "size": "1MiB"}, "of which it is a copy"),
        ({"clone": NAME}, "a copy of itself"),
        ({"clone": "a/b/c"}, "clone: "),
        ({"clone": "debian-12.qcow2", "backing": "debian-12"}, "or has a backing, not both"),
        ({"clone": "debian-12.qcow2", "source": "/x"}, "or has a source, not both"),
    ],
)
def test_copies_that_cannot_be(options: dict[str, str], words: str) -> None:
    with pytest.raises((NotFound, SpecError), match=words):
        VOLUME.plan(House(), name=NAME, **options)


def test_nothing_is_copied_while_a_guest_writes_to_it() -> None:
    house = House()
    VOLUME.twice(house, name=NAME, size="1GiB")
    defined(house, disk(f"file='{IMAGES}/{NAME}'"))
    assert VOLUME.plan(house, name="copy.qcow2", clone=NAME).actions
    house.fake.start_guest("web1")
    with pytest.raises(Conflict, match="guest web1 writes to default/data.qcow2"):
        VOLUME.plan(house, name="copy.qcow2", clone=NAME)


def test_zeros_are_written_before_a_volume_goes() -> None:
    house = House()
    VOLUME.twice(house, name=NAME, size="1GiB")
    with pytest.raises(Conflict, match="confirm_data_loss"):
        VOLUME.plan(house, name=NAME, state="absent", wipe=True)
    assert VOLUME.plan(house, name=NAME, wipe=True).actions == (), "nothing that stays is wiped"
    options = {"name": NAME, "wipe": True, "confirm_data_loss": [NAME]}
    assert ops(VOLUME.plan(house, **options, size="1MiB")) == ["wipe_volume", "delete_volume", "create_volume"]
    assert ops(VOLUME.twice(house, **options, state="absent")) == ["wipe_volume", "delete_volume"]


KEY = "11111111-1111-1111-1111-111111111111"


def keyed(usage_id: str, house: House | None = None) -> House:
    house = house or House()
    house.fake.define_secret(
        f"<secret ephemeral='no' private='yes'><uuid>{KEY}</uuid><usage type='volume'><volume>{usage_id}</volume></usage></secret>"
    )
    house.fake.set_secret_value(KEY, b"pass word")
    return house


MADE = {"cluster_size": "128KiB", "lazy_refcounts": True, "compat": "1.1", "preallocation": "metadata", "luks_secret": "key"}


def test_how_it_is_made() -> None:
    house = keyed("key")
    made = VOLUME.twice(house, name=NAME, size="1GiB", **MADE)
    assert shown(made)["cluster_size"] == (None, "128KiB", "live")
    facts = house.fake.volumes("default")[NAME]
    assert (facts.cluster_bytes, facts.lazy_refcounts, facts.compat, facts.encrypted) == (128 << 10, True, "1.1", True)
    assert house.fake.calls[-1][1][-1] is True, "preallocated"
    assert VOLUME.plan(house, name=NAME, preallocation="falloc").actions == ()
    for option, other in (("cluster_size", "64KiB"), ("lazy_refcounts", False), ("compat", "0.10")):
        said = {"name": NAME, "size": "1GiB", "luks_secret": "key", option: other}
        with pytest.raises(Conflict, match=rf"would be made anew, and what it holds would be lost \({option}"):
            VOLUME.plan(house, **said)
        assert VOLUME.plan(house, **said, confirm_data_loss=[NAME]).actions[0].effect is Effect.DATA_LOSS


@pytest.mark.parametrize(
    ("options", "allocation", "flagged"),
    [
        ({"preallocation": "falloc"}, GIB, True),
        ({"preallocation": "metadata"}, 0, True),
        ({"preallocation": "off"}, 0, False),
        ({"format": "raw", "preallocation": "falloc"}, GIB, False),
    ],
)
def test_preallocation(options: dict[str, Any], allocation: int, flagged: bool) -> None:
    house = House()
    VOLUME.twice(house, name="a", size="1GiB", **options)
    assert house.fake.volumes("default")["a"].allocation_bytes == allocation
    assert (house.fake.calls[-1][1][-1] is True) is flagged


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "raw", "cluster_size": "64KiB"}, "cluster_size: an image of format raw is not made so"),
        ({"format": "raw", "preallocation": "metadata"}, "preallocation: a raw image has no metadata"),
        ({"preallocation": "full"}, "preallocation: libvirt makes no volume so; say one of off, metadata, falloc"),
        ({"backing": "debian-12", "preallocation": "falloc"}, "preallocation: falloc does not go with backing"),
        ({"compat": "0.10", "lazy_refcounts": True}, "lazy_refcounts: true does not go with compat 0.10"),
        ({"source": "/data/old.qcow2", "cluster_size": "64KiB"}, "cluster_size: does not go with source"),
        ({"clone": "debian-12.qcow2", "preallocation": "falloc"}, "preallocation: does not go with clone"),
    ],
)
def test_what_does_not_go_together(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse({"name": "a", **options})
    (problem,) = caught.value.problems
    assert problem.startswith(said)


def test_an_encrypted_volume() -> None:
    with pytest.raises(NotFound, match="luks_secret: there is no secret 'kay' of usage volume"):
        VOLUME.plan(keyed("key"), name="a", size="1GiB", luks_secret="kay")
    house = keyed("key")
    VOLUME.twice(house, name="a", size="1GiB", luks_secret="key")
    with pytest.raises(Conflict, match="only where a secret of usage volume has the usage_id /var/lib/virtfleet/images/a"):
        VOLUME.plan(house, name="a", size="2GiB")
    with pytest.raises(Conflict, match="is encrypted and cannot be made anew without being encrypted"):
        VOLUME.plan(house, name="a", size="512MiB", confirm_data_loss=["a"])
    with pytest.raises(Unsupported, match="clone: default/a is encrypted"):
        VOLUME.plan(house, name="b", clone="a")
    with pytest.raises(Unsupported, match="backing: .*/a is encrypted"):
        VOLUME.plan(house, name="b", backing="a")
    path = f"{IMAGES}/b"
    house = keyed(path)
    VOLUME.twice(house, name="b", size="1GiB", luks_secret=path)
    assert ops(VOLUME.twice(house, name="b", size="2GiB")) == ["resize_volume"]
    VOLUME.twice(house, name="plain", size="1GiB")
    with pytest.raises(Conflict, match="luks_secret: None, not /var"):
        VOLUME.plan(house, name="plain", luks_secret=path)
    VOLUME.twice(house, name="c", clone="plain", luks_secret=path)
    assert house.fake.volumes("default")["c"].encrypted
