# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is libvirt's alone: how a connection opens, fails and hangs, what it may read, how often it calls."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, Timeout, Unsupported, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT, Libvirt
from tests.contract.definitions import guest, network, nic, pool, volume
from tests.contract.places import unix_uri
from tests.lab import Host

needs_libvirt = pytest.mark.skipif(not HAS_LIBVIRT, reason="this Python has no module libvirt")
# The test driver lives in this process and is thrown away with its last connection.
TEST_GUEST = "<domain type='test'><name>{}</name><memory>65536</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file that gets a line for each libvirt call of connections opened from now on."""
    path = tmp_path / "trace"
    monkeypatch.setenv("VIRTFLEET_DEBUG", str(path))
    return path


def _calls(trace: Path) -> Counter[str]:
    counted = Counter(line.split()[2] for line in trace.read_text().splitlines())
    trace.write_text("")
    return counted


@pytest.fixture
def test_driver(trace: Path) -> Iterator[Libvirt]:
    hypervisor = Libvirt.connect("test:///default")
    yield hypervisor
    hypervisor.close()


@needs_libvirt
@pytest.mark.parametrize("count", [10, 200])
def test_reading_many_guests_takes_one_xml_each(test_driver: Libvirt, trace: Path, count: int) -> None:
    for number in range(count):
        test_driver.define_guest(TEST_GUEST.format(f"g{number}"))
    for number in range(count // 2):
        test_driver.start_guest(f"g{number}")
    present, running = count + 1, count // 2 + 1  # the driver comes with a guest that runs
    _calls(trace)

    assert len(test_driver.guests()) == present
    calls = _calls(trace)
    assert calls.pop("virDomain.XMLDesc") == present + running
    assert calls.pop("virConnect.listAllDomains") <= 8
    assert not calls, "nothing is asked of each guest but its XML"

    assert len(test_driver.summaries(["running"])) == running
    calls = _calls(trace)
    assert calls.pop("virDomain.XMLDesc") == running
    assert calls.pop("virConnect.listAllDomains") <= 4
    assert not calls


@needs_libvirt
def test_reading_one_guest_lists_nothing(test_driver: Libvirt, trace: Path) -> None:
    _calls(trace)
    assert list(test_driver.guests(["test"])) == ["test"]
    calls = _calls(trace)
    assert calls["virConnect.lookupByName"] == 1
    assert "virConnect.listAllDomains" not in calls
    assert calls.total() <= 10


@needs_libvirt
@pytest.mark.parametrize("others", [0, 20])
def test_what_is_not_asked_for_costs_nothing(test_driver: Libvirt, trace: Path, others: int) -> None:
    for number in range(others):
        test_driver.define_network(network(f"n{number}", number))
        test_driver.define_pool(pool(f"p{number}", f"/p{number}"))
        test_driver.create_volume("default-pool", volume(f"v{number}", 1 << 20))
    test_driver.create_volume("default-pool", volume("wanted", 1 << 20))
    _calls(trace)
    assert set(test_driver.networks(["default"])) == {"default"}
    # Each is read twice; the test driver refuses a flag first.
    assert _calls(trace) == {"virConnect.listAllNetworks": 4, "virNetwork.XMLDesc": 3}
    assert set(test_driver.pools(["default-pool"])) == {"default-pool"}
    assert _calls(trace) == {"virConnect.listAllStoragePools": 3, "virStoragePool.XMLDesc": 3}
    assert set(test_driver.volumes("default-pool", ["wanted", "none"])) == {"wanted"}
    assert _calls(trace) == {
        "virConnect.storagePoolLookupByName": 1,
        "virStoragePool.listAllVolumes": 1,
        "virStorageVol.XMLDesc": 1,
    }
    assert len(test_driver.network_names()) == len(test_driver.pool_names()) == others + 1
    assert _calls(trace).total() == 2
    assert test_driver.networks([]) == test_driver.pools([]) == test_driver.volumes("default-pool", []) == {}
    assert not _calls(trace)


@needs_libvirt
def test_a_thousand_guests_are_read_in_a_moment(test_driver: Libvirt) -> None:
    for number in range(1000):
        test_driver.define_guest(TEST_GUEST.format(f"g{number}"))
    started = time.monotonic()
    assert len(test_driver.guests()) == 1001
    assert time.monotonic() - started < 5, "0.2 s on a machine that has nothing else to do"


@needs_libvirt
def test_the_trace_names_objects_and_no_secrets(test_driver: Libvirt, trace: Path) -> None:
    secret = TEST_GUEST.format("traced").replace("</domain>", "<description>hunter2</description></domain>")
    test_driver.define_guest(secret)
    with pytest.raises(VirtError):
        test_driver.start_guest("nosuch")
    text = trace.read_text()
    assert "virConnect.defineXMLFlags guest 'traced' ok" in text
    assert "virConnect.lookupByName guest 'nosuch' error 42" in text
    assert "hunter2" not in text
    assert trace.stat().st_mode & 0o077 == 0


@needs_libvirt
def test_drivers_without_live_changes_say_so(test_driver: Libvirt) -> None:
    with pytest.raises(Unsupported, match=r"test.*cannot do that"):
        test_driver.attach_device("test", nic())
    assert test_driver.leases() == []
    assert test_driver.networks()["default"].active
    assert test_driver.pools()["default-pool"].active


@needs_libvirt
def test_events_stop_with_the_last_connection() -> None:
    def threads() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name == "virtfleet-events"]

    before = len(threads())
    first, second = Libvirt.connect("test:///default"), Libvirt.connect("test:///default")
    assert len(threads()) == 1
    first.close()
    assert len(threads()) == 1
    second.close()
    second.close()
    assert len(threads()) == before


