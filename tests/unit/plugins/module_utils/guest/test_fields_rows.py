# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people set on a guest itself: words in, XML out; what is refused; and what a running guest is told."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import HIDDEN, UNSET, Change, Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS, shown
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import (
    Context,
    Field,
    compare,
    contradictions,
    merged,
    observe,
    patch,
    show,
    steps,
    unsupported,
)
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.house import House, rows
from tests.unit.plugins.module_utils.guest.world import facts

QEMU = "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"


def domain(inside: str) -> Element:
    return _xml.parse(f"<domain type='kvm'>{inside}</domain>")


def wanted(**words: Any) -> dict[str, Any]:
    return parse({"name": "web1", **words}).values


def written(root: Element, **words: Any) -> Element:
    want = wanted(**words)
    return patch(GUEST, root, compare(GUEST, want, observe(GUEST, root), Context()))


# option, its word, what was there, what is there then
WRITTEN: list[tuple[str, Any, str, str]] = [
    ("cpu", {"model": "host-passthrough"}, "", "<cpu mode='host-passthrough'/>"),
    (
        "cpu",
        {"model": "EPYC", "features": {"vmx": "require"}},
        "<cpu mode='host-passthrough' check='none' migratable='on'><topology sockets='1' cores='1' threads='1'/></cpu>",
        "<cpu mode='custom' match='exact'><topology sockets='1' cores='1' threads='1'/><model>EPYC</model>"
        "<feature policy='require' name='vmx'/></cpu>",
    ),
    (
        "cpu",
        {"model": "maximum"},
        "<cpu mode='custom' match='exact' check='partial'><model fallback='allow'>EPYC</model><vendor>AMD</vendor></cpu>",
        "<cpu mode='maximum'/>",
    ),
    ("cpu", {"check": "full"}, "<cpu mode='host-model'/>", "<cpu mode='host-model' check='full'/>"),
    ("cpu", {"cache": "emulate"}, "", "<cpu><cache mode='emulate' level='3'/></cpu>"),
    ("cpu", {"cache": "passthrough"}, "<cpu><cache mode='emulate' level='3'/></cpu>", "<cpu><cache mode='passthrough'/></cpu>"),
    (
        "cpu",
        {"features": {}},
        "<cpu mode='host-model'><feature policy='disable' name='svm'/></cpu>",
        "<cpu mode='host-model'/>",
    ),
    (
        "numa",
        [{"cpus": "0-1", "memory": "1GiB"}, {"memory": "512MiB"}],
        "",
        "<cpu><numa><cell id='0' unit='KiB' memory='1048576' cpus='0-1'/><cell id='1' unit='KiB' memory='524288'/></numa></cpu>",
    ),
    (
        "numa",
        [{"cpus": "0", "memory": "2GiB"}],
        "<cpu><numa><cell id='0' cpus='0-1' memory='1' unit='GiB'><distances/></cell></numa></cpu>",
        "<cpu><numa><cell id='0' cpus='0' memory='2097152' unit='KiB'><distances/></cell></numa></cpu>",
    ),
    ("numa", [], "<cpu mode='maximum'><numa><cell id='0' memory='1' unit='GiB'/></numa></cpu>", "<cpu mode='maximum'/>"),
    (
        "vcpu_pins",
        {"0": 3, "1-2": "0,4-5"},
        "<cputune><vcpupin vcpu='7' cpuset='1'/></cputune>",
        "<cputune><vcpupin vcpu='0' cpuset='3'/><vcpupin vcpu='1' cpuset='0,4-5'/><vcpupin vcpu='2' cpuset='0,4-5'/></cputune>",
    ),
    ("vcpu_pins", {}, "<cputune><vcpupin vcpu='7' cpuset='1'/></cputune>", ""),
    ("emulator_pin", "0-1", "", "<cputune><emulatorpin cpuset='0-1'/></cputune>"),
    ("emulator_pin", "", "<cputune><emulatorpin cpuset='0-1'/><shares>5</shares></cputune>", "<cputune><shares>5</shares></cputune>"),
    ("iothreads", 2, "<iothreadids><iothread id='7'/></iothreadids><iothreads>1</iothreads>", "<iothreads>2</iothreads>"),
    ("iothreads", 0, "<iothreads>1</iothreads>", ""),
    ("iothread_pins", {1: "0"}, "", "<cputune><iothreadpin iothread='1' cpuset='0'/></cputune>"),
    (
        "cputune",
        {"shares": 512, "period": "50ms", "quota": "unlimited", "global_quota": "1.5s"},
        "<cputune><vcpupin vcpu='0' cpuset='1'/><quota>1000</quota></cputune>",
        "<cputune><vcpupin vcpu='0' cpuset='1'/><quota>-1</quota><shares>512</shares><period>50000</period>"
        "<global_quota>1500000</global_quota></cputune>",
    ),
    (
        "numatune",
        {"mode": "strict", "nodeset": "0-1"},
        "<numatune><memory placement='auto'/></numatune>",
        "<numatune><memory mode='strict' nodeset='0-1'/></numatune>",
    ),
    ("numatune", {"nodeset": ""}, "<numatune><memory mode='strict' nodeset='0'/></numatune>", ""),
    ("blkio_weight", 300, "", "<blkiotune><weight>300</weight></blkiotune>"),
    (
        "memtune",
        {"hard_limit": "2GiB", "soft_limit": "unlimited"},
        "<memtune><soft_limit unit='KiB'>5</soft_limit></memtune>",
        "<memtune><hard_limit unit='KiB'>2097152</hard_limit></memtune>",
    ),
    (
        "memory_backing",
        {"hugepages": True, "hugepage_size": "2MiB", "source": "memfd", "access": "shared", "locked": True},
        "",
        "<memoryBacking><hugepages><page size='2048' unit='KiB'/></hugepages><source type='memfd'/><access mode='shared'/>"
        "<locked/></memoryBacking>",
    ),
    (
        "memory_backing",
        {"hugepages": False, "locked": False},
        "<memoryBacking><hugepages><page size='2048' unit='KiB'/></hugepages><locked/><discard/></memoryBacking>",
        "<memoryBacking><discard/></memoryBacking>",
    ),
    (
        "memballoon",
        {"model": "none"},
        "<devices><memballoon model='virtio' autodeflate='on'><stats period='5'/><address type='pci'/></memballoon></devices>",
        "<devices><memballoon model='none'/></devices>",
    ),
    (
        "memballoon",
        {"stats_period": 10, "free_page_reporting": True},
        "<devices><memballoon model='virtio'/></devices>",
        "<devices><memballoon model='virtio' freePageReporting='on'><stats period='10'/></memballoon></devices>",
    ),
    (
        "features",
        {"acpi": False, "smm": True, "kvm_hidden": True, "ioapic": "qemu"},
        "<features><acpi/><apic/></features>",
        "<features><apic/><smm state='on'/><kvm><hidden state='on'/></kvm><ioapic driver='qemu'/></features>",
    ),
    (
        "hyperv",
        ["vapic", "spinlocks"],
        "<features><hyperv><relaxed state='on'/><vendor_id state='on' value='x'/></hyperv></features>",
        "<features><hyperv><vendor_id state='on' value='x'/><spinlocks state='on' retries='8191'/><vapic state='on'/></hyperv>"
        "</features>",
    ),
    ("hyperv", False, "<features><hyperv><relaxed state='on'/></hyperv></features>", ""),
    (
        "clock",
        {"offset": "timezone", "timezone": "Europe/Berlin", "timers": {"rtc": {"tickpolicy": "catchup", "present": True}}},
        "<clock offset='variable' adjustment='5' basis='utc'><timer name='rtc'><catchup limit='1'/></timer>"
        "<timer name='pit'/></clock>",
        "<clock offset='timezone' timezone='Europe/Berlin'><timer name='rtc' present='yes' tickpolicy='catchup'>"
        "<catchup limit='1'/></timer></clock>",
    ),
    ("clock", {"offset": "utc"}, "<clock offset='timezone' timezone='UTC'/>", "<clock offset='utc'/>"),
    ("pm", {"suspend_to_mem": False}, "", "<pm><suspend-to-mem enabled='no'/></pm>"),
    ("boot_menu", True, "<os><bootmenu timeout='3000'/></os>", "<os><bootmenu timeout='3000' enable='yes'/></os>"),
    (
        "secure_boot",
        True,
        "<os firmware='efi'><loader>/f</loader><nvram>/n</nvram></os>",
        "<os firmware='efi'><firmware><feature name='secure-boot' enabled='yes'/><feature name='enrolled-keys' enabled='yes'/>"
        "</firmware></os>",
    ),
    (
        "secure_boot",
        False,
        "<os firmware='efi'><loader secure='yes'/></os>",
        "<os firmware='efi'><firmware><feature name='secure-boot' enabled='no'/><feature name='enrolled-keys' enabled='no'/>"
        "</firmware></os>",
    ),
    (
        "secure_boot",
        False,
        "<os firmware='efi'/>",
        "<os firmware='efi'><firmware><feature name='secure-boot' enabled='no'/><feature name='enrolled-keys' enabled='no'/>"
        "</firmware></os>",
    ),
    ("secure_boot", False, "<os><type>hvm</type></os>", "<os><type>hvm</type></os>"),
    (
        "sysinfo",
        {"system_serial": "S1", "baseboard_asset": "A", "oem_strings": ["b", "a"]},
        "",
        "<sysinfo type='smbios'><system><entry name='serial'>S1</entry></system><baseBoard><entry name='asset'>A</entry>"
        "</baseBoard><oemStrings><entry>b</entry><entry>a</entry></oemStrings></sysinfo><os><smbios mode='sysinfo'/></os>",
    ),
    (
        "sysinfo",
        {"system_serial": ""},
        "<os><smbios mode='sysinfo'/><x/></os><sysinfo type='smbios'><system><entry name='serial'>S1</entry></system></sysinfo>",
        "<os><x/></os>",
    ),
    (
        "qemu_commandline",
        {"args": ["-device", "edu"], "env": {"A": "b", "C": ""}},
        "",
        f"<qemu:commandline {QEMU}><qemu:arg value='-device'/><qemu:arg value='edu'/><qemu:env name='A' value='b'/>"
        "<qemu:env name='C'/></qemu:commandline>",
    ),
    ("qemu_commandline", {"args": []}, f"<qemu:commandline {QEMU}><qemu:arg value='-x'/></qemu:commandline>", ""),
    ("graphics", {"type": "vnc"}, "<devices/>", "<devices><graphics type='vnc' port='-1' autoport='yes'/></devices>"),
    (
        "graphics",
        {"listen": "::1", "port": 5907},
        "<devices><graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1' keymap='de'>"
        "<listen type='address' address='127.0.0.1'/></graphics></devices>",
        "<devices><graphics type='vnc' port='5907' autoport='no' keymap='de'><listen type='address' address='::1'/></graphics>"
        "</devices>",
    ),
    (
        "graphics",
        {"type": "spice"},
        "<devices><graphics type='vnc' port='5907' autoport='no' passwd='p' sharePolicy='ignore'><listen type='address'/>"
        "</graphics></devices>",
        "<devices><graphics type='spice' port='5907' autoport='no' passwd='p'><listen type='address'/></graphics></devices>",
    ),
    ("graphics", {"type": "none"}, "<devices><graphics type='vnc'/><video/></devices>", "<devices><video/></devices>"),
    (
        "graphics_password",
        "neu",
        "<devices><graphics type='vnc' passwd='alt' passwdValidTo='2020-01-01T00:00:00'/></devices>",
        "<devices><graphics type='vnc' passwd='neu'/></devices>",
    ),
    ("graphics_password", "", "<devices><graphics type='vnc' passwd='alt'/></devices>", "<devices><graphics type='vnc'/></devices>"),
    (
        "video",
        "virtio",
        "<devices><video><model type='qxl' ram='65536' heads='2'/><address type='pci'/></video></devices>",
        "<devices><video><model type='virtio'/></video></devices>",
    ),
    (
        "video",
        "none",
        "<devices><graphics type='vnc'/><video><model type='vga'/></video></devices>",
        "<devices><graphics type='vnc'/><video><model type='none'/></video></devices>",
    ),
    ("video", "none", "<devices><video><model type='vga'/></video></devices>", ""),
    ("sound", "ich9", "<devices/>", "<devices><sound model='ich9'/></devices>"),
    ("sound", "none", "<devices><sound model='ich9'/><video/></devices>", "<devices><video/></devices>"),
    (
        "sound",
        "ac97",
        "<devices><sound model='ich9'><codec type='micro'/><address type='pci'/></sound></devices>",
        "<devices><sound model='ac97'><codec type='micro'/></sound></devices>",
    ),
    (
        "tablet",
        True,
        "<devices><input type='mouse' bus='ps2'/></devices>",
        "<devices><input type='mouse' bus='ps2'/><input type='tablet' bus='usb'/></devices>",
    ),
    ("tablet", False, "<devices><input type='tablet' bus='virtio'/></devices>", ""),
    (
        "spice_agent",
        True,
        "<devices/>",
        "<devices><channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel></devices>",
    ),
    ("watchdog", {"action": "pause"}, "<devices/>", "<devices><watchdog model='i6300esb' action='pause'/></devices>"),
    (
        "watchdog",
        {"model": "ib700"},
        "<devices><watchdog model='i6300esb' action='pause'><address type='pci'/></watchdog></devices>",
        "<devices><watchdog model='ib700' action='pause'/></devices>",
    ),
    ("watchdog", {"model": "none"}, "<devices><watchdog model='ib700' action='none'/><video/></devices>", "<devices><video/></devices>"),
    (
        "rng",
        {"source": "/dev/hwrng", "rate": "1KiB"},
        "<devices/>",
        "<devices><rng model='virtio'><backend model='random'>/dev/hwrng</backend><rate bytes='1024' period='1000'/></rng></devices>",
    ),
    (
        "rng",
        {"source": "builtin", "rate": 0},
        "<devices><rng model='virtio'><rate bytes='5'/><backend model='random'>/x</backend></rng></devices>",
        "<devices><rng model='virtio'><backend model='builtin'/></rng></devices>",
    ),
    (
        "tpm",
        {"version": "2.0"},
        "<devices/>",
        "<devices><tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>",
    ),
    (
        "tpm",
        {"type": "passthrough", "device": "/dev/tpm0"},
        "<devices><tpm model='tpm-tis'><backend type='emulator' version='1.2'/></tpm></devices>",
        "<devices><tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm></devices>",
    ),
    ("panic", "isa", "<devices/>", "<devices><panic model='isa'/></devices>"),
    ("vsock", "auto", "<devices/>", "<devices><vsock model='virtio'><cid auto='yes'/></vsock></devices>"),
    (
        "vsock",
        7,
        "<devices><vsock model='virtio'><cid auto='yes' address='3'/></vsock></devices>",
        "<devices><vsock model='virtio'><cid auto='no' address='7'/></vsock></devices>",
    ),
    ("smartcard", "passthrough", "<devices/>", "<devices><smartcard mode='passthrough' type='spicevmc'/></devices>"),
    (
        "launch_security",
        {"policy": "3", "kernel_hashes": True, "cbitpos": 47},
        "",
        "<launchSecurity type='sev' kernelHashes='yes'><policy>0x0003</policy><cbitpos>47</cbitpos></launchSecurity>",
    ),
    (
        "launch_security",
        {"policy": "0x5", "reduced_phys_bits": 1, "session": "AAEC", "dh_cert": "AwQF"},
        "<launchSecurity type='sev'><policy>0x0003</policy><cbitpos>47</cbitpos></launchSecurity>",
        "<launchSecurity type='sev'><policy>0x0005</policy><cbitpos>47</cbitpos><reducedPhysBits>1</reducedPhysBits>"
        "<session>AAEC</session><dhCert>AwQF</dhCert></launchSecurity>",
    ),
    (
        "launch_security",
        {"type": "s390-pv"},
        "<launchSecurity type='sev' kernelHashes='yes'><policy>0x0003</policy></launchSecurity>",
        "<launchSecurity type='s390-pv'/>",
    ),
    ("launch_security", {"type": "none"}, "<launchSecurity type='s390-pv'/>", ""),
    (
        "iommu",
        "virtio",
        "<devices><iommu model='intel'><driver intremap='on'/></iommu></devices>",
        "<devices><iommu model='virtio'/></devices>",
    ),
]


