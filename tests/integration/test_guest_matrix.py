# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One field after another changed on one guest that really runs: what was predicted is what is seen.

In this process and not by plays, so that many rows take seconds; what is seen is read by plain paths out of libvirt's XML,
and by the agent inside the guest, not by the code that wrote it.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._gather import gather_guests
from ansible_collections.virtfleet.core.plugins.module_utils._guest.plan import Options, plan
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from tests.lab import Host
from tests.lab.guests import inside, wait_for_agent

Words = dict[str, Any]
Change = Callable[[Words], None]
Reading = Callable[[ET.Element], Any]

TAG = "metadata/{https://virtfleet.github.io/xml/1}guest/{https://virtfleet.github.io/xml/1}tags/"
# What must stay as it is through every row: the process, the boot, and what the disk holds.
LOOK = "cat /proc/sys/kernel/random/boot_id; echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=65536 count=4 2>/dev/null | sha256sum"


def _set(**words: Any) -> Change:
    return lambda options: options.update(copy.deepcopy(words))


def _entry(kind: str, name: str, **words: Any) -> Change:
    def change(options: Words) -> None:
        next(entry for entry in options[kind] if entry["name"] == name).update(words)

    return change


def _add(kind: str, **words: Any) -> Change:
    # First in the list: what is put in must not rename what is there.
    return lambda options: options[kind].insert(0, dict(words))


def _drop(kind: str, name: str) -> Change:
    return lambda options: options.update({kind: [entry for entry in options[kind] if entry["name"] != name]})


def text(path: str) -> Reading:
    """Return what reads the text at a path, None where there is none."""
    return lambda root: root.findtext(path)


def attribute(path: str, name: str) -> Reading:
    """Return what reads an attribute of the first element at a path."""

    def read(root: ET.Element) -> Any:
        element = root.find(path)
        return None if element is None else element.get(name)

    return read


def all_of(path: str, name: str) -> Reading:
    """Return what reads an attribute of each element at a path."""
    return lambda root: sorted(element.get(name) or "" for element in root.findall(path))


def files(ending: str) -> Reading:
    """Return what reads how many disks have a file of this ending."""
    return lambda root: sum((s.get("file") or "").endswith(ending) for s in root.findall("devices/disk/source"))


def disk(ending: str, path: str, name: str) -> Reading:
    """Return what reads an attribute below the disk whose file has this ending."""

    def read(root: ET.Element) -> Any:
        for element in root.findall("devices/disk"):
            source = element.find("source")
            if source is not None and (source.get("file") or "").endswith(ending):
                found = element.find(path)
                return None if found is None else found.get(name)
        return None

    return read


def size(ending: str) -> Reading:
    """Return what reads the bytes of the disk whose file has this ending, as qemu-img sees the file."""

    def read(root: ET.Element) -> Any:
        paths = [source.get("file") or "" for source in root.findall("devices/disk/source")]
        path = next((path for path in paths if path.endswith(ending)), None)
        if path is None:
            return None
        said = subprocess.run(["qemu-img", "info", "-U", "--output=json", path], capture_output=True, check=True).stdout
        return json.loads(said)["virtual-size"]

    return read


def read_only(root: ET.Element) -> Any:
    return sum(element.find("readonly") is not None for element in root.findall("devices/disk[@device='disk']"))


def i440fx(root: ET.Element) -> Any:
    kind = root.find("os/type")
    return kind is not None and "i440fx" in (kind.get("machine") or "")


def tags(root: ET.Element) -> Any:
    return [node.text for node in root.findall(f"{TAG}{{https://virtfleet.github.io/xml/1}}tag")]


@dataclass(frozen=True)
class Row:
    """One change: its path and effect as predicted, how it is seen in XML, and what is seen there afterwards.

    ``also``: paths that change or wait with it. ``settles``: paths of which nothing is pending any more.
    """

    what: str
    change: Change
    path: str
    effect: str
    reading: Reading
    wanted: Any
    also: tuple[str, ...] = ()
    settles: tuple[str, ...] = ()


