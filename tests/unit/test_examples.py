# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the guides and the modules show is what the reader of documents takes."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._estate.document import parse_document
from tests.unit import examples

EXAMPLES = examples.documents()
READ = [(place, document) for place, document in EXAMPLES if not examples.is_templated(document)]


@pytest.mark.parametrize("document", [document for _place, document in READ], ids=[place for place, _document in READ])
def test_an_example_is_read(document: dict[str, Any]) -> None:
    parse_document(with_numbers(document))


def with_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as the module hands it to its reader: with the host's numbers for the owners of pools."""
    numbers = {"owner": "1", "group": "1"}
    pools = [{name: numbers.get(name, value) for name, value in pool.items()} for pool in document.get("pools", ())]
    return {**document, "pools": pools} if pools else document


def test_examples_are_found_everywhere() -> None:
    folders = {place.partition("/")[0] for place, _document in EXAMPLES}
    assert {"docs", "plugins", "playbooks"} <= folders
    assert len(READ) > 60
