# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that do nothing do not exist: each leaf of each module's arguments is turned here, and changes the host.

A case runs the module twice on hosts in memory that are alike, without and with the option, and wants the hosts (or,
for what only says how the module goes about it, the calls or the result) to differ. What needs files or a web server
names the test that turns it; that test must exist and hold the option's name.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.virtfleet.core.plugins.module_utils import _lock, _module, _xml
from ansible_collections.virtfleet.core.plugins.module_utils._errors import NotFound
from tests.contract.fake_consoles import PICTURE
from tests.unit.plugins.module_utils.guest.house import FAST, GIB, House

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
PORT, OTHER_PORT = "0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f0", "0b7c9a7e-64a5-4f51-8d34-3cf0b5f1a8f1"
OVS_PORT = {"type": "openvswitch", "interfaceid": PORT}
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHMwCHH0TBaOfJSd4sdQ5gwsm7j/UwAXxaJnI06ctNuO"
MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"


class _Seen(Exception):
    """Carries a module's argument spec out of its main function."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        super().__init__()
        self.spec = spec


def arguments(name: str) -> Mapping[str, Any]:
    """Return a module's whole argument spec."""

    def refuse(argument_spec: Mapping[str, Any], **more: Any) -> None:
        raise _Seen(argument_spec)

    module = importlib.import_module(f"ansible_collections.virtfleet.core.plugins.modules.{name}")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(_Seen) as seen:
        patch.setattr(_module, "AnsibleModule", refuse)
        module.main()
    return seen.value.spec


def leaves(spec: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, option in spec.items():
        path = f"{prefix}.{name}"
        if option.get("options"):
            yield from leaves(option["options"], path + ("[]" if option["type"] == "list" else ""))
        else:
            yield path


def run(name: str, house: House, options: Mapping[str, Any], check: bool = False) -> dict[str, Any]:
    """Run a module's main function on a host in memory; return what it prints."""
    module = importlib.import_module(f"ansible_collections.virtfleet.core.plugins.modules.{name}")
    said = {"ANSIBLE_MODULE_ARGS": {**copy.deepcopy(dict(options)), "_ansible_check_mode": check}}

    def ports(*_args: Any, **_kwargs: Any) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext(house.ports)

    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        patch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(said).encode())
        patch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        patch.setattr(_module, "_ports", ports)
        patch.setattr(_module, "_local_files", lambda _module: house.ports.files)
        patch.setattr(_module, "PROGRESS", Path(os.devnull))
        # No lock on the machine's own hypervisor.
        patch.setattr(_lock, "PLACE", Path(os.devnull) / "locks")
        module.main()
    return dict(json.loads(printed.getvalue().splitlines()[-1]))


def picture(house: House) -> Any:
    """Return the host without the memory of what was said, in which every word of a user is found."""
    guests, networks, pools, files = house.picture()
    secrets = {uuid: (secret.definition.text, secret.value) for uuid, secret in house.fake.secret_records.items()}
    trees = {}
    for name in guests:
        trees[name] = house.definition(name)
        for told in ("applied", "waiting"):
            _xml.remove(trees[name], f"metadata/virtfleet:guest/virtfleet:{told}")
    return (
        {name: (facts.state, facts.autostart, _xml.to_text(trees[name])) for name, facts in guests.items()},
        networks,
        pools,
        files,
        house.fake.nwfilters(),
        secrets,
    )


def calls(house: House) -> list[Any]:
    """Return what was asked of the host, without XML."""
    return [
        (call, [argument for argument in given if not str(argument).startswith("<")])
        for call, given in house.fake.calls
    ]


def result(house: House, found: Mapping[str, Any]) -> Any:
    """Return what the module said, without what it was told."""
    return {name: value for name, value in found.items() if name != "invocation"}


Look = Callable[[House, Mapping[str, Any]], Any]
Prepare = Callable[[House], None]


def host(house: House, found: Mapping[str, Any]) -> Any:
    assert not found.get("failed"), found.get("msg")
    return picture(house)


def asked(house: House, found: Mapping[str, Any]) -> Any:
    assert not found.get("failed"), found.get("msg")
    return calls(house)


@dataclass(frozen=True)
class Turn:
    """One option turned: ``off`` and ``on`` are a module's options, told to hosts that were prepared alike."""

    off: Mapping[str, Any]
    on: Mapping[str, Any]
    before: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    prepare: Prepare = lambda house: None
    look: Look = host
    how: Mapping[str, Any] = field(default_factory=dict)

    def seen(self, name: str, options: Mapping[str, Any]) -> Any:
        """Return what is seen of a host after the options were told to it; check mode must have told it, and done nothing."""
        house = House(**self.how)
        for module, earlier in self.before:
            assert not run(module, house, earlier).get("failed")
        self.prepare(house)
        told = foretold(name, house, options) if name in CONVERGED else None
        house.fake.calls.clear()
        done = run(name, house, options)
        if told is not None:
            assert_told(told, done)
        return self.look(house, done)

    def unturned(self, name: str) -> Any:
        """Return what is seen without the option, which many cases have in common."""
        said = json.dumps([self.off, self.before, self.how], sort_keys=True)
        key = (name, said, self.prepare, self.look)
        if key not in _UNTURNED:
            _UNTURNED[key] = self.seen(name, self.off)
            assert _UNTURNED[key] == self.seen(name, self.off), "the case itself is not steady"
        return _UNTURNED[key]


_UNTURNED: dict[Any, Any] = {}