CURRENT, CEILING = text("currentMemory"), text("memory")
ROOT, DATA, EXTRA = "-root.qcow2", "-data.qcow2", "-extra.qcow2"

ROWS = (
    # what the running guest takes at once
    Row("a title", _set(title="first"), "title", "live", text("title"), "first"),
    Row("another title", _set(title="second & last"), "title", "live", text("title"), "second & last"),
    Row("no title", _set(title=""), "title", "live", text("title"), None),
    Row("a description", _set(description="a\nb"), "description", "live", text("description"), "a\nb"),
    Row("no description", _set(description=""), "description", "live", text("description"), None),
    Row("a tag", _set(tags=["x"]), "tags", "live", tags, ["x"]),
    Row("two tags", _set(tags=["y", "x"]), "tags", "live", tags, ["x", "y"]),
    Row("no tags", _set(tags=[]), "tags", "live", tags, []),
    Row("more memory", _set(memory="192MiB"), "memory", "live", CURRENT, str(192 * 1024)),
    Row("less memory", _set(memory="144MiB"), "memory", "live", CURRENT, str(144 * 1024)),
    Row("a processor plugged", _set(vcpus=2), "vcpus", "live", attribute("vcpu", "current"), None),
    Row("the drive emptied", _entry("disks", "cd", cdrom=""), "disks.cd.source", "live", files(".iso"), 0),
    Row("a medium", _entry("disks", "cd", cdrom="TWO"), "disks.cd.source", "live", files("two.iso"), 1),
    Row("a disk grown", _entry("disks", "root", size="96MiB"), "disks.root.size", "live", size(ROOT), 96 << 20),
    Row("a disk plugged", _add("disks", name="extra", size="8MiB"), "disks.extra", "live", files(EXTRA), 1),
    Row(
        "the plugged disk grown",
        _entry("disks", "extra", size="16MiB"),
        "disks.extra.size",
        "live",
        size(EXTRA),
        16 << 20,
    ),
    Row("the plugged disk pulled", _drop("disks", "extra"), "disks.extra", "live", files(EXTRA), 0),
    Row(
        "a SCSI disk plugged",
        _add("disks", name="scsi", size="8MiB", bus="scsi"),
        "disks.scsi",
        "live",
        disk("-scsi.qcow2", "target", "bus"),
        "scsi",
    ),
    Row("the SCSI disk pulled", _drop("disks", "scsi"), "disks.scsi", "live", files("-scsi.qcow2"), 0),
    Row(
        "a nic plugged",
        _add("nics", name="second", network="lab"),
        "nics.second",
        "live",
        all_of("devices/interface/model", "type"),
        ["virtio", "virtio"],
    ),
    Row(
        "the nic pulled",
        _drop("nics", "second"),
        "nics.second",
        "live",
        all_of("devices/interface/model", "type"),
        ["virtio"],
    ),
    Row(
        "another card plugged",
        _add("nics", name="third", network="lab", model="e1000e"),
        "nics.third",
        "live",
        all_of("devices/interface/model", "type"),
        ["e1000e", "virtio"],
    ),
    Row(
        "the card pulled",
        _drop("nics", "third"),
        "nics.third",
        "live",
        all_of("devices/interface/model", "type"),
        ["virtio"],
    ),
    # what waits for a cold start
    Row("a processor pulled", _set(vcpus=1), "vcpus", "restart", attribute("vcpu", "current"), "1"),
    Row("a processor back", _set(vcpus=2), "vcpus", "live", attribute("vcpu", "current"), None, settles=("vcpus",)),
    Row("a higher ceiling", _set(memory_max="320MiB"), "memory_max", "restart", CEILING, str(320 * 1024)),
    Row("more than the running ceiling", _set(memory="288MiB"), "memory", "restart", CURRENT, str(288 * 1024)),
    Row("more processors at most", _set(vcpus_max=4), "vcpus_max", "restart", text("vcpu"), "4", also=("vcpus",)),
    Row(
        "a topology",
        _set(topology={"sockets": 2, "cores": 2}),
        "topology",
        "restart",
        attribute("cpu/topology", "cores"),
        "2",
    ),
    Row(
        "another command line", _set(cmdline="console=ttyS0"), "cmdline", "restart", text("os/cmdline"), "console=ttyS0"
    ),
    Row(
        "a console's log",
        _set(console_log="LOG"),
        "console_log",
        "restart",
        attribute("devices/serial/log", "file"),
        "LOG",
    ),
    Row(
        "a disk's other bus",
        _entry("disks", "data", bus="scsi"),
        "disks.data.bus",
        "restart",
        disk(DATA, "target", "bus"),
        "scsi",
        also=("disks.data.target",),
    ),
    Row("a disk read only", _entry("disks", "data", readonly=True), "disks.data.readonly", "restart", read_only, 1),
    Row(
        "a SATA disk",
        _add("disks", name="sata", size="8MiB", bus="sata"),
        "disks.sata",
        "restart",
        files("-sata.qcow2"),
        1,
    ),
    Row(
        "the SATA disk gone",
        _drop("disks", "sata"),
        "disks.sata",
        "restart",
        files("-sata.qcow2"),
        0,
        settles=("disks.sata",),
    ),
    Row(
        "a disk's place in the boot order",
        _entry("disks", "root", boot_order=1),
        "disks.root.boot_order",
        "restart",
        disk(ROOT, "boot", "order"),
        "1",
        also=("boot",),
    ),
    Row(
        "another model of the nic",
        _entry("nics", "lab", model="e1000e"),
        "nics.lab.model",
        "restart",
        all_of("devices/interface/model", "type"),
        ["e1000e"],
    ),
    Row(
        "the nic in another network",
        _entry("nics", "lab", network="other"),
        "nics.lab.source",
        "restart",
        all_of("devices/interface/source", "network"),
        ["other"],
    ),
    Row("no agent", _set(agent=False), "agent", "restart", attribute("devices/channel[@type='unix']", "type"), None),
    Row("another board", _set(machine="pc"), "machine", "restart", i440fx, True),
)

