# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tiny guest: a real Linux with agent, ssh and DHCP that is up in seconds under emulation.

It is the distribution's own kernel with busybox, dropbear and the guest agent in one initramfs: no disk, no root.

    artefact = tiny.build().into(host.folder)    # copies that the host's QEMU may read
    <kernel>{artefact.kernel}</kernel> <initrd>{artefact.initrd}</initrd> <cmdline>{artefact.cmdline}</cmdline>
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import _apt
from ._cache import cached, key_of, place, remembered
from ._kernel import write_vmlinux
from ._media import to_qcow2, write_disk, write_iso
from ._modules import Modules
from ._run import LabError, Say, need, quiet, run

HERE = Path(__file__).parent
GUEST = HERE / "guest"

# Loaded by init before anything else, in this order; the guest is of no use without them.
BOOT_MODULES = (
    "virtio_pci",
    "virtio_net",
    "virtio_blk",
    "virtio_console",
    "virtio_balloon",
    "virtio_rng",
    "af_packet",
    "evdev",
    "button",
)
# Taken along where the kernel has them; guest/functions says when each is loaded.
MORE_MODULES = (
    "virtio_mmio virtio_scsi virtio_mem sd_mod sr_mod cdrom ahci ata_piix nvme isofs vfat nls_cp437 nls_ascii "
    "nls_iso8859_1 ext4 virtiofs 9p 9pnet_virtio vmw_vsock_virtio_transport xhci_pci ehci_pci uhci_hcd usb_storage uas "
    "usbhid hid_generic e1000 e1000e igb 8139cp 8139too vmxnet3 sym53c8xx mptspi megaraid_sas i6300esb "
    "acpiphp pciehp qemu_fw_cfg"
).split()

# For direct kernel boot the one with all drivers (SATA, e1000, USB): QEMU gets it uncompressed.
KERNELS = {"debian": "linux-image-amd64", "ubuntu": "linux-image-virtual"}
# For disk and CD, where it has to unpack itself under emulation, one that does so in 0.1 s instead of 4 s. Debian's
# has no SATA driver, which a guest that runs from memory doesn't miss.
MEDIA_KERNELS = {"debian": "linux-image-cloud-amd64", "ubuntu": "linux-image-virtual"}
# The self-tests of the crypto code and the tracing of kernel probes cost 0.8 s under emulation.
CMDLINE = (
    "console=ttyS0 quiet panic=-1 mitigations=off memhp_default_state=online "
    "cryptomgr.notests initcall_blacklist=crypto_kdf108_init,init_kprobe_trace"
)


@dataclass(frozen=True)
class Artefact:
    """Files of the tiny guest. Only copies made by into() can be read by a host's QEMU."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The kernel for `<kernel>`: uncompressed where QEMU can start that, as it boots sooner."""
        uncompressed = self.folder / "vmlinux"
        return uncompressed if uncompressed.exists() else self.bzimage

    @property
    def bzimage(self) -> Path:
        """The kernel as packaged, which UEFI firmware and boot loaders want."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initramfs for `<initrd>`."""
        return self.folder / "initrd"

    @property
    def ssh_key(self) -> Path:
        """The private key that lets root in."""
        return self.folder / "id_ed25519"

    @property
    def ssh_public_key(self) -> str:
        """The public half, as one line."""
        return self.ssh_key.with_suffix(".pub").read_text().strip()

    @property
    def cmdline(self) -> str:
        """The kernel's command line; append ` tiny.nopower` and the like (see guest/init)."""
        return CMDLINE

    def ssh(self, address: str, command: str, *, user: str = "root") -> list[str]:
        """Return the words of an ssh command to a guest; put a host's prefix before them."""
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "ConnectTimeout": "5",
            "IdentitiesOnly": "yes",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", "-i", str(self.ssh_key), *words, f"{user}@{address}", command]

    def into(self, folder: Path) -> Artefact:
        """Copy the files below `folder` and return the copy.

        Each host has its own: libvirt changes the owner of what a guest uses and notes the old one on the file.
        """
        return Artefact(place(self.folder, folder))


@dataclass(frozen=True)
class Media:
    """The tiny guest as a bootable disk or CD, for machines with a BIOS."""

    folder: Path

    @property
    def raw(self) -> Path:
        """The disk (of disk() only) as it is: 64 MiB, sparse, one ext4 partition, GRUB."""
        return self.folder / "disk.raw"

    @property
    def qcow2(self) -> Path:
        """The disk (of disk() only) as qcow2."""
        return self.folder / "disk.qcow2"

    @property
    def iso(self) -> Path:
        """The CD (of iso() only)."""
        return self.folder / "tiny.iso"

    def into(self, folder: Path) -> Media:
        """Copy the files below `folder`, where a host's QEMU may read them, and return the copy."""
        return Media(place(self.folder, folder))


