# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images made of packages, by the module on a real libvirtd: made once, booted by BIOS and UEFI, cut short, refused.

The lab host has no way to a mirror. The root is made outside of it, kept between runs under ~/.cache/virtfleet, and
shown to the host where the module keeps its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import libvirt
else:
    libvirt = pytest.importorskip("libvirt")

from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.build import Builder
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import for_host
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import read_spec
from ansible_collections.virtfleet.core.plugins.module_utils._long_work import Progress
from ansible_collections.virtfleet.core.plugins.module_utils._programs import Programs
from tests.integration.images import bad, failures
from tests.integration.playing import Player, Result, assert_idiom, idiom, task
from tests.lab import Host, _apt, _cache
from tests.lab.full import suite
from tests.lab.guests import inside, until, wait_for_agent
from tests.lab.tiny import Artefact
from tests.unit.plugins.module_utils.image_tools import run_command

CACHE = "/var/cache/virtfleet"
# What decides which root is needed, the same for all images of these tests.
SYSTEM: dict[str, Any] = {"suite": suite(), "packages": ["openssh-server", "qemu-guest-agent"], "timezone": "Europe/Berlin"}
HASH = "$6$salt$" + 86 * "x"
BOOT_SECONDS = 900

# Answers nothing, or that nothing is there, by the first part of the path.
MIRROR = """
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/silent/"):
            time.sleep(600)
        self.send_error(404)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def wish(name: str, size: str = "1GiB", **suboptions: Any) -> dict[str, Any]:
    return {"name": name, "size": size, "bootstrap": {**SYSTEM, **suboptions}}


@pytest.fixture(scope="session")
def warm() -> Path:
    """Return the folder of roots that is kept between runs, with the root in it that these tests need."""
    cache = _cache.cache_folder() / "bootstrap"
    spec = read_spec(wish("root")).bootstrap
    assert spec is not None
    Builder(Programs(run_command), cache).prepare(for_host(spec, os.uname().machine, {}), Progress("/tests-root"))
    return cache


@pytest.fixture(scope="session")
def cache(furnished: Host, warm: Path) -> Iterator[Path]:
    """Show the roots to the lab host at the place where the module looks."""
    # The empty folder below the mount is the machine's, and stays: to remove it would undo the mounts of other hosts.
    furnished.exec(["mkdir", "-p", "-m", "0700", CACHE])
    furnished.exec(["mount", "--bind", warm, CACHE])
    yield warm
    furnished.exec(["umount", CACHE], check=False)


@pytest.fixture(scope="session")
def mirror(furnished: Host) -> Iterator[str]:
    """Return the URL of a mirror of little use."""
    argv = [*furnished.prefix, "/usr/bin/python3", "-c", MIRROR]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def left(cache: Path, pool: Path) -> list[str]:
    """Return what a run has left behind of its work."""
    return sorted(path.name for path in (*(cache / "work").glob("*"), *pool.glob("*.part")))


def working(furnished: Host) -> list[str]:
    """Return the processes that work on a root."""
    found = furnished.exec(["ps", "-eo", "pid,args"]).stdout.splitlines()
    return [line for line in found if f"{CACHE}/work/" in line]


def mounted(furnished: Host) -> list[str]:
    found = furnished.exec(["cat", "/proc/self/mountinfo"]).stdout.splitlines()
    return [line for line in found if f"{CACHE}/work/" in line]


PLAIN = {**wish("plain", hostname="plain"), "format": "raw"}


@pytest.fixture(scope="module")
def plain(furnished: Host, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Make an image by the idiom, and return what the module said."""
    play = Player(furnished, tmp_path_factory.mktemp("plain"))
    return assert_idiom(play(idiom("image", "make", **PLAIN), "--diff", timeout=900), "make")


