# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image that is made of packages holds besides the packages: its own files, links and first steps. Pure."""
from __future__ import annotations

from dataclasses import dataclass

from .bootstrap import NONE, Bootstrap
from .layout import Layout, boots_by_uefi

# The moment that every file of an image bears at the latest (2025-01-01, UTC): the same packages, the same bytes.
EPOCH = 1735689600
GROW = "/usr/lib/virtfleet/grow-root"


@dataclass(frozen=True)
class Entry:
    """One entry of the image: a file with its content, a link with its target, or a directory."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    owner: str = "root:root"
    target: str | None = None
    directory: bool = False


# A root that fills its disk is looked at and left alone: the script is run at each boot, since a disk may grow later.
_GROW_SCRIPT = """\
#!/bin/sh
# Give the root partition, and then its file system, the room that the disk has.
set -eu
root=$(findmnt -n -o SOURCE /)
root=$(readlink -f "${root%%\\[*}")
name=${root##*/}
sys=/sys/class/block/$name
if [ -e "$sys/partition" ]; then
    disk=$(basename "$(readlink -f "$sys/..")")
    end=$(($(cat "$sys/start") + $(cat "$sys/size")))
    # The last MiB is left to GPT's second table.
    if [ $(($(cat "/sys/class/block/$disk/size") - end)) -gt 4096 ]; then
        # Without its size a partition gets all that follows; without last-lba the table is fitted to the disk.
        sfdisk --dump "/dev/$disk" |
            sed -e '/^last-lba:/d' -e "s|^\\($root .*\\)size= *[0-9]*, *|\\1|" > /run/virtfleet-table
        sfdisk --quiet --no-reread --no-tell-kernel "/dev/$disk" < /run/virtfleet-table
        partx --update --nr "$(cat "$sys/partition")" "/dev/$disk"
        rm -f /run/virtfleet-table
    fi
fi
resize2fs "$root"
"""

_GROW_UNIT = f"""\
[Unit]
Description=Grow the root file system to the size of its disk
DefaultDependencies=no
After=systemd-remount-fs.service
Before=local-fs.target shutdown.target
Conflicts=shutdown.target
ConditionPathIsReadWrite=/

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={GROW}

[Install]
WantedBy=local-fs.target
"""

# One key of a kind that every ssh since 2014 knows: an RSA key takes long where no KVM is at hand.
_SSH_UNIT = """\
[Unit]
Description=Make the host keys of this machine
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
ConditionPathExists=/usr/bin/ssh-keygen
Before=ssh.service ssh.socket sshd.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -C "" -f /etc/ssh/ssh_host_ed25519_key

[Install]
WantedBy=multi-user.target
"""

# One network that waits for ever must not hold back what others can reach.
_WAIT_ONLINE = """\
[Service]
ExecStart=
ExecStart=/lib/systemd/systemd-networkd-wait-online --any
"""

# Only what a root disk can need: an initramfs with most modules takes long to read where no KVM is at hand. The hook
# puts them in without loading them; udev loads what the machine has.
_INITRAMFS_HOOK = """\
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_mmio virtio_blk virtio_scsi ahci ata_piix ata_generic sd_mod nvme xen_blkfront
manual_add_modules ext4 crc32c_generic crc32c_intel
"""


def early_entries(bootstrap: Bootstrap) -> list[Entry]:
    """Return what must be there before a kernel is installed; it is the same for all images of the same packages."""
    if bootstrap.kernel == NONE:
        return []
    return [
        # The links are moved by each new kernel's installation, and the boot configuration names them only.
        Entry("/etc/kernel-img.conf", b"do_symlinks = yes\nlink_in_boot = yes\n"),
        Entry("/etc/initramfs-tools/conf.d/virtfleet", b"MODULES=list\n"),
        Entry("/etc/initramfs-tools/hooks/virtfleet", _INITRAMFS_HOOK.encode(), 0o755),
    ]


def late_entries(bootstrap: Bootstrap, layout: Layout) -> list[Entry]:
    """Return all other files of the image, those that the user gave by content among them."""
    found = [
        Entry("/etc/fstab", _fstab(bootstrap, layout).encode()),
        Entry("/etc/hosts", _hosts(bootstrap.hostname).encode()),
        Entry("/etc/systemd/network/10-virtfleet.network", network_file(bootstrap).encode()),
        Entry("/etc/systemd/system/systemd-networkd-wait-online.service.d/virtfleet.conf", _WAIT_ONLINE.encode()),
        Entry(GROW, _GROW_SCRIPT.encode(), 0o755),
        Entry("/etc/systemd/system/virtfleet-grow-root.service", _GROW_UNIT.encode()),
        Entry("/etc/systemd/system/virtfleet-ssh-key.service", _SSH_UNIT.encode()),
        Entry("/etc/default/locale", f"LANG={bootstrap.locale or 'C.UTF-8'}\n".encode()),
        resolv_conf(bootstrap),
    ]
    if bootstrap.hostname is not None:
        found.append(Entry("/etc/hostname", f"{bootstrap.hostname}\n".encode()))
    if bootstrap.root_keys:
        found.append(Entry("/root/.ssh", mode=0o700, directory=True))
        found.append(Entry("/root/.ssh/authorized_keys", "".join(f"{key}\n" for key in bootstrap.root_keys).encode(), 0o600))
    if bootstrap.timezone is not None:
        found.append(Entry("/etc/timezone", f"{bootstrap.timezone}\n".encode()))
        found.append(Entry("/etc/localtime", target=f"/usr/share/zoneinfo/{bootstrap.timezone}"))
    if bootstrap.kernel != NONE:
        found.append(Entry("/boot/grub/grub.cfg", grub_configuration(bootstrap, layout).encode()))
        arguments = " ".join((*_console(bootstrap), *bootstrap.kernel_arguments))
        # For whoever installs GRUB's packages: update-grub then writes the same words.
        snippet = f'GRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX="{arguments}"\n'
        found.append(Entry("/etc/default/grub.d/virtfleet.cfg", snippet.encode()))
    if boots_by_uefi(bootstrap):
        found.append(Entry("/boot/efi", directory=True, mode=0o755))
    return found


def network_file(bootstrap: Bootstrap) -> str:
    """Return the configuration of systemd-networkd: whatever Ethernet there is, by whatever name."""
    network = bootstrap.network
    lines = ["[Match]", "Type=ether", "Kind=!*", "", "[Network]"]
    if network.address is None:
        lines.append("DHCP=yes")
    else:
        lines.append(f"Address={network.address}")
        if network.gateway is not None:
            lines.append(f"Gateway={network.gateway}")
    lines += [f"DNS={server}" for server in network.nameservers]
    if network.address is None:
        # Known by its MAC, as the reservations of libvirt's networks know it; clones may share their machine-id.
        lines += ["", "[DHCPv4]", "ClientIdentifier=mac", "UseDomains=yes"]
    return "\n".join(lines) + "\n"


def resolv_conf(bootstrap: Bootstrap) -> Entry:
    """Return what tells programs where to ask for names: systemd-resolved with DHCP, else the servers that were given."""
    if bootstrap.network.address is None:
        return Entry("/etc/resolv.conf", target="../run/systemd/resolve/stub-resolv.conf")
    return Entry("/etc/resolv.conf", "".join(f"nameserver {server}\n" for server in bootstrap.network.nameservers).encode())


def grub_configuration(bootstrap: Bootstrap, layout: Layout) -> str:
    """Return /boot/grub/grub.cfg, in the few words that Xen's pygrub reads too.

    It names the links in /boot, which the installation of a kernel moves: it is written once and holds for ever.
    """
    title = bootstrap.release.distribution.title
    words = ("ro", "quiet", *_console(bootstrap), *bootstrap.kernel_arguments)
    arguments = " ".join((f"root=UUID={layout.root_uuid}", *words))
    lines = ["# Written when this image was made. A new kernel moves the links that are named here."]
    lines += ["set default=0", "set timeout=0", "set fallback=1"]
    if bootstrap.serial_console:
        # UEFI has the serial port in its own console. On one line, which pygrub skips.
        setup = "serial --unit=0 --speed=115200; terminal_input console serial; terminal_output console serial"
        lines.append(f'if [ "$grub_platform" = pc ]; then {setup}; fi')
    lines += [f"search --no-floppy --fs-uuid --set=root {layout.root_uuid}", ""]
    for name, old in ((title, ""), (f"{title}, previous kernel", ".old")):
        lines += [f"menuentry '{name}' {{", f"    linux /boot/vmlinuz{old} {arguments}", f"    initrd /boot/initrd.img{old}", "}"]
    return "\n".join(lines) + "\n"


def esp_configuration(layout: Layout) -> str:
    """Return the grub.cfg on the ESP, which leads to the one on the root file system."""
    return f"search --no-floppy --fs-uuid --set=root {layout.root_uuid}\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"


def _console(bootstrap: Bootstrap) -> tuple[str, ...]:
    """Return the kernel's consoles; systemd starts a getty on each that the machine has. hvc0 is Xen's."""
    if not bootstrap.serial_console:
        return ()
    return ("console=tty0", "console=hvc0", f"console={_SERIAL[bootstrap.architecture or 'amd64']},115200n8")


_SERIAL = {"amd64": "ttyS0", "arm64": "ttyAMA0"}


def _fstab(bootstrap: Bootstrap, layout: Layout) -> str:
    lines = [f"UUID={layout.root_uuid} / {bootstrap.filesystem} errors=remount-ro,noatime 0 1"]
    if bootstrap.swap_bytes:
        lines.append(f"UUID={layout.swap_uuid} none swap sw 0 0")
    if boots_by_uefi(bootstrap):
        serial = layout.esp_id.upper()
        lines.append(f"UUID={serial[:4]}-{serial[4:]} /boot/efi vfat noauto,umask=0077 0 0")
    return "\n".join(lines) + "\n"


def _hosts(hostname: str | None) -> str:
    lines = ["127.0.0.1 localhost"]
    if hostname is not None:
        short = hostname.partition(".")[0]
        lines.append(f"127.0.1.1 {hostname}" + (f" {short}" if short != hostname else ""))
    lines += ["::1 localhost ip6-localhost ip6-loopback", "ff02::1 ip6-allnodes", "ff02::2 ip6-allrouters"]
    return "\n".join(lines) + "\n"


def first_steps(bootstrap: Bootstrap) -> str:
    """Return the shell script that is run in the image once its files are there, before the user's commands."""
    units = "systemd-networkd.service virtfleet-grow-root.service virtfleet-ssh-key.service"
    steps = ["set -e", f"systemctl enable --quiet {units}"]
    verb = "enable" if bootstrap.network.address is None else "disable"
    steps.append(f"systemctl {verb} --quiet systemd-resolved.service")
    # It looks for snapshots of LVM at each boot, which takes seconds where no KVM is at hand.
    steps.append("[ -e /usr/sbin/lvm ] || [ -e /sbin/lvm ] || systemctl disable --quiet e2scrub_reap.service e2scrub_all.timer")
    if bootstrap.locale is not None and not bootstrap.locale.startswith(("C", "POSIX")):
        name = bootstrap.locale if "." in bootstrap.locale else f"{bootstrap.locale}.UTF-8"
        steps.append(f"echo '{name} {name.partition('.')[2].partition('@')[0]}' > /etc/locale.gen")
        steps.append("locale-gen")
    return "\n".join(steps) + "\n"


# What makes one machine of many copies; and what tells when and where the image was made.
LAST_STEPS = """\
set -e
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub /var/lib/systemd/random-seed /var/lib/dbus/machine-id
: > /etc/machine-id
rm -rf /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache /var/log/journal
rm -f /root/.bash_history /etc/.pwd.lock /var/cache/debconf/*-old /var/lib/dpkg/*-old
find /var/log -type f -exec truncate -s 0 {} +
find /tmp /var/tmp /run -mindepth 1 -delete
# What systemd does after an update of /usr was done by the packages: it takes seconds where no KVM is at hand.
touch /etc/.updated /var/.updated
"""
