# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the definitions beside this file again: `python -m tests.unit.plugins.module_utils.guest.virtinst.make [NAME ...]`.

virt-install prints them against the libvirt of a lab host; those of other hypervisors and architectures against
capabilities written here, by the way in which virt-install tests itself.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.lab import Host
from tools.dev import apt

HERE = Path(__file__).parent
# Stands in the files for the folder of whichever host printed them.
FOLDER = "/srv/images"
# The networks that they name.
NETWORKS = ("default", "lab")

XEN = """<capabilities><host><cpu><arch>x86_64</arch></cpu></host>
<guest><os_type>xen</os_type><arch name='x86_64'><wordsize>64</wordsize>
<emulator>/usr/lib/xen-4.17/bin/qemu-system-i386</emulator><machine>xenpv</machine><domain type='xen'/></arch></guest>
<guest><os_type>hvm</os_type><arch name='x86_64'><wordsize>64</wordsize>
<emulator>/usr/lib/xen-4.17/bin/qemu-system-i386</emulator><loader>/usr/lib/xen-4.17/boot/hvmloader</loader>
<machine>xenfv</machine><domain type='xen'/></arch>
<features><pae/><nonpae/><acpi default='on' toggle='yes'/><apic default='on' toggle='yes'/></features></guest>
</capabilities>"""
LXC = """<capabilities><host><cpu><arch>x86_64</arch></cpu></host>
<guest><os_type>exe</os_type><arch name='x86_64'><wordsize>64</wordsize>
<emulator>/usr/lib/libvirt/libvirt_lxc</emulator>
<domain type='lxc'/></arch></guest></capabilities>"""


def _qemu(arch: str, machine: str) -> str:
    return f"""<capabilities><host><cpu><arch>x86_64</arch></cpu></host>
<guest><os_type>hvm</os_type><arch name='{arch}'><wordsize>64</wordsize><emulator>/usr/bin/qemu-system-{arch}</emulator>
<machine canonical='{machine}-7.2'>{machine}</machine><machine>{machine}-7.2</machine><domain type='qemu'/></arch>
</guest>
</capabilities>"""


