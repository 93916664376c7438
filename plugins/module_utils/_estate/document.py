# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a document: from free YAML to the specs of all kinds, with all complaints at once, each with its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .._errors import SpecError, bounded
from .._guest.options import GUEST_OPTIONS, RUN_OPTIONS
from .._guest.spec import GuestSpec
from .._guest.spec import parse as parse_guest
from .._image.options import IMAGE_WORDS
from .._image.spec import ImageSpec, read_spec
from .._network.options import NETWORK_OPTIONS
from .._network.spec import check_name
from .._network.spec import parse as parse_network
from .._nwfilter.options import NWFILTER_OPTIONS
from .._nwfilter.spec import parse as parse_nwfilter
from .._secret.options import SECRET_OPTIONS
from .._secret.spec import parse as parse_secret
from .._storage.options import POOL_OPTIONS
from .._storage.spec import parse as parse_pool
from .._volume.options import VOLUME_OPTIONS
from .._volume.spec import VolumeSpec
from .._volume.spec import parse as parse_volume
from . import shape
from .complaints import has_path
from .merge import has_number, layered, numbered
from .spec import EstateSpec, Key, Overcommit

VERSION = 1
DEFAULT_NAME = "default"
_GUESTS_AT_MOST = 100_000

GUEST_WORDS: Mapping[str, Any] = {
    **GUEST_OPTIONS,
    "wait_for": {"type": "str", "choices": RUN_OPTIONS["wait_for"]["choices"]},
    "profiles": {"type": "list", "elements": "str"},
    "count": {"type": "int"},
}
_PARTIAL = {name: option for name, option in GUEST_WORDS.items() if name not in ("name", "profiles", "count", "uuid")}

DOCUMENT: Mapping[str, Any] = {
    "version": {"type": "int"},
    "name": {"type": "str"},
    "overcommit": {"type": "dict", "options": {"memory": {"type": "raw"}, "vcpus": {"type": "raw"}}},
    "guest_defaults": {"type": "dict", "options": _PARTIAL},
    "profiles": {"type": "dict", "values": _PARTIAL},
    "pools": {"type": "list", "elements": "dict", "options": POOL_OPTIONS},
    "networks": {"type": "list", "elements": "dict", "options": NETWORK_OPTIONS},
    "images": {"type": "list", "elements": "dict", "options": IMAGE_WORDS},
    "volumes": {"type": "list", "elements": "dict", "options": VOLUME_OPTIONS},
    "secrets": {"type": "list", "elements": "dict", "options": SECRET_OPTIONS},
    "nwfilters": {"type": "list", "elements": "dict", "options": NWFILTER_OPTIONS},
    "guests": {"type": "list", "elements": "dict", "options": GUEST_WORDS},
}


def parse_document(document: Any, consent: Sequence[str] = ()) -> EstateSpec:
    """Return what a document asks for; raise one SpecError with everything that can be seen to be wrong without a host.

    ``consent`` are the names whose data may be lost.
    """
    return _Reader(consent).read(document)