@pytest.mark.parametrize(("option", "word", "before", "after"), WRITTEN, ids=[f"{c[0]}-{n}" for n, c in enumerate(WRITTEN)])
def test_a_word_is_written_so(option: str, word: Any, before: str, after: str) -> None:
    root = written(domain(before), **{option: word})
    assert _xml.same(root, domain(after)), _xml.to_text(root)
    # And read back.
    want = wanted(**{option: word})
    assert compare(GUEST, want, observe(GUEST, root), Context()) == []


def test_every_new_option_is_written_somewhere() -> None:
    families = ("cpu", "tuning", "memory", "launch", "features", "clock", "screens", "single", "identity")
    modules = [__import__(f"{Field.__module__.rpartition('.')[0]}._guest.fields.{name}", fromlist=["ROWS"]) for name in families]
    assert {row.name for module in modules for row in module.ROWS} == {case[0] for case in WRITTEN}
    assert {case[0] for case in WRITTEN} <= set(GUEST_OPTIONS)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"cpu": {"model": "a b"}}, "cpu: model: 'a b' is not the name of a CPU model"),
        ({"cpu": {"models": "x"}}, "cpu: models: no such option, did you mean 'model'?"),
        ({"cpu": {"features": {"vmx": "on"}}}, "cpu: features: vmx: 'on' is not one of require"),
        ({"cpu": {}}, "cpu: {} says nothing"),
        ({"cpu": "host-model"}, "cpu: 'host-model' is not a mapping of model"),
        ({"numa": [{"cpus": "0"}]}, "numa: node 0: needs memory"),
        ({"numa": [{"memory": 5}]}, "numa: node 0: memory: 5 is not a size"),
        ({"numa": {"memory": "1GiB"}}, "is not a list of nodes"),
        ({"vcpu_pins": {"x": "1"}}, "vcpu_pins: x: 'x' is not a set of CPUs"),
        ({"vcpu_pins": {"0": ""}}, "vcpu_pins: 0: names no CPU"),
        ({"vcpu_pins": {"0-2": "1", "2": "3"}}, "vcpu_pins: 2: 2 is given twice"),
        ({"vcpu_pins": ["1"]}, "is not a mapping"),
        ({"vcpu_pins": {"": "1"}}, "needs a number"),
        ({"iothreads": -1}, "is not a number of threads"),
        ({"cputune": {"period": 100}}, "cputune: period: 100 is not a time: write a number with us, ms or s"),
        ({"cputune": {"period": "2s"}}, "'2s' is not between 1ms and 1s"),
        ({"cputune": {"shares": 1}}, "is not a number of shares"),
        ({"memtune": {"hard_limit": 5}}, "5 is not a size"),
        ({"blkio_weight": 5}, "5 is not a weight: write a whole number from 10 to 1000"),
        ({"memory_backing": {"hugepages": "yes"}}, "'yes' is neither true nor false"),
        ({"hyperv": "all"}, "is neither true nor false nor a list"),
        ({"hyperv": ["relax"]}, "'relax' is not one of relaxed"),
        ({"hyperv": ["stimer"]}, "stimer needs synic"),
        ({"hyperv": ["synic"]}, "synic needs vpindex"),
        ({"clock": {"timers": {"tick": {}}}}, "there is no such timer"),
        ({"clock": {"timers": {"rtc": {"tickpolicy": "x"}}}}, "clock: timers: rtc: tickpolicy: 'x' is not one of"),
        ({"sysinfo": {"oem_strings": "x"}}, "is not a list of strings"),
        ({"sysinfo": {"oem_strings": [""]}}, "an empty string says nothing"),
        ({"qemu_commandline": {"args": "-x"}}, "is not a list of arguments"),
        ({"qemu_commandline": {"args": [5]}}, "5 is not an argument"),
        ({"qemu_commandline": {"args": ["a\nb"]}}, "is not an argument"),
        ({"qemu_commandline": {"env": {"A B": "x"}}}, "is not the name of an environment variable"),
        ({"graphics": {"listen": "eth0"}}, "'eth0' is not an IP address"),
        ({"graphics": {"port": 70000}}, "70000 is not a TCP port, nor auto"),
        ({"graphics_password": "a\nb"}, "graphics_password: is not one line of text"),
        ({"rng": {"source": "urandom"}}, "is not an absolute path"),
        ({"rng": {"rate": "4GiB"}}, "is more in a second than libvirt can count"),
        ({"vsock": 2}, "2 is not a context id from 3 up"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SpecError) as raised:
        wanted(**words)
    assert complaint in str(raised.value)
    if "graphics_password" in words:
        assert words["graphics_password"] not in str(raised.value)


