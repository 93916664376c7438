# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: guest
short_description: Keep one virtual machine as it is written down
version_added: 0.1.0
description:
  - Makes, changes, starts, stops, pauses, saves and removes one guest, with its disks, nics and cloud-init seed.
  - Only options that are given are compared; everything else about a guest stays as it is, also what this collection
    has no option for.
  - Each change says beforehand what it costs in RV(plan). V(live) is true at once. V(restart) is written now and true
    after the guest's next cold start; until then it is listed in RV(pending), and RV(ignore:changed) is false on later
    runs. V(recreate) means that the guest itself is removed or made anew. V(data_loss) needs O(confirm_data_loss).
  - Nothing is touched before everything that can be checked has been checked; all complaints come at once.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.attributes
  - virtfleet.core.attributes.converging
  - virtfleet.core.attributes.actiongroup_virtfleet
options:
  name:
    description:
      - The guest's name on its host. Its volumes are called by it.
    type: str
    required: true
  state:
    description:
      - V(present) makes and changes the guest and leaves its run state alone.
      - V(running) starts it, from its managed save where it has one.
      - V(stopped) asks it to power off, again every ten seconds, for O(stop_timeout); a saved guest is off already.
      - V(paused) suspends it; V(saved) writes its memory to disk and stops it.
      - V(absent) shuts it down and removes its definition with NVRAM, TPM state, managed save and metadata of
        snapshots, its cloud-init seed and its DHCP reservations. Disks stay, unless O(confirm_data_loss) names them.
    type: str
    choices: [present, running, stopped, paused, saved, absent]
    default: present
  uuid:
    description:
      - The guest's UUID. Without it one is derived at creation from the host's UUID and the name.
    type: str
  title:
    description: A short title. An empty one removes it.
    type: str
  description:
    description: A description. An empty one removes it.
    type: str
  tags:
    description: Words by which the inventory groups guests.
    type: list
    elements: str
  os:
    description:
      - The operating system that the guest has or will get, as osinfo-db knows it - its short id (V(ubuntu22.04), V(win11)),
        the same with a dash (V(ubuntu-22.04)), or its id, a URL. M(virtfleet.core.os_info) lists them.
      - A new guest gets what that system wants wherever nothing was said - the board, the firmware, the clock, the TPM, the
        screen, and for each disk and nic the bus and model. That is decided when the guest, or the disk or nic, is made, and
        never again, so that a newer osinfo-db changes no guest. The guide on guests has the rules.
      - A warning tells what is less than the makers of the system ask for.
      - It is kept in the guest's metadata where C(virt-install) and C(virt-manager) keep it too. Saying or changing it on a
        guest that is there changes that and nothing else.
      - Needs the package C(osinfo-db) on the host. Over a remote O(uri) only a system that the guest has already can be said.
      - On Xen it is kept and its needs are checked; the devices are Xen's own for all systems.
    type: str
  accel:
    description:
      - V(kvm) uses the processor's virtualization, V(tcg) emulates it. V(auto), which is what a guest without a word has,
        takes KVM where guests were seen to run by it, and is decided at creation only.
      - That libvirt offers KVM is not believed on a machine where the module runs beside the hypervisor. A test guest is
        run, as M(virtfleet.core.accelerator_info) does, once until the host or its QEMU changes, and only when a guest of
        the host's own architecture is to be made. Where it does not run, new guests are emulated with a warning, and
        V(kvm) is refused before anything is touched. Over a remote O(uri) libvirt's word counts.
      - To overrule the verdict, set the environment variable E(VIRTFLEET_ACCELERATOR) of the task to V(kvm) or V(tcg).
    type: str
    choices: [auto, kvm, tcg]
  arch:
    description:
      - The architecture, such as V(x86_64) or V(aarch64). Without it a new guest has the host's.
      - Names that distributions have for it (V(amd64), V(arm64), V(arm), V(ppc64el)) are understood.
    type: str
  type:
    description:
      - What of a machine the guest sees. V(hvm) is a whole one, by the processor's virtualization or emulated, which is all
        that QEMU has. Xen also has V(pv), for kernels that know Xen and hosts without hardware virtualization, and V(pvh),
        the same kernels with hardware virtualization.
      - A new guest of Xen is V(pvh) where the host can, else V(pv); one that asks for O(firmware) or O(boot), or that has
        a CD-ROM drive and no O(kernel), is V(hvm).
      - Between V(pv) and V(pvh) a guest can change with a cold start.
    type: str
    choices: [pv, pvh, hvm]
  machine:
    description:
      - The board. An alias such as V(q35) means any of its versions, so that an upgrade of QEMU changes nothing.
      - A new x86 guest is a V(q35), a new ARM or RISC-V guest a V(virt).
    type: str
  firmware:
    description: V(bios), or V(efi), which libvirt turns into the files of the host's distribution.
    type: str
    choices: [bios, efi]
  boot:
    description:
      - Kinds of devices in the order in which they are tried. A new guest tries its disks, then its CDs.
      - An empty list clears the order, so that O(disks[].boot_order) and O(nics[].boot_order) can be used.
    type: list
    elements: str
    choices: [disk, cdrom, network, floppy]
  kernel:
    description: Path on the host of a kernel that is booted directly. An empty one removes it.
    type: str
  initrd:
    description: Path on the host of the initial RAM disk of O(kernel).
    type: str
  cmdline:
    description: The command line of O(kernel). On Xen O(bootloader) takes it too, for the kernel that it finds.
    type: str
  bootloader:
    description:
      - What finds the kernel in the disk of a V(pv) or V(pvh) guest, on the host, by name or path. A new one without
        O(kernel) has V(pygrub). Xen only. An empty one removes it.
    type: str
  bootloader_args:
    description: Arguments of O(bootloader). Xen only.
    type: str
  memory:
    description:
      - What the guest has, with its unit, for example V(2GiB). GiB is 2^30 bytes and GB is 10^9, as for libvirt.
      - Up to O(memory_max) a running guest gets it at once through its balloon driver.
    type: str
  memory_max:
    description:
      - The ceiling for O(memory). It rises with O(memory) and never falls by itself.
      - Both are without O(memory_modules).
    type: str
  memory_slots:
    description:
      - How many modules of memory the guest can have, see O(memory_modules); V(0) means none. It goes with
        O(memory_hotplug_max) and needs O(numa), a single node of all O(memory) if nothing else. QEMU only.
    type: int
  memory_hotplug_max:
    description:
      - What the guest can have with all of its modules, for example V(8GiB). QEMU reserves addresses for it, and no memory.
    type: str
  vcpus:
    description: Virtual CPUs. Up to O(vcpus_max) they can be added to a running guest.
    type: int
  vcpus_max:
    description: The ceiling for O(vcpus). It rises with O(vcpus) and never falls by itself.
    type: int
  cpuset:
    description: The host's CPUs that the guest's may run on, for example V(0-3,^2). An empty one means all.
    type: str
  topology:
    description: How the virtual CPUs are laid out. The product must be the number of virtual CPUs at most.
    type: dict
    suboptions:
      sockets:
        description: Sockets.
        type: int
      dies:
        description: Dies in a socket.
        type: int
      cores:
        description: Cores in a die.
        type: int
      threads:
        description: Threads in a core.
        type: int
  cpu:
    description:
      - The virtual processor. Words that are left out stay as they are. Takes effect with the next cold start.
      - A running guest does not tell what was asked for, but what came of it, so this is never listed in RV(pending).
    type: dict
    suboptions:
      model:
        description:
          - V(host-passthrough) is the host's processor as it is, V(host-model) the nearest model that migrates, V(maximum)
            all that the accelerator can do; any other word is the name of a model, such as V(EPYC-Rome).
          - A new guest has V(host-model), and V(maximum) where it is emulated. Xen has V(host-passthrough) only.
        type: str
      features:
        description:
          - "Features of the processor with what is to become of each, for example C({vmx: require, svm: disable}). There
            are V(require), V(disable), V(force), V(optional) and V(forbid)."
          - Given, they are all; an empty mapping takes every one away.
        type: dict
      check:
        description: How strictly libvirt checks at the start that the guest gets this processor. Not for Xen.
        type: str
        choices: [none, partial, full]
      migratable:
        description: Whether features that cannot migrate are left out of V(host-passthrough) and V(maximum). Not for Xen.
        type: bool
      cache:
        description: What the guest sees of the processor's cache. Not for Xen.
        type: str
        choices: [passthrough, emulate, disable]
  numa:
    description:
      - The guest's own memory nodes, in their order; an empty list means none. The memory of all must be O(memory_max), or
        O(memory) where that is not given. Not for Xen.
    type: list
    elements: dict
    suboptions:
      cpus:
        description: The virtual CPUs of the node, for example V(0-1).
        type: str
      memory:
        description: Its memory, for example V(1GiB).
        type: str
  vcpu_pins:
    description:
      - "The host's CPUs for each virtual one, for example C({0: '2', 1-3: 4-7}). Given, these are all pins."
      - A pin is set in the running guest too; one that is taken away is gone after the next cold start.
    type: dict
  emulator_pin:
    description: The host's CPUs for QEMU's own threads. An empty one means all. Not for Xen.
    type: str
  iothreads:
    description: Threads that disks can have for themselves. More are started at once, fewer wait. Not for Xen.
    type: int
  iothread_pins:
    description: The host's CPUs for each of O(iothreads), which count from 1. See O(vcpu_pins). Not for Xen.
    type: dict
  cputune:
    description:
      - Shares and limits of CPU time, which need the host's cgroups. The running guest has them at once. Not for Xen.
      - A limit is a quota in each period, of one virtual CPU, of all threads together (C(global_)), of QEMU's own or of
        one I/O thread. Times have a unit, V(us), V(ms) or V(s); a quota can be V(unlimited).
    type: dict
    suboptions:
      shares:
        description: The weight of the guest beside others, if CPU time is short.
        type: int
      period:
        description: The period for each virtual CPU, from V(1ms) to V(1s).
        type: str
      quota:
        description: The time in each O(cputune.period) that a virtual CPU may run.
        type: str
      global_period:
        description: The period for all threads together.
        type: str
      global_quota:
        description: The time in each O(cputune.global_period) that all threads together may run.
        type: str
      emulator_period:
        description: The period for QEMU's own threads.
        type: str
      emulator_quota:
        description: The time in each O(cputune.emulator_period) that QEMU's own threads may run.
        type: str
      iothread_period:
        description: The period for each I/O thread.
        type: str
      iothread_quota:
        description: The time in each O(cputune.iothread_period) that an I/O thread may run.
        type: str
  numatune:
    description: The host's nodes that the guest's memory comes from. Not for Xen.
    type: dict
    suboptions:
      mode:
        description: What the nodes mean for memory that cannot be had there.
        type: str
        choices: [strict, preferred, interleave, restrictive]
      nodeset:
        description: The host's nodes, for example V(0-1). An empty one takes the word away.
        type: str
  blkio_weight:
    description:
      - The weight of the guest's disks beside other guests', from 10 to 1000. Needs a scheduler of the host's disks that
        knows weights (BFQ). The running guest has it at once. Not for Xen.
    type: int
  memtune:
    description:
      - Limits of the memory that the guest takes of the host, QEMU's own included; V(unlimited) is none. The running guest
        has them at once. Not for Xen.
    type: dict
    suboptions:
      hard_limit:
        description: More than this it never gets. A guest that reaches it is killed; mind QEMU's own memory.
        type: str
      soft_limit:
        description: What it is held to where memory is short.
        type: str
      swap_hard_limit:
        description: The limit of memory and swap together.
        type: str
  memory_backing:
    description: What the guest's memory is made of on the host. Takes effect with the next cold start. Not for Xen.
    type: dict
    suboptions:
      hugepages:
        description: Whether it comes from the host's huge pages, which must have been set aside.
        type: bool
      hugepage_size:
        description: Which of them, for example V(2MiB) or V(1GiB).
        type: str
      source:
        description: Where it is kept; V(memfd) is what virtiofs needs.
        type: str
        choices: [anonymous, file, memfd]
      access:
        description: Whether other processes of the host can share it; V(shared) is what virtiofs needs.
        type: str
        choices: [private, shared]
      allocation:
        description: When the host gives it.
        type: str
        choices: [immediate, ondemand]
      locked:
        description: Whether it is never swapped out. Needs a limit, see O(memtune.hard_limit).
        type: bool
      nosharepages:
        description: Whether the host keeps from merging pages of it that are alike (KSM).
        type: bool
      discard:
        description: Whether it is thrown away rather than written out when the guest stops.
        type: bool
  features:
    description:
      - What the board and the hypervisor show to the guest. Words that are left out stay as they are. Takes effect with the
        next cold start.
    type: dict
    suboptions:
      acpi:
        description: ACPI, by which a guest is asked to power off.
        type: bool
      apic:
        description: The interrupt controller of x86.
        type: bool
      pae:
        description: Page tables for more than 4 GiB on 32-bit x86.
        type: bool
      hap:
        description: The processor's help with page tables. Xen only.
        type: bool
      smm:
        description: System management mode, which secure boot needs; libvirt turns it on for that by itself. Not for Xen.
        type: bool
      vmport:
        description: VMware's port, which some guests take for VMware itself. Not for Xen.
        type: bool
      pmu:
        description: The performance counters of the processor. Not for Xen.
        type: bool
      vmcoreinfo:
        description: A device by which a dump of the guest's memory can be read. Not for Xen.
        type: bool
      kvm_hidden:
        description: Whether KVM hides itself, for drivers that refuse to run in a guest. Not for Xen.
        type: bool
      ioapic:
        description: Who does the I/O interrupt controller. Not for Xen.
        type: str
        choices: [kvm, qemu]
      gic:
        description: The version of Arm's interrupt controller. Not for Xen.
        type: str
        choices: ['2', '3', host]
  hyperv:
    description:
      - What a Windows guest uses of a hypervisor of its maker. V(true) is what is recommended (V(relaxed), V(vapic),
        V(spinlocks), V(vpindex), V(runtime), V(synic), V(stimer), V(frequencies), V(tlbflush), V(ipi)), V(false) none; or a
        list of these, V(reset), V(reenlightenment) and V(evmcs).
      - V(vpindex), V(synic) and V(stimer) need KVM. Set the timer V(hypervclock) along with it, see O(clock.timers). Not
        for Xen.
    type: raw
  clock:
    description: The guest's clock. Takes effect with the next cold start.
    type: dict
    suboptions:
      offset:
        description: What the hardware clock begins with. V(localtime) is for Windows. V(timezone) needs O(clock.timezone).
        type: str
        choices: [utc, localtime, timezone]
      timezone:
        description: The time zone of the hardware clock, for example V(Europe/Berlin). Not for Xen.
        type: str
      timers:
        description:
          - "The timers by name, each with C(present), C(tickpolicy), C(track), C(mode) and C(frequency) as libvirt has them,
            for example C({rtc: {tickpolicy: catchup}, hpet: {present: false}}). Given, these are all."
          - There are C(platform), C(pit), C(rtc), C(hpet), C(tsc), C(kvmclock), C(hypervclock) and C(armvtimer). Xen takes
            C(tsc) and C(hpet) only.
        type: dict
  pm:
    description: Whether the firmware offers to sleep. Not for Xen.
    type: dict
    suboptions:
      suspend_to_mem:
        description: Sleep in memory (S3).
        type: bool
      suspend_to_disk:
        description: Sleep on disk (S4).
        type: bool
  boot_menu:
    description: Whether the firmware shows its menu of boot devices. Not for Xen.
    type: bool
  secure_boot:
    description:
      - Whether the firmware starts signed boot loaders only, with Microsoft's keys enrolled. Needs O(firmware=efi), and
        firmware of the host that can (on Debian and Ubuntu the package V(ovmf), with a V(q35)). Not for Xen.
      - Without a word the host's first firmware is taken, which on Debian and Ubuntu is the one with secure boot.
      - A guest that has started before keeps its variables, keys among them. Remove its file below
        V(/var/lib/libvirt/qemu/nvram) while it is off, and it gets new ones.
    type: bool
  sysinfo:
    description:
      - Who the machine says it is, in its SMBIOS. An empty word takes one away. Takes effect with the next cold start. Not
        for Xen.
    type: dict
    suboptions:
      bios_vendor:
        description: The maker of the firmware.
        type: str
      bios_version:
        description: Its version.
        type: str
      bios_date:
        description: Its date, as month/day/year.
        type: str
      system_manufacturer:
        description: The maker of the machine.
        type: str
      system_product:
        description: Its name.
        type: str
      system_version:
        description: Its version.
        type: str
      system_serial:
        description: Its serial number.
        type: str
      system_sku:
        description: Its stock keeping number.
        type: str
      system_family:
        description: Its family.
        type: str
      baseboard_manufacturer:
        description: The maker of the board.
        type: str
      baseboard_product:
        description: Its name.
        type: str
      baseboard_version:
        description: Its version.
        type: str
      baseboard_serial:
        description: Its serial number.
        type: str
      baseboard_asset:
        description: Its asset tag.
        type: str
      baseboard_location:
        description: Its place in the chassis.
        type: str
      chassis_manufacturer:
        description: The maker of the chassis.
        type: str
      chassis_version:
        description: Its version.
        type: str
      chassis_serial:
        description: Its serial number.
        type: str
      chassis_asset:
        description: Its asset tag.
        type: str
      chassis_sku:
        description: Its stock keeping number.
        type: str
      oem_strings:
        description: Free lines, in their order. systemd reads credentials from them.
        type: list
        elements: str
  qemu_commandline:
    description:
      - Words straight to QEMU, behind libvirt's back. libvirt marks such a guest as tainted and promises nothing.
      - They are shown in results and stand in the definition; put no secret here. QEMU only.
    type: dict
    suboptions:
      args:
        description: Arguments, each a word of its own, for example V([-device, edu]). Given, these are all.
        type: list
        elements: str
      env:
        description: Environment variables. Given, these are all.
        type: dict
  graphics:
    description:
      - The guest's screen. A new x86 guest has one by VNC that only the host can reach. Takes effect with the next cold start.
    type: dict
    suboptions:
      type:
        description: How it is reached; V(none) takes it away.
        type: str
        choices: [vnc, spice, none]
      listen:
        description: The address of the host where it listens. An empty one is the host's own choice, mostly V(127.0.0.1).
        type: str
      port:
        description: The TCP port, or V(auto) for the next free one from 5900 up.
        type: str
  graphics_password:
    description:
      - The password of O(graphics). It is never shown. Another one is set in the running guest at once; whether there is one
        at all is settled by a cold start. An empty one takes it away. VNC has 8 bytes at most.
    type: str
  video:
    description:
      - The video card. V(none) is a guest without one. Takes effect with the next cold start.
      - V(vga), V(cirrus), V(qxl) and V(xen) are what Xen has.
    type: str
    choices: [virtio, vga, qxl, bochs, cirrus, ramfb, vmvga, xen, none]
  sound:
    description: The sound card; V(none) takes it away. Takes effect with the next cold start.
    type: str
    choices: [ich9, ich6, ac97, es1370, sb16, usb, none]
  tablet:
    description:
      - Whether there is a USB tablet, by which the pointer is where it is on the screen. It is plugged in and pulled while
        the guest runs, but not under Xen.
    type: bool
  spice_agent:
    description: Whether there is a channel for the agent of V(spice). Takes effect with the next cold start. Not for Xen.
    type: bool
  watchdog:
    description: A timer that has to be fed from inside the guest. Takes effect with the next cold start. Not for Xen.
    type: dict
    suboptions:
      model:
        description: Which one; V(none) takes it away. V(itco) needs libvirt 9.1, V(diag288) is for s390x.
        type: str
        choices: [i6300esb, ib700, itco, diag288, none]
      action:
        description: What happens to a guest that does not feed it.
        type: str
        choices: [reset, shutdown, poweroff, pause, none, dump, inject-nmi]
  rng:
    description:
      - The source of entropy. A new guest has the host's V(/dev/urandom). It is plugged in and pulled while the guest runs;
        another source takes effect with the next cold start. Not for Xen.
    type: dict
    suboptions:
      source:
        description: A device of the host, V(builtin) for QEMU's own, or V(none) to take it away.
        type: str
      rate:
        description: The bytes that the guest may take in a second, for example V(1KiB); V(0) is no limit.
        type: str
  tpm:
    description: A trusted platform module. Takes effect with the next cold start. Not for Xen.
    type: dict
    suboptions:
      model:
        description: Which one; V(none) takes it away.
        type: str
        choices: [tpm-crb, tpm-tis, tpm-spapr, none]
      type:
        description: V(emulator) needs swtpm on the host. V(passthrough) is the host's own, for one guest.
        type: str
        choices: [emulator, passthrough]
      version:
        description: The version of the emulated one.
        type: str
        choices: ['1.2', '2.0']
      device:
        description: The host's own one, for example V(/dev/tpm0).
        type: path
  panic:
    description: A device that tells of a crashed kernel, see O(on_crash). Takes effect with the next cold start. Not for Xen.
    type: str
    choices: [isa, hyperv, pseries, s390, none]
  vsock:
    description:
      - A socket between host and guest without a network. V(auto) takes a free number at each start, a number from 3 up is
        that one, V(none) takes it away. It is plugged in and pulled while the guest runs. Not for Xen.
    type: str
  smartcard:
    description: A reader for smart cards, of the host or passed on by SPICE. Takes effect with the next cold start. Not for Xen.
    type: str
    choices: [passthrough, host, none]
  iommu:
    description: An IOMMU for the guest. Takes effect with the next cold start. Not for Xen.
    type: str
    choices: [intel, smmuv3, virtio, none]
  launch_security:
    description:
      - Keeps the guest's memory from its host, which only some processors can do. What the host cannot do is refused before
        anything is touched. Takes effect with the next cold start. Not for Xen. It was not run on such a processor here.
    type: dict
    suboptions:
      type:
        description: V(sev) is AMD's encrypted virtualization, with SEV-ES by O(launch_security.policy); V(s390-pv) is IBM's.
        type: str
        choices: [sev, s390-pv, none]
      policy:
        description: What the host may do with a guest of V(sev), as a number such as V(0x0003); bit 2 (V(0x0004)) asks for SEV-ES.
        type: str
      kernel_hashes:
        description: Whether the measurement holds O(kernel), O(initrd) and O(cmdline). Needs QEMU 6.2 and firmware that checks them.
        type: bool
      cbitpos:
        description: The bit of an address that says that a page is encrypted. Left out, libvirt 9.0 takes the host's.
        type: int
      reduced_phys_bits:
        description: How many bits of an address the encryption takes. Left out, libvirt 9.0 takes the host's.
        type: int
      session:
        description: The session blob that the guest's owner has made for this host, in base64.
        type: str
      dh_cert:
        description: The guest owner's Diffie-Hellman key for this host, in base64.
        type: str
  memballoon:
    description:
      - The device by which a guest gives memory back, see O(memory). A new guest has one.
    type: dict
    suboptions:
      model:
        description: Which one; V(none) is a guest that keeps what it has. Takes effect with the next cold start.
        type: str
        choices: [virtio, virtio-transitional, virtio-non-transitional, xen, none]
      stats_period:
        description: The seconds between two reports of the guest's own numbers, 0 for none. The running guest has it at
          once. Not for Xen.
        type: int
      autodeflate:
        description: Whether the guest gets memory back before it kills a process for want of it. Not for Xen.
        type: bool
      free_page_reporting:
        description: Whether the guest tells which pages it does not use. Not for Xen.
        type: bool
  disks:
    description:
      - The disks and CD-ROM drives. Entries are known by name, else by target, else by source, never by position.
      - A disk that this collection attached and that is no longer listed is detached; its volume stays. One that it did
        not attach is left alone and listed in RV(unmanaged).
      - Each entry has one of O(disks[].image), O(disks[].file), O(disks[].volume), O(disks[].block),
        O(disks[].cdrom), O(disks[].nbd), O(disks[].rbd), O(disks[].iscsi), O(disks[].nfs) and O(disks[].https), or a
        O(disks[].size) alone for a new blank disk.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - The disk's name within the guest; its volume is called C(GUEST-NAME.FORMAT).
          - Without one, an image or blank disk is V(root), a CD-ROM drive V(cdrom), and others are called by their
            source.
        type: str
      image:
        description:
          - A base image, by its name in the pool or its path. The disk is a copy-on-write overlay on it.
          - Another image for an existing disk means that the disk is made anew (data loss).
        type: str
      file:
        description: Path of an existing image file on the host.
        type: path
      volume:
        description: An existing volume, as V(pool/name) or as a name in O(disks[].pool).
        type: str
      block:
        description: Path of a block device of the host.
        type: path
      nbd:
        description:
          - A disk of an NBD server, over the network. QEMU only, as are the other network disks but O(disks[].rbd).
          - What a server has cannot be looked at from here, so say the O(disks[].format) where it is not V(raw).
        type: dict
        suboptions:
          host:
            description: The server, by name or address.
            type: str
          port:
            description: Its port; without one what the protocol has.
            type: int
          export:
            description: The export's name.
            type: str
          tls:
            description: Whether the connection is encrypted, by what the host's QEMU has for it.
            type: bool
      rbd:
        description: An image of a Ceph cluster. QEMU and Xen.
        type: dict
        suboptions:
          name:
            description: The image with its pool, such as V(rbd/web1).
            type: str
          hosts:
            description:
              - The monitors, each with a port or without. Without any those of the host's Ceph configuration.
            type: list
            elements: str
          user:
            description: The user that is known to the server.
            type: str
          secret:
            description:
              - The usage of the secret that holds the user's password or key (M(virtfleet.core.secret)); its value
                never stands in a definition.
            type: str
          config:
            description: Path on the host of a Ceph configuration.
            type: str
      iscsi:
        description: A disk of an iSCSI target, which QEMU itself logs in to.
        type: dict
        suboptions:
          host:
            description: The server, by name or address.
            type: str
          port:
            description: Its port; without one what the protocol has.
            type: int
          target:
            description: The target, with its LUN, such as V(iqn.2013-07.example:disks/1).
            type: str
          user:
            description: The user that is known to the server.
            type: str
          secret:
            description:
              - The usage of the secret that holds the user's password or key (M(virtfleet.core.secret)); its value
                never stands in a definition.
            type: str
          initiator:
            description: The initiator's name.
            type: str
      nfs:
        description: An image on an NFS server, which QEMU itself talks to (its driver for NFS has to be installed).
        type: dict
        suboptions:
          host:
            description: The server, by name or address.
            type: str
          port:
            description: Its port; without one what the protocol has.
            type: int
          path:
            description: The path on the server, with the export.
            type: str
          user:
            description: Who QEMU is to the server, by a name of the host or as a number such as V('+1000').
            type: str
          group:
            description: The group of that user.
            type: str
      https:
        description:
          - The address of an image that is read over HTTPS. It cannot be written, so say O(disks[].readonly).
        type: str
      cdrom:
        description: Path of an ISO image in a CD-ROM drive. Empty for an empty drive.
        type: str
      pool:
        description: The pool of the volume. Without it O(pool).
        type: str
      size:
        description: The size that the guest sees, for example V(20GiB). It can grow while the guest runs, but not under Xen.
        type: str
      bus:
        description:
          - How the disk is attached. A new disk is V(virtio), a new CD-ROM drive what the board has. Under Xen it is
            V(xen), for a CD-ROM drive of an V(hvm) guest V(ide).
        type: str
        choices: [virtio, scsi, sata, ide, usb, fdc, xen]
      target:
        description:
          - The disk's target name, such as V(vda). Without it the first free one.
          - On Xen it may be a partition, such as V(xvda2), as xen-create-image makes its guests' disks.
        type: str
      format:
        description:
          - The format of the image. Without it what the image is, and V(qcow2) for a new one, under Xen V(raw).
        type: str
        choices: [qcow2, raw, vmdk, vdi, vpc, vhdx, parallels]
      readonly:
        description: Whether the guest cannot write to it.
        type: bool
      boot_order:
        description: The place of this device in the boot order, from 1. Not together with O(boot).
        type: int
      backend_domain:
        description: The driver domain that has the disk. Xen only; without it dom0.
        type: str
      shareable:
        description:
          - Whether several guests write to it at once. It has to be raw, and its file system one for clusters. QEMU only.
        type: bool
      lun:
        description:
          - Whether the guest sends its SCSI commands to the device itself, not to a disk that QEMU shows it. For
            O(disks[].block) and O(disks[].iscsi). A new one is on the bus V(scsi). QEMU only.
        type: bool
      cache:
        description: How writes go through the host's cache. QEMU only.
        type: str
        choices: [none, writethrough, writeback, directsync, unsafe]
      io:
        description: How QEMU reads and writes; V(native) needs O(disks[].cache) V(none) or V(directsync). QEMU only.
        type: str
        choices: [native, threads, io_uring]
      discard:
        description: What happens to blocks that the guest gives back.
        type: str
        choices: [unmap, ignore]
      detect_zeroes:
        description: Whether zeros that are written are kept as holes, with V(unmap) also where data was. QEMU only.
        type: str
        choices: ['off', 'on', unmap]
      error_policy:
        description: What a failed write does to the guest. QEMU only.
        type: str
        choices: [stop, report, ignore, enospace]
      copy_on_read:
        description: Whether what is read from the image below is kept in the disk. QEMU only.
        type: bool
      queues:
        description: How many queues a V(virtio) disk has; V(0) leaves it to QEMU. QEMU only.
        type: int
      iothread:
        description: The number of the guest's I/O thread that serves a V(virtio) disk; V(0) is none. QEMU only.
        type: int
      serial:
        description: The serial number that the guest sees, by which it can find the disk. QEMU only.
        type: str
      wwn:
        description: The WWN of a V(scsi), V(sata) or V(ide) disk. QEMU only.
        type: str
      removable:
        description: Whether the guest sees a V(usb) disk as one that can be pulled out. QEMU only.
        type: bool
      luks_secret:
        description:
          - The C(usage_id) of the secret that opens the disk, which is encrypted by LUKS (M(virtfleet.core.secret), of the
            usage type V(volume)). The secret's value never stands in a definition. An empty one takes it away. QEMU
            only.
          - A volume that is made for the disk, blank or on an image, is encrypted by it.
        type: str
      iotune:
        description:
          - Limits of the disk. They change while the guest runs; a part that is left out is left as it is, and V(0)
            or V(0B) is no limit. QEMU only.
          - Those of all requests do not go together with those of reads and writes.
        type: dict
        suboptions:
          total_bytes:
            description: Bytes a second, for example V(50MiB), of all requests.
            type: str
          read_bytes:
            description: Bytes a second, for example V(50MiB), of reads.
            type: str
          write_bytes:
            description: Bytes a second, for example V(50MiB), of writes.
            type: str
          total_iops:
            description: Requests a second, of all requests.
            type: int
          read_iops:
            description: Requests a second, of reads.
            type: int
          write_iops:
            description: Requests a second, of writes.
            type: int
          total_bytes_max:
            description: What O(disks[].iotune.total_bytes) may rise to for a while.
            type: str
          read_bytes_max:
            description: What O(disks[].iotune.read_bytes) may rise to for a while.
            type: str
          write_bytes_max:
            description: What O(disks[].iotune.write_bytes) may rise to for a while.
            type: str
          total_iops_max:
            description: What O(disks[].iotune.total_iops) may rise to for a while.
            type: int
          read_iops_max:
            description: What O(disks[].iotune.read_iops) may rise to for a while.
            type: int
          write_iops_max:
            description: What O(disks[].iotune.write_iops) may rise to for a while.
            type: int
  disks_exact:
    description: Whether O(disks) names all disks; others are then detached, whoever attached them.
    type: bool
    default: false
  nics:
    description:
      - The network interfaces, known by name, else by MAC, else by what they are plugged into. See O(disks) for what
        happens to interfaces that are not listed.
    type: list
    elements: dict
    suboptions:
      name:
        description: The nic's name within the guest. Without one it is called by its network or bridge.
        type: str
      type:
        description:
          - V(network) is a libvirt network, V(bridge) a bridge of the host, V(user) an outgoing connection that needs
            nothing on the host, V(direct) a network device of the host by macvtap.
          - Without it V(bridge) where O(nics[].bridge) is given, V(direct) with O(nics[].direct), else V(network).
        type: str
        choices: [network, user, bridge, direct]
      backend:
        description:
          - What is behind a nic of type V(user). V(default) is QEMU's own network, which lets nobody in; V(passt) a program of
            the host that can, see O(nics[].forwards), for libvirt that lists it, from 9.2 on. QEMU only.
        type: str
        choices: [default, passt]
      backend_log:
        description: Path on the host of a file for what V(passt) says.
        type: str
      forwards:
        description:
          - Ports of the host that V(passt) lets into the guest; an empty list means none. One without a port stands for all of
            its protocol and address.
        type: list
        elements: dict
        suboptions:
          proto:
            description: The protocol, V(tcp) where nothing is said.
            type: str
            choices: [tcp, udp]
          address:
            description: The host's address, for example V(127.0.0.1). Without it all of them.
            type: str
          host:
            description: The port of the host, or a range such as V(8000-8010).
            type: str
          guest:
            description: The guest's port, for a range the first of as many. Without it that of the host.
            type: int
          exclude:
            description: Whether these ports of the host are left out of a range that is let in.
            type: bool
      network:
        description: The libvirt network.
        type: str
      bridge:
        description: The bridge of the host.
        type: str
      direct:
        description: The network device of the host, such as V(eth0), for a nic by macvtap. QEMU only.
        type: str
      model:
        description: The emulated card. A new nic is V(virtio), under Xen V(netfront).
        type: str
      mac:
        description: The MAC address. Without one it is derived at creation from the host's UUID, the guest and the nic.
        type: str
      address:
        description: An IP address that the libvirt network's DHCP shall always give to this nic.
        type: str
      ip:
        description:
          - The IP address that the guest has by itself. Xen's hotplug script lets no other one through, or routes it.
            Xen only.
        type: str
      rate:
        description:
          - The bytes that the guest may send in a second, for example V(10MiB); V(0B) for any. Under QEMU it changes while
            the guest runs, as do the other rates.
        type: str
      script:
        description: The hotplug script of the nic, such as V(vif-route). Xen only; without it what the host's is.
        type: str
      boot_order:
        description: The place of this device in the boot order, from 1. Not together with O(boot).
        type: int
      backend_domain:
        description: The driver domain that has the network. Xen only; without it dom0.
        type: str
      rate_peak:
        description:
          - What O(nics[].rate) may rise to for O(nics[].rate_burst) bytes; V(0B) for none. QEMU only, as are those
            below.
        type: str
      rate_burst:
        description: The bytes that the guest may send at O(nics[].rate_peak); V(0B) for none.
        type: str
      rate_in:
        description: The bytes that the guest may receive in a second; V(0B) for any.
        type: str
      rate_in_peak:
        description: What O(nics[].rate_in) may rise to for O(nics[].rate_in_burst) bytes; V(0B) for none.
        type: str
      rate_in_burst:
        description: The bytes that the guest may receive at O(nics[].rate_in_peak); V(0B) for none.
        type: str
      link:
        description: Whether the cable is plugged in. It changes while the guest runs.
        type: str
        choices: [up, down]
      filter:
        description:
          - The network filter that the nic's traffic passes (M(virtfleet.core.nwfilter)). It changes while the guest
            runs. An empty mapping takes it away.
        type: dict
        suboptions:
          name:
            description: The filter's name.
            type: str
          parameters:
            description:
              - The filter's parameters, such as V(IP), each with a value or a list of them. Without the option they
                stay as they are.
            type: dict
      isolated:
        description:
          - Whether the nic reaches the bridge's uplink only, not its other isolated nics. It changes while the guest
            runs.
        type: bool
      mode:
        description:
          - How macvtap passes on what goes from guest to guest, for O(nics[].direct). Without it V(vepa), which
            leaves that to the switch; V(bridge) does it on the host.
        type: str
        choices: [vepa, bridge, private, passthrough]
      portgroup:
        description: The port group of the libvirt network.
        type: str
      mtu:
        description: The size of frames that the guest is told, and its device on the host; V(0) for none of its own.
        type: int
      vlan:
        description:
          - The VLANs that the nic is in; several are a trunk. Bridges of Linux under libvirt 11 and later, Open
            vSwitch, and SR-IOV have them. An empty list is none.
        type: list
        elements: int
      virtualport:
        description:
          - What a switch that is no bridge of Linux is told of the port. It goes with O(nics[].bridge) and
            O(nics[].network), which gives its own words to nics that say nothing. An empty mapping is none.
          - Ports of Open vSwitch and MidoNet were defined by a real libvirt, and not run.
        type: dict
        version_added: 0.2.0
        suboptions:
          type:
            description: The switch. It must be given with the others.
            type: str
            choices: [openvswitch, midonet]
          interfaceid:
            description:
              - The UUID by which the switch knows the port. libvirt draws one for V(openvswitch); V(midonet) needs it
                said.
            type: str
          profileid:
            description: The profile that a controller of Open vSwitch gives the port. An empty one is none.
            type: str
      trust_guest_rx_filters:
        description: Whether the guest may choose what its macvtap device receives.
        type: bool
      driver:
        description: Who moves a nic's frames, the host's kernel or QEMU. Goes with O(nics[].model=virtio), as the queues and
          rings do.
        type: str
        choices: [vhost, qemu]
      queues:
        description: How many queues a virtio nic has; V(0) leaves it to QEMU.
        type: int
      rx_queue_size:
        description: The size of a virtio nic's receive ring, a power of two from 256 on; V(0) leaves it to QEMU.
        type: int
      tx_queue_size:
        description: The size of a virtio nic's transmit ring, a power of two from 256 on; V(0) leaves it to QEMU.
        type: int
      rom:
        description: The card's ROM, from which firmware boots.
        type: dict
        suboptions:
          enabled:
            description: Whether the guest sees one at all.
            type: bool
          bar:
            description: Whether it is mapped into the guest's memory.
            type: bool
          file:
            description: Path on the host of another one.
            type: str
  nics_exact:
    description: Whether O(nics) names all interfaces; others are then detached, whoever attached them.
    type: bool
    default: false
  hostdevs:
    description:
      - Devices of the host that the guest has for itself, known by name, else by the device. See O(disks) for what happens
        to those that are not listed. Each entry has one of O(hostdevs[].pci), O(hostdevs[].usb) and O(hostdevs[].mdev).
      - They are plugged in and pulled while the guest runs, where its board has a port left.
      - A PCI device needs an IOMMU that is turned on (under Xen, xen-pciback). No host of this collection's tests has
        one, so these definitions were checked by libvirt, and not run.
    type: list
    elements: dict
    suboptions:
      name:
        description: The device's name within the guest. Without one it is called by its kind and place.
        type: str
      pci:
        description: The address of a PCI device, such as V(0000:01:00.0) (C(lspci -D) lists them).
        type: str
      usb:
        description:
          - A USB device, as vendor and product such as V(0951:1666), or as bus and device such as V('1.4'), which is
            another one after it was pulled out and put back (C(lsusb) lists both).
        type: str
      mdev:
        description: The UUID of a mediated device, such as a virtual GPU. QEMU only.
        type: str
      managed:
        description:
          - Whether libvirt takes a PCI device from the host's driver when the guest starts, and gives it back. A new
            PCI device is managed.
        type: bool
      driver:
        description: What passes a PCI device on; without it what the hypervisor has.
        type: str
        choices: [vfio, xen]
      boot_order:
        description: The place of this device in the boot order, from 1. Not together with O(boot).
        type: int
      rom:
        description: The card's ROM, from which firmware boots. QEMU only.
        type: dict
        suboptions:
          enabled:
            description: Whether the guest sees one at all.
            type: bool
          bar:
            description: Whether it is mapped into the guest's memory.
            type: bool
          file:
            description: Path on the host of another one.
            type: str
  hostdevs_exact:
    description: Whether O(hostdevs) names all of them; others are then detached, whoever attached them.
    type: bool
    default: false
  filesystems:
    description:
      - Folders of the host that the guest can mount, known by name, else by target. See O(disks) for what happens to those
        that are not listed. QEMU only.
      - The guest mounts it by its target, C(mount -t virtiofs TARGET /mnt), or C(mount -t 9p -o trans=virtio TARGET /mnt).
      - V(virtiofs) needs memory that is shared with the host, and is plugged into a running guest; V(9p) waits for its
        next start.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the entry within the guest. Without one it is called by its target.
        type: str
      source:
        description: Path on the host of the folder.
        type: str
      target:
        description: The tag by which the guest mounts it.
        type: str
      driver:
        description: How it is shared. A new one is V(virtiofs).
        type: str
        choices: [virtiofs, 9p]
      accessmode:
        description:
          - Who owns the files on the host, for V(9p). V(passthrough) is the guest's users, V(mapped) keeps them in
            attributes of the files, V(squash) is as V(passthrough) and lets failures go. A new one is V(mapped).
        type: str
        choices: [passthrough, mapped, squash]
      readonly:
        description: Whether the guest cannot write to it; for V(virtiofs) from libvirt 11.0 on.
        type: bool
      fmode:
        description: The mode of new files on the host, such as V('0644'), for V(9p) that is V(mapped).
        type: str
      dmode:
        description: The mode of new folders on the host, such as V('0755'), for V(9p) that is V(mapped).
        type: str
  filesystems_exact:
    description: Whether O(filesystems) names all of them; others are then detached, whoever attached them.
    type: bool
    default: false
  memory_modules:
    description:
      - Memory beside O(memory), as modules (DIMMs) in O(memory_slots), known by name, else by slot. See O(disks) for what
        happens to those that are not listed. QEMU only.
      - They are plugged into a running guest that was started with slots; the guest then brings their memory online. Pulling
        one needs the guest's consent, which it gives while nothing in the module is in use; else the change waits.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the entry within the guest. Without one it is called by its slot.
        type: str
      slot:
        description: The slot it is in, from V(0).
        type: int
      size:
        description: How much memory it is, for example V(1GiB). Linux wants multiples of 128 MiB on x86.
        type: str
      node:
        description: The node of O(numa) that it belongs to, from V(0), which is that of a new one.
        type: int
  memory_modules_exact:
    description: Whether O(memory_modules) names all of them; others are then detached, whoever attached them.
    type: bool
    default: false
  on_poweroff:
    description:
      - What follows when the guest powers off. A guest that nobody said this of is V(destroy), which frees what it held.
    type: str
    choices: [destroy, restart, preserve, rename-restart]
  on_reboot:
    description: What follows when the guest reboots; else V(restart).
    type: str
    choices: [destroy, restart, preserve, rename-restart]
  on_crash:
    description: What follows when the guest crashes; else V(destroy).
    type: str
    choices: [destroy, restart, preserve, rename-restart, coredump-destroy, coredump-restart]
  console:
    description: Whether the guest has a serial console, or under Xen a paravirtual one. A new guest has one.
    type: bool
  console_log:
    description: Path on the host of a file that gets what the console prints. An empty one removes it.
    type: str
  console_source:
    description:
      - Where the first serial port leads, which is the console. Give exactly one; a new guest has C(pty). Only that lets
        C(virsh console), M(virtfleet.core.console) and the connection plugin P(virtfleet.core.console#connection) in. Waits for
        the next cold start. QEMU only.
    type: dict
    suboptions: &source
      pty:
        description: A terminal of the host, which is opened by C(virsh console). Only V(true) is of use.
        type: bool
      file:
        description: Path on the host of a file that gets what the guest says.
        type: str
      unix:
        description: A Unix socket of the host.
        type: dict
        suboptions:
          path:
            description: The path of the socket. Needed.
            type: str
          mode:
            description: Whether QEMU makes the socket and listens (V(bind)), or something listens there already. Needed.
            type: str
            choices: [bind, connect]
      tcp:
        description: A TCP socket. Nothing of it is encrypted, and whoever reaches it may use it.
        type: dict
        suboptions:
          host:
            description: The name or address on which QEMU listens, or to which it connects. Needed.
            type: str
          port:
            description: The port. Needed.
            type: int
          mode:
            description: Whether QEMU listens (V(bind)) or connects. Needed.
            type: str
            choices: [bind, connect]
          protocol:
            description: V(telnet) obeys the commands of that protocol. Else V(raw).
            type: str
            choices: [raw, telnet]
      device:
        description: Path of a character device of the host, such as V(/dev/ttyS1).
        type: str
      nothing:
        description: Leads nowhere, what the guest says is lost. Only V(true) is of use.
        type: bool
      spiceport:
        description: A port of SPICE by its name, such as V(org.spice-space.webdav.0).
        type: str
  agent:
    description: Whether there is a channel for the QEMU guest agent. A new guest has one.
    type: bool
  serials:
    description:
      - Further serial ports, known by name, else by port. Each has exactly one source (O(serials[].pty), O(serials[].file),
        ...). See O(disks) for what happens to those that are not listed. They wait for the next cold start. QEMU only.
      - The first port, V(0), is the console, and has O(console), O(console_log) and O(console_source).
    type: list
    elements: dict
    suboptions:
      <<: *source
      name:
        description: The name of the entry within the guest. Without one it is called by its port, such as V(serial1).
        type: str
      port:
        description: The number of the port, from 1 on; in a Linux guest V(1) is C(ttyS1). Needed.
        type: int
      model:
        description: What kind of port it is. Else that of the guest's board.
        type: str
        choices: [isa-serial, usb-serial, pci-serial, spapr-vio-serial, system-serial, sclp-serial]
      append:
        description: Whether O(serials[].file) is written on at each start of the guest, and not anew.
        type: bool
      log:
        description: Path on the host of a file that gets a copy of what the guest says. An empty one removes it.
        type: str
      log_append:
        description: Whether O(serials[].log) is written on at each start of the guest.
        type: bool
  serials_exact:
    description: Whether O(serials) names all of them; others are then removed, whoever attached them.
    type: bool
    default: false
  parallels:
    description:
      - Parallel ports, known by name, else by port; otherwise as O(serials). QEMU only.
    type: list
    elements: dict
    suboptions:
      <<: *source
      name:
        description: The name of the entry within the guest. Without one it is called by its port, such as V(parallel0).
        type: str
      port:
        description: The number of the port, from 0 to 2. Needed.
        type: int
      append:
        description: Whether O(parallels[].file) is written on at each start of the guest, and not anew.
        type: bool
      log:
        description: Path on the host of a file that gets a copy of what the guest says. An empty one removes it.
        type: str
      log_append:
        description: Whether O(parallels[].log) is written on at each start of the guest.
        type: bool
  parallels_exact:
    description: Whether O(parallels) names all of them; others are then removed, whoever attached them.
    type: bool
    default: false
  consoles:
    description:
      - Virtio consoles beside the console, known by name, else by port; otherwise as O(serials). They are attached and
        detached while the guest runs. QEMU only.
      - In a Linux guest the first of them is C(hvc0).
    type: list
    elements: dict
    suboptions:
      <<: *source
      name:
        description: The name of the entry within the guest. Without one it is called by its port, such as V(console1).
        type: str
      port:
        description: Its number among the consoles, from 1 on; V(0) is the first serial port. Needed.
        type: int
      append:
        description: Whether O(consoles[].file) is written on at each start of the guest, and not anew.
        type: bool
      log:
        description: Path on the host of a file that gets a copy of what the guest says. An empty one removes it.
        type: str
      log_append:
        description: Whether O(consoles[].log) is written on at each start of the guest.
        type: bool
  consoles_exact:
    description: Whether O(consoles) names all of them; others are then detached, whoever attached them.
    type: bool
    default: false
  channels:
    description:
      - Virtio channels, each with a name by which programs in the guest find it, known by name, else by target; otherwise as
        O(serials). They are attached and detached while the guest runs. QEMU only.
      - A Linux guest has them in C(/dev/virtio-ports). The channels of the agents go by O(agent) and O(spice_agent).
    type: list
    elements: dict
    suboptions:
      <<: *source
      name:
        description: The name of the entry within the guest. Without one it is called by its target.
        type: str
      target:
        description: The name in the guest, such as V(org.example.control.0). Needed.
        type: str
      append:
        description: Whether O(channels[].file) is written on at each start of the guest, and not anew.
        type: bool
      log:
        description: Path on the host of a file that gets a copy of what the guest says. An empty one removes it.
        type: str
      log_append:
        description: Whether O(channels[].log) is written on at each start of the guest.
        type: bool
  channels_exact:
    description: Whether O(channels) names all of them; others are then detached, whoever attached them.
    type: bool
    default: false
  autostart:
    description: Whether the guest is started with its host.
    type: bool
  pool:
    description: The storage pool of new volumes. Without it the pool V(default).
    type: str
  cloud_init:
    description:
      - What cloud-init in the guest shall do, as a NoCloud seed on a small read-only disk. It is rebuilt only when its
        content changes.
    type: dict
    suboptions:
      user_data:
        description: The user-data, as a mapping (a cloud-config) or as text with its first line.
        type: raw
      meta_data:
        description: The meta-data. Without C(instance-id) one follows from the content, without C(local-hostname) it
          is the guest's name.
        type: dict
      network_config:
        description: The network configuration, version 1 or 2, as a mapping or text.
        type: raw
      policy:
        description:
          - What a changed seed means for a guest that has one already. V(ignore) leaves the old seed.
          - V(next_boot) writes the new one, which cloud-init obeys at the next boot as a new instance.
          - V(recreate) makes the guest's disks with O(disks[].image) anew, which needs O(confirm_data_loss).
        type: str
        choices: [ignore, next_boot, recreate]
        default: next_boot
  unattend:
    description:
      - What Windows Setup shall do without asking, as an answer file on a small CD of its own (C(autounattend.xml)). Beside it
        the guest needs the CD of Windows, and for virtio the one with the drivers, among O(disks).
      - The disk with the number 0 is wiped by Setup, and only Setup reads it - an installed Windows does not look again.
      - The passwords stand in the file in clear. It is readable by root and QEMU, and in the guest by everybody who may look at
        that CD. It was checked against Microsoft's documentation, and not run by a Windows.
      - Not together with O(cloud_init).
    type: dict
    suboptions:
      computer_name:
        description: The computer's name. Else the guest's, where Windows takes it, or one that Windows draws.
        type: str
      edition:
        description: Which of the CD's editions is installed, by its name such as V(Windows 11 Pro), or by its number.
        type: str
      product_key:
        description: The product key. Most CDs ask for one where none is given.
        type: str
      admin_password:
        description: The password of the account Administrator, which is turned off in Windows 10 and 11.
        type: str
      user:
        description: An account that is made. Windows 10 and 11 ask for one otherwise.
        type: dict
        suboptions:
          name:
            description: The account's name. Needed.
            type: str
          password:
            description: Its password. Needed.
            type: str
          group:
            description: Its group, as the Windows in its language calls it. Else V(Administrators).
            type: str
      locale:
        description: Language and formats, such as V(de-DE); the CD must have that language. Else V(en-US).
        type: str
      keyboard:
        description: The layout of the keyboard, as a locale or as a number such as V('0407:00000407'). Else that of the locale.
        type: str
      timezone:
        description: The time zone as Windows calls it, such as V(W. Europe Standard Time). Else V(UTC).
        type: str
      organization:
        description: To whom Windows is registered.
        type: str
      layout:
        description: How the disk is laid out. Else as the guest starts, which O(firmware) says.
        type: str
        choices: [efi, bios]
      drivers:
        description:
          - Folders of drivers that Setup loads, such as V(viostor/w11/amd64) and V(NetKVM/w11/amd64) of the virtio-win CD. Without
            a drive such as V(E:/) each is looked for in the drives D to H.
        type: list
        elements: str
      autologon:
        description: How many times the user, else the administrator, is logged on without being asked.
        type: int
      first_logon_commands:
        description: Command lines that run one after another at the first logon, which O(unattend.autologon) sees to.
        type: list
        elements: str
      answer_file:
        description: A whole answer file as text instead of all that is above.
        type: str
      policy:
        description:
          - What other answers mean for a guest that has such a CD already. V(ignore) leaves the old one; V(next_boot) writes the
            new one, for the next time that Setup runs.
        type: str
        choices: [ignore, next_boot]
        default: next_boot
  xml_overlay:
    description:
      - What no option says, as XML. Each entry has O(xml_overlay[].at) and O(xml_overlay[].xml), or
        O(xml_overlay[].remove). It is merged into the sibling that it means, else appended.
      - Below V(devices) it means the device with the same alias, target, MAC, id or controller index; a video card,
        balloon, TPM, or the graphics of one type stand once; anything else is one more device. Elsewhere it means the
        sibling with the same key (name, id, index, type, ...).
      - It must not change what is given as an option, nor the guest's name, UUID or the metadata of this collection.
    type: list
    elements: dict
    suboptions:
      at:
        description: The path of the parent, such as V(devices) or V(features/hyperv); V(.) is the domain.
        type: str
      xml:
        description: The element that must stand there.
        type: str
      remove:
        description: The path of elements, or with V(/@name) of an attribute, that must not exist.
        type: str
  wait_for:
    description:
      - What to wait for once the guest runs. V(agent) answers, an V(address) is known, or V(ssh) answers as seen from
        the host where the module runs.
    type: str
    choices: [agent, address, ssh]
  wait_timeout:
    description: How long to wait, for example V(90s) or V(5m).
    type: str
    default: 5m
  stop_timeout:
    description: How long a guest may take to power off.
    type: str
    default: 2m
  force_stop:
    description: Whether a guest that does not power off within O(stop_timeout) is switched off.
    type: bool
    default: false
  restart_policy:
    description:
      - Whether a running guest is restarted where a change, now or from an earlier run, is true only after that.
      - V(never) leaves it in RV(pending). V(if_needed) shuts the guest down as O(state=stopped) would, and starts it again.
      - A title, a description or a tag never restarts anything.
    type: str
    choices: [never, if_needed]
    default: never
  drift:
    description:
      - What becomes of options that somebody changed by hand since they were applied last. They are listed in RV(drift) in
        any case.
      - V(revert) sets them back, V(report) leaves them as they are, unless the task asks for another value than was applied.
    type: str
    choices: [report, revert]
    default: revert
  confirm_data_loss:
    description:
      - What may be lost, by name. V(web1) means all disks that this collection made for the guest web1, V(web1/data)
        the disk data of it.
    type: list
    elements: str
    default: []
seealso:
  - module: virtfleet.core.guest_info
  - module: virtfleet.core.image
  - module: virtfleet.core.network
  - module: virtfleet.core.pool
"""

EXAMPLES = r"""
- name: A guest that installs from a CD
  virtfleet.core.guest:
    name: lecture
    memory: 512MiB
    vcpus: 2
    disks:
      - size: 4GiB
      - cdrom: /var/lib/libvirt/images/debian-12-netinst.iso
    boot: [cdrom, disk]
    state: running

- name: A guest on a base image, with an address of its own
  virtfleet.core.guest:
    name: web1
    memory: 2GiB
    vcpus: 2
    disks:
      - image: debian-12
        size: 20GiB
    nics:
      - network: lab
        address: 10.20.0.11
    cloud_init:
      user_data:
        ssh_authorized_keys:
          - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPl6ug7uN5zQ0bBz9m3bDP7pxpQ9g0A5pGxHhBPoY1mk admin@example
    tags: [web, prod]
    state: running
    wait_for: ssh

- name: See what more memory would cost
  virtfleet.core.guest:
    name: web1
    memory: 4GiB
  check_mode: true
  diff: true

- name: Remove a guest and only its data disk
  virtfleet.core.guest:
    name: web1
    state: absent
    confirm_data_loss: [web1/data]
"""

RETURN = r"""
plan:
  description: What was done, or in check mode would be; only objects that change.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: C(guest), C(volume) or C(network).
      type: str
    name:
      description: The object's name; a volume's is C(pool/name).
      type: str
    action:
      description: C(create), C(update) or C(delete).
      type: str
    effect:
      description: The dearest effect of the changes.
      type: str
    changes:
      description: One entry for each option that changes.
      type: list
      elements: dict
    outcome:
      description: C(done), C(pending) (waits for a restart), C(failed), C(skipped), or C(planned) in check mode.
      type: str
    error:
      description: Why it failed, or what keeps it waiting.
      type: str
  sample:
    - kind: guest
      name: web1
      action: update
      effect: restart
      changes:
        - {path: memory, before: 2GiB, after: 4GiB, effect: restart}
      outcome: pending
      error: null
pending:
  description: What is written and waits for the guest's next cold start.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: guest
      name: web1
      changes:
        - {path: memory, before: 2GiB, after: 4GiB, effect: restart}
unmanaged:
  description: Disks and nics that exist, are not listed, and were not attached by this collection.
  returned: always
  type: list
  elements: dict
  sample:
    - {kind: guest, name: web1, entries: [disks.vdb]}
drift:
  description: Options that somebody changed by hand since they were applied last.
  returned: always
  type: list
  elements: dict
  contains:
    kind:
      description: V(guest).
      type: str
    name:
      description: The guest's name.
      type: str
    path:
      description: The option.
      type: str
    applied:
      description: What was applied last.
      type: raw
    found:
      description: What there is now.
      type: raw
    wanted:
      description: What the task asks for.
      type: raw
    side:
      description: V(definition), or V(live) where only the running guest differs.
      type: str
  sample:
    - {kind: guest, name: web1, path: memory, applied: 2GiB, found: 3GiB, wanted: 2GiB, side: definition}
summary:
  description: How many objects were made, changed, removed, and left as they are.
  returned: always
  type: dict
  sample: {update: 1, unchanged: 0}
guest:
  description: The guest after the run (in check mode as it is), as M(virtfleet.core.guest_info) returns it.
  returned: success
  type: dict
  sample:
    name: web1
    uuid: 6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11
    state: running
    memory: 2GiB
    vcpus: 2
    addresses:
      - {mac: "52:54:ab:cd:ef:01", address: 10.20.0.11, prefix: 24, family: ipv4}
"""

from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS, RUN_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._guest_module import guest_subject
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_converge


def main() -> None:
    """Converge one guest."""
    main_converge({**GUEST_OPTIONS, **RUN_OPTIONS}, guest_subject)


if __name__ == "__main__":
    main()
