# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be written on a host for each option, compared with what stands there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .._machine.daemons import PORTS, Daemons, remote_units
from .._machine.finding import Block, File, Finding, differs
from .._machine.pools import IMAGES
from .._units import show_size
from .seen import Seen
from .wants import Wants

MARK = "virtfleet.core kvm_host"
NESTED_FILE = "/etc/modprobe.d/virtfleet-kvm.conf"
HUGEPAGES_FILE = "/etc/tmpfiles.d/virtfleet-hugepages.conf"
GIB_KIB = 1024 * 1024
HELPER_PROFILE = "/etc/apparmor.d/usr.lib.libvirt.virt-aa-helper"
HELPER_LOCAL = "/etc/apparmor.d/local/usr.lib.libvirt.virt-aa-helper"
# libvirt reads the folder from 9.6 on; where its profile doesn't name it, there is only the one file.
GUESTS_FOLDER = "/etc/apparmor.d/abstractions/libvirt-qemu.d"
GUESTS_DROP_IN = f"{GUESTS_FOLDER}/virtfleet"
GUESTS_LOCAL = "/etc/apparmor.d/local/abstractions/libvirt-qemu"
CONFS = {"monolithic": "/etc/libvirt/libvirtd.conf", "modular": "/etc/libvirt/virtproxyd.conf"}
# https://libvirt.org/kbase/tlscerts.html
PKI = {
    "ca": "/etc/pki/CA/cacert.pem",
    "cert": "/etc/pki/libvirt/servercert.pem",
    "key": "/etc/pki/libvirt/private/serverkey.pem",
}
# What is to take the place of a certificate stands beside it until it was seen to work.
FRESH = ".virtfleet"
# Those of the role are read whole; of the others only the part between the marks counts.
OWN_FILES = (NESTED_FILE, HUGEPAGES_FILE)
SHARED_FILES = (HELPER_LOCAL, GUESTS_DROP_IN, GUESTS_LOCAL, *CONFS.values())
READ_FILES = (*OWN_FILES, *SHARED_FILES)


@dataclass(frozen=True)
class Todo:
    """What differs from what is wanted, by part.

    ``reload`` is the kernel module to be loaded anew. ``pages`` maps sysfs files to what is to be written to them.
    ``open`` and ``shut`` are sockets to be enabled and disabled; ``listen`` says that a daemon that was started by hand
    must be started anew to take or refuse remote clients. ``device`` says that QEMU's user can't use the KVM device.
    """

    device: bool = False
    users: tuple[str, ...] = ()
    nested: tuple[File, ...] = ()
    reload: str = ""
    hugepages: tuple[File, ...] = ()
    pages: Mapping[str, int] = field(default_factory=dict)
    apparmor: tuple[Block, ...] = ()
    certificates: tuple[str, ...] = ()
    conf: tuple[Block, ...] = ()
    open: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()
    listen: bool = False


def nested(seen: Seen, wants: Wants) -> tuple[tuple[File, ...], str, Finding | None]:
    """Return the file to write, the module to load anew, and what is to be said."""
    if wants.nested is None:
        return (), "", None
    if seen.nested is None:
        return (), "", Finding(
            "nested", "warn", "this processor's module has no such setting, or it has none",
            "leave kvm_host_nested out for this host",
        )  # fmt: skip
    module = seen.nested.module
    text = f"# Written by the role {MARK}.\noptions {module} nested={int(wants.nested)}\n"
    files = () if seen.files.get(NESTED_FILE) == text else (File(NESTED_FILE, text),)
    word = "on" if wants.nested else "off"
    if seen.nested.on is None or seen.nested.on == wants.nested:
        return files, "", Finding("nested", "ok", f"{word} when {module} is loaded" if seen.nested.on is None else word)
    if seen.nested.users:
        return files, "", Finding(
            "nested", "warn", f"{module} is in use by {seen.nested.users}, so that it stays as it is until the next start",
            "stop the guests and run the role again, or restart the host",
        )  # fmt: skip
    return files, module, Finding("nested", "ok", f"{word} when {module} is loaded anew")


