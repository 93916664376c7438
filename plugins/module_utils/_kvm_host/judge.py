# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a host: why the role refuses it, what it lacks, and what else a person should know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .._machine import checks
from .._machine import daemons as _daemons
from .._machine.daemons import PORTS, Daemons
from .._machine.finding import Finding
from .._machine.pools import path_of, served
from .._machine.systems import SYSTEMS, Wanted, system_of
from . import packages as _packages
from . import settings
from .seen import Seen
from .settings import Todo
from .wants import Wants

RECORD = "/var/lib/virtfleet/kvm_host.json"
_LISTS = ("packages", "files", "blocks", "users", "pools", "networks", "remote")


@dataclass(frozen=True)
class Judgement:
    """All that the role goes by. ``record`` is what its record has to say before anything is added."""

    system: str | None
    refusals: tuple[str, ...]
    findings: tuple[Finding, ...]
    stack: str
    packages: Wanted
    missing: tuple[str, ...]
    daemons: Daemons
    todo: Todo
    pools: tuple[Mapping[str, str | None], ...]
    record: Mapping[str, Any]


def judge(seen: Seen, wants: Wants) -> Judgement:
    """Return what a host is and lacks; nothing is refused here by raising, since a report wants to know it too."""
    system = system_of(seen.system)
    known = system is not None and seen.machine in _packages.MACHINES
    installed = seen.packages or frozenset()
    hwe = _packages.HWE_MARKER in installed
    needs = Wanted((), ())
    if system is not None and known:
        needs = _packages.wanted(system, seen.machine, wants.features, wants.architectures, wants.storage, hwe)
    missing = sorted({*needs.names, *wants.extra_packages} - installed) if known else []
    demons = _daemons.judge(seen)
    found = [_system(seen, system), checks.root(seen), *checks.sudo(seen), _stack(seen), *_xen(seen, wants)]
    if known:
        found += [checks.software(needs, missing), *_accelerator(wants), checks.running(demons),
                  *checks.users(seen, wants.users, "kvm_host_users")]
        todo, said = _settings(seen, wants, demons)
        found += [*said, *_remote(seen, wants, demons), *_walls(seen), *_places(seen, wants)]
    else:
        todo = Todo()
    fails = tuple(f"{finding.found}; {finding.advice}" for finding in found if finding.status == "fail")
    pools = tuple({"name": pool.name, "path": path_of(seen, pool)} for pool in wants.pools if not served(seen, pool))
    return Judgement(
        system, fails, tuple(found), "hwe" if hwe else "base", needs, tuple(missing), demons, todo, pools,
        _record(seen, wants, missing, todo),
    )


def _system(seen: Seen, system: str | None) -> Finding:
    what = f"it runs {seen.system.name} on {seen.machine}"
    if system is not None and seen.machine in _packages.MACHINES:
        return Finding("system", "ok", what)
    return Finding(
        "system", "fail", f"{what}, and the role knows {', '.join(SYSTEMS)} on "
        f"{' or '.join(_packages.MACHINES)}",
        "install QEMU, libvirt 8.0 or newer and its Python binding by that system's own means: the modules of "
        "virtfleet.core need no more than that",
    )  # fmt: skip


def _stack(seen: Seen) -> Finding:
    if seen.packages is None:
        return Finding("stack", "warn", "the installed packages could not be listed", "see whether dpkg-query works there")
    if _packages.HWE_MARKER in seen.packages:
        return Finding("stack", "ok", "the hwe stack; no names of the base stack are installed over it")
    halves = _packages.halves(seen.packages)
    if not halves:
        return Finding("stack", "ok", "the base stack")
    return Finding(
        "stack", "fail", f"it has {', '.join(halves)} without {_packages.HWE_MARKER}, that is a part of the hwe stack, which "
        "installing the base stack would remove",
        "switch the host to one of the two as a whole with ubuntu_virt_helper (package ubuntu-helper-virt-hwe)",
    )  # fmt: skip


def _xen(seen: Seen, wants: Wants) -> list[Finding]:
    """Say that Xen is there: a start into it would take KVM away."""
    if not seen.xen:
        return []
    if wants.beside_xen:
        return [Finding("xen", "ok", f"{seen.xen}, and is to be beside KVM")]
    return [Finding(
        "xen", "fail", f"{seen.xen}: under Xen, KVM starts no guest",
        "make the host one of the two: leave it to the role xen_host, remove Xen, or set kvm_host_beside_xen where it is "
        "started without Xen on purpose",
    )]  # fmt: skip


def _accelerator(wants: Wants) -> list[Finding]:
    probed = wants.accelerator
    if wants.accel == "tcg":
        return [Finding("accelerator", "ok", "guests are to be emulated")]
    if not probed:
        return []
    verdict, why = probed.get("verdict"), str(probed.get("reason") or "").rstrip(".")
    advice = str(probed.get("advice") or "enable virtualization in the firmware's setup, or nested virtualization outside").rstrip(".")
    if verdict == "kvm":
        return [Finding("accelerator", "ok", f"KVM works here ({probed.get('kind', 'hardware')})")]
    if wants.accel == "kvm":
        return [Finding("accelerator", "fail", f"KVM was asked for and does not work here: {why}", advice)]
    return [Finding(
        "accelerator", "warn", f"KVM does not work here: {why}; guests are emulated, which is many times slower", advice
    )]  # fmt: skip


