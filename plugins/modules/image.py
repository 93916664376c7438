# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Keep one disk image as it is written down
version_added: 0.1.0
description:
  - Makes blank images, overlays on other images, images from a file or a URL, and bootable images of a distribution's
    packages; grows and removes them.
  - An image is a file in the folder of a storage pool, or at a path. It is made beside its place, verified, and only
    then renamed, so that a run that is killed leaves the old image whole, and the next run finishes.
  - Only options that are given are compared. An image that would have to be made anew (another source, checksum,
    format, backing image, or a smaller size) is data loss and needs O(confirm_data_loss).
  - An image that a guest's disk or another image stands on is never removed or replaced, in whatever pool that is.
  - What an image was made from is recorded with the file, so that nothing is downloaded again.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.actiongroup_virtfleet
attributes:
  check_mode:
    support: full
    details:
      - Nothing is downloaded but a checksum file that O(checksum) names, and its signature. The size of an image that is not there yet is
        shown as V((after apply)).
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - The image's name. Its file in the pool is called C(NAME.FORMAT), or C(NAME) where that ends in C(.qcow2),
        C(.raw), C(.img), C(.iso), C(.vmdk), C(.vdi), C(.vhd), C(.vpc), C(.vhdx), C(.hds), C(.hdd) or C(.parallels).
      - Required unless O(path) is given.
    type: str
  pool:
    description:
      - The storage pool whose folder holds the image; without it, and without O(path), the pool V(default). It must
        exist, and be of type dir, fs or netfs.
      - An active pool is refreshed after a change, so that libvirt sees it.
    type: str
  path:
    description: The absolute path of the image, in place of O(pool).
    type: str
  state:
    description:
      - V(present) makes and changes the image.
      - V(absent) removes it, which needs O(confirm_data_loss).
    type: str
    choices: [present, absent]
    default: present
  format:
    description:
      - The image's format. Without it, that of the ending of its name, else V(qcow2).
      - A source of another format (also qed) is converted; the guest's bytes stay what they are.
      - V(vpc) is the VHD of Virtual PC and older Hyper-V, V(vhdx) that of newer ones, V(vdi) VirtualBox's, V(vmdk) VMware's,
        V(parallels) that of Parallels. They are for disks that go elsewhere, and cannot be grown.
    type: str
    choices: [qcow2, raw, vmdk, vdi, vpc, vhdx, parallels]
  size:
    description:
      - The size of the disk in the image, with its unit, for example V(20GiB). GiB is 2^30 bytes and GB is 10^9, as for
        libvirt.
      - An image grows to it. Under a running guest it does not; give the size to the guest's disk by
        M(virtfleet.core.guest) then.
      - Without it a new image has the size of its source or backing image.
    type: str
  source:
    description:
      - What the image is made from. An absolute path on the host, or a file, http or https URL.
      - What gzip, xz, bzip2 or zstd packed is unpacked, whatever its name is; zstd wants the package zstd on the host. Of a
        tar archive, as an OVA is, the one disk in it is taken.
      - A source that needs other files of the host (a backing file, a data file, an extent) is refused.
    type: str
  checksum:
    description:
      - The checksum of O(source), as it is published, as V(sha256:HEX) or V(sha512:HEX). It is verified before anything is
        unpacked or replaced.
      - In place of the digits, the path or URL of a checksum file as C(sha256sum) writes them, for example
        V(sha512:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS). It is read on every run.
      - Where it is given, only it decides whether the content is the wanted one; O(source) may then move elsewhere. A
        file without a record whose own checksum it is, is taken as it is.
      - Without it, the image counts as up to date as long as O(source) is the same text.
    type: str
  checksum_signature:
    description:
      - The path or URL of a detached OpenPGP signature of the checksum file, for example
        V(https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS.sign).
      - Without it, and with O(checksum_keys), the checksum file has to hold its own signature.
    type: str
  checksum_keys:
    description:
      - The public keys of which one must have signed the checksum file. The absolute path of a keyring on the host, or the
        text of a public key block.
      - A signature that is bad, has expired, or is of another key is an error before anything is fetched or replaced. The
        host needs the package gpgv.
    type: str
  backing:
    description:
      - The image on which this one stands as a qcow2 overlay. A path, or the name of an image in the same folder.
    type: str
  bootstrap:
    description:
      - The image is made on the host of packages of Debian or Ubuntu, by mmdebstrap. It boots by BIOS, by UEFI (with
        Secure Boot too) and by Xen's pygrub. No loop device and no mount of it is ever seen by the host.
      - The host needs the packages mmdebstrap, e2fsprogs, fdisk, dosfstools, mtools and qemu-utils, and the task root.
      - What was asked for is recorded with the image, as checksums where it may be secret. An image with the same record
        is left alone, also when the mirror has newer packages; an image with another one would be made anew, which is
        data loss.
      - The disk has the size O(size), or V(4GiB). Its root file system grows with the disk when the guest boots.
      - Each guest makes its own SSH host key and machine id at its first boot.
    type: dict
    suboptions:
      suite:
        description: The suite, one of V(bookworm), V(trixie), V(jammy), V(noble) and V(resolute).
        type: str
        required: true
      mirror:
        description:
          - URLs of mirrors of the suite, or whole source lines of apt. They stay in the image as its sources.
          - A URL stands for the suite alone. For updates and security give source lines.
          - Without it, the host's own sources of that suite, or else the distribution's public mirror, each with updates
            and security.
        type: list
        elements: str
      components:
        description: The mirror's components. The default is V([main]) for Debian and V([main, universe]) for Ubuntu.
        type: list
        elements: str
      architecture:
        description:
          - V(amd64) or V(arm64), or libvirt's words for them. The default is the host's own.
          - Another than the host's needs the packages qemu-user-static and binfmt-support. An image for arm64 boots by
            UEFI only.
        type: str
      packages:
        description:
          - Packages to install besides the system itself, which has neither an SSH server nor a guest agent.
          - Recommended packages are not installed.
        type: list
        elements: str
      kernel:
        description:
          - A kernel's package, or V(auto), the default, or V(none).
          - V(auto) is C(linux-image-cloud-amd64) for Debian and C(linux-image-virtual) for Ubuntu. Debian's knows disks
            and nics of virtio, NVMe and Xen, and no others; for SATA, IDE or an e1000 give V(linux-image-amd64).
          - V(none) leaves out kernel, initramfs and boot loaders, for guests that are started with a kernel of the host.
        type: str
      kernel_arguments:
        description: Words for the kernel's command line, for example V([net.ifnames=0]).
        type: list
        elements: str
      documentation:
        description: Whether manuals, packages' documentation and translations are in the image; by default they are not.
        type: bool
      partitioning:
        description:
          - V(gpt), the default, has a partition for a BIOS, an EFI system partition, swap, and the root at the end.
          - V(mbr) boots by BIOS only.
          - V(none) is the bare file system, for Xen PV guests, and for guests that are started with a kernel of the host.
        type: str
        choices: [gpt, mbr, none]
      filesystem:
        description: The root's file system; V(ext4) by default.
        type: str
        choices: [ext4, ext3, ext2]
      swap:
        description: The size of a swap partition, with its unit. There is none by default.
        type: str
      hostname:
        description: The guest's host name. Without it, it takes the one that DHCP gives, or is C(localhost).
        type: str
      network:
        description: How the guest configures its Ethernet, whatever its name is. The default is DHCP.
        type: dict
        suboptions:
          address:
            description: A static address with its prefix, for example V(10.20.0.11/24).
            type: str
          netmask:
            description: The netmask, where O(bootstrap.network.address) has no prefix.
            type: str
          gateway:
            description: The address of the router, in the same network.
            type: str
          nameservers:
            description: Addresses of name servers; with DHCP they are added to those that DHCP gives.
            type: list
            elements: str
      root_keys:
        description: Public SSH keys that may log in as root.
        type: list
        elements: str
      root_password_hash:
        description:
          - The hash of root's password as in C(/etc/shadow), of the methods yescrypt, scrypt, bcrypt, SHA-512 or SHA-256.
          - Without it root has no password, and logs in by key only.
        type: str
      serial_console:
        description:
          - Whether kernel and login are on the serial console too, which is the default. It is ttyS0, and hvc0 of a Xen
            guest.
        type: bool
      timezone:
        description: The time zone, for example V(Europe/Berlin). The default is UTC.
        type: str
      locale:
        description: The locale, for example V(de_DE.UTF-8). The default is C.UTF-8.
        type: str
      files:
        description: Files to put into the image, after the packages and before O(bootstrap.commands).
        type: list
        elements: dict
        suboptions:
          path:
            description: Where it is in the image.
            type: str
            required: true
          content:
            description: Its content.
            type: str
          src:
            description: The file of the host whose content it gets, in place of O(bootstrap.files[].content).
            type: str
          mode:
            description: Its mode in octal digits, in quotes; V('0644') by default.
            type: raw
          owner:
            description: USER or USER:GROUP of the image; V(root) by default.
            type: str
      commands:
        description:
          - Commands that C(sh) runs in the image as root at last, in this order. No services run, and the network is the
            host's.
        type: list
        elements: str
  compress:
    description:
      - Whether the file of a qcow2 image that is made of O(source) or O(bootstrap) is packed. It takes less room, and reading
        from it more of the CPU. What a guest writes later is not packed, so it is for bases and for archives.
      - It is recorded with the image. An image that was made otherwise would be made anew, which is data loss.
    type: bool
  compression_type:
    description:
      - By what O(compress=true) packs; V(zlib) without it. V(zstd) packs as well in less time, and wants QEMU 5.1 and later on
        each host that reads the image.
    type: str
    choices: [zlib, zstd]
  preallocation:
    description:
      - Which room the file of a qcow2 or raw image takes when it is made, and when it grows. V(off), the default, is none
        but for what is written; V(metadata) the tables of a qcow2 image; V(falloc) all of it, without writing; V(full) all of
        it, written with zeros.
      - It is not compared. An image that is there stays as it is, since a guest gives back what it discards.
      - An overlay cannot have it.
    type: str
    choices: ['off', metadata, falloc, full]
  cluster_size:
    description:
      - The size of the clusters of a qcow2 image with its unit, a power of two from V(512B) to V(2MiB). QEMU's own default is
        V(64KiB). Larger ones need smaller tables, and cost an overlay more for each small write.
      - An image with others would be made anew, which is data loss.
    type: str
  lazy_refcounts:
    description:
      - Whether a qcow2 image may put off writing how often each cluster is used. Writes that take new clusters are faster, and
        after a crash of the host the image is checked when it is opened.
      - It is changed where the image is, while no guest on it runs.
    type: bool
  sparsify:
    description:
      - Gives the room back that runs of zeros take in the file of an image of any format, where it is. What the file holds stays the
        same, byte for byte, with its snapshots and its header; nothing is copied, and no room beside it is needed.
      - The file is read whole, so it is done when the image is made, and again once it was written to. When that was, is recorded
        with the image, and a run that finds nothing written reads nothing.
      - While a guest on it runs or is saved, the image is left alone with a warning.
      - What a guest has deleted is zeros only where it was discarded or overwritten; the guide on images says how.
    type: bool
  luks_secret:
    description:
      - Encrypts a qcow2 or raw image by LUKS when it is made, by what the secret of libvirt of this C(usage_id) holds, of the
        usage V(volume) (M(virtfleet.core.secret)). The disk of a guest names the same secret as C(luks_secret).
      - The secret must not be private, since this module reads it; for a private one give O(luks_passphrase).
      - An image that is not encrypted would be made anew, which is data loss. By which passphrase an image is encrypted, nobody
        can tell; another one is no change.
      - Growing an encrypted image, and changing O(lazy_refcounts), needs this or O(luks_passphrase).
    type: str
  luks_passphrase:
    description:
      - The passphrase itself, in place of O(luks_secret). It is given to C(qemu-img) in memory, and is in no file, argument,
        log or result.
    type: str
  confirm_data_loss:
    description: Names of images that may be replaced or removed with all that is in them.
    type: list
    elements: str
    default: []
  headers:
    description: HTTP headers to send to the host of O(source) and of the checksum file.
    type: dict
  url_username:
    description: A user name for HTTP basic authentication. It is not sent to another host that the first one leads to.
    type: str
  url_password:
    description: The password of O(url_username).
    type: str
  validate_certs:
    description: Whether the certificates of https servers must be valid.
    type: bool
    default: true
  mirror:
    description:
      - A folder of the host that is looked into before anything is downloaded, for a file named as the last part of the
        URL. With it, hosts without the internet use the same source and checksum as others.
    type: path
  cache_size:
    description:
      - How much of what was downloaded is kept on the host for the next image of the same content, with its unit, for example
        V(20GiB). Without it nothing is kept, and nothing that was kept is used. Only a O(source) with a O(checksum) is kept,
        since nobody could tell else whether it is still the wanted one.
      - With it, and with the digits in O(checksum), an image of what is kept needs no network, wherever its O(source) is.
      - What was used longest ago goes first. A source that is larger than all of it, or whose server does not say its size, is
        not kept. V(0B) removes everything at the next download.
    type: str
  cache_age:
    description: How long something is kept that no image asks for, for example V(7d) or V(12h).
    type: str
    default: 30d
  timeout:
    description: For how many seconds a server may be silent.
    type: int
    default: 60
