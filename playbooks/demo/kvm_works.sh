#!/bin/sh
# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Say "kvm" where a kernel really boots with KVM, else "tcg": kvm_works.sh KERNEL (else this machine's own is taken)
#
# That /dev/kvm is there and that QEMU and libvirt find it good means little on a nested machine: there, guests are
# started and never get anywhere. So this kernel is booted without a root file system. It panics, and QEMU ends; where
# KVM does not work it hangs, or QEMU aborts. The verdict holds until the next boot or the next version of QEMU.

kernel=$1
[ -r "$kernel" ] || kernel=/boot/vmlinuz-$(uname -r)
qemu=/usr/bin/qemu-system-$(uname -m)
if ! [ -w /dev/kvm ] || ! [ -x "$qemu" ]; then
    echo tcg
    exit 0
fi

seconds=10
verdict=/run/virtfleet/kvm-works
key="$(cat /proc/sys/kernel/random/boot_id) $("$qemu" --version | head -n 1)"
if [ "$(sed -n 1p "$verdict" 2>/dev/null)" = "$key" ]; then
    sed -n 2p "$verdict"
    exit 0
fi

console=$(mktemp)
said=tcg
if timeout --kill-after=2 "$seconds" "$qemu" -accel kvm -cpu host -machine q35 -m 256 -nodefaults -display none \
    -no-reboot -serial "file:$console" -kernel "$kernel" -append 'console=ttyS0 panic=-1' >/dev/null 2>&1 &&
    grep -q 'Kernel panic' "$console"; then
    said=kvm
fi
rm -f "$console"
mkdir -p "${verdict%/*}"
printf '%s\n%s\n' "$key" "$said" >"$verdict"
echo "$said"
