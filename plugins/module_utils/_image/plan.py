# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for one image. Pure; check mode and real mode both read this plan."""
from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from .. import _xml
from .._change import HIDDEN, UNKNOWN, Action, Change, Effect, Plan, Step, worst
from .._errors import Conflict, NotFound, SpecError, Unsupported
from .._facts import ImageFacts, Snapshot
from .._units import show_size
from .._words import close
from .bootstrap import Bootstrap, differing, form, form_key
from .making import PLAIN, Making, making_changes, making_record, making_rows
from .place import Place, find_place
from .spec import BOOTSTRAP_BYTES, DEFAULT_FORMAT, FORMATS, GROWING, ImageSpec, is_remote, show_source, split_checksum

KIND = "image"
LIVE = Effect.LIVE


@dataclass(frozen=True)
class _Case:
    """One image on its way through the plan."""

    spec: ImageSpec
    snapshot: Snapshot
    place: Place

    @property
    def facts(self) -> ImageFacts | None:
        return self.snapshot.images.get(self.place.path)


def plan(spec: ImageSpec, snapshot: Snapshot) -> Plan:
    """Return what makes the image true.

    ``spec.checksum`` names no checksum file any more (``gather.resolve``). Raises Conflict where the change
    needs a consent that was not given, or would pull an image from under a guest or an overlay.
    """
    if spec.state == "absent" and spec.path is None and spec.pool not in snapshot.pools:
        return Plan()
    case = _Case(spec, snapshot, find_place(spec, snapshot.pools))
    facts = case.facts
    if spec.state == "absent":
        return Plan() if facts is None else _removed(case, facts)
    if facts is None:
        return _made(case, "create", _creation(case), LIVE)
    changes = differences(spec, snapshot)
    if worst(change.effect for change in changes) is Effect.DATA_LOSS:
        return _replaced(case, facts, changes)
    warnings: tuple[str, ...] = ()
    if spec.making.sparsify and (holders := _holders(case, facts)):
        # Whoever asked that zeros take no room did not ask for an error whenever a guest has written.
        case = replace(case, spec=replace(spec, making=replace(spec.making, sparsify=None)))
        others = tuple(change for change in changes if change.path != ("sparsify",))
        if others != changes:
            warnings = (f"image {spec.name} is not sparsified while guest {holders[0]} runs or is saved; stop it first",)
        changes = others
    done = _changed(case, facts, changes) if changes else _listed(case)
    return replace(done, warnings=(*done.warnings, *warnings))


def differences(spec: ImageSpec, snapshot: Snapshot) -> tuple[Change, ...]:
    """Return in what an image that exists differs from what was said of it; nothing that was left out."""
    place = find_place(spec, snapshot.pools)
    facts = snapshot.images[place.path]
    changes = []
    if spec.format is not None and spec.format != facts.format:
        changes.append(_loss("format", facts.format, spec.format, "the image is made anew"))
    if place.backing is not None and place.backing != facts.backing:
        changes.append(_loss("backing", facts.backing, place.backing, "the overlay is made anew, empty"))
    if spec.source is not None:
        changes += _source_changes(spec, facts)
    if spec.bootstrap is not None:
        changes += _bootstrap_changes(spec.bootstrap, facts)
    changes += making_changes(spec.making, facts)
    if spec.size_bytes is not None and spec.size_bytes > facts.virtual_bytes:
        if facts.format in FORMATS and facts.format not in GROWING:
            why = f"an image of format {facts.format} cannot be grown; it is made anew"
            changes.append(_loss("size", facts.virtual_bytes, spec.size_bytes, why))
        else:
            changes.append(Change(("size",), facts.virtual_bytes, spec.size_bytes, LIVE))
    elif spec.size_bytes is not None and spec.size_bytes < facts.virtual_bytes:
        why = "an image cannot be shrunk; it is made anew"
        changes.append(_loss("size", facts.virtual_bytes, spec.size_bytes, why))
    return tuple(changes)


def _source_changes(spec: ImageSpec, facts: ImageFacts) -> list[Change]:
    shown = show_source(spec.source or "")
    if spec.checksum is not None:
        algorithm, wanted, _place = split_checksum(spec.checksum)
        known = facts.record.get(algorithm)
        if known == wanted:
            # The same content from wherever: another mirror is no change.
            return []
        before = f"{algorithm}:{known}" if known else None
        return [_loss("checksum", before, spec.checksum, "its content is replaced by the source's")]
    if not facts.record.get("source"):
        return [
            _loss("source", None, shown, "no record says what it was made from; give a checksum to have it compared")
        ]
    if facts.record["source"] != shown:
        return [_loss("source", facts.record["source"], shown, "its content is replaced by the source's")]
    return []