notes:
  - Downloads obey the environment variables C(http_proxy), C(https_proxy) and C(no_proxy); set them by C(environment).
  - Follow a running import by C(tail -F /run/virtfleet/FILE.progress) on the host, where FILE is the image's file name
    (without root C($XDG_RUNTIME_DIR/virtfleet/run/FILE.progress)).
  - With O(cache_size), downloads are kept under C(/var/cache/virtfleet/downloads), without root under
    C(~/.cache/virtfleet/downloads). They may be deleted at any time.
  - With O(bootstrap), what was installed is kept under C(/var/cache/virtfleet/roots) for a week, so that the next image of
    the same packages takes seconds. All of C(/var/cache/virtfleet) may be deleted while no image is being made.
  - The record is the extended attribute C(user.virtfleet) of the file. Where the file system has none, it is kept in
    C(/var/lib/virtfleet/records).
  - An overlay of another format than qcow2 is known only where libvirt lists it in a pool.
seealso:
  - module: virtfleet.core.image_info
  - module: virtfleet.core.pool
  - module: virtfleet.core.guest
"""

EXAMPLES = r"""
- name: A blank disk
  virtfleet.core.image:
    name: scratch
    size: 20GiB

- name: A base image, downloaded once and checked
  virtfleet.core.image:
    name: debian-12
    source: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
    checksum: sha512:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS

- name: The same, signed by a key that is known
  virtfleet.core.image:
    name: ubuntu-24.04
    source: https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img
    checksum: sha256:https://cloud-images.ubuntu.com/noble/current/SHA256SUMS
    checksum_signature: https://cloud-images.ubuntu.com/noble/current/SHA256SUMS.gpg
    checksum_keys: /usr/share/keyrings/ubuntu-cloudimage-keyring.gpg

- name: A base for several hosts' folders, downloaded once for each host
  virtfleet.core.image:
    name: debian-12-copy
    source: https://cloud.debian.org/images/cloud/bookworm/20251112-2294/debian-12-genericcloud-amd64-20251112-2294.qcow2
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    cache_size: 20GiB
    cache_age: 7d

- name: An overlay on it, larger than the base
  virtfleet.core.image:
    name: web1-root
    backing: debian-12
    size: 20GiB

- name: An installer's ISO from a server that asks for a password
  virtfleet.core.image:
    name: installer.iso
    source: https://files.example.com/installer.iso
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    url_username: reader
    url_password: "{{ vault_reader_password }}"

- name: A raw image at a path, converted from a disk of another hypervisor
  virtfleet.core.image:
    path: /srv/images/old.raw
    source: file:///srv/incoming/old.vmdk

- name: The disk of an appliance of VirtualBox or VMware
  virtfleet.core.image:
    name: appliance
    source: https://files.example.com/appliance.ova
    checksum: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

