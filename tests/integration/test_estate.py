# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module estate on a real libvirtd: one document with everything that a host holds, and guests that boot."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import hashlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import libvirt
import pytest

from tests.integration.playing import Player, Result, Results, assert_idiom, idiom, task
from tests.lab import Host
from tests.lab.guests import agent, until
from tests.lab.tiny import Artefact

Document = dict[str, Any]
MIB = 1024**2
PASSWORD = "hunter2-in-the-seed"
KEY = "hunter2-in-the-secret"
WEB = ["web01", "web02", "web03"]
SSH = {"action": "accept", "direction": "in", "protocol": "tcp", "attributes": {"dstportstart": 22}}
HEADERS = ["kind", "name", "action", "effect", "changes"]


@pytest.fixture
def opened(furnished: Host) -> Iterator[libvirt.virConnect]:
    """Return a connection of somebody else; in the end everything is gone that the tests' documents have made."""
    connection = libvirt.open(furnished.uri)
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture(scope="class")
def hall(furnished: Host) -> Iterator[Host]:
    """Return the host; what is on it besides its furniture goes when the class is through."""
    yield furnished
    clear(furnished)


def clear(host: Host) -> None:
    connection = libvirt.open(host.uri)
    for domain in connection.listAllDomains():
        if domain.isActive():
            domain.destroy()
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    for network in connection.listAllNetworks():
        if network.name() != "lab":
            if network.isActive():
                network.destroy()
            network.undefine()
    for pool in connection.listAllStoragePools():
        if pool.name() != "default":
            if pool.isActive():
                pool.destroy()
            pool.undefine()
    for secret in connection.listAllSecrets():
        secret.undefine()
    for nwfilter in connection.listAllNWFilters():
        if nwfilter.name().startswith("only-"):
            nwfilter.undefine()
    connection.close()


def picture(connection: libvirt.virConnect, *folders: Path) -> dict[str, list[str]]:
    """Return the names of all that a host has, and the files in folders."""
    return {
        "guests": sorted(domain.name() for domain in connection.listAllDomains()),
        "networks": sorted(network.name() for network in connection.listAllNetworks()),
        "pools": sorted(pool.name() for pool in connection.listAllStoragePools()),
        "secrets": sorted(secret.usageID() for secret in connection.listAllSecrets()),
        "nwfilters": sorted(nwfilter.name() for nwfilter in connection.listAllNWFilters()),
        "files": sorted(str(path) for folder in folders for path in folder.rglob("*")),
    }


def pids(host: Host, *names: str) -> dict[str, int]:
    return {name: host.guests()[name].pid for name in names}


def definition(connection: libvirt.virConnect, name: str) -> str:
    flags = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
    return str(connection.lookupByName(name).XMLDesc(flags))


def hand(connection: libvirt.virConnect, name: str, old: str, new: str) -> None:
    """Change a guest's definition as somebody with an editor does."""
    xml = definition(connection, name)
    assert old in xml, (old, xml)
    connection.defineXML(xml.replace(old, new))


def rows(result: Result) -> list[dict[str, Any]]:
    return [{key: row[key] for key in HEADERS} for row in result["plan"]]


def told(result: Result) -> list[tuple[str, str, str]]:
    return [(row["action"], row["kind"], row["name"]) for row in result["plan"]]


def network(name: str, number: int) -> dict[str, Any]:
    """Return a network whose guests need not wait for spanning trees."""
    return {
        "name": name,
        "cidr": f"10.{number}.0.0/16",
        "dhcp": {"start": f"10.{number}.200.1", "end": f"10.{number}.200.99"},
        "stp": False,
        "bridge": f"vfe{number}",
    }


