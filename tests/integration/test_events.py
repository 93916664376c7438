# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source on a real libvirtd, and the rulebook that starts crashed guests again, in a real ansible-rulebook."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
import yaml

from tests.contract.definitions import guest as idle_guest
from tests.lab import Host, tiny
from tests.lab.guests import domain_xml, inside, running, until, wait_for_agent
from tools.dev import venvs
from tools.dev.errors import ToolError
from tools.dev.pythons import pairs

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "extensions" / "eda" / "plugins" / "event_source" / "guest_events.py"


@pytest.fixture
def guest(furnished: Host, guest_name: str) -> Iterator[libvirt.virDomain]:
    """Return a running guest without an operating system."""
    connection = libvirt.open(furnished.uri)
    domain = connection.defineXML(idle_guest(guest_name))
    domain.create()
    yield domain
    connection.close()


def kill(host: Host, name: str) -> int:
    """End a guest's QEMU as a crash would; return its process id."""
    process = host.guests()[name]
    os.kill(process.pid, signal.SIGKILL)
    return process.pid


class Listener:
    """What the event source tells, in the order in which it is asked for."""

    def __init__(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self._queue = queue

    async def told(self, **words: Any) -> dict[str, Any]:
        """Return the next event that says all these."""
        while True:
            event = await asyncio.wait_for(self._queue.get(), 120)
            if all(event.get(key) == value for key, value in words.items()):
                return event


@contextlib.asynccontextmanager
async def listening(uri: str) -> AsyncIterator[Listener]:
    """Run the event source as a rulebook does, from the moment when it is connected."""
    spec = importlib.util.spec_from_file_location("guest_events", SOURCE)
    assert spec is not None and spec.loader is not None
    source = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(source)
    source.SHORTEST_PAUSE = 0.1
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
    task = asyncio.create_task(source.main(queue, {"hypervisors": [uri]}))
    try:
        listener = Listener(queue)
        await listener.told(kind="connection", type="connected")
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_killed_guest_a_restarted_daemon_and_what_was_missed(furnished: Host, guest: libvirt.virDomain) -> None:
    name = guest.name()

    async def play() -> list[dict[str, Any]]:
        async with listening(furnished.uri) as source:
            kill(furnished, name)
            crash = await source.told(guest=name, type="stopped")
            guest.create()
            start = await source.told(guest=name, type="started")
            # While nobody listens, another crash.
            furnished.stop_libvirtd()
            lost = await source.told(kind="connection", type="lost")
            kill(furnished, name)
            furnished.start_libvirtd()
            await source.told(kind="connection", type="connected")
            missed = await source.told(guest=name, type="stopped")
            return [crash, start, lost, missed]

    crash, start, lost, missed = asyncio.run(play())
    assert (crash["detail"], crash["crashed"], crash["hypervisor"]) == ("failed", True, furnished.uri)
    assert start["detail"] == "booted"
    assert lost["detail"]
    assert missed["missed"] is True


def test_a_guest_that_a_new_daemon_gives_up_without_a_word(furnished: Host, guest: libvirt.virDomain) -> None:
    """A daemon that starts lists a guest as running until it knows that its QEMU will not answer; then it tells nobody."""
    name = guest.name()

    async def play() -> dict[str, Any]:
        async with listening(furnished.uri) as source:
            os.kill(furnished.guests()[name].pid, signal.SIGSTOP)
            furnished.stop_libvirtd()
            await source.told(kind="connection", type="lost")
            furnished.start_libvirtd()
            await source.told(kind="connection", type="connected")
            kill(furnished, name)
            return await source.told(guest=name, type="stopped")

    missed = asyncio.run(play())
    assert (missed["missed"], missed["crashed"]) == (True, True)


@pytest.fixture
def troubled(furnished: Host, guest_name: str) -> Iterator[str]:
    """Return a guest's definition: a disk whose file system is full, one that may grow, a watchdog that nobody feeds."""
    folder = furnished.folder / guest_name
    folder.mkdir(mode=0o755)
    furnished.exec(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(folder)])
    try:
        full, grows = folder / "full.raw", furnished.folder / f"{guest_name}.raw"
        furnished.exec(["truncate", "--size", "8M", str(full), str(grows)])
        disks = "".join(
            f"<disk type='file' device='disk'><driver name='qemu' type='raw' error_policy='report'/>"
            f"<source file='{path}'/><target dev='{target}' bus='virtio'/></disk>"
            for path, target in ((full, "vda"), (grows, "vdb"))
        )
        watchdog = "<watchdog model='ib700' action='none'/>"
        yield domain_xml(guest_name, tiny.build().into(furnished.folder), network=None, disks=disks + watchdog)
    finally:
        furnished.exec(["umount", str(folder)])