# What is refused before anything is touched, with a word of the refusal.
REFUSED: tuple[tuple[str, Change, str], ...] = (
    ("another architecture", _set(arch="aarch64"), "arch"),
    ("a smaller disk", _entry("disks", "root", size="32MiB"), "confirm_data_loss"),
    ("an image under the disk", lambda options: options["disks"][-3].update(image="none"), "image"),
    ("more memory than its ceiling", _set(memory="300MiB", memory_max="256MiB"), "memory"),
)


class Bench:
    """One running guest, and what converges it."""

    def __init__(self, host: Host, words: Words) -> None:
        self.host, self.words = host, words
        self.ports = Ports(Libvirt.connect(host.uri), LocalFiles(_run))
        self.connection = libvirt.open(host.uri)

    @property
    def domain(self) -> libvirt.virDomain:
        return self.connection.lookupByName(self.words["name"])

    def plan(self, words: Words) -> Plan:
        spec = parse(words)
        return plan(spec, gather_guests(self.ports.hypervisor, self.ports.files, [spec]), Options())

    def apply(self, made: Plan) -> list[str]:
        """Carry a plan out; return how the guest's action went."""
        outcomes = apply(made, self.ports)
        failed = [outcome.error for outcome in outcomes if outcome.outcome == "failed"]
        assert not failed, failed
        return [outcome.outcome for outcome in outcomes if outcome.action.kind == "guest"]

    def seen(self, reading: Reading) -> tuple[Any, Any]:
        """Return what the definition says and what the running guest does."""
        return tuple(  # type: ignore[return-value]
            reading(ET.fromstring(self.domain.XMLDesc(flags))) for flags in (libvirt.VIR_DOMAIN_XML_INACTIVE, 0)
        )

    def constant(self) -> tuple[int, str]:
        """Return what no change may touch: QEMU's process, the boot, the beginning of the disk."""
        return self.host.guests()[self.words["name"]].pid, inside(self.domain, "/bin/sh", "-c", LOOK)

    def close(self) -> None:
        self.connection.close()
        self.ports.hypervisor.close()


