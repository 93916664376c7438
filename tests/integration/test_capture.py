# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module and the playbook capture on a real libvirtd: whatever is there, its document has nothing to change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._estate.capture import Choice, capture, survey
from ansible_collections.virtfleet.core.plugins.module_utils._estate.derived import cleaned, without_secrets
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Snapshot
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._gather import gather_guests
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import Options
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import plan as plan_guest
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse as parse_guest
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._network.plan import plan as plan_network
from ansible_collections.virtfleet.core.plugins.module_utils._network.spec import parse as parse_network
from ansible_collections.virtfleet.core.plugins.module_utils._residue import missing
from ansible_collections.virtfleet.core.plugins.module_utils._storage.plan import plan as plan_pool
from ansible_collections.virtfleet.core.plugins.module_utils._storage.spec import parse as parse_pool
from ansible_collections.virtfleet.core.plugins.module_utils._table import located
from ansible_collections.virtfleet.core.plugins.module_utils._xml import parse as parse_xml
from tests.integration.playing import Player, task
from tests.lab import Host
from tests.unit.plugins.module_utils.estate.unfold import unfolded
from tests.unit.plugins.module_utils.guest.virtinst.make import FOLDER, KINDS, NETWORKS
from tests.unit.plugins.module_utils.image_tools import run_command

ROOT = Path(__file__).resolve().parents[2]
VIRTINST = ROOT / "tests/unit/plugins/module_utils/guest/virtinst"
# What the lab's QEMU can be asked to define: all but memory to be plugged in where there is no NUMA node.
FOREIGN = [
    name
    for name, (driver, capabilities, _words) in KINDS.items()
    if (driver, capabilities) == ("qemu", "") and name != "memory"
]
BRIDGED = "<network><name>cap-bridged</name><forward mode='bridge'/><bridge name='capr0'/></network>"
# A controller that a new guest has for disks to be plugged in; to keep it out would be a line for every guest.
IDLE = '<controller type="scsi" index="0" model="virtio-scsi" />'
NAT = """<network><name>cap-nat</name><forward mode='nat'/><bridge name='capn0'/>
<dns><forwarder addr='9.9.9.9'/></dns><ip address='10.89.0.1' netmask='255.255.255.0'><dhcp>
<range start='10.89.0.100' end='10.89.0.199'/><host mac='52:54:00:89:00:01' name='printer' ip='10.89.0.9'/>
</dhcp></ip></network>"""


@pytest.fixture(scope="module")
def inhabited(furnished: Host) -> Iterator[Host]:
    """Return the lab host with guests, networks and pools that other tools made."""
    folder = furnished.folder / "captured"
    folder.mkdir(mode=0o755, exist_ok=True)
    made = []
    for network in BRIDGED, NAT, *(f"<network><name>{name}</name></network>" for name in NETWORKS if name != "lab"):
        furnished.exec(["virsh", "net-define", "/dev/stdin"], input=network)
    furnished.exec(["virsh", "net-start", "cap-nat"])
    furnished.exec(["virsh", "pool-define-as", "cap-gone", "fs", "--target", "/mnt/gone", "--source-dev", "/dev/none"])
    furnished.exec(["virsh", "pool-define-as", "cap-dir", "dir", "--target", str(folder)])
    for file in ("root.qcow2", "a.qcow2"):
        furnished.exec(["qemu-img", "create", "-q", "-f", "qcow2", str(folder / file), "4M"])
    for file in ("a.raw", "b.raw", "c.raw", "netinst.iso", "virtio-win.iso"):
        furnished.exec(["qemu-img", "create", "-q", "-f", "raw", str(folder / file), "4M"])
    for name in FOREIGN:
        # A VNC password has eight characters at most.
        text = (VIRTINST / f"{name}.xml").read_text().replace(FOLDER, str(folder)).replace("vncgeheim", "geheim")
        furnished.exec(["virsh", "define", "/dev/stdin"], input=text)
        made.append(name)
    yield furnished
    for name in [*made, "cap1", "cap2"]:
        furnished.exec(["virsh", "destroy", name], check=False)
        furnished.exec(["virsh", "undefine", name, "--nvram", "--managed-save"], check=False)
    for volume in ("cap1-root.qcow2", "cap1-data.raw", "cap2-root.qcow2"):
        furnished.exec(["virsh", "vol-delete", volume, "default"], check=False)
    furnished.exec(["virsh", "net-destroy", "cap-nat"], check=False)
    for network in ("cap-bridged", "cap-nat", *NETWORKS):
        if network != "lab":
            furnished.exec(["virsh", "net-undefine", network], check=False)
    for pool in ("cap-gone", "cap-dir"):
        furnished.exec(["virsh", "pool-undefine", pool], check=False)