def foretold(name: str, house: House, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what check mode says, which touches nothing."""
    before = picture(house)
    check = run(name, house, options, check=True)
    assert picture(house) == before
    return check


def assert_told(check: Mapping[str, Any], real: Mapping[str, Any]) -> None:
    """Check mode must have said what was done."""
    if check.get("failed"):
        assert real["msg"] == check["msg"]
        return
    assert check["changed"] == real["changed"]
    shown = [
        [{k: v for k, v in row.items() if k not in ("outcome", "error")} for row in found["plan"]]
        for found in (check, real)
    ]
    assert shown[0] == shown[1]
    assert {row["outcome"] for row in check["plan"]} <= {"planned"}


# guests

WEB: dict[str, Any] = {"name": "web1", "memory": "1GiB"}
DISK: dict[str, Any] = {"size": "5GiB"}
SEED = {"user_data": {"a": 1}}
SEV = {"type": "sev", "policy": "0x3"}


def guest(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    return Turn({**WEB, **(off or {})}, {**WEB, **(off or {}), **on}, **more)


# What encrypts a disk, a volume or an image.
DISK_KEY = {"name": "disk-key", "value": "pass word"}


def disk(on: Mapping[str, Any], *off: Mapping[str, Any] | None, **more: Any) -> Turn:
    """Turn an option of a blank disk, or of the one given as ``off``; with None the guest has no disk without it."""
    before = off[0] if off else DISK
    without = {"disks": [] if before is None else [before]}
    return guest({"disks": [{**(before or {}), **on}]}, without, **more)


def nic(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    without: dict[str, Any] = {"nics": [] if off is None else [off]}
    return guest({"nics": [{**(off or {}), **on}]}, without, **more)


def seed(on: Mapping[str, Any], **more: Any) -> Turn:
    return guest({"cloud_init": on}, {"cloud_init": {}}, **more)


def overlaid(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    return guest({"xml_overlay": [on]}, {"xml_overlay": [] if off is None else [off]})


def _foreign(house: House) -> None:
    """Give the guest a disk and a nic of another hand."""
    devices = (
        "<disk type='file' device='disk'><source file='/f'/><target dev='vdz' bus='virtio'/></disk>"
        "<interface type='user'><mac address='52:54:00:00:00:77'/></interface></devices>"
    )
    house.fake.define_guest(_xml.to_text(house.definition()).replace("</devices>", devices))


def _silent(house: House) -> None:
    house.fake.silent.add("web1")


def _retitled(house: House) -> None:
    """Give the guest another title by hand."""
    root = house.definition()
    _xml.write(root, "title", "by hand")
    house.fake.define_guest(_xml.to_text(root))


def _stubborn(house: House) -> None:
    house.fake.stubborn.add("web1")


MADE = (("guest", {**WEB, "disks": [DISK]}),)
RUNNING = (("guest", {**WEB, "disks": [DISK], "state": "running"}),)
FEATURE = {"at": "features", "xml": "<hyperv><relaxed state='on'/></hyperv>"}

XEN = {"xen": ("pv", "hvm", "pvh")}


def _by_xl(house: House) -> None:
    """Let xl have a guest that libvirt does not know."""
    house.files.configs["/etc/xen/old1.cfg"] = ("name = 'old1'", False)


_SOCKET = {"path": "/run/a.sock", "mode": "bind"}
_NET = {"host": "127.0.0.1", "port": 4555, "mode": "bind"}
# Sources of lines; those of one word by their words.
SOURCES: dict[str, Any] = {
    "pty": {"pty": True},
    "file": {"file": "/var/log/line"},
    "unix.path": {"unix": {**_SOCKET, "path": "/run/b.sock"}},
    "unix.mode": {"unix": {**_SOCKET, "mode": "connect"}},
    "tcp.host": {"tcp": {**_NET, "host": "::1"}},
    "tcp.port": {"tcp": {**_NET, "port": 4556}},
    "tcp.mode": {"tcp": {**_NET, "mode": "connect"}},
    "tcp.protocol": {"tcp": {**_NET, "protocol": "telnet"}},
    "device": {"device": "/dev/ttyS1"},
    "nothing": {"nothing": True},
    "spiceport": {"spiceport": "org.example.port"},
}
SPICE = {"type": "spice"}
ACCOUNT = {"name": "ansible", "password": "geheim"}
# What each of them is turned from.
_FROM = {"unix": {"unix": _SOCKET}, "tcp": {"tcp": _NET}, "pty": {"nothing": True}}


def lines(name: str, own: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Turn]:
    """Return the turns of a list of lines; ``others`` are its own words beside the one that tells an entry apart."""
    (mark,) = own
    base = {**own, "pty": True}
    found = {
        f"{name}[].{word}": line(name, own, said, _FROM.get(word.partition(".")[0], {"pty": True}))
        for word, said in SOURCES.items()
    }
    found[f"{name}[].name"] = of_list(name, {"name": "other"}, base)
    found[f"{name}[].{mark}"] = of_list(name, others, base)
    found[f"{name}[].append"] = of_list(name, {"append": True}, {**own, "file": "/var/log/line"})
    found[f"{name}[].log"] = of_list(name, {"log": "/var/log/line"}, base)
    found[f"{name}[].log_append"] = of_list(name, {"log_append": True}, {**base, "log": "/var/log/line"})
    found[f"{name}_exact"] = guest({f"{name}_exact": True}, {name: []}, before=MADE, prepare=_more)
    return found


GUEST: dict[str, Turn] = {
    "name": guest({"name": "web2"}),
    "state": guest({"state": "running"}),
    "uuid": guest({"uuid": "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11"}),
    "title": guest({"title": "Web"}),
    "description": guest({"description": "A web server"}),
    "tags": guest({"tags": ["web"]}),
    "os": guest({"os": "win10"}),
    "accel": guest({"accel": "tcg"}),
    "arch": guest({"arch": "i686"}),
    "type": guest({"type": "pv"}, how=XEN),
    "machine": guest({"machine": "pc"}),
    "firmware": guest({"firmware": "efi"}),
    "boot": guest({"boot": ["network"]}),
    "kernel": guest({"kernel": "/boot/vmlinuz"}),
    "initrd": guest({"initrd": "/boot/initrd"}, {"kernel": "/boot/vmlinuz"}),
    "cmdline": guest({"cmdline": "quiet"}, {"kernel": "/boot/vmlinuz"}),
    "bootloader": guest({"bootloader": "/usr/lib/xen/boot/own"}, how=XEN),
    "bootloader_args": guest({"bootloader_args": "--entry=1"}, how=XEN),
    "memory": guest({"memory": "2GiB"}),
    "memory_max": guest({"memory_max": "2GiB"}),
    "vcpus": guest({"vcpus": 2}),
    "vcpus_max": guest({"vcpus_max": 2}),
    "cpuset": guest({"cpuset": "0-3,^2"}),
    "topology.sockets": guest({"topology": {"sockets": 2}}, {"vcpus": 2}),
    "topology.dies": guest({"topology": {"dies": 2}}, {"vcpus": 2}),
    "topology.cores": guest({"topology": {"cores": 2}}, {"vcpus": 2}),
    "topology.threads": guest({"topology": {"threads": 2}}, {"vcpus": 2}),
    "cpu.model": guest({"cpu": {"model": "EPYC-Rome"}}),
    "cpu.features": guest({"cpu": {"features": {"vmx": "require"}}}),
    "cpu.check": guest({"cpu": {"check": "full"}}),
    "cpu.migratable": guest(
        {"cpu": {"model": "host-passthrough", "migratable": False}}, {"cpu": {"model": "host-passthrough"}}
    ),
    "cpu.cache": guest({"cpu": {"cache": "passthrough"}}),
    "numa[].cpus": guest({"numa": [{"cpus": "0", "memory": "1GiB"}]}, {"numa": [{"memory": "1GiB"}]}),
    "numa[].memory": guest(
        {"numa": [{"memory": "256MiB"}, {"memory": "768MiB"}]}, {"numa": [{"memory": "512MiB"}, {"memory": "512MiB"}]}
    ),
    "vcpu_pins": guest({"vcpu_pins": {"0": "1-2"}}),
    "emulator_pin": guest({"emulator_pin": "1"}),
    "iothreads": guest({"iothreads": 2}),
    "iothread_pins": guest({"iothread_pins": {"1": "3"}}, {"iothreads": 1}),
    "cputune.shares": guest({"cputune": {"shares": 512}}),
    **{
        f"cputune.{threads}{word}": guest({"cputune": {f"{threads}{word}": "100ms"}})
        for threads in ("", "global_", "emulator_", "iothread_")
        for word in ("period", "quota")
    },
    "numatune.mode": guest({"numatune": {"nodeset": "0", "mode": "interleave"}}, {"numatune": {"nodeset": "0"}}),
    "numatune.nodeset": guest({"numatune": {"nodeset": "0"}}),
    "blkio_weight": guest({"blkio_weight": 300}),
    **{f"memtune.{word}": guest({"memtune": {word: "2GiB"}}) for word in ("hard_limit", "soft_limit", "swap_hard_limit")},
    **{
        f"memory_backing.{word}": guest({"memory_backing": {word: value}})
        for word, value in {
            "hugepages": True,
            "hugepage_size": "2MiB",
            "source": "memfd",
            "access": "shared",
            "allocation": "immediate",
            "locked": True,
            "nosharepages": True,
            "discard": True,
        }.items()
    },
    **{
        f"features.{word}": guest({"features": {word: word not in ("acpi", "apic")}})
        for word in ("acpi", "apic", "pae", "smm", "vmport", "pmu", "vmcoreinfo", "kvm_hidden")
    },
    "features.hap": guest({"features": {"hap": True}}, how=XEN),
    "features.ioapic": guest({"features": {"ioapic": "qemu"}}),
    "features.gic": guest({"features": {"gic": "3"}}),
    "hyperv": guest({"hyperv": True}),
    "clock.offset": guest({"clock": {"offset": "localtime"}}),
    "clock.timezone": guest(
        {"clock": {"offset": "timezone", "timezone": "Asia/Tokyo"}}, {"clock": {"offset": "timezone", "timezone": "UTC"}}
    ),
    "clock.timers": guest({"clock": {"timers": {"hypervclock": {"present": True}}}}),
    "pm.suspend_to_mem": guest({"pm": {"suspend_to_mem": False}}),
    "pm.suspend_to_disk": guest({"pm": {"suspend_to_disk": False}}),
    "boot_menu": guest({"boot_menu": True}),
    "secure_boot": guest({"secure_boot": True}, {"firmware": "efi"}),
    **{
        f"sysinfo.{block}_{word}": guest({"sysinfo": {f"{block}_{word}": "Acme"}})
        for block, words in {
            "bios": ("vendor", "version", "date"),
            "system": ("manufacturer", "product", "version", "serial", "sku", "family"),
            "baseboard": ("manufacturer", "product", "version", "serial", "asset", "location"),
            "chassis": ("manufacturer", "version", "serial", "asset", "sku"),
        }.items()
        for word in words
    },
    "sysinfo.oem_strings": guest({"sysinfo": {"oem_strings": ["a=b"]}}),
    "qemu_commandline.args": guest({"qemu_commandline": {"args": ["-device", "edu"]}}),
    "qemu_commandline.env": guest({"qemu_commandline": {"env": {"A": "b"}}}),
    "graphics.type": guest({"graphics": {"type": "none"}}),
    "graphics.listen": guest({"graphics": {"listen": "0.0.0.0"}}),
    "graphics.port": guest({"graphics": {"port": "5907"}}),
    "graphics_password": guest({"graphics_password": "geheim"}),
    "video": guest({"video": "virtio"}),
    "sound": guest({"sound": "ich9"}),
    "tablet": guest({"tablet": False}),
    "spice_agent": guest({"spice_agent": True}),
    "watchdog.model": guest({"watchdog": {"model": "i6300esb"}}),
    "watchdog.action": guest({"watchdog": {"model": "ib700", "action": "pause"}}, {"watchdog": {"model": "ib700"}}),
    "rng.source": guest({"rng": {"source": "none"}}),
    "rng.rate": guest({"rng": {"rate": "1KiB"}}),
    "tpm.model": guest({"tpm": {"model": "tpm-tis"}}),
    "tpm.type": guest({"tpm": {"model": "tpm-crb", "type": "passthrough"}}, {"tpm": {"model": "tpm-crb"}}),
    "tpm.version": guest({"tpm": {"model": "tpm-crb", "version": "2.0"}}, {"tpm": {"model": "tpm-crb"}}),
    "tpm.device": guest({"tpm": {"type": "passthrough", "device": "/dev/tpm0"}}, {"tpm": {"type": "passthrough"}}),
    "panic": guest({"panic": "isa"}),
    "vsock": guest({"vsock": "auto"}),
    "smartcard": guest({"smartcard": "host"}),
    "iommu": guest({"iommu": "intel"}),
    "launch_security.type": guest({"launch_security": SEV}),
    "launch_security.policy": guest({"launch_security": {**SEV, "policy": "0x7"}}, {"launch_security": SEV}),
    "launch_security.kernel_hashes": guest({"launch_security": {**SEV, "kernel_hashes": True}}, {"launch_security": SEV}),
    "launch_security.cbitpos": guest({"launch_security": {**SEV, "cbitpos": 47}}, {"launch_security": SEV}),
    "launch_security.reduced_phys_bits": guest({"launch_security": {**SEV, "reduced_phys_bits": 1}}, {"launch_security": SEV}),
    "launch_security.session": guest({"launch_security": {**SEV, "session": "AAEC"}}, {"launch_security": SEV}),
    "launch_security.dh_cert": guest({"launch_security": {**SEV, "dh_cert": "AwQF"}}, {"launch_security": SEV}),
    "memballoon.model": guest({"memballoon": {"model": "none"}}),
    "memballoon.stats_period": guest({"memballoon": {"stats_period": 10}}),
    "memballoon.autodeflate": guest({"memballoon": {"autodeflate": True}}),
    "memballoon.free_page_reporting": guest({"memballoon": {"free_page_reporting": True}}),
    "disks[].name": disk({"name": "data"}),
    "disks[].image": disk({"image": "debian-12"}),
    "disks[].file": disk({"file": "/data/old.qcow2"}, None),
    "disks[].volume": disk({"volume": "fast/scratch.raw"}, None),
    "disks[].block": disk({"block": "/dev/vg/lv"}, None),
    "disks[].cdrom": disk({"cdrom": "/iso/netinst.iso"}, None),
    "disks[].pool": disk({"pool": "fast"}),
    "disks[].size": disk({"size": "6GiB"}),
    "disks[].bus": disk({"bus": "scsi"}),
    "disks[].target": disk({"target": "vdx"}),
    "disks[].format": disk({"format": "raw"}),
    "disks[].readonly": disk({"readonly": True}),
    "disks[].boot_order": disk({"boot_order": 1}),
    "disks[].backend_domain": disk({"backend_domain": "storage"}, how=XEN),
    "disks_exact": guest({"disks_exact": True}, {"disks": [DISK]}, before=MADE, prepare=_foreign),
    "nics[].name": nic({"name": "lan"}, {"network": "lab"}),
    "nics[].type": nic({"type": "user"}),
    "nics[].network": nic({"network": "lab"}),
    "nics[].bridge": nic({"bridge": "br0"}),
    "nics[].model": nic({"model": "e1000e"}, {"network": "lab"}),
    "nics[].mac": nic({"mac": MAC}, {"network": "lab"}),
    "nics[].address": nic({"address": "10.20.0.11"}, {"network": "lab"}),
    "nics[].ip": nic({"ip": "192.0.2.7"}, {"bridge": "br0"}, how=XEN),
    "nics[].rate": nic({"rate": "10MiB"}, {"network": "lab"}),
    "nics[].script": nic({"script": "vif-route"}, {"bridge": "br0"}, how=XEN),
    "nics[].backend_domain": nic({"backend_domain": "net"}, {"bridge": "br0"}, how=XEN),
    "nics[].boot_order": nic({"boot_order": 1}, {"network": "lab"}),
    "nics_exact": guest({"nics_exact": True}, {"nics": []}, before=MADE, prepare=_foreign),
    "on_poweroff": guest({"on_poweroff": "restart"}),
    "on_reboot": guest({"on_reboot": "destroy"}),
    "on_crash": guest({"on_crash": "restart"}),
    "console": guest({"console": False}),
    "console_log": guest({"console_log": "/var/log/web1.log"}),
    **{
        f"console_source.{word}": guest(
            {"console_source": said},
            {"graphics": SPICE, "console_source": _FROM.get(word.partition(".")[0], {"device": "/dev/ttyS7"})},
        )
        for word, said in SOURCES.items()
    },
    "agent": guest({"agent": False}),
    "autostart": guest({"autostart": True}),
    "pool": guest({"pool": "fast"}, {"disks": [DISK]}),
    "cloud_init.user_data": seed(SEED),
    "cloud_init.meta_data": seed({"meta_data": {"role": "web"}}),
    "cloud_init.network_config": seed({"network_config": {"version": 2}}),
    "cloud_init.policy": Turn(
        {**WEB, "cloud_init": {"user_data": {"a": 2}}},
        {**WEB, "cloud_init": {"user_data": {"a": 2}, "policy": "ignore"}},
        (("guest", {**WEB, "cloud_init": SEED}),),
    ),
    **{
        f"unattend.{word}": guest({"unattend": {**said, **more}}, {"unattend": said})
        for word, said, more in (
            ("computer_name", {}, {"computer_name": "win1"}),
            ("edition", {}, {"edition": "Windows 11 Pro"}),
            ("product_key", {}, {"product_key": "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"}),
            ("admin_password", {}, {"admin_password": "geheim"}),
            ("user.name", {"user": ACCOUNT}, {"user": {**ACCOUNT, "name": "other"}}),
            ("user.password", {"user": ACCOUNT}, {"user": {**ACCOUNT, "password": "other"}}),
            ("user.group", {"user": ACCOUNT}, {"user": {**ACCOUNT, "group": "Administratoren"}}),
            ("locale", {}, {"locale": "de-DE"}),
            ("keyboard", {}, {"keyboard": "de-DE"}),
            ("timezone", {}, {"timezone": "W. Europe Standard Time"}),
            ("organization", {}, {"organization": "Example"}),
            ("layout", {}, {"layout": "efi"}),
            ("drivers", {}, {"drivers": ["viostor/w11/amd64"]}),
            ("autologon", {"user": ACCOUNT}, {"autologon": 1}),
            ("first_logon_commands", {"user": ACCOUNT, "autologon": 1}, {"first_logon_commands": ["cmd /c ver"]}),
            ("answer_file", {}, {"answer_file": "<unattend xmlns='urn:schemas-microsoft-com:unattend'/>"}),
        )
    },
    "unattend.policy": Turn(
        {**WEB, "unattend": {"locale": "de-DE"}},
        {**WEB, "unattend": {"locale": "de-DE", "policy": "ignore"}},
        (("guest", {**WEB, "unattend": {}}),),
    ),
    "xml_overlay[].at": overlaid({**FEATURE, "at": "features/more"}, FEATURE),
    "xml_overlay[].xml": overlaid({**FEATURE, "xml": "<hyperv><vapic state='on'/></hyperv>"}, FEATURE),
    "xml_overlay[].remove": overlaid({"remove": "devices/rng"}),
    "wait_for": guest({"wait_for": "agent"}, {"wait_timeout": "0.05s"}, before=RUNNING, prepare=_silent, look=result),
    "wait_timeout": guest(
        {"wait_timeout": "0.1s"},
        {"wait_for": "agent", "wait_timeout": "0.05s"},
        before=RUNNING,
        prepare=_silent,
        look=result,
    ),
    "stop_timeout": guest({"stop_timeout": "7s"}, {"state": "stopped"}, before=RUNNING, look=asked),
    "force_stop": guest({"force_stop": True}, {"state": "stopped"}, before=RUNNING, prepare=_stubborn, look=result),
    "confirm_data_loss": guest({"confirm_data_loss": ["web1"]}, {"state": "absent"}, before=MADE),
    "restart_policy": guest({"restart_policy": "if_needed"}, {"machine": "pc"}, before=RUNNING, look=asked),
    "drift": guest({"drift": "report"}, {"title": "ours"}, before=(("guest", {**WEB, "title": "ours"}),), prepare=_retitled),
}

# devices: each option beside what it needs

NBD, RBD = {"host": "192.0.2.7"}, {"name": "rbd/web1"}
ISCSI = {"host": "192.0.2.9", "target": "iqn.2013-07.example:d/1"}
NFS = {"host": "192.0.2.10", "path": "/export/disk.raw", "user": "+0", "group": "+0"}
CARD = {"pci": "0000:06:12.5"}
SHARED = {"at": ".", "xml": "<memoryBacking><access mode='shared'/></memoryBacking>"}
OLD_WAY = {"source": "/srv", "target": "data", "driver": "9p"}


def remote(kind: str, on: Mapping[str, Any], off: Mapping[str, Any]) -> Turn:
    return disk({kind: {**off, **on}}, {kind: off})


def tuned(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    return disk({"iotune": {**(off or {}), **on}}, {**DISK, **({"iotune": off} if off else {})})


def of_list(name: str, on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    without: dict[str, Any] = {name: [] if off is None else [off]}
    return guest({name: [{**(off or {}), **on}]}, without, **more)


# A nic behind passt, and a port that it lets in.
PASST: dict[str, Any] = {"type": "user", "backend": "passt"}
FORWARD: dict[str, Any] = {"host": "2022"}
# A guest with slots for memory, and a module in one of them.
SLOTS: dict[str, Any] = {"numa": [{"memory": "1GiB"}], "memory_slots": 4, "memory_hotplug_max": "8GiB"}
MODULE = {"slot": 0, "size": "512MiB"}


def module(on: Mapping[str, Any], off: Mapping[str, Any], **more: Any) -> Turn:
    return guest({"memory_modules": [{**off, **on}]}, {**SLOTS, **more, "memory_modules": [off]})


def line(name: str, own: Mapping[str, Any], on: Mapping[str, Any], off: Mapping[str, Any]) -> Turn:
    """Turn one source of a line into another."""
    return guest({name: [{**own, **on}]}, {name: [{**own, **off}], "graphics": SPICE})


def hostdev(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    return of_list("hostdevs", on, off, **more)


def filesystem(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    return of_list("filesystems", on, off)


def _more(house: House) -> None:
    """Give the guest a device of the host, and a folder, of another hand."""
    devices = (
        "<hostdev mode='subsystem' type='usb'><source><vendor id='0x1'/><product id='0x2'/></source></hostdev>"
        "<filesystem type='mount'><source dir='/srv'/><target dir='theirs'/></filesystem>"
        "<serial type='pty'><target port='1'/></serial><parallel type='pty'><target port='1'/></parallel>"
        "<console type='pty'><target type='virtio' port='1'/></console>"
        "<channel type='pty'><target type='virtio' name='theirs'/></channel>"
        "<memory model='dimm'><target><size>1024</size></target><address type='dimm' slot='3'/></memory></devices>"
    )
    house.fake.define_guest(_xml.to_text(house.definition()).replace("</devices>", devices))


GUEST.update(
    {
        "nics[].backend": nic({"backend": "passt"}, {"type": "user"}),
        "nics[].backend_log": nic({"backend_log": "/var/log/passt.log"}, {"type": "user", "backend": "passt"}),
        **{
            f"nics[].forwards[].{word}": nic({"forwards": [{**FORWARD, **on}]}, {**PASST, "forwards": [FORWARD]})
            for word, on in {
                "proto": {"proto": "udp"},
                "address": {"address": "127.0.0.1"},
                "host": {"host": "2022-2030"},
                "guest": {"guest": 22},
                "exclude": {"exclude": True},
            }.items()
        },
        "memory_slots": guest({"memory_slots": 8}, SLOTS),
        "memory_hotplug_max": guest({"memory_hotplug_max": "16GiB"}, SLOTS),
        "disks[].nbd.host": disk({"nbd": NBD}, None),
        "disks[].nbd.port": remote("nbd", {"port": 10809}, NBD),
        "disks[].nbd.export": remote("nbd", {"export": "disk"}, NBD),
        "disks[].nbd.tls": remote("nbd", {"tls": True}, NBD),
        "disks[].rbd.name": disk({"rbd": RBD}, None),
        "disks[].rbd.hosts": remote("rbd", {"hosts": ["mon1:6789", "[2001:db8::7]:6789"]}, RBD),
        "disks[].rbd.user": remote("rbd", {"user": "libvirt"}, RBD),
        "disks[].rbd.secret": remote("rbd", {"secret": "ceph"}, {**RBD, "user": "libvirt"}),
        "disks[].rbd.config": remote("rbd", {"config": "/etc/ceph/ceph.conf"}, RBD),
        "disks[].iscsi.host": disk({"iscsi": ISCSI}, None),
        "disks[].iscsi.port": remote("iscsi", {"port": 3260}, ISCSI),
        "disks[].iscsi.target": remote("iscsi", {"target": "iqn.2013-07.example:d/2"}, ISCSI),
        "disks[].iscsi.user": remote("iscsi", {"user": "me"}, ISCSI),
        "disks[].iscsi.secret": remote("iscsi", {"secret": "mine"}, {**ISCSI, "user": "me"}),
        "disks[].iscsi.initiator": remote("iscsi", {"initiator": "iqn.2013-07.example:hv1"}, ISCSI),
        "disks[].nfs.host": disk({"nfs": NFS}, None),
        "disks[].nfs.port": remote("nfs", {"port": 2049}, NFS),
        "disks[].nfs.path": remote("nfs", {"path": "/export/other.raw"}, NFS),
        "disks[].nfs.user": remote("nfs", {"user": "nobody"}, NFS),
        "disks[].nfs.group": remote("nfs", {"group": "nogroup"}, NFS),
        "disks[].https": disk({"https": "https://images.example:8443/debian.iso?x=1", "readonly": True}, None),
        "disks[].shareable": disk({"shareable": True}, {**DISK, "format": "raw"}),
        "disks[].lun": disk({"lun": True}, {"block": "/dev/vg/lv"}),
        "disks[].cache": disk({"cache": "none"}),
        "disks[].io": disk({"io": "native"}, {**DISK, "cache": "none"}),
        "disks[].discard": disk({"discard": "unmap"}),
        "disks[].detect_zeroes": disk({"detect_zeroes": "unmap"}),
        "disks[].error_policy": disk({"error_policy": "report"}),
        "disks[].copy_on_read": disk({"copy_on_read": True}),
        "disks[].queues": disk({"queues": 4}),
        "disks[].iothread": disk({"iothread": 1}),
        "disks[].serial": disk({"serial": "A-1"}),
        "disks[].wwn": disk({"wwn": "5000c50015ea71aa"}, {**DISK, "bus": "scsi"}),
        "disks[].removable": disk({"removable": True}, {**DISK, "bus": "usb"}),
        "disks[].luks_secret": disk({"luks_secret": "disk-key"}, before=(("secret", DISK_KEY),)),
        "disks[].iotune.total_bytes": tuned({"total_bytes": "1MiB"}),
        "disks[].iotune.read_bytes": tuned({"read_bytes": "1MiB"}),
        "disks[].iotune.write_bytes": tuned({"write_bytes": "1MiB"}),
        "disks[].iotune.total_iops": tuned({"total_iops": 100}),
        "disks[].iotune.read_iops": tuned({"read_iops": 100}),
        "disks[].iotune.write_iops": tuned({"write_iops": 100}),
        "disks[].iotune.total_bytes_max": tuned({"total_bytes_max": "2MiB"}, {"total_bytes": "1MiB"}),
        "disks[].iotune.read_bytes_max": tuned({"read_bytes_max": "2MiB"}, {"read_bytes": "1MiB"}),
        "disks[].iotune.write_bytes_max": tuned({"write_bytes_max": "2MiB"}, {"write_bytes": "1MiB"}),
        "disks[].iotune.total_iops_max": tuned({"total_iops_max": 200}, {"total_iops": 100}),
        "disks[].iotune.read_iops_max": tuned({"read_iops_max": 200}, {"read_iops": 100}),
        "disks[].iotune.write_iops_max": tuned({"write_iops_max": 200}, {"write_iops": 100}),
        "nics[].direct": nic({"direct": "eth0"}),
        "nics[].mode": nic({"mode": "bridge"}, {"direct": "eth0"}),
        "nics[].portgroup": nic({"portgroup": "fast"}, {"network": "lab"}),
        "nics[].rate_peak": nic({"rate_peak": "2MiB"}, {"network": "lab", "rate": "1MiB"}),
        "nics[].rate_burst": nic({"rate_burst": "2MiB"}, {"network": "lab", "rate": "1MiB"}),
        "nics[].rate_in": nic({"rate_in": "1MiB"}, {"network": "lab"}),
        "nics[].rate_in_peak": nic({"rate_in_peak": "2MiB"}, {"network": "lab", "rate_in": "1MiB"}),
        "nics[].rate_in_burst": nic({"rate_in_burst": "2MiB"}, {"network": "lab", "rate_in": "1MiB"}),
        "nics[].link": nic({"link": "down"}, {"network": "lab"}),
        "nics[].filter.name": nic({"filter": {"name": "clean-traffic"}}, {"network": "lab"}),
        "nics[].filter.parameters": nic(
            {"filter": {"name": "clean-traffic", "parameters": {"IP": ["10.0.0.1", "10.0.0.2"]}}},
            {"network": "lab", "filter": {"name": "clean-traffic"}},
        ),
        "nics[].isolated": nic({"isolated": True}, {"network": "lab"}),
        "nics[].mtu": nic({"mtu": 9000}, {"network": "lab"}),
        "nics[].vlan": nic({"vlan": [42, 43]}, {"network": "lab"}),
        **{
            f"nics[].virtualport.{word}": nic(
                {"virtualport": {**OVS_PORT, word: value}}, {"network": "lab", "virtualport": OVS_PORT}
            )
            for word, value in {"type": "midonet", "interfaceid": OTHER_PORT, "profileid": "web"}.items()
        },
        "nics[].trust_guest_rx_filters": nic({"trust_guest_rx_filters": True}, {"network": "lab"}),
        "nics[].driver": nic({"driver": "qemu"}, {"network": "lab"}),
        "nics[].queues": nic({"queues": 2}, {"network": "lab"}),
        "nics[].rx_queue_size": nic({"rx_queue_size": 512}, {"network": "lab"}),
        "nics[].tx_queue_size": nic({"tx_queue_size": 512}, {"network": "lab"}),
        "nics[].rom.enabled": nic({"rom": {"enabled": False}}, {"network": "lab"}),
        "nics[].rom.bar": nic({"rom": {"bar": False}}, {"network": "lab"}),
        "nics[].rom.file": nic({"rom": {"file": "/opt/rom.bin"}}, {"network": "lab"}),
        "hostdevs[].name": hostdev({"name": "gpu"}, CARD),
        "hostdevs[].pci": hostdev(CARD),
        "hostdevs[].usb": hostdev({"usb": "0951:1666"}),
        "hostdevs[].mdev": hostdev({"mdev": "53764d0e-85a0-42b4-af5c-2046b460b1dc"}),
        "hostdevs[].managed": hostdev({"managed": False}, CARD),
        "hostdevs[].driver": hostdev({"driver": "vfio"}, CARD),
        "hostdevs[].boot_order": hostdev({"boot_order": 1}, CARD),
        "hostdevs[].rom.enabled": hostdev({"rom": {"enabled": False}}, CARD),
        "hostdevs[].rom.bar": hostdev({"rom": {"bar": False}}, CARD),
        "hostdevs[].rom.file": hostdev({"rom": {"file": "/opt/rom.bin"}}, CARD),
        "hostdevs_exact": guest({"hostdevs_exact": True}, {"hostdevs": []}, before=MADE, prepare=_more),
        "filesystems[].name": filesystem({"name": "srv"}, OLD_WAY),
        "filesystems[].source": filesystem({"source": "/opt"}, OLD_WAY),
        "filesystems[].target": filesystem({"target": "other"}, OLD_WAY),
        "filesystems[].driver": guest(
            {"filesystems": [{**OLD_WAY, "driver": "virtiofs"}]}, {"filesystems": [OLD_WAY], "xml_overlay": [SHARED]}
        ),
        "filesystems[].accessmode": filesystem({"accessmode": "squash"}, OLD_WAY),
        "filesystems[].readonly": filesystem({"readonly": True}, OLD_WAY),
        "filesystems[].fmode": filesystem({"fmode": "0600"}, OLD_WAY),
        "filesystems[].dmode": filesystem({"dmode": "0700"}, OLD_WAY),
        "memory_modules[].name": module({"name": "spare"}, MODULE),
        "memory_modules[].slot": module({"slot": 1}, MODULE),
        "memory_modules[].size": module({"size": "1GiB"}, MODULE),
        "memory_modules[].node": module({"node": 1}, MODULE, numa=[{"memory": "512MiB"}, {"memory": "512MiB"}]),
        "memory_modules_exact": guest({"memory_modules_exact": True}, {"memory_modules": []}, before=MADE, prepare=_more),
        "filesystems_exact": guest({"filesystems_exact": True}, {"filesystems": []}, before=MADE, prepare=_more),
        **lines("serials", {"port": 1}, {"port": 2}),
        "serials[].model": of_list("serials", {"model": "pci-serial"}, {"port": 1, "pty": True}),
        **lines("parallels", {"port": 1}, {"port": 2}),
        **lines("consoles", {"port": 1}, {"port": 2}),
        **lines("channels", {"target": "org.example.a"}, {"target": "org.example.b"}),
    }
)

# whole hosts

ALL: dict[str, Any] = {"version": 1, "guests": [WEB]}
BEFORE = (("estate", {"document": {**ALL, "guests": [{**WEB, "disks": [DISK]}]}}),)
BOOTED = (("estate", {"document": {**ALL, "guests": [{**WEB, "disks": [DISK], "state": "running"}]}}),)


def estate(on: Mapping[str, Any], words: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    """Turn an option of the estate, on a document of one guest with these words."""
    off = {"document": {**ALL, "guests": [{**WEB, **(words or {})}]}}
    return Turn(off, {**off, **on}, **more)


def _away(house: House) -> None:
    """Let the first change fail."""
    house.fake.fail_at(1)


ESTATE: dict[str, Turn] = {
    "document": estate({"document": {**ALL, "guests": [{**WEB, "vcpus": 2}]}}),
    "mode": estate({"mode": "plan"}),
    "saved_plan": estate({"saved_plan": {"plan": [], "fingerprint": {"version": 0}}}, look=result),
    "prune": estate({"prune": True, "document": {"version": 1}}, before=BEFORE),
    "on_error": Turn(
        {"document": {**ALL, "guests": [WEB, {**WEB, "name": "web2"}]}, "parallel": 1},
        {"document": {**ALL, "guests": [WEB, {**WEB, "name": "web2"}]}, "parallel": 1, "on_error": "stop"},
        prepare=_away,
        look=result,
    ),
    "parallel": estate({"parallel": 0}, look=result),
    "wait_for": estate(
        {"wait_for": "agent", "wait_timeout": "0.05s"}, {"state": "running"}, before=BOOTED, prepare=_silent, look=result
    ),
    "wait_timeout": Turn(
        {"document": {**ALL, "guests": [{**WEB, "state": "running"}]}, "wait_for": "agent", "wait_timeout": "0.05s"},
        {"document": {**ALL, "guests": [{**WEB, "state": "running"}]}, "wait_for": "agent", "wait_timeout": "0.1s"},
        BOOTED,
        prepare=_silent,
        look=result,
    ),
    "stop_timeout": estate({"stop_timeout": "7s"}, {"state": "stopped"}, before=BOOTED, look=asked),
    "force_stop": estate({"force_stop": True}, {"state": "stopped"}, before=BOOTED, prepare=_stubborn, look=result),
    "restart_policy": estate({"restart_policy": "if_needed"}, {"machine": "pc"}, before=BOOTED, look=asked),
    "drift": estate(
        {"drift": "report"},
        {"title": "ours"},
        before=(("estate", {"document": {**ALL, "guests": [{**WEB, "title": "ours"}]}}),),
        prepare=_retitled,
    ),
    "confirm_data_loss": estate({"confirm_data_loss": ["web1"]}, {"state": "absent"}, before=BEFORE),
}

# networks

NET: dict[str, Any] = {"name": "net1", "cidr": "10.50.0.0/24"}
RESERVED = {"mac": MAC, "address": "10.50.0.11"}
NAMED = {"address": "10.50.0.12", "names": ["door"]}

SIX = {"address": "fd00:50::1/64", "start": "fd00:50::10", "end": "fd00:50::90"}
ROUTE = {"to": "10.99.0.0/16", "via": "10.50.0.2"}
SERVICE = {"service": "ldap", "protocol": "tcp", "target": "one.example", "port": 389, "priority": 2, "weight": 3}
RATES = {"in": "2MiB", "in_peak": "3MiB", "in_burst": "1MiB", "out": "2MiB", "out_peak": "3MiB", "out_burst": "1MiB"}


def network(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    return Turn({**NET, **(off or {})}, {**NET, **(off or {}), **on}, **more)


SWITCH: dict[str, Any] = {
    "name": "switch",
    "forward": "bridge",
    "bridge": "ovsbr0",
    "virtualport": {"type": "openvswitch"},
}
TRUNK: dict[str, Any] = {"tags": [10, 20], "native": 10, "native_mode": "tagged"}
TRUNKS: dict[str, Any] = {"native": {"native": 20}, "native_mode": {"native_mode": "untagged"}}
PORTS = {"type": "midonet", "interfaceid": OTHER_PORT, "profileid": "web"}


def of_mode(mode: str, on: Mapping[str, Any], off: Mapping[str, Any]) -> Turn:
    said = {"name": "cards", "forward": mode, **off}
    return Turn(said, {**said, **on})


def switch(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    return Turn({**SWITCH, **(off or {})}, {**SWITCH, **(off or {}), **on})


def switch_group(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    group = {"name": "a", **(off or {})}
    return switch({"portgroups": [{**group, **on}]}, {"portgroups": [group]})


NETWORK: dict[str, Turn] = {
    "forward_interfaces": of_mode(
        "private", {"forward_interfaces": ["eth0", "eth1"]}, {"forward_interfaces": ["eth0"]}
    ),
    "forward_pf": of_mode("hostdev", {"forward_pf": "eth1"}, {"forward_pf": "eth0"}),
    "forward_addresses": of_mode(
        "hostdev", {"forward_addresses": ["0000:03:10.1", "0000:03:10.2"]}, {"forward_addresses": ["0000:03:10.1"]}
    ),
    "forward_driver": of_mode("hostdev", {"forward_driver": "vfio"}, {"forward_pf": "eth0"}),
    "forward_managed": of_mode("hostdev", {"forward_managed": False}, {"forward_pf": "eth0"}),
    **{f"vlan.{word}": switch({"vlan": {**TRUNK, **said}}, {"vlan": TRUNK}) for word, said in TRUNKS.items()},
    "vlan.tags": switch({"vlan": {"tags": [10]}}),
    "vlan.trunk": switch({"vlan": {"tags": [10], "trunk": True}}, {"vlan": {"tags": [10]}}),
    **{
        f"virtualport.{word}": switch({"virtualport": {**OVS_PORT, word: value}}, {"virtualport": OVS_PORT})
        for word, value in PORTS.items()
    },
    "trust_guest_rx_filters": switch({"trust_guest_rx_filters": True}),
    **{
        f"portgroups[].vlan.{word}": switch_group({"vlan": {**TRUNK, **said}}, {"vlan": TRUNK})
        for word, said in TRUNKS.items()
    },
    "portgroups[].vlan.tags": switch_group({"vlan": {"tags": [10]}}),
    "portgroups[].vlan.trunk": switch_group({"vlan": {"tags": [10], "trunk": True}}, {"vlan": {"tags": [10]}}),
    **{
        f"portgroups[].virtualport.{word}": switch_group(
            {"virtualport": {**OVS_PORT, word: value}}, {"virtualport": OVS_PORT}
        )
        for word, value in PORTS.items()
    },
    "portgroups[].trust_guest_rx_filters": switch_group({"trust_guest_rx_filters": True}),
    "name": network({"name": "net2"}),
    "state": network({"state": "inactive"}),
    "forward": network({"forward": "none"}),
    "forward_dev": network({"forward_dev": "eth1"}),
    "dns_forwarders": network({"dns_forwarders": ["9.9.9.9"]}),
    "isolated": network({"isolated": True}),
    "cidr": network({"cidr": "10.51.0.0/24"}),
    "gateway": network({"gateway": "10.50.0.254"}),
    "dhcp": network({"dhcp": False}),
    "reservations[].mac": network({"reservations": [{**RESERVED, "mac": OTHER_MAC}]}, {"reservations": [RESERVED]}),
    "reservations[].address": network(
        {"reservations": [{**RESERVED, "address": "10.50.0.13"}]}, {"reservations": [RESERVED]}
    ),
    "reservations[].name": network({"reservations": [{**RESERVED, "name": "web1"}]}, {"reservations": [RESERVED]}),
    "reservations_exact": network(
        {"reservations_exact": True}, {"reservations": []}, before=(("network", {**NET, "reservations": [RESERVED]}),)
    ),
    "dns_hosts[].address": network({"dns_hosts": [{**NAMED, "address": "10.50.0.14"}]}, {"dns_hosts": [NAMED]}),
    "dns_hosts[].names": network({"dns_hosts": [{**NAMED, "names": ["gate"]}]}, {"dns_hosts": [NAMED]}),
    "dns_hosts_exact": network(
        {"dns_hosts_exact": True}, {"dns_hosts": []}, before=(("network", {**NET, "dns_hosts": [NAMED]}),)
    ),
    "bridge": network({"bridge": "vfbr9"}),
    "stp": network({"stp": False}),
    "mtu": network({"mtu": 9000}),
    "domain": network({"domain": "lab.example"}),
    "domain_local": network({"domain_local": True}, {"domain": "lab.example"}),
    "zone": network({"zone": "libvirt"}),
    "ipv6.address": network({"ipv6": {"address": "fd00:50::1/64"}}),
    "ipv6.start": network({"ipv6": {**SIX, "start": "fd00:50::20"}}, {"ipv6": SIX}),
    "ipv6.end": network({"ipv6": {**SIX, "end": "fd00:50::30"}}, {"ipv6": SIX}),
    "routes[].to": network({"routes": [{**ROUTE, "to": "10.98.0.0/16"}]}, {"routes": [ROUTE]}),
    "routes[].via": network({"routes": [{**ROUTE, "via": "10.50.0.3"}]}, {"routes": [ROUTE]}),
    "routes[].metric": network({"routes": [{**ROUTE, "metric": 5}]}, {"routes": [ROUTE]}),
    "tftp_root": network({"tftp_root": "/srv/tftp"}),
    "bootp.file": network({"bootp": {"file": "pxelinux.0"}}),
    "bootp.server": network({"bootp": {"file": "a", "server": "10.50.0.9"}}, {"bootp": {"file": "a"}}),
    **{
        f"dns_srv[].{word}": network({"dns_srv": [{**SERVICE, word: value}]}, {"dns_srv": [SERVICE]})
        for word, value in {
            "service": "sip",
            "protocol": "udp",
            "domain": "b.example",
            "target": "two.example",
            "port": 390,
            "priority": 1,
            "weight": 9,
        }.items()
    },
    "dns_txt[].name": network({"dns_txt": [{"name": "b", "value": "x"}]}, {"dns_txt": [{"name": "a", "value": "x"}]}),
    "dns_txt[].value": network({"dns_txt": [{"name": "a", "value": "y"}]}, {"dns_txt": [{"name": "a", "value": "x"}]}),
    **{f"bandwidth.{word}": network({"bandwidth": {**RATES, word: "9MiB"}}, {"bandwidth": RATES}) for word in RATES},
    "portgroups[].name": network({"portgroups": [{"name": "fast"}]}),
    "portgroups[].default": network({"portgroups": [{"name": "a", "default": True}]}, {"portgroups": [{"name": "a"}]}),
    **{
        f"portgroups[].bandwidth.{word}": network(
            {"portgroups": [{"name": "a", "bandwidth": {**RATES, word: "9MiB"}}]},
            {"portgroups": [{"name": "a", "bandwidth": RATES}]},
        )
        for word in RATES
    },
    "dnsmasq_options": network({"dnsmasq_options": ["dhcp-option=42,10.50.0.1"]}),
    "autostart": network({"autostart": False}),
    "restart": network({"restart": True}, {"bridge": "vfbr8"}, before=(("network", NET),)),
    "disconnect_guests": Turn(
        {"name": "lab", "state": "inactive"},
        {"name": "lab", "state": "inactive", "disconnect_guests": True},
        (("guest", {**WEB, "nics": [{"network": "lab"}], "state": "running"}),),
        look=result,
    ),
}

# pools

POOL: dict[str, Any] = {"name": "more", "path": "/data/more"}
NFS: dict[str, Any] = {
    "type": "netfs", "path": "/srv/nfs", "source_hosts": ["nas"], "source_path": "/export", "state": "inactive"
}


FS_POOL: dict[str, Any] = {
    "name": "more", "type": "fs", "path": "/srv/fs", "source_devices": ["/dev/vdb"], "source_format": "ext4"
}


def pool(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    return Turn({**POOL, **(off or {})}, {**POOL, **(off or {}), **on}, **more)


def pool_of(kind: str, **said: Any) -> Turn:
    """Turn the last of a pool's options, which a pool of this type has."""
    option = list(said)[-1]
    whole = {"name": "more", "type": kind, "state": "inactive", **said}
    other = {
        "source_hosts": ["other.example.com"], "source_devices": ["/dev/other"], "source_path": "/other",
        "source_initiator": "iqn.2026-01.com.example:other",
    }.get(option, "other")  # fmt: skip
    return Turn({**whole, option: other}, whole)


POOLS: dict[str, Turn] = {
    "name": pool({"name": "other"}),
    "state": pool({"state": "inactive"}),
    "type": Turn({"name": "vg", "path": "/dev/vg"}, {"name": "vg", "path": "/dev/vg", "type": "mpath"}, look=result),
    "source_hosts": pool_of("netfs", path="/srv/nfs", source_path="/export", source_hosts=["nas.example.com:2049"]),
    "source_path": pool_of("netfs", path="/srv/nfs", source_hosts=["nas.example.com"], source_path="/export"),
    "source_devices": pool_of("fs", path="/srv/fs", source_devices=["/dev/vdb1"]),
    "source_name": pool_of("logical", source_name="vg0"),
    "source_adapter": pool_of("scsi", path="/dev/disk/by-path", source_adapter="scsi_host1"),
    "source_format": pool_of("fs", path="/srv/fs", source_devices=["/dev/vdb1"], source_format="ext4"),
    "source_version": Turn(
        {"name": "more", **NFS, "source_version": "4.2"}, {"name": "more", **NFS, "source_version": "4.1"}
    ),
    "source_initiator": pool_of(
        "iscsi-direct", source_hosts=["san"], source_devices=["iqn.2026-01.com.example:disks"],
        source_initiator="iqn.2026-01.com.example:hv1",
    ),
    "auth_username": pool_of("rbd", source_name="vms", source_hosts=["mon"], auth_secret="ceph", auth_username="vms"),
    "auth_secret": pool_of("rbd", source_name="vms", source_hosts=["mon"], auth_username="vms", auth_secret="ceph"),
    "path": pool({"path": "/data/other"}),
    "mode": pool({"mode": "0750"}),
    "owner": pool({"owner": "1"}),
    "group": pool({"group": "1"}),
    "autostart": pool({"autostart": False}),
    "build": Turn(FS_POOL, {**FS_POOL, "build": True}, look=asked),
    "confirm_data_loss": Turn({**FS_POOL, "build": True}, {**FS_POOL, "build": True, "confirm_data_loss": ["more"]}, look=asked),
    "remove_directory": Turn(
        {"name": "more", "state": "absent"},
        {"name": "more", "state": "absent", "remove_directory": True},
        (("pool", POOL),),
        look=lambda house, found: (result(house, found), sorted(house.fake.folders)),
    ),
}

# volumes

VOLUME: dict[str, Any] = {"name": "data.qcow2", "size": "5GiB"}


def volume(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    return Turn({**VOLUME, **(off or {})}, {**VOLUME, **(off or {}), **on}, **more)


def volumes_of(house: House, found: Mapping[str, Any]) -> Any:
    assert not found.get("failed"), found.get("msg")
    return house.fake.volumes("default")


VOLUMES: dict[str, Turn] = {
    "name": volume({"name": "other.qcow2"}),
    "pool": volume({"pool": "fast"}),
    "state": volume({"state": "absent"}),
    "format": volume({"format": "raw"}),
    "size": volume({"size": "6GiB"}),
    "backing": volume({"backing": "debian-12"}),
    "source": Turn({"name": "a", "size": "8GiB"}, {"name": "a", "size": "8GiB", "source": "/data/old.qcow2"}, look=asked),
    "clone": volume({"clone": "debian-12.qcow2"}, look=asked),
    "wipe": volume(
        {"wipe": True}, {"state": "absent", "confirm_data_loss": ["data.qcow2"]}, before=(("volume", VOLUME),), look=asked
    ),
    "preallocation": volume({"preallocation": "falloc"}),
    "cluster_size": volume({"cluster_size": "128KiB"}, look=volumes_of),
    "lazy_refcounts": volume({"lazy_refcounts": True}, look=volumes_of),
    "compat": volume({"compat": "1.1"}, look=volumes_of),
    "luks_secret": volume({"luks_secret": "disk-key"}, before=(("secret", DISK_KEY),), look=volumes_of),
    "confirm_data_loss": volume(
        {"confirm_data_loss": ["data.qcow2"]}, {"state": "absent"}, before=(("volume", VOLUME),), look=result
    ),
}

# network filters

FILTER: dict[str, Any] = {"name": "web", "rules": []}
RULE: dict[str, Any] = {"action": "accept", "direction": "in", "protocol": "tcp"}
BASE = (("nwfilter", {"name": "base"}), ("nwfilter", {"name": "other"}))


def nwfilter(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    return Turn({**FILTER, **(off or {})}, {**FILTER, **(off or {}), **on}, **more)


def rule(on: Mapping[str, Any]) -> Turn:
    return nwfilter({"rules": [{**RULE, **on}]}, {"rules": [RULE]})


NWFILTERS: dict[str, Turn] = {
    "name": nwfilter({"name": "mail"}),
    "state": nwfilter({"state": "absent"}),
    "chain": nwfilter({"chain": "ipv4"}),
    "priority": nwfilter({"priority": 5}),
    "filters[].name": nwfilter({"filters": [{"name": "other"}]}, {"filters": [{"name": "base"}]}, before=BASE),
    "filters[].parameters": nwfilter(
        {"filters": [{"name": "base", "parameters": {"IP": "10.0.0.2"}}]}, {"filters": [{"name": "base"}]}, before=BASE
    ),
    "rules[].action": rule({"action": "drop"}),
    "rules[].direction": rule({"direction": "out"}),
    "rules[].priority": rule({"priority": 1}),
    "rules[].statematch": rule({"statematch": False}),
    "rules[].protocol": rule({"protocol": "udp"}),
    "rules[].attributes": rule({"attributes": {"dstportstart": 22}}),
    "rules[].negated": rule({"negated": {"srcportstart": 22}}),
}

# secrets

KEY: dict[str, Any] = {"name": "client.a", "usage": "ceph", "value": "first-value"}


def secret(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    return Turn({**KEY, **(off or {})}, {**KEY, **(off or {}), **on}, **more)


SECRETS: dict[str, Turn] = {
    "name": secret({"name": "client.b"}),
    "state": secret({"state": "absent"}),
    "usage": secret({"usage": "tls"}),
    "usage_id": secret({"usage_id": "client.b"}),
    "description": secret({"description": "For the cluster"}),
    "ephemeral": secret({"ephemeral": True}),
    "private": secret({"private": True}),
    "value": secret({"value": "other-value"}),
    "value_base64": Turn({"name": "a"}, {"name": "a", "value_base64": "c2VjcmV0"}),
    "value_policy": secret({"value_policy": "on_create"}, {"value": "other-value"}, before=(("secret", KEY),)),
}

# what only looks

TWO = (("guest", WEB), ("guest", {**WEB, "name": "web2"}))


def look(on: Mapping[str, Any], **more: Any) -> Turn:
    return Turn({}, on, look=result, **more)


# Alike, so that they share something.
ALIKE = (("guest", {**WEB, "vcpus": 2}), ("guest", {**WEB, "vcpus": 2, "name": "web2"}))

QUERIES = {
    "accelerator_info": look({"query": "verdict"}),
    "capture": look({"query": "guests[].name"}, before=TWO),
    "guest_info": look({"query": "[].name"}, before=TWO),
    "host_info": look({"query": "cpus"}),
    "network_info": look({"query": "[].name"}),
    "os_info": look({"query": "[].name"}),
    "nwfilter_info": look({"query": "[].name"}),
    "pool_info": look({"query": "[].name"}),
    "secret_info": look({"query": "[].usage_id"}),
    "volume_info": look({"query": "[].name"}),
}
INFO: dict[str, dict[str, Turn]] = {
    # A look is taken once; the second one is asked for.
    "accelerator_info": {
        "fresh": Turn({}, {"fresh": True}, (("accelerator_info", {}),), look=lambda house, found: house.files.looks)
    },
    "os_info": {"name": look({"name": ["debian-12"]}), "family": look({"family": ["winnt"]})},
    "capture": {
        "guests": look({"guests": ["*2"]}, before=TWO),
        "networks": look({"networks": ["dm?"]}),
        "pools": look({"pools": []}),
        "profiles": look({"profiles": False}, before=ALIKE),
        "minimum": look({"minimum": 3}, before=ALIKE),
        "xl_configs": look({"xl_configs": []}, prepare=_by_xl, how=XEN),
    },
    "guest_info": {
        "name": look({"name": ["web2"]}, before=TWO),
        "gather": look({"gather": ["stats"]}, before=TWO),
    },
    "host_facts": {"gather": look({"gather": ["networks", "pools"]})},
    "host_info": {"gather": look({"gather": ["networks", "pools"]})},
    "network_info": {"name": look({"name": ["dmz"]})},
    "nwfilter_info": {"name": look({"name": ["base"]}, before=BASE)},
    "pool_info": {"name": look({"name": ["fast"]}), "volumes": look({"volumes": True})},
    "secret_info": {
        "usage": look({"usage": ["tls"]}, before=(("secret", KEY),)),
        "usage_id": look({"usage_id": ["other"]}, before=(("secret", KEY),)),
    },
    "volume_info": {"name": look({"name": ["scratch.raw"]}), "pool": look({"pool": ["fast"]})},
}

# configurations of xl

OLD: dict[str, Any] = {"guest": {"name": "old1", "memory": "1GiB"}}


def configs(house: House, found: Mapping[str, Any]) -> Any:
    assert not found.get("failed"), found.get("msg")
    return house.files.configs


XL_CONFIG: dict[str, Turn] = {
    "guest": Turn(OLD, {"guest": {**OLD["guest"], "vcpus": 2}}, look=configs, how=XEN),
    "state": Turn(OLD, {**OLD, "state": "absent"}, (("xl_config", OLD),), look=configs, how=XEN),
    "path": Turn(OLD, {**OLD, "path": "/srv/old1.cfg"}, look=configs, how=XEN),
}

# consoles and screens


def typed(house: House, found: Mapping[str, Any]) -> Any:
    assert not found.get("failed"), found.get("msg")
    return [(console.device, console.safe, console.typed) for console in house.fake.consoles]


def said(house: House, found: Mapping[str, Any]) -> Any:
    return [found.get(name) for name in ("changed", "output", "matches", "msg")]


def _talking(house: House) -> None:
    house.fake.console_says["web1"] = b"boot\r\nweb1 login: "


def _taken(house: House) -> None:
    house.fake.consoles_taken.add("web1")


def _two_screens(house: House) -> None:
    other = PICTURE.replace(b"\xff", b"\xaa")
    house.fake.screens.update({"web1": [PICTURE, other], "web2": [other]})


SHORT = {"capture": "0.01s"}
NO_WAIT = {"steps": [{"wait": "never"}], "timeout": "0.1s"}


def on_console(on: Mapping[str, Any], off: Mapping[str, Any] | None = None, **more: Any) -> Turn:
    without = {"name": "web1", "steps": [SHORT], **(off or {})}
    return Turn(without, {**without, **on}, RUNNING, **{"look": typed, "prepare": _talking, **more})


def step(on: Mapping[str, Any], **more: Any) -> Turn:
    return on_console({"steps": [SHORT, on]}, **more)


CONSOLE: dict[str, Turn] = {
    "name": on_console({"name": "web2"}, {"name": "web1"}, look=said),
    "device": on_console({"device": "serial1"}),
    "safe": on_console({"safe": True}),
    "force": on_console({"force": True}, look=said, prepare=_taken),
    "timeout": on_console({"timeout": "0.2s"}, NO_WAIT, look=said),
    "limit": on_console({"limit": "5B"}, look=said),
    "steps[].line": step({"line": "root"}),
    "steps[].secret": step({"secret": "x1y2z3"}),
    "steps[].text": step({"text": "e"}),
    "steps[].key": step({"key": "ctrl-x"}),
    "steps[].wait": step({"wait": "login:"}, look=said),
    "steps[].capture": on_console({"steps": []}, {"steps": [{"capture": "0s"}]}, look=said),
    "steps[].timeout": on_console({"steps": [{"wait": "never", "timeout": "0.2s"}]}, NO_WAIT, look=said),
}


def screen(on: Mapping[str, Any]) -> Turn:
    without = {"name": "web1", "path": f"{FAST}/web1.png"}
    before = (*RUNNING, ("guest", {**WEB, "name": "web2", "state": "running"}))
    return Turn(without, {**without, **on}, before, prepare=_two_screens)


SCREENSHOT: dict[str, Turn] = {
    "name": screen({"name": "web2"}),
    "path": screen({"path": f"{FAST}/other.png"}),
    "screen": screen({"screen": 1}),
}

# images made of packages; the other options of images need real files

SYSTEM: dict[str, Any] = {"suite": "bookworm"}
ADDRESS = {"address": "192.0.2.10/24"}
PASSWORD_HASH = "$6$salt$" + 86 * "x"
MOTD = {"path": "/etc/motd", "content": "hello"}


def made(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    """Turn a suboption of bootstrap; the picture has what the image would hold."""
    without, with_it = ({**SYSTEM, **(off or {}), **more} for more in ({}, on))
    return Turn({"name": "base", "bootstrap": without}, {"name": "base", "bootstrap": with_it})


def addressed(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    without = off or ADDRESS
    return made({"network": {**without, **on}}, {"network": without})


def filed(on: Mapping[str, Any], off: Mapping[str, Any] | None = None) -> Turn:
    without = off or MOTD
    return made({"files": [{**without, **on}]}, {"files": [without]})


BOOTSTRAP: dict[str, Turn] = {
    "suite": made({"suite": "trixie"}),
    "mirror": made({"mirror": ["http://deb.example.com/debian"]}),
    "components": made({"components": ["main", "contrib"]}),
    "architecture": made({"architecture": "arm64"}),
    "packages": made({"packages": ["less"]}),
    "kernel": made({"kernel": "none"}),
    "kernel_arguments": made({"kernel_arguments": ["net.ifnames=0"]}),
    "documentation": made({"documentation": True}),
    "partitioning": made({"partitioning": "mbr"}),
    "filesystem": made({"filesystem": "ext3"}),
    "swap": made({"swap": "64MiB"}),
    "hostname": made({"hostname": "web1"}),
    "network.address": addressed({"address": "192.0.2.11/24"}),
    "network.netmask": addressed({"netmask": "255.255.0.0"}, {"address": "192.0.2.10", "netmask": "255.255.255.0"}),
    "network.gateway": addressed({"gateway": "192.0.2.1"}),
    "network.nameservers": addressed({"nameservers": ["192.0.2.53"]}),
    "root_keys": made({"root_keys": [SSH_KEY]}),
    "root_password_hash": made({"root_password_hash": PASSWORD_HASH}),
    "serial_console": made({"serial_console": False}),
    "timezone": made({"timezone": "Europe/Berlin"}),
    "locale": made({"locale": "de_DE.UTF-8"}),
    "files[].path": filed({"path": "/etc/issue"}),
    "files[].content": filed({"content": "bye"}),
    "files[].src": filed({"src": "/srv/other"}, {"path": "/etc/motd", "src": "/srv/motd"}),
    "files[].mode": filed({"mode": "0600"}),
    "files[].owner": filed({"owner": "daemon"}),
    "commands": made({"commands": ["true"]}),
}

# What needs real files or a server: the test that turns it, by file and name.
_IMAGES = "tests/integration/test_image.py::"
_IMAGE_FILES = "tests/integration/test_image_files.py::"
_SIGNATURES = "tests/unit/plugins/module_utils/test_signature.py::"
_KVM_HOST = "tests/unit/plugins/module_utils/kvm_host/"
_XEN_HOST = "tests/unit/plugins/module_utils/xen_host/"
_BRIDGES = "tests/unit/plugins/module_utils/bridge/test_"
ELSEWHERE: dict[str, str] = {
    "host_bridge.name": _BRIDGES + "bridge_spec.py::test_what_cannot_be_right",
    "host_bridge.state": _BRIDGES + "bridge_plan.py::test_absent_gives_back_what_there_was",
    "host_bridge.interface": _BRIDGES + "bridge_plan.py::test_the_interface_is_the_one_of_the_default_route_or_the_one_that_is_named",
    "host_bridge.addresses": _BRIDGES + "bridge_plan.py::test_each_option_of_an_address_is_in_the_files",
    "host_bridge.gateway": _BRIDGES + "bridge_plan.py::test_each_option_of_an_address_is_in_the_files",
    "host_bridge.gateway6": _BRIDGES + "bridge_plan.py::test_each_option_of_an_address_is_in_the_files",
    "host_bridge.nameservers": _BRIDGES + "bridge_plan.py::test_each_option_of_an_address_is_in_the_files",
    "host_bridge.confirm": "tests/integration/test_host_bridge.py::test_a_bridge_that_is_kept_is_there_after_a_restart",
    "host_bridge.rollback_timeout": "tests/integration/test_host_bridge.py::"
    "test_a_host_that_nobody_reaches_any_more_comes_back_by_itself",
    "image.name": _IMAGES + "test_blank",
    "image.pool": "tests/unit/plugins/module_utils/test_image_plan.py::test_pools_that_cannot_hold_it",
    "image.path": _IMAGES + "test_at_a_path",
    "image.state": _IMAGES + "test_blank",
    "image.format": _IMAGES + "test_blank",
    "image.size": _IMAGES + "test_blank",
    "image.source": _IMAGES + "test_import_from_a_file",
    "image.checksum": _IMAGES + "test_import_from_a_file",
    "image.checksum_signature": _SIGNATURES + "test_a_good_signature",
    "image.checksum_keys": _SIGNATURES + "test_a_good_signature",
    "image.backing": _IMAGES + "test_overlay",
    "image.compress": _IMAGE_FILES + "test_how_the_file_is_made",
    "image.compression_type": _IMAGE_FILES + "test_how_the_file_is_made",
    "image.preallocation": _IMAGE_FILES + "test_how_the_file_is_made",
    "image.cluster_size": _IMAGE_FILES + "test_how_the_file_is_made",
    "image.lazy_refcounts": _IMAGE_FILES + "test_how_the_file_is_made",
    "image.sparsify": _IMAGE_FILES + "test_zeros_give_their_room_back",
    "image.luks_secret": "tests/unit/plugins/module_utils/test_image_plan.py::test_an_encrypted_image",
    "image.luks_passphrase": "tests/unit/plugins/module_utils/test_image_plan.py::test_an_encrypted_image",
    "image.confirm_data_loss": _IMAGES + "test_a_loss_needs_consent",
    **{
        f"estate.{name}": _IMAGE_FILES + "test_how_a_document_fetches_its_images"
        for name in ("headers", "url_username", "url_password", "validate_certs", "mirror", "cache_size", "cache_age", "timeout")
    },
    "image.headers": _IMAGE_FILES + "test_how_it_is_fetched",
    "image.url_username": _IMAGE_FILES + "test_how_it_is_fetched",
    "image.url_password": _IMAGE_FILES + "test_how_it_is_fetched",
    "image.validate_certs": _IMAGE_FILES + "test_how_it_is_fetched",
    "image.mirror": _IMAGE_FILES + "test_how_it_is_fetched",
    "image.cache_size": _IMAGE_FILES + "test_how_it_is_fetched",
    "image.cache_age": _IMAGE_FILES + "test_how_it_is_fetched",
    "image.timeout": _IMAGE_FILES + "test_how_it_is_fetched",
    "kvm_host_info.accel": _KVM_HOST + "test_judge.py::test_kvm",
    "kvm_host_info.accelerator": _KVM_HOST + "test_judge.py::test_kvm",
    "kvm_host_info.architectures": _KVM_HOST + "test_judge.py::test_options_choose_packages",
    "kvm_host_info.features": _KVM_HOST + "test_judge.py::test_options_choose_packages",
    "kvm_host_info.storage": _KVM_HOST + "test_judge.py::test_options_choose_packages",
    "kvm_host_info.extra_packages": _KVM_HOST + "test_judge.py::test_what_is_missing_is_named",
    "kvm_host_info.users": _KVM_HOST + "test_settings.py::test_users",
    "kvm_host_info.nested": _KVM_HOST + "test_settings.py::test_nested",
    "kvm_host_info.hugepages": _KVM_HOST + "test_settings.py::test_hugepages_now_and_after_a_start",
    "kvm_host_info.remote": _KVM_HOST + "test_settings.py::test_tls_under_systemd",
    "kvm_host_info.tls.ca": _KVM_HOST + "test_settings.py::test_tls_under_systemd",
    "kvm_host_info.tls.cert": _KVM_HOST + "test_settings.py::test_tls_under_systemd",
    "kvm_host_info.tls.key": _KVM_HOST + "test_settings.py::test_tls_under_systemd",
    "kvm_host_info.tls_allowed": _KVM_HOST + "test_settings.py::test_who_may_come_by_tls",
    "kvm_host_info.network": _KVM_HOST + "test_judge.py::test_the_record_says_what_is_going_to_be_added",
    "kvm_host_info.pools[].name": _KVM_HOST + "test_settings.py::test_a_pool_stays_where_it_is",
    "kvm_host_info.pools[].path": _KVM_HOST + "test_settings.py::test_a_pool_stays_where_it_is",
    "kvm_host_info.pools[].any_guest": _KVM_HOST + "test_settings.py::test_pools_in_other_places_are_told_to_apparmor",
    "kvm_host_info.beside_xen": _KVM_HOST + "test_judge.py::test_xen_is_refused_unless_it_is_to_be_beside",
    "kvm_host_info.removal": _KVM_HOST + "test_look.py::test_the_module_reads_looks_and_judges",
    "xen_host_info.boot": _XEN_HOST + "test_settings.py::test_the_way_back",
    "xen_host_info.dom0_memory": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.dom0_vcpus": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.dom0_pin": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.console": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.console_speed": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.scheduler": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.hypervisor_options": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.dom0_options": _XEN_HOST + "test_settings.py::test_options_become_words_of_xen_and_of_its_kernel",
    "xen_host_info.features": _XEN_HOST + "test_judge.py::test_options_choose_packages",
    "xen_host_info.extra_packages": _XEN_HOST + "test_judge.py::test_options_choose_packages",
    "xen_host_info.users": _XEN_HOST + "test_settings.py::test_users",
    "xen_host_info.network": _XEN_HOST + "test_judge.py::test_what_has_to_wait_for_xen_is_named",
    "xen_host_info.pools[].name": _XEN_HOST + "test_judge.py::test_a_pool_stays_where_it_is",
    "xen_host_info.pools[].path": _XEN_HOST + "test_judge.py::test_a_pool_stays_where_it_is",
    "xen_host_info.xendomains": _XEN_HOST + "test_settings.py::test_xens_own_service_is_out_of_the_way_of_libvirt",
    "xen_host_info.beside_kvm": _XEN_HOST + "test_judge.py::test_a_machine_may_be_both_when_it_is_said",
    "xen_host_info.removal": _XEN_HOST + "test_look.py::test_the_module_reads_looks_and_judges",
    "image_info.query": _IMAGES + "test_image_info",
    "image_info.name": _IMAGES + "test_image_info",
    "image_info.pool": _IMAGES + "test_image_info",
    "image_info.path": _IMAGES + "test_image_info",
}

TURNS: dict[str, Turn] = {
    **{f"estate.{path}": turn for path, turn in ESTATE.items()},
    **{f"guest.{path}": turn for path, turn in GUEST.items()},
    **{f"xl_config.{path}": turn for path, turn in XL_CONFIG.items()},
    **{f"console.{path}": turn for path, turn in CONSOLE.items()},
    **{f"screenshot.{path}": turn for path, turn in SCREENSHOT.items()},
    **{f"network.{path}": turn for path, turn in NETWORK.items()},
    **{f"pool.{path}": turn for path, turn in POOLS.items()},
    **{f"volume.{path}": turn for path, turn in VOLUMES.items()},
    **{f"nwfilter.{path}": turn for path, turn in NWFILTERS.items()},
    **{f"secret.{path}": turn for path, turn in SECRETS.items()},
    **{f"image.bootstrap.{path}": turn for path, turn in BOOTSTRAP.items()},
    **{f"{name}.{path}": turn for name, turns in INFO.items() for path, turn in turns.items()},
    **{f"{name}.query": turn for name, turn in QUERIES.items()},
}
CONVERGED = ("estate", "guest", "network", "pool", "image", "volume", "nwfilter", "secret")
# These look at the machine itself.
LOCAL = ("accelerator_info", "host_bridge", "kvm_host_info", "os_info", "xen_host_info")
CONNECTED = [name for name in MODULES if name not in LOCAL]
URIS = {f"{name}.uri" for name in CONNECTED}


def test_every_option_is_turned_and_nothing_else() -> None:
    every = {path for name in MODULES for path in leaves(arguments(name), name)}
    cases = [*TURNS, *ELSEWHERE, *URIS]
    assert sorted(every - set(cases)) == [], "options that no test turns"
    assert sorted(set(cases) - every) == [], "cases of options that do not exist"
    assert len(cases) == len(set(cases))


@pytest.mark.parametrize("path", TURNS)
def test_an_option_does_something_that_check_mode_tells(path: str) -> None:
    name, turn = path.partition(".")[0], TURNS[path]
    assert turn.seen(name, turn.on) != turn.unturned(name)


@pytest.mark.parametrize("name", CONNECTED)
def test_a_uri_is_where_a_module_goes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[str] = []

    def connect(uri: str, readonly: bool = False, timeout: float = 20.0) -> None:
        gone.append(uri)
        raise NotFound(f"nobody is at {uri}")

    monkeypatch.setattr(_module, "HAS_LIBVIRT", True)
    monkeypatch.setattr(_module.Libvirt, "connect", connect)
    needed: dict[str, Any] = {"name": "web1"} if name in CONVERGED else {}
    if name == "estate":
        needed = {"document": {"version": 1}}
    elif name == "xl_config":
        needed = {"guest": needed}
    elif name in ("console", "screenshot"):
        needed = {"name": "web1", **({"path": "/srv/web1.png"} if name == "screenshot" else {})}
    module = importlib.import_module(f"ansible_collections.virtfleet.core.plugins.modules.{name}")
    for uri in ({}, {"uri": "qemu+ssh://hv2/system"}):
        printed = io.StringIO()
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": {**needed, **uri}}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
        with contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
            module.main()
        assert json.loads(printed.getvalue().splitlines()[-1])["msg"] == f"nobody is at {gone[-1]}"
    assert gone == ["qemu:///system", "qemu+ssh://hv2/system"]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_an_option_turned_elsewhere_is_turned_there(path: str) -> None:
    file, _colons, test = ELSEWHERE[path].partition("::")
    source = (ROOT / file).read_text()
    found = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == test]
    assert found, f"{ELSEWHERE[path]} does not exist"
    words = {word.arg for word in ast.walk(found[0]) if isinstance(word, ast.keyword)}
    words |= {
        word.value for word in ast.walk(found[0]) if isinstance(word, ast.Constant) and isinstance(word.value, str)
    }
    assert path.rpartition(".")[2] in words, f"{ELSEWHERE[path]} does not turn {path}"


def test_the_hosts_of_a_case_are_alike() -> None:
    """Else each case would see a difference of its own making."""
    assert picture(House()) == picture(House())
    assert House().fake.file_at(f"{FAST}/scratch.raw") == House().fake.file_at(f"{FAST}/scratch.raw")
    assert House(memory_bytes=GIB).fake.host().memory_bytes == GIB
