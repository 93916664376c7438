# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host in memory, changed by the modules and by others, captured: there is nothing to do on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._errors import VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._estate.capture import Choice, capture, survey
from ansible_collections.virtfleet.core.plugins.module_utils._estate.derived import cleaned, without_secrets
from ansible_collections.virtfleet.core.plugins.module_utils._estate_module import estate_subject
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._network.plan import plan as plan_network
from ansible_collections.virtfleet.core.plugins.module_utils._network.spec import parse as parse_network
from ansible_collections.virtfleet.core.plugins.module_utils._residue import missing
from ansible_collections.virtfleet.core.plugins.module_utils._storage.plan import plan as plan_pool
from ansible_collections.virtfleet.core.plugins.module_utils._storage.spec import parse as parse_pool
from ansible_collections.virtfleet.core.plugins.module_utils._table import located
from tests.unit.plugins.module_utils.estate.hall import Hall, parameters
from tests.unit.plugins.module_utils.estate.hall import document as estate_document
from tests.unit.plugins.module_utils.estate.unfold import unfolded
from tests.unit.plugins.module_utils.examples import examples
from tests.unit.plugins.module_utils.guest.house import House, rows
from tests.unit.plugins.module_utils.guest.options import FOREIGN, guests

steady = settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))
STATES = st.sampled_from(["present", "running", "stopped", "paused"])
NEW = guests(memory=st.sampled_from(["512MiB", "200MB", "2GiB"]), state=STATES)
LATER = guests(state=st.sampled_from(["present", "running", "stopped", "saved"]))


def made(house: House, name: str, options: dict[str, Any]) -> bool:
    try:
        house.run(name=name, **options)
    except VirtError:
        return False
    return True


