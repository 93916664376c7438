# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection writes into a guest's metadata, and what it makes of what others wrote there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._guest.record import Device, Record, element, read, write
from tests.unit.plugins.module_utils.guest.world import recorded

WEB = Record(
    "demo",
    (
        Device("disk", "root", "vda", "default/web1-root.qcow2", "/base.qcow2"),
        Device("disk", "cdrom", "sda"),
        Device("nic", "lab", "52:54:00:00:00:01", network="lab", address="10.20.0.11"),
    ),
    "abc123",
    {"memory": "2GiB", "disks": [{"name": "root"}]},
)


def test_a_guest_that_nobody_marked_has_no_record() -> None:
    assert read(_xml.parse(recorded("minimal"))) is None
    assert element(_xml.parse(recorded("minimal"))) is None


@pytest.mark.parametrize("name", ["minimal", "typical", "foreign"])
def test_what_is_written_is_read(name: str) -> None:
    root = _xml.parse(recorded(name))
    write(root, WEB)
    assert read(_xml.parse(_xml.to_text(root))) == WEB
    once = _xml.to_text(root)
    write(root, WEB)
    assert _xml.to_text(root) == once


def test_what_is_not_of_the_record_stays() -> None:
    root = _xml.parse(recorded("typical"))
    write(root, WEB)
    assert len(_xml.find_all(root, "metadata/virtfleet:guest/virtfleet:tags/virtfleet:tag")) == 2
    root = _xml.parse(recorded("foreign"))
    write(root, WEB)
    assert _xml.find(root, "metadata/{https://example.org/app}thing/{https://example.org/app}part") is not None


def test_a_shorter_record_leaves_nothing_of_the_longer() -> None:
    root = _xml.parse(recorded("minimal"))
    write(root, WEB)
    write(root, Record())
    assert read(root) == Record()


def test_devices_are_found_by_kind_and_name() -> None:
    found = WEB.device("disk", "root")
    assert found is not None
    assert found.pool_and_name == ("default", "web1-root.qcow2")
    assert WEB.device("nic", "root") is None
    assert Device("disk", "a", "vda").pool_and_name is None
    assert Device("disk", "a", "vda", "odd").pool_and_name == ("odd", "")


@pytest.mark.parametrize(
    "inner",
    [
        "<virtfleet:applied>no json</virtfleet:applied>",
        "<virtfleet:applied>[1]</virtfleet:applied>",
        "<virtfleet:applied/>",
        "<virtfleet:device/>",
        "<virtfleet:device kind='disk' name='' key='' volume=''/>",
        "<virtfleet:seed/>",
        "<virtfleet:later version='9'><virtfleet:x/></virtfleet:later>",
    ],
)
def test_what_others_wrote_is_no_accident(inner: str) -> None:
    """Whoever may edit a guest's XML may edit the record, and a later release may write more."""
    text = f"<domain><metadata><virtfleet:guest xmlns:virtfleet='https://virtfleet.github.io/xml/1'>{inner}</virtfleet:guest></metadata></domain>"
    root = _xml.parse(text)
    found = read(root)
    assert found is not None
    assert found.applied is None
    write(root, found)
    assert read(root) == found
    if "later" in inner:
        assert _xml.find(root, "metadata/virtfleet:guest/virtfleet:later/virtfleet:x") is not None


_WORDS = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=8)
_OPTIONAL = st.none() | _WORDS


@given(
    st.builds(
        Record,
        st.none() | _WORDS.map(str.strip),
        st.lists(st.builds(Device, st.sampled_from(["disk", "nic"]), _WORDS, _WORDS, *[_OPTIONAL] * 4)).map(tuple),
        _OPTIONAL,
        st.none() | st.dictionaries(_WORDS, st.one_of(_WORDS, st.integers(), st.booleans()), min_size=1, max_size=3),
    )
)
def test_every_record_survives_xml(record: Record) -> None:
    root = _xml.parse("<domain/>")
    write(root, record)
    assert read(_xml.parse(_xml.to_text(root))) == record
