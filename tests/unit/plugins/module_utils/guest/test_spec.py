# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's words about a guest: what they come to, and what is said against them before any host is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import GuestSpec, check_name, parse
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Overlay

GIB = 1 << 30
EXACT = ("disks", "nics", "hostdevs", "filesystems", "memory_modules", "serials", "parallels", "consoles", "channels")


def read(**options: Any) -> GuestSpec:
    return parse({"name": "web1", **options})


def test_a_name_alone_is_a_spec() -> None:
    assert read() == GuestSpec("web1", exact=dict.fromkeys(EXACT, False))


def test_what_ansible_leaves_empty_was_not_said() -> None:
    everything = {name: option.get("default") for name, option in GUEST_OPTIONS.items()}
    assert parse({**everything, "name": "web1"}) == read()


def test_values_are_in_internal_units() -> None:
    spec = read(
        memory="2GiB",
        vcpus=2,
        topology={"cores": 2, "dies": None},
        tags=["b", "a"],
        boot=["cdrom", "disk"],
        accel="auto",
        machine="q35",
        firmware="efi",
        arch="x86_64",
        console_log="/log",
        agent=False,
        title=" Web ",
    )
    assert spec.values == {
        "memory": 2 * GIB,
        "vcpus": 2,
        "topology": {"cores": 2},
        "tags": ("a", "b"),
        "boot": ("cdrom", "disk"),
        "machine": "q35",
        "firmware": "efi",
        "arch": "x86_64",
        "console_log": "/log",
        "agent": False,
        "title": "Web",
    }


@pytest.mark.parametrize(
    ("disk", "entry"),
    [
        ({"size": "1GiB"}, {"blank": True, "size": GIB, "name": "root"}),
        ({"image": "debian-12"}, {"base": "debian-12", "name": "root"}),
        (
            {"image": "debian-12", "size": "1GiB", "pool": "fast"},
            {"base": "debian-12", "size": GIB, "pool": "fast", "name": "root"},
        ),
        ({"file": "/data/a b.qcow2"}, {"source": {"file": "/data/a b.qcow2"}, "name": "a-b.qcow2"}),
        ({"file": "/data/.x"}, {"source": {"file": "/data/.x"}, "name": "x"}),
        ({"block": "/dev/vg/lv"}, {"source": {"block": "/dev/vg/lv"}, "name": "lv"}),
        ({"volume": "fast/v.raw"}, {"volume": "fast/v.raw", "name": "v.raw"}),
        ({"volume": "v.raw", "pool": "fast"}, {"volume": "v.raw", "pool": "fast", "name": "v.raw"}),
        ({"cdrom": "/i.iso"}, {"device": "cdrom", "source": {"file": "/i.iso"}, "name": "cdrom"}),
        ({"cdrom": ""}, {"device": "cdrom", "source": {"file": None}, "name": "cdrom"}),
        (
            {
                "size": "1GiB",
                "name": "data",
                "bus": "scsi",
                "target": "sdb",
                "readonly": True,
                "boot_order": 2,
                "format": "raw",
            },
            {
                "blank": True,
                "size": GIB,
                "name": "data",
                "bus": "scsi",
                "target": "sdb",
                "readonly": True,
                "boot_order": 2,
                "format": "raw",
            },
        ),
    ],
)
def test_disks(disk: dict[str, Any], entry: dict[str, Any]) -> None:
    assert read(disks=[disk]).disks == (entry,)


@pytest.mark.parametrize(
    ("nic", "entry"),
    [
        ({"network": "lab"}, {"source": {"network": "lab"}, "name": "lab"}),
        ({"type": "network", "network": "lab", "name": "lan"}, {"source": {"network": "lab"}, "name": "lan"}),
        ({"bridge": "br0"}, {"source": {"bridge": "br0"}, "name": "br0"}),
        ({"type": "user"}, {"source": {"user": None}, "name": "user"}),
        (
            {"network": "lab", "mac": "52-54-00-00-00-0A", "model": "e1000e", "address": "10.20.0.11", "boot_order": 1},
            {
                "source": {"network": "lab"},
                "mac": "52:54:00:00:00:0a",
                "model": "e1000e",
                "address": "10.20.0.11",
                "boot_order": 1,
                "name": "lab",
            },
        ),
    ],
)
def test_nics(nic: dict[str, Any], entry: dict[str, Any]) -> None:
    assert read(nics=[nic]).nics == (entry,)


