# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Hypervisor over libvirt-python (libvirt 8.0 and later): the only file that imports libvirt.

``_libvirt_guests``, ``_libvirt_networks``, ``_libvirt_storage``, ``_libvirt_nwfilters``, ``_libvirt_secrets``,
``_libvirt_agent`` and ``_libvirt_console`` hold its methods, ``_libvirt_calls`` the way by which libvirt is called,
``_libvirt_read`` the reading of XML and ``_libvirt_errors`` what the messages mean. Nothing is refused here: what is
allowed is the planners' business.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

try:
    import libvirt
    import libvirt_qemu

    HAS_LIBVIRT = True
except ImportError:
    libvirt = None
    libvirt_qemu = None
    HAS_LIBVIRT = False

from . import _libvirt_errors as errors
from . import _libvirt_read as read
from ._errors import HostError, Timeout
from ._facts import HostFacts
from ._libvirt_agent import AgentCommands
from ._libvirt_calls import DEBUG, Calls, Late, Trace, code_of, unsupported, within
from ._libvirt_console import Consoles
from ._libvirt_guests import Guests
from ._libvirt_networks import Networks
from ._libvirt_nwfilters import Nwfilters
from ._libvirt_secrets import Secrets
from ._libvirt_storage import Storage

# What the identities of hosts without a UUID are derived from, with their names.
_NAMELESS = uuid.UUID("1d1a0e0a-5f0e-5d0b-8a64-0f6b2f1f3c57")
# How long a daemon may take for a connection, on this host and on another one. One that its socket has just started reads all
# of its guests first, and the ssh to a busy host takes its time before that.
NEAR_SECONDS, FAR_SECONDS = 30.0, 60.0
# Without keepalive a call to a daemon that hangs never returns: with it, after interval * (count + 1) seconds. It is what a
# daemon gives its clients (libvirtd.conf: keepalive_interval and keepalive_count).
_KEEPALIVE = (5, 5)
# How often the event loop looks up while nobody listens. The daemon gives a client that does not answer 30 s.
_REST = 1.0


class _EventLoop:
    """libvirt's event loop in a thread, for keepalive and events, as long as some connection is open.

    It stops with the last connection, since a process with threads forks badly, and Ansible's controller forks. While
    nobody listens it rests: every call wakes a loop that waits, twice, which costs more than reading a guest's XML.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._registered = False
        self._users = 0
        self._listeners = 0
        self._awake = threading.Event()
        self._thread: threading.Thread | None = None
        self._timer = -1

    def enter(self) -> None:
        with self._lock:
            if not self._registered:
                # Once per process, and before the first open.
                libvirt.virEventRegisterDefaultImpl()
                libvirt.registerErrorHandler(_silent, None)
                self._timer = libvirt.virEventAddTimeout(-1, _woken, None)
                self._registered = True
            self._users += 1
            if self._thread is None:
                if not self._listeners:
                    self._awake.clear()
                self._thread = threading.Thread(target=self._run, name="virtfleet-events", daemon=True)
                self._thread.start()

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            thread = self._thread
            if self._users or thread is None:
                return
            self._thread = None
            self._awake.set()
            libvirt.virEventUpdateTimeout(self._timer, 0)
        thread.join(2)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Have events delivered at once."""
        with self._lock:
            self._listeners += 1
            self._awake.set()
        try:
            yield
        finally:
            with self._lock:
                self._listeners -= 1
                if not self._listeners:
                    self._awake.clear()

    def _run(self) -> None:
        while self._thread is threading.current_thread():
            if not self._awake.wait(_REST):
                libvirt.virEventUpdateTimeout(self._timer, 0)  # one look, without waiting
            libvirt.virEventRunDefaultImpl()


def _silent(_context: Any, _error: Any) -> None:
    """Keep libvirt from writing its errors on stderr: they come as exceptions."""


def _woken(timer: int, _opaque: Any) -> None:
    libvirt.virEventUpdateTimeout(timer, -1)


_events = _EventLoop()


