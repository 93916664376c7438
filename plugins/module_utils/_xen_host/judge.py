# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a machine as a Xen host: why the role refuses it, what it lacks, how it starts, and what a person should know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._machine import checks
from .._machine import daemons as _daemons
from .._machine.daemons import Daemons
from .._machine.finding import Finding
from .._machine.pools import path_of, served
from .._machine.systems import SYSTEMS, U24, U26, Wanted, system_of
from .._units import show_size
from . import packages as _packages
from . import settings
from .seen import Seen
from .settings import Boot, Todo
from .wants import Wants

RECORD = "/var/lib/virtfleet/xen_host.json"
UNITS = (*_daemons.UNITS, "xendomains.service", "xen.service")
_LISTS = ("packages", "files", "blocks", "users", "pools", "networks", "services")
# Whose packages of Xen are in universe. https://ubuntu.com/security/CVE-2022-26364
_UNTENDED = (U24, U26)


@dataclass(frozen=True)
class Judgement:
    """All that the role goes by. ``missing`` names packages, ``record`` what the record has to say before anything is added.

    ``apt`` says that apt has to be asked anew, since it knows of no hypervisor so far. ``abilities`` are the types of guests
    that can run here, None while that can't be known. ``waiting`` are the parts of the role that want Xen running, and
    ``carry_over`` the guests of xl that libvirt is to get.
    """

    system: str | None
    refusals: tuple[str, ...]
    findings: tuple[Finding, ...]
    packages: Wanted
    missing: tuple[str, ...]
    apt: bool
    daemons: Daemons
    todo: Todo
    boot: Boot
    pools: tuple[Mapping[str, str | None], ...]
    waiting: tuple[str, ...]
    abilities: tuple[str, ...] | None
    carry_over: tuple[str, ...]
    record: Mapping[str, Any]


def judge(seen: Seen, wants: Wants) -> Judgement:
    """Return what a machine is and lacks; nothing is refused here by raising, since a report wants to know it too."""
    system = system_of(seen.system)
    known = system is not None and seen.machine == _packages.MACHINE
    installed = seen.packages or frozenset()
    needs = Wanted((), ())
    core: tuple[str, ...] = ()
    missing: list[str] = []
    if system is not None and known:
        needs = _packages.wanted(system, wants.features, wants.libvirt)
        core = _packages.hypervisor(seen.candidates, installed)
        missing = sorted({*core, *needs.names, *wants.extra_packages} - installed)
    demons = _daemons.judge(seen) if wants.libvirt else Daemons(None)
    boot = settings.boot(seen, wants)
    todo = Todo()
    found = [_system(seen, system), checks.root(seen), *checks.sudo(seen)]
    if known:
        todo = Todo(
            users=tuple(name for name in wants.users if name not in seen.members),
            grub=settings.grub(seen, wants),
            menu=bool(boot.unread),
            modules=settings.modules(seen),
            loop=not seen.loop,
            conf=settings.conf(seen, wants),
            xendomains=wants.libvirt and (seen.xendomains.enabled or seen.xendomains.active),
        )
        found += [
            *_ground(seen), *_security(system), _software(needs, core, missing), *_beside(seen, wants), *_guests(seen, wants),
            *_memory(seen, wants), _start(seen, boot), *checks.users(seen, wants.users, "xen_host_users"),
        ]  # fmt: skip
        if wants.libvirt:
            found += [checks.running(demons), *checks.places(seen, wants.pools)]
    pools = tuple({"name": pool.name, "path": path_of(seen, pool)} for pool in wants.pools if not served(seen, pool))
    return Judgement(
        system=system,
        refusals=tuple(f"{finding.found}; {finding.advice}" for finding in found if finding.status == "fail"),
        findings=tuple(found),
        packages=needs,
        missing=tuple(missing),
        apt=known and not core,
        daemons=demons,
        todo=todo,
        boot=boot,
        pools=pools,
        waiting=_waiting(seen, wants),
        abilities=_abilities(seen),
        carry_over=carry_over(seen, wants),
        record=_record(seen, wants, missing, todo) if known else {},
    )


def _system(seen: Seen, system: str | None) -> Finding:
    what = f"it runs {seen.system.name} on {seen.machine}"
    if system is None or seen.machine != _packages.MACHINE:
        return Finding(
            "system", "fail", f"{what}, and the role knows {', '.join(SYSTEMS)} on {_packages.MACHINE}",
            "install Xen, libvirt with its driver for Xen and libvirt's Python binding by that system's own means: the modules "
            "of virtfleet.core need no more than that",
        )  # fmt: skip
    if not seen.systemd:
        return Finding(
            "system", "fail", f"{what}, without systemd", "start it with systemd: Xen's daemons were not tried by hand"
        )
    return Finding("system", "ok", what)