@pytest.mark.parametrize(
    ("have", "words", "complaint"),
    [
        ("", {"cpu": {"features": {"vmx": "require"}}}, "cpu: features are those of a model"),
        ("<cpu mode='host-model'/>", {"cpu": {"features": {"vmx": "require"}}}, ""),
        ("<cpu mode='host-model'/>", {"cpu": {"migratable": False}}, "migratable goes with"),
        ("<memory unit='GiB'>1</memory>", {"numa": [{"memory": "2GiB"}]}, "its nodes have 2GiB together, but the guest has 1GiB"),
        ("<memory unit='GiB'>1</memory>", {"numa": [{"memory": "1GiB"}]}, ""),
        ("<vcpu>2</vcpu>", {"vcpu_pins": {"2": "0"}}, "vcpu_pins: 2 is no virtual CPU of this guest, which has 0 to 1"),
        ("<iothreads>1</iothreads>", {"iothread_pins": {"2": "0"}}, "iothread_pins: 2 is no I/O thread"),
        ("", {"numatune": {"mode": "strict"}}, "numatune: needs nodeset"),
        ("", {"memory_backing": {"hugepages": False, "hugepage_size": "2MiB"}}, "hugepage_size is of no use"),
        ("<devices><memballoon model='none'/></devices>", {"memballoon": {"stats_period": 5}}, "without a balloon"),
        ("<clock offset='utc'/>", {"clock": {"timezone": "UTC"}}, "go together"),
        ("", {"secure_boot": True}, "secure_boot: needs firmware: efi"),
        ("", {"accel": "tcg", "hyperv": True}, "hyperv: stimer, synic, vpindex need KVM"),
        ("", {"accel": "kvm", "hyperv": True}, ""),
        ("", {"accel": "tcg", "hyperv": ["relaxed"]}, ""),
        ("", {"graphics": {"type": "none"}, "graphics_password": "x"}, "the guest has no screen"),
        ("<devices><graphics type='vnc'/></devices>", {"graphics_password": "ninebytes"}, "VNC looks at 8 bytes"),
        ("<devices><graphics type='spice'/></devices>", {"graphics_password": "ninebytes"}, ""),
        ("", {"graphics": {"type": "none", "port": 5900}}, "listens nowhere"),
        ("", {"watchdog": {"model": "none", "action": "reset"}}, "watchdog: model: none takes it away"),
        ("", {"launch_security": {"type": "sev"}}, "launch_security: policy is missing"),
        ("", {"launch_security": {"type": "s390-pv", "policy": "1"}}, "launch_security: policy goes with type: sev only"),
        ("<launchSecurity type='sev'><policy>0x1</policy></launchSecurity>", {"launch_security": {"cbitpos": 47}}, ""),
        ("", {"tpm": {"device": "/dev/tpm0"}}, "it goes with type: passthrough"),
        ("", {"tpm": {"type": "passthrough", "version": "2.0"}}, "has its own version"),
    ],
)
def test_words_that_contradict_each_other(have: str, words: dict[str, Any], complaint: str) -> None:
    whole = merged(GUEST, observe(GUEST, domain(have)), wanted(**words))
    found = [sentence for sentence in contradictions(GUEST, whole) if sentence.partition(":")[0] in words]
    assert (complaint in " ".join(found)) if complaint else found == []


