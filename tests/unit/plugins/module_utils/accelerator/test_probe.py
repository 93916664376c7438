# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which verdict follows from what was tried, when it is tried, and how long it is kept."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _path_access
from ansible_collections.virtfleet.core.plugins.module_utils._accelerator import kept, kvm, machine, probe, qemu
from ansible_collections.virtfleet.core.plugins.module_utils._accelerator.machine import Device, Machine
from ansible_collections.virtfleet.core.plugins.module_utils._accelerator.tried import Tried
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Accelerator

DEVICE = Device(0o660, 0, 108, 2792)
BARE = Machine("x86_64", frozenset({"lm", "svm"}), frozenset({"kvm", "kvm_amd"}), DEVICE)
GUEST = replace(BARE, flags=BARE.flags | {"hypervisor"})
USER = _path_access.Reader("libvirt-qemu", 64055, frozenset({108, 64055}))


class World:
    """A machine made of values; ``looks`` says what was tried on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.machine = BARE
        self.emulator: Path | None = folder / "qemu"
        self.emulator.write_text("one")
        self.asked = Tried()
        self.ran = Tried(seconds=0.3)
        self.user: _path_access.Reader | None = USER
        self.allowed = True
        self.looks: list[str] = []
        self.run = folder / "run"
        self.run.mkdir()
        self.delay = 0.0
        monkeypatch.delenv(probe.OVERRIDE, raising=False)
        monkeypatch.setattr(machine, "look", lambda: self.machine)
        monkeypatch.setattr(kvm, "tried", self._kvm)
        monkeypatch.setattr(qemu, "tried", self._qemu)
        monkeypatch.setattr(qemu, "version", lambda emulator, limit: "7.2.22")
        monkeypatch.setattr(probe, "run_directory", self._directory)
        monkeypatch.setattr(
            "ansible_collections.virtfleet.core.plugins.module_utils._long_work.run_directory", self._directory
        )
        monkeypatch.setattr(_path_access, "reader_of", lambda name: self.user)
        monkeypatch.setattr(_path_access, "may_use", lambda device, user: self.allowed)
        monkeypatch.setattr(os, "geteuid", lambda: self.run.stat().st_uid)

    def _directory(self, _name: str) -> Path:
        return self.run

    def _kvm(self, run: bool, limit: float) -> Tried:
        self.looks.append("run" if run else "open")
        return self.asked

    def _qemu(self, emulator: str, arch: str, file: Path, limit: float) -> Tried:
        assert file.read_bytes() == qemu.TARGETS[arch].image()
        self.looks.append("qemu")
        time.sleep(self.delay)
        return self.ran

    def find(self, name: str) -> str | None:
        return str(self.emulator) if self.emulator is not None and name == f"qemu-system-{self.machine.arch}" else None

    def verdict(self, fresh: bool = False) -> Accelerator:
        return probe.accelerator(self.find, fresh)

    def known(self) -> Accelerator | None:
        return probe.known(self.find)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    return World(monkeypatch, tmp_path)


def shown(found: Accelerator) -> tuple[str, str, bool]:
    return found.verdict, found.kind, found.kept


@pytest.mark.parametrize(
    ("how", "verdict", "looks"),
    [
        ({}, ("kvm", "hardware", True), ["open", "qemu"]),
        ({"machine": GUEST}, ("kvm", "nested", True), ["open", "qemu"]),
        ({"machine": replace(BARE, device=None)}, ("tcg", "emulation", True), []),
        ({"asked": Tried("open", errno.ENXIO)}, ("tcg", "emulation", True), ["open"]),
        ({"asked": Tried("open", errno.EACCES)}, ("tcg", "emulation", True), ["open"]),
        # Whoever else has it may let it go: the next one looks again.
        ({"asked": Tried("vm", errno.EBUSY)}, ("tcg", "emulation", False), ["open"]),
        ({"ran": Tried("guest", None, "SSE")}, ("tcg", "emulation", True), ["open", "qemu"]),
        ({"ran": Tried("limit")}, ("tcg", "emulation", True), ["open", "qemu"]),
        ({"ran": Tried("slow", None, "", "9 s")}, ("tcg", "emulation", True), ["open", "qemu"]),
        # Before QEMU is there: a no is a no, a yes is not kept.
        ({"emulator": None}, ("kvm", "hardware", False), ["run"]),
        ({"emulator": None, "asked": Tried("guest", None, "SSE")}, ("tcg", "emulation", True), ["run"]),
        ({"emulator": None, "machine": replace(BARE, arch="aarch64")}, ("kvm", "hardware", False), ["open"]),
        # No test guest for it.
        ({"machine": replace(BARE, arch="s390x")}, ("kvm", "hardware", True), ["open"]),
        # Root may use the device, and QEMU's user may not.
        ({"allowed": False}, ("tcg", "emulation", True), ["open", "qemu"]),
        ({"user": None, "allowed": False}, ("kvm", "hardware", True), ["open", "qemu"]),
    ],
)
def test_verdicts(
    how: dict[str, Any], verdict: tuple[str, str, bool], looks: list[str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    for name, value in how.items():
        setattr(world, name, value)
    found = world.verdict()
    assert (shown(found), world.looks) == (verdict, looks)
    assert found.reason and bool(found.advice) == (found.verdict == "tcg")
    assert found.qemu_version == (None if world.emulator is None else "7.2.22")


def test_it_is_looked_once(world: World) -> None:
    first = world.verdict()
    assert world.known() == first == world.verdict() and world.looks == ["open", "qemu"]
    world.ran = Tried("limit")
    assert world.verdict().verdict == "kvm"
    assert world.verdict(fresh=True).verdict == "tcg" == world.verdict().verdict
    assert world.looks == ["open", "qemu"] * 2


def test_nobody_looks_to_tell_what_is_known(world: World) -> None:
    assert world.known() is None and world.looks == []


def test_two_at_once_look_once(world: World) -> None:
    world.delay = 0.5
    found: list[Accelerator] = []
    both = [threading.Thread(target=lambda: found.append(world.verdict())) for _number in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert found[0] == found[1] and world.looks == ["open", "qemu"]


def _replaced_emulator(world: World) -> None:
    other = world.run / "new"
    other.write_text("two")
    assert world.emulator is not None
    other.replace(world.emulator)


@pytest.mark.parametrize(
    "change",
    [
        _replaced_emulator,
        lambda world: setattr(world, "emulator", None),
        # The permission that a "no" was about has been given.
        lambda world: setattr(world, "machine", replace(BARE, device=replace(DEVICE, mode=0o666))),
        lambda world: setattr(world, "machine", replace(BARE, device=replace(DEVICE, gid=0))),
        lambda world: setattr(world, "machine", replace(BARE, device=replace(DEVICE, number=0))),
        lambda world: setattr(world, "machine", replace(BARE, device=None)),
        lambda world: setattr(world, "machine", replace(BARE, modules=frozenset())),
        lambda world: setattr(world, "user", replace(USER, gids=USER.gids | {9})),
        lambda world: setattr(world, "user", replace(USER, uid=0)),
        lambda world: setattr(world, "user", None),
    ],
)
def test_whatever_could_change_it_makes_it_void(change: Any, world: World) -> None:
    world.verdict()
    change(world)
    assert world.known() is None
    world.verdict()
    assert len(world.looks) >= 3 or world.machine.device is None


def test_another_boot_makes_it_void(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = tmp_path / "boot_id"
    boot.write_text("one\n")
    monkeypatch.setattr(kept, "_BOOT", boot)
    world.verdict()
    assert world.known() is not None
    boot.write_text("two\n")
    assert world.known() is None


def _edited(**values: Any) -> Any:
    def edit(file: Path) -> None:
        found = json.loads(file.read_text())
        found["verdict"].update(values)
        file.write_text(json.dumps(found))

    return edit


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_text("{"),
        lambda file: file.write_text(""),
        lambda file: file.write_text("[]"),
        lambda file: file.write_text('{"key": null}'),
        lambda file: file.write_bytes(b"\xff\xfe" * 10),
        _edited(verdict="xen"),
        _edited(unknown=1),
        # Somebody else may have written what others may write to.
        lambda file: file.chmod(0o666),
        lambda file: (file.rename(f"{file}.real"), file.symlink_to(f"{file}.real")),
        lambda file: (file.unlink(), os.mkfifo(file)),
        lambda file: (file.unlink(), file.mkdir()),
    ],
)
def test_a_damaged_or_foreign_file_counts_for_nothing(damage: Any, world: World) -> None:
    world.verdict()
    damage(world.run / kept.NAME)
    assert world.known() is None


def test_the_file_of_another_user_counts_for_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.verdict()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert world.known() is None


def test_a_fleeting_answer_replaces_a_kept_one(world: World) -> None:
    world.verdict()
    world.asked = Tried("vm", errno.EBUSY)
    assert not world.verdict(fresh=True).kept
    assert world.known() is None


def test_without_a_place_to_keep_it_the_answer_is_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(_name: str) -> Path:
        raise HostError("could not make directory /run/virtfleet: Read-only file system")

    monkeypatch.setattr(probe, "run_directory", nowhere)
    assert shown(world.verdict()) == ("kvm", "hardware", False)
    assert world.known() is None


@pytest.mark.parametrize(
    ("said", "seen", "verdict"),
    [("kvm", BARE, ("kvm", "hardware")), ("kvm", GUEST, ("kvm", "nested")), ("tcg", BARE, ("tcg", "emulation"))],
)
def test_whoever_knows_better_is_believed(
    said: str, seen: Machine, verdict: tuple[str, str], world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.machine = seen
    monkeypatch.setenv(probe.OVERRIDE, said)
    found = world.verdict()
    assert (found.verdict, found.kind) == verdict and found == world.known()
    assert world.looks == [] and not found.kept
    monkeypatch.setenv(probe.OVERRIDE, "yes")
    with pytest.raises(SpecError, match="VIRTFLEET_ACCELERATOR: 'yes' is not kvm or tcg"):
        world.verdict()