def ours(booted: dict[str, Any]) -> list[dict[str, Any]]:
    nic = {"network": "lab", "address": "10.77.0.222"}
    disks = [{"size": "8MiB"}, {"name": "data", "size": "4MiB", "format": "raw"}]
    two = task("two", "guest", name="cap2", memory="64MiB", disks=[{"size": "8MiB"}], autostart=True)
    # A task has a title of its own.
    two["virtfleet.core.guest"]["title"] = "{{ '{{' }} x }}"
    return [
        task("one", "guest", name="cap1", **booted, disks=disks, nics=[nic], state="running", tags=["a", "b"]),
        two,
    ]


def test_whatever_is_there_has_nothing_to_change(inhabited: Host, tmp_path: Path, booted: dict[str, Any]) -> None:
    play = Player(inhabited, tmp_path)
    results = play(
        [
            *ours(booted),
            task("capture", "capture", profiles=False),
            task("short", "capture"),
            task("one guest", "capture", guests=["cap1"], networks=[], pools=[], query="guests[0]"),
        ]
    )
    found = results.named("capture")
    document, residue = found["document"], found["residue"]
    assert not found.changed
    names = [guest["name"] for guest in document["guests"]]
    assert [name for name in [*FOREIGN, "cap1", "cap2"] if name not in names] == [], residue
    networks = {network["name"]: network for network in document["networks"]}
    assert set(networks) >= {"cap-nat", "lab", "default"}
    assert {"forward": "bridge", "bridge": "capr0"}.items() <= networks["cap-bridged"].items()
    pools = {pool["name"]: pool for pool in document["pools"]}
    assert set(pools) >= {"cap-dir", "default"}
    gone = {"type": "fs", "path": "/mnt/gone", "source_devices": ["/dev/none"], "state": "inactive"}
    assert gone.items() <= pools["cap-gone"].items()
    assert [item for item in residue if item["at"] == ""] == []
    assert "geheim" not in json.dumps([document, residue])
    # In the words that made it.
    one = results.named("one guest")["result"]
    assert one["disks"] == [{"size": "8MiB"}, {"name": "data", "size": "4MiB", "format": "raw"}]
    assert one["nics"] == [{"network": "lab", "address": "10.77.0.222"}]
    assert (one["state"], one["pool"], sorted(one["tags"])) == ("running", "default", ["a", "b"])
    assert "xml_overlay" not in one and "uuid" not in one
    # Shorter, and the same.
    short = results.named("short")["document"]
    assert len(json.dumps(short)) < len(json.dumps(document))
    assert unfolded(short) == [{**guest} for guest in document["guests"]]
    # The planners of the modules, with the rights and the reads that those have.
    assert _unsettled(inhabited, document) == {}
    checks = play(
        [
            task(
                "guest", "guest", check=True, **next(entry for entry in document["guests"] if entry["name"] == "tuned")
            ),
            task("network", "network", check=True, **next(e for e in document["networks"] if e["name"] == "cap-nat")),
            task("pool", "pool", check=True, **next(e for e in document["pools"] if e["name"] == "cap-dir")),
        ]
    )
    assert checks.changed() == []


def _unsettled(host: Host, document: dict[str, Any]) -> dict[str, Any]:
    """Return by name what plans of the document's entries would change."""
    hypervisor, files = Libvirt.connect(host.uri), LocalFiles(run_command)
    try:
        found = {}
        for entry in document["guests"]:
            spec = parse_guest(entry)
            found["guest", spec.name] = plan_guest(spec, gather_guests(hypervisor, files, [spec]), Options()).actions
        snap = Snapshot(hypervisor.host(), hypervisor.guests(), hypervisor.networks(), hypervisor.pools())
        for entry in document["networks"]:
            found["network", entry["name"]] = plan_network(parse_network(entry), snap).actions
        for entry in document["pools"]:
            found["pool", entry["name"]] = plan_pool(parse_pool(entry), snap).actions
    finally:
        hypervisor.close()
    return {key: actions for key, actions in found.items() if actions}