@pytest.mark.parametrize(
    ("words", "driver", "complaints"),
    [
        ({"cpu": {"model": "host-passthrough", "check": "full"}}, "xen", ["cpu.check: not supported by the hypervisor driver xen"]),
        ({"features": {"hap": True, "acpi": True}}, "qemu", ["features.hap: not supported by the hypervisor driver qemu"]),
        ({"cputune": {"shares": 5}}, "xen", ["cputune: not supported by the hypervisor driver xen"]),
        ({"vcpu_pins": {"0": "1"}}, "xen", []),
        ({"qemu_commandline": {"args": ["-x"]}}, "test", ["qemu_commandline: not supported by the hypervisor driver test"]),
    ],
)
def test_what_a_hypervisor_does_not_have(words: dict[str, Any], driver: str, complaints: list[str]) -> None:
    assert unsupported(GUEST, wanted(**words), driver) == complaints


# what a running guest is told: what it has, what is wanted, the effect, the operation and its arguments but the name
RUNNING: list[tuple[str, dict[str, Any], Effect, str, dict[str, Any]]] = [
    (
        "<cputune><vcpupin vcpu='0' cpuset='1'/></cputune>",
        {"vcpu_pins": {"0": "1", "1": "2-3"}},
        Effect.LIVE,
        "pin_vcpus",
        {"pins": {1: "2-3"}},
    ),
    ("<cputune><vcpupin vcpu='0' cpuset='1'/></cputune>", {"vcpu_pins": {}}, Effect.RESTART, "", {}),
    ("", {"vcpu_pins": {"5": "0"}}, Effect.RESTART, "", {}),
    ("", {"emulator_pin": "0"}, Effect.LIVE, "pin_emulator", {"cpus": "0"}),
    ("<cputune><emulatorpin cpuset='1'/></cputune>", {"emulator_pin": ""}, Effect.RESTART, "", {}),
    ("<iothreads>1</iothreads>", {"iothreads": 3}, Effect.LIVE, "add_iothreads", {"numbers": [2, 3]}),
    ("<iothreads>3</iothreads>", {"iothreads": 1}, Effect.RESTART, "", {}),
    (
        "<cputune><shares>5</shares></cputune>",
        {"cputune": {"shares": 5, "period": "1ms", "global_quota": "unlimited"}},
        Effect.LIVE,
        "set_parameters",
        {"what": "scheduler", "values": {"vcpu_period": 1000, "global_quota": -1}},
    ),
    ("", {"blkio_weight": 100}, Effect.LIVE, "set_parameters", {"what": "blkio", "values": {"weight": 100}}),
    (
        "<memtune><hard_limit>9</hard_limit></memtune>",
        {"memtune": {"hard_limit": "unlimited", "soft_limit": "1MiB"}},
        Effect.LIVE,
        "set_parameters",
        {"what": "memory", "values": {"hard_limit": 9007199254740991, "soft_limit": 1024}},
    ),
    (
        "<devices><memballoon model='virtio'/></devices>",
        {"memballoon": {"model": "virtio", "stats_period": 5}},
        Effect.LIVE,
        "set_stats_period",
        {"seconds": 5},
    ),
    (
        "<devices><memballoon model='none'/></devices>",
        {"memballoon": {"model": "virtio", "stats_period": 5}},
        Effect.RESTART,
        "",
        {},
    ),
    (
        "<devices><graphics type='vnc' port='5901' autoport='yes' passwd='old' passwdValidTo='x'/></devices>",
        {"graphics_password": "new"},
        Effect.LIVE,
        "update_device",
        {"xml": '<graphics type="vnc" port="5901" autoport="yes" passwd="new" />'},
    ),
    ("<devices><graphics type='vnc'/></devices>", {"graphics_password": "new"}, Effect.RESTART, "", {}),
    ("<devices/>", {"tablet": True}, Effect.LIVE, "attach_device", {"xml": '<input type="tablet" bus="usb" />'}),
    (
        "<devices><input type='tablet' bus='usb'><alias name='input0'/></input></devices>",
        {"tablet": False},
        Effect.LIVE,
        "detach_device",
        {"xml": '<input type="tablet" bus="usb"><alias name="input0" /></input>'},
    ),
    (
        "<devices/>",
        {"rng": {"source": "builtin"}},
        Effect.LIVE,
        "attach_device",
        {"xml": '<rng model="virtio"><backend model="builtin" /></rng>'},
    ),
    ("<devices><rng><backend model='builtin'/></rng></devices>", {"rng": {"source": "/dev/random"}}, Effect.RESTART, "", {}),
    ("<devices><rng><backend model='builtin'/></rng></devices>", {"rng": {"rate": "1KiB"}}, Effect.RESTART, "", {}),
    (
        "<devices/>",
        {"vsock": "auto"},
        Effect.LIVE,
        "attach_device",
        {"xml": '<vsock model="virtio"><cid auto="yes" /></vsock>'},
    ),
    ("<devices/>", {"watchdog": {"model": "i6300esb"}}, Effect.RESTART, "", {}),
    ("<cpu mode='host-model'/>", {"cpu": {"model": "maximum"}}, Effect.RESTART, "", {}),
]


