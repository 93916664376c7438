# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for one secret. Pure; check mode and real mode both read this plan.

No value is in a change: it says only that there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .. import _xml
from .._change import HIDDEN, Action, Change, Effect, Plan, Step, worst
from .._errors import Conflict
from .._facts import GuestFacts, PoolFacts, SecretFacts, Snapshot
from .._network.expand import uuid_for
from .._table import Context, Spec, compare, observe, patch
from .._xml import Element, SubElement
from .spec import Hidden, SecretSpec
from .table import SECRET, USAGES

KIND = "secret"


def plan(spec: SecretSpec, snap: Snapshot, written: bool = False) -> Plan:
    """Return what makes the secret true.

    ``snap`` has all secrets, the value of this one where ``reads_value`` says so, and all guests and pools where it is to
    go. ``written``: the value was just set, so that one that cannot be read back is not asked for again.

    Raises Conflict where a private secret shall be readable again, where the name stands for another use already, or
    where a guest or a pool still uses the one that is to go.
    """
    facts = snap.secrets.get(spec.key)
    if spec.state == "absent":
        return Plan() if facts is None else _removal(spec, snap, facts)
    return _creation(spec, snap) if facts is None else _update(spec, facts, written)


def reads_value(spec: SecretSpec, facts: SecretFacts | None) -> bool:
    """Tell whether the plan compares what the secret holds: a private one does not say."""
    return spec.state == "present" and spec.value is not None and facts is not None and not _private(facts)


def _private(facts: SecretFacts) -> bool:
    return bool(observe(SECRET, _xml.parse(facts.xml)).get("private"))


# creation


def _creation(spec: SecretSpec, snap: Snapshot) -> Plan:
    # An estate knows its own again by what it is for: no secret keeps the name.
    uuid = uuid_for(snap.host, KIND, spec.name if spec.estate is None else spec.key, spec.estate)
    other = next((facts for facts in snap.secrets.values() if facts.uuid == uuid), None)
    if other is not None:
        raise Conflict(
            f"secret {spec.name}: it is for {other.usage} {other.usage_id} already, and what a secret is for cannot be "
            f"changed; remove that one first (state: absent, usage: {other.usage}, usage_id: {other.usage_id}), or take "
            "another name"
        )
    context = Context(snap.host.driver, spec.name)
    base = _skeleton(spec, uuid)
    found = compare(SECRET, spec.values, observe(SECRET, base), context)
    whole = patch(SECRET, base, found)
    changes = [Change(("usage",), None, spec.usage, Effect.LIVE), Change(("usage_id",), None, spec.usage_id, Effect.LIVE)]
    changes += [Change(change.path, None, change.after, Effect.LIVE) for change in found]
    if spec.value is None:
        steps = [_define(spec, whole)]
    else:
        # Private only once it holds something: whether a private one does, nobody could tell after an interruption.
        open_one = patch(SECRET, base, [change for change in found if change.path != ("private",)])
        steps = [_define(spec, open_one), _fill(spec, uuid, spec.value)]
        if spec.values.get("private"):
            steps.append(_define(spec, whole))
        changes.append(Change(("value",), None, HIDDEN, Effect.LIVE, secret=True))
    changes.append(Change(("state",), "absent", "present", Effect.LIVE))
    return _plan(spec, "create", changes, steps)


def _skeleton(spec: SecretSpec, uuid: str) -> Element:
    root = Element("secret", {"ephemeral": "no", "private": "no"})
    SubElement(root, "uuid").text = uuid
    _xml.write(root, f"usage[@type='{spec.usage}']/{USAGES[spec.usage]}", spec.usage_id)
    return root


# what stands there already


def _update(spec: SecretSpec, facts: SecretFacts, written: bool) -> Plan:
    base = _xml.parse(facts.xml)
    have = observe(SECRET, base)
    if have.get("private") and spec.values.get("private") is False:
        raise Conflict(
            f"secret {spec.name}: private: libvirt never makes a private secret readable again; remove it (state: absent) "
            "and make it anew with its value"
        )
    changes = compare(SECRET, spec.values, have, Context(name=spec.name))
    steps = [_define(spec, patch(SECRET, base, changes))] if changes else []
    change = _value_change(spec, facts, have, written)
    if change is not None and spec.value is not None:
        changes.append(change)
        # Before it becomes private, as in a creation.
        steps.insert(0, _fill(spec, facts.uuid, spec.value))
    return _plan(spec, "update", changes, steps) if changes else Plan()


def _value_change(spec: SecretSpec, facts: SecretFacts, have: Spec, written: bool) -> Change | None:
    if spec.value is None:
        return None
    if have.get("private"):
        if spec.value_policy != "always" or written:
            return None
        why = "a private value cannot be compared, and value_policy says always"
        return Change(("value",), HIDDEN, HIDDEN, Effect.LIVE, why, secret=True)
    if facts.value == spec.value or (spec.value_policy == "on_create" and facts.value is not None):
        return None
    return Change(("value",), None if facts.value is None else HIDDEN, HIDDEN, Effect.LIVE, secret=True)


# removal


def _removal(spec: SecretSpec, snap: Snapshot, facts: SecretFacts) -> Plan:
    guests, pools = guests_with(facts, snap.guests), pools_with(facts, snap.pools)
    users = [f"{kind} {', '.join(names)}" for kind, names in (("guest", guests), ("pool", pools)) if names]
    if users:
        raise Conflict(
            f"could not remove secret {spec.name}: {' and '.join(users)} could not start without it; take it out of these "
            "first"
        )
    change = Change(("state",), "present", "absent", Effect.RECREATE)
    return _plan(spec, "delete", [change], [Step("undefine_secret", {"uuid": facts.uuid}, f"undefine secret {spec.name}")])


def guests_with(facts: SecretFacts, guests: Mapping[str, GuestFacts]) -> list[str]:
    """Return the names of the guests that name a secret, as they are defined or as they run."""
    return sorted(
        guest.name
        for guest in guests.values()
        if _named(facts, (text for text in (guest.xml, guest.live_xml) if text is not None))
    )


def pools_with(facts: SecretFacts, pools: Mapping[str, PoolFacts]) -> list[str]:
    """Return the names of the pools that name a secret."""
    return sorted(pool.name for pool in pools.values() if _named(facts, (pool.xml,)))


def _named(facts: SecretFacts, texts: Iterable[str]) -> bool:
    return any(_means(node, facts) for text in texts for node in _xml.parse(text).iter())


def _means(node: Element, facts: SecretFacts) -> bool:
    """Tell whether an element names the secret: ``<secret uuid= | usage=>``, and a TPM's ``<encryption secret=>``."""
    if node.tag == "secret":
        return node.get("uuid", "").lower() == facts.uuid or node.get("usage") == facts.usage_id
    return node.tag == "encryption" and node.get("secret", "").lower() == facts.uuid


# steps


def _plan(spec: SecretSpec, verb: str, changes: list[Change], steps: list[Step]) -> Plan:
    effect = worst(change.effect for change in changes)
    return Plan((Action(KIND, spec.name, verb, effect, tuple(changes), tuple(steps)),))


def _define(spec: SecretSpec, tree: Element) -> Step:
    return Step("define_secret", {"xml": _xml.to_text(tree)}, f"define secret {spec.name}")


def _fill(spec: SecretSpec, uuid: str, value: Hidden) -> Step:
    return Step("set_secret_value", {"uuid": uuid, "value": value}, f"set the value of secret {spec.name}")
