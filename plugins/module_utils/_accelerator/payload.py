# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smallest guest that tells a working KVM from one that only says so, for x86-64.

It does what a kernel does and a boot sector does not: after each step it writes a letter to port 0xe9, and in the end
0x31 to port 0xf4. On hosts whose KVM was seen not to work, a guest got through real and protected mode by KVM's own
emulator of instructions, about a million a second; there a kernel seems to hang for ever. Such a KVM fails here at once
at SSE, which its emulator has not, or at the first interrupt, or in the loop by time.

It is a ROM of 64 KiB that ends at 4 GiB, where every x86 processor begins (Intel's manual, volume 3, section 10.1.4;
AMD's, volume 2, section 14.1.5), so it needs no firmware, and QEMU and a bare KVM run the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from .assemble import assemble, read

ADDRESS = 0xFFFF0000
SIZE = 0x10000
# Memory that it needs, from address 0 on.
RAM_BYTES = 4 << 20

SAY_PORT = 0xE9
END_PORT = 0xF4
PASSED = 0x31

# What the letters say. The order is that of the steps.
STEPS = {
    "p": "protected mode",
    "l": "64-bit mode with paging",
    "e": "CPUID and EFER",
    "s": "SSE",
    "r": "the ring and the interrupt flag",
    "f": "a page fault",
    "m": "a change of the page tables",
    "u": "a system call from user mode",
    "t": "timer interrupts",
    "c": "a loop of 60 million instructions",
}

# Where the tables stand in the ROM, and in memory; the listing names the same places.
_ROM_TABLES = 0x1000
_TABLES, _IDT, _GDT, _TASK = 0x10000, 0x16000, 0x17000, 0x17100
_KERNEL_STACK = 0x20000
_RESET = SIZE - 16
_CODE64 = 0x18
_PAGE_FAULT, _TIMER_VECTOR = 14, 0x40

CODE = """
.16
start:
  fa                              | cli                        | nobody handles an interrupt yet
  b0 ff                           | mov al, 0xff               | mask all lines of both interrupt controllers:
  e6 21                           | out 0x21, al               | only the local APIC's timer is to be heard
  e6 a1                           | out 0xa1, al
  66 2e 0f 01 16 @first_gdt       | lgdtd cs:[first_gdt]
  0f 20 c0                        | mov eax, cr0
  0c 01                           | or al, 1                   | PE
  0f 22 c0                        | mov cr0, eax
  66 ea =protected 08 00          | jmp 0x08:protected
.32
protected:
  66 b8 10 00                     | mov ax, 0x10
  8e d8                           | mov ds, eax
  8e c0                           | mov es, eax
  8e d0                           | mov ss, eax
  b0 'p'                          | mov al, 'p'
  e6 e9                           | out 0xe9, al
  fc                              | cld
  be 00 10 ff ff                  | mov esi, 0xffff1000        | the tables, from the ROM
  bf 00 00 01 00                  | mov edi, 0x10000           | to memory, where the processor may mark them as used
  b9 00 20 00 00                  | mov ecx, 0x2000
  f3 a5                           | rep movs
  0f 01 15 e0 7f 01 00            | lgdtd [0x17fe0]
  b8 20 06 00 00                  | mov eax, 0x620             | PAE, and SSE for everybody (OSFXSR, OSXMMEXCPT)
  0f 22 e0                        | mov cr4, eax
  b8 00 00 01 00                  | mov eax, 0x10000
  0f 22 d8                        | mov cr3, eax
  b9 80 00 00 c0                  | mov ecx, 0xc0000080        | EFER
  0f 32                           | rdmsr
  0d 01 01 00 00                  | or eax, 0x101              | LME, and SCE for system calls
  0f 30                           | wrmsr
  0f 20 c0                        | mov eax, cr0
  25 fb ff ff 9f                  | and eax, 0x9ffffffb        | not EM, with caches
  0d 02 00 00 80                  | or eax, 0x80000002         | PG, MP
  0f 22 c0                        | mov cr0, eax
  ea =long 18 00                  | jmp 0x18:long
.64
long:
  bc 00 00 02 00                  | mov esp, 0x20000
  0f 01 1c 25 f0 7f 01 00         | lidt [0x17ff0]
  b0 38                           | mov al, 0x38
  0f 00 d8                        | ltr eax
  b0 'l'                          | mov al, 'l'
  e6 e9                           | out 0xe9, al

  b8 01 00 00 80                  | mov eax, 0x80000001
  0f a2                           | cpuid
  0f ba e2 1d                     | bt edx, 29                 | the processor must say that it knows this mode
  0f 83 <<wrong                   | jae wrong
  b9 80 00 00 c0                  | mov ecx, 0xc0000080
  0f 32                           | rdmsr
  f6 c4 04                        | test ah, 4                 | LMA: and that it is in it
  0f 84 <<wrong                   | je wrong
  b0 'e'                          | mov al, 'e'
  e6 e9                           | out 0xe9, al

  b8 00 00 40 40                  | mov eax, 0x40400000        | 3.0
  66 0f 6e c0                     | movd xmm0, eax
  f3 0f 58 c0                     | addss xmm0, xmm0
  66 0f 7e c0                     | movd eax, xmm0
  3d 00 00 c0 40                  | cmp eax, 0x40c00000        | 6.0
  0f 85 <<wrong                   | jne wrong
  b0 's'                          | mov al, 's'
  e6 e9                           | out 0xe9, al

  8c c8                           | mov eax, cs
  83 f8 18                        | cmp eax, 0x18              | ring 0 must look like ring 0
  0f 85 <<wrong                   | jne wrong
  9c                              | pushf
  58                              | pop rax
  f6 c4 02                        | test ah, 2                 | interrupts are off
  0f 85 <<wrong                   | jne wrong
  fb                              | sti
  9c                              | pushf
  fa                              | cli
  58                              | pop rax
  f6 c4 02                        | test ah, 2                 | and were on
  0f 84 <<wrong                   | je wrong
  b0 'r'                          | mov al, 'r'
  e6 e9                           | out 0xe9, al

  31 db                           | xor ebx, ebx
  ba 01 00 00 00                  | mov edx, 1
  48 c1 e2 28                     | shl rdx, 40                | an address of which no table knows
  48 8b 02                        | mov rax, [rdx]
  83 fb 01                        | cmp ebx, 1                 | the handler was there
  0f 85 <<wrong                   | jne wrong
  b0 'f'                          | mov al, 'f'
  e6 e9                           | out 0xe9, al

  c7 04 25 00 00 04 00 01 00 00 00  | mov [0x40000], 1
  c7 04 25 00 00 24 00 02 00 00 00  | mov [0x240000], 2
  ba 00 00 04 80                  | mov edx, 0x80040000        | the page at 2 GiB leads to address 0
  83 3a 01                        | cmp [rdx], 1
  0f 85 <<wrong                   | jne wrong
  c7 04 25 00 40 01 00 e7 00 20 00  | mov [0x14000], 0x2000e7  | now to 2 MiB
  0f 01 3a                        | invlpg [rdx]
  83 3a 02                        | cmp [rdx], 2
  0f 85 <<wrong                   | jne wrong
  c7 04 25 00 40 01 00 e7 00 00 00  | mov [0x14000], 0xe7      | and back
  0f 20 d8                        | mov rax, cr3
  0f 22 d8                        | mov cr3, rax
  83 3a 01                        | cmp [rdx], 1
  0f 85 <<wrong                   | jne wrong
  b0 'm'                          | mov al, 'm'
  e6 e9                           | out 0xe9, al

  b9 81 00 00 c0                  | mov ecx, 0xc0000081        | STAR: selectors of system calls, and back
  31 c0                           | xor eax, eax
  ba 18 00 20 00                  | mov edx, 0x200018
  0f 30                           | wrmsr
  ff c1                           | inc ecx                    | LSTAR: where they lead
  48 8d 05 <<called               | lea rax, [called]
  48 89 c2                        | mov rdx, rax
  48 c1 ea 20                     | shr rdx, 32
  0f 30                           | wrmsr
  b9 84 00 00 c0                  | mov ecx, 0xc0000084        | FMASK: without interrupts
  b8 00 02 00 00                  | mov eax, 0x200
  31 d2                           | xor edx, edx
  0f 30                           | wrmsr
  31 db                           | xor ebx, ebx
  bf 00 00 e0 fe                  | mov edi, 0xfee00000        | the local APIC
  c7 87 f0 00 00 00 ff 01 00 00   | mov [rdi+0xf0], 0x1ff      | on
  c7 87 e0 03 00 00 0b 00 00 00   | mov [rdi+0x3e0], 0xb       | its timer at full speed,
  c7 87 20 03 00 00 40 00 02 00   | mov [rdi+0x320], 0x20040   | again and again by vector 0x40,
  c7 87 80 03 00 00 40 42 0f 00   | mov [rdi+0x380], 0xf4240   | every million ticks
  6a 2b                           | push 0x2b                  | to user mode: its stack,
  68 00 00 03 00                  | push 0x30000
  68 02 02 00 00                  | push 0x202                 | interrupts on,
  6a 33                           | push 0x33
  48 8d 05 <<user                 | lea rax, [user]            | and code
  50                              | push rax
  48 cf                           | iretq
user:
  8c c8                           | mov eax, cs
  83 f8 33                        | cmp eax, 0x33
  75 <illegal                     | jne illegal
  b0 01                           | mov al, 1
  0f 05                           | syscall
waiting:
  83 fb 03                        | cmp ebx, 3                 | three ticks, each of which interrupts this loop
  72 <waiting                     | jb waiting
  b0 02                           | mov al, 2
  0f 05                           | syscall
illegal:
  0f 0b                           | ud2
called:
  3c 02                           | cmp al, 2
  74 <back                        | je back
  b0 'u'                          | mov al, 'u'
  e6 e9                           | out 0xe9, al
  48 0f 07                        | sysretq
back:
  bc 00 00 02 00                  | mov esp, 0x20000
  c7 87 80 03 00 00 00 00 00 00   | mov [rdi+0x380], 0         | the timer off
  b0 't'                          | mov al, 't'
  e6 e9                           | out 0xe9, al

  31 c0                           | xor eax, eax
  b9 00 2d 31 01                  | mov ecx, 20000000
count:
  48 01 c8                        | add rax, rcx
  ff c9                           | dec ecx
  75 <count                       | jne count
  48 ba 80 16 8d 21 e6 b5 00 00   | movabs rdx, 200000010000000
  48 39 d0                        | cmp rax, rdx               | half of n times n + 1
  75 <wrong                       | jne wrong
  b0 'c'                          | mov al, 'c'
  e6 e9                           | out 0xe9, al
  b0 31                           | mov al, 0x31
  eb <say                         | jmp say
wrong:
  b0 01                           | mov al, 1
  eb <say                         | jmp say
trap:
  b0 02                           | mov al, 2                  | an exception that nobody expected
say:
  e6 f4                           | out 0xf4, al
halt:
  f4                              | hlt
  eb <halt                        | jmp halt
fault:
  0f 20 d0                        | mov rax, cr2
  48 39 d0                        | cmp rax, rdx
  75 <trap                        | jne trap
  ff c3                           | inc ebx
  48 83 44 24 08 03               | add [rsp+8], 3             | go on after the load, which has three bytes
  48 83 c4 08                     | add rsp, 8                 | the error code
  48 cf                           | iretq
tick:
  ff c3                           | inc ebx
  c7 87 b0 00 00 00 00 00 00 00   | mov [rdi+0xb0], 0          | end of interrupt
  48 cf                           | iretq
.0
first_gdt:
  ff 00 00 80 ff ff               | pointer                    | the same table as below, still in the ROM
"""


def rom() -> bytes:
    """Return the ROM: code, tables, and at its end, where the processor begins, a jump to the code."""
    code = assemble(CODE, ADDRESS)
    handlers = {name: ADDRESS + offset for name, offset in read(CODE)[1].items()}
    # jmp rel16: counted from the next instruction, it goes round within the segment.
    jump = b"\xe9" + (SIZE - _RESET - 3).to_bytes(2, "little")
    return (code.ljust(_ROM_TABLES, b"\0") + _tables(handlers)).ljust(_RESET, b"\0") + jump.ljust(16, b"\0")


def _tables(handlers: Mapping[str, int]) -> bytes:
    """Return what is copied to 0x10000: page tables, and from 0x16000 on the IDT, the GDT, a task and two pointers."""
    descriptors = _gdt()
    pointers = struct.pack("<HQ", len(descriptors) - 1, _GDT).ljust(16, b"\0") + struct.pack("<HQ", 0xFFF, _IDT)
    task = struct.pack("<IQ", 0, _KERNEL_STACK).ljust(102, b"\0") + struct.pack("<H", 104)
    area = descriptors.ljust(_TASK - _GDT, b"\0") + task
    return _pages() + _idt(handlers) + area.ljust(0xFE0, b"\0") + pointers.ljust(32, b"\0")


def _pages() -> bytes:
    """Return tables that lead each address below 4 GiB to itself, by pages of 2 MiB, except that 2 GiB is 0 again."""
    used = 0x67  # present, writable, for users too, accessed, dirty: the processor has nothing to write here
    top = struct.pack("<Q", (_TABLES + 0x1000) | used).ljust(0x1000, b"\0")
    second = struct.pack("<4Q", *((_TABLES + 0x1000 * (2 + gib)) | used for gib in range(4))).ljust(0x1000, b"\0")
    large = 0x80
    places = [0 if page == 1024 else page << 21 for page in range(2048)]
    return top + second + struct.pack("<2048Q", *(place | used | large for place in places))


def _idt(handlers: Mapping[str, int]) -> bytes:
    """Return 256 interrupt gates."""
    known = {_PAGE_FAULT: handlers["fault"], _TIMER_VECTOR: handlers["tick"]}
    return b"".join(_gate(known.get(vector, handlers["trap"])) for vector in range(256))


def _gate(address: int) -> bytes:
    return struct.pack("<HHBBHII", address & 0xFFFF, _CODE64, 0, 0x8E, address >> 16 & 0xFFFF, address >> 32, 0)


def _gdt() -> bytes:
    """Return the descriptors, all marked as accessed, by their selectors."""
    return struct.pack(
        "<9Q",
        0,
        0x00CF9B000000FFFF,  # 0x08 code, 32 bits
        0x00CF93000000FFFF,  # 0x10 data
        0x00AF9B000000FFFF,  # 0x18 code, 64 bits
        0x00CF93000000FFFF,  # 0x20 data: the stack that SYSCALL takes
        0x00CFF3000000FFFF,  # 0x28 data of users
        0x00AFFB000000FFFF,  # 0x30 code of users, 64 bits
        0x0000890000000067 | (_TASK & 0xFFFFFF) << 16,  # 0x38 task, of two entries
        _TASK >> 32,
    )
