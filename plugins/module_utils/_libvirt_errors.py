# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt says, turned into the collection's errors with a word on what to do.

Pure: it knows libvirt's error numbers (virErrorNumber, which never change) and its messages, not its library.
Messages are matched as libvirt 8.0 to 12.0 writes them; libvirtd writes them in the C locale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ._errors import Conflict, HostError, NotFound, SpecError, Timeout, Unsupported, VirtError
from ._image.making import UNMEASURED, UNMEASURED_ADVICE

INVALID_ARG = 8
OPERATION_INVALID = 55
DEVICE_MISSING = 99
VOLUME_EXISTS = 90

NOT_FOUND = frozenset({42, 43, 49, 50, 53, 57, 62, 66, 72, 80, 99, 103})
UNSUPPORTED = frozenset({3, 67, 74, 84})
AGENT_SILENT = frozenset({55, 74, 86, 97, 3})
# A secret that is private, and a connection that may not ask for values.
NO_VALUE = frozenset({29, 65, 88})
_AUTH = frozenset({45, 79, 93})
_XML = frozenset({27, 35, 92})

# The kinds of objects by the "not found" number of theirs.
_KINDS = {42: "guest", 43: "network", 49: "pool", 50: "volume", 62: "nwfilter", 66: "secret"}

_BUSY_POOL = "asynchronous jobs running"
# What passes by itself: the same call is made again for a while.
PASSING = (_BUSY_POOL, UNMEASURED)

_LIMIT = 1500


@dataclass(frozen=True)
class Saying:
    """One thing that libvirt is known to say. ``advice`` may use the named groups of ``pattern``."""

    pattern: str
    error: type[VirtError]
    advice: str


# The first that matches wins: the particular stands before the general.
_SAYINGS = (
    Saying(
        r"pparmor.*profile|profile '?libvirt-",
        HostError,
        "AppArmor's profile for this guest could not be loaded: see `journalctl -k` for lines with DENIED, and "
        "check that the packages apparmor and libvirt-daemon-system are whole",
    ),
    Saying(
        r"connect socket to '(?P<path>[^']+)': Permission denied",
        HostError,
        "become root, or add the user to the group libvirt and log in again",
    ),
    Saying(
        r"connect socket to '(?P<path>[^']+)': (No such file|Connection refused)",
        HostError,
        "the libvirt daemon does not run there: start libvirtd (`systemctl start libvirtd`; where the daemons are "
        "split, virtqemud.socket), or install libvirt-daemon-system",
    ),
    Saying(
        r"Host key verification failed|Permission denied \(|Could not resolve hostname|Connection (timed out|refused)"
        r"|No route to host|unable to connect to server",
        HostError,
        "try the same host by `ssh` from where the task runs: name, key and known_hosts must work without a question",
    ),
    Saying(
        r"client socket is closed|keepalive timeout|End of file while reading|[Cc]annot recv data|Broken pipe",
        HostError,
        "the connection to the libvirt daemon broke: see whether the daemon runs and answers "
        "(`virsh list`), then run the task again",
    ),
    Saying(
        r"pool already built|forced overwrite is necessary",
        Conflict,
        "the device holds something else than the pool wants; nothing was written. If what it holds may be lost, add the "
        "pool's name to confirm_data_loss",
    ),
    Saying(
        r"cannot acquire state change lock|[Tt]imed out during operation",
        Timeout,
        "another operation holds this guest: see `virsh domjobinfo`, wait for it and run the task again",
    ),
    Saying(
        r"[Ff]ailed to get \"?(shared )?\"?(write|consistent read)?\"? ?lock|another process using the image"
        r"|[Ll]ockspace resource .* is locked|[Ff]ailed to acquire lock",
        Conflict,
        "another guest or program uses this disk: stop it, or give this guest a disk of its own",
    ),
    Saying(
        r"KVM kernel module|failed to initialize kvm|does not support virt type 'kvm'|type=kvm|KVM is not available"
        r"|invalid accelerator kvm",
        Unsupported,
        "this host gives no KVM: turn virtualization on in its firmware (or nested virtualization above it), load "
        "kvm_intel or kvm_amd, or say `accel: tcg`",
    ),
    Saying(
        r"(storage file|open|access|image) .*'(?P<path>/[^']+)'.*(Permission denied|Operation not permitted)",
        HostError,
        "QEMU's own user must be able to read {path} and to enter each folder above it: move it into a pool's folder "
        "or correct its owner and mode; where these are right, AppArmor denies it (`journalctl -k`, lines with DENIED)",
    ),
    Saying(
        r"(storage file|open|access|image|file) .*'(?P<path>/[^']+)'.*No such file or directory",
        HostError,
        "{path} is not there: make it first or correct the path",
    ),
    Saying(
        r"dnsmasq",
        HostError,
        "networks with DHCP or DNS need the program dnsmasq: install the package dnsmasq-base",
    ),
    Saying(
        r"swtpm",
        Unsupported,
        "a TPM needs the program swtpm: install the packages swtpm and swtpm-tools",
    ),
    Saying(
        r"[Uu]nable to find any firmware|[Uu]nable to find (a )?(suitable|.*efi)|could not find .*OVMF",
        Unsupported,
        "this host has no such firmware: install ovmf (x86_64) or qemu-efi-aarch64, or say `firmware: bios`",
    ),
    Saying(
        r"[Cc]annot check QEMU binary|[Ee]mulator .*not found|binary .*qemu-system",
        Unsupported,
        "QEMU for this architecture is not installed: install qemu-system-x86 (or qemu-system-arm, ...)",
    ),
    Saying(
        r"no domain type for|[Cc]ould not find capabilities|could not get preferred machine",
        Unsupported,
        "this host cannot run that combination of architecture, machine and accelerator: host_info lists what it can",
    ),
    Saying(
        r"no connection driver available",
        Unsupported,
        "this libvirt has no driver for that URI: correct the URI or install the driver's package "
        "(libvirt-daemon-driver-qemu, libvirt-daemon-driver-xen)",
    ),
    Saying(
        r"network '(?P<network>[^']+)' is not active",
        Conflict,
        "start the network {network} first",
    ),
    Saying(
        r"Storage source conflict with pool",
        Conflict,
        "two pools cannot have one folder: use the one that is there, or give this one another `path`",
    ),
    Saying(
        r"missing backend for pool type \d+ \((?P<type>[a-z-]+)\)",
        Unsupported,
        "this libvirt has no driver for pools of type {type}: install the package libvirt-daemon-driver-storage-{type} and "
        "restart the daemon (libvirtd; where the daemons are split, virtstoraged)",
    ),
    Saying(
        r"storage pool '?(?P<pool>[^' ]+)'? is not active",
        Conflict,
        "start the pool {pool} first",
    ),
    Saying(
        r"already in use by interface|is already in use by|[Nn]etwork .* in use",
        Conflict,
        "take another address range or bridge name, or stop what uses this one (`ip address`)",
    ),
    Saying(
        r"existing dhcp host entry|[Dd]ouble use of PCI|double use of|[Mm]ultiple .* with .*(address|mac)"
        r"|(mac|MAC) .*(already|in use)|[Dd]uplicate (address|key|ID|id)",
        Conflict,
        "an address or MAC is used twice: give this one another, or remove the entry that has it",
    ),
    Saying(
        r"target '?(?P<target>[^' ]+)'? (duplicated|already exists)",
        Conflict,
        "another disk of this guest has the target {target}: leave `target` out or take a free one",
    ),
    Saying(
        r"does not support hotplugging|cannot be hot ?(un)?plugged",
        Unsupported,
        "this bus takes devices of a stopped guest only: stop the guest first, or use bus virtio or scsi",
    ),
    Saying(
        r"No more available PCI (slots|addresses)",
        Conflict,
        "this guest has no free slot to plug into while it runs: stop it and start it again, and it gets one",
    ),
    Saying(
        r"already exists with uuid|is already defined with uuid|already (exists|defined)|already in use|is in use",
        Conflict,
        "something else has that name or place: rename one of the two, or remove the other",
    ),
    Saying(
        _BUSY_POOL,
        Timeout,
        "the pool is still busy with an upload, download or refresh: run the task again when that is done",
    ),
    Saying(UNMEASURED, HostError, UNMEASURED_ADVICE),
    Saying(
        r"cannot set memory higher than max memory|vcpus is greater than max",
        Conflict,
        "a running guest cannot go above its maximum: raise the maximum and start the guest cold",
    ),
    Saying(
        r"[Dd]irectory not empty|cannot unlink",
        Conflict,
        "the folder still holds files: remove or move them first",
    ),
    Saying(
        r"No space left on device",
        HostError,
        "the disk of the host is full: free some space (`df -h`) and run the task again",
    ),
    Saying(
        r"[Cc]annot (set up guest memory|allocate memory)|Out of memory",
        HostError,
        "the host has not that much memory free: give the guest less or stop another",
    ),
    Saying(
        r"read.?only access prevents|read only access",
        Unsupported,
        "this connection only reads: use one that may write",
    ),
    Saying(
        r"qemu-bridge-helper|acl file|create tap device|/dev/net/tun",
        HostError,
        "this user may not make network devices: use qemu:///system, or nics of `type: user`",
    ),
    Saying(
        r"iptables|nft|ebtables|firewall",
        HostError,
        "libvirt could not write its firewall rules: check that iptables (or nftables) is installed and works as root",
    ),
)
_COMPILED = tuple((re.compile(saying.pattern), saying) for saying in _SAYINGS)


