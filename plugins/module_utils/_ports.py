# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two Protocols that plans are carried out against: a hypervisor, and the files of the host it runs on.

Every method that changes something is idempotent where libvirt allows it (starting what runs, stopping what is
stopped, deleting what is gone succeed), so that a run that was cut short can be repeated. Methods raise only
errors of ``_errors``. Sizes are bytes, times seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from ._facts import (
    Accelerator,
    DownloadFacts,
    GuestFacts,
    GuestSummary,
    HostFacts,
    ImageFacts,
    Lease,
    NetworkFacts,
    NwfilterFacts,
    PathFacts,
    PoolFacts,
    SecretFacts,
    SystemFacts,
    VolumeFacts,
)

if TYPE_CHECKING:
    from ._image.bootstrap import Bootstrap
    from ._image.making import Making


class ConsolePort(Protocol):
    """A guest's console that is open."""

    def read(self, timeout: float) -> bytes:
        """Return what the guest has written, nothing when it writes nothing within ``timeout`` seconds.

        Raises Conflict when the console was closed from the other side.
        """

    def write(self, data: bytes) -> None:
        """Type on the console."""


class Hypervisor(Protocol):
    """What the collection asks of a hypervisor."""

    # reading, in bulk

    def host(self) -> HostFacts:
        """Return what the hypervisor and its host are."""

    def memory(self) -> tuple[int, int]:
        """Return the bytes of the host's memory, and of what new guests could have of it: free, buffers and cache."""

    def domain_capabilities(self, arch: str, machine: str | None, kind: str) -> str:
        """Return what the hypervisor can do for one kind of guest as libvirt's XML; empty where it does not say."""

    def guests(self, names: Collection[str] | None = None) -> Mapping[str, GuestFacts]:
        """Return the guests (all, or those of ``names`` that exist) by name. Two XML reads for a running guest."""

    def summaries(self, states: Collection[str] | None = None, with_xml: bool = False) -> Sequence[GuestSummary]:
        """Return all guests, or those in one of ``states``, with one XML read each and without secrets."""

    def stats(self) -> Mapping[str, Mapping[str, Any]]:
        """Return libvirt's statistics of all guests by UUID, by one call; empty where the driver has none.

        They are nested as their names are: ``{cpu: {time: ns}, block: [{name: vda, rd: {bytes: n}}], ...}``.
        """

    def networks(self, names: Collection[str] | None = None) -> Mapping[str, NetworkFacts]:
        """Return the networks (all, or those of ``names`` that exist) by name; none where the driver knows none."""

    def network_names(self) -> Sequence[str]:
        """Return the names of all networks, by one call."""

    def pools(self, names: Collection[str] | None = None) -> Mapping[str, PoolFacts]:
        """Return the storage pools (all, or those of ``names`` that exist) by name."""

    def pool_names(self) -> Sequence[str]:
        """Return the names of all storage pools, by one call."""

    def volumes(self, pool: str, names: Collection[str] | None = None) -> Mapping[str, VolumeFacts]:
        """Return the volumes (all, or those of ``names`` that exist) of an active pool, without refreshing it."""

    def nwfilters(self) -> Mapping[str, NwfilterFacts]:
        """Return all network filters by name; none where the driver knows none."""

    def secrets(self) -> Mapping[str, SecretFacts]:
        """Return all secrets by ``usage/usage_id``, without values; none where the driver knows none."""

    def secret_value(self, uuid: str) -> bytes | None:
        """Return what a secret holds; None where it holds nothing, is private, or this connection may not ask."""

    def leases(self, networks: Collection[str] | None = None) -> Sequence[Lease]:
        """Return the present leases of the active networks."""

    def addresses(self, name: str, source: str) -> Sequence[Mapping[str, Any]]:
        """Return a running guest's interfaces ``[{name, mac, addresses: [{address, prefix, family}]}]``.

        ``source`` is ``lease``, ``agent`` or ``definition``; empty when that source knows nothing.
        """

    def agent_answers(
        self, names: Sequence[str], commands: Sequence[str], timeout: float
    ) -> Mapping[str, Mapping[str, Any]]:
        """Ask the agents of guests several things, guests side by side; return what each told, by command.

        An agent that is silent for ``timeout`` seconds is not asked again. Nothing of the answers was checked.
        """

    def agent_ping(self, name: str, timeout: float) -> bool:
        """Tell whether the guest agent answers within ``timeout`` seconds."""

    def console(
        self, name: str, device: str | None = None, force: bool = False, safe: bool = False
    ) -> AbstractContextManager[ConsolePort]:
        """Open the console of a running guest, and give it back at the end.

        Raises Conflict when somebody else has it, unless ``force`` takes it from them; ``safe`` wants the hypervisor to
        keep others off it.
        """

    def screenshot(self, name: str, screen: int = 0) -> tuple[str, bytes]:
        """Return a picture of a running guest's screen, with its MIME type as libvirt names it."""

    def guest_from_native(self, config: str) -> str:
        """Return the definition that a configuration of the hypervisor's own tool (xl) comes to; nothing is changed."""

    def guest_to_native(self, xml: str) -> str:
        """Return a definition as a configuration of the hypervisor's own tool (xl); nothing is changed."""

    # guests

    def define_guest(self, xml: str, validate: bool = False) -> None:
        """Write a guest's persistent definition; with ``validate`` libvirt checks it against its schema."""

    def undefine_guest(self, name: str) -> None:
        """Forget a stopped guest with its NVRAM, TPM state, managed save, snapshot and checkpoint metadata."""

    def start_guest(self, name: str, paused: bool = False) -> None:
        """Start a guest, from its managed save where it has one."""

    def shutdown_guest(self, name: str, timeout: float, force: bool) -> None:
        """Ask the guest to power off, again every 10 s, until it is off; at the limit force it off if allowed.

        A paused guest is resumed first, since it hears nothing; a crashed one is forced off at once.
        Raises Timeout when it still runs at the limit and ``force`` is false.
        """

    def suspend_guest(self, name: str) -> None:
        """Pause a running guest."""

    def resume_guest(self, name: str) -> None:
        """Let a paused guest go on."""

    def save_guest(self, name: str) -> None:
        """Write the guest's memory to a managed save and stop it."""

    def drop_managed_save(self, name: str) -> None:
        """Remove a stopped guest's managed save; its memory is lost."""

    def set_autostart(self, name: str, autostart: bool) -> None:
        """Set whether the guest starts with its host."""

    def set_memory(self, name: str, size_bytes: int) -> None:
        """Balloon a running guest, live only."""

    def set_vcpus(self, name: str, count: int) -> None:
        """Plug or unplug virtual CPUs of a running guest, live only."""

    def pin_vcpus(self, name: str, pins: Mapping[int, str]) -> None:
        """Let virtual CPUs of a running guest run on these CPUs of the host only (``0-3,8``), live only."""

    def pin_emulator(self, name: str, cpus: str) -> None:
        """Let the emulator of a running guest run on these CPUs of the host only, live only."""

    def pin_iothreads(self, name: str, pins: Mapping[int, str]) -> None:
        """Let I/O threads of a running guest run on these CPUs of the host only, live only."""

    def add_iothreads(self, name: str, numbers: Sequence[int]) -> None:
        """Start I/O threads of a running guest with these numbers, live only."""

    def set_parameters(self, name: str, what: str, values: Mapping[str, int]) -> None:
        """Tune a running guest, live only: ``what`` is ``scheduler``, ``memory`` or ``blkio``, values by libvirt's names."""

    def set_stats_period(self, name: str, seconds: int) -> None:
        """Set how often the balloon of a running guest tells its numbers, live only; 0 is never."""

    def attach_device(self, name: str, xml: str) -> None:
        """Attach to a running guest, live only."""

    def detach_device(self, name: str, xml: str, timeout: float = 30) -> None:
        """Detach from a running guest, live only, and wait until the guest has let go (DEVICE_REMOVED)."""

    def set_block_iotune(self, name: str, target: str, limits: Mapping[str, int]) -> None:
        """Limit a disk of a running guest: all limits by libvirt's names, 0 for none."""

    def update_device(self, name: str, xml: str) -> None:
        """Change a device of a running guest in place, live only (media, link)."""

    def resize_disk(self, name: str, target: str, size_bytes: int) -> None:
        """Grow the disk of a running guest, which sees the new size at once."""

    def set_title(self, name: str, title: str) -> None:
        """Set a running guest's live title; empty removes it."""

    def set_description(self, name: str, description: str) -> None:
        """Set a running guest's live description; empty removes it."""

    def set_metadata(self, name: str, xml: str) -> None:
        """Set a metadata element in a running guest's live definition: the collection's, or that of its namespace."""

    # networks

    def define_network(self, xml: str) -> None:
        """Write a network's persistent definition."""

    def start_network(self, name: str) -> None:
        """Start a network."""

    def stop_network(self, name: str) -> None:
        """Stop a network; what is plugged in is cut off."""

    def undefine_network(self, name: str) -> None:
        """Forget a stopped network."""

    def set_network_autostart(self, name: str, autostart: bool) -> None:
        """Set whether the network starts with its host."""

    def update_network(self, name: str, command: str, section: str, xml: str, parent: int = -1) -> None:
        """Change one section of an active network, live only.

        ``command`` is ``add-first``, ``add-last``, ``modify`` or ``delete``; ``section`` is libvirt's name for it
        (``ip-dhcp-host``, ``ip-dhcp-range``, ``dns-host``, ...). ``parent`` is the place of the ``<ip>`` that it is
        in; -1 leaves the choice to libvirt.
        """

    # storage

    def define_pool(self, xml: str) -> None:
        """Write a pool's definition."""

    def build_pool(self, name: str, overwrite: bool | None = None) -> None:
        """Make the pool's directory where it is missing.

        With ``overwrite`` False also the file system, volume group or partition table, on devices that hold nothing or
        that already; with True on devices whatever they hold.
        """

    def start_pool(self, name: str) -> None:
        """Start a pool."""

    def stop_pool(self, name: str) -> None:
        """Stop a pool; its files stay."""

    def undefine_pool(self, name: str) -> None:
        """Forget a stopped pool; its files stay."""

    def delete_pool(self, name: str) -> None:
        """Remove the directory of an inactive pool, which must be empty."""

    def refresh_pool(self, name: str) -> None:
        """Have libvirt look at what is in a pool."""

    def set_pool_autostart(self, name: str, autostart: bool) -> None:
        """Set whether the pool starts with its host."""

    def create_volume(self, pool: str, xml: str, preallocate: bool = False) -> None:
        """Make a volume; succeed without a change when it exists. ``preallocate``: a qcow2 one gets all of its tables."""

    def clone_volume(self, pool: str, xml: str, source_pool: str, source: str) -> None:
        """Make a volume with the content of another one, whole and on its own; succeed without a change when it exists."""

    def wipe_volume(self, pool: str, name: str) -> None:
        """Write zeros over all that a volume holds; it is no image any more then."""

    def resize_volume(self, pool: str, name: str, size_bytes: int) -> None:
        """Grow a volume that no running guest holds."""

    def delete_volume(self, pool: str, name: str) -> None:
        """Remove a volume and what it holds."""

    def upload_volume(self, pool: str, name: str, data: bytes) -> None:
        """Write ``data`` from the start of a volume that exists and is large enough."""

    def upload_file(self, pool: str, name: str, path: str) -> None:
        """Write a file of the host where this runs into a volume that was just made; its holes stay holes."""

    # network filters and secrets

    def define_nwfilter(self, xml: str) -> None:
        """Write a network filter; running guests that use it have it at once."""

    def undefine_nwfilter(self, name: str) -> None:
        """Forget a network filter that no running guest uses."""

    def define_secret(self, xml: str) -> None:
        """Write a secret's definition; what it holds stays."""

    def set_secret_value(self, uuid: str, value: bytes) -> None:
        """Put a value into a secret."""

    def undefine_secret(self, uuid: str) -> None:
        """Forget a secret with what it holds."""

    def close(self) -> None:
        """Let go of the connection."""


