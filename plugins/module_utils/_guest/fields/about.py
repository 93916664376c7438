# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people say about a guest: title, description, tags. None of it ever needs a restart."""

from __future__ import annotations

from ..._change import Change, Step
from ..._table import LIVE, Context, Field
from ..._types import LINE, TEXT, texts
from ..._xml import NAMESPACES, Element


def _set_title(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    return Step("set_title", {"name": context.name, "title": change.after}, "set the title of the running guest", True)


def _set_description(context: Context, change: Change, live: Element | None, new: Element | None) -> Step:
    arguments = {"name": context.name, "description": change.after}
    return Step("set_description", arguments, "set the description of the running guest", True)


ROWS = (
    Field("title", ("title",), LINE, LIVE, op=_set_title, absent=""),
    Field("description", ("description",), TEXT, LIVE, op=_set_description, absent=""),
    # The live half of the tags goes with the rest of the metadata, in one call.
    Field(
        "tags",
        ("metadata/virtfleet:guest/virtfleet:tags",),
        texts(f"{{{NAMESPACES['virtfleet']}}}tag"),
        LIVE,
        absent=(),
    ),
)
