# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on a host, as frozen values: the only thing that plans are made from.

Sizes are bytes. XML is text as libvirt gave it. Nothing here was checked: names, titles and addresses that a guest
can influence are still hostile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from . import _xml

# What guests are booted as, by libvirt's name of the kind of their system (virDomainOSType), where PV has two.
GUEST_TYPES: Mapping[str, str] = {"hvm": "hvm", "xen": "pv", "linux": "pv", "xenpvh": "pvh"}


@dataclass(frozen=True)
class HostFacts:
    """One hypervisor. ``driver`` is ``qemu``, ``xen`` or ``test``; versions are libvirt's numbers (9000000 is 9.0.0).

    ``uuid`` is derived from the name where the driver tells none (libxl). ``machines`` maps (arch, domain type) to the
    machine types and aliases that capabilities list; ``domain_types`` maps an arch to its domain types (``kvm``, ``qemu``,
    ``xen``) and ``guest_types`` to what guests are booted as (``pv``, ``pvh``, ``hvm``). ``free_bytes`` is the memory that
    new guests can have where a hypervisor gives away only what it has (Xen), and None elsewhere. ``remote`` is true when
    the hypervisor's files cannot be reached from where the module runs.
    """

    uri: str
    driver: str
    name: str
    uuid: str
    arch: str
    libvirt_version: int
    hypervisor_version: int
    memory_bytes: int
    cpus: int
    domain_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    machines: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    remote: bool = False
    capabilities_xml: str = ""
    guest_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    free_bytes: int | None = None


@dataclass(frozen=True)
class GuestFacts:
    """One guest. ``state`` is ``running``, ``paused``, ``stopped``, ``saved`` (stopped with a managed save) or
    ``crashed``. ``xml`` is the persistent definition (INACTIVE, SECURE), ``live_xml`` the running one or None.
    ``saved_xml`` is the definition inside a managed save. ``persistent`` is false for a transient guest, whose ``xml``
    then is its live one.
    """

    name: str
    uuid: str
    state: str
    xml: str
    live_xml: str | None = None
    autostart: bool = False
    managed_save: bool = False
    snapshots: bool = False
    checkpoints: bool = False
    persistent: bool = True
    saved_xml: str | None = None

    @property
    def active(self) -> bool:
        return self.live_xml is not None

    @property
    def warm_xml(self) -> str | None:
        """What the guest runs by until its next cold start: its live definition, or that of its managed save."""
        return self.live_xml or self.saved_xml

    @cached_property
    def notes(self) -> dict[str, Any]:
        """What readers of the XML have worked out, so that none does it twice; no part of the facts."""
        return {}


# The collection's own element in a guest's or network's metadata: its namespace never changes without its number.
METADATA_URI = "https://virtfleet.github.io/xml/1"
METADATA_PREFIX = "virtfleet"


@dataclass(frozen=True)
class InterfaceSummary:
    """One nic of a guest, as its definition names it. ``network`` is None for a nic of another ``type``.

    ``addresses`` are those that the definition says the guest has (Xen's ``ip``). ``source`` is what it is connected to:
    the network, bridge or device.
    """

    mac: str
    type: str
    network: str | None = None
    addresses: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class DiskSummary:
    """One disk of a guest, as its definition names it. ``source`` is a path, volume or URL; empty for an empty drive."""

    target: str
    device: str
    bus: str
    source: str = ""


@dataclass(frozen=True)
class GuestSummary:
    """One guest as an inventory needs it: from one XML read, the live one of a running guest.

    ``state`` is one of GuestFacts' words. ``agent`` is true when the guest agent has its channel open.
    ``estate`` and ``tags`` come from the collection's metadata, empty where there is none. ``kind`` is what runs it (kvm,
    qemu, xen, lxc, test). ``os`` is what libosinfo's metadata says that it runs, as debian-12. ``xml`` is there only where
    it was asked for.
    """

    name: str
    uuid: str
    state: str
    vcpus: int
    memory_bytes: int
    arch: str = ""
    title: str = ""
    description: str = ""
    estate: str = ""
    tags: tuple[str, ...] = ()
    interfaces: tuple[InterfaceSummary, ...] = ()
    agent: bool = False
    kind: str = ""
    os: str = ""
    disks: tuple[DiskSummary, ...] = ()
    xml: str = ""


