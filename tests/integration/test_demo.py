# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo as a newcomer runs it: on a machine that has git and make, from a clone, by the README's words alone."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.lab import Machine, _mirrors
from tests.lab.fixtures import MachineFactory

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "/root/virtfleet.core"

pytestmark = [pytest.mark.slow, pytest.mark.root]


def run(machine: Machine, command: str, timeout: float = 2400) -> str:
    """Run a shell command there, which must succeed, and return what it said, errors with the rest."""
    # Where this machine gets Python packages from.
    env = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    env["SSL_CERT_FILE"] = "/etc/ssl/certs/ca-certificates.crt"
    done = machine.exec(
        ["bash", "-c", command], env=env, check=False, timeout=timeout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


@pytest.mark.parametrize(
    ("suite", "init", "words"),
    [
        ("trixie", "systemd", ""),
        ("bookworm", "systemd", "DEMO_NETWORK=nat"),
        # No init, as in a container.
        (_mirrors.own_suite(), "none", ""),
    ],
)
def test_from_a_clone_to_a_guest_and_nothing_to_do_again(
    lab_machine_factory: MachineFactory, tmp_path_factory: pytest.TempPathFactory, suite: str, init: str, words: str
) -> None:
    source = tmp_path_factory.mktemp("source") / "virtfleet.core"
    subprocess.run(["git", "clone", "-q", "--no-local", str(ROOT), str(source)], check=True)
    machine = lab_machine_factory(f"demo-{suite}-{init}", suite=suite, init=init, shown=[source])
    run(machine, "apt-get -q update && apt-get -q -y install --no-install-recommends git make")
    run(machine, f"git -c safe.directory='*' clone -q file://{source} {FOLDER}")

    said = run(machine, f"cd {FOLDER} && make demo {words}")
    assert f'VERSION_CODENAME={suite}' in said
    assert "|--virtfleet-demo" in said
    assert "Where the " in said
    links = run(machine, "ip -brief link").split("\n")
    if not words:
        # The machine's network is left as it was: the loopback, and what came with the machine.
        assert len([line for line in links if line]) == 2

    said = run(machine, f"cd {FOLDER} && make demo {words}")
    assert re.findall(r"changed=(\d+)", said) == ["0", "0"], said

    said = run(machine, f"cd {FOLDER} && make demo-down")
    assert "What stays:" in said
    assert run(machine, "virsh -c qemu:///system list --all --name; virsh -c qemu:///system net-list --name").split() == []
    assert not (machine.root / "var/lib/virtfleet-demo").exists()
