#!/bin/sh
# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Run a command with a /dev of its own: `unshare --mount --propagation private sh own-dev.sh COMMAND [ARGUMENT...]`.
#
# A root that is being installed as root may mount, link and unlink below /dev, and the kernel has one devtmpfs for all
# mount namespaces: a slip there changes the machine's own device nodes.

set -eu
mount -t tmpfs -o mode=0755 tmpfs /dev
node() {
    mknod "/dev/$1" c "$2" "$3"
    chmod 0666 "/dev/$1"
}
node null 1 3
node zero 1 5
node full 1 7
node random 1 8
node urandom 1 9
node tty 5 0
node console 5 1
node ptmx 5 2
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
mkdir /dev/pts
mount -t devpts -o newinstance,mode=0620,ptmxmode=0666 devpts /dev/pts
mkdir -m 1777 /dev/shm
exec "$@"