@pytest.mark.parametrize(("have", "words", "effect", "op", "arguments"), RUNNING)
def test_what_a_running_guest_is_told(
    have: str, words: dict[str, Any], effect: Effect, op: str, arguments: dict[str, Any]
) -> None:
    root = domain(have)
    context = Context(name="web1", state="running", maxima={"vcpus_max": 4})
    changes = compare(GUEST, wanted(**words), observe(GUEST, root), context)
    assert [change.effect for change in changes] == [effect]
    found = steps(GUEST, changes, context, patch(GUEST, root, changes), root)[1:]
    assert [(step.op, dict(step.args)) for step in found] == ([(op, {"name": "web1", **arguments})] if op else [])
    assert all(step.optional for step in found)


@pytest.mark.parametrize("secure", [True, False])
def test_other_firmware_is_asked_anew_for_secure_boot(secure: bool) -> None:
    root = written(domain("<os><type>hvm</type></os>"), firmware="efi", secure_boot=secure)
    asked = {feature.get("name"): feature.get("enabled") for feature in _xml.find_all(root, "os/firmware/feature")}
    assert asked == dict.fromkeys(("secure-boot", "enrolled-keys"), "yes" if secure else "no")
    assert compare(GUEST, wanted(firmware="efi", secure_boot=secure), observe(GUEST, root), Context()) == []