- name: A copy for VirtualBox
  virtfleet.core.image:
    path: /srv/export/web1.vdi
    source: /var/lib/libvirt/images/web1-root.qcow2

- name: A base that takes less room
  virtfleet.core.image:
    name: debian-12-small
    source: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
    checksum: sha512:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS
    compress: true
    compression_type: zstd

- name: A disk that was copied with all its zeros gives their room back
  virtfleet.core.image:
    name: old-web.raw
    sparsify: true

- name: A disk for a database, whose room is taken at once
  virtfleet.core.image:
    name: db1-data.raw
    size: 100GiB
    preallocation: falloc

- name: What opens an encrypted disk, from a vault
  virtfleet.core.secret:
    name: db1-key
    value: "{{ vault_db1_key }}"

- name: An encrypted disk
  virtfleet.core.image:
    name: db1-sealed
    size: 20GiB
    luks_secret: db1-key

- name: A small Debian of packages, with a key for root
  virtfleet.core.image:
    name: trixie-small
    size: 2GiB
    bootstrap:
      suite: trixie
      packages: [openssh-server, qemu-guest-agent, python3]
      hostname: demo
      root_keys:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHMwCHH0TBaOfJSd4sdQ5gwsm7j/UwAXxaJnI06ctNuO admin@example.com

