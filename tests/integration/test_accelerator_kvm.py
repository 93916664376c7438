# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A KVM that works, on machines that have none: Linux's own kvm_amd, on the SVM that QEMU emulates.

A probe that always says no would pass everywhere else on such a machine. The distribution's kernel is booted by
emulation with Python, QEMU and the probe in its initramfs, and looks at its /dev/kvm there.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import _apt, tiny
from tests.lab._modules import Modules

pytestmark = [pytest.mark.slow, pytest.mark.root]

UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
# Emulated twice over nothing is done in ten seconds.
LOOK = """
import dataclasses, json, shutil, sys
from utils._accelerator import kvm, probe
probe.LIMIT_SECONDS = 200.0
def say(name, found):
    print("FOUND", json.dumps({name: dataclasses.asdict(found)}), flush=True)
if sys.argv[1] == "first":
    say("no device", probe.accelerator(shutil.which))
elif sys.argv[1] == "nested":
    say("bare", probe.accelerator(lambda name: None))
    say("qemu", probe.accelerator(shutil.which))
    say("kept", probe.known(shutil.which))
else:
    say(sys.argv[1], kvm.tried(True, 200.0))
"""
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run
cd /work
python3 look.py first
modprobe kvm
insmod $(find /lib/modules -name 'kvm-amd.ko')
python3 look.py nested
rmmod kvm_amd
insmod $(find /lib/modules -name 'kvm-amd.ko') npt=0
python3 look.py "shadow paging"
poweroff -f
"""
CPU = "qemu64,+svm,+npt,+popcnt,+ssse3,+sse4.1,+sse4.2,+cx16,+lahf_lm,+pdpe1gb,+fsgsbase"


@pytest.fixture(scope="module")
def found(lab_ready: None) -> Iterator[dict[str, Any]]:
    """Return what the probe said in the machine, by the names that LOOK gives it."""
    with tempfile.TemporaryDirectory(prefix="virtfleet-kvm-") as name:
        folder = Path(name)
        kernel = _fill(folder / "root", folder / "packages")
        archive = folder / "initrd"
        words = f"cd {folder / 'root'} && find . | cpio -o -H newc --quiet | gzip -1 > {archive}"
        subprocess.run(["sh", "-c", words], check=True)
        argv = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", CPU, "-machine", "q35", "-m", "2500"]
        argv += ["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio"]
        argv += ["-kernel", str(kernel), "-initrd", str(archive)]
        argv += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)
    lines = [json.loads(line) for line in re.findall(r"^FOUND (.*)$", done.stdout, re.MULTILINE)]
    assert lines, done.stdout[-4000:]
    yield {name: value for line in lines for name, value in line.items()}


def _fill(root: Path, packages: Path) -> Path:
    """Put all that is needed below ``root``; return the kernel."""
    inputs = tiny.resolve(tiny.MEDIA_KERNELS)
    _apt.unpack([f"{name}={version}" for name, version in inputs.downloads], packages)
    kernel = next(iter(sorted(packages.glob("boot/vmlinuz-*"))))
    for name in ("bin", "proc", "sys", "dev", "run", "tmp", "work/utils", "usr/bin"):
        (root / name).mkdir(parents=True)
    Modules(packages, kernel.name.removeprefix("vmlinuz-")).install(["kvm", "kvm_amd"], root)
    shutil.copyfile("/bin/busybox", root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    python = Path("/usr/bin/python3").resolve()
    library = Path(f"/usr/lib/{python.name}")
    programs = [python, Path("/usr/bin/qemu-system-x86_64"), *library.glob("lib-dynload/*.so")]
    for program in [*programs, *Path("/usr/lib").glob("*/qemu/accel-*.so")]:
        _with_libraries(program, root)
    (root / "usr/bin/python3").symlink_to(python.name)
    left_out = shutil.ignore_patterns("test", "idlelib", "lib2to3", "dist-packages", "__pycache__", "lib-dynload")
    shutil.copytree(library, root / library.relative_to("/"), ignore=left_out, dirs_exist_ok=True)
    # Small firmware of QEMU's own boards; the large files are for guests with UEFI.
    firmware = shutil.ignore_patterns("*edk2*", "*.fd", "opensbi*", "skiboot*", "slof*")
    shutil.copytree("/usr/share/qemu", root / "usr/share/qemu", ignore=firmware, ignore_dangling_symlinks=True)
    shutil.copytree(UTILS, root / "work/utils", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "work/utils/__init__.py").touch()
    (root / "work/look.py").write_text(LOOK)
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    return kernel


def _with_libraries(program: Path, root: Path) -> None:
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    for path in (program, *map(Path, re.findall(r"(/\S+)", said))):
        target = root / path.relative_to("/")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)


def test_before_its_module_is_loaded_it_says_which(found: dict[str, Any]) -> None:
    said = found["no device"]
    assert (said["verdict"], said["kind"], said["kept"]) == ("tcg", "emulation", True)
    assert "kvm_amd is not loaded" in said["reason"] and "modprobe kvm_amd" in said["advice"]


def test_a_working_kvm_runs_the_test_guest(found: dict[str, Any]) -> None:
    bare, with_qemu = found["bare"], found["qemu"]
    assert (bare["verdict"], bare["kind"], bare["kept"], bare["qemu_version"]) == ("kvm", "nested", False, None), bare
    assert (with_qemu["verdict"], with_qemu["kind"], with_qemu["kept"]) == ("kvm", "nested", True), with_qemu
    assert with_qemu["advice"] == "" and found["kept"] == with_qemu


def test_it_runs_without_nested_paging_too(found: dict[str, Any]) -> None:
    tried = found["shadow paging"]
    assert (tried["failed"], tried["said"]) == ("", ""), tried