def test_a_screen_that_comes_brings_no_card_that_was_not_wanted() -> None:
    house = House()
    base: dict[str, Any] = {"memory": "512MiB", "graphics": {"type": "none"}, "video": "none"}
    house.run(**base)
    screen = {**base, "graphics": {"type": "vnc"}}
    house.run(**screen)
    assert house.plan(**screen).actions == ()
    assert shown(house.fake.guests()["web1"])["video"] == "none"
    # Another screen, or another place of it, has nothing to do with the card.
    for other in ({"type": "vnc", "port": 5907}, {"type": "spice"}):
        (action,) = house.plan(**{**base, "graphics": other}).actions
        assert [change.path for change in action.changes] == [("graphics",)]


def test_xen_plugs_no_tablet() -> None:
    root, context = domain("<devices/>"), Context(driver="xen", state="running")
    (change,) = compare(GUEST, wanted(tablet=True), observe(GUEST, root), context)
    assert change.effect is Effect.RESTART


def test_a_change_has_only_the_words_that_differ() -> None:
    root = domain("<clock offset='utc'><timer name='pit'/></clock>")
    (change,) = compare(GUEST, wanted(clock={"offset": "utc", "timers": {}}), observe(GUEST, root), Context())
    assert show(GUEST, change) == ({"timers": {"pit": {}}}, {"timers": {}})


