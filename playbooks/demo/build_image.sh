#!/usr/bin/env bash
# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Make the disk image of the demo's guest: build_image.sh TARGET.qcow2
#
# It is a small Linux of the distribution's own packages (kernel, busybox-static, qemu-guest-agent), with GRUB for a
# BIOS, in one ext4 partition. The packages are fetched with apt-get and unpacked, not installed. No loop device and no
# mount is needed. TARGET and beside it TARGET.kernel appear when they are whole.

set -euo pipefail
umask 022
target=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() {
    echo "could not make the demo's image: $*" >&2
    exit 1
}

# The system's own name decides which kernel package is for virtual machines.
id=$(. /etc/os-release && echo "$ID")
[ "$(dpkg --print-architecture)" = amd64 ] ||
    fail "it is made on x86-64 machines only; name an image of your own with DEMO_IMAGE=path-or-URL"
case $id in
    debian) meta=linux-image-cloud-amd64 ;;
    ubuntu) meta=linux-image-virtual ;;
    *) fail "this system is $id, not Debian or Ubuntu; name an image of your own with DEMO_IMAGE=path-or-URL" ;;
esac
for program in depmod cpio mke2fs qemu-img; do
    command -v "$program" >/dev/null || PATH=$PATH:/usr/sbin:/sbin command -v "$program" >/dev/null ||
        fail "$program is not installed"
done
PATH=$PATH:/usr/sbin:/sbin

# The first of these files that is there.
one_of() {
    local file
    for file; do
        [ ! -f "$file" ] || { echo "$file"; return; }
    done
    fail "the packages hold none of $*"
}

depends() { apt-cache depends --important "$1" | awk '$1 == "Depends:" { print $2 }'; }

[ -n "$(depends "$meta")" ] || apt-get -q update
image=$(depends "$meta" | grep '^linux-image-' | head -n 1) || fail "apt knows no $meta; check the apt sources"
# Ubuntu has the drivers in a package of their own.
mapfile -t modules < <(depends "$image" | grep '^linux-modules-' | head -n 1)

echo "fetching $image and the parts of the guest"
mkdir "$work/debs" "$work/parts"
(cd "$work/debs" && apt-get -q download "$image" "${modules[@]}" busybox-static qemu-guest-agent grub-pc-bin grub-common) \
    >"$work/log" 2>&1 || fail "apt-get download said: $(tail -n 3 "$work/log")"
for deb in "$work"/debs/*.deb; do dpkg-deb --extract "$deb" "$work/parts"; done
parts=$work/parts
vmlinuz=$(one_of "$parts"/boot/vmlinuz-*)
release=${vmlinuz##*/vmlinuz-}
# Where /usr is merged into the packages, depmod still looks below /lib.
[ -d "$parts/lib/modules/$release" ] || { mkdir -p "$parts/lib" && ln -s ../usr/lib/modules "$parts/lib/modules"; }
depmod -b "$parts" "$release"

# The drivers, with all that they need, uncompressed for busybox: $1 is the tree they go to, the rest their names.
drivers() {
    local root=$1 name path plain
    shift
    mkdir -p "$root/lib/modules/$release"
    for name; do
        awk -v name="$name" '{ file = $1; sub(/.*\//, "", file); sub(/\.ko.*/, "", file); gsub(/-/, "_", file) }
            file == name { sub(/:/, ""); print; exit }' "$parts/lib/modules/$release/modules.dep"
    done | tr ' ' '\n' | sort -u | while read -r path; do
        [ -n "$path" ] || continue
        plain=${path##*/}
        plain=$root/lib/modules/$release/${plain%%.ko*}.ko
        case $path in
            *.xz) xz -dc "$parts/lib/modules/$release/$path" >"$plain" ;;
            *.zst) zstd -dcq "$parts/lib/modules/$release/$path" >"$plain" ;;
            *) cp "$parts/lib/modules/$release/$path" "$plain" ;;
        esac
    done
    cp "$parts/lib/modules/$release"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$release/"
    depmod -b "$root" "$release"
}

# What both trees begin with.
tree() {
    local applet
    mkdir -p "$1"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,run,tmp,root,etc,lib,var}
    cp "$(one_of "$parts/bin/busybox" "$parts/usr/bin/busybox")" "$1/bin/busybox"
    for applet in $("$1/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$1/bin/$applet"
    done
}

echo "making the initial RAM disk for Linux $release"
ram=$work/ram
tree "$ram"
install -m 755 "$here/guest/init" "$ram/init"
first=(virtio_pci virtio_blk virtio_scsi sd_mod ahci ext4)
drivers "$ram" "${first[@]}" crc32c_generic crc32c_cryptoapi
echo "${first[*]}" >"$ram/lib/modules/first"