def _run(argv: Sequence[str], **_options: Any) -> tuple[int, str, str]:
    done = subprocess.run(list(argv), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def bench(furnished: Host, guest_name: str, booted: dict[str, str]) -> Iterator[Bench]:
    folder = Path(furnished.folder)
    for name in ("one.iso", "two.iso"):
        (folder / name).write_bytes(b"\0" * 4096)
    furnished.exec(["virsh", "net-define", "/dev/stdin"], input="<network><name>other</name></network>")
    furnished.exec(["virsh", "net-start", "other"])
    words = {
        "name": guest_name,
        **booted,
        "memory": "160MiB",
        "memory_max": "256MiB",
        "vcpus": 1,
        "vcpus_max": 2,
        "disks": [
            {"name": "root", "size": "64MiB"},
            {"name": "data", "size": "8MiB"},
            {"name": "cd", "cdrom": str(folder / "one.iso")},
        ],
        "nics": [{"name": "lab", "network": "lab"}],
        "state": "running",
    }
    made = Bench(furnished, words)
    try:
        made.apply(made.plan(words))
        wait_for_agent(made.domain)
        inside(made.domain, "/bin/sh", "-c", "dd if=/dev/urandom of=/dev/vda bs=65536 count=4 && sync")
        yield made
    finally:
        made.close()
        furnished.exec(["virsh", "net-destroy", "other"], check=False)
        furnished.exec(["virsh", "net-undefine", "other"], check=False)


def _filled(words: Words, folder: Path) -> Words:
    """Put the real paths in place of words that stand for them."""
    paths = {"TWO": str(folder / "two.iso"), "LOG": "/var/log/libvirt/qemu/matrix.log"}
    filled = {key: paths.get(value, value) if isinstance(value, str) else value for key, value in words.items()}
    filled["disks"] = [
        {key: paths.get(value, value) if isinstance(value, str) else value for key, value in entry.items()}
        for entry in words["disks"]
    ]
    return filled


def test_each_change_is_seen_as_predicted(bench: Bench) -> None:
    assert len(ROWS) >= 40
    constant, waiting, words = bench.constant(), set[str](), bench.words
    for row in ROWS:
        wanted = copy.deepcopy(words)
        row.change(wanted)
        wanted = _filled(wanted, bench.host.folder)
        before = bench.seen(row.reading)
        predicted = bench.plan(wanted)
        guest = [action for action in predicted.actions if action.kind == "guest"]
        changes = {".".join(change.path): str(change.effect) for action in guest for change in action.changes}
        assert changes.pop(row.path, None) == row.effect, (row.what, predicted)
        assert set(changes) <= set(row.also), (row.what, changes)
        outcome = bench.apply(predicted)
        after = bench.seen(row.reading)
        expected = "matrix.log" if row.wanted == "LOG" else row.wanted
        seen = str(after[0]).rpartition("/")[2] if row.wanted == "LOG" else after[0]
        assert seen == expected, (row.what, after)
        if row.effect == "live":
            assert outcome == ["done"] and after[1] == row.wanted, (row.what, outcome, after)
        else:
            assert outcome == ["pending"] and after[1] == before[1], (row.what, outcome, before, after)
        again = bench.plan(wanted)
        assert not again.actions, (row.what, again.actions)
        waits = {".".join(c.path) for rows in again.pending.values() for c in rows}
        if row.effect == "restart" and row.path not in row.settles:
            assert row.path in waits, (row.what, waits)
        assert waits - waiting <= {row.path, *row.also}, (row.what, waits - waiting)
        assert waiting - waits <= set(row.settles), (row.what, waiting - waits)
        assert bench.constant() == constant, row.what
        waiting, words = waits, wanted
    for what, change, word in REFUSED:
        wanted = copy.deepcopy(words)
        change(wanted)
        before_text = bench.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        with pytest.raises(SpecError, match=word):
            bench.plan(wanted)
        assert bench.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == before_text, what
