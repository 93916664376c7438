# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a machine that is, or is to be, a KVM host: read files and ask programs, and change nothing.

Everything works without root, and sees less then.
"""
from __future__ import annotations

import grp
import hashlib
import json
import os
import platform
import pwd
import shlex
import socket
import ssl
import stat
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import _xml
from ._errors import HostError
from ._kvm_host.daemons import DAEMONS, PORTS, UNITS
from ._kvm_host.judge import RECORD
from ._kvm_host.removal import Package, parse_relations
from ._kvm_host.seen import AppArmor, Firewall, Nested, Seen, System, Unit
from ._kvm_host.settings import FRESH, GROUP, GUESTS_FOLDER, HELPER_PROFILE, PKI, READ_FILES
from ._kvm_host.wants import Wants
from ._programs import Programs, RunCommand

# Below which everything is looked at; another one only for tests.
_ROOT = Path("/")
_SOCKETS = "/run/libvirt"
_ETC = "/etc/libvirt"
_MODULES = "/sys/module"
_LISTEN = "0A"
# linux/miscdevice.h
_KVM_MINOR = 232
_SECONDS = 5.0


def look(run_command: RunCommand, wants: Wants) -> Seen:
    """Return what there is to see."""
    programs = Programs(run_command)
    # The way of sd_booted(3).
    systemd = _at("/run/systemd/system").is_dir()
    units = _units(programs) if systemd else {}
    listening = _listening()
    fresh = frozenset(name for name, sha in _pki(FRESH).items() if sha and sha == wants.tls.get(name))
    there = frozenset(name for name in DAEMONS if _at(f"/usr/sbin/{name}").exists())
    return Seen(
        system=_system(),
        machine=platform.machine(),
        uid=os.geteuid(),
        systemd=systemd,
        packages=_packages(programs),
        units=units,
        programs=there,
        answering=frozenset() if systemd else frozenset(name for name in there if _answers(name)),
        users=frozenset(name for name in wants.users if _user(name)),
        members=_members(),
        nested=_nested(),
        hugepages=_hugepages(),
        files={path: _text(path) for path in READ_FILES},
        apparmor=_apparmor(),
        firewall=_firewall(programs, units),
        sudo=_sudo(),
        pools=_pools(),
        guests=_names(f"{_ETC}/qemu", f"{_SOCKETS}/qemu", f"{_ETC}/libxl", f"{_ETC}/lxc"),
        networks=_names(f"{_SOCKETS}/network"),
        autostart=_names(f"{_ETC}/qemu/networks/autostart"),
        listening=listening,
        pki=_pki(""),
        fresh=fresh,
        kvm_closed=_kvm_closed(),
        pki_problem=_pki_problem(fresh) if wants.remote == "tls" else "",
        tls=_tls(listening) if wants.remote == "tls" else None,
        record=_record(),
    )


def installed(run_command: RunCommand) -> dict[str, Package]:
    """Return every installed package with what it needs."""
    form = "${db:Status-Status}\\t${Package}\\t${Pre-Depends}\\t${Depends}\\t${Provides}\\n"
    said = Programs(run_command).run("list the installed packages", ["dpkg-query", "--show", f"--showformat={form}"])
    found = {}
    for line in said.splitlines():
        status, name, early, needs, provides = (line + "\t" * 4).split("\t")[:5]
        if status == "installed":
            virtual = tuple(name for group in parse_relations(provides) for name in group)
            found[name] = Package(parse_relations(f"{early},{needs}"), virtual)
    return found


def _system() -> System:
    facts = dict(line.split("=", 1) for line in shlex.split(_text("/etc/os-release") or "", comments=True) if "=" in line)
    return System(facts.get("ID", ""), facts.get("VERSION_ID", ""), facts.get("PRETTY_NAME", "an unknown system"))


def _packages(programs: Programs) -> frozenset[str] | None:
    argv = ["dpkg-query", "--show", "--showformat=${db:Status-Status} ${Package}\\n"]
    try:
        said = programs.run("list the installed packages", argv)
    except HostError:
        return None
    return frozenset(line[len("installed "):] for line in said.splitlines() if line.startswith("installed "))


def _units(programs: Programs) -> dict[str, Unit]:
    argv = ["systemctl", "show", "--property=Id,LoadState,UnitFileState,ActiveState", *UNITS]
    found = {}
    for part in programs.run("ask systemd about libvirt's units", argv).split("\n\n"):
        values = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
        if values.get("LoadState", "not-found") != "not-found":
            found[values["Id"]] = Unit(values.get("UnitFileState", ""), values.get("ActiveState", ""))
    return found


def _answers(daemon: str) -> bool:
    """Tell whether a daemon listens: a pid file says who started it and can be stale."""
    # libvirtd's socket is older than the rule.
    name = "libvirt-sock" if daemon == "libvirtd" else f"{daemon}-sock"
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.settimeout(_SECONDS)
            one.connect(str(_at(f"{_SOCKETS}/{name}")))
    except OSError:
        return False
    return True


def _user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _members() -> frozenset[str]:
    try:
        return frozenset(grp.getgrnam(GROUP).gr_mem)
    except KeyError:
        return frozenset()


def _nested() -> Nested | None:
    for module in ("kvm_intel", "kvm_amd"):
        switch = _text(f"{_MODULES}/{module}/parameters/nested")
        if switch:
            users = _text(f"{_MODULES}/{module}/refcnt") or ""
            return Nested(module, switch.strip() in ("Y", "1"), int(users.strip() or 0))
    cpu = _text("/proc/cpuinfo") or ""
    for flag, module in (("vmx", "kvm_intel"), ("svm", "kvm_amd")):
        if f" {flag} " in cpu.replace("\n", " \n"):
            return Nested(module, None, 0)
    return None


def _hugepages() -> dict[int, int]:
    found = {}
    folder = "/sys/kernel/mm/hugepages"
    for name in _list(folder):
        size = name[len("hugepages-"):-len("kB")]
        count = _text(f"{folder}/{name}/nr_hugepages")
        if size.isdigit() and count:
            found[int(size)] = int(count)
    return found


def _apparmor() -> AppArmor | None:
    if (_text(f"{_MODULES}/apparmor/parameters/enabled") or "").strip() != "Y":
        return None
    profile = _text("/etc/apparmor.d/abstractions/libvirt-qemu") or ""
    return AppArmor(_at(HELPER_PROFILE).exists(), GUESTS_FOLDER.rpartition("/")[2] in profile)


def _firewall(programs: Programs, units: Mapping[str, Unit]) -> Firewall:
    ufw = _settings("/etc/ufw/ufw.conf").get("ENABLED", "").lower() == "yes"
    docker = _active(units, "docker.service") or _at("/run/docker.sock").exists()
    return Firewall(
        ufw=ufw,
        ufw_forward=_settings("/etc/default/ufw").get("DEFAULT_FORWARD_POLICY", "") if ufw else "",
        firewalld=_active(units, "firewalld.service"),
        docker=docker,
        docker_forward=_forward(programs) if docker else "",
        bridged=(_text("/proc/sys/net/bridge/bridge-nf-call-iptables") or "").strip() == "1",
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


def _settings(path: str) -> dict[str, str]:
    """Return the settings of a file of shell assignments."""
    lines = [line.strip() for line in (_text(path) or "").splitlines()]
    pairs = [line.split("=", 1) for line in lines if "=" in line and not line.startswith("#")]
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs}


def _sudo() -> str:
    path = _at("/usr/bin/sudo")
    if not path.exists():
        return ""
    real = path.resolve()
    return "sudo-rs" if real.name == "sudo-rs" or "cargo" in real.parts else "sudo"


def _pools() -> dict[str, str] | None:
    """Return the defined pools; None where the folder may not be read."""
    folder = _at(f"{_ETC}/storage")
    try:
        places = sorted(folder.glob("*.xml")) if folder.is_dir() else []
        return {place.stem: _target(place) for place in places}
    except OSError:
        return None


def _target(place: Path) -> str:
    node = _xml.find(_xml.parse(place.read_text(encoding="utf-8")), "target/path")
    return (node.text or "") if node is not None else ""


def _names(*folders: str) -> tuple[str, ...]:
    """Return what is defined, or runs, by the files that libvirt keeps of it."""
    return tuple(sorted({name[: -len(".xml")] for folder in folders for name in _list(folder) if name.endswith(".xml")}))


def _listening() -> frozenset[int]:
    """Return the TCP ports of libvirt that somebody listens on (proc(5): /proc/net/tcp)."""
    ports = set()
    for name in ("tcp", "tcp6"):
        for line in (_text(f"/proc/net/{name}") or "").splitlines()[1:]:
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
        shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=_SECONDS)
    except TypeError:
        # Before Python 3.10 there is no time limit.
        shown = ssl.get_server_certificate(("127.0.0.1", port))
    except (OSError, ValueError) as error:
        return f"libvirt's answer on port {port} is {error}"
    there = _text(PKI["cert"]) or ""
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
            found[name] = hashlib.sha256(_at(path + more).read_bytes()).hexdigest()
        except PermissionError:
            found[name] = ""
        except OSError:
            continue
    return found


def _pki_problem(fresh: Container[str]) -> str:
    """Say why TLS could not work with the certificates, by a handshake in memory; empty where it could.

    With a key that does not fit, another authority or an expired certificate libvirtd does not even start.
    """
    paths = {name: str(_at(path + FRESH if name in fresh else path)) for name, path in PKI.items()}
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
        status = _at("/dev/kvm").stat()
        group = grp.getgrnam("kvm").gr_gid
    except (OSError, KeyError):
        return False
    real = stat.S_ISCHR(status.st_mode) and os.minor(status.st_rdev) == _KVM_MINOR
    mode = stat.S_IMODE(status.st_mode)
    return real and mode != 0o666 and not (mode == 0o660 and status.st_gid == group)


def _record() -> dict[str, Any]:
    text = _text(RECORD)
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise HostError(f"could not read {RECORD}, the role's record of what it added: {error}; repair it") from error
    return found if isinstance(found, dict) else {}


def _at(path: str) -> Path:
    return _ROOT / path.lstrip("/")


def _text(path: str) -> str | None:
    """Return a file's text; None where it isn't there, and nothing of one that may not be read."""
    try:
        return _at(path).read_text(encoding="utf-8", errors="replace")
    except PermissionError:
        return ""
    except OSError:
        return None


def _list(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(_at(folder)))
    except OSError:
        return []