def test_what_a_guest_runs_into(furnished: Host, guest_name: str, troubled: str) -> None:
    """Each kind of event that needs a guest, from a real one."""

    async def play(domain: libvirt.virDomain) -> list[dict[str, Any]]:
        async with listening(furnished.uri) as source:

            def sh(line: str) -> asyncio.Future[str]:
                return asyncio.ensure_future(asyncio.to_thread(inside, domain, "/bin/sh", "-c", line))

            domain.create()
            events = [await source.told(kind="agent", guest=guest_name, type="connected")]
            await asyncio.to_thread(wait_for_agent, domain)
            write = sh("dd if=/dev/zero of=/dev/vda bs=64k count=64 conv=fsync 2>&1; true")
            events.append(await source.told(kind="io_error", guest=guest_name))
            await write
            domain.setBlockThreshold("vdb", MIB)
            write = sh("dd if=/dev/zero of=/dev/vdb bs=64k count=64 conv=fsync 2>&1; true")
            events.append(await source.told(kind="threshold", guest=guest_name, disk="vdb"))
            await write
            # The board's own watchdog is wound up for two seconds by a byte at its port (QEMU's hw/watchdog/wdt_ib700.c).
            await sh(r"printf '\016' | dd of=/dev/port bs=1 seek=$((0x443)) conv=notrunc")
            events.append(await source.told(kind="watchdog", guest=guest_name))
            domain.reset()
            events.append(await source.told(kind="reboot", guest=guest_name))
            return events

    with running(furnished, troubled, start=False):
        connection = libvirt.open(furnished.uri)
        try:
            agent, error, threshold, watchdog, reboot = asyncio.run(play(connection.lookupByName(guest_name)))
        finally:
            connection.close()
    assert agent["detail"] in ("guest_started", "channel")
    assert error["action"] == "report" and error["path"].endswith("full.raw")
    assert (threshold["threshold"], threshold["excess"] >= 0) == (MIB, True)
    assert watchdog["action"] == "none"
    assert {event["hypervisor"] for event in (agent, error, threshold, watchdog, reboot)} == {furnished.uri}


@pytest.fixture(scope="module")
def programs() -> Path:
    """Return where ansible-rulebook is, in an environment of its own; skip where it cannot be."""
    java = shutil.which("java") or f"{os.environ.get('JAVA_HOME', '/nowhere')}/bin/java"
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("ansible-rulebook needs Java 17 or later, and there is none here (package openjdk-17-jre-headless)")
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < 17:
        pytest.skip(f"ansible-rulebook needs Java 17 or later: {said.splitlines()[0]}")
    try:
        return venvs.ensure(ROOT, pairs(ROOT)["main"], "eda") / "bin"
    except ToolError as error:
        pytest.skip(f"ansible-rulebook cannot be installed here: {error}")


def test_the_rulebook_starts_a_killed_guest_again_and_not_for_ever(
    furnished: Host, guest: libvirt.virDomain, programs: Path, tmp_path: Path
) -> None:
    name = guest.name()
    (tmp_path / "fleet.yml").write_text(yaml.safe_dump({"hypervisors": [furnished.uri]}))
    (tmp_path / "inventory.yml").write_text(
        yaml.safe_dump({"all": {"hosts": {"localhost": {"ansible_connection": "local"}}}})
    )
    command = [
        str(programs / "ansible-rulebook"), "--rulebook", "virtfleet.core.restart_crashed_guests",
        "--inventory", str(tmp_path / "inventory.yml"), "--vars", str(tmp_path / "fleet.yml"), "--print-events",
    ]  # fmt: skip
    environment = {
        **{key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "LC_ALL": "C.UTF-8",
    }
    log = tmp_path / "rulebook.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*furnished.prefix, *command], env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    try:

        def said(word: str, times: int = 1) -> Any:
            assert process.poll() is None, log.read_text()
            return log.read_text().count(word) >= times

        until(lambda: said("'type': 'connected'"), 120, "ansible-rulebook's connection", every=0.2)
        first = kill(furnished, name)

        def started() -> bool:
            process = furnished.guests().get(name)
            return process is not None and process.pid != first

        until(started, 120, f"the new start of {name}", every=0.2)
        # A QEMU that is killed while libvirt still starts it is a start that failed, and no crash.
        until(lambda: said("PLAY RECAP"), 60, "the end of the rulebook's task", every=0.2)
        # Again within the five minutes: told, and left alone.
        kill(furnished, name)
        until(lambda: said("'type': 'stopped'", 2), 60, "the second crash", every=0.2)
        time.sleep(5)
        assert name not in furnished.guests()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
