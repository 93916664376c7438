# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The test guests: that the bytes are what the listing says, and that they run, where there is a QEMU to run them."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._accelerator import arm, kvm, limited, payload, qemu
from ansible_collections.virtfleet.core.plugins.module_utils._accelerator.assemble import assemble, read

_MODES = {16: "i8086", 32: "i386", 64: "x86-64"}
# Beside the emulator of the tests' own architecture only; the others are tried where they are installed.
_EMULATORS = {arch: shutil.which(f"qemu-system-{arch}") for arch in qemu.TARGETS}


def disassembled(code: bytes, bits: int, folder: Path) -> dict[int, str]:
    """Return the mnemonic at each offset, as objdump reads the bytes."""
    file = folder / "code"
    file.write_bytes(code)
    program = shutil.which("objdump")
    if program is None:
        pytest.skip("objdump (package binutils) is not installed")
    words = [program, "-D", "-z", "-w", "-b", "binary", "-m", "i386", "-M", f"intel,{_MODES[bits]}", str(file)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^\s*([0-9a-f]+):\t(?:[0-9a-f]{2} )+\s*\t(?:rep )?(?:[ecs]s )?(\w+)", said, re.MULTILINE)
    return {int(offset, 16): mnemonic for offset, mnemonic in found}


@pytest.mark.parametrize("bits", _MODES)
def test_the_bytes_are_the_instructions_beside_them(bits: int, tmp_path: Path) -> None:
    code = assemble(payload.CODE, payload.ADDRESS)
    lines = [line for line in read(payload.CODE)[0] if line.bits == bits]
    start, end = lines[0].offset, lines[-1].end
    found = disassembled(code[start:end], bits, tmp_path)
    listed = {line.offset - start: re.sub(r"^rep ", "", line.instruction).split()[0] for line in lines}
    assert found == listed


def test_each_immediate_stands_in_its_bytes() -> None:
    """What the listing calls 0x17ff0 must be those bytes: a slip of the pen is a guest that never starts."""
    for line in read(payload.CODE)[0]:
        raw = [int(word, 16) for word in line.words if re.fullmatch("[0-9a-f]{2}", word)]
        for text in re.findall(r"0x[0-9a-f]{3,}|\b\d{5,}\b", line.instruction):
            value = int(text, 0)
            inside = [
                raw[at : at + size] == list(value.to_bytes(size, "little"))
                for size in (2, 4, 8)
                if value < 1 << 8 * size
                for at in range(len(raw))
            ]
            assert any(inside), line


def test_the_listing_and_the_tables_have_the_same_places() -> None:
    rom = payload.rom()
    assert len(rom) == payload.SIZE and rom[-16:-13] == b"\xe9\x0d\x00"
    tables = rom[0x1000:0x9000]
    assert struct.unpack_from("<HQ", tables, 0x7FF0) == (0xFFF, 0x16000)
    limit, place = struct.unpack_from("<HQ", tables, 0x7FE0)
    assert (limit, place) == (71, 0x17000)
    # The pointer in the code leads to the same table within the ROM.
    at = read(payload.CODE)[1]["first_gdt"]
    assert struct.unpack_from("<HI", rom, at) == (0xFF, payload.ADDRESS + 0x1000 + 0x7000)
    assert len(assemble(payload.CODE, payload.ADDRESS)) <= 0x1000


def test_every_letter_is_said_once_and_in_order() -> None:
    said = [line.instruction[9] for line in read(payload.CODE)[0] if re.fullmatch("mov al, '.'", line.instruction)]
    assert said == list(payload.STEPS)
    assert re.findall(r"\| (\w)$", arm.CODE, re.MULTILINE) == list(arm.STEPS)


@pytest.mark.parametrize("arch", qemu.TARGETS)
def test_it_runs_by_emulation(arch: str, tmp_path: Path) -> None:
    emulator = _EMULATORS[arch]
    if emulator is None:
        pytest.skip(f"qemu-system-{arch} is not installed")
    target = qemu.TARGETS[arch]
    file = tmp_path / "guest"
    file.write_bytes(target.image())
    found = qemu._once(emulator, target, file, "tcg", 60)
    assert (found.failed, found.said, found.reached) == ("", "", list(target.steps.values())[-1])


@pytest.mark.parametrize(
    ("instruction", "words", "reached"),
    [
        # A result that is not what it should be: 3.0 and 3.0 are 5.0.
        ("cmp eax, 0x40c00000", "3d 00 00 a0 40", "CPUID and EFER"),
        # The timer's vector has no handler of its own.
        ("mov [rdi+0x320], 0x20040", "c7 87 20 03 00 00 41 00 02 00", "a system call from user mode"),
        # A page that is not where the table leads.
        ("mov [0x14000], 0x2000e7", "c7 04 25 00 40 01 00 e7 00 40 00", "a page fault"),
    ],
)
def test_what_goes_wrong_inside_is_seen(
    instruction: str, words: str, reached: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest that is told a lie stops where it notices it."""
    emulator = _EMULATORS["x86_64"]
    if emulator is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    (line,) = [line for line in payload.CODE.splitlines() if f"| {instruction} " in line + " "]
    monkeypatch.setattr(payload, "CODE", payload.CODE.replace(line, f"{words} | {instruction}"))
    file = tmp_path / "guest"
    file.write_bytes(payload.rom())
    found = qemu._once(emulator, qemu.TARGETS["x86_64"], file, "tcg", 60)
    assert (found.failed, found.reached) == ("guest", reached)
    assert found.said in ("QEMU ended with code 3", "QEMU ended with code 5")


def test_a_guest_that_hangs_is_ended(tmp_path: Path) -> None:
    emulator = _EMULATORS["x86_64"]
    if emulator is None:
        pytest.skip("qemu-system-x86_64 is not installed")
    file = tmp_path / "guest"
    # A jump to itself where the processor begins.
    file.write_bytes(payload.rom()[:-16] + b"\xeb\xfe".ljust(16, b"\0"))
    found = qemu._once(emulator, qemu.TARGETS["x86_64"], file, "tcg", 1)
    assert (found.failed, found.reached) == ("limit", "")


@pytest.mark.parametrize(
    ("seconds", "failed"),
    [
        ([4.0, 1.0], ""),
        ([6.0, 1.0, 2.0], ""),
        ([6.0, 1.0, 5.5], "slow"),
    ],
)
def test_slower_than_emulation_is_no_pass(
    seconds: list[float], failed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run(argv: list[str], limit: float) -> limited.Ran:
        asked.append(argv[2])
        return limited.Ran(99, "".join(payload.STEPS), "", seconds[len(asked) - 1])

    monkeypatch.setattr(limited, "run", run)
    found = qemu.tried("qemu", "x86_64", tmp_path, 10)
    assert found.failed == failed
    assert asked == ["kvm", "tcg", "kvm"][: len(seconds)]


def test_without_emulation_there_is_nothing_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = limited.Ran(99, "".join(payload.STEPS), "", 9.0)
    broken = limited.Ran(1, "", "qemu-system-x86_64: could not load module for type 'tcg-accel-ops'", 0.1)
    monkeypatch.setattr(limited, "run", lambda argv, limit: ran if argv[2] == "kvm" else broken)
    assert qemu.tried("qemu", "x86_64", tmp_path, 10).ok


@pytest.mark.parametrize(
    ("ran", "failed", "said"),
    [
        (limited.Ran(None, "ple", "", 10.0), "limit", ""),
        (
            limited.Ran(-6, "", "qemu-system-x86_64: warning: old\nqemu-system-x86_64: kvm.c:1: failed.\n", 0.1),
            "guest",
            "kvm.c:1: failed",
        ),
        (limited.Ran(0, "ples", "", 0.1), "guest", "QEMU ended with code 0"),
        # It must have said everything, not only have ended well.
        (limited.Ran(99, "plec", "", 0.1), "guest", "QEMU ended with code 99"),
        (limited.Ran(99, "plesrfmutc", "", 0.1), "", ""),
    ],
)
def test_how_qemu_ends(ran: limited.Ran, failed: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limited, "run", lambda argv, limit: ran)
    found = qemu._once("qemu", qemu.TARGETS["x86_64"], Path("/rom"), "kvm", 10)
    assert (found.failed, found.said) == (failed, said)


@pytest.mark.parametrize(
    ("ran", "failed", "reached", "said"),
    [
        (
            limited.Ran(0, '{"failed": "open", "errno": 13, "said": "Permission denied"}\n', "", 0.1),
            "open",
            "",
            "Permission denied",
        ),
        (limited.Ran(None, '{"did": "vcpu"}\n{"step": "p"}\n{"st', "", 10.0), "limit", "protected mode", ""),
        (limited.Ran(0, '{"did": "vcpu"}\n{"step": "c"}\n{"ended": 49}\n', "", 0.1), "", payload.STEPS["c"], ""),
        (
            limited.Ran(0, '{"step": "s"}\n{"ended": 1}\n', "", 0.1),
            "guest",
            "SSE",
            "it found a wrong result, or an exception came that had no cause",
        ),
        (limited.Ran(1, "", "Traceback\nImportError: no fcntl\n", 0.1), "start", "", "ImportError: no fcntl"),
        (limited.Ran(-11, '{"did": "vm"}\n', "", 0.1), "start", "", "the program that asks ended with code -11"),
    ],
)
def test_how_kvm_answers(
    ran: limited.Ran, failed: str, reached: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limited, "run", lambda argv, limit: ran)
    found = kvm.tried(True, 10)
    assert (found.failed, found.reached, found.said) == (failed, reached, said)


def test_a_program_is_ended_at_its_limit_and_what_it_said_is_kept() -> None:
    ran = limited.run(["/bin/sh", "-c", "echo here; exec sleep 60"], 0.5)
    assert (ran.code, ran.output) == (None, "here\n")
    assert 0.5 <= ran.seconds < 20


def test_a_program_leaves_no_core_dump(tmp_path: Path) -> None:
    assert limited.run(["/bin/sh", "-c", "ulimit -c"], 10).output == "0\n"
    assert limited.run([str(shutil.which("sh")), "-c", "kill -ABRT $$"], 10).code == -6


def test_a_version_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    said = limited.Ran(0, "QEMU emulator version 8.2.2 (Debian 1:8.2.2+ds-0ubuntu1.16)\nCopyright\n", "", 0.1)
    monkeypatch.setattr(limited, "run", lambda argv, limit: said)
    assert qemu.version("qemu", 1) == "8.2.2"
    monkeypatch.setattr(limited, "run", lambda argv, limit: replace(said, output=""))
    assert qemu.version("qemu", 1) is None