@dataclass(frozen=True)
class Inputs:
    """The packages that the guest is made of, with their versions."""

    downloads: tuple[tuple[str, str], ...]
    tools: tuple[tuple[str, str], ...]

    def key(self) -> str:
        """Return the key of an artefact made of these by the present sources."""
        sources = [*GUEST.iterdir(), HERE / "tiny.py", HERE / "_modules.py", HERE / "_kernel.py"]
        return key_of(dict(self.downloads) | dict(self.tools), sources)


def resolve(kernels: Mapping[str, str]) -> Inputs:
    """Find out from apt's data which packages would go in; fetches the lists if there are none.

    `kernels` names a kernel package by distribution. Raises LabError where the machine isn't an x86-64 Debian or
    Ubuntu, or has no busybox-static or dropbear-bin.
    """
    system = _apt.os_release().get("ID", "")
    kernel = kernels.get(system)
    if kernel is None:
        raise LabError(f"the tiny guest is made on Debian and Ubuntu only; this is {system}")
    found = json.loads(remembered(f"tiny-packages-{kernel}", _apt.state(), lambda: json.dumps(_ask_apt(kernel))))
    return Inputs(*(tuple((name, version) for name, version in found[part]) for part in ("downloads", "tools")))


def _ask_apt(kernel: str) -> dict[str, list[tuple[str, str]]]:
    architecture = run(["dpkg", "--print-architecture"], what="ask for the architecture").strip()
    if architecture != "amd64":
        raise LabError(f"the tiny guest is made on x86-64 only; this machine is {architecture}")
    tools = [(name, _apt.installed_version(name)) for name in ("busybox-static", "dropbear-bin")]
    for name, version in tools:
        if not version:
            raise LabError(f"{name} is not installed; run `python3 -m tests.lab install` as root")
    meta = _apt.candidate(kernel)
    if not meta:
        _apt.refresh()
        meta = _apt.candidate(kernel)
    image = next((name for name in _apt.depends(meta) if name.startswith("linux-image-")), None)
    if image is None:
        raise LabError(f"apt knows no {kernel} (or nothing it depends on); check the apt sources")
    names = [image, "qemu-guest-agent"]
    # Ubuntu has the modules in a package of their own, which the image depends on.
    names += [name for name in _apt.depends(_apt.candidate(image)) if name.startswith("linux-modules-")]
    downloads = [(name, _apt.candidate(name).get("Version", "")) for name in names]
    for name, version in downloads:
        if not version:
            raise LabError(f"apt knows no {name}; run `apt-get update`, and check the apt sources")
    return {"downloads": downloads, "tools": tools}


def build(say: Say = quiet) -> Artefact:
    """Return the tiny guest's files from the cache, making them first if packages or sources changed."""
    return _build("tiny", KERNELS, say)


def _build(kind: str, kernels: Mapping[str, str], say: Say) -> Artefact:
    inputs = resolve(kernels)

    def make(folder: Path) -> None:
        words = ", ".join(f"{name} {version}" for name, version in (*inputs.downloads, *inputs.tools))
        say(f"tiny guest: building from {words}")
        _make(folder, inputs)

    folder = cached(kind, inputs.key(), make)
    say(f"tiny guest: {folder}")
    return Artefact(folder)


def disk(say: Say = quiet) -> Media:
    """Return the tiny guest as a bootable disk, raw and qcow2, from the cache or newly made."""

    def make(folder: Path, content: Path) -> None:
        say("tiny guest: making a bootable disk")
        write_disk(content, folder / "disk.raw", 64, _grub(CMDLINE))
        to_qcow2(folder / "disk.raw", folder / "disk.qcow2")

    return _media("tiny-disk", make, say)


def iso(say: Say = quiet) -> Media:
    """Return the tiny guest as a bootable CD, from the cache or newly made."""

    def make(folder: Path, content: Path) -> None:
        say("tiny guest: making a bootable CD")
        write_iso(content, folder / "tiny.iso", _grub(CMDLINE))

    return _media("tiny-iso", make, say)


def _media(kind: str, make: Callable[[Path, Path], None], say: Say) -> Media:
    tiny = _build("tiny-memory", MEDIA_KERNELS, say)

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="virtfleet-tiny-") as name:
            content = Path(name)
            content.chmod(0o755)
            shutil.copyfile(tiny.bzimage, content / "vmlinuz")
            shutil.copyfile(tiny.initrd, content / "initrd")
            make(folder, content)

    key = key_of({"tiny": tiny.folder.name, "cmdline": CMDLINE}, [HERE / "_media.py"])
    folder = cached(kind, key, fill)
    say(f"tiny guest: {folder}")
    return Media(folder)


def _grub(cmdline: str) -> str:
    return f"linux /vmlinuz {cmdline}\ninitrd /initrd\nboot\n"