def _ground(seen: Seen) -> list[Finding]:
    """Say what Xen would stand on: the firmware, GRUB, the kernel. Where it runs already, all that has been proved."""
    if seen.dom0:
        return [Finding("ground", "ok", "it runs on Xen")]
    if seen.xen:
        return [Finding(
            "ground", "fail", "this machine is itself a guest of Xen, and not the one that rules the others",
            "run the role on the machine that carries it",
        )]  # fmt: skip
    found = []
    if seen.secure_boot:
        found.append(Finding(
            "secure_boot", "fail", "Secure Boot is on, and neither Xen nor what GRUB starts it by is signed, so that the next "
            "start would end in GRUB",
            "turn Secure Boot off in the firmware's setup",
        ))  # fmt: skip
    if seen.menu is None:
        found.append(Finding(
            "boot_loader", "fail", "it is not started by GRUB: there is no /boot/grub/grub.cfg",
            "have GRUB start it first (packages grub-pc or grub-efi-amd64); containers can't become hosts",
        ))  # fmt: skip
    elif not any(seen.kernels.values()):
        there = ", ".join(sorted(seen.kernels)) or "none"
        found.append(Finding(
            "kernel", "fail", f"no kernel in /boot can be dom0 (it has {there})",
            "install linux-image-amd64 (Debian) or linux-image-generic (Ubuntu): kernels made for clouds lack CONFIG_XEN_DOM0",
        ))  # fmt: skip
    return found or [Finding("ground", "ok", "GRUB and the kernel can start Xen")]


def _security(system: str | None) -> list[Finding]:
    if system not in _UNTENDED:
        return []
    return [Finding(
        "security", "warn", f"{system} has Xen in universe, and its packages of Xen have not been given security updates",
        "follow https://xenbits.xen.org/xsa/ yourself, or take Debian, which mends its Xen",
    )]  # fmt: skip


def _software(needs: Wanted, core: tuple[str, ...], missing: list[str]) -> Finding:
    if not core:
        return Finding(
            "packages", "warn", f"apt knows neither {_packages.META} nor another hypervisor{checks.less(needs)}",
            "the role fetches apt's lists anew; on Ubuntu, the component universe has to be among them",
        )  # fmt: skip
    return checks.software(needs, missing)


def _beside(seen: Seen, wants: Wants) -> list[Finding]:
    if not seen.kvm:
        return []
    if wants.beside_kvm:
        return [Finding("kvm", "ok", f"{seen.kvm}, and is to be beside Xen")]
    return [Finding(
        "kvm", "fail", f"{seen.kvm}, and under Xen, KVM starts no guest",
        "take that role away first (its entry point uninstall), or set xen_host_beside_kvm where its guests need not run "
        "under Xen",
    )]  # fmt: skip


def carry_over(seen: Seen, wants: Wants) -> tuple[str, ...]:
    """Return the guests of xl that libvirt is to get: those that start with the host, and those that run."""
    if wants.xendomains != "carry_over":
        return ()
    return tuple(sorted({*seen.xendomains.auto, *seen.strangers} - set(seen.guests)))


def _guests(seen: Seen, wants: Wants) -> list[Finding]:
    """Say which guests are Xen's own: libvirtd stops xendomains, and that stops all guests that run."""
    own = seen.xendomains
    if not wants.libvirt:
        found = [Finding("xendomains", "ok", "xendomains has the guests, and libvirt stays away")]
        if "libvirtd.service" in seen.units and seen.units["libvirtd.service"].in_use:
            found.append(Finding(
                "xendomains", "warn", "libvirtd is in use here, and its start ends xendomains and with it the guests",
                "disable it: `systemctl disable --now libvirtd.service libvirtd.socket libvirtd-ro.socket "
                "libvirtd-admin.socket`",
            ))  # fmt: skip
        return found
    found = []
    kept = sorted({*own.auto, *own.saved}) if own.enabled or own.active else []
    carried = carry_over(seen, wants)
    if wants.xendomains == "carry_over":
        if kept and own.saved:
            found.append(Finding(
                "xendomains", "fail", f"xl has saved the memory of guests: {', '.join(own.saved)}, and what one toolstack has "
                "saved the other can't take up",
                "take them up with `xl restore`, or remove what is of no use any more from /var/lib/xen/save",
            ))  # fmt: skip
        if carried:
            found.append(Finding("xendomains", "ok", f"libvirt gets the guests of xl: {', '.join(carried)}"))
    elif kept:
        found.append(Finding(
            "xendomains", "fail", f"xendomains starts guests of its own with the host: {', '.join(kept)}, and libvirtd and "
            "xendomains exclude each other",
            "have libvirt define them and start them with the host by xen_host_xendomains: carry_over; or leave them to xl "
            "with xen_host_xendomains: keep",
        ))  # fmt: skip
    if seen.strangers:
        found.append(Finding(
            "guests", "warn", f"guests run that libvirt has not started: {', '.join(seen.strangers)}; nothing shuts them down "
            "when the host goes down",
            "shut them down before a restart, and have libvirt define and start them",
        ))  # fmt: skip
    return found


