#!/usr/bin/env bash
# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Run by bash as the first process of a bare host's namespaces: bare_host.sh ROOT FOLDER... (shown inside as they are).

set -euo pipefail
root=$1
shift
ip link set lo up
hostname bare
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm dev/net
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mknod -m 666 dev/net/tun c 10 200
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for folder; do
    mkdir -p "$root$folder"
    mount --bind -o ro "$folder" "$root$folder"
done
# slirp4netns answers names there.
rm -f etc/resolv.conf
echo nameserver 10.0.2.3 >etc/resolv.conf
mkdir .old
pivot_root . .old
umount -l /.old
rmdir /.old
# The first process must collect those whose parent has ended: libvirt waits for its own until they are gone.
exec bash -c 'while :; do sleep 1000 & wait; done'