def test_made_once_and_never_again(play: Player, cache: Path, pool: Path, plain: Result) -> None:
    made, options = plain, PLAIN
    assert made["image"]["virtual_bytes"] == 1 << 30
    assert json.loads(made["image"]["record"]["bootstrap_form"])["hostname"] == "plain"
    assert left(cache, pool) == []
    changed = {**options, "bootstrap": {**options["bootstrap"], "hostname": "other", "root_password_hash": HASH}}
    before = (pool / "plain.raw").stat().st_ino
    results = play(
        [
            {**task("refused", "image", check=True, **changed), "ignore_errors": True},
            task("grown", "image", **{**options, "size": "2GiB"}),
        ],
        fails=True,
    )
    (said,) = failures(results)
    assert "bootstrap.hostname plain -> other: the image is made anew of its packages" in said
    assert "bootstrap.root_password_hash (hidden) -> (hidden)" in said
    assert "add 'plain' to confirm_data_loss" in said
    assert results.named("grown")["image"]["size"] == "2GiB"
    assert (pool / "plain.raw").stat().st_ino == before


def test_two_guests_boot_and_are_what_was_said(
    play: Player, furnished: Host, cache: Path, pool: Path, tiny: Artefact
) -> None:
    """One by BIOS with DHCP, swap and a grown disk; one by UEFI with an address of its own."""
    source = furnished.folder / "from-the-host"
    source.write_text("of the host\n")
    first = wish(
        "one",
        hostname="one",
        swap="64MiB",
        root_keys=[tiny.ssh_public_key],
        root_password_hash=HASH,
        files=[
            {"path": "/etc/said", "content": "by the task\n", "mode": "0640", "owner": "root:daemon"},
            {"path": "/opt/copied", "src": str(source)},
        ],
        kernel_arguments=["virtfleet.test=1"],
        commands=["echo $(id -u) > /etc/commanded", "cat /etc/said >> /etc/commanded"],
    )
    network = {"address": "10.77.0.240/24", "gateway": "10.77.0.1", "nameservers": ["10.77.0.1"]}
    second = wish("two", hostname="two.example.com", network=network, root_keys=[tiny.ssh_public_key])
    common = {"memory": "512MiB", "nics": [{"network": "lab"}], "state": "running", "accel": "tcg"}
    names = ("boots-by-bios", "boots-by-uefi")
    play(
        [
            task("one", "image", **first),
            task("two", "image", **second),
            task("bios", "guest", name=names[0], disks=[{"image": "one", "size": "3GiB"}], **common),
            task("uefi", "guest", name=names[1], disks=[{"image": "two"}], firmware="efi", **common),
        ],
        timeout=900,
    )
    connection = libvirt.open(furnished.uri)
    try:
        one, two = (connection.lookupByName(name) for name in names)
        wait_for_agent(one, BOOT_SECONDS)
        wait_for_agent(two, BOOT_SECONDS)

        assert inside(one, "/bin/hostname").strip() == "one"
        assert inside(one, "/bin/cat", "/etc/commanded") == "0\nby the task\n"
        assert inside(one, "/bin/cat", "/opt/copied") == "of the host\n"
        assert inside(one, "/usr/bin/stat", "-c", "%a %U:%G", "/etc/said").strip() == "640 root:daemon"
        assert f"root:{HASH}:20089:" in inside(one, "/bin/cat", "/etc/shadow")
        assert inside(one, "/usr/sbin/swapon", "--show=SIZE", "--noheadings").strip() == "64M"
        assert int(inside(one, "/bin/df", "--output=size", "/").split()[-1]) > 2.5 * 1024 * 1024, "the root has grown"
        assert "CET" in inside(one, "/bin/date", "-d", "2025-01-01T12:00Z", "+%Z")
        assert " virtfleet.test=1" in inside(one, "/bin/cat", "/proc/cmdline")
        assert inside(one, "/bin/ls", "/sys/firmware").split().count("efi") == 0
        # Started, it may not be yet: the agent is there long before, and a busy machine lets it miss its limit.
        logins = inside(one, "/bin/ls", "/run/systemd/generator/getty.target.wants").split()
        assert logins == ["serial-getty@ttyS0.service"], "a login on the serial console"

        assert inside(two, "/bin/hostname").strip() == "two.example.com"
        assert "10.77.0.240/24" in inside(two, "/sbin/ip", "-br", "-4", "address")
        assert "via 10.77.0.1" in inside(two, "/sbin/ip", "route")
        assert inside(two, "/bin/cat", "/etc/resolv.conf") == "nameserver 10.77.0.1\n"
        assert "efivars" in inside(two, "/bin/ls", "/sys/firmware/efi")

        identities = [
            {inside(guest, "/bin/cat", path).strip() for path in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub")}
            for guest in (one, two)
        ]
        assert len(identities[0] | identities[1]) == 4, "no two guests share what tells them apart"
        lease = one.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
        address = next(entry["addr"] for nic in lease.values() for entry in nic["addrs"])
        for at, name in ((address, "one"), ("10.77.0.240", "two.example.com")):
            ssh = tiny.ssh(at, "hostname")
            until(lambda ssh=ssh, name=name: furnished.exec(ssh, check=False).stdout.strip() == name, 60, f"ssh to {name}", every=1)
    finally:
        for name in names:
            furnished.exec(["virsh", "destroy", name], check=False)
            furnished.exec(["virsh", "undefine", name, "--nvram", "--remove-all-storage"], check=False)
        connection.close()


def test_xen_reads_it(play: Player, cache: Path, pool: Path, plain: Result, tmp_path: Path) -> None:
    """Run pygrub, which needs no Xen, on a whole disk and on a bare file system."""
    package = _xen_utils()
    if package is None:
        pytest.skip("this distribution's mirror has no xen-utils")
    version = package.removeprefix("xen-utils-")
    key = _cache.key_of({"package": package, "version": _apt.candidate(package).get("Version", "")}, [])

    def fetch(folder: Path) -> None:
        _apt.unpack([package, f"libxenmisc{version}"], folder / "files")

    files = _cache.cached("pygrub", key, fetch) / "files"
    library = files / f"usr/lib/xen-{version}/lib"
    play([task("bare", "image", **wish("bare", partitioning="none"), format="raw")], timeout=900)
    (native,) = (path for path in library.iterdir() if path.name.endswith("-linux-gnu"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(library / "python"),
        "LD_LIBRARY_PATH": str(native),
        "XEN_FSIMAGE_FSDIR": str(native / "xenfsimage"),
    }
    pygrub = files / f"usr/lib/xen-{version}/bin/pygrub"
    for name in ("plain", "bare"):
        argv = ["/usr/bin/python3", pygrub, "-q", f"--output-directory={tmp_path}", "--output-format=simple", pool / f"{name}.raw"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = dict(line.partition(" ")[::2] for line in done.stdout.splitlines() if line)
        assert Path(found["kernel"]).read_bytes()[0x202:0x206] == b"HdrS", "a kernel, and not the link to it"
        assert Path(found["ramdisk"]).stat().st_size > 1 << 20
        assert "console=hvc0" in found["args"] and "root=UUID=" in found["args"]
        assert "Unknown directive" not in done.stderr


def _xen_utils() -> str | None:
    listed = subprocess.run(["apt-cache", "pkgnames", "xen-utils-4"], capture_output=True, text=True, check=False).stdout
    names = sorted(name for name in listed.split() if name.removeprefix("xen-utils-").replace(".", "").isdigit())
    return names[-1] if names else None


def _holder(furnished: Host) -> int | None:
    """Return the process that holds an image's lock."""
    held = "for lock in /run/lock/virtfleet/*.lock; do flock -n $lock true || { cat $lock; echo; }; done"
    found = furnished.exec(["sh", "-c", held]).stdout.split()
    return int(found[0]) if found else None


def _killed(play: Player, furnished: Host, cache: Path, options: dict[str, Any], when: str) -> None:
    """Play a task whose module is killed once ``when``, a shell pattern below the work's folder, is there."""
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and not killed:
            if any((cache / "work").glob(when)):
                holder = _holder(furnished)
                if holder is not None:
                    os.kill(holder, signal.SIGKILL)
                    killed.append(holder)
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    results = play([task("killed", "image", **options)], fails=True, timeout=600)
    killer.join()
    assert killed
    assert results[0].outcome == "failed"


def test_killed_while_it_waits_for_a_mirror(
    play: Player, furnished: Host, cache: Path, pool: Path, mirror: str
) -> None:
    name = "killed"
    play([task("old", "image", name=name, size="1MiB", format="raw")])
    old = (pool / f"{name}.raw").read_bytes()
    options = {**wish(name, mirror=[f"{mirror}/silent"]), "format": "raw", "confirm_data_loss": [name]}
    _killed(play, furnished, cache, options, "image-*/mmdebstrap.*/var/lib/apt/lists/partial")
    until(lambda: not working(furnished), 10, "the end of mmdebstrap")
    assert mounted(furnished) == []
    assert (pool / f"{name}.raw").read_bytes() == old
    # The next run clears up what was left, and finishes.
    good = {**wish(name, hostname="again"), "format": "raw", "confirm_data_loss": [name]}
    _killed(play, furnished, cache, good, "image-*/root/usr")
    until(lambda: not working(furnished), 10, "the end of tar")
    assert (pool / f"{name}.raw").read_bytes() == old
    made = play([task("finish", "image", **good), task("again", "image", **good)], timeout=900)
    assert made.named("finish").changed and not made.named("again").changed
    assert left(cache, pool) == []
    assert mounted(furnished) == []


def test_what_goes_wrong_is_said(play: Player, furnished: Host, cache: Path, pool: Path, mirror: str) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        (wish("bad", mirror=[f"{mirror}/missing"]), "check the suite and the mirror's URL"),
        (wish("bad", mirror=["http://mirror.invalid/debian"]), "the name mirror.invalid cannot be resolved from this host"),
        (wish("bad", mirror=["deb [signed-by=/no/such.gpg] http://x/y bookworm main"]), "the keyring /no/such.gpg"),
        (wish("bad", commands=["true", "echo three >&2; exit 3"]), "three; commands[1] ended with code 3"),
        (wish("bad", files=[{"path": "/x", "src": "/no/such/file"}]), "/no/such/file"),
        (wish("bad", files=[{"path": "/x", "content": "", "owner": "nobody-here"}]), "nobody-here"),
        (wish("bad", hostname="a_b", swap="1"), "bootstrap.swap: '1' is not a size"),
        (wish("bad", suite="wheezy"), "bootstrap.suite: 'wheezy' is not known"),
        ({**wish("bad"), "backing": "x"}, "made of packages or has a backing"),
    ]
    results = play([bad(f"bad {number}", "image", **case[0]) for number, case in enumerate(cases)], fails=True, timeout=900)
    for said, (options, wanted) in zip(failures(results), cases, strict=True):
        assert wanted in said, options
    assert left(cache, pool) == []
    assert not list(pool.glob("bad*"))
    assert working(furnished) == [] and mounted(furnished) == []


def test_a_full_disk(play: Player, furnished: Host, cache: Path, pool: Path) -> None:
    (cache / "work").mkdir(exist_ok=True)
    furnished.exec(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", f"{CACHE}/work"])
    try:
        (said,) = failures(play([bad("full", "image", **wish("full"))], fails=True, timeout=600))
        assert furnished.exec(["find", f"{CACHE}/work", "-mindepth", "1"]).stdout == ""
    finally:
        furnished.exec(["umount", f"{CACHE}/work"])
    assert f"the disk is full; make room in {CACHE}" in said
    assert not list(pool.glob("full*"))