@needs_libvirt
@pytest.mark.parametrize(
    ("uri", "error", "words"),
    [
        ("qemu+unix:///system?socket=/nosuch/socket", HostError, "/nosuch/socket.*start libvirtd"),
        ("qemu+ssh://no.such.host.invalid/system", HostError, "no.such.host.invalid.*ssh"),
        ("nosuch:///system", VirtError, "nosuch:///system"),
        ("no uri", VirtError, "no uri"),
    ],
)
def test_what_cannot_be_opened(uri: str, error: type[VirtError], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(error, match=rf"could not connect to hypervisor.*{words}"):
        Libvirt.connect(uri)
    assert capfd.readouterr().err == "", "libvirt's own lines are kept off stderr"


def test_a_python_without_libvirt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_libvirt, "HAS_LIBVIRT", False)
    with pytest.raises(HostError, match="python3-libvirt"):
        Libvirt.connect("qemu:///system")


def test_the_module_loads_without_libvirt() -> None:
    program = (
        "import sys; sys.modules['libvirt'] = None\n"
        "from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT\n"
        "assert HAS_LIBVIRT is False"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# With a lab host


@pytest.fixture
def lab(lab_host_factory: object) -> Host:
    if not HAS_LIBVIRT:
        pytest.skip("this Python has no module libvirt")
    host = lab_host_factory("connection")  # type: ignore[operator]
    assert isinstance(host, Host)
    return host


def test_a_stopped_daemon(lab: Host) -> None:
    lab.stop_libvirtd()
    try:
        started = time.monotonic()
        with pytest.raises(HostError, match=r"libvirt-sock.*start libvirtd"):
            Libvirt.connect(unix_uri(lab.uri))
        assert time.monotonic() - started < 5
    finally:
        lab.start_libvirtd()


def test_a_daemon_that_hangs_when_opened(lab: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_libvirt, "NEAR_SECONDS", 2.0)
    monkeypatch.setattr(_libvirt, "FAR_SECONDS", 3.0)
    silent = tmp_path / "ssh"
    silent.write_text("#!/bin/sh\nexec sleep 6\n")
    silent.chmod(0o755)
    elsewhere = f"qemu+ssh://elsewhere/system?command={silent}"
    lab.freeze()
    try:
        for uri, word, limit in ((unix_uri(lab.uri), "libvirt-sock", 2), (elsewhere, "elsewhere", 3)):
            started = time.monotonic()
            with pytest.raises(Timeout, match=rf"{word}.*no answer within {limit} s.*systemctl"):
                Libvirt.connect(uri)
            assert limit <= time.monotonic() - started < limit + 2
    finally:
        lab.thaw()
    Libvirt.connect(unix_uri(lab.uri)).close()


def test_a_daemon_that_hangs_later(lab: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_libvirt, "_KEEPALIVE", (1, 2))
    hypervisor = Libvirt.connect(unix_uri(lab.uri))
    lab.freeze()
    try:
        started = time.monotonic()
        with pytest.raises(HostError, match="connection to the libvirt daemon broke"):
            hypervisor.guests()
        assert time.monotonic() - started < 15
        hypervisor.close()
    finally:
        lab.thaw()


def test_a_connection_that_only_reads(lab: Host) -> None:
    writing = Libvirt.connect(unix_uri(lab.uri))
    writing.define_guest(guest("secretive", "<graphics type='vnc' passwd='hunter2'/>"))
    try:
        readonly = unix_uri(lab.uri).replace("libvirt-sock", "libvirt-sock-ro")
        reading = Libvirt.connect(readonly, readonly=True)
        try:
            found = reading.guests()["secretive"]
            assert "hunter2" not in found.xml
            assert reading.guests(["secretive"])["secretive"] == found
            assert "hunter2" in writing.guests()["secretive"].xml
            assert [each.name for each in reading.summaries()] == ["secretive"]
            assert reading.host().driver == "qemu"
            with pytest.raises(VirtError, match="secretive"):
                reading.start_guest("secretive")
            with pytest.raises(Unsupported, match=r"secretive.*only reads"):
                reading.agent_ping("secretive", 1)
        finally:
            reading.close()
    finally:
        writing.undefine_guest("secretive")
        writing.close()


def test_a_restarted_daemon_keeps_what_was_defined(lab: Host) -> None:
    hypervisor = Libvirt.connect(unix_uri(lab.uri))
    hypervisor.define_guest(guest("keeper", nic()))
    before = hypervisor.guests()["keeper"]
    lab.restart_libvirtd()
    with pytest.raises(HostError, match="run the task again"):
        hypervisor.guests()
    hypervisor.close()
    again = Libvirt.connect(unix_uri(lab.uri))
    try:
        assert again.guests()["keeper"] == before
    finally:
        again.undefine_guest("keeper")
        again.close()
