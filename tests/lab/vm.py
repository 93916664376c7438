# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab vm: a whole emulated computer with a kernel of its own, up in seconds from a snapshot, thrown away afterwards.

vm = VM("one", image="dom0").up()         # a Debian that runs Xen and libvirt; image="plain": one that can become it
subprocess.run(vm.ssh("xl", "list"))      # from outside, as Ansible does: vm.inventory(), Controller([vm], ...)
vm.exec(["virsh", "-c", "xen:///system", "list"]); vm.reboot(); vm.down()

What a machine of the lab can't have, it has: GRUB, a kernel, modules, devices. It costs 3 GiB of memory, and a boot of
half a minute where it reboots.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import _qemu, _roots, _vm_image, _vm_root
from ._place import SYSTEM_PATH, kinds
from ._proc import Process
from ._qemu import Qemu
from ._reached import Reached, bytecode
from ._run import LabError, Say, need, quiet, tool

IMAGES = tuple(_vm_root.RECIPES)
USER = _roots.USER
TINY = _vm_root.TINY
MEMINFO = Path("/proc/meminfo")
# Its memory, what QEMU translates, and something to spare for others.
FREE_MIB = 6 * 1024
ENVIRONMENT = {"HOME": "/root", "PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}

# The clock stood still since the snapshot; hwclock keeps it over a reboot. The name goes where a name is kept.
AWAKE = """\
date -s @{now} >/dev/null
hostname {name}
echo {name} >/etc/hostname
sed -i 's/^127.0.1.1 .*/127.0.1.1 {name}/' /etc/hosts
hwclock --systohc --utc >/dev/null 2>&1 </dev/null &
"""


def why_not() -> str | None:
    """Say why this machine can't run a vm (another one), if it can't."""
    if tool(_qemu.PROGRAM) is None:
        return f"a lab vm needs {_qemu.PROGRAM}: run `python3 -m tests.lab install`"
    if os.uname().machine != "x86_64":
        return f"a lab vm is an x86-64 Debian, and this machine is {os.uname().machine}"
    free = next((int(line.split()[1]) // 1024 for line in MEMINFO.read_text().splitlines() if "MemAvailable" in line), 0)
    if free < FREE_MIB:
        return f"a lab vm wants {FREE_MIB} MiB of free memory, and this machine has {free}"
    return None


def vms() -> list[VM]:
    """List the vms that have a folder, up or not."""
    return [VM(name) for name, kind in kinds().items() if kind == VM.KIND]


class VM(Reached):
    """One virtual machine. Making the object does nothing; `up()` does.

    `image` is "plain" (Debian 12 with systemd, GRUB, sshd and Python) or "dom0" (the same with Xen, libvirt and their
    tools, running). Of one that is there already, its own word holds.
    """

    KIND = "vm"

    def __init__(self, name: str, say: Say = quiet, *, image: str = "plain") -> None:
        super().__init__(name, say)
        self.image = str(self.state().get("image", image))
        if self.image not in IMAGES:
            raise LabError(f"a lab vm can't be {self.image!r}; it can be {' or '.join(IMAGES)}")
        self._qemu = Qemu(name, self.home)

    # What others need to know

    @property
    def suite(self) -> str:
        """Its release."""
        return _vm_root.SUITE

    @property
    def is_up(self) -> bool:
        """Whether its QEMU runs."""
        return self._qemu.process is not None

    @property
    def process(self) -> Process | None:
        """Its QEMU, if it runs."""
        return self._qemu.process

    @property
    def console_log(self) -> Path:
        """What GRUB, Xen and the kernel said on the serial line."""
        return self.home / "console.log"

    @property
    def uri(self) -> str:
        """The URI of its libvirt for clients on this side: Xen's on a dom0, and QEMU's on a plain one, once it has it."""
        driver = "xen" if _vm_root.RECIPES[self.image].xen else "qemu"
        return f"{driver}+ssh://root@{self.name}/system?command={self.home}/ssh"

    def guests(self) -> dict[str, Process]:
        """Return the domains that its Xen runs besides domain 0, each with the process that all of them are: QEMU."""
        process = self.process
        if process is None:
            return {}
        try:
            lines = self.exec(["xl", "list"], check=False, timeout=60).stdout.splitlines()[1:]
        except subprocess.TimeoutExpired:
            return {}
        return {line.split()[0]: process for line in lines if not line.startswith("Domain-0 ")}

    def boot_id(self) -> str | None:
        """Return the id of its present boot, or None while it doesn't answer."""
        return self._qemu.boot_id()

    # Boots

    def reboot(self) -> None:
        """Reboot it as its administrator would, and wait until it is back."""
        self._booted()
        self._qemu.reboot()

    def reset(self) -> None:
        """Push the button, and wait until it has booted again. What was on its disk is there."""
        before = self._booted()
        self._qemu.monitor("system_reset")
        self._qemu.await_boot(before)

    def _booted(self) -> str:
        if not self.is_up:
            raise LabError(f"{self.title} is not up; run `python3 -m tests.lab up {self.name}`")
        before = self._qemu.boot_id()
        if before is None:
            raise LabError(f"{self.title} doesn't answer by ssh; {self.console_log} says why")
        return before

    # Up and down

    def _prepare(self) -> None:
        reason = None if self.is_up else why_not()
        if reason is not None:
            raise LabError(reason)
        for name in ("setpriv", "ssh", "bash"):
            need(name)
        _vm_image.build(self.image, self._say)

    def _complete(self) -> None:
        self._qemu.await_boot()
        self._say(f"{self.name}: is up already")

    def _way_in(self) -> str:
        return f"{self.image}, `ssh -F {self.ssh_config} {self.name}`"

    def _make(self, owner: Process | None) -> None:
        self._say(f"{self.name}: making a vm of {self.image} in {self.home}")
        self.home.mkdir(parents=True, mode=0o700)
        self._write_state(owner, image=self.image)
        _vm_image.copy_into(self.image, self.home, self._say)
        self._qemu.start(snapshot=_qemu.SNAPSHOT)
        self._qemu.await_boot()
        written = "".join(f"cat >/{path} <<'END'\n{text}END\n" for path, text in bytecode().items())
        self._qemu.tell(AWAKE.format(now=f"{time.time():.3f}", name=self.name) + written)
        inventory = {"hypervisors": {"hosts": {self.name: self.inventory()}}}
        (self.home / "inventory.yml").write_text(json.dumps(inventory, indent=2) + "\n")

    def _end(self) -> list[str]:
        return self._qemu.end()

    # Commands

    def _enter(self, cwd: Path | None, env: Mapping[str, str]) -> list[str]:
        if not self.is_up:
            raise LabError(f"{self.title} is not up; run `python3 -m tests.lab up {self.name}`")
        place = [f"--chdir={cwd}"] if cwd is not None else []
        words = [f"{key}={value}" for key, value in {**ENVIRONMENT, **env}.items()]
        return [str(self.home / "enter"), "env", "-i", *place, *words]

    def shell(self, argv: Sequence[str] = ()) -> int:
        """Give the terminal to a shell, or to a command, inside; return its exit status."""
        words = self.ssh(*([shlex.join(argv)] if argv else []))
        # A terminal of its own, without which there are no prompt and no keys.
        return subprocess.run([words[0], *([] if argv else ["-t"]), *words[1:]], check=False).returncode

    def _shell_place(self) -> tuple[Path | None, Mapping[str, str]]:
        return None, {}