class _Reader:
    """Reads one document and keeps the complaints."""

    def __init__(self, consent: Sequence[str]) -> None:
        self.consent = tuple(consent)
        self.problems: list[str] = []
        self.places: dict[Key, str] = {}

    def complain(self, path: str, sentence: str) -> None:
        self.problems.append(f"{path}: {sentence}" if path else f"document: {sentence}")

    def read(self, document: Any) -> EstateSpec:
        if not isinstance(document, Mapping):
            shape.mapping({}, document, "", self.complain)
            raise SpecError(self.problems)
        for name in document:
            if name not in DOCUMENT:
                self.complain(str(name), f"no such section{shape.hint(str(name), DOCUMENT)}")
        self._version(document.get("version"))
        name = self._take("name", document.get("name", DEFAULT_NAME), check_name)
        pools = self._section(document, "pools", "pool", lambda given, path: self._take(path, given, parse_pool))
        first = next((pool.name for pool in pools if pool.state != "absent"), None)
        networks = self._section(document, "networks", "network", lambda given, path: self._take(path, given, parse_network))
        images = self._section(document, "images", "image", lambda given, path: self._image(given, path, first, name))
        volumes = self._section(document, "volumes", "volume", lambda given, path: self._volume(given, path, first))
        secrets = self._section(document, "secrets", "secret", lambda given, path: self._take(path, given, parse_secret))
        nwfilters = self._section(
            document, "nwfilters", "nwfilter", lambda given, path: self._take(path, given, parse_nwfilter)
        )
        guests, waits = self._guests(document, first)
        found = EstateSpec(
            name,
            tuple(replace(pool, estate=name) for pool in pools),
            tuple(replace(network, estate=name) for network in networks),
            tuple(images),
            tuple(volumes),
            tuple(replace(secret, estate=name) for secret in secrets),
            tuple(replace(nwfilter, estate=name) for nwfilter in nwfilters),
            tuple(replace(guest, estate=name) for guest in guests),
            self._overcommit(document.get("overcommit")),
            waits,
            self.places,
        )
        self._shared(found)
        if self.problems:
            raise SpecError(bounded(self.problems))
        return found

    def _version(self, given: Any) -> None:
        if given is None:
            self.complain("version", f"is missing; this is version {VERSION} of the document, write version: {VERSION}")
        elif str(given) != str(VERSION):
            self.complain("version", f"{given!r} is not known here; this collection reads version {VERSION}")

    def _take(self, path: str, value: Any, parse: Callable[[Any], Any]) -> Any:
        try:
            return parse(value)
        except SpecError as error:
            for problem in error.problems:
                # Complaints of an option begin with its name, those of a whole entry do not.
                self.problems.append(f"{path}: {problem}" if not has_path(problem) else shape.below(path, problem))
            return None

    def _list(self, document: Mapping[str, Any], section: str) -> Sequence[Any]:
        given = document.get(section)
        if given is None:
            return ()
        if not isinstance(given, (list, tuple)):
            self.complain(section, f"must be a list, and is {shape.kind_of(given)}")
            return ()
        return given

    def _section(
        self, document: Mapping[str, Any], section: str, kind: str, read: Callable[[dict[str, Any], str], Any]
    ) -> list[Any]:
        options = DOCUMENT[section]["options"]
        found = []
        for position, entry in enumerate(self._list(document, section)):
            path = f"{section}[{position}]"
            before = len(self.problems)
            given = shape.mapping(options, entry, path, self.complain)
            spec = read(given, path) if len(self.problems) == before else None
            if spec is not None and self._once(kind, spec.key if isinstance(spec, VolumeSpec) else spec.name, path):
                found.append(spec)
        return found

    def _once(self, kind: str, name: str, path: str) -> bool:
        known = self.places.get((kind, name))
        if known is not None:
            self.complain(f"{path}.name", f"{known} is called {name} too; a name stands for one {kind}")
            return False
        self.places[kind, name] = path
        return True

    def _volume(self, given: dict[str, Any], path: str, pool: str | None) -> VolumeSpec | None:
        if pool is not None:
            given.setdefault("pool", pool)
        found: VolumeSpec | None = self._take(path, given, parse_volume)
        return found

    def _image(self, given: dict[str, Any], path: str, pool: str | None, estate: str | None) -> ImageSpec | None:
        if pool is not None and "path" not in given:
            given.setdefault("pool", pool)
        found: ImageSpec | None = self._take(path, {**given, "confirm_data_loss": self.consent}, read_spec)
        return found and replace(found, estate=estate)

    # guests

    def _guests(self, document: Mapping[str, Any], pool: str | None) -> tuple[list[GuestSpec], dict[str, str]]:
        defaults = self._partial(document.get("guest_defaults"), "guest_defaults")
        if pool is not None:
            defaults = {"pool": pool, **defaults}
        profiles = self._profiles(document.get("profiles"))
        guests: list[GuestSpec] = []
        waits: dict[str, str] = {}
        for position, entry in enumerate(self._list(document, "guests")):
            path = f"guests[{position}]"
            before = len(self.problems)
            given = shape.mapping(GUEST_WORDS, entry, path, self.complain, partial=True)
            if not isinstance(entry, Mapping):
                continue
            whole = self._whole(given, defaults, profiles, path)
            if len(self.problems) > before:
                continue
            for one in self._counted(whole, path):
                wait = one.pop("wait_for", None)
                spec: GuestSpec | None = self._take(path, one, parse_guest)
                if spec is None:
                    # The next ones would be wrong in the same words.
                    break
                if not self._once("guest", spec.name, path):
                    continue
                guests.append(spec)
                if wait is not None:
                    waits[spec.name] = wait
        return guests, waits

    def _partial(self, given: Any, path: str) -> dict[str, Any]:
        return {} if given is None else shape.mapping(_PARTIAL, given, path, self.complain, partial=True)

    def _profiles(self, given: Any) -> dict[str, dict[str, Any]]:
        if given is None:
            return {}
        if not isinstance(given, Mapping):
            self.complain("profiles", f"must be a mapping of names to words of guests, and is {shape.kind_of(given)}")
            return {}
        return {str(name): self._partial(words, f"profiles.{name}") for name, words in given.items()}

    def _whole(
        self,
        given: dict[str, Any],
        defaults: Mapping[str, Any],
        profiles: Mapping[str, Mapping[str, Any]],
        path: str,
    ) -> dict[str, Any]:
        """Return a guest's own words over those of its profiles, over the defaults."""
        layers = []
        for position, name in enumerate(given.pop("profiles", None) or ()):
            if not isinstance(name, str):
                continue  # that was complained of when its shape was looked at
            if name not in profiles:
                self.complain(f"{path}.profiles[{position}]", f"there is no profile {name}{shape.hint(name, profiles)}")
            else:
                layers.append(profiles[name])
        if given.get("name") is None:
            self.complain(f"{path}.name", "is missing")
        return layered(defaults, layers, given)

    def _counted(self, whole: dict[str, Any], path: str) -> list[dict[str, Any]]:
        count = whole.pop("count", None)
        if count is None:
            return [whole]
        if not 0 <= count <= _GUESTS_AT_MOST:
            self.complain(f"{path}.count", f"{count} is not a number of guests")
            return []
        fixed = [option for option in ("uuid",) if option in whole and not has_number(whole[option])]
        fixed += [
            f"nics[{position}].mac"
            for position, nic in enumerate(whole.get("nics", ()))
            if "mac" in nic and not has_number(nic["mac"])
        ]
        if count > 1:
            for option in fixed:
                self.complain(f"{path}.{option}", f"{count} guests cannot have the same; leave it out, or write {{n}} in it")
        return [numbered(whole, number) for number in range(1, count + 1)] if not (fixed and count > 1) else []

    # what concerns several

    def _overcommit(self, given: Any) -> Overcommit:
        if given is None:
            return Overcommit()
        values = shape.mapping(DOCUMENT["overcommit"]["options"], given, "overcommit", self.complain)
        return Overcommit(**{name: self._ratio(f"overcommit.{name}", value) for name, value in values.items()})

    def _ratio(self, path: str, value: Any) -> float | None:
        try:
            ratio = float(value)
        except (TypeError, ValueError):
            ratio = 0
        if isinstance(value, bool) or not 0 < ratio < 10_000:
            self.complain(path, f"{value!r} is not a ratio such as 1.5")
            return None
        return ratio

    def _shared(self, estate: EstateSpec) -> None:
        """Complain of MACs and addresses that are given twice."""
        seen: dict[tuple[str, ...], str] = {}
        for guest in estate.guests:
            if guest.state == "absent":
                continue
            for position, nic in enumerate(guest.nics or ()):
                network = str((nic.get("source") or {}).get("network") or "")
                path = f"{estate.place('guest', guest.name)}.nics[{position}]"
                for option, key in (("mac", ("mac",)), ("address", ("address", network))):
                    value = nic.get(option)
                    if value is None:
                        continue
                    here = f"{path} ({guest.name})"
                    other = seen.setdefault((*key, value), here)
                    if other != here:
                        self.complain(f"{path}.{option}", f"{value} is {other}'s too, and here {guest.name}'s; give each its own")
