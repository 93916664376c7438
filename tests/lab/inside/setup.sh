#!/bin/sh
# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Runs as the first process of a lab host, already inside its new namespaces, and stays as `sleep` to hold them.
# Everything mounted here is private to the mount namespace, so it vanishes with the host's last process.
#
#   setup.sh HOME NAME TOKEN KVM      KVM: hide | keep
#
# Its standard output is read until it closes; the last line says "ready".

set -eu
home=$1 name=$2 token=$3 kvm=$4

hostname "$name"

# The source of this mount names the host: a process whose mountinfo shows it belongs to the host.
mount -t tmpfs -o size=64k,mode=0755 "$token" "$home/inside"

# sysfs shows the network devices of the namespace in which it was mounted: libvirt writes to
# /sys/class/net/virbr0/bridge/*. The cgroup mounts hide below the new /sys and are made again.
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
if [ -s "$home/cgroup.mounts" ]; then
    mount -t tmpfs -o mode=0755 tmpfs /sys/fs/cgroup
    while read -r point type options; do
        mkdir -p "$point"
        if [ "$type" = cgroup2 ]; then
            mount -t cgroup2 cgroup2 "$point"
            # A cgroup with processes of its own cannot hand controllers down, so the daemons get a leaf.
            mkdir -p "$point/daemons"
            echo $$ > "$point/daemons/cgroup.procs"
            read -r controllers < "$point/cgroup.controllers" || true
            for controller in $controllers; do
                echo "+$controller" > "$point/cgroup.subtree_control" 2> /dev/null || true
            done
            echo "$point/daemons/cgroup.procs" >> "$home/cgroup.join"
        else
            mount -t cgroup -o "$options" cgroup "$point"
            echo "$point/cgroup.procs" >> "$home/cgroup.join"
        fi
    done < "$home/cgroup.mounts"
fi

# Others' namespaces that are kept by a mount here would live as long as this host.
umount -R -l /run/netns 2> /dev/null || true

# A /run of its own hides the machine's D-Bus, and with it machined and firewalld, which would act on the machine.
for keep in udev systemd/resolve; do
    if [ -d "/run/$keep" ]; then
        mkdir -p "$home/run/$keep"
        mount --bind "/run/$keep" "$home/run/$keep"
    fi
done
mount --rbind "$home/run" /run

bind() {
    mkdir -p "$2"
    mount --bind "$home/$1" "$2"
}
bind etc /etc/libvirt
bind lib /var/lib/libvirt
bind log /var/log/libvirt
bind cache /var/cache/libvirt
if [ -d /var/lib/swtpm-localca ]; then
    bind swtpm-localca /var/lib/swtpm-localca
fi
# /var/run and /var/lock are links into /run on every supported system, so they need nothing.

if [ "$kvm" = hide ] && [ -e /dev/kvm ]; then
    # A node without a driver. It must be closed to QEMU's user: libvirt thinks its cached capabilities stale, and
    # asks each QEMU again at each look, while /dev/kvm may be opened and yet gives no KVM.
    mknod -m 0600 "$home/inside/kvm" c 0 0
    mount --bind "$home/inside/kvm" /dev/kvm
fi

ip link set lo up
echo $$ > "$home/holder.pid"
echo ready
# Whoever reads this script's output waits for the last one to close it.
exec > /dev/null 2>&1
exec sleep infinity