def whole(folder: Path, tiny: Artefact) -> Document:
    """Return a document with every section; the three guests ``web`` boot, ``db1`` does not."""
    source = folder / "source.raw"
    if not source.exists():
        source.write_bytes(os.urandom(MIB) + bytes(3 * MIB))
        source.chmod(0o644)
    return {
        "version": 1,
        "name": "hall",
        "pools": [{"name": "hall", "path": str(folder / "images")}],
        "networks": [network("office", 91)],
        "images": [{"name": "base", "source": f"file://{source}", "format": "qcow2"}],
        "volumes": [{"name": "shared.raw", "size": "2MiB", "format": "raw"}],
        "secrets": [{"name": "client.hall", "usage": "ceph", "value": KEY}],
        "nwfilters": [
            {"name": "only-ssh", "filters": [{"name": "only-mac"}], "rules": [SSH]},
            {"name": "only-mac", "filters": [{"name": "no-mac-spoofing"}]},
        ],
        "guest_defaults": {"memory": "192MiB", "tags": ["all"], "autostart": False},
        "profiles": {
            "tiny": {"kernel": str(tiny.kernel), "initrd": str(tiny.initrd), "cmdline": tiny.cmdline},
            "big": {"memory": "256MiB", "vcpus": 2, "tags": None},
        },
        "guests": [
            {
                "name": "web{n:02}",
                "count": 3,
                "profiles": ["tiny"],
                "title": "Web server {n}",
                "disks": [{"image": "base"}, {"name": "data", "size": "4MiB"}],
                "nics": [{"network": "office", "address": "10.91.0.11"}],
                "state": "running",
                "wait_for": "agent",
            },
            {
                "name": "db1",
                "profiles": ["tiny", "big"],
                "disks": [{"image": "base", "size": "8MiB"}],
                "nics": [{"network": "office", "address": "10.91.0.30"}],
                "cloud_init": {"user_data": {"password": PASSWORD, "hostname": "db1"}},
            },
        ],
    }