def test_a_guest_made_anew_from_its_entry_is_the_same(inhabited: Host) -> None:
    """With all that libvirt fills in by itself: what is derived comes out the same, what is not stands in the document."""
    hypervisor, files = Libvirt.connect(inhabited.uri), LocalFiles(run_command)
    problems: dict[str, Any] = {}
    try:
        choice = Choice(guests=tuple(FOREIGN))
        document, _residue = capture(survey(hypervisor, files, choice)[0], replace(choice, profiles=False))
        for entry in document["guests"]:
            name = entry["name"]
            before = hypervisor.guests([name])[name]
            hypervisor.undefine_guest(name)
            spec = parse_guest(entry)
            snap = gather_guests(hypervisor, files, [spec])
            try:
                outcomes = apply(plan_guest(spec, snap, Options()), Ports(hypervisor, files))
                failed = [outcome.error for outcome in outcomes if outcome.outcome != "done"]
            except SpecError as error:
                failed = [str(error)]
            if failed:
                problems[name] = failed
                hypervisor.define_guest(before.xml)
                continue
            after = hypervisor.guests([name])[name]
            one, two = (cleaned(without_secrets(parse_xml(facts.xml))[0]) for facts in (before, after))
            lost = [piece.xml for piece in missing(one, two, located(GUEST))]
            gained = [piece.xml for piece in missing(two, one, located(GUEST)) if piece.xml != IDLE]
            if lost or gained:
                problems[name] = {"lost": lost, "gained": gained}
    finally:
        hypervisor.close()
    assert problems == {}


def test_the_guide_from_an_existing_host_to_a_first_change(
    inhabited: Host, tmp_path: Path, booted: dict[str, Any]
) -> None:
    """What docs/guide_existing_host.md does, step by step."""
    Player(inhabited, tmp_path)(ours(booted))
    inventory = tmp_path / "inventory" / "hosts.yml"
    inventory.parent.mkdir()
    options = {"uri": inhabited.uri, "guests": ["cap*"], "profiles": False}
    host = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3", "capture_options": options}
    inventory.write_text(json.dumps({"hypervisors": {"hosts": {"hv1": host}}}))
    player = Player(inhabited, tmp_path)
    written = inventory.parent / "host_vars" / "hv1" / "estate.yml"

    def captured(*words: str) -> str:
        book = str(ROOT / "playbooks/capture.yml")
        done = player.command(["ansible-playbook", "-i", str(inventory), *words, book])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    seen = captured("--check", "--diff")
    assert "+    - name: cap1" in seen and not written.exists()
    captured()
    text = written.read_text()
    assert "name: cap1" in text and "!unsafe" in text
    assert "changed=0" in captured() and written.read_text() == text
    # The file is variables: the title that looks like a template comes back as it was.
    shown = player.command(
        ["ansible-inventory", "-i", str(inventory), "--host", "hv1", "--yaml"], env={"ANSIBLE_NOCOLOR": "1"}
    )
    estate = yaml.load(shown.stdout, _Unsafe)["estate"]
    assert {guest["name"]: guest.get("title") for guest in estate["guests"]} == {"cap1": None, "cap2": "{{ x }}"}
    task = {
        "virtfleet.core.estate": {
            "uri": inhabited.uri,
            "document": "{{ estate }}",
            "mode": "{{ estate_mode | default('plan') }}",
        },
        "register": "found",
    }
    said = {"ansible.builtin.debug": {"msg": "{{ found.plan | map(attribute='name') | join(' ') }}: planned"}}
    book = tmp_path / "estate.yml"
    book.write_text(json.dumps([{"hosts": "hypervisors", "gather_facts": False, "tasks": [task, said]}]))

    def played(*words: str) -> str:
        done = player.command(["ansible-playbook", "-i", str(inventory), *words, str(book)])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert '": planned"' in played()
    # A first change, by hand in the file.
    written.write_text(text.replace("memory: 64MiB", "memory: 96MiB"))
    assert '"cap2: planned"' in played()
    assert "changed=1" in played("-e", "estate_mode=apply")
    again = played("-e", "estate_mode=apply")
    assert '": planned"' in again and "changed=0" in again
    # The file says it already; captured anew it is the same.
    after = written.read_text()
    assert "changed=0" in captured() and written.read_text() == after


class _Unsafe(yaml.SafeLoader):
    """Reads text with Ansible's tag as text."""


_Unsafe.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