def hugepages(seen: Seen, wants: Wants) -> tuple[tuple[File, ...], dict[str, int], list[Finding]]:
    """Return the file to write, what to write to sysfs now, and what is to be said."""
    lines, pages, findings = [], {}, []
    for size, count in sorted(wants.hugepages.items()):
        name = show_size(size * 1024)
        if size not in seen.hugepages:
            sizes = ", ".join(show_size(there * 1024) for there in sorted(seen.hugepages)) or "none"
            findings.append(Finding(
                "hugepages", "fail", f"this kernel has no pages of {name}", f"it has {sizes}; correct kvm_host_hugepages"
            ))  # fmt: skip
            continue
        have = seen.hugepages[size]
        if size >= GIB_KIB:
            # They must be set aside before memory is in use.
            findings.append(_giants(name, have, count))
            continue
        path = f"/sys/kernel/mm/hugepages/hugepages-{size}kB/nr_hugepages"
        lines.append(f"w {path} - - - - {count}\n")
        if have != count:
            pages[path] = count
        findings.append(_pages(seen, name, path, have, count))
    if not lines:
        return (), pages, findings
    text = f"# Written by the role {MARK}.\n{''.join(lines)}"
    files = () if seen.files.get(HUGEPAGES_FILE) == text else (File(HUGEPAGES_FILE, text),)
    return files, pages, findings


def _pages(seen: Seen, name: str, path: str, have: int, count: int) -> Finding:
    found = f"{have} of {count} pages of {name}"
    if have == count or f"{path} - - - - {count}\n" not in (seen.files.get(HUGEPAGES_FILE) or ""):
        # What is about to be tried for the first time is no news.
        return Finding("hugepages", "ok", found)
    return Finding("hugepages", "warn", found, "memory is in pieces: restart the host, they are taken at its start")


def _giants(name: str, have: int, count: int) -> Finding:
    if have >= count:
        return Finding("hugepages", "ok", f"{have} pages of {name}")
    letter = name[: -len("iB")]
    return Finding(
        "hugepages", "warn", f"{have} of {count} pages of {name}; this size is set aside by the kernel's command line only",
        f"add hugepagesz={letter} hugepages={count} to GRUB_CMDLINE_LINUX in /etc/default/grub, run update-grub and "
        "restart the host",
    )  # fmt: skip


def apparmor(seen: Seen, wants: Wants) -> tuple[Block, ...]:
    """Return the rules for pools outside of the place that libvirt's own profiles know."""
    if seen.apparmor is None or not seen.apparmor.helper:
        return ()
    helper, guests = [], []
    for pool in wants.pools:
        path = pool.path or (seen.pools or {}).get(pool.name, IMAGES)
        if path == IMAGES or path.startswith(f"{IMAGES}/"):
            continue
        # The helper reads disks to find those below them, before it writes a guest's own profile.
        helper += [f'  "{path}/" r,', f'  "{path}/**" r,']
        if pool.any_guest:
            guests.append(f'  "{path}/**" rwk,')
    blocks = [Block(HELPER_LOCAL, _text(helper))]
    blocks.append(Block(GUESTS_DROP_IN if seen.apparmor.drop_in else GUESTS_LOCAL, _text(guests)))
    return tuple(block for block in blocks if differs(seen.files, MARK, block))


def remote(seen: Seen, wants: Wants, daemons: Daemons) -> Todo:
    """Return the settings, sockets and restart that let the wanted remote clients in, and no others of ours."""
    if daemons.kind is None:
        return Todo()
    lines = []
    if wants.remote == "tls" and wants.tls_allowed:
        lines.append(f"tls_allowed_dn_list = [{', '.join(_quoted(name) for name in wants.tls_allowed)}]")
    if wants.remote == "lab-tcp":
        lines.append('auth_tcp = "none"')
    if wants.remote != "ssh" and not seen.systemd:
        lines += [f"listen_tls = {int(wants.remote == 'tls')}", f"listen_tcp = {int(wants.remote == 'lab-tcp')}"]
    block = Block(CONFS[daemons.kind], _text(lines))
    conf = (block,) if differs(seen.files, MARK, block) else ()
    certificates = tuple(name for name, sha in wants.tls.items() if wants.remote == "tls" and seen.pki.get(name) != sha)
    ours = seen.record.get("remote", [])
    if not seen.systemd:
        port = PORTS.get(wants.remote)
        wrong = port not in seen.listening if port else any(PORTS[way] in seen.listening for way in ours)
        return Todo(certificates=certificates, conf=conf, listen=wrong)
    opened = remote_units(daemons, wants.remote)
    shut = [unit for way in ours if way != wants.remote for unit in remote_units(daemons, way)]
    return Todo(
        certificates=certificates,
        conf=conf,
        open=tuple(unit for unit in opened if unit not in seen.units or not _ready(seen, unit)),
        shut=tuple(unit for unit in shut if unit in seen.units and seen.units[unit].in_use),
    )


def _ready(seen: Seen, unit: str) -> bool:
    return seen.units[unit].enabled == "enabled" and seen.units[unit].active == "active"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
