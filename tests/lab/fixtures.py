# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for tests that want real hosts and guests. Load with `pytest_plugins = ["tests.lab.fixtures"]`.

Without root, or on a machine where the lab's packages are missing, the tests that ask for them are skipped and say
why; with VIRTFLEET_LAB=required they fail instead. Whatever ends the session, nothing of it stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any, Protocol, TypeVar

import pytest

from . import _mirrors, _roots, packages
from . import tiny as tiny_guest
from ._place import Place
from ._proc import Process
from ._run import LabError
from .host import Host
from .machine import Machine
from .vm import VM, why_not
from .watch import start_watcher, sweep

P = TypeVar("P", bound=Place)
HostFactory = Callable[[str], Host]


class MachineFactory(Protocol):
    """What `lab_machine_factory` is."""

    def __call__(self, role: str, **words: Any) -> Machine:
        """Return the machine of this role, up."""


class VMFactory(Protocol):
    """What `lab_vm_factory` is."""

    def __call__(self, role: str, image: str = "plain") -> VM:
        """Return the vm of this role, up."""


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "the lab needs root: run the tests with sudo for these"
    try:
        missing = packages.missing()
    except (LabError, OSError) as error:
        return f"the lab can't run here: {error}"
    if missing:
        return f"the lab needs packages: run `python3 -m tests.lab install` (missing: {' '.join(missing)})"
    return None


@pytest.fixture(scope="session")
def lab_ready() -> None:
    """Skip the test, and say why, where no lab can run."""
    reason = _why_not()
    if reason is not None:
        _cant(reason)


def _cant(reason: str) -> None:
    if os.environ.get("VIRTFLEET_LAB") == "required":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end the session as Ctrl-C does, fixtures' ends included."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep a second Ctrl-C from cutting the clean-up short; it takes a few seconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Session:
    """What one test session has made, and the process that watches over it."""

    def __init__(self) -> None:
        owner = Process.of(os.getpid())
        assert owner is not None
        self.owner = owner
        self.prefix = f"t{uuid.uuid4().hex[:6]}"
        self.made: dict[str, Place] = {}

    def up(self, role: str, make: Callable[[str], P]) -> P:
        """Bring up what `make` makes of a name; the same role gives the same."""
        if role not in self.made:
            place = make(f"{self.prefix}-{role}")
            self.made[role] = place
            place.up(self.owner)
        return self.made[role]  # type: ignore[return-value]


@pytest.fixture(scope="session")
def lab_session(lab_ready: None) -> Iterator[_Session]:
    """Hold what the session makes, and take it down in the end, whatever ends the session."""
    session = _Session()
    sweep()
    with _terminated_like_interrupted():
        watcher = start_watcher(session.owner)
        try:
            yield session
        finally:
            with _undisturbed():
                failures = []
                for place in session.made.values():
                    try:
                        place.down()
                    except LabError as error:
                        failures.append(str(error))
                watcher.terminate()
                watcher.wait()
    if failures:
        pytest.fail("; ".join(failures), pytrace=False)


@pytest.fixture(scope="session")
def lab_host_factory(lab_session: _Session) -> HostFactory:
    """Make hosts by a short role: `factory("second")`. The same role gives the same host."""
    return lambda role: lab_session.up(role, Host)


@pytest.fixture(scope="session")
def lab_machine_factory(lab_session: _Session) -> MachineFactory:
    """Make bare machines by a short role: `factory("one", suite="trixie")`. The same role gives the same machine.

    Further words are Machine's.
    """
    return lambda role, **words: lab_session.up(role, lambda name: Machine(name, **words))


@pytest.fixture(scope="session", params=_mirrors.DEBIAN)
def lab_machine(request: pytest.FixtureRequest, lab_machine_factory: MachineFactory) -> Machine:
    """A bare machine of each release, up, for tests that install nothing that another would miss or stumble over."""
    # Where neither root was made yet, both are made at once.
    with ThreadPoolExecutor() as pool:
        list(pool.map(_roots.build, _mirrors.DEBIAN, ["systemd"] * len(_mirrors.DEBIAN)))
    return lab_machine_factory(request.param, suite=request.param)


@pytest.fixture(scope="session")
def lab_vm_factory(lab_session: _Session) -> VMFactory:
    """Make vms by a short role: `factory("one", image="dom0")`. The same role gives the same vm.

    Where this machine can't emulate one (more), the test is skipped and says why.
    """

    def up(role: str, image: str = "plain") -> VM:
        if role not in lab_session.made:
            reason = why_not()
            if reason is not None:
                _cant(reason)
        return lab_session.up(role, lambda name: VM(name, image=image))

    return up


@pytest.fixture(scope="session")
def lab_vm(lab_vm_factory: VMFactory) -> VM:
    """A plain Debian vm, up: the session's own, for tests that make something else of it."""
    return lab_vm_factory("plain", image="plain")


# A question to libvirt, and what Xen's scripts do with a disk, once: nothing of it is in the memory of a machine that was
# just woken up. Its libvirtd may take half a minute for a first answer, and libxl gives the script of a guest's first disk
# no more than that, which a busy machine exceeds.
_FIRST_TIME = (
    "virsh -c xen:///system list >/dev/null; cat /etc/xen/scripts/* >/dev/null; truncate -s 1M /tmp/first && "
    "disk=$(losetup --find --show /tmp/first) && losetup --detach $disk; rm -f /tmp/first; xenstore-ls /local >/dev/null"
)


@pytest.fixture(scope="session")
def lab_dom0(lab_vm_factory: VMFactory) -> VM:
    """A vm that is a Xen host, up. Tests share it: name what you make after the test, and remove it."""
    vm = lab_vm_factory("dom0", image="dom0")
    vm.exec(["sh", "-c", _FIRST_TIME], check=False, timeout=300)
    return vm


@pytest.fixture(scope="session")
def lab_host(lab_host_factory: HostFactory) -> Host:
    """The session's first host, up. Tests share it: name what you make after the test, and remove it."""
    return lab_host_factory("main")


@pytest.fixture(scope="session")
def lab_uri(lab_host: Host) -> str:
    """The libvirt URI of `lab_host`, for this side of the namespaces."""
    return lab_host.uri


@pytest.fixture(scope="session")
def tiny(lab_host: Host) -> tiny_guest.Artefact:
    """The tiny guest's files on `lab_host`."""
    return tiny_guest.build().into(lab_host.folder)
