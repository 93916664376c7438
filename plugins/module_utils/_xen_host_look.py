# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a machine that is, or is to be, a Xen host: read files and ask programs, and change nothing.

Everything works without root, and sees less then.
"""
from __future__ import annotations

import re
from collections.abc import Mapping

from ._errors import HostError
from ._kvm_host.judge import RECORD as KVM_RECORD
from ._machine.seen import Unit
from ._machine.systems import is_hypervisor
from ._machine_look import RUNS, at, is_dom0, listing, look_at_machine, names, shell_settings, text
from ._programs import Programs, RunCommand
from ._xen_host import menu
from ._xen_host.judge import RECORD, UNITS
from ._xen_host.packages import META, PREFIX
from ._xen_host.seen import Seen, Xendomains
from ._xen_host.settings import READ_FILES
from ._xen_host.wants import Wants

_MENU = "/boot/grub/grub.cfg"
# UEFI specification, global variables: four bytes of attributes, and then the value.
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_DOM0_KERNEL = re.compile(r"^CONFIG_XEN_(?:DOM0|PRIVILEGED_GUEST)=y$", re.MULTILINE)
_MODELS = ("/usr/libexec/xen-qemu-system-i386", "/usr/lib/xen/bin/qemu-system-i386")


def look(run_command: RunCommand, wants: Wants) -> Seen:
    """Return what there is to see."""
    programs = Programs(run_command)
    common = look_at_machine(programs, RECORD, UNITS, READ_FILES, wants.users)
    xen, dom0 = (text("/sys/hypervisor/type") or "").strip() == "xen", is_dom0()
    domains = _domains(programs) if dom0 else {}
    return Seen(
        **common,
        xen=xen,
        dom0=dom0,
        info=_info(programs) if dom0 else {},
        running=tuple(sorted(set(domains) - {"Domain-0"})) if domains else None,
        by_libvirt=names(f"{RUNS}/libxl"),
        dom0_memory=domains.get("Domain-0"),
        secure_boot=_secure_boot(),
        menu=_menu(),
        kernels=_kernels(),
        candidates=_candidates(programs),
        memory_kib=_memory(),
        cmdline=tuple((text("/proc/cmdline") or "").split()),
        loop=at("/sys/module/loop").exists(),
        device_model=any(at(path).exists() for path in _MODELS),
        xendomains=_xendomains(common["units"]),
        kvm="it is a KVM host of the role kvm_host" if text(KVM_RECORD) is not None else "",
        libvirt_version=_version(programs, "libvirt-daemon"),
    )


def _info(programs: Programs) -> dict[str, str]:
    """Return what `xl info` says, which wants root; nothing where it can't be had."""
    if programs.find("xl") is None:
        return {}
    code, said, _complaint = programs.attempt("ask Xen what it is", ["xl", "info"])
    pairs = [line.split(":", 1) for line in said.splitlines() if ":" in line] if code == 0 else []
    return {name.strip(): value.strip() for name, value in pairs}


def _domains(programs: Programs) -> dict[str, int]:
    """Return what runs by name, with its memory in MiB."""
    if programs.find("xl") is None:
        return {}
    code, said, _complaint = programs.attempt("ask Xen what runs", ["xl", "list"])
    lines = said.splitlines()[1:] if code == 0 else []
    # Names have no blanks; the columns after them are ID, memory, processors, state and time.
    found = [line.split() for line in lines if len(line.split()) >= 3 and line.split()[2].isdigit()]
    return {words[0]: int(words[2]) for words in found}


def _secure_boot() -> bool | None:
    try:
        said = at(_SECURE_BOOT).read_bytes()
    except OSError:
        return None
    return said[4:5] == b"\x01"


def _menu() -> menu.Menu | None:
    said = text(_MENU)
    return None if said is None else menu.parse(said)


def _kernels() -> dict[str, bool]:
    """Return the kernels in /boot, and whether each can be dom0, by the same sign that GRUB goes by."""
    found = {}
    for name in listing("/boot"):
        if name.startswith("vmlinuz-"):
            version = name[len("vmlinuz-"):]
            found[version] = _DOM0_KERNEL.search(text(f"/boot/config-{version}") or "") is not None
    return found


def _candidates(programs: Programs) -> dict[str, str]:
    """Return the hypervisors that apt could install, with their versions."""
    if programs.find("apt-cache") is None:
        return {}
    try:
        names = programs.run("ask apt for hypervisors", ["apt-cache", "pkgnames", PREFIX]).split()
        names = [META, *sorted(name for name in names if is_hypervisor(name))]
        said = programs.run("ask apt for their versions", ["apt-cache", "policy", *names])
    except HostError:
        return {}
    found, name = {}, ""
    for line in said.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.strip().startswith("Candidate:") and "(none)" not in line:
            found[name] = line.partition(":")[2].strip()
    return found


def _memory() -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", text("/proc/meminfo") or "", re.MULTILINE)
    return int(found.group(1)) if found else 0


def _xendomains(units: Mapping[str, Unit]) -> Xendomains:
    """Return how the service stands. On Debian 12 it is a script, whose links say whether it is enabled."""
    unit = units.get("xendomains.service")
    links = any(re.fullmatch(r"S\d\dxendomains", name) for level in "2345" for name in listing(f"/etc/rc{level}.d"))
    settings = {"XENDOMAINS_AUTO": "/etc/xen/auto", "XENDOMAINS_SAVE": "/var/lib/xen/save", **shell_settings("/etc/default/xendomains")}
    native = unit is not None and unit.enabled == "enabled"
    script = unit is not None and unit.enabled == "generated" and links
    return Xendomains(
        enabled=native or script,
        active=unit is not None and unit.active == "active",
        auto=_guests(settings["XENDOMAINS_AUTO"]),
        saved=_guests(settings["XENDOMAINS_SAVE"]),
    )


def _guests(folder: str) -> tuple[str, ...]:
    return tuple(name.removesuffix(".cfg") for name in listing(folder) if at(f"{folder}/{name}").is_file()) if folder else ()


def _version(programs: Programs, package: str) -> str:
    """Return a package's version without that of its packaging; empty where it is not installed."""
    code, said, _complaint = programs.attempt(
        f"ask for the version of {package}", ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Version}", package]
    )
    words = said.split()
    if code != 0 or words[:1] != ["installed"] or len(words) < 2:
        return ""
    return words[1].rpartition(":")[2].rpartition("-")[0] or words[1]
