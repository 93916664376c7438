# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host in memory that guests are converged on, through the same gather, plan and apply as on a real one."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply, unfinished
from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.root import wanted_packages
from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.sources import source_lines
from ansible_collections.virtfleet.core.plugins.module_utils._change import Outcome, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import NotFound
from ansible_collections.virtfleet.core.plugins.module_utils._facts import (
    Accelerator,
    DownloadFacts,
    ImageFacts,
    PathFacts,
    SystemFacts,
)
from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS, RUN_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._guest_module import TABLES, guest_subject
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import Bootstrap
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap_files import (
    early_entries,
    first_steps,
    late_entries,
)
from ansible_collections.virtfleet.core.plugins.module_utils._image.layout import lay_out
from ansible_collections.virtfleet.core.plugins.module_utils._image.making import PLAIN, Making
from ansible_collections.virtfleet.core.plugins.module_utils._module import Subject
from ansible_collections.virtfleet.core.plugins.module_utils._osinfo import Database, look_up
from ansible_collections.virtfleet.core.plugins.module_utils._render import pending_rows, plan_rows
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.contract.fake import FakeHypervisor

GIB = 1 << 30
# A small database of operating systems.
SYSTEMS = Path(__file__).resolve().parents[2] / "osinfo"
WORKS = Accelerator("kvm", "hardware", "QEMU ran a test guest by KVM in 0.3 s.")
LIES = Accelerator("tcg", "emulation", "KVM is there, but guests do not run by it.", "Ask the provider.")
IMAGES, FAST = "/var/lib/virtfleet/images", "/data/fast"


class Files:
    """The files of the fake's disk, as far as guests need them; and whether KVM works, with the looks for it counted."""

    def __init__(self, fake: FakeHypervisor) -> None:
        self.fake = fake
        self.verdict = WORKS
        self.looks = 0
        self.kept = False
        self.records: dict[str, Mapping[str, str]] = {}
        # What xl has: configurations by path, with whether their guests start with the host, and its list.
        self.configs: dict[str, tuple[str, bool]] = {}
        self.listing = ""
        self.store = ""
        self.gives = False

    def accelerator(self, fresh: bool = False) -> Accelerator:
        if fresh or not self.kept:
            self.looks, self.kept = self.looks + 1, True
        return self.verdict

    def kept_accelerator(self) -> Accelerator | None:
        return self.verdict if self.kept else None

    def systems(self, words: Collection[str]) -> Mapping[str, SystemFacts | str]:
        return look_up(Database([SYSTEMS]), words)

    def all_systems(self) -> Sequence[SystemFacts]:
        return Database([SYSTEMS]).systems()

    def xl_configs(self, patterns: Collection[str]) -> Mapping[str, tuple[str, bool]]:
        return {path: found for path, found in self.configs.items() if any(fnmatchcase(path, p) for p in patterns)}

    def file_content(self, path: str) -> bytes | None:
        found = self.fake.file_at(path)
        return None if found is None else found.data

    def write_file(self, path: str, data: bytes) -> None:
        self.fake.put_file(path, "raw", len(data), data=data)

    def write_xl_config(self, path: str, text: str) -> None:
        self.configs[path] = (text, self.configs.get(path, ("", False))[1])

    def remove_xl_config(self, path: str) -> None:
        self.configs.pop(path, None)

    def set_xl_autostart(self, path: str, autostart: bool) -> None:
        if path in self.configs:
            self.configs[path] = (self.configs[path][0], autostart)

    def dom0_gives(self) -> bool:
        return self.gives

    def xl_running(self) -> str:
        return self.listing

    def xenstore(self) -> str:
        return self.store

    def path_facts(self, path: str, user: str | None = None) -> PathFacts:
        if path in self.fake.folders:
            return PathFacts(path, True, "dir")
        found = self.fake.file_at(path)
        size = len(found.data) if found is not None else 0
        return PathFacts(path, found is not None, "block" if path.startswith("/dev/") else "file", size_bytes=size)

    def image_facts(self, path: str) -> ImageFacts | None:
        found = self.fake.file_at(path)
        if found is None:
            return None
        record = self.image_record(path)
        others = (found.backing,) if found.backing else ()
        return ImageFacts(
            path, found.format, found.capacity, 0, found.backing, record=record, others=others, encrypted=found.encrypted
        )

    def chains(self, candidates: Collection[str]) -> Mapping[str, tuple[str, ...]]:
        paths = set(candidates)
        for folder in candidates:
            paths |= {f"{folder}/{name}" for name in self.fake.folders.get(folder, ())}
        return {path: self._chain(path) for path in paths if self.fake.file_at(path) is not None}

    def _chain(self, path: str) -> tuple[str, ...]:
        found = self.fake.file_at(path)
        below = found.backing if found is not None else None
        return (path, *(self._chain(below) if below else ()))

    def downloads(self) -> Sequence[DownloadFacts]:
        return [DownloadFacts("/var/cache/virtfleet/downloads/x", "https://images.example/x", 4096, 0.0)]

    def image_record(self, path: str) -> Mapping[str, str]:
        return self.records.get(path, {})

    def file_checksum(self, path: str, algorithm: str) -> str:
        return f"{algorithm}:{hashlib.new(algorithm, path.encode()).hexdigest()}"

    def bootstrap_image(
        self,
        path: str,
        bootstrap: Bootstrap,
        format: str,
        size_bytes: int,
        record: Mapping[str, str],
        replace: bool = False,
        making: Making = PLAIN,
    ) -> None:
        """Put an image there that holds in words what a real one is made of."""
        layout = lay_out(bootstrap, size_bytes, "")
        parts = (
            source_lines(bootstrap, Path("/nowhere")),
            wanted_packages(bootstrap),
            bootstrap.architecture,
            bootstrap.documentation,
            bootstrap.filesystem,
            layout,
            early_entries(bootstrap),
            late_entries(bootstrap, layout),
            first_steps(bootstrap),
            bootstrap.root_password_hash,
            bootstrap.files,
            bootstrap.commands,
        )
        self.fake.put_file(path, format, size_bytes, data=repr(parts).encode())
        self.records[path] = record

    def resolve_checksum(
        self, checksum: str, source: str, signature: str | None = None, keys: str | None = None
    ) -> str:
        return checksum

    def import_image(
        self,
        path: str,
        source: str,
        format: str,
        checksum: str | None,
        size_bytes: int | None,
        record: Mapping[str, str],
        replace: bool = False,
        making: Making = PLAIN,
    ) -> None:
        """Copy an image of the fake's disk."""
        found = self.fake.file_at(source)
        if found is None:
            raise NotFound(f"could not import {path}: there is no {source}")
        sealed = making.passphrase is not None
        self.fake.put_file(path, format, size_bytes or found.capacity, data=found.data, encrypted=sealed)
        self.records[path] = {"source": source, **record}

    def remove_image(self, path: str) -> None:
        folder, _slash, name = path.rpartition("/")
        self.fake.folders.get(folder, {}).pop(name, None)
        self.records.pop(path, None)

    def build_seed(self, files: Mapping[str, bytes]) -> bytes:
        return b"".join(name.encode() + b"\0" + data for name, data in sorted(files.items()))


def parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as Ansible gives them to the module: each one there, left out ones None or their default."""
    return {name: option.get("default") for name, option in {**GUEST_OPTIONS, **RUN_OPTIONS}.items()} | {
        "name": "web1",
        **_filled(options),
    }


def _filled(options: Mapping[str, Any]) -> dict[str, Any]:
    """Ansible fills in the suboptions that were left out."""
    filled = copy.deepcopy(dict(options))
    for name, value in filled.items():
        known = (GUEST_OPTIONS.get(name) or {}).get("options")
        if known is None or value is None:
            continue
        empty = {inner: suboption.get("default") for inner, suboption in known.items()}
        filled[name] = [{**empty, **item} for item in value] if isinstance(value, list) else {**empty, **value}
    return filled


class House:
    """One host with two pools, two networks, two bases, two ISOs and some files."""

    def __init__(self, **how: Any) -> None:
        self.fake = FakeHypervisor(**how)
        fake = self.fake
        for name, path in (("default", IMAGES), ("fast", FAST)):
            fake.define_pool(f"<pool type='dir'><name>{name}</name><target><path>{path}</path></target></pool>")
            fake.build_pool(name)
        fake.put_file(f"{IMAGES}/debian-12.qcow2", "qcow2", 2 * GIB)
        fake.put_file(f"{IMAGES}/debian-13.qcow2", "qcow2", 3 * GIB)
        fake.put_file(f"{FAST}/scratch.raw", "raw", 5 * GIB)
        for path in ("/iso/netinst.iso", "/iso/other.iso", "/dev/vg/lv", "/boot/vmlinuz", "/boot/initrd"):
            fake.put_file(path, "raw", 1 << 20)
        fake.put_file("/data/old.qcow2", "qcow2", 7 * GIB)
        for number, name in ((20, "lab"), (30, "dmz")):
            fake.define_network(
                f"<network><name>{name}</name><bridge name='vf{name}'/>"
                f"<ip address='10.{number}.0.1' netmask='255.255.255.0'>"
                f"<dhcp><range start='10.{number}.0.100' end='10.{number}.0.199'/></dhcp></ip></network>"
            )
            fake.start_network(name)
        for name in ("default", "fast"):
            fake.start_pool(name)
        fake.calls.clear()
        self.files = Files(fake)
        self.ports = Ports(fake, self.files)  # type: ignore[arg-type]

    def subject(self, options: Mapping[str, Any]) -> Subject:
        return guest_subject(parameters(options))

    def plan(self, **options: Any) -> Plan:
        """Return what would be done: check mode."""
        subject = self.subject(options)
        return subject.plan(subject.gather(self.ports))

    def run(self, **options: Any) -> tuple[Plan, list[Outcome]]:
        """Converge, and hold that what was written reads back."""
        subject = self.subject(options)
        plan = subject.plan(subject.gather(self.ports))
        outcomes = apply(plan, self.ports)
        if all(outcome.outcome in ("done", "pending") for outcome in outcomes):
            left = unfinished(subject.plan(subject.gather(self.ports)))
            assert left == [], left
        subject.after(self.ports)
        return plan, outcomes

    def definition(self, name: str = "web1") -> Element:
        return _xml.parse(self.fake.guests([name])[name].xml)

    def live(self, name: str = "web1") -> Element:
        text = self.fake.guests([name])[name].live_xml
        assert text is not None
        return _xml.parse(text)

    def picture(self) -> Any:
        """Return all there is on the host, to be compared."""
        fake = self.fake
        files = {
            f"{folder}/{name}": (item.format, item.capacity, item.backing, item.data)
            for folder, items in fake.folders.items()
            for name, item in items.items()
        }
        return fake.guests(), fake.networks(), fake.pools(), files


def rows(plan: Plan) -> list[dict[str, Any]]:
    """Return a plan as the module shows it, without how it went."""
    return [{k: v for k, v in row.items() if k not in ("outcome", "error")} for row in plan_rows(TABLES, plan, None)]


def waiting(plan: Plan) -> list[dict[str, Any]]:
    return pending_rows(TABLES, plan)