echo "making the guest's system"
root=$work/root
tree "$root"
ln -s ../run "$root/var/run"
ln -s /bin/init "$root/sbin/init"
mkdir -p "$root"/etc/{init.d,acpi/PWRF} "$root/boot" "$root/mnt"
chmod 700 "$root/root"
then=(virtio_pci virtio_net virtio_console virtio_balloon virtio_rng e1000 af_packet evdev button)
drivers "$root" "${then[@]}"
echo "${then[*]}" >"$root/lib/modules/then"
agent=$(one_of "$parts/usr/sbin/qemu-ga" "$parts/usr/bin/qemu-ga")
cp "$agent" "$root/usr/sbin/qemu-ga"
ldd "$agent" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*\).*/\1/p' | while read -r library; do
    install -D "$(readlink -f "$library")" "$root$library"
done
if ldd "$agent" | grep -q 'not found'; then
    fail "this machine lacks libraries of qemu-ga: $(ldd "$agent" | grep 'not found' | tr -s '[:space:]' ' ')"
fi
install -m 755 "$here/guest/rcS" "$root/etc/init.d/rcS"
install -m 755 "$here/guest/udhcpc" "$root/etc/udhcpc"
install -m 755 "$here/guest/shutdown" "$root/sbin/shutdown"
printf '#!/bin/sh\nexec poweroff\n' >"$root/etc/acpi/PWRF/00000080"
chmod 755 "$root/etc/acpi/PWRF/00000080"
cat >"$root/etc/inittab" <<'END'
::sysinit:/etc/init.d/rcS
ttyS0::askfirst:-/bin/sh
::ctrlaltdel:/bin/reboot
::shutdown:/bin/umount -a -r
END
echo demo >"$root/etc/hostname"
echo 'root::0:0:root:/root:/bin/sh' >"$root/etc/passwd"
echo 'root:x:0:' >"$root/etc/group"
printf '127.0.0.1 localhost demo\n' >"$root/etc/hosts"
printf 'NAME="virtfleet demo"\nID=virtfleet-demo\nVERSION_ID="1"\nPRETTY_NAME="virtfleet demo (Linux %s)"\n' "$release" \
    >"$root/etc/os-release"
cp "$vmlinuz" "$root/boot/vmlinuz"
(cd "$ram" && find . -print0 | sort -z | cpio --null -o -H newc -R 0:0 --quiet) | gzip -9n >"$root/boot/initrd"

echo "making the disk with GRUB"
grub=$parts/usr/lib/grub/i386-pc
cat >"$work/grub.cfg" <<'END'
linux (hd0,msdos1)/boot/vmlinuz console=ttyS0 quiet panic=10
initrd (hd0,msdos1)/boot/initrd
boot
END
"$parts/usr/bin/grub-mkimage" -d "$grub" -O i386-pc -p '(hd0,msdos1)/boot' -c "$work/grub.cfg" -o "$work/core.img" \
    biosdisk part_msdos ext2 linux minicmd
disk=$work/disk.raw
size_mib=256 first_sector=2048
truncate -s "${size_mib}M" "$disk"
sectors=$((size_mib * 2048 - first_sector))
# Only what every GRUB reads: e2fsprogs turns on more with each version.
mke2fs -q -F -t ext4 -O none,has_journal,extent,filetype,dir_index,sparse_super,large_file -L virtfleet-demo -m 0 \
    -E "offset=$((first_sector * 512)),root_owner=0:0" -d "$root" "$disk" "$((sectors / 2))k"
# An MBR: GRUB's first 440 bytes, one active Linux partition, and GRUB's core behind it.
little() {
    printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}
{
    head -c 440 "$grub/boot.img"
    printf '\0\0\0\0\0\0\x80\xfe\xff\xff\x83\xfe\xff\xff'
    printf '%b' "$(little "$first_sector")$(little "$sectors")"
    head -c 48 /dev/zero
    printf '\x55\xaa'
    cat "$work/core.img"
} >"$work/boot"
[ "$(stat -c %s "$work/boot")" -le $((first_sector * 512)) ] || fail "GRUB does not fit before the partition"
dd if="$work/boot" of="$disk" conv=notrunc status=none
qemu-img convert -O qcow2 "$disk" "$work/disk.qcow2"
cp "$vmlinuz" "$work/kernel"
sync "$work/disk.qcow2" "$work/kernel"
mv "$work/kernel" "$target.kernel"
mv "$work/disk.qcow2" "$target"
echo "made $target: $(stat -c %s "$target") bytes"
