# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter document_yaml; its documentation is in document_yaml.yml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.virtfleet.core.plugins.plugin_utils._document_yaml import write
from ansible_collections.virtfleet.core.plugins.plugin_utils._untrusted import marked


def document_yaml(document: Any, variable: str | None = None) -> Any:
    """Return the document as YAML, as the value of ``variable`` if that is given."""
    if not isinstance(document, dict):
        raise AnsibleFilterError(f"document_yaml takes a mapping, such as the document of capture, not {document!r}")
    if variable is not None and not variable.isidentifier():
        raise AnsibleFilterError(f"document_yaml: {variable!r} cannot be the name of a variable")
    try:
        text = write(document if variable is None else {variable: document})
    except TypeError as error:
        raise AnsibleFilterError(f"document_yaml: {error}") from error
    return marked(text)


class FilterModule:
    """Name the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"document_yaml": document_yaml}
