# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operating systems as osinfo-db describes them: the files of the package of that name, and what a host adds to them.

The format is that of libosinfo (osinfo.rng beside the files). A system has what those have that it derives from or is a
clone of, and takes away what it says is not supported.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from ._errors import Unsupported
from ._facts import Resources, SystemFacts
from ._words import system_key

# As libosinfo reads them: what is local stands before what came with the package.
PLACES = (Path("/etc/osinfo"), Path("/usr/share/osinfo"))
PACKAGE = "osinfo-db"
_INHERITED = ("derives-from", "clones")
_AMOUNTS = {"n-cpus": "cpus", "ram": "memory_bytes", "storage": "disk_bytes"}

Node = ElementTree.Element


class Database:
    """The systems below some folders; files are read when something in them is asked for."""

    def __init__(self, places: Collection[Path] = PLACES) -> None:
        self._places = tuple(places)
        self._read: dict[Path, list[Node]] = {}
        self._known: dict[str, Node] = {}
        self._whole = False
        self._files: dict[str, list[Path]] | None = None

    def find(self, word: str) -> SystemFacts | None:
        """Return the system that is called so: by its id, a short id, or the end of its id; None where there is none."""
        key = system_key(word)
        found = self._called(self._near(key), key)
        if found is None:
            found = self._called(self._every(), key)
        return None if found is None else self._facts(found)

    def systems(self) -> list[SystemFacts]:
        """Return all systems by their ids; raise Unsupported where there is no database."""
        self.check()
        nodes = {node.get("id", ""): node for node in self._every()}
        return [self._facts(nodes[each]) for each in sorted(nodes)]

    def close(self, word: str) -> list[str]:
        """Return the short ids nearest to an unknown word."""
        shorts = [name for node in self._every() for name in _texts(node, "short-id")]
        return difflib.get_close_matches(system_key(word), shorts, 3)

    def check(self) -> None:
        """Raise Unsupported where there is no database."""
        if not any((place / "os").is_dir() for place in self._places):
            raise Unsupported(
                f"there is no database of operating systems on this host ({self._places[-1]}); install the package {PACKAGE}"
            )

    def version(self) -> str:
        """Return the version of the package's database, its day; empty where it tells none."""
        try:
            return (self._places[-1] / "VERSION").read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    # files

    def _near(self, key: str) -> Iterator[Node]:
        """Yield the systems of the files that are named after the one that is looked for."""
        for path in self._paths().get(key, ()):
            yield from self._nodes(path)

    def _every(self) -> Iterator[Node]:
        for paths in self._paths().values():
            for path in paths:
                yield from self._nodes(path)

    def _paths(self) -> dict[str, list[Path]]:
        """Return the files by what they are named after; one that is local stands for the package's at the same place."""
        if self._files is None:
            found: dict[str, Path] = {}
            for place in self._places:
                for path in sorted((place / "os").glob("*/*.xml")):
                    found.setdefault(str(path.relative_to(place)), path)
            self._files = {}
            for path in found.values():
                self._files.setdefault(system_key(path.stem), []).append(path)
        return self._files

    def _nodes(self, path: Path) -> list[Node]:
        if path not in self._read:
            try:
                root = ElementTree.parse(path).getroot()
                self._read[path] = [node for node in root.iter("os") if node.get("id")]
            except (OSError, ElementTree.ParseError):
                # A file that somebody is just writing, or has spoiled, is one system less.
                self._read[path] = []
            for node in self._read[path]:
                self._known.setdefault(node.get("id", ""), node)
        return self._read[path]

    @staticmethod
    def _called(nodes: Iterator[Node], key: str) -> Node | None:
        for node in nodes:
            if key in {system_key(name) for name in (node.get("id", ""), *_texts(node, "short-id"))}:
                return node
        return None

    def _parents(self, node: Node) -> Iterator[Node]:
        for kind in _INHERITED:
            for link in node.findall(kind):
                name = link.get("id", "")
                if name not in self._known:
                    self._called(self._near(system_key(name)), system_key(name))
                if name not in self._known and not self._whole:
                    self._whole = bool(list(self._every()))
                if name in self._known:
                    yield self._known[name]

    # systems

    def _facts(self, node: Node) -> SystemFacts:
        return SystemFacts(
            id=node.get("id", ""),
            short_ids=tuple(_texts(node, "short-id")),
            name=_text(node, "name"),
            version=_text(node, "version"),
            vendor=_text(node, "vendor"),
            family=_text(node, "family"),
            distro=_text(node, "distro"),
            codename=_text(node, "codename"),
            status=_text(node, "release-status") or "released",
            released=_text(node, "release-date"),
            eol=_text(node, "eol-date"),
            architectures=tuple(sorted(_architectures(node))),
            minimum=self._resources(node, "minimum"),
            recommended=self._resources(node, "recommended"),
            devices=frozenset(self._devices(node, ())),
            firmware={arch: tuple(sorted(kinds)) for arch, kinds in self._firmware(node, ()).items()},
            unsupported={arch: tuple(sorted(kinds)) for arch, kinds in _refused(node).items()},
        )

    def _devices(self, node: Node, below: tuple[str, ...]) -> set[str]:
        found: set[str] = set()
        for parent in self._parents(node):
            if parent.get("id", "") not in below:
                found |= self._devices(parent, (*below, node.get("id", "")))
        for device in node.findall("devices/device"):
            name = device.get("id", "")
            if device.get("supported") == "false":
                found.discard(name)
            else:
                found.add(name)
        return found

    def _firmware(self, node: Node, below: tuple[str, ...]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for parent in self._parents(node):
            if parent.get("id", "") not in below:
                for arch, kinds in self._firmware(parent, (*below, node.get("id", ""))).items():
                    found.setdefault(arch, set()).update(kinds)
        for firmware in node.findall("firmware"):
            kinds = found.setdefault(firmware.get("arch", ""), set())
            kind = firmware.get("type", "")
            if firmware.get("supported") == "false":
                kinds.discard(kind)
            else:
                kinds.add(kind)
        return found

    def _resources(self, node: Node, kind: str, below: tuple[str, ...] = ()) -> dict[str, Resources]:
        """Return what a system needs by architecture, ``all`` among them; where it says nothing, what its parents need."""
        found = {}
        for resources in node.findall("resources"):
            amounts = resources.find(kind)
            if amounts is not None:
                read = {word: _number(amounts, tag) for tag, word in _AMOUNTS.items()}
                found[resources.get("arch", "all")] = Resources(**read)
        if found or node.find("resources") is not None:
            return found
        for parent in self._parents(node):
            if parent.get("id", "") not in below:
                found = self._resources(parent, kind, (*below, node.get("id", "")))
                if found:
                    return found
        return found


def look_up(database: Database, words: Collection[str]) -> dict[str, SystemFacts | str]:
    """Return the systems that words stand for, or for each that is not known a sentence why."""
    found: dict[str, SystemFacts | str] = {}
    for word in words:
        try:
            database.check()
            system = database.find(word)
        except Unsupported as error:
            found[word] = str(error)
            continue
        found[word] = system if system is not None else _unknown(database, word)
    return found


def _unknown(database: Database, word: str) -> str:
    near = " or ".join(database.close(word))
    meant = f"did you mean {near}?" if near else "virtfleet.core.os_info lists those that there are"
    version = database.version()
    return (
        f"{word!r} is no system that this host's osinfo-db{f' ({version})' if version else ''} knows; {meant} A newer "
        "system is known to a newer osinfo-db, whose files osinfo-db-import puts into /etc/osinfo"
    )


def _text(node: Node, tag: str) -> str:
    """Return the first text of a tag, which is the untranslated one."""
    return (node.findtext(tag) or "").strip()


def _texts(node: Node, tag: str) -> list[str]:
    return [(each.text or "").strip() for each in node.findall(tag)]


def _number(node: Node, tag: str) -> int | None:
    text = _text(node, tag)
    return int(text) if text.isdigit() else None


def _architectures(node: Node) -> set[str]:
    """Return the architectures that a system has media, images, trees or needs for."""
    kinds = ("media", "image", "tree", "resources", "firmware")
    return {each.get("arch", "") for kind in kinds for each in node.findall(kind)} - {"", "all"}


def _refused(node: Node) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for firmware in node.findall("firmware"):
        if firmware.get("supported") == "false":
            found.setdefault(firmware.get("arch", ""), set()).add(firmware.get("type", ""))
    return found
