# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One playbook for a host of QEMU and a host of Xen: the same words, one inventory, and nothing to do the second time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.playing import Controller, Results
from tests.lab import Host, tiny_xen
from tests.lab.tiny import Artefact
from tests.lab.vm import TINY, VM
from tests.unit.plugins.inventory.listing import Place

# What both hosts hold, in the same words; only where kernels are is each host's own, and on Xen that guests are PV: the other
# kinds need hardware virtualization, whose emulation inside an emulated machine is slow, and fails where it is starved.
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "name": "mixed",
    "pools": [{"name": "mixed", "path": "{{ place }}"}],
    "networks": [{"name": "mixed", "cidr": "10.83.0.0/24", "dhcp": {"start": "10.83.0.200", "end": "10.83.0.250"}}],
    "guest_defaults": {
        "type": "{{ kind }}",
        "memory": "128MiB",
        "kernel": "{{ kernel }}",
        "initrd": "{{ initrd }}",
        "cmdline": "{{ cmdline }}",
    },
    "guests": [
        {
            "name": "{{ inventory_hostname }}-web",
            "count": 2,
            "disks": [{"size": "16MiB"}],
            "nics": [{"network": "mixed", "address": "10.83.0.11"}],
            "tags": ["web"],
            "state": "running",
        },
        {"name": "{{ inventory_hostname }}-spare", "disks": [{"size": "8MiB"}], "nics": [{"network": "mixed"}]},
    ],
}


class Fleet:
    """Both hosts, and the playbook over them."""

    def __init__(self, kvm: Host, tiny: Artefact, dom0: VM, folder: Path) -> None:
        self.uris = {"kvm1": kvm.uri, "xen1": dom0.uri}
        xen = {"uri": "xen:///system", "kind": "pv", "place": "/var/lib/virtfleet/mixed", "kernel": f"{TINY}/vmlinux"}
        xen.update(initrd=f"{TINY}/initrd", cmdline=tiny_xen.CMDLINE)
        # Modules run beside the private libvirtd, by its socket.
        local = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", "uri": kvm.uri}
        local.update(kind="hvm", place=str(kvm.folder / "mixed"), kernel=str(tiny.kernel), initrd=str(tiny.initrd), cmdline=tiny.cmdline)
        self.hosts = {"kvm1": local, "xen1": {**dom0.inventory(), **xen}}
        self.source = folder / "fleet.yml"
        self.source.write_text(json.dumps({"fleet": {"hosts": self.hosts}}), encoding="utf-8")
        self.controller = Controller([dom0], folder, sources=[self.source])
        self.folder = folder

    def play(self, document: dict[str, Any], **options: Any) -> Results:
        """Make the document true on both hosts, in one run of one playbook."""
        # One after the other: two that start at once on an emulated host may take longer than Xen's tools wait for a device.
        estate = {"uri": "{{ uri }}", "document": document, "parallel": 1, **options}
        task = {"name": "hold", "virtfleet.core.estate": estate}
        return self.controller([{"hosts": "fleet", "gather_facts": False, "tasks": [task]}], timeout=900)

    def inventory(self) -> dict[str, Any]:
        """Return what the inventory says of both hosts' guests."""
        done = Place(self.folder).list(hypervisors=list(self.uris.values()), timeout="2m")
        assert done.rc == 0, done.err
        return done.hosts


@pytest.fixture
def fleet(lab_host: Host, tiny: Artefact, lab_dom0: VM, tmp_path: Path) -> Iterator[Fleet]:
    made = Fleet(lab_host, tiny, lab_dom0, tmp_path)
    yield made
    names = [f"{host}-{guest}" for host in made.hosts for guest in ("web1", "web2", "spare")]
    made.play(
        {"version": 1, "name": "mixed"}, prune=True, confirm_data_loss=names, stop_timeout="5s", force_stop=True
    )


def test_the_same_words_on_both_and_nothing_the_second_time(fleet: Fleet) -> None:
    first = fleet.play(DOCUMENT, wait_for="address", wait_timeout="5m")
    for host in fleet.hosts:
        (done,) = first.on(host)
        assert done["summary"]["create"] == 8, (host, done["summary"])
    again = fleet.play(DOCUMENT)
    assert [(result.host, result.changed, result["pending"]) for result in again] == [
        (host, False, []) for host in fleet.hosts
    ]
    found = fleet.inventory()
    assert {name: guest["ansible_host"] for name, guest in found.items()} == {
        "kvm1-web1": "10.83.0.11",
        "kvm1-web2": "10.83.0.12",
        "xen1-web1": "10.83.0.11",
        "xen1-web2": "10.83.0.12",
    }
    # One change on both, told beforehand alike.
    changed = {**DOCUMENT, "guest_defaults": {**DOCUMENT["guest_defaults"], "description": "both"}}
    told = fleet.play(changed, mode="plan")
    done = fleet.play(changed)
    for host in fleet.hosts:
        rows = [[(row["name"], row["effect"]) for row in results.on(host)[0]["plan"]] for results in (told, done)]
        assert rows[0] == rows[1] and {effect for _name, effect in rows[0]} == {"live"}, rows
