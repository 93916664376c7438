# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes minutes of images made of packages: made from nothing twice, cut short anywhere, a mirror that goes away.

They need the mirror, and so run on this machine itself, in folders of their own; only the guests run on a lab host.
"""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import libvirt
else:
    libvirt = pytest.importorskip("libvirt")

from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.sources import source_lines
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import Bootstrap, for_host
from ansible_collections.virtfleet.core.plugins.module_utils._image.plan import bootstrap_record
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import read_spec
from tests.integration.playing import Player, task
from tests.lab import Host
from tests.lab.full import suite
from tests.lab.guests import inside, wait_for_agent
from tests.unit.plugins.module_utils.image_tools import run_command

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="an image of packages needs root"),
]
SIZE = 1 << 30


def known(**suboptions: Any) -> Bootstrap:
    """Return a spec of the suboptions for this machine."""
    spec = read_spec({"name": "x", "bootstrap": {"suite": suite(), **suboptions}}).bootstrap
    assert spec is not None
    return for_host(spec, os.uname().machine, {})


def make(cache: Path, path: Path, spec: Bootstrap, format: str = "raw", size: int = SIZE) -> None:
    LocalFiles(run_command, cache=cache).bootstrap_image(str(path), spec, format, size, bootstrap_record(spec), replace=True)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def debugfs(image: Path, command: str) -> str:
    place = f"{image}?offset={_root_offset(image)}"
    return subprocess.run(["/sbin/debugfs", "-R", command, place], check=True, capture_output=True, text=True).stdout


def _root_offset(image: Path) -> int:
    rows = subprocess.run(["/sbin/sfdisk", "--dump", image], check=True, capture_output=True, text=True).stdout
    row = next(line for line in rows.splitlines() if line.startswith(f"{image}1 "))
    return int(row.split("start=")[1].split(",")[0]) * 512


def test_the_same_bytes_from_nothing(tmp_path: Path) -> None:
    spec = known(packages=["openssh-server", "python3-minimal"], hostname="same", swap="16MiB", commands=["touch /etc/x"])
    digests = []
    for name in ("first", "second"):
        make(tmp_path / f"{name}-cache", tmp_path / f"{name}.raw", spec)
        digests.append(digest(tmp_path / f"{name}.raw"))
    assert digests[0] == digests[1]


def test_a_new_kernel_is_the_one_that_boots(tmp_path: Path) -> None:
    """The links that the boot configuration names move with the installation of another kernel."""
    commands = ["apt-get -q update && apt-get -q -y install linux-image-amd64", "apt-get clean; rm -rf /var/lib/apt/lists"]
    image = tmp_path / "upgraded.raw"
    make(tmp_path / "cache", image, known(commands=commands), size=2 << 30)
    new, old = (debugfs(image, f"stat /boot/{name}") for name in ("vmlinuz", "vmlinuz.old"))
    assert "cloud" not in new.split("Fast link dest:")[1]
    assert "cloud" in old.split("Fast link dest:")[1]
    kernel = new.split('Fast link dest: "vmlinuz-')[1].split('"')[0]
    assert f'"initrd.img-{kernel}"' in debugfs(image, "stat /boot/initrd.img")
    assert f"initrd.img-{kernel}" in debugfs(image, "ls -l /boot")


class _Gate(http.server.BaseHTTPRequestHandler):
    """Hands requests on to the mirror, until so many bytes have passed; then it is gone."""

    left = 0
    target = ""

    def do_GET(self) -> None:
        cls = type(self)
        if cls.left <= 0:
            self.connection.close()
            return
        try:
            with urllib.request.urlopen(cls.target + self.path.partition("/debian")[2], timeout=60) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            self.send_error(error.code)
            return
        cls.left -= len(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # The last file breaks off in the middle.
        self.wfile.write(body if cls.left > 0 else body[: len(body) // 2])

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def gate(target: str, let_through: int) -> Iterator[str]:
    handler = type("Gate", (_Gate,), {"left": let_through, "target": target})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/debian"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_mirror_that_goes_away(tmp_path: Path) -> None:
    real = next(word for word in source_lines(known())[0].split() if word.startswith("http"))
    with gate(real, 30 << 20) as url:
        spec = known(mirror=[url])
        with pytest.raises(HostError, match="the mirror failed at http://127.0.0.1:.*; run again, or give another mirror"):
            make(tmp_path / "cache", tmp_path / "lost.raw", spec)
    assert not list((tmp_path / "cache" / "work").iterdir())
    assert not list((tmp_path / "cache" / "roots").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"cache"}


MAKER = """
import sys
from pathlib import Path
from tests.integration.test_image_bootstrap_slow import known, make
make(Path(sys.argv[1]), Path(sys.argv[2]), known(hostname="killed"), "qcow2")
"""


def test_killed_at_any_moment(tmp_path: Path) -> None:
    cache, image = tmp_path / "cache", tmp_path / "killed.qcow2"
    make(cache, tmp_path / "whole.qcow2", known(hostname="killed"), "qcow2")
    argv = [sys.executable, "-c", MAKER, str(cache), str(image)]
    began = time.monotonic()
    subprocess.run(argv, check=True, cwd=Path(__file__).parents[2])
    whole = time.monotonic() - began
    wanted = digest(image)
    image.write_bytes(b"old")
    for part in range(1, 12):
        with subprocess.Popen(argv, cwd=Path(__file__).parents[2]) as making:
            time.sleep(whole * part / 12)
            making.kill()
            making.wait()
        deadline = time.monotonic() + 10
        while str(cache / "work") in subprocess.run(["ps", "-eo", "args"], check=True, capture_output=True, text=True).stdout:
            assert time.monotonic() < deadline, "what the module had started goes on"
            time.sleep(0.1)
        assert str(cache) not in Path("/proc/self/mountinfo").read_text()
        assert image.read_bytes() == b"old" or digest(image) == wanted
        if image.read_bytes() != b"old":
            image.write_bytes(b"old")
    subprocess.run(argv, check=True, cwd=Path(__file__).parents[2])
    assert digest(image) == wanted
    assert not list((cache / "work").iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "whole.qcow2", "killed.qcow2"}


OTHER_SUITE = {"bookworm": "trixie", "trixie": "bookworm"}


@pytest.mark.parametrize("bus", ["sata", "scsi"])
def test_another_suite_with_all_drivers(play: Player, furnished: Host, tmp_path: Path, bus: str) -> None:
    spec = known(
        suite=OTHER_SUITE[suite()], kernel="linux-image-amd64", packages=["qemu-guest-agent"], hostname="other",
        locale="de_DE.UTF-8", documentation=True, partitioning="mbr", filesystem="ext3",
    )  # fmt: skip
    cache = tmp_path.parent / "other-cache"
    make(cache, furnished.folder / "pool" / "other.qcow2", spec, "qcow2", 2 << 30)
    furnished.exec(["virsh", "pool-refresh", "default"])
    name = f"other-{bus}"
    disk = {"image": "other", "size": "3GiB", "bus": bus}
    options = {"memory": "768MiB", "nics": [{"network": "lab"}], "state": "running", "accel": "tcg"}
    play([task("run", "guest", name=name, disks=[disk], **options)])
    connection = libvirt.open(furnished.uri)
    try:
        guest = connection.lookupByName(name)
        wait_for_agent(guest, 1200)
        assert inside(guest, "/bin/hostname").strip() == "other"
        assert "de_DE.utf8" in inside(guest, "/usr/bin/locale", "-a")
        assert "/dev/sda1 ext3" in inside(guest, "/bin/findmnt", "-rno", "SOURCE,FSTYPE", "/")
        assert int(inside(guest, "/bin/df", "--output=size", "/").split()[-1]) > 2.5 * 1024 * 1024
    finally:
        furnished.exec(["virsh", "destroy", name], check=False)
        furnished.exec(["virsh", "undefine", name, "--remove-all-storage"], check=False)
        connection.close()
