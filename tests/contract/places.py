# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the contract is tested, and the little that differs from one place to the next."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._image.making import Making
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import HAS_LIBVIRT, Libvirt
from tests.contract.fake import FakeHypervisor

_KEPT = Path.home() / ".cache" / "virtfleet" / "embed-capabilities"


def _run(argv: Sequence[str], pass_fds: Sequence[int] = (), **_options: Any) -> tuple[int, str, str]:
    # A key that is made in less than the usual two seconds of work.
    quick = [word.replace("key-secret=key", "key-secret=key,encrypt.iter-time=10") for word in argv]
    done = subprocess.run(quick, check=False, capture_output=True, text=True, pass_fds=pass_fds)
    return done.returncode, done.stdout, done.stderr


class Place:
    """A hypervisor with a folder for images. Guests there have no operating system, unless a test boots one."""

    whole = True
    ends_consoles = True

    def __init__(self, hypervisor: Any, folder: Path) -> None:
        self.hypervisor = hypervisor
        self.folder = folder
        self._numbers = itertools.count(1)

    def begin(self) -> None:
        """Prepare for a test."""

    def name(self, stem: str) -> str:
        """Return a name that no other test uses."""
        return f"{stem}{next(self._numbers)}"

    def image(self, name: str, size: int) -> str:
        """Make a qcow2 image and return its path."""
        path = self.folder / name
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(size)], check=True)
        path.chmod(0o666)
        return str(path)

    def sealed(self, name: str, passphrase: bytes) -> str:
        """Make an encrypted qcow2 image as the module image does, and return its path."""
        path = self.folder / name
        LocalFiles(_run).create_image(str(path), "qcow2", 1 << 20, making=Making(passphrase=passphrase))
        path.chmod(0o666)
        return str(path)

    def sparse(self, name: str) -> str:
        """Make a file of 64 MiB with some data behind a hole, a hole in the middle and one at the end."""
        path = self.folder / name
        with path.open("wb") as handle:
            for place in (8, 40):
                handle.seek(place << 20)
                handle.write(bytes(range(256)) * 4096)
            handle.truncate(64 << 20)
        return str(path)

    def content_of(self, path: str) -> bytes:
        """Return the bytes of a file."""
        return Path(path).read_bytes()

    def size(self, path: str) -> int:
        """Return what a guest sees of an image."""
        info = subprocess.run(
            ["qemu-img", "info", "-U", "--output=json", path], check=True, capture_output=True, text=True
        )
        return int(json.loads(info.stdout)["virtual-size"])

    def content(self, pool: str, name: str, path: str) -> bytes:
        """Return the bytes of a volume."""
        return Path(path).read_bytes()

    def put(self, path: str) -> None:
        """Put a file of one MiB into a folder, unseen by any pool."""
        with Path(path).open("wb") as handle:
            handle.truncate(1 << 20)

    def without_system(self, name: str) -> None:
        """See that a guest never does what it is asked."""

    def speaks(self, name: str) -> None:
        """See that a guest says ``SeaBIOS`` on its console: the firmware of a real one does."""

    def clear(self) -> None:
        """Remove every guest, network, pool and secret, and the network filters that the tests made."""
        hypervisor = self.hypervisor
        for name, guest in hypervisor.guests().items():
            if guest.active:
                hypervisor.shutdown_guest(name, 0, True)
            hypervisor.undefine_guest(name)
        for name in hypervisor.networks():
            hypervisor.stop_network(name)
            hypervisor.undefine_network(name)
        for name, pool in hypervisor.pools().items():
            hypervisor.stop_pool(name)
            hypervisor.undefine_pool(name)
            if pool.path and Path(pool.path).is_relative_to(self.folder):
                shutil.rmtree(pool.path, ignore_errors=True)
        for name in hypervisor.nwfilters():
            if name.startswith("vf"):
                hypervisor.undefine_nwfilter(name)
        for secret in hypervisor.secrets().values():
            hypervisor.undefine_secret(secret.uuid)