@dataclass(frozen=True)
class NetworkFacts:
    """One network: persistent XML, live XML or None, and its flags."""

    name: str
    uuid: str
    xml: str
    live_xml: str | None = None
    autostart: bool = False
    persistent: bool = True

    @property
    def active(self) -> bool:
        return self.live_xml is not None

    @cached_property
    def notes(self) -> dict[str, Any]:
        """As a guest's."""
        return {}

    @cached_property
    def reserved(self) -> Mapping[str, str | None]:
        """The address that the definition keeps for each MAC (in lower case)."""
        found: dict[str, str | None] = {}
        for host in _xml.find_all(_xml.parse(self.xml), "ip/dhcp/host"):
            found.setdefault(host.get("mac", "").lower(), host.get("ip"))
        return found


@dataclass(frozen=True)
class PoolFacts:
    """One storage pool. Capacity, allocation and available are bytes, 0 while it is inactive."""

    name: str
    uuid: str
    type: str
    path: str | None
    xml: str
    active: bool
    autostart: bool
    capacity_bytes: int = 0
    allocation_bytes: int = 0
    available_bytes: int = 0


@dataclass(frozen=True)
class VolumeFacts:
    """One volume. ``backing`` is the path of the image below it or None."""

    pool: str
    name: str
    path: str
    format: str
    capacity_bytes: int
    allocation_bytes: int
    backing: str | None = None
    backing_format: str | None = None
    encrypted: bool = False
    compat: str | None = None
    cluster_bytes: int | None = None
    lazy_refcounts: bool = False


@dataclass(frozen=True)
class NwfilterFacts:
    """One network filter as libvirt wrote it down."""

    name: str
    uuid: str
    xml: str


@dataclass(frozen=True)
class SecretFacts:
    """One secret without its value. ``usage`` is ``none`` for one that is known by its UUID only.

    ``value`` is what it holds where somebody asked for it; None where nobody did, it holds nothing, or is private.
    """

    uuid: str
    usage: str
    usage_id: str
    xml: str
    value: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Lease:
    """One DHCP lease that a network of libvirt gave out. ``expires`` is seconds since the epoch."""

    network: str
    mac: str
    address: str
    hostname: str | None
    expires: int


@dataclass(frozen=True)
class PathFacts:
    """One path on the host. ``readable``: QEMU's user could read it; else ``why`` says what stands in the way."""

    path: str
    exists: bool
    kind: str = "file"
    readable: bool = True
    size_bytes: int = 0
    why: str = ""


@dataclass(frozen=True)
class ImageFacts:
    """One disk image as qemu-img sees it, and the record that the collection keeps beside a base.

    ``virtual_bytes`` is what a guest sees, ``actual_bytes`` what the file takes on disk. ``record`` is the content of
    the record file: ``{source, checksum, sha256, ...}``, empty where there is none. ``overlays`` are the paths of the
    images and ``guests`` the names of the guests known to stand on it. ``others`` are the files besides this one that
    hold a part of the disk. ``written_ns`` is when the file was written to last, in nanoseconds since the epoch.
    ``cluster_bytes``, ``lazy_refcounts`` and ``compat`` are of a qcow2 image. One that is ``encrypted`` by LUKS is qcow2 or
    raw all the same, as for libvirt.
    """

    path: str
    format: str
    virtual_bytes: int
    actual_bytes: int
    backing: str | None = None
    backing_format: str | None = None
    record: Mapping[str, str] = field(default_factory=dict)
    overlays: tuple[str, ...] = ()
    guests: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    cluster_bytes: int | None = None
    lazy_refcounts: bool | None = None
    encrypted: bool = False
    compat: str | None = None
    written_ns: int = 0


@dataclass(frozen=True)
class DownloadFacts:
    """One download that is kept on the host; ``used`` is when it was asked for last, in seconds since the epoch."""

    path: str
    source: str
    actual_bytes: int
    used: float


@dataclass(frozen=True)
class Accelerator:
    """What runs guests of the host's own architecture best: ``verdict`` is ``kvm`` or ``tcg`` (emulation).

    ``kind`` is ``hardware``, ``nested`` (KVM inside a guest) or ``emulation``. ``reason`` and ``advice`` are sentences,
    ``advice`` empty where there is nothing to do. ``kept``: the verdict is written down, so that nobody looks again
    before the host or its QEMU has changed. ``seconds`` is what looking took.
    """

    verdict: str
    kind: str
    reason: str
    advice: str = ""
    qemu_version: str | None = None
    kept: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Resources:
    """What an operating system needs; None where nobody says."""

    cpus: int | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None