# the whole way, on a host in memory


def test_a_word_that_the_document_drops_is_no_drift() -> None:
    house = House()
    base: dict[str, Any] = {"memory": "512MiB"}
    house.run(**base, features={"pae": True, "vmport": False})
    plan, _outcomes = house.run(**base, features={"pae": False})
    assert [change.path for change in plan.actions[0].changes] == [("features",)]
    assert plan.drift == {}
    # Somebody sets back what was applied.
    root = house.definition()
    _xml.write(root, "features/pae", "")
    house.fake.define_guest(_xml.to_text(root))
    (drift,) = house.plan(**base, features={"pae": False}).drift["guest", "web1"]
    assert (drift.applied, drift.found, drift.wanted) == ({"pae": False}, {"pae": True}, {"pae": False})


def test_a_password_is_shown_nowhere() -> None:
    house = House()
    plan, _outcomes = house.run(memory="512MiB", graphics_password="geheim", state="running")
    assert _xml.read(house.definition(), "devices/graphics/@passwd") == "geheim"
    plan, outcomes = house.run(memory="512MiB", graphics_password="andere", state="running")
    assert [outcome.outcome for outcome in outcomes] == ["done"]
    assert _xml.read(house.live(), "devices/graphics/@passwd") == "andere"
    assert rows(plan)[0]["changes"] == [
        {"path": "graphics_password", "before": HIDDEN, "after": HIDDEN, "effect": "live"}
    ]
    record = _xml.read(house.definition(), "metadata/virtfleet:guest/virtfleet:applied") or ""
    assert "andere" not in record and "geheim" not in record
    assert shown(house.fake.guests()["web1"])["graphics_password"] == HIDDEN
    assert house.plan(memory="512MiB", graphics_password="andere").actions == ()