class FakePlace(Place):
    """The fake, new for each test."""

    ends_consoles = False

    def begin(self) -> None:
        self.hypervisor = FakeHypervisor(guests_boot=False)

    def speaks(self, name: str) -> None:
        self.hypervisor.console_says[name] = b"\x1bcSeaBIOS (version 1)\r\n"

    def image(self, name: str, size: int) -> str:
        path = str(self.folder / name)
        self.hypervisor.put_file(path, "qcow2", size)
        return path

    def sealed(self, name: str, passphrase: bytes) -> str:
        path = str(self.folder / name)
        self.hypervisor.put_file(path, "qcow2", 1 << 20, encrypted=True)
        return path

    def sparse(self, name: str) -> str:
        path = str(self.folder / name)
        self.hypervisor.put_file(path, "raw", 64 << 20, allocation=2 << 20, data=b"x")
        return path

    def content_of(self, path: str) -> bytes:
        return bytes(self.hypervisor.file_at(path).data)

    def size(self, path: str) -> int:
        return int(self.hypervisor.file_at(path).capacity)

    def content(self, pool: str, name: str, path: str) -> bytes:
        return bytes(self.hypervisor.volume_data(pool, name))

    def put(self, path: str) -> None:
        self.hypervisor.put_file(path, "raw", 1 << 20)

    def without_system(self, name: str) -> None:
        self.hypervisor.stubborn.add(name)


class EmbedPlace(Place):
    whole = False


Opened = Callable[[pytest.FixtureRequest], contextlib.AbstractContextManager[Place]]


@contextlib.contextmanager
def _fake(_request: pytest.FixtureRequest) -> Iterator[Place]:
    yield FakePlace(FakeHypervisor(guests_boot=False), Path("/images"))


def _no_libvirt(_request: pytest.FixtureRequest) -> str:
    if not HAS_LIBVIRT:
        return "this Python has no module libvirt"
    return "" if shutil.which("qemu-system-x86_64") and shutil.which("qemu-img") else "QEMU is not installed"


@contextlib.contextmanager
def _embed(_request: pytest.FixtureRequest) -> Iterator[Place]:
    """Run QEMU's driver in this process, on a folder of its own.

    A short path, since QEMU's sockets below it have 108 characters. What libvirt finds out about QEMU in 8 s is kept
    for the next time; it throws it away itself when QEMU or the host has changed.
    """
    root = Path(tempfile.mkdtemp(prefix="vf-"))
    capabilities = root / "cache" / "qemu" / "capabilities"
    try:
        root.chmod(0o755)
        (root / "etc").mkdir()
        # No virtlogd in this process; and as root, QEMU's user would have no way to the folder or to /dev/kvm.
        owner = 'user = "root"\ngroup = "root"\n' if os.geteuid() == 0 else ""
        (root / "etc" / "qemu.conf").write_text(f'{owner}stdio_handler = "file"\nnamespaces = []\n')
        if _KEPT.is_dir():
            shutil.copytree(_KEPT, capabilities)
        folder = root / "images"
        folder.mkdir()
        hypervisor = Libvirt.connect(f"qemu:///embed?root={root}")
        try:
            yield EmbedPlace(hypervisor, folder)
        finally:
            hypervisor.close()
            if capabilities.is_dir():
                shutil.copytree(capabilities, _KEPT, dirs_exist_ok=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def unix_uri(uri: str) -> str:
    """Return a lab host's URI in the form that is understood beside an embedded driver too."""
    return uri.replace("qemu:///", "qemu+unix:///", 1)


def _no_lab(request: pytest.FixtureRequest) -> str:
    missing = _no_libvirt(request)
    if not missing:
        request.getfixturevalue("lab_ready")  # skips by itself, and says why
    return missing


@contextlib.contextmanager
def _libvirtd(request: pytest.FixtureRequest) -> Iterator[Place]:
    host = request.getfixturevalue("lab_host_factory")("contract")
    folder = host.folder / "contract"
    folder.mkdir(mode=0o755, exist_ok=True)
    hypervisor = Libvirt.connect(unix_uri(host.uri))
    try:
        yield Place(hypervisor, folder)
    finally:
        hypervisor.close()


PLACES: dict[str, tuple[Callable[[pytest.FixtureRequest], str], Opened]] = {
    "fake": (lambda _request: "", _fake),
    "embed": (_no_libvirt, _embed),
    "libvirtd": (_no_lab, _libvirtd),
}

__all__ = ["PLACES", "Place", "unix_uri"]