@dataclass(frozen=True)
class SystemFacts:
    """An operating system as osinfo-db knows it, with what it has of those that it derives from.

    ``id`` is libosinfo's, a URL. ``devices`` are ids of libosinfo too. ``minimum`` and ``recommended`` are by architecture,
    ``all`` among them; ``firmware`` are the kinds (``bios``, ``efi``) that it is said to start from by architecture, and
    ``unsupported`` those that it does not start from. Dates are as in 2024-04-25, empty where there is none.
    """

    id: str
    short_ids: tuple[str, ...] = ()
    name: str = ""
    version: str = ""
    vendor: str = ""
    family: str = ""
    distro: str = ""
    codename: str = ""
    status: str = "released"
    released: str = ""
    eol: str = ""
    architectures: tuple[str, ...] = ()
    minimum: Mapping[str, Resources] = field(default_factory=dict)
    recommended: Mapping[str, Resources] = field(default_factory=dict)
    devices: frozenset[str] = frozenset()
    firmware: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unsupported: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def needs(self, arch: str) -> Resources:
        """Return the least that it needs on an architecture."""
        return self.minimum.get(arch) or self.minimum.get("all") or Resources()


@dataclass(frozen=True)
class Snapshot:
    """Everything that one plan needs to know of a host, read in bulk. Volumes are keyed by (pool, name), secrets by
    ``usage/usage_id``.

    ``networks`` and ``pools`` may be some of those that there are; ``network_names`` and ``pool_names`` are the names of
    all, for messages, where one of those that were asked for is missing. ``accelerator`` is None where libvirt's word
    counts, or nobody has to decide. ``image_paths`` are the paths of images by the names that a document gives them,
    ``macs`` the MACs that no new nic may get. ``whole``: ``guests`` are all that the host has. ``systems`` are the operating
    systems that guests are said to have, by the word that was said, or a sentence why nothing is known of one.
    ``launch_security`` is how guests can be kept from their host by architecture, where a guest is to be; ``nic_backends``
    what can be behind nics of users, where one is to be behind passt.
    """

    host: HostFacts
    guests: Mapping[str, GuestFacts] = field(default_factory=dict)
    networks: Mapping[str, NetworkFacts] = field(default_factory=dict)
    pools: Mapping[str, PoolFacts] = field(default_factory=dict)
    volumes: Mapping[tuple[str, str], VolumeFacts] = field(default_factory=dict)
    paths: Mapping[str, PathFacts] = field(default_factory=dict)
    images: Mapping[str, ImageFacts] = field(default_factory=dict)
    leases: tuple[Lease, ...] = ()
    accelerator: Accelerator | None = None
    network_names: tuple[str, ...] = ()
    pool_names: tuple[str, ...] = ()
    image_paths: Mapping[str, str] = field(default_factory=dict)
    macs: Collection[str] = frozenset()
    whole: bool = False
    secrets: Mapping[str, SecretFacts] = field(default_factory=dict)
    nwfilters: Mapping[str, NwfilterFacts] = field(default_factory=dict)
    systems: Mapping[str, SystemFacts | str] = field(default_factory=dict)
    launch_security: Mapping[str, Collection[str]] = field(default_factory=dict)
    nic_backends: Collection[str] = frozenset()

    def system(self, word: str | None) -> SystemFacts | None:
        """Return the operating system that a word stands for; None without a word, or where nothing is known of it."""
        found = self.systems.get(word or "")
        return found if isinstance(found, SystemFacts) else None

    def runs(self, name: str) -> bool:
        """Say whether there is a guest of this name that runs or is paused."""
        return name in self.guests and self.guests[name].active

    def volume_at(self, path: str) -> VolumeFacts | None:
        """Return the volume whose file or device is ``path``."""
        return self._volumes_by_path.get(path)

    # Worked out once, when first asked for: a thousand guests ask.

    @cached_property
    def _volumes_by_path(self) -> Mapping[str, VolumeFacts]:
        found: dict[str, VolumeFacts] = {}
        for volume in self.volumes.values():
            found.setdefault(volume.path, volume)
        return found

    @cached_property
    def leased(self) -> Mapping[str, str]:
        """The address that each MAC (in lower case) has leased now."""
        return {lease.mac.lower(): lease.address for lease in self.leases}

    @cached_property
    def lessees(self) -> Mapping[str, tuple[str, ...]]:
        """The MACs that have an address leased now, by address."""
        found: dict[str, tuple[str, ...]] = {}
        for lease in self.leases:
            found[lease.address] = (*found.get(lease.address, ()), lease.mac)
        return found