def _memory(seen: Seen, wants: Wants) -> list[Finding]:
    total = int(seen.info["total_memory"]) * 1024 if seen.info.get("total_memory", "").isdigit() else 0
    total = total or (0 if seen.dom0 else seen.memory_kib)
    if wants.dom0_memory is None:
        return [Finding("memory", "ok", "dom0 has all memory, and gives of it to guests when they start")]
    if total and wants.dom0_memory // 1024 >= total:
        return [Finding(
            "memory", "fail", f"dom0 is to have {show_size(wants.dom0_memory)}, and the machine has {total // 1024}MiB, which "
            "leaves nothing for guests",
            "correct xen_host_dom0_memory",
        )]  # fmt: skip
    return [Finding("memory", "ok", f"dom0 has {show_size(wants.dom0_memory)}")]


def _start(seen: Seen, boot: Boot) -> Finding:
    if boot.pending:
        return Finding("boot", "warn", "; ".join(boot.pending), "a restart is needed (xen_host_reboot: if_needed)")
    if boot.unread:
        return Finding("boot", "warn", "; ".join(f"in GRUB's menu {said}" for said in boot.unread), "the role writes it")
    return Finding("boot", "ok", f"{boot.running} runs, as it should")


def why_not(seen: Seen, boot: Boot) -> str:
    """Say why a machine that was started anew does not run what it should; empty where it does."""
    if boot.running == boot.wanted:
        return ""
    if boot.wanted == "linux":
        return f"Xen was started again, although GRUB's default is {boot.default}; look at the console at the next start"
    if seen.secure_boot:
        return "Linux was started without Xen: Secure Boot is on, which forbids GRUB to start Xen; turn it off in the firmware"
    if boot.target is None:
        return "Linux was started without Xen: GRUB's menu has no entry for Xen; see what `update-grub` says"
    if boot.default != boot.target:
        return (
            f"Linux was started without Xen: GRUB's default is {boot.default} instead of {boot.target}; see which file of "
            "/etc/default/grub.d says so"
        )
    return (
        f"Linux was started without Xen, although GRUB's default is {boot.target}: either this menu is not the one that the "
        "firmware starts (another disk, another boot loader before it), or somebody chose at the console, or Xen gave up and "
        "GRUB went on with the next entry; look at the console at the next start"
    )


def _waiting(seen: Seen, wants: Wants) -> tuple[str, ...]:
    parts = [f"pool {pool.name}" for pool in wants.pools]
    parts += ["network default"] if wants.network == "default" else []
    return () if seen.dom0 and wants.libvirt else tuple(parts)


def _abilities(seen: Seen) -> tuple[str, ...] | None:
    """Return the types of guests: PVH and HVM want the processor's help, HVM a device model as well."""
    if "virt_caps" not in seen.info:
        return None
    said = seen.info["virt_caps"].split()
    # Older versions of Xen say that of the hypervisor's interfaces only.
    old = seen.info.get("xen_caps", "")
    hvm = "hvm" in said or "hvm-" in old
    kinds = {"pv": "pv" in said or "xen-" in old, "pvh": hvm, "hvm": hvm and seen.device_model}
    return tuple(kind for kind, can in kinds.items() if can)


def _record(seen: Seen, wants: Wants, missing: list[str], todo: Todo) -> dict[str, Any]:
    """Return what the record should say: what it says, and what is going to be added."""
    active = "default" in seen.networks and "default" in seen.autostart
    new: dict[str, list[str]] = {
        "packages": missing,
        "files": [file.path for file in (*todo.grub, *todo.modules) if not seen.files.get(file.path)],
        "blocks": [block.path for block in todo.conf if block.text],
        "users": list(todo.users),
        "pools": [
            pool.name for pool in wants.pools
            if wants.libvirt and seen.pools is not None and pool.name not in seen.pools and not served(seen, pool)
        ],
        "networks": ["default"] if wants.libvirt and wants.network == "default" and not active else [],
        "services": ["xendomains"] if todo.xendomains else [],
    }
    if not any(new.values()) and not seen.record:
        return {}
    return {"version": 1, **{name: sorted({*seen.record.get(name, []), *new[name]}) for name in _LISTS}}