def captured(house: House, **choice: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    before = house.picture()
    how = Choice(**choice)
    document, residue = capture(survey(house.fake, house.files, how)[0], how)  # type: ignore[arg-type]
    assert house.picture() == before
    return document, residue


def settled(house: House, document: dict[str, Any]) -> None:
    """Hold that each module has nothing to do by its entry of the document."""
    for guest in unfolded(document):
        plan = house.plan(**guest)
        assert rows(plan) == [], (guest, rows(plan))
    subject = estate_subject(parameters(document))
    whole = subject.plan(subject.gather(house.ports))
    assert whole.actions == (), rows(whole)
    snap, _of_xl = survey(house.fake, house.files, Choice())  # type: ignore[arg-type]
    assert all(plan_network(parse_network(entry), snap).actions == () for entry in document["networks"])
    assert all(plan_pool(parse_pool(entry), snap).actions == () for entry in document["pools"])


@steady
@given(st.lists(NEW, min_size=1, max_size=3), st.none() | LATER)
def test_what_the_modules_made_is_captured_whole(made_of: list[dict[str, Any]], later: dict[str, Any] | None) -> None:
    house = House()
    names = [f"web{number}" for number, options in enumerate(made_of) if made(house, f"web{number}", options)]
    assume(names)
    if later is not None:
        made(house, names[0], {**later, "confirm_data_loss": [names[0]]})
    document, residue = captured(house)
    assert [guest["name"] for guest in document["guests"]] == names, residue
    assert [network["name"] for network in document["networks"]] == ["dmz", "lab"]
    assert [pool["name"] for pool in document["pools"]] == ["default", "fast"]
    settled(house, document)
    # And for ever: what it means does not depend on when it is asked.
    assert captured(house) == (document, residue)


@steady
@given(NEW)
def test_an_empty_host_gets_the_same_guest(options: dict[str, Any]) -> None:
    house, other = House(), House()
    options.pop("cloud_init", None)
    assume(made(house, "web1", options))
    document, _residue = captured(house)
    (entry,) = unfolded(document)
    other.run(**entry)
    one, two = (cleaned(without_secrets(host.definition())[0], numbered=True) for host in (house, other))
    assert [piece.xml for piece in missing(one, two, located(GUEST))] == []
    assert [piece.xml for piece in missing(two, one, located(GUEST))] == []
    assert house.fake.guests()["web1"].autostart == other.fake.guests()["web1"].autostart
    assert _xml.read(one, "uuid") == _xml.read(two, "uuid")
    assert {path: file[:3] for path, file in house.picture()[3].items()} == {
        path: file[:3] for path, file in other.picture()[3].items()
    }


@steady
@given(NEW, st.lists(st.sampled_from(FOREIGN), max_size=4, unique_by=str))
def test_what_others_put_into_a_guest_is_kept(options: dict[str, Any], foreign: list[tuple[str, str]]) -> None:
    house = House()
    assume(made(house, "web1", options))
    root = house.definition()
    for path, text in foreign:
        for parent in _xml.find_all(root, path)[:1]:
            parent.append(_xml.parse(text))
    try:
        house.fake.define_guest(_xml.to_text(root))
    except VirtError:
        assume(False)
    document, residue = captured(house)
    settled(house, document)
    said = "".join(left["xml"] for left in residue)
    assert "spicegeheim" not in said and "geheim" not in said


def test_a_reservation_is_said_by_the_nic_that_has_it() -> None:
    house = House()
    made(house, "web1", {"memory": "1GiB", "nics": [{"network": "lab", "address": "10.20.0.11"}]})
    document, _residue = captured(house)
    assert document["guests"] == [
        {"name": "web1", "memory": "1GiB", "nics": [{"network": "lab", "address": "10.20.0.11"}]}
    ]
    assert all("reservations" not in network for network in document["networks"])
    # Without the guest it is the network's.
    document, _residue = captured(house, guests=())
    (lab,) = [network for network in document["networks"] if network["name"] == "lab"]
    assert [(item["address"], item["name"]) for item in lab["reservations"]] == [("10.20.0.11", "web1")]


def test_a_reservation_of_another_name_stays_with_the_network() -> None:
    house = House()
    made(house, "web1", {"memory": "1GiB", "nics": [{"network": "lab", "address": "10.20.0.11"}]})
    text = house.fake.networks(["lab"])["lab"].xml.replace('name="web1"', 'name="shop"')
    house.fake.define_network(text)
    document, _residue = captured(house)
    assert document["guests"][0]["nics"] == [{"network": "lab"}]
    settled(house, document)


def test_patterns_choose() -> None:
    house = House()
    for name in ("web1", "web2", "db1"):
        made(house, name, {"memory": "1GiB"})
    document, _residue = captured(house, guests=("web*",), networks=("d?z",), pools=())
    assert [guest["name"] for guest in document["guests"]] == ["web1", "web2"]
    assert [network["name"] for network in document["networks"]] == ["dmz"]
    assert "pools" not in document


def test_a_disk_of_ours_is_said_in_the_words_that_made_it() -> None:
    house = House()
    disks = [{"image": "debian-12", "size": "20GiB"}, {"name": "data", "size": "1GiB", "format": "raw", "pool": "fast"}]
    made(house, "web1", {"memory": "1GiB", "disks": [*disks, {"cdrom": "/iso/netinst.iso"}]})
    base = "/var/lib/virtfleet/images/debian-12.qcow2"
    house.files.records[base] = {"source": "https://x.test/debian.qcow2", "sha256": "a" * 64}
    document, _residue = captured(house)
    assert document["guests"] == [
        {
            "name": "web1",
            "memory": "1GiB",
            "disks": [
                {"image": "debian-12", "size": "20GiB"},
                {"name": "data", "pool": "fast", "size": "1GiB", "format": "raw"},
                {"cdrom": "/iso/netinst.iso"},
            ],
            "pool": "default",
        }
    ]
    assert document["images"] == [
        {
            "name": "debian-12",
            "pool": "default",
            "source": "https://x.test/debian.qcow2",
            "checksum": f"sha256:{'a' * 64}",
        }
    ]


def test_a_seed_is_left_to_whoever_knows_it() -> None:
    house = House()
    made(house, "web1", {"memory": "1GiB", "cloud_init": {"user_data": {"a": 1}}, "disks": [{"size": "1GiB"}]})
    document, residue = captured(house)
    settled(house, document)
    assert [(left["at"], left["xml"]) for left in residue] == [("cloud_init", "")]


def test_a_password_is_never_said() -> None:
    house = House()
    overlay = [{"at": "devices", "xml": "<graphics type='vnc' passwd='geheim'/>"}]
    made(house, "web1", {"memory": "1GiB", "xml_overlay": overlay})
    document, residue = captured(house)
    assert "geheim" not in repr((document, residue))
    assert [left["at"] for left in residue] == ["devices/graphics[@type='vnc']/@passwd"]
    settled(house, document)


def test_guests_that_cannot_be_said_are_left_whole() -> None:
    house = House()
    made(house, "web1", {"memory": "1GiB", "disks": [{"size": "1GiB"}]})
    house.fake.define_guest(_xml.to_text(house.definition()).replace("web1-root.qcow2", "elsewhere.qcow2"))
    document, residue = captured(house)
    # The disk of ours is another one now: its list stays away, and the guest with it as it is.
    assert "disks" not in document["guests"][0]
    settled(house, document)
    assert any("elsewhere.qcow2" in left["xml"] for left in residue)


def test_over_a_remote_uri_nothing_is_asked_of_files() -> None:
    house = House(remote=True)
    options = {"memory": "1GiB", "disks": [{"image": "debian-12"}, {"cdrom": "/iso/netinst.iso"}], "accel": "tcg"}
    made(house, "web1", options)
    house.files = None  # type: ignore[assignment]
    document, _residue = captured(house)
    assert document["guests"][0]["disks"] == [{"image": "debian-12"}, {"cdrom": "/iso/netinst.iso"}]
    settled(house, document)


def test_a_disk_whose_file_is_gone_is_left_as_it_is() -> None:
    house = House()
    made(house, "web1", {"memory": "1GiB", "nics": [{"network": "lab"}]})
    disk = "<disk type='file' device='cdrom'><source file='/gone.iso'/><target dev='sda' bus='sata'/></disk></devices>"
    house.fake.define_guest(_xml.to_text(house.definition()).replace("</devices>", disk))
    document, residue = captured(house)
    assert "disks" not in document["guests"][0]
    assert "/gone.iso does not exist" in next(left["why"] for left in residue if "gone.iso" in left["xml"])
    settled(house, document)


def test_a_transient_guest_is_left() -> None:
    house = House()
    made(house, "web1", {"memory": "1GiB"})
    snap, _of_xl = survey(house.fake, house.files, Choice())  # type: ignore[arg-type]
    gone = replace(snap, guests={"web1": replace(snap.guests["web1"], persistent=False)})
    document, residue = capture(gone, Choice())
    assert "guests" not in document
    assert [(left["kind"], left["at"]) for left in residue] == [("guest", "")]
    assert "transient" in residue[0]["why"]


def test_a_name_that_no_document_can_hold_is_left() -> None:
    house = House()
    made(house, "web1", {"memory": "1GiB"})
    snap, _of_xl = survey(house.fake, house.files, Choice())  # type: ignore[arg-type]
    name = "w" * 201
    facts = replace(snap.guests["web1"], name=name)
    document, residue = capture(replace(snap, guests={name: facts}), Choice())
    assert "guests" not in document and "too long" in residue[0]["why"]


def test_a_whole_estate_comes_back_as_a_document_with_nothing_to_do() -> None:
    hall = Hall()
    made = estate_document(
        secrets=[{"name": "ceph", "usage": "ceph", "value": "hush-hush", "private": True}, {"name": "open", "value": "hush"}],
        nwfilters=[
            {"name": "inner", "rules": [{"action": "drop", "direction": "in", "protocol": "tcp"}]},
            {"name": "outer", "filters": [{"name": "inner"}], "chain": "ipv4"},
        ],
    )
    hall.make(made)
    document, residue = captured(hall)
    assert "hush" not in str(document)
    assert [entry["name"] for entry in document["secrets"]] == ["ceph", "open"]
    assert [entry["name"] for entry in document["nwfilters"]] == ["inner", "outer"]
    assert {entry["name"] for entry in document["guests"]} == {"web1", "web2", "web3", "db1"}
    assert [row for row in residue if row["kind"] in ("secret", "nwfilter")] == []
    settled(hall, document)
