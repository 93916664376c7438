# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configurations of xl: whose they are, and what they would be of guests that run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._xl.config import (
    has_uuid,
    name_of,
    readable,
    running,
    written,
)

UUID = "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11"


@pytest.mark.parametrize(
    ("config", "name", "uuid"),
    [
        ("name = 'web1'\n", "web1", False),
        ('# made by hand\nname="web1"\nmemory = 256\n', "web1", False),
        (f"name  = 'web1'\nuuid = '{UUID}'", "web1", True),
        ("#name = 'old'\n name = 'web1'", "web1", False),
        ("memory = 256", None, False),
        ("name = ''", None, False),
        ("hostname = 'x'", None, False),
    ],
)
def test_whose_a_configuration_is(config: str, name: str | None, uuid: bool) -> None:
    assert (name_of(config), has_uuid(config)) == (name, uuid)


@pytest.mark.parametrize(
    ("written_so", "read_so"),
    [
        ("vif = [ 'ip=192.0.2.1 ,mac=00:16:3E:00:00:01,bridge=br0' ]", "vif = [ 'ip=192.0.2.1,mac=00:16:3E:00:00:01,bridge=br0' ]"),
        ("vif = [ 'ip= 192.0.2.1  192.0.2.2 ' ]", "vif = [ 'ip=192.0.2.1 192.0.2.2' ]"),
        ('vif = [\n "mac=1,ip=192.0.2.1 ",\n "ip=192.0.2.2 ,bridge=b" ]', 'vif = [\n "mac=1,ip=192.0.2.1",\n "ip=192.0.2.2,bridge=b" ]'),
        # Nothing else is touched.
        ("vif = [ 'mac=00:16:3E:00:00:01 , bridge=br0' ]", None),
        ("extra = 'ip=192.0.2.1  ro'\nvif = []", None),
        ("#vif = [ 'ip=192.0.2.1 ' ]\nvifs = [ 'ip=192.0.2.1 ' ]", None),
    ],
)
def test_addresses_as_libvirt_can_read_them(written_so: str, read_so: str | None) -> None:
    assert readable(written_so) == (read_so or written_so)
    assert readable(readable(written_so)) == readable(written_so)


def listed(**config: Any) -> str:
    dom0 = {"domid": 0, "config": {"c_info": {"name": "Domain-0"}}}
    return json.dumps([dom0, {"domid": 3, "config": {"c_info": {"type": "pv", "name": "web1", "uuid": UUID}, **config}}])


def test_dom0_is_no_guest() -> None:
    assert list(running(listed())) == ["web1"]


@pytest.mark.parametrize("text", ["", "[]", "{}", "no list", "[1]", '[{"domid": 1}]', '[{"domid": 1, "config": {}}]'])
def test_no_guests(text: str) -> None:
    assert running(text) == {}


def test_a_whole_guest() -> None:
    config = running(
        listed(
            b_info={
                "max_vcpus": 2,
                "avail_vcpus": [0],
                "max_memkb": 524288,
                "target_memkb": 262144,
                "kernel": "/boot/vmlinuz",
                "ramdisk": "/boot/initrd",
                "cmdline": 'root=/dev/xvda ro say="hello"',
            },
            disks=[
                {"pdev_path": "/srv/a,b.img", "vdev": "xvda", "backend": "phy", "format": "raw", "readwrite": 1},
                {"pdev_path": "/srv/x.iso", "vdev": "xvdc", "backend": "unknown", "format": "raw", "is_cdrom": 1},
            ],
            nics=[{"devid": 0, "mac": "00:16:3e:00:00:01", "bridge": "xenbr0", "rate_bytes_per_interval": 51200}],
            on_reboot="restart",
        )
    )["web1"]
    assert written(config).splitlines() == [
        'name = "web1"',
        f'uuid = "{UUID}"',
        'type = "pv"',
        "memory = 256",
        "maxmem = 512",
        "vcpus = 1",
        "maxvcpus = 2",
        'kernel = "/boot/vmlinuz"',
        'ramdisk = "/boot/initrd"',
        'cmdline = "root=/dev/xvda ro say=\\"hello\\""',
        'on_reboot = "restart"',
        'disk = ["format=raw,vdev=xvda,access=rw,backendtype=phy,target=/srv/a,b.img", '
        '"format=raw,vdev=xvdc,access=ro,devtype=cdrom,target=/srv/x.iso"]',
        'vif = ["mac=00:16:3e:00:00:01,bridge=xenbr0,rate=1024000B/s"]',
    ]


def test_what_older_ones_say_with_the_type() -> None:
    config = running(listed(b_info={"type.pv": {"bootloader": "pygrub", "bootloader_args": ["-q"]}}))["web1"]
    assert 'bootloader = "pygrub"' in written(config) and 'bootloader_args = ["-q"]' in written(config)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PARTS = {"b_info": _JSON, "disks": _JSON, "nics": _JSON, "on_crash": _JSON}


@given(st.fixed_dictionaries({}, optional=_PARTS))
def test_whatever_is_listed_something_can_be_said(config: dict[str, Any]) -> None:
    text = written(running(listed(**config))["web1"])
    assert name_of(text) == "web1" and has_uuid(text)