class Libvirt(Guests, AgentCommands, Consoles, Networks, Storage, Nwfilters, Secrets):
    """One connection to a hypervisor. See ``_ports.Hypervisor`` for what each method promises."""

    @classmethod
    def connect(
        cls,
        uri: str,
        readonly: bool = False,
        timeout: float | None = None,
        username: str | None = None,
        password: str | None = None,
    ) -> Libvirt:
        """Open ``uri``; raise HostError when it refuses and Timeout when nothing answers within ``timeout`` seconds.

        Without a ``timeout``, a daemon on another host gets longer than one on this.
        ``username`` and ``password`` are what it is told when it asks for them (SASL, ESX). Without them it asks nobody.
        """
        if not HAS_LIBVIRT:
            raise HostError(
                f"could not connect to {uri}: {sys.executable} has no module libvirt; install the package "
                "python3-libvirt on the host where this runs, or set ansible_python_interpreter to a Python that has it"
            )
        if timeout is None:
            timeout = FAR_SECONDS if read.is_remote(uri) else NEAR_SECONDS
        calls = Calls(libvirt.libvirtError, Trace(os.environ.get(DEBUG)))
        function, words = (libvirt.openReadOnly if readonly else libvirt.open), (uri,)  # type: Any, tuple[Any, ...]
        if username is not None:
            flags = libvirt.VIR_CONNECT_RO if readonly else 0
            function, words = libvirt.openAuth, (uri, _credentials(username, password or ""), flags)
        _events.enter()
        try:
            connection = within(timeout, lambda: calls("connect to", "hypervisor", uri, function, *words), _close)
        except Late:
            _events.leave()
            raise Timeout(
                f"could not connect to hypervisor {uri}: no answer within {timeout:g} s; the libvirt daemon hangs or "
                "is stopped (`systemctl status libvirtd virtqemud`, restart it: guests go on running), or a remote "
                "host waits for a password: try `virsh -c` with this URI from the same place"
            ) from None
        except BaseException:
            _events.leave()
            raise
        # A driver in this process (test, embed) has no daemon to be kept alive.
        try:
            calls.raw("hypervisor", uri, connection.setKeepAlive, *_KEEPALIVE)
        except libvirt.libvirtError as error:
            if code_of(error) not in errors.UNSUPPORTED:
                raise calls.translated(error, "keep alive", "hypervisor", uri) from error
        return cls(libvirt, libvirt_qemu, connection, uri, readonly, calls)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            within(5, lambda: _close(connection))
        except Late:
            pass
        _events.leave()

    def _listening(self) -> AbstractContextManager[None]:
        return _events.listening()

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        if not self._readonly:
            yield self._connection
            return
        other = Libvirt.connect(self._uri)
        try:
            yield other._connection
        finally:
            other.close()

    def host(self) -> HostFacts:
        call, connection, uri = self._call, self._connection, self._uri
        seen = read.capabilities(call("read", "hypervisor", uri, connection.getCapabilities))
        info = call("read", "hypervisor", uri, connection.getInfo)
        name = call("read", "hypervisor", uri, connection.getHostname)
        # Not getInfo, which counts only what NUMA nodes report.
        total, free = self.memory()
        return HostFacts(
            uri=uri,
            driver=self._type(),
            name=name,
            # libxl tells none. The name is what it tells of its host alike from near and from afar.
            uuid=seen["uuid"] or str(uuid.uuid5(_NAMELESS, name)),
            arch=seen["arch"] or info[0],
            libvirt_version=call("read", "hypervisor", uri, connection.getLibVersion),
            # None where no emulator is installed yet.
            hypervisor_version=call("read", "hypervisor", uri, connection.getVersion, already=lambda error: True) or 0,
            memory_bytes=total,
            cpus=info[2],
            domain_types=seen["domain_types"],
            machines=seen["machines"],
            remote=read.is_remote(uri),
            capabilities_xml=seen["xml"],
            guest_types=seen["guest_types"],
            # Xen gives a guest all of its memory when it starts, of what no other has.
            free_bytes=free if self._type() == "xen" else None,
        )

    def memory(self) -> tuple[int, int]:
        call, connection, uri = self._call, self._connection, self._uri
        everywhere = libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS
        stats = call("read", "hypervisor", uri, connection.getMemoryStats, everywhere, already=unsupported)
        if stats:
            return stats["total"] * 1024, sum(stats.get(part, 0) for part in ("free", "buffers", "cached")) * 1024
        total = call("read", "hypervisor", uri, connection.getInfo)[1] * 1024**2
        return total, call("read", "hypervisor", uri, connection.getFreeMemory, already=unsupported) or 0

    def domain_capabilities(self, arch: str, machine: str | None, kind: str) -> str:
        def already(error: Any) -> bool:
            # A combination that cannot run here is an answer too.
            return unsupported(error) or code_of(error) == errors.INVALID_ARG

        try:
            with self._writing() as connection:
                function = connection.getDomainCapabilities
                found = self._call("read", "hypervisor", self._uri, function, None, arch, machine, kind, already=already)
        except HostError:
            # Whoever may only read is not told.
            if not self._readonly:
                raise
            return ""
        return found or ""


def _credentials(username: str, password: str) -> list[Any]:
    """Return what openAuth wants: the kinds of questions that are answered, and what answers them."""
    known = {
        libvirt.VIR_CRED_AUTHNAME: username,
        libvirt.VIR_CRED_USERNAME: username,
        libvirt.VIR_CRED_PASSPHRASE: password,
        libvirt.VIR_CRED_NOECHOPROMPT: password,
    }

    def answer(questions: list[list[Any]], _opaque: Any) -> int:
        for question in questions:
            # Kind, prompt, challenge, default, and the place for the answer.
            question[4] = known[question[0]]
        return 0

    return [list(known), answer, None]


def _close(connection: Any) -> None:
    try:
        connection.close()
    except libvirt.libvirtError:
        pass  # it is broken: nothing is left to be closed