def _make(folder: Path, inputs: Inputs) -> None:
    with tempfile.TemporaryDirectory(prefix="virtfleet-tiny-") as temporary:
        scratch = Path(temporary)
        packages = scratch / "packages"
        _apt.unpack([f"{name}={version}" for name, version in inputs.downloads], packages)
        image = next(iter(sorted(packages.glob("boot/vmlinuz-*"))), None)
        if image is None:
            raise LabError(f"{inputs.downloads[0][0]} holds no boot/vmlinuz-*")
        shutil.copyfile(image, folder / "vmlinuz")
        write_vmlinux(folder / "vmlinuz", folder / "vmlinux")

        for name in ("id_ed25519", "id_ed25519.pub"):
            shutil.copyfile(_ssh_key() / name, folder / name)
        root = scratch / "root"
        _fill_root(root, packages, image.name.removeprefix("vmlinuz-"))
        authorized = root / "root/.ssh/authorized_keys"
        shutil.copyfile(folder / "id_ed25519.pub", authorized)
        authorized.chmod(0o600)
        _pack(root, folder / "initrd")
        for path in folder.iterdir():
            path.chmod(0o600 if path.name == "id_ed25519" else 0o644)


def _ssh_key() -> Path:
    """Return the folder of the key pair that all tiny guests of this user share, however they boot."""

    def make(folder: Path) -> None:
        run(
            [need("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "virtfleet-lab", "-f", folder / "id_ed25519"],
            what="make the tiny guest's ssh key",
        )

    return cached("tiny-ssh", "ed25519", make)


def _fill_root(root: Path, packages: Path, release: str) -> None:
    for name in ("bin sbin usr/bin usr/sbin dev proc sys run tmp mnt var/log var/lib etc/dropbear lib/tiny").split():
        (root / name).mkdir(parents=True)
    (root / "root").mkdir(mode=0o700)
    (root / "root/.ssh").mkdir(mode=0o700)
    (root / "var/run").symlink_to("/run")

    busybox = Path(need("busybox"))
    _program(busybox, root / "bin/busybox")
    for applet in run([busybox, "--list"], what="list busybox's applets").split():
        # init and the shutdown family are ours, or go through ours.
        if applet not in ("busybox", "init", "linuxrc"):
            (root / "bin" / applet).symlink_to("busybox")
    _program(Path(need("dropbear")), root / "usr/sbin/dropbear", libraries=root)
    agent = next(iter(sorted(packages.glob("usr/*bin/qemu-ga"))), None)
    if agent is None:
        raise LabError("the qemu-guest-agent package holds no qemu-ga")
    _program(agent, root / "usr/sbin/qemu-ga", libraries=root)
    run(
        [need("dropbearkey"), "-t", "ed25519", "-f", root / "etc/dropbear/dropbear_ed25519_host_key"],
        what="make the tiny guest's host key",
    )

    modules = Modules(packages, release)
    modules.install([*BOOT_MODULES, *MORE_MODULES], root)
    (root / "lib/tiny/modules.boot").write_text("\n".join(BOOT_MODULES) + "\n")

    for name, target, mode in (
        ("init", "init", 0o755),
        ("functions", "lib/tiny/functions", 0o644),
        ("hotplug", "lib/tiny/hotplug", 0o755),
        ("udhcpc", "lib/tiny/udhcpc", 0o755),
        ("shutdown", "sbin/shutdown", 0o755),
    ):
        shutil.copyfile(GUEST / name, root / target)
        (root / target).chmod(mode)
    texts = {
        "passwd": "root::0:0:root:/root:/bin/sh\n",
        "group": "root:x:0:\n",
        "shadow": "root::19000::::::\n",
        "shells": "/bin/sh\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n",
        "hosts": "127.0.0.1 localhost\n",
        "os-release": 'NAME="virtfleet tiny"\nID=virtfleet-tiny\nVERSION_ID="1"\nPRETTY_NAME="virtfleet tiny guest"\n',
    }
    for name, text in texts.items():
        (root / "etc" / name).write_text(text)
    (root / "etc/shadow").chmod(0o600)


def _program(source: Path, target: Path, *, libraries: Path | None = None) -> None:
    """Copy a program, and below `libraries` the shared libraries that it loads, at the paths where it looks."""
    shutil.copyfile(source, target)
    target.chmod(0o755)
    if libraries is None:
        return
    for line in run([need("ldd"), source], what=f"find the libraries of {source.name}").splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and rest.startswith("not found"):
            raise LabError(f"{source.name} needs {name}, which is not on this machine; install the package that has it")
        path = Path((rest if arrow else name).split(" (")[0])
        copy = libraries / path.relative_to("/") if path.is_absolute() else None
        if copy is not None and not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.resolve(), copy)
            copy.chmod(0o755)


def _pack(root: Path, target: Path) -> None:
    """Write a folder as an initramfs, everything in it owned by root."""
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    archive = root.with_name("initrd.cpio")
    run(
        [need("cpio"), "-o", "-H", "newc", "-R", "0:0", "--quiet", "-F", archive],
        what="pack the tiny guest's initramfs",
        cwd=root,
        stdin="\n".join(names) + "\n",
    )
    # The kernel only reads lz4's old format.
    run([need("lz4"), "-l", "-9", "-q", "-f", archive, target], what="compress the tiny guest's initramfs")
    os.unlink(archive)