DISK = "--disk path={folder}/root.qcow2,size=4,format=qcow2"
NIC = "--network network=default,mac={mac}"
# name: (driver, capabilities or nothing for the lab host's own, options)
KINDS: dict[str, tuple[str, str, str]] = {
    "debian": ("qemu", "", f"--osinfo debian11 --vcpus 2 --import {DISK} {NIC}"),
    "generic-pc": (
        "qemu",
        "",
        f"--osinfo generic --machine pc --import {DISK},bus=ide --network network=default,mac={{mac}},model=rtl8139 "
        "--sound ac97 --watchdog i6300esb,action=reset --input keyboard,bus=usb",
    ),
    "windows10": (
        "qemu",
        "",
        f"--osinfo win10 --memory 4096 --vcpus 4 --import {DISK},bus=sata --network network=default,mac={{mac}},"
        "model=e1000e --disk device=cdrom,path={folder}/virtio-win.iso",
    ),
    "windows-secure": (
        "qemu",
        "",
        "--osinfo win10 --machine q35 --boot firmware=efi,firmware.feature0.name=secure-boot,"
        "firmware.feature0.enabled=yes,loader_secure=yes --features smm.state=on --tpm "
        f"backend.type=emulator,backend.version=2.0,model=tpm-crb --import {DISK} {NIC}",
    ),
    "uefi": ("qemu", "", f"--osinfo debian11 --boot uefi --import {DISK} {NIC}"),
    "cdrom": ("qemu", "", f"--osinfo generic --boot cdrom,hd --cdrom {{folder}}/netinst.iso {DISK} {NIC}"),
    "pxe": ("qemu", "", f"--osinfo generic --pxe {DISK} --network bridge=br0,model=virtio,mac=52:54:00:00:01:09"),
    "kernel": (
        "qemu",
        "",
        f"--osinfo generic --boot kernel=/boot/vmlinuz,initrd=/boot/initrd,kernel_args=quiet --import {DISK} "
        "--network none",
    ),
    "many-disks": (
        "qemu",
        "",
        "--osinfo debian11 --controller scsi,model=virtio-scsi --import --disk path={folder}/a.qcow2,size=1,bus=scsi,"
        "driver.cache=none,driver.io=native,driver.discard=unmap,serial=A1 --disk path={folder}/b.raw,size=1,"
        "format=raw,bus=scsi,readonly=on --disk path={folder}/c.raw,size=1,format=raw,bus=usb,removable=on "
        "--disk device=floppy --disk device=cdrom --iothreads 2 --network none",
    ),
    "other-sources": (
        "qemu",
        "",
        "--osinfo generic --import --disk path={folder}/a.raw,size=1,format=raw,target.dev=vda,target.bus=virtio "
        "--xml xpath.delete=./devices/disk[1]/source --xml ./devices/disk[1]/@type=block "
        "--xml ./devices/disk[1]/source/@dev=/dev/vg0/web "
        "--disk type=volume,source.pool=default,source.volume=web.qcow2,target.dev=vdb,target.bus=virtio "
        "--disk type=network,source.protocol=rbd,source.name=pool/web,source.host0.name=ceph1,source.host0.port=6789,"
        "target.dev=vdc,target.bus=virtio --network none",
    ),
    "many-nics": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network network=lab,model=virtio,mac=52:54:00:00:01:01,boot.order=1 "
        "--network bridge=br0,model=e1000e,mac=52:54:00:00:01:02 --network user,mac=52:54:00:00:01:03 "
        "--network type=direct,source=eth0,source.mode=bridge,mac=52:54:00:00:01:04,model=virtio "
        "--network type=ethernet,target.dev=tap7,mac=52:54:00:00:01:05 --network network=lab,portgroup=dmz,"
        "mac=52:54:00:00:01:06,filterref=clean-traffic,mtu.size=9000,link.state=down",
    ),
    "virtiofs": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network none --memorybacking source.type=memfd,access.mode=shared "
        "--filesystem type=mount,accessmode=passthrough,driver.type=virtiofs,source.dir=/srv,target.dir=share "
        "--filesystem type=mount,source.dir=/opt,target.dir=opt",
    ),
    "hostdev": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network none --xml ./devices/hostdev/@mode=subsystem "
        "--xml ./devices/hostdev/@type=pci --xml ./devices/hostdev/@managed=yes "
        "--xml ./devices/hostdev/source/address/@domain=0x0000 --xml ./devices/hostdev/source/address/@bus=0x01 "
        "--xml ./devices/hostdev/source/address/@slot=0x00 --xml ./devices/hostdev/source/address/@function=0x0",
    ),
    "passwords": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network none --graphics vnc,password=vncgeheim,listen=0.0.0.0,port=5910 "
        "--graphics spice,password=spicegeheim --video qxl",
    ),
    "topology": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network none --vcpus 4,maxvcpus=8,sockets=2,cores=4,threads=1 "
        "--cpu host-model,+vmx,-svm --cputune vcpupin0.vcpu=0,vcpupin0.cpuset=0-1 --numatune 0",
    ),
    "memory": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network none --memory currentMemory=1024,memory=4096,"
        "maxMemory=8192,maxMemory.slots=2 --memorybacking hugepages=yes",
    ),
    "commandline": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network none --qemu-commandline=-name\\ foo --sysinfo smbios,"
        "system.manufacturer=Acme --metadata title=Web,description=A\\ web\\ server --seclabel type=none "
        "--resource partition=/prod",
    ),
    "consoles": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network none --serial pty,log.file=/var/log/web.log --serial "
        "tcp,host=127.0.0.1:4555,mode=bind,protocol=telnet --console pty,target.type=virtio --channel "
        "unix,target.type=virtio,target.name=org.libguestfs.channel.0",
    ),
    "devices": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK},boot.order=2 --network network=default,boot.order=1,mac=52:54:00:00:01:07 "
        "--vsock auto_cid=yes --iommu model=intel --panic default --rng /dev/random --memballoon none --redirdev usb "
        "--smartcard passthrough,type=spicevmc",
    ),
    "headless": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} {NIC} --graphics none --events on_reboot=destroy --autostart",
    ),
    "test-driver": ("test", "default", f"--osinfo generic --import {DISK} {NIC}"),
    "aarch64": (
        "qemu",
        _qemu("aarch64", "virt"),
        f"--osinfo debian11 --arch aarch64 --machine virt --boot firmware=efi --import {DISK} {NIC} --vcpus 2",
    ),
    "s390x": ("qemu", _qemu("s390x", "s390-ccw-virtio"), f"--osinfo debian11 --arch s390x --import {DISK} {NIC}"),
    "xen-pv": (
        "xen",
        XEN,
        "--osinfo generic --paravirt --vcpus 2 --import --disk path={folder}/xen.raw,size=4,format=raw --network "
        "bridge=xenbr0,mac=00:16:3e:00:00:01 --boot kernel=/boot/vmlinuz-xen,initrd=/boot/initrd-xen,"
        "kernel_args=console=hvc0",
    ),
    "xen-hvm": (
        "xen",
        XEN,
        "--osinfo generic --hvm --vcpus 2 --import --disk path={folder}/xen.raw,size=4,format=raw --network "
        "bridge=xenbr0,mac=00:16:3e:00:00:02,model=e1000 --disk device=cdrom",
    ),
    "lxc": (
        "lxc",
        LXC,
        "--container --osinfo generic --init /sbin/init --filesystem /srv/root,/ --network network=default,mac={mac}",
    ),
    "tuned": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK},driver.iothread=1,driver.queues=2 --network none --vcpus 4 --cpu "
        "host-passthrough,check=none,migratable=off,cache.mode=passthrough,numa.cell0.id=0,numa.cell0.cpus=0-1,"
        "numa.cell0.memory=524288,numa.cell1.id=1,numa.cell1.cpus=2-3,numa.cell1.memory=524288 --iothreads 2 "
        "--numatune 0,mode=strict --memtune hard_limit=4194304 --blkiotune weight=200 "
        "--cputune emulatorpin.cpuset=0,shares=2048,iothreadpin0.iothread=1,iothreadpin0.cpuset=0 "
        "--memorybacking hugepages.page0.size=2,hugepages.page0.unit=MiB,nosharepages=yes,locked=yes",
    ),
    "safeguards": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK},driver.cache=writethrough,driver.error_policy=stop --network none "
        "--tpm backend.type=emulator,backend.version=2.0,model=tpm-tis --vsock cid.address=77 "
        "--watchdog i6300esb,action=poweroff --panic model=isa --rng /dev/urandom,rate.bytes=1024,rate.period=1000 "
        "--sound usb --graphics vnc,password=geheim,port=5999,listen=127.0.0.1 --video vga --clock offset=localtime "
        "--pm suspend_to_mem.enabled=on --boot menu=on,useserial=on,rebootTimeout=5000",
    ),
    "one-network": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK} --network network=lab,model=virtio,mac=52:54:00:00:02:01,"
        "driver.name=vhost,driver.queues=4 --network network=lab,model=e1000e,mac=52:54:00:00:02:02,"
        "target.dev=web0,trustGuestRxFilters=yes --network network=lab,model=virtio,mac=52:54:00:00:02:03,"
        "rom.bar=off --memballoon virtio,autodeflate=on --controller usb,model=ehci",
    ),
    "shared": (
        "qemu",
        "",
        f"--osinfo debian11 --import {DISK},discard=unmap,iotune.total_iops_sec=500,serial=R1 --network none "
        "--xml ./devices/hostdev/@mode=subsystem --xml ./devices/hostdev/@type=usb "
        "--xml ./devices/hostdev/source/vendor/@id=0x1234 --xml ./devices/hostdev/source/product/@id=0xbeef "
        "--shmem name=shm0,model.type=ivshmem-plain,size=8,size.unit=M "
        "--memory currentMemory=1024,memory=1024,maxMemory=4096,maxMemory.slots=4 "
        "--memdev dimm,target.size=512,target.node=0 --cpu numa.cell0.id=0,numa.cell0.cpus=0,numa.cell0.memory=524288 "
        "--vcpus 1 --filesystem type=mount,accessmode=mapped,source.dir=/opt,target.dir=opt,readonly=yes "
        "--metadata title=Shared --features kvm.hidden.state=on,pmu=off",
    ),
}


