# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests over libvirt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from . import _libvirt_errors as errors
from . import _libvirt_read as read
from ._errors import HostError, SpecError, Timeout, Unsupported
from ._facts import METADATA_PREFIX, METADATA_URI, GuestFacts, GuestSummary
from ._libvirt_base import Base
from ._libvirt_calls import Late, code_of, gone, side_by_side, unavailable, unsupported, within
from ._units import KIB, round_up
from ._xml import NAMESPACES

# Up to so many names are looked up one by one; above, the lists of all guests are cheaper.
_FEW = 4
_RESEND = 10.0
_POLL = 0.5
_BALLOON = 5.0
_NO_METADATA = 80
# libvirt's name for the format of xl's configurations, and the UUID that dom0 has on every Xen host.
_XL = "xen-xl"
_DOM0 = "00000000-0000-0000-0000-000000000000"


class Guests(Base):
    """The half of the Hypervisor that is about guests."""

    def guests(self, names: Collection[str] | None = None) -> Mapping[str, GuestFacts]:
        if names is not None and len(names) <= _FEW:
            found = [self._looked_up(name) for name in dict.fromkeys(names)]
            return {guest.name: guest for guest in found if guest is not None}
        listed = self._states()
        marks = {
            key: self._uuids(flag)
            for key, flag in (
                ("autostart", self._lib.VIR_CONNECT_LIST_DOMAINS_AUTOSTART),
                ("managed_save", self._lib.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE),
                ("snapshots", self._lib.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT),
                ("checkpoints", self._lib.VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT),
            )
        }
        # Most guests are persistent, and listing takes time too.
        transient = self._uuids(self._lib.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
        wanted = None if names is None else frozenset(names)

        def look(uuid: str) -> GuestFacts | None:
            domain, state = listed[uuid]
            return self._facts(
                domain, state, persistent=uuid not in transient, **{key: uuid in have for key, have in marks.items()}
            )

        chosen = [uuid for uuid, (domain, _state) in listed.items() if wanted is None or domain.name() in wanted]
        return {guest.name: guest for guest in side_by_side(look, chosen) if guest is not None}

    def summaries(self, states: Collection[str] | None = None, with_xml: bool = False) -> Sequence[GuestSummary]:
        saved = self._uuids(self._lib.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
        chosen = []
        for uuid, (domain, state) in self._states().items():
            word = "saved" if state == "stopped" and uuid in saved else state
            if states is None or word in states:
                chosen.append((domain, word))
        texts = side_by_side(lambda each: self._xml(each[0], "guest", each[0].name(), 0), chosen)
        return [read.guest_summary(xml, word, with_xml) for xml, (_domain, word) in zip(texts, chosen) if xml is not None]

    def stats(self) -> Mapping[str, Mapping[str, Any]]:
        # A guest whose QEMU is busy tells what is known without it, and holds up nobody.
        flags = self._lib.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        function, where = self._connection.getAllDomainStats, "of " + self._uri
        found = self._call("read", "statistics", where, function, 0, flags, already=unsupported)
        if found is None:  # only QEMU's driver knows that flag
            found = self._call("read", "statistics", where, function, 0, 0, already=unsupported)
        return {domain.UUIDString(): read.nested_stats(flat) for domain, flat in found or ()}

    def addresses(self, name: str, source: str) -> Sequence[Mapping[str, Any]]:
        if source not in ("lease", "agent", "definition"):
            raise SpecError(
                f"could not read the addresses of guest {name}: no source {source!r}; say lease, agent or definition"
            )
        domain = self._guest(name)
        if source == "definition":
            return read.defined_addresses(self._live_xml(domain, name))
        if source == "agent" and self._type() == "qemu":
            # Not interfaceAddresses: it has no time limit of its own, and setting one holds for everybody's calls.
            return self._agent_addresses(domain, name)
        if self._type() == "xen":
            # Its guests have no agent of QEMU's, and who only reads may not even ask.
            return self._leases_by_mac(self._live_xml(domain, name)) if source == "lease" else []
        where = "AGENT" if source == "agent" else "LEASE"
        flag = getattr(self._lib, f"VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_{where}")

        def already(error: Any) -> bool:
            # Leases are the network daemon's: where that does not run, there are none.
            return unavailable(error) or "connect socket to" in str(error)

        found = self._call("read the addresses of", "guest", name, domain.interfaceAddresses, flag, already=already)
        return read.lease_addresses(found)

    def _leases_by_mac(self, xml: str) -> Sequence[Mapping[str, Any]]:
        """Return what the networks lease to a guest's nics.

        libxl knows no name of a nic that was plugged into a running guest, and then fails to send what
        virDomainInterfaceAddresses found of any of them.
        """
        found = []
        for nic in read.guest_summary(xml, "running").interfaces:
            name = nic.network or ""
            network = self._network(name, missing_is_fine=True) if name and nic.mac else None
            if network is not None:
                leases = self._call("read the leases of", "network", name, network.DHCPLeases, nic.mac, already=unavailable)
                found += [read.leased(nic.mac, leases)] if leases else []
        return found

    def agent_ping(self, name: str, timeout: float) -> bool:
        return self._ask_agent(self._guest(name), name, "guest-ping", timeout) is not None

    def guest_from_native(self, config: str) -> str:
        return self._converted("read a configuration of", "domainXMLFromNative", config)

    def guest_to_native(self, xml: str) -> str:
        return self._converted("write a configuration for", "domainXMLToNative", xml)

    # doing

    def define_guest(self, xml: str, validate: bool = False) -> None:
        flags = self._lib.VIR_DOMAIN_DEFINE_VALIDATE if validate else 0
        self._call("define", "guest", read.name_in(xml), self._connection.defineXMLFlags, xml, flags)

    def undefine_guest(self, name: str) -> None:
        domain = self._guest(name, missing_is_fine=True)
        if domain is None:
            return
        saves = self._lib.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        snapshots = saves | self._lib.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        checkpoints = snapshots | self._lib.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        nvram = checkpoints | self._lib.VIR_DOMAIN_UNDEFINE_NVRAM
        # Before libvirt 8.9 the flag for the TPM's state is not there: it goes with the guest anyway.
        tpm = nvram | getattr(self._lib, "VIR_DOMAIN_UNDEFINE_TPM", 0)
        for flags in dict.fromkeys((tpm, nvram, checkpoints, snapshots, saves)):
            try:
                self._call.raw("guest", name, domain.undefineFlags, flags)
                return
            except self._call.error as error:
                # Each driver takes the flags that it knows, and refuses the rest by this message.
                if "unsupported flags" not in str(error) and code_of(error) not in errors.UNSUPPORTED:
                    if gone(error):
                        return
                    raise self._call.translated(error, "undefine", "guest", name) from error
        self._call("undefine", "guest", name, domain.undefine, already=gone)

    def start_guest(self, name: str, paused: bool = False) -> None:
        domain = self._guest(name)
        flags = self._lib.VIR_DOMAIN_START_PAUSED if paused else 0
        self._call("start", "guest", name, domain.createWithFlags, flags, already=lambda error: self._active(domain))

    def shutdown_guest(self, name: str, timeout: float, force: bool) -> None:
        domain = self._guest(name)
        deadline = time.monotonic() + timeout
        asked = 0
        with self._watching(domain, self._lib.VIR_DOMAIN_EVENT_ID_LIFECYCLE) as seen:
            state = self._wake(domain, name)
            if state == self._lib.VIR_DOMAIN_CRASHED:
                self._destroy(domain, name)
            resend = 0.0
            while self._active(domain):
                now = time.monotonic()
                if now >= deadline:
                    break
                if now >= resend:
                    # A guest that boots loses the first, and the agent is heard only once.
                    self._ask_to_power_off(domain, name, agent=asked == 0, limit=deadline - now)
                    asked += 1
                    resend = time.monotonic() + _RESEND
                seen.wait(max(0.0, min(_POLL, deadline - time.monotonic())))
                seen.clear()
            else:
                return
        if force:
            self._destroy(domain, name)
            return
        last = self._state_word(domain)
        raise Timeout(
            f"could not stop guest {name}: asked {asked} time(s), it still runs after {timeout:g} s (last seen: "
            f"{last}); give it a longer stop_timeout, look at its console (a guest without an agent and without ACPI "
            "never hears it), or allow force_stop"
        )

    def suspend_guest(self, name: str) -> None:
        domain = self._guest(name)
        paused = (self._lib.VIR_DOMAIN_PAUSED, self._lib.VIR_DOMAIN_PMSUSPENDED)
        self._call("suspend", "guest", name, domain.suspend, already=lambda error: self._state(domain) in paused)

    def resume_guest(self, name: str) -> None:
        domain = self._guest(name)
        if self._wake(domain, name) not in (self._lib.VIR_DOMAIN_PAUSED, self._lib.VIR_DOMAIN_PMSUSPENDED):
            if not self._active(domain):
                self._call("resume", "guest", name, domain.resume)

    def save_guest(self, name: str) -> None:
        domain = self._guest(name)
        self._call("save", "guest", name, domain.managedSave, 0, already=lambda error: self._saved(domain))

    def drop_managed_save(self, name: str) -> None:
        domain = self._guest(name)
        self._call(
            "drop the managed save of",
            "guest",
            name,
            domain.managedSaveRemove,
            0,
            already=lambda error: not self._saved(domain),
        )

    def set_autostart(self, name: str, autostart: bool) -> None:
        self._call("set the autostart of", "guest", name, self._guest(name).setAutostart, int(autostart))

    def set_memory(self, name: str, size_bytes: int) -> None:
        flags, domain, wanted = self._lib.VIR_DOMAIN_AFFECT_LIVE, self._guest(name), round_up(size_bytes, KIB) // KIB
        self._call("set the memory of", "guest", name, domain.setMemoryFlags, wanted, flags)
        # The guest's driver moves the balloon page by page. One that has no driver never will, and that is no error.
        deadline = time.monotonic() + _BALLOON
        while time.monotonic() < deadline:
            if self._call("read the memory of", "guest", name, domain.info)[2] == wanted:
                return
            time.sleep(_POLL / 5)

    def set_vcpus(self, name: str, count: int) -> None:
        flags = self._lib.VIR_DOMAIN_AFFECT_LIVE
        self._call("set the vcpus of", "guest", name, self._guest(name).setVcpusFlags, count, flags)

    def pin_vcpus(self, name: str, pins: Mapping[int, str]) -> None:
        domain, flags = self._guest(name), self._lib.VIR_DOMAIN_AFFECT_LIVE
        for number, cpus in pins.items():
            self._call(f"pin vcpu {number} of", "guest", name, domain.pinVcpuFlags, number, read.cpu_map(cpus), flags)

    def pin_emulator(self, name: str, cpus: str) -> None:
        flags = self._lib.VIR_DOMAIN_AFFECT_LIVE
        self._call("pin the emulator of", "guest", name, self._guest(name).pinEmulator, read.cpu_map(cpus), flags)

    def pin_iothreads(self, name: str, pins: Mapping[int, str]) -> None:
        domain, flags = self._guest(name), self._lib.VIR_DOMAIN_AFFECT_LIVE
        for number, cpus in pins.items():
            doing = f"pin I/O thread {number} of"
            self._call(doing, "guest", name, domain.pinIOThread, number, read.cpu_map(cpus), flags)

    def add_iothreads(self, name: str, numbers: Sequence[int]) -> None:
        domain, flags = self._guest(name), self._lib.VIR_DOMAIN_AFFECT_LIVE

        def already(error: Any) -> bool:
            return "already using iothread_id" in str(error)

        for number in numbers:
            doing = f"start I/O thread {number} of"
            self._call(doing, "guest", name, domain.addIOThread, number, flags, already=already)

    def set_parameters(self, name: str, what: str, values: Mapping[str, int]) -> None:
        domain = self._guest(name)
        function = {
            "scheduler": domain.setSchedulerParametersFlags,
            "memory": domain.setMemoryParameters,
            "blkio": domain.setBlkioParameters,
        }[what]
        self._call(f"tune the {what} of", "guest", name, function, dict(values), self._lib.VIR_DOMAIN_AFFECT_LIVE)

    def set_stats_period(self, name: str, seconds: int) -> None:
        domain, flags = self._guest(name), self._lib.VIR_DOMAIN_AFFECT_LIVE
        self._call("set the balloon's period of", "guest", name, domain.setMemoryStatsPeriod, seconds, flags)

    def attach_device(self, name: str, xml: str) -> None:
        flags = self._lib.VIR_DOMAIN_AFFECT_LIVE
        self._call("attach a device to", "guest", name, self._guest(name).attachDeviceFlags, xml, flags)

    def detach_device(self, name: str, xml: str, timeout: float = 30) -> None:
        domain = self._guest(name)
        alias = read.device_alias(self._live_xml(domain, name), xml)
        if alias is None:
            # libvirt says what is wrong with the description: none such, or several.
            self._detach(domain, name, xml)
            return
        removed = self._lib.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED
        failed = self._lib.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED
        deadline = time.monotonic() + timeout
        resend = 0.0
        with self._watching(domain, removed, failed) as seen:
            while True:
                if time.monotonic() >= resend:
                    # A guest that boots does not hear the first.
                    self._detach(domain, name, xml)
                    resend = time.monotonic() + _RESEND
                seen.wait(max(0.0, min(_POLL, deadline - time.monotonic())))
                if (removed, alias) in seen.happened or not read.has_alias(self._live_xml(domain, name), alias):
                    return
                if (failed, alias) in seen.happened:
                    raise HostError(
                        f"could not detach a device from guest {name}: the guest refused to let go of {alias}; stop "
                        "its use inside the guest (unmount, take the link down) and run the task again, or stop it"
                    )
                if time.monotonic() >= deadline:
                    raise Timeout(
                        f"could not detach a device from guest {name}: it still holds {alias} after {timeout:g} s; a "
                        "guest that boots, hangs or has no hotplug never lets go: run the task again, or stop the guest"
                    )

    def update_device(self, name: str, xml: str) -> None:
        flags = self._lib.VIR_DOMAIN_AFFECT_LIVE
        self._call("change a device of", "guest", name, self._guest(name).updateDeviceFlags, xml, flags)

    def set_block_iotune(self, name: str, target: str, limits: Mapping[str, int]) -> None:
        flags = self._lib.VIR_DOMAIN_AFFECT_LIVE
        doing = f"limit disk {target} of"
        self._call(doing, "guest", name, self._guest(name).setBlockIoTune, target, dict(limits), flags)

    def resize_disk(self, name: str, target: str, size_bytes: int) -> None:
        flags = self._lib.VIR_DOMAIN_BLOCK_RESIZE_BYTES
        doing = f"resize disk {target} of"
        self._call(doing, "guest", name, self._guest(name).blockResize, target, size_bytes, flags)

    def set_title(self, name: str, title: str) -> None:
        self._set_metadata(name, "title", self._lib.VIR_DOMAIN_METADATA_TITLE, title or None)

    def set_description(self, name: str, description: str) -> None:
        self._set_metadata(name, "description", self._lib.VIR_DOMAIN_METADATA_DESCRIPTION, description or None)

    def set_metadata(self, name: str, xml: str) -> None:
        text = read.plain_metadata(xml) if xml else None
        element = self._lib.VIR_DOMAIN_METADATA_ELEMENT
        uri = read.namespace_of(xml) if xml else METADATA_URI
        prefix = next((prefix for prefix, known in NAMESPACES.items() if known == uri), METADATA_PREFIX)
        self._set_metadata(name, "metadata", element, text, prefix, uri)

    def _converted(self, doing: str, function: str, text: str) -> str:
        """Convert between a definition and a configuration, which libvirt refuses to connections that only read."""
        with self._writing() as connection:
            convert = getattr(connection, function)
            return str(self._call(doing, "hypervisor", self._uri, convert, _XL, text, 0))

    def _guests_listed(self, flags: int) -> list[Any]:
        """Return all guests; Xen's dom0, which libvirt lists among them, is the host."""
        return [domain for domain in self._list("guest", flags) if domain.UUIDString() != _DOM0]

    def _uuids(self, flags: int) -> set[str]:
        return {domain.UUIDString() for domain in self._guests_listed(flags)}

    def _states(self) -> dict[str, tuple[Any, str]]:
        """Return all guests' handles and states by UUID, from three lists: cheaper than bulk stats, in every driver."""
        listed = {domain.UUIDString(): domain for domain in self._guests_listed(0)}
        paused = self._uuids(self._lib.VIR_CONNECT_LIST_DOMAINS_PAUSED)
        others = self._uuids(self._lib.VIR_CONNECT_LIST_DOMAINS_OTHER)
        result = {}
        for uuid, domain in listed.items():
            if uuid in others:
                state = self._state_word(domain)
            elif uuid in paused:
                state = "paused"
            else:
                state = "running" if domain.ID() >= 0 else "stopped"
            result[uuid] = (domain, state)
        return result

    def _looked_up(self, name: str) -> GuestFacts | None:
        domain = self._guest(name, missing_is_fine=True)
        if domain is None or domain.UUIDString() == _DOM0:
            return None

        def count(function: Callable[..., Any], *args: Any) -> bool:
            return bool(self._call("read", "guest", name, function, *args, already=unavailable))

        return self._facts(
            domain,
            self._state_word(domain),
            persistent=count(domain.isPersistent),
            autostart=count(domain.autostart),
            managed_save=count(domain.hasManagedSaveImage, 0),
            snapshots=count(domain.snapshotNum, 0),
            checkpoints=count(domain.listAllCheckpoints, 0),
        )

    def _facts(
        self,
        domain: Any,
        state: str,
        persistent: bool,
        autostart: bool,
        managed_save: bool,
        snapshots: bool,
        checkpoints: bool,
    ) -> GuestFacts | None:
        """Read a guest's XML; None when it vanished meanwhile."""
        name = domain.name()
        secure = 0 if self._readonly else self._lib.VIR_DOMAIN_XML_SECURE
        live = None
        if state != "stopped":
            live = self._xml(domain, "guest", name, secure)
            if live is None:
                return None
            if not read.is_live(live):  # it stopped since it was listed, and this is its persistent XML
                live, state = None, "crashed" if state == "crashed" else "stopped"
        xml = live
        if persistent or live is None:
            xml = self._xml(domain, "guest", name, secure | self._lib.VIR_DOMAIN_XML_INACTIVE)
        if xml is None:
            return None
        saved = state == "stopped" and managed_save
        return GuestFacts(
            name=name,
            uuid=domain.UUIDString(),
            state="saved" if saved else state,
            xml=xml,
            live_xml=live,
            autostart=autostart,
            managed_save=managed_save,
            snapshots=snapshots,
            checkpoints=checkpoints,
            persistent=persistent,
            saved_xml=self._saved_xml(domain, name) if saved else None,
        )

    def _saved_xml(self, domain: Any, name: str) -> str | None:
        """Return the definition inside a managed save; None where it is gone meanwhile, or the driver has no way."""
        flags = 0 if self._readonly else self._lib.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE
        text = self._call(
            "read the managed save of", "guest", name, domain.managedSaveGetXMLDesc, flags, already=unavailable
        )
        return text or None

    # helpers

    def _agent_addresses(self, domain: Any, name: str) -> Sequence[Mapping[str, Any]]:
        question = "guest-network-get-interfaces"
        if not self._readonly:
            return read.agent_addresses(self._ask_agent(domain, name, question, 5.0) or "")
        if not read.agent_connected(self._live_xml(domain, name)):
            return []
        try:
            with self._writing() as connection:
                return read.agent_addresses(self._ask(connection.lookupByName(name), name, question, 5.0) or "")
        except HostError:
            # Whoever may only read is not told.
            return []

    def _ask_agent(self, domain: Any, name: str, command: str, timeout: float) -> str | None:
        """Return the agent's answer as JSON text, None when it does not answer within ``timeout`` seconds."""
        if self._readonly:
            raise Unsupported(
                f"could not ask the agent of guest {name}: this connection only reads; use one that may write"
            )
        return self._ask(domain, name, command, timeout)

    def _ask(self, domain: Any, name: str, command: str, timeout: float) -> str | None:
        text = f'{{"execute": "{command}"}}'
        seconds = max(1, round(timeout))

        def ask() -> Any:
            return self._call(
                "ask the agent of",
                "guest",
                name,
                self._qemu.qemuAgentCommand,
                domain,
                text,
                seconds,
                0,
                already=lambda error: code_of(error) in errors.AGENT_SILENT,
            )

        try:
            # libvirt waits 5 s for the agent to come in step, whatever the limit of the command is.
            answer: str | None = within(timeout, ask)
            return answer
        except Late:
            return None

    def _wake(self, domain: Any, name: str) -> int:
        """Let a paused or sleeping guest run, since it hears nothing; return the state that it had before or has."""
        state = self._state(domain)
        if state == self._lib.VIR_DOMAIN_PAUSED:
            self._call("resume", "guest", name, domain.resume, already=lambda error: not self._active(domain))
        elif state == self._lib.VIR_DOMAIN_PMSUSPENDED:
            self._call("wake", "guest", name, domain.pMWakeup, 0, already=lambda error: not self._active(domain))
        return state

    def _ask_to_power_off(self, domain: Any, name: str, agent: bool, limit: float) -> None:
        def off(error: Any) -> bool:
            return not self._active(domain)

        if agent and read.agent_connected(self._live_xml(domain, name)):
            flags = self._lib.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT
            try:
                # A hung agent blocks this call for a minute and more; it must not take ACPI's time.
                within(min(_RESEND, limit), lambda: self._call.raw("guest", name, domain.shutdownFlags, flags))
                return
            except Late:
                pass
            except self._call.error as error:
                if code_of(error) not in errors.AGENT_SILENT:
                    raise self._call.translated(error, "stop", "guest", name) from error
        self._call("stop", "guest", name, domain.shutdown, already=off)

    def _destroy(self, domain: Any, name: str) -> None:
        """Force a guest off, first in a way that lets QEMU write out its disks' caches."""
        try:
            self._call.raw("guest", name, domain.destroyFlags, self._lib.VIR_DOMAIN_DESTROY_GRACEFUL)
        except self._call.error:
            self._call("force off", "guest", name, domain.destroy, already=lambda error: not self._active(domain))

    def _detach(self, domain: Any, name: str, xml: str) -> None:
        def already(error: Any) -> bool:
            return code_of(error) == errors.DEVICE_MISSING or "in the process of unplug" in str(error)

        flags = self._lib.VIR_DOMAIN_AFFECT_LIVE
        doing = "detach a device from"
        self._call(doing, "guest", name, domain.detachDeviceFlags, xml, flags, already=already)

    def _set_metadata(
        self, name: str, what: str, kind: int, text: str | None, key: str | None = None, uri: str | None = None
    ) -> None:
        def already(error: Any) -> bool:
            return text is None and code_of(error) == _NO_METADATA  # what is to be removed is not there

        domain, flags = self._guest(name), self._lib.VIR_DOMAIN_AFFECT_LIVE
        doing = f"set the {what} of"
        self._call(doing, "guest", name, domain.setMetadata, kind, text, key, uri, flags, already=already)

    @contextmanager
    def _watching(self, domain: Any, *kinds: int) -> Iterator[_Seen]:
        """Watch events of a guest; where the driver has none, the caller's polling is all there is."""
        seen = _Seen()
        numbers = []
        for kind in kinds:
            register = self._connection.domainEventRegisterAny
            number = self._call(
                "watch",
                "guest",
                domain.name(),
                register,
                domain,
                kind,
                seen.callback(kind),
                None,
                already=unsupported,
            )
            if number is not None:
                numbers.append(number)
        try:
            with self._listening():
                yield seen
        finally:
            for number in numbers:
                self._call(
                    "watch",
                    "guest",
                    domain.name(),
                    self._connection.domainEventDeregisterAny,
                    number,
                    already=lambda error: True,
                )


class _Seen(threading.Event):
    """Set when an event came; ``happened`` holds (kind, detail) of each."""

    def __init__(self) -> None:
        super().__init__()
        self.happened: set[tuple[int, Any]] = set()

    def callback(self, kind: int) -> Callable[..., None]:
        def happened(_connection: Any, _domain: Any, detail: Any, *_rest: Any) -> None:
            self.happened.add((kind, detail))
            self.set()

        return happened
