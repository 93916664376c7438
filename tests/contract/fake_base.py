# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the parts of the fake hypervisor share: its records, how it counts and fails, how it reads and writes XML."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from random import Random
from typing import Any, TypeVar
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._facts import Lease
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt_errors import translate

from .fake_live import Numbers

Method = TypeVar("Method", bound=Callable[..., Any])

_PREFIX = re.compile(r"xmlns:([A-Za-z_][\w.-]*)=['\"]([^'\"]+)['\"]")
_registered: set[tuple[str, str]] = set()


class Definition:
    """An XML document that keeps its text until it changes."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._text = ""

    @property
    def text(self) -> str:
        if not self._text:
            self._text = ElementTree.tostring(self._root, encoding="unicode")
        return self._text

    def read(self) -> Element:
        """Return the tree, to be looked at only."""
        return self._root

    def change(self) -> Element:
        """Return the tree, to be changed."""
        self._text = ""
        return self._root


@dataclass
class Guest:
    """One guest of the fake. ``saved`` is the live definition in its managed save."""

    name: str
    uuid: str
    inactive: Definition | None = None
    live: Definition | None = None
    saved: Definition | None = None
    state: str = "stopped"
    autostart: bool = False
    snapshots: bool = False
    checkpoints: bool = False


@dataclass
class Network:
    name: str
    uuid: str
    inactive: Definition | None = None
    live: Definition | None = None
    autostart: bool = False


@dataclass
class File:
    """One image on the fake's disk. ``capacity`` is what a guest sees."""

    name: str
    format: str = "raw"
    capacity: int = 0
    allocation: int = 0
    backing: str | None = None
    backing_format: str | None = None
    data: bytes = b""
    encrypted: bool = False
    compat: str | None = None
    cluster_bytes: int | None = None
    lazy_refcounts: bool = False


@dataclass
class Pool:
    """One pool; ``known`` are the names that its last refresh saw."""

    name: str
    uuid: str
    path: str
    definition: Definition
    active: bool = False
    autostart: bool = False
    known: set[str] = field(default_factory=set)


@dataclass
class Nwfilter:
    name: str
    uuid: str
    definition: Definition


@dataclass
class Secret:
    """One secret; ``usage`` is ``none`` for one that is known by its UUID only."""

    uuid: str
    usage: str
    usage_id: str
    definition: Definition
    value: bytes | None = None


class FakeBase:
    """State, faults, and the translation of libvirt's sayings."""

    def __init__(self, guests_boot: bool = True, seed: int = 0) -> None:
        self.guests_boot = guests_boot
        self.rng = Random(seed)
        self.numbers = Numbers(self.rng)
        self.guest_records: dict[str, Guest] = {}
        self.network_records: dict[str, Network] = {}
        self.pool_records: dict[str, Pool] = {}
        self.nwfilter_records: dict[str, Nwfilter] = {}
        self.secret_records: dict[str, Secret] = {}
        # The host's disk: folders and the images in them. Whoever fakes Files may share it.
        self.folders: dict[str, dict[str, File]] = {}
        self.lease_records: list[Lease] = []
        # Guests that never power off or let go of a device, and guests whose agent does not answer.
        self.stubborn: set[str] = set()
        self.silent: set[str] = set()
        self.agent_addresses: dict[str, list[dict[str, Any]]] = {}
        # Definitions by the configurations of the hypervisor's own tool that they come from.
        self.native_configs: dict[str, str] = {}
        # Every change that was asked for, in order: the method's name and its arguments.
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._countdown = 0
        self._fails_done = False

    def fail_at(self, number: int, done: bool = False) -> None:
        """Let the ``number``-th change from now on (1 is the next) raise HostError, once.

        With ``done`` it fails after it took effect, as when a connection breaks before the answer.
        """
        self._countdown = number
        self._fails_done = done

    def put_file(self, path: str, format: str = "raw", capacity: int = 0, **more: Any) -> File:
        """Put an image on the disk, as another program would: a pool sees it after its next refresh."""
        where = PurePosixPath(path)
        image = File(where.name, format, capacity, **more)
        self.folders.setdefault(str(where.parent), {})[where.name] = image
        return image

    def file_at(self, path: str) -> File | None:
        where = PurePosixPath(path)
        return self.folders.get(str(where.parent), {}).get(where.name)

    def _before(self, call: str, arguments: tuple[Any, ...]) -> bool:
        """Count a change; raise when it is to fail now; say whether it is to fail afterwards."""
        # A value of a secret is in no memory of what was asked.
        self.calls.append((call, arguments[:1] if call == "set_secret_value" else arguments))
        if self._countdown == 0:
            return False
        self._countdown -= 1
        if self._countdown:
            return False
        if self._fails_done:
            return True
        raise self._injected(call)

    @staticmethod
    def _injected(call: str) -> VirtError:
        return HostError(f"could not {call.replace('_', ' ')}: this failure was asked for; ask for none")


def mutating(method: Method) -> Method:
    """Mark a method that changes the host: it is counted, and fails when it is its turn."""

    @functools.wraps(method)
    def wrapper(self: FakeBase, *args: Any, **kwargs: Any) -> Any:
        fails_done = self._before(method.__name__, (*args, *kwargs.values()))
        result = method(self, *args, **kwargs)
        if fails_done:
            raise self._injected(method.__name__)
        return result

    return wrapper  # type: ignore[return-value]


def parse(xml: str, doing: str, kind: str) -> Element:
    """Parse XML that is to be defined, and keep its prefixes for when it is written."""
    for prefix, uri in _PREFIX.findall(xml):
        if (prefix, uri) not in _registered and not re.match(r"ns\d+$", prefix):
            ElementTree.register_namespace(prefix, uri)
            _registered.add((prefix, uri))
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise translate(35, f"({kind}_definition): {error}", doing, kind, "?") from None
    for node in root.iter():
        if len(node) and node.text is not None and not node.text.strip():
            node.text = None
        node.tail = None
    return root


def refuser(doing: str, kind: str, name: str) -> Callable[[int, str], VirtError]:
    """Return a function that makes the error for libvirt's number and message."""
    return lambda code, message: translate(code, message, doing, kind, name)


def not_found(kind: str, name: str) -> VirtError:
    code, title = {
        "guest": (42, "Domain not found: no domain"),
        "network": (43, "Network not found: no network"),
        "pool": (49, "Storage pool not found: no storage pool"),
    }[kind]
    return translate(code, f"{title} with matching name '{name}'", "find", kind, name)
