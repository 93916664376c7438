# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets, without what they hold, and network filters in the words of the document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .._change import Plan
from .._errors import VirtError
from .._facts import NwfilterFacts, SecretFacts, Snapshot
from .._nwfilter.options import NWFILTER_OPTIONS
from .._nwfilter.options import shown as shown_nwfilter
from .._nwfilter.plan import plan as plan_nwfilter
from .._nwfilter.spec import parse as parse_nwfilter
from .._secret.options import SECRET_OPTIONS
from .._secret.options import shown as shown_secret
from .._secret.plan import plan as plan_secret
from .._secret.spec import DEFAULT_USAGE
from .._secret.spec import parse as parse_secret
from .words import Left, Said, ordered, sentence, unsettled

# What libvirt ships (src/nwfilter/xml of its source): every host has them, with UUIDs of its own.
_SHIPPED = ("allow-", "clean-traffic", "no-", "qemu-announce-self")


def say_secret(facts: SecretFacts, snap: Snapshot) -> Said:
    """Return a secret in words; its value is for whoever keeps the document to add, from a vault."""
    words = {**shown_secret(facts), "name": facts.usage_id}
    for option, default in (("usage", DEFAULT_USAGE), ("usage_id", facts.usage_id), ("state", "present"), ("uuid", facts.uuid)):
        if words.get(option) == default:
            del words[option]
    words = {option: value for option, value in words.items() if value not in (None, False, "")}
    return _said("secret", facts.usage_id, facts.xml, words, SECRET_OPTIONS, lambda: plan_secret(parse_secret(words), snap))


def is_shipped(name: str) -> bool:
    """Tell whether a network filter is one of libvirt's own."""
    return name.startswith(_SHIPPED)


def say_nwfilter(facts: NwfilterFacts, snap: Snapshot) -> Said:
    """Return a network filter in words."""
    words = {
        option: value
        for option, value in shown_nwfilter(facts).items()
        if option not in ("uuid", "state") and value not in (None, [], ())
    }
    if words.get("chain") == "root":
        del words["chain"]
    return _said("nwfilter", facts.name, facts.xml, words, NWFILTER_OPTIONS, lambda: plan_nwfilter(parse_nwfilter(words), snap))


def _said(
    kind: str, name: str, xml: str, words: Mapping[str, Any], options: Mapping[str, Any], make: Callable[[], Plan]
) -> Said:
    try:
        why = unsettled(make())
    except VirtError as error:
        why = sentence(error, kind, name)
    if why is not None:
        return Said(None, (Left(kind, name, "", xml, why),))
    return Said(ordered(words, [*options]))