# What stands in a normal form as a checksum, since it may hold a secret.
_HIDDEN = ("root_password_hash", "files", "commands")


def _bootstrap_changes(bootstrap: Bootstrap, facts: ImageFacts) -> list[Change]:
    """Return in which suboptions the image differs, as far as its record tells."""
    wanted = form(bootstrap)
    if facts.record.get("bootstrap") == form_key(wanted):
        return []
    if not facts.record.get("bootstrap"):
        why = "no record says that it was made of packages"
        return [_loss("bootstrap", None, form_key(wanted), why)]
    try:
        known = json.loads(facts.record.get("bootstrap_form", ""))
    except ValueError:
        known = None
    rows = differing(known, wanted) if isinstance(known, dict) else []
    if not rows:
        return [_loss("bootstrap", facts.record["bootstrap"], form_key(wanted), "the image is made anew of its packages")]
    return [
        Change(
            ("bootstrap", name),
            before,
            after,
            Effect.DATA_LOSS,
            "the image is made anew of its packages",
            secret=name in _HIDDEN,
        )
        for name, before, after in rows
    ]


def _loss(option: str, before: Any, after: Any, why: str) -> Change:
    return Change((option,), before, after, Effect.DATA_LOSS, why)


def _creation(case: _Case) -> tuple[Change, ...]:
    spec = case.spec
    if spec.source is None and spec.backing is None and spec.bootstrap is None and spec.size_bytes is None:
        raise SpecError(
            f"image {spec.name}: {case.place.path} does not exist, and to make it a size, a source, a backing image or a "
            "bootstrap is needed"
        )
    size = spec.size_bytes
    if size is None and spec.bootstrap is not None:
        size = BOOTSTRAP_BYTES
    if size is None and case.place.backing is not None:
        size = _base(case).virtual_bytes
    changes = [
        Change(("path",), None, case.place.path, LIVE),
        Change(("format",), None, spec.made_format, LIVE),
        Change(("size",), None, UNKNOWN if size is None else size, LIVE),
    ]
    if spec.source is not None:
        changes.append(Change(("source",), None, show_source(spec.source), LIVE))
    if spec.checksum is not None:
        changes.append(Change(("checksum",), None, spec.checksum, LIVE))
    if case.place.backing is not None:
        changes.append(Change(("backing",), None, case.place.backing, LIVE))
    if spec.bootstrap is not None:
        changes += [
            Change(("bootstrap", name), None, value, LIVE, secret=name in _HIDDEN)
            for name, value in sorted(form(spec.bootstrap).items())
        ]
    changes += [
        Change((option,), None, value, LIVE, secret=option == "luks_passphrase")
        for option, value in making_rows(spec.making)
    ]
    return tuple(changes)


def _made(case: _Case, verb: str, changes: tuple[Change, ...], effect: Effect) -> Plan:
    """Return the plan that makes the image, in the place of the present one when the verb is ``replace``."""
    _need_secret(case)
    spec, path = case.spec, case.place.path
    format, size, over = spec.made_format, spec.size_bytes, verb == "replace"
    warnings: tuple[str, ...] = ()
    args: dict[str, Any]
    if spec.source is not None:
        args = {"source": spec.source, "format": format, "checksum": spec.checksum, "size_bytes": size, "record": _record(spec)}
        step = Step(
            "files.import_image",
            {"path": path, **args, "replace": over},
            f"import image {spec.name} from {show_source(spec.source)}",
        )
        if is_remote(spec.source) and spec.source.startswith("http:") and spec.checksum is None:
            risk = "without encryption and without a checksum: whoever stands between can change it"
            warnings = (f"image {spec.name} is downloaded {risk}; give a checksum",)
    elif spec.bootstrap is not None:
        args = {"bootstrap": spec.bootstrap, "format": format, "size_bytes": size or BOOTSTRAP_BYTES}
        step = Step(
            "files.bootstrap_image",
            {"path": path, **args, "record": {**bootstrap_record(spec.bootstrap), **_record(spec)}, "replace": over},
            f"make image {spec.name} of the packages of {spec.bootstrap.suite}",
        )
    elif case.place.backing is not None:
        base = _base(case)
        if size is not None and size < base.virtual_bytes:
            raise SpecError(
                f"size: image {spec.name} cannot be smaller ({show_size(size)}) than {base.path}, on which it stands "
                f"({show_size(base.virtual_bytes)})"
            )
        args = {"backing": base.path, "backing_format": base.format, "size_bytes": size}
        step = Step(
            "files.create_overlay",
            {"path": path, **args, "replace": over},
            f"create image {spec.name} on {base.path}",
        )
    else:
        args = {"format": format, "size_bytes": size, "replace": over}
        step = Step("files.create_image", {"path": path, **args}, f"create image {spec.name}")
    step = _so_made(step, spec.making)
    action = Action(KIND, spec.name, verb, effect, changes, (step, *_refresh(case)))
    return Plan((action,), warnings=warnings)