def test_the_rest() -> None:
    spec = read(
        uuid="{6F0D4F57-9D4E-4B3A-8A68-2F7C0F1E9B11}",
        autostart=False,
        pool="fast",
        disks=[],
        nics=[],
        disks_exact=True,
        xml_overlay=[{"at": "devices", "xml": "<x/>", "remove": None}, {"remove": "devices/sound"}],
        state="running",
        cloud_init={"user_data": {"a": 1}, "policy": "ignore"},
    )
    assert spec.uuid == "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11"
    assert (spec.autostart, spec.pool, spec.disks, spec.nics, spec.state) == (False, "fast", (), (), "running")
    assert spec.exact == {**dict.fromkeys(EXACT, False), "disks": True}
    assert spec.overlays == (Overlay("devices", "<x/>"), Overlay("devices/sound", None))
    assert spec.cloud_init is not None
    assert (spec.cloud_init.user_data, spec.cloud_init.policy) == ({"a": 1}, "ignore")


BAD: list[tuple[dict[str, Any], str, str, str]] = [
    # options, path, what was given, what would be right
    ({"memroy": "2GiB"}, "memroy", "no such option", "did you mean memory?"),
    ({"cpus": 2}, "cpus", "no such option", "did you mean vcpus?"),
    ({"xyzzy": 1}, "xyzzy", "no such option", "there are accel, agent, arch"),
    ({"memory": 2048}, "memory", "2048", "2GiB"),
    ({"memory": "2048"}, "memory", "'2048'", "number with its unit"),
    ({"memory": "2G"}, "memory", "'2G'", "KiB, MiB, GiB"),
    ({"memory": "-1GiB"}, "memory", "'-1GiB'", "2GiB"),
    ({"memory": "0GiB"}, "memory", "'0GiB'", "more than nothing"),
    ({"memory_max": "2 gigs"}, "memory_max", "'2 gigs'", "2GiB"),
    ({"vcpus": 0}, "vcpus", "0", "at least 1"),
    ({"vcpus": "two"}, "vcpus", "'two'", "whole number"),
    ({"vcpus_max": True}, "vcpus_max", "True", "whole number"),
    ({"topology": {"core": 2}}, "topology", "'core'", "sockets, dies, cores, threads"),
    ({"topology": {"cores": 0}}, "topology", "0", "at least 1"),
    ({"topology": {"cores": None}}, "topology", "says nothing", "at least one of sockets"),
    ({"topology": 4}, "topology", "4", "mapping of sockets"),
    ({"name": ""}, "name", "''", "must not be empty"),
    ({"name": None}, "name", "None", "must not be empty"),
    ({"name": "a/b"}, "name", "'a/b'", "slash"),
    ({"name": "a\nb"}, "name", r"'a\nb'", "line break"),
    ({"name": "a\x1bb"}, "name", r"'a\x1bb'", "control character"),
    ({"name": " a"}, "name", "' a'", "begin or end with a space"),
    ({"name": ".."}, "name", "'..'", "cannot be a guest's name"),
    ({"name": "ä" * 101}, "name", "too long", "200 bytes"),
    ({"state": "started"}, "state", "'started'", "present, running, stopped, paused, saved, absent"),
    ({"uuid": "web"}, "uuid", "'web'", "6f0d4f57-"),
    ({"title": "a\nb"}, "title", r"'a\nb'", "one line"),
    ({"description": "a\x00"}, "description", r"'a\x00'", "control characters"),
    ({"tags": "web"}, "tags", "'web'", "list of words"),
    ({"tags": ["a\nb"]}, "tags", r"'a\nb'", "one line"),
    ({"accel": "xen"}, "accel", "'xen'", "kvm, tcg"),
    ({"arch": "x86-64"}, "arch", "'x86-64'", "x86_64 or aarch64"),
    ({"firmware": "uefi"}, "firmware", "'uefi'", "bios, efi"),
    ({"boot": ["usb"]}, "boot", "'usb'", "disk, cdrom, network"),
    ({"boot": ["disk", "disk"]}, "boot", "'disk'", "twice"),
    ({"boot": "disk"}, "boot", "'disk'", "list of"),
    ({"kernel": "vmlinuz"}, "kernel", "'vmlinuz'", "absolute path"),
    ({"console_log": "log"}, "console_log", "'log'", "absolute path"),
    ({"agent": "yes"}, "agent", "'yes'", "true nor false"),
    ({"autostart": 1}, "autostart", "1", "true nor false"),
    ({"pool": "a\nb"}, "pool", r"'a\nb'", "one line"),
    # disks
    ({"disks": {"size": "1GiB"}}, "disks", "must be a list", "list"),
    ({"disks": ["root"]}, "disks[0]", "'root'", "mapping"),
    ({"disks": [{}]}, "disks[0]", "needs a source", "image, file, volume, block, cdrom"),
    ({"disks": [{"name": "x"}]}, "disks[0]", "needs a source", "size for a new blank disk"),
    ({"disks": [{"image": "a", "file": "/b"}]}, "disks[0]", "image and file are given", "one source"),
    ({"disks": [{"cdrom": "/a", "block": "/b"}]}, "disks[0]", "block and cdrom are given", "one source"),
    ({"disks": [{"image": "a", "siez": "1GiB"}]}, "disks[0].siez", "no such option", "did you mean size?"),
    ({"disks": [{"size": 20}]}, "disks[0].size", "20", "2GiB"),
    ({"disks": [{"size": "20"}]}, "disks[0].size", "'20'", "number with its unit"),
    ({"disks": [{"size": "1GiB"}, {"name": "b", "size": "x"}]}, "disks[1].size", "'x'", "2GiB"),
    ({"disks": [{"image": ""}]}, "disks[0].image", "must not be empty", "empty"),
    ({"disks": [{"volume": ""}]}, "disks[0].volume", "must not be empty", "empty"),
    ({"disks": [{"file": "a.qcow2"}]}, "disks[0].file", "'a.qcow2'", "begin with /"),
    ({"disks": [{"block": "sda"}]}, "disks[0].block", "'sda'", "begin with /"),
    ({"disks": [{"cdrom": "x.iso"}]}, "disks[0].cdrom", "'x.iso'", "begin with /"),
    ({"disks": [{"file": "/a", "size": "1GiB"}]}, "disks[0].size", "not with file", "image or a blank disk"),
    ({"disks": [{"cdrom": "/a", "readonly": False}]}, "disks[0].readonly", "always read-only", "leave it out"),
    ({"disks": [{"cdrom": "/a", "pool": "p"}]}, "disks[0].pool", "not with cdrom", "image or a blank disk"),
    ({"disks": [{"volume": "p/v", "size": "1GiB"}]}, "disks[0].size", "not with volume", "image or a blank disk"),
    ({"disks": [{"size": "1GiB", "bus": "virtio-scsi"}]}, "disks[0].bus", "'virtio-scsi'", "virtio, scsi, sata"),
    ({"disks": [{"size": "1GiB", "format": "qcow"}]}, "disks[0].format", "'qcow'", "qcow2, raw"),
    ({"disks": [{"size": "1GiB", "target": "disk0"}]}, "disks[0].target", "'disk0'", "vda, sda or xvda"),
    ({"disks": [{"size": "1GiB", "boot_order": 0}]}, "disks[0].boot_order", "0", "at least 1"),
    ({"disks": [{"size": "1GiB", "readonly": "no"}]}, "disks[0].readonly", "'no'", "true nor false"),
    ({"disks": [{"size": "1GiB", "name": "a/b"}]}, "disks[0].name", "'a/b'", "letters, digits"),
    ({"disks": [{"size": "1GiB", "name": "../b"}]}, "disks[0].name", "'../b'", "letters, digits"),
    ({"disks": [{"size": "1GiB"}, {"size": "2GiB"}]}, "disks[1].name", "'root'", "a name of its own"),
    ({"disks": [{"cdrom": "/a"}, {"cdrom": ""}]}, "disks[1].name", "'cdrom'", "a name of its own"),
    # nics
    ({"nics": "lab"}, "nics", "must be a list", "list"),
    ({"nics": [{}]}, "nics[0]", "type network", "needs network"),
    ({"nics": [{"type": "bridge"}]}, "nics[0]", "type bridge", "needs bridge"),
    ({"nics": [{"type": "nat", "network": "lab"}]}, "nics[0].type", "'nat'", "network, user, bridge"),
    ({"nics": [{"type": "user", "network": "lab"}]}, "nics[0].network", "does not go", "type user"),
    ({"nics": [{"network": "lab", "bridge": "br0"}]}, "nics[0].network", "does not go", "type bridge"),
    ({"nics": [{"network": "lab", "mac": "aa"}]}, "nics[0].mac", "'aa'", "52:54:00:12:34:56"),
    ({"nics": [{"network": "lab", "mac": "01:00:5e:00:00:01"}]}, "nics[0].mac", "multicast", "even"),
    ({"nics": [{"network": "lab", "address": "10.20.0"}]}, "nics[0].address", "'10.20.0'", "10.20.0.11"),
    ({"nics": [{"network": "lab", "address": "10.20.0.11/24"}]}, "nics[0].address", "'10.20.0.11/24'", "10.20.0.11"),
    ({"nics": [{"bridge": "br0", "address": "10.20.0.11"}]}, "nics[0].address", "type bridge", "network_config"),
    ({"nics": [{"type": "user", "address": "10.20.0.11"}]}, "nics[0].address", "type user", "network_config"),
    ({"nics": [{"network": "lab", "model": "a b"}]}, "nics[0].model", "'a b'", "letters, digits"),
    ({"nics": [{"network": "lab"}, {"network": "lab"}]}, "nics[1].name", "'lab'", "a name of its own"),
    ({"nics": [{"network": "lab", "modell": "x"}]}, "nics[0].modell", "no such option", "did you mean model?"),
    # overlays
    ({"xml_overlay": {"at": "devices"}}, "xml_overlay", "must be a list", "{at, xml} or {remove}"),
    ({"xml_overlay": ["x"]}, "xml_overlay[0]", "must be", "{at: path, xml: fragment} or {remove: path}"),
    ({"xml_overlay": [{"at": "devices"}]}, "xml_overlay[0]", "must be", "{remove: path}"),
    ({"xml_overlay": [{"at": "a", "xml": "<b/>", "remove": "c"}]}, "xml_overlay[0]", "must be", "{remove: path}"),
    ({"xml_overlay": [{"at": "a", "xml": "<b>"}]}, "xml_overlay[0].xml", "not well-formed", "line 1, column 4"),
    ({"xml_overlay": [{"at": "a[", "xml": "<b/>"}]}, "xml_overlay[0].at", "'a['", "is not a path"),
    ({"xml_overlay": [{"remove": "a//b"}]}, "xml_overlay[0].remove", "'a//b'", "is not a path"),
    # cloud-init
    ({"cloud_init": {"user_data": "hello"}}, "cloud_init", "user_data", "#cloud-config"),
    ({"cloud_init": {"user_data": 7}}, "cloud_init", "user_data", "mapping or text"),
    ({"cloud_init": {"meta_data": "x"}}, "cloud_init", "meta_data", "mapping"),
    ({"cloud_init": {"network_config": 7}}, "cloud_init", "network_config", "mapping or text"),
    ({"cloud_init": {"policy": "always"}}, "cloud_init", "'always'", "ignore, next_boot, recreate"),
    ({"cloud_init": {"userdata": {}}}, "cloud_init.userdata", "no such option", "did you mean user_data?"),
    ({"cloud_init": "x"}, "cloud_init", "'x'", "mapping"),
]