def _settings(seen: Seen, wants: Wants, demons: Daemons) -> tuple[Todo, list[Finding]]:
    files, reload, said = settings.nested(seen, wants)
    page_files, pages, page_findings = settings.hugepages(seen, wants)
    todo = replace(
        settings.remote(seen, wants, demons),
        device=seen.kvm_closed and not seen.systemd,
        users=tuple(name for name in wants.users if name not in seen.members),
        nested=files,
        reload=reload,
        hugepages=page_files,
        pages=pages,
        apparmor=settings.apparmor(seen, wants),
    )
    return todo, [*([said] if said else []), *page_findings]


def _remote(seen: Seen, wants: Wants, demons: Daemons) -> list[Finding]:
    found = []
    if wants.remote == "tls":
        changing = any(seen.pki.get(name) != sha and name not in seen.fresh for name, sha in wants.tls.items())
        lacking = [path for name, path in settings.PKI.items() if name not in seen.pki and name not in wants.tls]
        if lacking:
            found.append(Finding(
                "tls", "fail", f"TLS was asked for, and {', '.join(lacking)} is not there",
                "give the certificates by kvm_host_tls, or put them there first",
            ))  # fmt: skip
        elif seen.pki_problem and not changing:
            found.append(Finding(
                "tls", "fail", f"libvirt would not start with the certificates: {seen.pki_problem}",
                f"see that {settings.PKI['key']} is the key of {settings.PKI['cert']}, and that this one is valid and signed "
                f"by {settings.PKI['ca']}",
            ))  # fmt: skip
        elif changing:
            found.append(Finding("tls", "ok", "new certificates are about to be written"))
        elif seen.tls:
            found.append(Finding(
                "tls", "warn", f"no TLS client gets in: {seen.tls}", "the role sees to it; else look at the certificates"
            ))
        else:
            found.append(Finding("tls", "ok", f"TLS on port {PORTS['tls']}"))
    if wants.remote == "lab-tcp":
        found.append(Finding(
            "remote", "warn", "whoever reaches TCP port 16509 is root here, without a password and unencrypted",
            "use it in a closed lab only",
        ))  # fmt: skip
    elif PORTS["lab-tcp"] in seen.listening and "lab-tcp" not in seen.record.get("remote", []):
        found.append(Finding(
            "remote", "warn", f"TCP port {PORTS['lab-tcp']} is open, which the role did not do",
            f"if that is libvirt, its clients are not encrypted: `systemctl disable --now {demons.front}-tcp.socket`",
        ))  # fmt: skip
    return found


def _walls(seen: Seen) -> list[Finding]:
    """Name the firewalls that drop what guests send; none of them is changed."""
    wall, found = seen.firewall, []
    if wall.ufw and wall.ufw_forward != "ACCEPT":
        found.append(Finding(
            "ufw", "warn", "ufw is on and drops what is passed on; `ufw reload` also drops libvirt's own rules",
            "for guests of a bridge `ufw route allow in on BRIDGE`; after a reload restart the networks of libvirt",
        ))  # fmt: skip
    if wall.firewalld:
        found.append(Finding(
            "firewalld", "ok", "firewalld is on; libvirt puts the bridges of its networks into the zone libvirt",
            "ports to guests and of TLS are opened there: `firewall-cmd --permanent --zone=libvirt --add-service=...`",
        ))  # fmt: skip
    if wall.docker and wall.docker_forward != "ACCEPT":
        cure = "`iptables -I DOCKER-USER -i BRIDGE -j ACCEPT` and the same with -o, kept by a unit of your own"
        if wall.bridged:
            cure = (
                "net.bridge.bridge-nf-call-iptables=0 (and -ip6tables, -arptables) in /etc/sysctl.d, with br_netfilter in "
                "/etc/modules-load.d"
            )
        found.append(Finding(
            "docker", "warn", "Docker drops what is passed on (policy of FORWARD), which cuts off guests of bridges" +
            (", whose packets go through iptables here" if wall.bridged else ""), cure,
        ))  # fmt: skip
    return found


def _places(seen: Seen, wants: Wants) -> list[Finding]:
    found = checks.places(seen, wants.pools)
    if seen.apparmor is not None and not seen.apparmor.helper and seen.packages and "libvirt-daemon-system" in seen.packages:
        found.append(Finding(
            "apparmor", "warn", "AppArmor is on, and the profile of virt-aa-helper is not there",
            "see whether /etc/apparmor.d was tidied up; reinstalling libvirt's packages brings it back",
        ))  # fmt: skip
    return found


def _record(seen: Seen, wants: Wants, missing: list[str], todo: Todo) -> dict[str, Any]:
    """Return what the record should say: what it says, and what is going to be added."""
    files = [file.path for file in (*todo.nested, *todo.hugepages) if not seen.files.get(file.path)]
    files += [settings.PKI[name] for name in todo.certificates if name not in seen.pki]
    port = PORTS.get(wants.remote)
    active = "default" in seen.networks and "default" in seen.autostart
    new: dict[str, list[str]] = {
        "packages": missing,
        "files": files,
        "blocks": [block.path for block in (*todo.apparmor, *todo.conf) if block.text],
        "users": list(todo.users),
        "pools": [
            pool.name for pool in wants.pools
            if seen.pools is not None and pool.name not in seen.pools and not served(seen, pool)
        ],
        "networks": ["default"] if wants.network == "default" and not active else [],
        "remote": [wants.remote] if port and port not in seen.listening else [],
    }
    if not any(new.values()) and not seen.record:
        return {}
    return {"version": 1, **{name: sorted({*seen.record.get(name, []), *new[name]}) for name in _LISTS}}