- name: A guest's disk for Xen, with a static address and swap
  virtfleet.core.image:
    name: xen1.raw
    size: 8GiB
    bootstrap:
      suite: bookworm
      packages: [openssh-server]
      hostname: xen1.example.com
      swap: 512MiB
      network:
        address: 192.0.2.10/24
        gateway: 192.0.2.1
        nameservers: [192.0.2.53]
      root_password_hash: "{{ vault_root_password | password_hash('sha512') }}"
      timezone: Europe/Berlin
      files:
        - path: /etc/motd
          content: "Kept by Ansible.\n"
      commands:
        - systemctl disable apt-daily.timer apt-daily-upgrade.timer

- name: Remove an image that nobody stands on
  virtfleet.core.image:
    name: scratch
    state: absent
    confirm_data_loss: [scratch]
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be; empty where nothing is to do.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: Always C(image).
      type: str
    name:
      description: The image's name.
      type: str
    action:
      description: C(create), C(update), C(replace) or C(delete).
      type: str
    effect:
      description: C(live), or C(data_loss) where it needed O(confirm_data_loss).
      type: str
    changes:
      description: One entry for each option that changes.
      type: list
      elements: dict
    outcome:
      description: C(done), C(failed), or C(planned) in check mode.
      type: str
    error:
      description: Why it failed.
      type: str
  sample:
    - kind: image
      name: scratch
      action: update
      effect: live
      changes:
        - {path: size, before: 20GiB, after: 40GiB, effect: live}
      outcome: done
      error: null
pending:
  description: Always empty; a change of an image is true at once.
  returned: always
  type: list
  elements: dict
  sample: []
unmanaged:
  description: Always empty; an image has no entries of its own.
  returned: always
  type: list
  elements: dict
  sample: []
summary:
  description: Whether the image was made, changed, removed or left as it is.
  returned: always
  type: dict
  sample: {update: 1, unchanged: 0}
image:
  description: The image after the run, in check mode as it is.
  returned: success
  type: dict
  contains:
    name:
      description: The image's name.
      type: str
    state:
      description: C(present) or C(absent). Of an absent image nothing else is returned.
      type: str
    path:
      description: Where it is.
      type: str
    pool:
      description: The pool in whose folder it is, or null.
      type: str
    format:
      description: Its format.
      type: str
    size:
      description: The size of the disk in it.
      type: str
    virtual_bytes:
      description: The same in bytes.
      type: int
    actual_bytes:
      description: What the file takes on the host.
      type: int
    backing:
      description: The path of the image on which it stands, or null.
      type: str
    backing_format:
      description: The format of RV(image.backing).
      type: str
    encrypted:
      description: Whether it is encrypted.
      type: bool
    record:
      description: What it was made from; empty for an image that was not imported.
      type: dict
  sample:
    name: debian-12
    state: present
    path: /var/lib/libvirt/images/debian-12.qcow2
    pool: default
    format: qcow2
    size: 3GiB
    virtual_bytes: 3221225472
    actual_bytes: 347176960
    backing: null
    backing_format: null
    encrypted: false
    record:
      source: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

from ansible_collections.virtfleet.core.plugins.module_utils._image.options import IMAGE_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._image_module import FETCH_OPTIONS, image_subject
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge


def main() -> None:
    """Converge one image."""
    main_converge({**IMAGE_OPTIONS, **FETCH_OPTIONS}, image_subject, fetch=True)


if __name__ == "__main__":
    main()
