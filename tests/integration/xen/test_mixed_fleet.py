# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One playbook for a host of QEMU and a host of Xen: the same words, one inventory, and nothing to do the second time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.connection import console
from tests.integration import connecting
from tests.integration.playing import Controller, Results, assert_idiom, idiom, task
from tests.integration.xen.playing import URI
from tests.lab import Host, tiny_xen
from tests.lab.tiny import Artefact
from tests.lab.vm import TINY, VM
from tests.unit.plugins.inventory.listing import Place


def document(web1: str, web2: str, spare: str, **defaults: Any) -> dict[str, Any]:
    """Return what both hosts hold, in the same words, with its guests in these states.

    Only where kernels are is each host's own, and on Xen that guests are PV: the other kinds need hardware virtualization,
    whose emulation inside an emulated machine is slow, and fails where it is starved.
    """
    web = {"disks": [{"size": "16MiB"}], "tags": ["web"]}
    return {
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
            **defaults,
        },
        "guests": [
            {"name": "{{ site }}-web1", **web, "nics": [{"network": "mixed", "address": "10.83.0.11"}], "state": web1},
            {"name": "{{ site }}-web2", **web, "nics": [{"network": "mixed", "address": "10.83.0.12"}], "state": web2},
            {"name": "{{ site }}-spare", "disks": [{"size": "8MiB"}], "nics": [{"network": "mixed"}], "state": spare},
        ],
    }


# Each is reached from the one before it, and told beforehand.
STEPS = {
    "hold": document("paused", "saved", "stopped", description="both"),
    "go on": document("running", "running", "stopped", description="both"),
}


class Fleet:
    """Both hosts, and the playbook over them: on the hosts themselves, or from afar, by libvirt's own connections."""

    def __init__(self, kvm: Host, tiny: Artefact, dom0: VM, folder: Path, afar: bool) -> None:
        self.uris = {"kvm1": kvm.uri, "xen1": dom0.uri}
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        # Modules run beside the private libvirtd, by its socket.
        local = {**here, "kind": "hvm", "place": str(kvm.folder / "mixed"), "uri": kvm.uri, "site": "kvm1"}
        local.update(kernel=str(tiny.kernel), initrd=str(tiny.initrd), cmdline=tiny.cmdline)
        xen = {"kind": "pv", "place": "/var/lib/virtfleet/mixed", "cmdline": tiny_xen.CMDLINE, "site": "xen1"}
        xen.update(kernel=f"{TINY}/vmlinux", initrd=f"{TINY}/initrd")
        xen.update({**here, "uri": dom0.uri} if afar else {**dom0.inventory(), "uri": URI})
        source = folder / "fleet.yml"
        source.write_text(json.dumps({"fleet": {"hosts": {"kvm1": local, "xen1": xen}}}), encoding="utf-8")
        self.controller = Controller([dom0], folder, sources=[source])
        self.folder = folder

    def play(self, *tasks: dict[str, Any], on: str = "fleet") -> Results:
        """Play tasks on both hosts, in one run of one playbook."""
        defaults = {"group/virtfleet.core.virtfleet": {"uri": "{{ uri }}"}}
        play = {"hosts": on, "gather_facts": False, "tasks": tasks, "module_defaults": defaults}
        return self.controller([play], timeout=2400)

    def inventory(self) -> dict[str, Any]:
        """Return what the inventory says of both hosts' guests."""
        done = Place(self.folder).list(hypervisors=list(self.uris.values()), timeout="2m")
        assert done.rc == 0, done.err
        return done.hosts


# An emulated host takes ten seconds for a task of its own.
@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["afar", "there"])
def fleet(lab_host: Host, tiny: Artefact, lab_dom0: VM, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    made = Fleet(lab_host, tiny, lab_dom0, tmp_path, request.param)
    yield made
    options = {"document": {"version": 1, "name": "mixed"}, "prune": True, "stop_timeout": "5s", "force_stop": True}
    gone = {**options, "confirm_data_loss": [f"{host}-{guest}" for host in made.uris for guest in ("web1", "web2", "spare")]}
    ended = made.play(task("remove", "estate", **gone), task("remove (again)", "estate", **gone))
    assert ended.changed() == ["remove"] * 2


def test_the_same_words_on_both_and_nothing_the_second_time(fleet: Fleet, lab_dom0: VM) -> None:
    # One after the other: two that start at once on an emulated host may take longer than Xen's tools wait for a device.
    # They obey once their kernel is up, which an address shows.
    how: dict[str, Any] = {"wait_for": "address", "wait_timeout": "5m", "parallel": 1}
    first = {"document": document("running", "running", "stopped"), **how}
    made = fleet.play(task("make", "estate", **first), task("make (again)", "estate", **first))
    for host in fleet.uris:
        done, again = made.on(host)
        assert done["summary"]["create"] == 8, (host, done["summary"])
        assert (again.changed, again["pending"]) == (False, []), host
    found = fleet.inventory()
    assert {name: guest["ansible_host"] for name, guest in found.items()} == {
        f"{host}-web{number}": f"10.83.0.1{number}" for host in fleet.uris for number in (1, 2)
    }
    tasks = [entry for name, words in STEPS.items() for entry in idiom("estate", name, document=words, **how)]
    changed = fleet.play(*tasks)
    for host in fleet.uris:
        for name in STEPS:
            assert_idiom(changed.on(host), name)
    what_xen_says(fleet, lab_dom0)


def what_xen_says(fleet: Fleet, dom0: VM) -> None:
    """Look at the Xen host, and into its guests by their consoles."""
    says = [{"line": ""}, {"wait": "# $"}, {"line": "echo $((40 + 2))"}, {"wait": "42"}]
    look = [task("look", "guest_info", name=["xen1-web1", "xen1-web2"]), task("host", "host_info")]
    seen = fleet.play(*look, task("console", "console", name="xen1-web1", steps=says), on="xen1")
    assert [(guest["state"], guest["type"], guest["tags"]) for guest in seen.named("look")["guests"]] == [
        ("running", "pv", ["web"]),
        ("running", "pv", ["web"]),
    ]
    host = seen.named("host")["host"]
    assert host["driver"] == "xen" and set(host["types"]["x86_64"]) == {"pv", "hvm", "pvh"}
    assert host["hypervisor_version"].startswith("4.") and host["guests"]["running"] >= 2
    assert 0 < host["memory_available_bytes"] < host["memory_bytes"]
    assert "42" in seen.named("console")["output"]
    inside = connecting.opened(console, dom0.uri, "xen1-web2")
    assert inside.exec_command("uname; exit 3") == (3, b"Linux\n", b"")
    inside.close()