def _so_made(step: Step, making: Making) -> Step:
    """Return a step that makes or changes a file, with how the file is made where somebody said that."""
    if making == PLAIN:
        return step
    args = {**step.args, "making": making}
    if making.luks_secret is None:
        return replace(step, args=args)
    return replace(step, op="with_passphrase", args={"op": step.op.partition(".")[2], **args})


def _need_secret(case: _Case) -> None:
    """Raise NotFound or Conflict where what the image is encrypted by cannot be had."""
    usage = case.spec.making.luks_secret
    if usage is None:
        return
    facts = case.snapshot.secrets.get(f"volume/{usage}")
    if facts is None:
        known = [key.partition("/")[2] for key in case.snapshot.secrets if key.startswith("volume/")]
        raise NotFound(
            f"image {case.spec.name}: luks_secret: there is no secret {usage!r} of usage volume{close(usage, known)}; make it by "
            "virtfleet.core.secret first"
        )
    if _xml.parse(facts.xml).get("private") == "yes":
        raise Conflict(
            f"image {case.spec.name}: luks_secret: the secret {usage} is private, so that nobody can read it; give the same "
            "passphrase as luks_passphrase"
        )


def _record(spec: ImageSpec) -> dict[str, str]:
    """Return what the record says of how an image was made, and of the estate that it is made for."""
    owner = {} if spec.estate is None else {"estate": spec.estate, "name": spec.name}
    return {**making_record(spec.making), **owner}


# An extended attribute has to fit into one block of the file system; a longer form would go elsewhere.
_LONGEST_FORM = 3000


def bootstrap_record(bootstrap: Bootstrap) -> dict[str, str]:
    """Return the record of an image that is made of packages: its key, and its normal form where that is short enough."""
    made = form(bootstrap)
    text = json.dumps(made, sort_keys=True, separators=(",", ":"))
    record = {"bootstrap": form_key(made)}
    return {**record, "bootstrap_form": text} if len(text) <= _LONGEST_FORM else record


def _base(case: _Case) -> ImageFacts:
    path = case.place.backing or ""
    base = case.snapshot.images.get(path)
    if base is None:
        raise NotFound(f"image {case.spec.name}: its backing image {path} does not exist; make that one first")
    if base.encrypted:
        raise Unsupported(
            f"image {case.spec.name}: backing: {path} is encrypted, and no guest would be told how to open it below an overlay; "
            "let the overlay be the encrypted one, on an image that is not"
        )
    return base


def _replaced(case: _Case, facts: ImageFacts, changes: tuple[Change, ...]) -> Plan:
    _refuse_used(case, facts, "replaced")
    _need_key(case, facts, "made anew without being encrypted")
    spec = case.spec
    loss = "; ".join(
        f"{'.'.join(change.path)} {_words(change, change.before)} -> {_words(change, change.after)}: {change.why}"
        for change in changes
        if change.effect is Effect.DATA_LOSS
    )
    _need_consent(case, f"would be replaced and what is in it lost ({loss})")
    if spec.bootstrap is None and spec.source is None and case.place.backing is None and spec.size_bytes is None:
        # A blank image of another format keeps the size that it has.
        spec = replace(spec, size_bytes=facts.virtual_bytes)
    if spec.bootstrap is not None and spec.size_bytes is None:
        spec = replace(spec, size_bytes=max(facts.virtual_bytes, BOOTSTRAP_BYTES))
    if spec.format is None:
        keeps = facts.format in FORMATS and case.place.backing is None
        spec = replace(spec, format=facts.format if keeps else DEFAULT_FORMAT)
    return _made(replace(case, spec=spec), "replace", changes, Effect.DATA_LOSS)


def _changed(case: _Case, facts: ImageFacts, changes: tuple[Change, ...]) -> Plan:
    """Return the plan that changes an image where it is: it grows, or what its header says of it."""
    spec, options = case.spec, [change.path[0] for change in changes]
    if facts.encrypted and spec.making.sparsify:
        raise Unsupported(f"image {spec.name}: sparsify: it is encrypted, and of that nothing reads as zeros; leave the option out")
    _need_key(case, facts, "changed")
    _need_secret(case)
    if "size" in options:
        _refuse_growth(case, facts)
    elif _holders(case, facts):
        raise Conflict(
            f"image {spec.name}: {options[0]} cannot be changed while guest {_holders(case, facts)[0]} runs or is saved; stop "
            "it first"
        )
    steps = []
    for option in options:
        if option == "sparsify":
            continue
        if option == "size":
            args = {"path": case.place.path, "format": facts.format, "size_bytes": spec.size_bytes}
            steps.append(_so_made(Step("files.grow_image", args, f"grow image {spec.name}"), spec.making))
        else:
            amended = {"path": case.place.path, "making": spec.making}
            step = Step("files.amend_image", amended, f"change {option} of image {spec.name}")
            steps.append(_so_made(step, spec.making))
    if spec.making.sparsify:
        # At last, since the others write to the file.
        steps.append(Step("files.sparsify_image", {"path": case.place.path}, f"give back the zeros of image {spec.name}"))
    return Plan((Action(KIND, spec.name, "update", LIVE, changes, (*steps, *_refresh(case))),))