def main(wanted: Sequence[str]) -> None:
    """Print those of ``wanted`` anew, or all."""
    apt.ensure(["virtinst"])
    host = Host(f"virtinst-{os.getpid()}")
    host.up()
    try:
        for image in ("virtio-win.iso", "netinst.iso"):
            (host.folder / image).touch()
        networks = f'for n in {" ".join(NETWORKS)}; do virsh net-define /dev/stdin <<< "<network><name>$n</name></network>"; done'
        volume = "virsh vol-create-as default web.qcow2 1M --format qcow2"
        pool = f"virsh pool-define-as default dir --target {host.folder} && virsh pool-start default && {volume}"
        host.exec(["bash", "-c", f"{networks}; {pool}"])
        for number, name in enumerate(KINDS):
            if wanted and name not in wanted:
                continue
            (HERE / f"{name}.xml").write_text(_printed(host, name, number))
    finally:
        host.down()


def _printed(host: Host, name: str, number: int) -> str:
    driver, capabilities, options = KINDS[name]
    uuid = f"6f0d4f57-9d4e-4b3a-8a68-{number:012x}"
    words = shlex.split(options.format(folder=host.folder, mac=f"52:54:00:00:00:{number:02x}"))
    if "--memory" not in words:
        words += ["--memory", "1024"]
    words += ["--name", name, "--uuid", uuid, "--print-xml", "--check", "all=off"]
    if {"--cdrom", "--pxe"} & set(words):
        # Of two definitions the first, which installs.
        words[words.index("--print-xml")] = "--print-xml=1"
    if not capabilities:
        found = host.exec(["virt-install", *words], check=False)
    else:
        found = _elsewhere(driver, capabilities, words)
    if found.returncode:
        raise SystemExit(f"{name}: {found.stderr}")
    return found.stdout.strip().replace(str(host.folder), FOLDER) + "\n"


def _elsewhere(driver: str, capabilities: str, words: list[str]) -> subprocess.CompletedProcess[str]:
    if capabilities == "default":
        return subprocess.run(
            ["virt-install", "--connect", "test:///default", *words], capture_output=True, text=True, check=False
        )
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(capabilities)
        file.flush()
        uri = f"__virtinst_test__test:///default,fakeuri={driver}:///system,caps={file.name}"
        return subprocess.run(["virt-install", "--connect", uri, *words], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main(sys.argv[1:])