def clean(message: str) -> str:
    """Return libvirt's message as one line: QEMU's part has newlines, and guests can put text into it."""
    text = "".join(char if char.isprintable() else " " for char in message)
    text = re.sub(r"\s+", " ", text).strip().rstrip(".")
    return text if len(text) <= _LIMIT else text[: _LIMIT - 3] + "..."


def translate(code: int, message: str, doing: str, kind: str, name: str) -> VirtError:
    """Return the error for libvirt's ``code`` and ``message`` while ``doing`` (a verb) something to an object."""
    said = clean(message)
    what = f"could not {doing} {kind} {name}: {said}"
    for pattern, saying in _COMPILED:
        match = pattern.search(said)
        if match:
            advice = saying.advice.format(**{key: value or "it" for key, value in match.groupdict().items()})
            return saying.error(f"{what}; {advice}")
    if code in NOT_FOUND:
        missing = _KINDS.get(code, "object")
        if missing == kind:
            return NotFound(f"{what}; check the name, or define it first")
        return NotFound(f"{what}; define the {missing} that it names first, or name another")
    if code in UNSUPPORTED:
        return Unsupported(f"{what}; this hypervisor or its version cannot do that")
    if code in _AUTH:
        return HostError(f"{what}; become root, or let this user in (group libvirt, polkit, SASL)")
    if code == 88 or code == 29:
        return HostError(f"{what}; this user may not do that: become root, or use a connection that may write")
    if code in _XML:
        return SpecError(f"{what}; correct the option or the xml_overlay that this part comes from")
    if code == OPERATION_INVALID:
        return Conflict(f"{what}; bring it into the state that this needs and run the task again")
    return HostError(f"{what}; libvirt's log has more (`journalctl -u libvirtd -u virtqemud`, /var/log/libvirt/qemu)")