@pytest.mark.parametrize(
    ("options", "path", "given_word", "right"), BAD, ids=[f"{n}-{case[1]}" for n, case in enumerate(BAD)]
)
def test_a_complaint_names_the_option_the_value_and_what_is_right(
    options: dict[str, Any], path: str, given_word: str, right: str
) -> None:
    with pytest.raises(SpecError) as caught:
        parse({"name": "web1", **options})
    (sentence,) = caught.value.problems
    assert sentence.startswith(f"{path}: ")
    assert given_word in sentence
    assert right in sentence


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        parse(
            {
                "name": "a/b",
                "memory": 2048,
                "vcpus": 0,
                "disks": [{"size": 1}, {"image": "x", "file": "y"}],
                "nics": [{}],
                "cloud_init": {"policy": "x"},
                "xml_overlay": [{}],
                "stat": "running",
            }
        )
    assert sorted(sentence.partition(":")[0] for sentence in caught.value.problems) == [
        "cloud_init",
        "disks[0].size",
        "disks[1]",
        "disks[1].name",
        "memory",
        "name",
        "nics[0]",
        "stat",
        "vcpus",
        "xml_overlay[0]",
    ]


def test_a_document_gives_its_own_path() -> None:
    with pytest.raises(SpecError) as caught:
        parse({"name": "web1", "memory": 1, "disks": [{"size": 1}]}, prefix="guests[3].")
    assert [sentence.partition(":")[0] for sentence in caught.value.problems] == [
        "guests[3].memory",
        "guests[3].disks[0].size",
    ]


_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries({"name": _ANYTHING}, optional={name: _ANYTHING for name in GUEST_OPTIONS if name != "name"})
)
def test_whatever_is_written_is_a_spec_or_a_complaint(options: dict[str, Any]) -> None:
    try:
        spec = parse(options)
    except SpecError as error:
        assert error.problems
        assert all(": " in sentence for sentence in error.problems)
    else:
        assert spec.name == options["name"]


_INNER = {
    name: st.fixed_dictionaries({}, optional=dict.fromkeys(option["options"], _ANYTHING))
    for name, option in GUEST_OPTIONS.items()
    if "options" in option
}


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.lists(inner, max_size=3) if GUEST_OPTIONS[name]["type"] == "list" else inner
            for name, inner in _INNER.items()
        },
    )
)
def test_whatever_stands_inside_is_a_spec_or_a_complaint(options: dict[str, Any]) -> None:
    try:
        read(**options)
    except SpecError as error:
        assert error.problems


@given(st.text(max_size=300))
def test_a_good_name_is_a_files_name(name: str) -> None:
    try:
        found = check_name(name)
    except SpecError:
        return
    assert found == name
    assert "/" not in name
    assert name.isprintable()
    assert 0 < len(name.encode()) <= 200