def test_an_entropy_device_takes_a_port_and_waits_where_there_is_none() -> None:
    house = House()
    base: dict[str, Any] = {"memory": "512MiB", "rng": {"source": "none"}}
    house.run(**base, machine="pc")
    house.run(**base, machine="q35", state="running")
    full = [{"name": f"n{number}", "network": "lab"} for number in range(9)]
    plan, _outcomes = house.run(**base, nics=full)
    assert "restart" in [str(change.effect) for change in plan.actions[-1].changes]
    (action,) = house.plan(memory="512MiB", rng={"source": "builtin"}).actions
    assert [(str(change.effect), bool(change.why)) for change in action.changes] == [("restart", True)]


def test_a_guest_of_xen_without_a_screen_says_so() -> None:
    words = shown(facts("<domain type='xen'><name>a</name><uuid>6fd6e30a-c298-47ad-9186-829f995e1dec</uuid></domain>"))
    assert (words["video"], words["graphics"], words["sound"]) == ("none", {"type": "none"}, "none")
    assert "cpu" not in words or words["cpu"] == {"features": {}}


def test_an_unknown_form_has_no_word() -> None:
    root = domain("<devices><rng><backend model='egd'/></rng><sound model='new'/><vsock/></devices>")
    found = observe(GUEST, root)
    assert "sound" not in found and "vsock" not in found and "source" not in found["rng"]
    assert Change(("sound",), UNSET, "ich9", Effect.RESTART).before is UNSET