class Files(Protocol):
    """What the collection asks of the host's files and programs; there is none for a remote hypervisor."""

    def accelerator(self, fresh: bool = False) -> Accelerator:
        """Find out whether guests run by KVM here, or take the verdict that is kept; with ``fresh`` look in any case."""

    def kept_accelerator(self) -> Accelerator | None:
        """Return the verdict that is kept, without a look; None where there is none."""

    def systems(self, words: Collection[str]) -> Mapping[str, SystemFacts | str]:
        """Return the operating systems that words stand for, or for each that is not known a sentence why."""

    def all_systems(self) -> Sequence[SystemFacts]:
        """Return every operating system that the host's osinfo-db knows; raise Unsupported where there is none."""

    def xl_configs(self, patterns: Collection[str]) -> Mapping[str, tuple[str, bool]]:
        """Return xl's configurations by path, each with whether its guest starts with the host (/etc/xen/auto)."""

    def dom0_gives(self) -> bool:
        """Say whether dom0 gives of its memory to guests that start: it does where Xen was not told how much it has."""

    def xl_running(self) -> str:
        """Return what ``xl list -l`` prints, nothing where there is no xl or it does not answer."""

    def xenstore(self) -> str:
        """Return what ``xenstore-ls`` prints of Xen's guests, nothing where there is none or it does not answer."""

    def path_facts(self, path: str, user: str | None = None) -> PathFacts:
        """Look at a path, as QEMU's ``user`` would read it."""

    def image_facts(self, path: str) -> ImageFacts | None:
        """Return what qemu-img and the record say of an image, or None where there is no file."""

    def resolve_checksum(
        self, checksum: str, source: str, signature: str | None = None, keys: str | None = None
    ) -> str:
        """Return ``sha256:HEX`` or ``sha512:HEX``, read from the checksum file that ``checksum`` names, if it does.

        With ``keys`` (a path, or their text) the file must be signed by one of them: inside, or at ``signature``.
        """

    def file_checksum(self, path: str, algorithm: str) -> str:
        """Return the checksum of a whole file as ``sha256:HEX``."""

    def chains(self, candidates: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        """Return for each image its own real path, then the real paths of the images below it, from the top down.

        A candidate is an image, or a directory for the files in it; what does not exist is left out.
        """

    def image_record(self, path: str) -> Mapping[str, str]:
        """Return what the collection has recorded of an image's origin, empty where there is nothing."""

    def downloads(self) -> Sequence[DownloadFacts]:
        """Return the downloads that are kept, what was used last first."""

    def create_image(
        self, path: str, format: str, size_bytes: int, replace: bool = False, making: Making = ...
    ) -> None:
        """Make a blank image; where a file stands, replace it if told to, else raise Conflict."""

    def create_overlay(
        self,
        path: str,
        backing: str,
        backing_format: str,
        size_bytes: int | None,
        replace: bool = False,
        making: Making = ...,
    ) -> None:
        """Make an image that stands on the one at the absolute path ``backing``, at least as large as it."""

    def grow_image(self, path: str, format: str, size_bytes: int, making: Making = ...) -> None:
        """Grow an image that no running guest holds; succeed when it has that size, raise Conflict to shrink it."""

    def sparsify_image(self, path: str) -> None:
        """Free the blocks of an image's file that hold nothing but zeros; nobody writes to it meanwhile."""

    def amend_image(self, path: str, making: Making) -> None:
        """Change what the header of a qcow2 image says, as far as it can be changed; no running guest holds it."""

    def import_image(
        self,
        path: str,
        source: str,
        format: str,
        checksum: str | None,
        size_bytes: int | None,
        record: Mapping[str, str],
        replace: bool = False,
        making: Making = ...,
    ) -> None:
        """Fetch or copy ``source``, verify it, convert and grow it as ``path + '.part'``, then rename it into place."""

    def bootstrap_image(
        self,
        path: str,
        bootstrap: Bootstrap,
        format: str,
        size_bytes: int,
        record: Mapping[str, str],
        replace: bool = False,
        making: Making = ...,
    ) -> None:
        """Make an image of a distribution's packages as ``path + '.part'``, then rename it into place.

        ``record["bootstrap"]`` is the key of the spec's normal form, from which all identities in the image are derived.
        """

    def file_content(self, path: str) -> bytes | None:
        """Return what a small file holds, None where there is none."""

    def write_file(self, path: str, data: bytes) -> None:
        """Put a small file in its place, in one step; one that is replaced keeps owner and mode."""

    def write_xl_config(self, path: str, text: str) -> None:
        """Put a configuration of xl in its place, in one step; one that is replaced keeps owner and mode."""

    def remove_xl_config(self, path: str) -> None:
        """Remove a configuration of xl; succeed where there is none."""

    def set_xl_autostart(self, path: str, autostart: bool) -> None:
        """Have xendomains start a configuration's guest with the host or not: by a link in /etc/xen/auto."""

    def remove_image(self, path: str) -> None:
        """Remove an image and its record."""

    def build_seed(self, files: Mapping[str, bytes]) -> bytes:
        """Return a NoCloud seed (ISO 9660, label cidata) with these files, the same bytes for the same input."""