class TestAWholeHost:
    """One host through its life; each test goes on where the one before it ended."""

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, hall: Host) -> Path:
        folder = hall.folder / "hall"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        return folder

    @pytest.fixture(scope="class")
    @classmethod
    def document(cls, folder: Path, tiny: Artefact) -> Document:
        return whole(folder, tiny)

    def test_bad_input_comes_all_at_once_and_touches_nothing(
        self, play: Player, opened: libvirt.virConnect, folder: Path, document: Document
    ) -> None:
        wrong = copy.deepcopy(document)
        wrong["guests"][0]["disks"][1]["size"] = "4"
        wrong["guests"][1]["profiles"] = ["tiny", "bigg"]
        wrong["networks"][0]["cidr"] = "10.91.0.0/99"
        wrong["pools"][0]["pth"] = "/x"
        wrong["nwfilters"][0]["rules"][0]["attributes"]["dstportstart"] = "many"
        wrong["guest"] = []
        missing = copy.deepcopy(document)
        missing["guests"][0]["nics"][0]["network"] = "offce"
        missing["guests"][1]["disks"][0]["image"] = "bse"
        before = picture(opened, folder)
        results = play([
            {**task("wrong", "estate", document=wrong), "ignore_errors": True},
            {**task("missing", "estate", document=missing), "ignore_errors": True},
        ], fails=True)  # fmt: skip
        said = results.named("wrong").msg
        for path in (
            "guests[0].disks[1].size", "guests[1].profiles[1]", "networks[0].cidr", "pools[0].pth",
            "nwfilters[0].rules[0]", "guest: no such section; did you mean guests?",
        ):  # fmt: skip
            assert path in said, (path, said)
        said = results.named("missing").msg
        for path in ("guests[0].nics[0].network", "guests[1].disks[0].image"):
            assert path in said, (path, said)
        assert picture(opened, folder) == before

    def test_from_nothing_and_no_secret_is_shown(
        self, play: Player, opened: libvirt.virConnect, folder: Path, document: Document
    ) -> None:
        """With everything turned on, and the document from a file of variables, as from a vault."""
        variables = play.folder / "estate.json"
        variables.write_text(json.dumps({"estate": document}))
        trace, record = play.folder / "trace", play.folder / "hidden.jsonl"
        tasks = idiom("estate", "make", document="{{ estate }}")
        defaults = {"group/virtfleet.core.virtfleet": {"uri": play.host.uri}}
        book = play.folder / "hidden.yml"
        book.write_text(
            json.dumps([{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}])
        )
        words = ["-vvv", "--diff", "-e", f"@{variables}", "-e", f"ansible_python_interpreter={play.python}", str(book)]
        env = {"VIRTFLEET_RECORD": str(record), "VIRTFLEET_DEBUG": str(trace)}
        done = play.command(["ansible-playbook", *words], env)
        assert done.returncode == 0, done.stdout[-4000:]
        progress = play.host.exec(["cat", "/run/virtfleet/progress.log"]).stdout or ""
        every = (done.stdout, done.stderr, record.read_text(), progress, trace.read_text())
        assert not [said for said in every if PASSWORD in said or KEY in said]
        assert "+ guest web01" in done.stdout, done.stdout[-3000:]
        results = Results(
            Result(line["task"], line["outcome"], line["result"], line["host"])
            for line in map(json.loads, record.read_text().splitlines())
        )
        made = assert_idiom(results, "make")
        assert made["summary"] == {"create": 18, "unchanged": 0}
        assert {row["outcome"] for row in made["plan"]} == {"done"}
        assert made.changes("secret", "client.hall")["value"]["after"] == "(hidden)"
        there = picture(opened)
        assert there["guests"] == ["db1", *WEB]
        assert {"only-ssh", "only-mac"} <= set(there["nwfilters"]) and there["secrets"] == ["client.hall"]
        for number, name in enumerate(WEB):
            domain = opened.lookupByName(name)
            assert agent(domain, "guest-ping") is not None
            found = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
            assert [each["addr"] for nic in found.values() for each in nic["addrs"]] == [f"10.91.0.{11 + number}"]
            assert f"<title>Web server {number + 1}</title>" in definition(opened, name)
        assert not opened.lookupByName("db1").isActive()
        assert "10.91.0.30" in opened.networkLookupByName("office").XMLDesc()
        assert ":tag>" not in definition(opened, "db1"), "null in a profile takes away what was there"
        assert opened.networkLookupByName("office").autostart() and opened.storagePoolLookupByName("hall").autostart()

    def test_a_changed_document_changes_that_and_restarts_nobody(
        self, play: Player, opened: libvirt.virConnect, document: Document
    ) -> None:
        before = pids(play.host, *WEB)
        guests = document["guests"]
        guests[0].update(tags=["all", "web"], title="Front {n}")
        guests[1].update(memory="320MiB", disks=[{"image": "base", "size": "12MiB"}])
        document["networks"][0]["dns_hosts"] = [{"address": "10.91.0.1", "names": ["gate"]}]
        results = play(idiom("estate", "change", document=document, restart_policy="if_needed"))
        changed = assert_idiom(results, "change")
        assert changed["summary"]["unchanged"] == 6
        assert pids(play.host, *WEB) == before, "a tag or a title restarts nobody"
        assert "<title>Front 2</title>" in definition(opened, "web02")
        assert opened.lookupByName("db1").maxMemory() == 320 * 1024

    def test_what_somebody_changed_by_hand_is_told_and_set_back(
        self, play: Player, opened: libvirt.virConnect, document: Document
    ) -> None:
        hand(opened, "db1", ">327680<", ">393216<")
        hand(opened, "web02", "<devices>", "<devices><hub type='usb'/>")
        web03 = opened.lookupByName("web03")
        disk = _disks(web03)["web03-data.qcow2"]
        web03.detachDeviceFlags(ET.tostring(disk, encoding="unicode"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        until(lambda: "web03-data.qcow2" not in _disks(web03), 20, "the end of the disk in web03")
        kept = task("kept", "estate", document=document, drift="report")
        results = play([kept, *idiom("estate", "back", document=document, drift="revert")])
        told_of = results.named("kept")
        assert not told_of.changed
        found = {(row["name"], row["path"], row["side"]): (row["applied"], row["found"]) for row in told_of["drift"]}
        assert found["db1", "memory", "definition"] == ("320MiB", "384MiB")
        assert ("web03", "disks.data", "live") in found, "the definition has it, the running guest has not"
        assert len(found) == 2, "a hub is no word of the document"
        back = assert_idiom(results, "back")
        assert {row["name"] for row in back["plan"]} == {"db1", "web03"}
        # The maximum is no word of the document.
        assert ">327680</currentMemory>" in definition(opened, "db1")
        assert "web03-data.qcow2" in _disks(web03)
        assert "<hub type='usb'" in definition(opened, "web02"), "what the document does not speak of stays"

    def test_a_restart_goes_one_after_another_where_it_is_asked_for(self, play: Player, document: Document) -> None:
        before = pids(play.host, *WEB)
        document["guests"][0]["memory"] = "224MiB"
        results = play([
            *idiom("estate", "never", document=document)[:2],
            task("never again", "estate", document=document),
            *idiom("estate", "now", document=document, restart_policy="if_needed"),
        ])  # fmt: skip
        never = results.named("never")
        assert rows(never) == rows(results.named("never (check)"))
        assert {row["outcome"] for row in never["plan"]} == {"pending"}
        assert not results.named("never again").changed
        assert [row["name"] for row in results.named("never again")["pending"]] == WEB
        now = assert_idiom(results, "now")
        assert [row["name"] for row in now["plan"]] == WEB and now["pending"] == []
        after = pids(play.host, *WEB)
        assert not set(before.values()) & set(after.values())
        # One is up again before the next goes: their processes began in the document's order.
        assert sorted(after, key=lambda name: _started(after[name])) == WEB
        said = [line.partition(" ")[2] for line in _progress(play.host)]
        lanes = [name for line in said for name in WEB if line.startswith(f"guest {name}: ")]
        last = [name for position, name in enumerate(lanes) if name not in lanes[position + 1 :]]
        assert last == WEB, said[-20:]

    def test_a_kept_plan_is_applied_or_refused(
        self, play: Player, opened: libvirt.virConnect, document: Document
    ) -> None:
        document["guests"][1]["tags"] = ["data"]
        document["guests"].append({"name": "extra", "memory": "64MiB", "disks": [{"image": "base"}]})
        before = picture(opened)
        planned = play([{**task("plan", "estate", document=document, mode="plan"), "register": "planned"}])[0]
        assert planned.changed and picture(opened) == before
        assert told(planned) == [
            ("update", "guest", "db1"), ("create", "volume", "hall/extra-root.qcow2"), ("create", "guest", "extra"),
        ]  # fmt: skip
        kept = {"plan": planned["plan"], "fingerprint": planned["fingerprint"]}
        other = {**document, "guests": document["guests"][:-1]}
        hand(opened, "db1", ">327680<", ">393216<")
        refused = play([
            {**task("moved on", "estate", document=document, saved_plan=kept), "ignore_errors": True},
            {**task("another", "estate", document=other, saved_plan=kept), "ignore_errors": True},
            {**task("no plan", "estate", document=document, saved_plan={"a": 1}), "ignore_errors": True},
        ], fails=True)  # fmt: skip
        assert "the host has moved on" in refused.named("moved on").msg
        assert "guest db1 would be changed otherwise" in refused.named("moved on").msg
        assert "another document" in refused.named("another").msg
        assert "is not the result of a run with mode: plan" in refused.named("no plan").msg
        assert picture(opened) == before
        hand(opened, "db1", ">393216<", ">327680<")
        results = play([
            task("kept", "estate", document=document, saved_plan=kept),
            task("kept (again)", "estate", document=document),
        ])  # fmt: skip
        assert rows(results.named("kept")) == rows(planned)
        assert not results.named("kept (again)").changed

    def test_what_the_document_no_longer_names_goes_only_when_asked(
        self, play: Player, opened: libvirt.virConnect, folder: Path, document: Document
    ) -> None:
        play([task("foreign", "guest", name="stranger", memory="64MiB", disks=[{"size": "1MiB"}], pool="hall")])
        fewer = copy.deepcopy(document)
        fewer["guests"] = [{**fewer["guests"][0], "count": 2}]
        del fewer["secrets"]
        results = play([
            task("without", "estate", document=fewer),
            *idiom("estate", "prune", document=fewer, prune=True, confirm_data_loss=["web03/data"], stop_timeout="30s"),
        ])  # fmt: skip
        assert not results.named("without").changed
        pruned = assert_idiom(results, "prune")
        assert {(row["action"], row["kind"]) for row in pruned["plan"] if row["name"] in ("web03", "db1", "extra")} == {
            ("delete", "guest")
        }
        there = picture(opened, folder / "images")
        assert there["guests"] == ["stranger", "web01", "web02"] and there["secrets"] == []
        names = {Path(path).name for path in there["files"]}
        assert "web03-data.qcow2" not in names and {"web03-root.qcow2", "db1-root.qcow2"} <= names
        office = opened.networkLookupByName("office").XMLDesc()
        assert "10.91.0.12" in office and "10.91.0.13" not in office and "10.91.0.30" not in office

    def test_nothing_is_left_of_an_empty_document(
        self, play: Player, opened: libvirt.virConnect, folder: Path, document: Document
    ) -> None:
        play([task("stranger goes", "guest", name="stranger", state="absent", confirm_data_loss=["stranger"])])
        # Disks that an earlier run has left belong to no guest any more; they stand on the image that goes.
        left = [{"name": f"{name}-root.qcow2", "pool": "hall", "state": "absent"} for name in ("web03", "db1", "extra")]
        left.append({"name": "shared.raw", "pool": "hall", "state": "absent"})
        empty = {"version": 1, "name": "hall", "volumes": left}
        consent = ["web01", "web02", "base", *(f"hall/{volume['name']}" for volume in left)]
        results = play([
            task("unasked", "estate", check=True, document={"version": 1, "name": "hall"}, prune=True),
            *idiom("estate", "empty", document=empty, prune=True, confirm_data_loss=consent, stop_timeout="30s"),
        ])  # fmt: skip
        assert not [row for row in results.named("unasked")["plan"] if row["kind"] in ("image", "volume")]
        assert_idiom(results, "empty")
        there = picture(opened)
        assert (there["guests"], there["networks"], there["secrets"]) == ([], ["lab"], [])
        assert not {"only-ssh", "only-mac"} & set(there["nwfilters"])
        assert there["pools"] == ["default"] and not (folder / "images").exists()


def _disks(domain: libvirt.virDomain) -> dict[str, ET.Element]:
    """Return the disks of a running guest by their files' names."""
    disks = ET.fromstring(domain.XMLDesc()).iterfind("devices/disk[source]")
    return {Path(disk.find("source").get("file")).name: disk for disk in disks}


def _started(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def furnished_document(folder: Path, name: str, number: int) -> Document:
    """Return a document of what is made in many steps, and needs no guest to boot."""
    source = folder / "source.raw"
    source.write_bytes(os.urandom(8 * MIB))
    source.chmod(0o644)
    return {
        "version": 1,
        "name": name,
        "pools": [{"name": name, "path": str(folder / "images")}],
        "networks": [network(name, number)],
        "images": [{"name": "base", "source": f"file://{source}", "format": "qcow2"}],
        "volumes": [{"name": "plain.raw", "size": "8MiB", "format": "raw", "source": str(source)}],
        "guests": [
            {
                "name": f"{name}-",
                "count": 6,
                "memory": "64MiB",
                "disks": [{"image": "base"}, {"name": "data", "size": "1MiB"}],
                "nics": [{"network": name, "address": f"10.{number}.0.11"}],
                "cloud_init": {"user_data": {"hostname": "x"}},
            }
        ],
    }


@pytest.fixture
def place(furnished: Host, tmp_path: Path) -> Iterator[Path]:
    """Return a folder that QEMU may enter; what tests have made on the host goes in the end."""
    folder = furnished.folder / tmp_path.name
    folder.mkdir()
    folder.chmod(0o755)
    yield folder
    clear(furnished)


class Killer:
    """Kills the module's process, and no other, once it has said so many sentences, or a moment later."""

    def __init__(self, host: Host, sentences: int, pause: float) -> None:
        self.progress = host.home / "run/virtfleet/progress.log"
        self.sentences, self.pause = sentences, pause
        self.begin = self.progress.stat().st_size if self.progress.exists() else 0
        self.killed: int | None = None
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _lines(self) -> list[str]:
        if not self.progress.exists():
            return []
        with self.progress.open("rb") as log:
            log.seek(self.begin)
            return log.read().decode().splitlines()

    def _watch(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            said = self._lines()
            if len(said) > self.sentences:
                time.sleep(self.pause)
                pid = int(said[0].split()[0])
                # Still the one that has said so: a module is a Python.
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    if b"python" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)
                        self.killed = pid
                return
            time.sleep(0.001)


def test_a_killed_run_is_finished_by_the_next(play: Player, opened: libvirt.virConnect, place: Path) -> None:
    document = furnished_document(place, "cut", 92)
    names = [f"cut-{number}" for number in range(1, 7)]
    options: dict[str, Any] = {"prune": True, "confirm_data_loss": ["base", *names]}
    whole: dict[str, list[str]] = {}
    killed = 0
    for sentences, pause in ((0, 0.02), (3, 0.0), (9, 0.01), (17, 0.005), (26, 0.0)):
        killer = Killer(play.host, sentences, pause)
        cut = play([task("cut short", "estate", document=document, **options)], fails=True)
        killer.thread.join()
        if killer.killed is not None:
            killed += 1
            assert cut[0].outcome == "failed"
        results = play([
            task("finish", "estate", document=document, **options),
            task("finish (again)", "estate", document=document, **options),
        ])  # fmt: skip
        assert not results.named("finish (again)").changed, results.named("finish (again)")["plan"]
        there = picture(opened, place / "images")
        assert there == (whole or there), (sentences, set(there["files"]) ^ set(whole["files"]))
        whole = there
        volumes = opened.storagePoolLookupByName("cut").listVolumes()
        assert sorted(volumes) == sorted(Path(path).name for path in there["files"] if not _is_record(path))
        gone = {"name": "plain.raw", "pool": "cut", "state": "absent"}
        empty = {"version": 1, "name": "cut", "volumes": [gone]}
        consent = [*options["confirm_data_loss"], "cut/plain.raw"]
        emptied = play([task("nothing", "estate", document=empty, prune=True, confirm_data_loss=consent)])
        assert emptied[0].changed and not (place / "images").exists(), list((place / "images").rglob("*"))
    assert killed >= 3
    assert not [path for path in whole["files"] if path.endswith(".part")]
    assert len([path for path in whole["files"] if not _is_record(path)]) == 2 + 3 * 6


def _is_record(path: str) -> bool:
    """Tell whether a file is the note that lies beside an image."""
    return Path(path).name.startswith(".")


def test_two_runs_at_once_wait_for_each_other(play: Player, tmp_path_factory: pytest.TempPathFactory, place: Path) -> None:
    """Both find a third run at work, which ends when both have said that they wait."""
    run = [task("make", "estate", document=furnished_document(place, "both", 93))]
    players = [Player(play.host, tmp_path_factory.mktemp(f"player{number}")) for number in range(2)]
    begin = len(_progress(play.host))
    with ThreadPoolExecutor() as threads:
        with _at_work(play.host):
            running = [threads.submit(player, run) for player in players]
            while len([line for line in _progress(play.host)[begin:] if "waits for another run" in line]) < 2:
                assert not any(each.done() for each in running), [each.result() for each in running if each.done()]
                time.sleep(0.2)
        results = [each.result()[0] for each in running]
    assert sorted(result.changed for result in results) == [False, True], [result.msg for result in results]


@contextlib.contextmanager
def _at_work(host: Host) -> Iterator[None]:
    """Hold the lock of the host's hypervisor, as a run does."""
    folder = host.home / "run/lock/virtfleet"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o1777)
    with (folder / f"{hashlib.sha256(host.uri.encode()).hexdigest()[:16]}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _progress(host: Host) -> list[str]:
    path = host.home / "run/virtfleet/progress.log"
    return path.read_text().splitlines() if path.exists() else []


def test_a_thousand_guests_cost_one_read_each(play: Player, opened: libvirt.virConnect, place: Path) -> None:
    """Nothing to do with them: a small result, and no call for each of them but the read of its XML."""
    many = {"name": "m{n:04}", "count": 1000, "memory": "32MiB", "tags": ["many"], "xml_overlay": []}
    document = {"version": 1, "name": "many", "guests": [many]}
    trace = play.folder / "trace"
    made = play([task("make", "estate", document=document, parallel=5)])[0]
    assert made["summary"] == {"create": 1000, "unchanged": 0}
    result = play([task("again", "estate", document=document)], env={"VIRTFLEET_DEBUG": str(trace)})[0]
    assert not result.changed and result["summary"] == {"unchanged": 1000}
    assert len(json.dumps(result.values)) < 64 * 1024
    calls = [line.split()[2] for line in trace.read_text().splitlines()]
    assert calls.count("virDomain.XMLDesc") == 1000
    assert len(calls) < 1000 + 60, sorted({call: calls.count(call) for call in calls}.items(), key=lambda pair: -pair[1])
    gone = play([task("gone", "estate", document={"version": 1, "name": "many"}, prune=True)])[0]
    assert gone["summary"] == {"delete": 1000, "unchanged": 0}


def test_hundreds_of_reservations_are_one_redefine(play: Player, opened: libvirt.virConnect, place: Path) -> None:
    """The running network hears of each when its guest starts: 300 live updates would take two minutes."""
    wide = network("wide", 94)
    guest = {"name": "w{n:03}", "count": 300, "memory": "32MiB", "nics": [{"network": "wide", "address": "10.94.1.1"}]}
    document = {"version": 1, "name": "wide", "networks": [wide], "guests": [guest]}
    trace = play.folder / "trace"
    play([task("network", "estate", document={**document, "guests": []})])
    began = time.monotonic()
    results = play(idiom("estate", "make", document=document), env={"VIRTFLEET_DEBUG": str(trace)})
    assert time.monotonic() - began < 90
    assert_idiom(results, "make")
    calls = [line.split()[2] for line in trace.read_text().splitlines()]
    assert calls.count("virConnect.networkDefineXML") + calls.count("virConnect.networkDefineXMLFlags") == 1
    assert calls.count("virNetwork.update") == 0
    wide_xml = opened.networkLookupByName("wide").XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
    assert wide_xml.count("<host mac=") == 300
