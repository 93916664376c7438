# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a machine that is, or is to be, a KVM host: read files and ask programs, and change nothing.

Everything works without root, and sees less then.
"""
from __future__ import annotations

import grp
import hashlib
import os
import ssl
import stat
from collections.abc import Container, Iterable, Mapping

from ._kvm_host.judge import RECORD
from ._kvm_host.seen import AppArmor, Firewall, Nested, Seen
from ._kvm_host.settings import FRESH, GUESTS_FOLDER, HELPER_PROFILE, PKI, READ_FILES
from ._kvm_host.wants import Wants
from ._machine.daemons import PORTS, UNITS
from ._machine.seen import Unit
from ._machine.systems import is_hypervisor
from ._machine_look import SECONDS, at, is_dom0, listing, look_at_machine, shell_settings, text
from ._programs import Programs, RunCommand

_MODULES = "/sys/module"
_LISTEN = "0A"
# linux/miscdevice.h
_KVM_MINOR = 232


def look(run_command: RunCommand, wants: Wants) -> Seen:
    """Return what there is to see."""
    programs = Programs(run_command)
    common = look_at_machine(programs, RECORD, UNITS, READ_FILES, wants.users)
    listening = _listening()
    fresh = frozenset(name for name, sha in _pki(FRESH).items() if sha and sha == wants.tls.get(name))
    return Seen(
        **common,
        nested=_nested(),
        hugepages=_hugepages(),
        apparmor=_apparmor(),
        firewall=_firewall(programs, common["units"]),
        listening=listening,
        pki=_pki(""),
        fresh=fresh,
        kvm_closed=_kvm_closed(),
        pki_problem=_pki_problem(fresh) if wants.remote == "tls" else "",
        tls=_tls(listening) if wants.remote == "tls" else None,
        xen=_xen(common["packages"] or ()),
    )


def _xen(packages: Iterable[str]) -> str:
    """Say what of Xen is there. A guest of Xen has it in sight too, and may be a KVM host all the same."""
    if is_dom0():
        return "it runs on Xen"
    found = sorted(name for name in packages if is_hypervisor(name))
    return f"it has {found[-1]}" if found else ""


def _nested() -> Nested | None:
    for module in ("kvm_intel", "kvm_amd"):
        switch = text(f"{_MODULES}/{module}/parameters/nested")
        if switch:
            users = text(f"{_MODULES}/{module}/refcnt") or ""
            return Nested(module, switch.strip() in ("Y", "1"), int(users.strip() or 0))
    cpu = text("/proc/cpuinfo") or ""
    for flag, module in (("vmx", "kvm_intel"), ("svm", "kvm_amd")):
        if f" {flag} " in cpu.replace("\n", " \n"):
            return Nested(module, None, 0)
    return None


def _hugepages() -> dict[int, int]:
    found = {}
    folder = "/sys/kernel/mm/hugepages"
    for name in listing(folder):
        size = name[len("hugepages-"):-len("kB")]
        count = text(f"{folder}/{name}/nr_hugepages")
        if size.isdigit() and count:
            found[int(size)] = int(count)
    return found


def _apparmor() -> AppArmor | None:
    if (text(f"{_MODULES}/apparmor/parameters/enabled") or "").strip() != "Y":
        return None
    profile = text("/etc/apparmor.d/abstractions/libvirt-qemu") or ""
    return AppArmor(at(HELPER_PROFILE).exists(), GUESTS_FOLDER.rpartition("/")[2] in profile)


def _firewall(programs: Programs, units: Mapping[str, Unit]) -> Firewall:
    ufw = shell_settings("/etc/ufw/ufw.conf").get("ENABLED", "").lower() == "yes"
    docker = _active(units, "docker.service") or at("/run/docker.sock").exists()
    return Firewall(
        ufw=ufw,
        ufw_forward=shell_settings("/etc/default/ufw").get("DEFAULT_FORWARD_POLICY", "") if ufw else "",
        firewalld=_active(units, "firewalld.service"),
        docker=docker,
        docker_forward=_forward(programs) if docker else "",
        bridged=(text("/proc/sys/net/bridge/bridge-nf-call-iptables") or "").strip() == "1",
    )


def _active(units: Mapping[str, Unit], name: str) -> bool:
    return name in units and units[name].active == "active"


def _forward(programs: Programs) -> str:
    """Return the policy of packets that are passed on, empty where it can't be read."""
    if programs.find("iptables") is None:
        return ""
    _code, said, _complaint = programs.attempt("read the policy of FORWARD", ["iptables", "-S", "FORWARD"])
    words = said.split()
    return words[2] if words[:2] == ["-P", "FORWARD"] and len(words) > 2 else ""


def _listening() -> frozenset[int]:
    """Return the TCP ports of libvirt that somebody listens on (proc(5): /proc/net/tcp)."""
    ports = set()
    for name in ("tcp", "tcp6"):
        for line in (text(f"/proc/net/{name}") or "").splitlines()[1:]:
            words = line.split()
            if words[3] == _LISTEN:
                ports.add(int(words[1].rpartition(":")[2], 16))
    return frozenset(ports & set(PORTS.values()))


def _tls(listening: Iterable[int]) -> str:
    """Say why no TLS client gets in: the server must show the certificate that lies there."""
    port = PORTS["tls"]
    if port not in listening:
        return f"nobody listens on port {port}"
    try:
        shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=SECONDS)
    except TypeError:
        # Before Python 3.10 there is no time limit.
        shown = ssl.get_server_certificate(("127.0.0.1", port))
    except (OSError, ValueError) as error:
        return f"libvirt's answer on port {port} is {error}"
    there = text(PKI["cert"]) or ""
    if there and _der(shown) not in [_der(part + _END) for part in there.split(_END) if _BEGIN in part]:
        return f"libvirt shows another certificate than {PKI['cert']}"
    return ""


_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def _der(text: str) -> bytes:
    try:
        return ssl.PEM_cert_to_DER_cert(text[text.index(_BEGIN):].strip())
    except ValueError:
        return b""


def _pki(more: str) -> dict[str, str]:
    found = {}
    for name, path in PKI.items():
        try:
            found[name] = hashlib.sha256(at(path + more).read_bytes()).hexdigest()
        except PermissionError:
            found[name] = ""
        except OSError:
            continue
    return found


def _pki_problem(fresh: Container[str]) -> str:
    """Say why TLS could not work with the certificates, by a handshake in memory; empty where it could.

    With a key that does not fit, another authority or an expired certificate libvirtd does not even start.
    """
    paths = {name: str(at(path + FRESH if name in fresh else path)) for name, path in PKI.items()}
    if not all(os.access(path, os.R_OK) for path in paths.values()):
        return ""
    try:
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(paths["cert"], paths["key"], password=lambda: "")
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False
        client.load_verify_locations(paths["ca"])
        _shake_hands(server, client)
    except (OSError, ValueError) as error:
        words = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        return str(words).replace("_", " ").lower()
    return ""


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Let two sides meet in memory; raise SSLError where they don't come together."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while sides:
        for side in list(sides):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            sides.remove(side)


def _kvm_closed() -> bool:
    """Tell whether the device is there and closed to the group kvm. A place-holder with another number doesn't count."""
    try:
        status = at("/dev/kvm").stat()
        group = grp.getgrnam("kvm").gr_gid
    except (OSError, KeyError):
        return False
    real = stat.S_ISCHR(status.st_mode) and os.minor(status.st_rdev) == _KVM_MINOR
    mode = stat.S_IMODE(status.st_mode)
    return real and mode != 0o666 and not (mode == 0o660 and status.st_gid == group)
