# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the role kvm_host share: a lab host whose files can be changed, and certificates."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integration.playing import Player, Results
from tests.lab import Host

ROLE = "virtfleet.core.kvm_host"

# The private host has the machine's /etc and /var/lib but for libvirt's folders. What is written there goes to layers
# that die with the host; libvirt's own folders are put back on top. The kernel's switches become plain files.
_LAYERS = """
set -e
layers=/run/layers
mkdir -p "$layers"
mount -t tmpfs tmpfs "$layers"
mkdir "$layers/libvirt-etc" "$layers/libvirt-lib"
mount --bind /etc/libvirt "$layers/libvirt-etc"
mount --bind /var/lib/libvirt "$layers/libvirt-lib"
for place in /etc /var/lib; do
    name=$(echo "$place" | tr / _)
    mkdir "$layers/$name" "$layers/$name/up" "$layers/$name/work"
    mount -t overlay overlay -o "lowerdir=$place,upperdir=$layers/$name/up,workdir=$layers/$name/work" "$place"
done
mount --bind "$layers/libvirt-etc" /etc/libvirt
mount --bind "$layers/libvirt-lib" /var/lib/libvirt
mkdir -p "$layers/hugepages/hugepages-2048kB" "$layers/hugepages/hugepages-1048576kB" "$layers/module"
echo 0 >"$layers/hugepages/hugepages-2048kB/nr_hugepages"
echo 0 >"$layers/hugepages/hugepages-1048576kB/nr_hugepages"
mount --bind "$layers/hugepages" /sys/kernel/mm/hugepages
mount --bind "$layers/module" /sys/module
mkdir -p "$layers/module/kvm_intel/parameters"
echo N >"$layers/module/kvm_intel/parameters/nested"
echo 0 >"$layers/module/kvm_intel/refcnt"
"""


def layered(host: Host) -> Host:
    """Give a lab host files of its own in /etc, /var/lib and /sys, once."""
    if not Path(f"/proc/{_holder(host)}/root/run/layers/module").exists():
        host.exec(["sh", "-c", _LAYERS])
    return host


def _holder(host: Host) -> int:
    holder = host.namespaces.holder
    assert holder is not None
    return holder.pid


def play_role(
    player: Player,
    *args: str,
    entry: str = "main",
    installed: Sequence[str] | None = None,
    path: Path | None = None,
    before: Sequence[Mapping[str, Any]] = (),
    fails: bool = False,
    show: str = "kvm_host_facts",
    **options: Any,
) -> Results:
    """Run an entry of the role with these options; the result ``seen`` shows a fact of it, ``refused`` why it failed.

    ``installed`` are the packages that dpkg-query says are there; ``path`` is a folder of further made-up programs.
    """
    role: dict[str, Any] = {
        "name": "role",
        "ansible.builtin.import_role": {"name": ROLE, "tasks_from": entry},
        "vars": options,
    }
    programs = player.folder / "programs"
    programs.mkdir(exist_ok=True)
    if installed is not None:
        _program(programs / "dpkg-query", "#!/bin/sh\n" + "".join(f"echo installed {name}\n" for name in installed))
    # These hosts share the machine's /usr: should a test be wrong, nothing is installed there.
    _program(programs / "apt-get", "#!/bin/sh\necho a test would install >&2\nexit 1\n")
    folders = [str(folder) for folder in (path, programs) if folder]
    role["environment"] = {"PATH": ":".join([*folders, "/usr/sbin", "/usr/bin", "/sbin", "/bin"])}
    seen = {"name": "seen", "ansible.builtin.debug": {"msg": f"{{{{ {show} | default({{}}) }}}}"}, "tags": ["always"]}
    refused = {"name": "refused", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}, "tags": ["always"]}
    results = player([{"name": "once", "block": [*before, role, seen], "rescue": [refused]}], *args, fails=True)
    said = [result.msg for result in results if result.outcome in ("failed", "unreachable") or result.task == "refused"]
    assert bool(said) == fails, said
    return results


def _program(place: Path, text: str) -> None:
    place.write_text(text, encoding="utf-8")
    place.chmod(0o755)


def program(folder: Path, name: str, text: str) -> Path:
    """Make a program of a shell script; return its folder."""
    folder.mkdir(exist_ok=True)
    _program(folder / name, f"#!/bin/sh\n{text}\n")
    return folder


def changed(results: Results) -> list[str]:
    """Return the names of the tasks that changed something."""
    return [result.task for result in results if result.changed]


def certificates(folder: Path, host: str = "localhost", client: str = "tester") -> dict[str, str]:
    """Make an authority, a host's and a client's certificate; return the texts ca, cert and key.

    The client's files lie in ``folder`` by the names that libvirt's pkipath wants.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*argv: str) -> None:
        subprocess.run(["openssl", *argv], cwd=folder, check=True, capture_output=True, stdin=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab authority",
            "-keyout", "cakey.pem", "-out", "cacert.pem")  # fmt: skip
    for name, subject, use in (("server", host, "serverAuth"), ("client", client, "clientAuth")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", "-keyout", f"{name}key.pem",
                "-out", f"{name}.csr")  # fmt: skip
        (folder / f"{name}.ext").write_text(f"extendedKeyUsage={use}\nsubjectAltName=DNS:{subject}\n")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "cacert.pem", "-CAkey", "cakey.pem", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}cert.pem")  # fmt: skip
    texts = {"ca": "cacert", "cert": "servercert", "key": "serverkey"}
    return {name: (folder / f"{file}.pem").read_text() for name, file in texts.items()}