def _holders(case: _Case, facts: ImageFacts) -> list[str]:
    """Return the guests on an image that run, or go on from where they were saved."""
    guests = case.snapshot.guests
    return [name for name in facts.guests if name in guests and (guests[name].active or guests[name].state == "saved")]


def _refuse_growth(case: _Case, facts: ImageFacts) -> None:
    spec = case.spec
    if facts.overlays:
        raise Conflict(
            f"image {spec.name} cannot be grown to {show_size(spec.size_bytes or 0)}: {_many(facts.overlays)} on it, "
            "and would not see it; give the size to the disk or the image that stands on it"
        )
    holders = _holders(case, facts)
    if holders:
        raise Conflict(
            f"image {spec.name} cannot be grown to {show_size(spec.size_bytes or 0)} behind the back of guest "
            f"{holders[0]}, which is {case.snapshot.guests[holders[0]].state}: give the size to that guest's disk by "
            "virtfleet.core.guest, which grows it while the guest runs, or stop the guest"
        )


def _removed(case: _Case, facts: ImageFacts) -> Plan:
    _refuse_used(case, facts, "removed")
    _need_consent(case, "would be removed with all that is in it")
    change = Change(("path",), facts.path, None, Effect.DATA_LOSS)
    step = Step("files.remove_image", {"path": facts.path}, f"remove image {case.spec.name}")
    return Plan((Action(KIND, case.spec.name, "delete", Effect.DATA_LOSS, (change,), (step, *_refresh(case))),))


def _listed(case: _Case) -> Plan:
    """Return a refresh of the pool where libvirt does not list the image: a run was cut short after making it."""
    pool, path = case.place.pool, case.place.path
    if pool is None or not pool.active:
        return Plan()
    if any(volume.path == path and volume.pool == pool.name for volume in case.snapshot.volumes.values()):
        return Plan()
    change = Change(("pool",), None, pool.name, LIVE, "libvirt does not list it yet")
    return Plan((Action(KIND, case.spec.name, "update", LIVE, (change,), _refresh(case)),))


def _refresh(case: _Case) -> tuple[Step, ...]:
    pool = case.place.pool
    if pool is None or not pool.active:
        return ()
    return (Step("refresh_pool", {"name": pool.name}, f"have libvirt look at pool {pool.name}"),)


def _refuse_used(case: _Case, facts: ImageFacts, verb: str) -> None:
    if facts.overlays:
        guests = f" (used by guest {', '.join(facts.guests)})" if facts.guests else ""
        raise Conflict(
            f"image {case.spec.name} cannot be {verb}: {_many(facts.overlays)} on it{guests} and would be destroyed; "
            "remove what stands on it first, or give the new image another name"
        )
    if facts.guests:
        raise Conflict(
            f"image {case.spec.name} cannot be {verb}: it is a disk of guest {', '.join(facts.guests)}; take it out of "
            "that guest first"
        )


def _need_key(case: _Case, facts: ImageFacts, verb: str) -> None:
    if facts.encrypted and not case.spec.making.encrypted:
        raise Conflict(
            f"image {case.spec.name} is encrypted and cannot be {verb}; give luks_secret or luks_passphrase, by which it is"
        )


def _need_consent(case: _Case, what: str) -> None:
    if case.spec.name not in case.spec.consent:
        raise Conflict(
            f"image {case.spec.name} ({case.place.path}) {what}; if that is what you want, add "
            f"{case.spec.name!r} to confirm_data_loss"
        )


def _many(paths: tuple[str, ...]) -> str:
    shown = ", ".join(paths[:5])
    more = f" and {len(paths) - 5} more" if len(paths) > 5 else ""
    return f"{shown}{more} {'stands' if len(paths) == 1 else 'stand'}"


def _words(change: Change, value: Any) -> str:
    if change.secret:
        return HIDDEN
    if value is None:
        return "none" if change.path[0] == "bootstrap" and len(change.path) > 1 else "unknown"
    return show_size(value) if change.path[0] in ("size", "cluster_size") and isinstance(value, int) else str(value)
