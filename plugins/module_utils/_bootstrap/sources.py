# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which apt sources an image is made from: those given, else the host's own of that suite, else the public mirror."""
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from .._errors import HostError
from .._image.bootstrap import Bootstrap
from .._image.suites import Suite, public_sources, source_line

APT = Path("/etc/apt")
# Where the distributions' installers put their own sources. Other files hold those of third parties, which may well
# call their suite by the same name.
_OWN_FILES = ("sources.list", "sources.list.d/debian.sources", "sources.list.d/ubuntu.sources")
_POCKETS = ("", "-updates", "-security")


def source_lines(bootstrap: Bootstrap, apt: Path = APT) -> tuple[str, ...]:
    """Return the source lines, each with its keyring where that is known; raise HostError where a keyring is missing."""
    suite = bootstrap.release
    components = bootstrap.components or suite.distribution.components
    keyring = suite.distribution.keyring
    if bootstrap.mirror:
        lines = tuple(
            item if item.startswith("deb ") else source_line(item, suite.name, components, keyring)
            for item in bootstrap.mirror
        )
    else:
        lines = _own(suite, bootstrap.components, apt) or public_sources(suite, bootstrap.architecture or "", components)
    for line in lines:
        _check_keyring(line, suite)
    return lines


def _check_keyring(line: str, suite: Suite) -> None:
    match = re.search(r"signed-by=([^\s\]]+)", line)
    for path in match.group(1).split(",") if match else ():
        if path.startswith("/") and not Path(path).is_file():
            distribution = suite.distribution
            advice = "check the source line"
            if path == distribution.keyring:
                advice = (
                    f"install the package {distribution.keyring_package}, or where this system has none, copy the file "
                    f"from a machine with {distribution.title}"
                )
            raise HostError(f"the keyring {path}, by which the packages of {suite.name} are verified, is missing; {advice}")


def _own(suite: Suite, components: Sequence[str], apt: Path) -> tuple[str, ...]:
    """Return the host's own sources of a suite as source lines; none where it has none."""
    distribution = suite.distribution
    wanted = {f"{suite.name}{pocket}" for pocket in _POCKETS}
    found = []
    for name in _OWN_FILES:
        try:
            text = (apt / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for url, source_suite, own_components, keyring in _entries(name, text):
            if source_suite not in wanted or keyring not in (None, distribution.keyring):
                continue
            if url.startswith(("http://", "https://")) and set(own_components) & set(distribution.components):
                found.append(
                    source_line(url, source_suite, tuple(components or own_components), distribution.keyring)
                )
    # Updates alone are no suite.
    whole = any(f" {suite.name} " in line for line in found)
    return tuple(dict.fromkeys(found)) if whole else ()


_Entry = tuple[str, str, "tuple[str, ...]", "str | None"]


def _entries(name: str, text: str) -> Iterator[_Entry]:
    if name.endswith(".sources"):
        yield from _stanzas(text)
        return
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if match:
            options = dict(word.partition("=")[::2] for word in (match.group(1) or "").split())
            yield match.group(2).rstrip("/"), match.group(3), tuple(match.group(4).split()), options.get("signed-by")


def _stanzas(text: str) -> Iterator[_Entry]:
    """Read the deb822 form (sources.list(5)): fields with values that go on in indented lines; # begins a comment."""
    for stanza in re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        fields: dict[str, str] = {}
        last = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields[last] = f"{fields.get(last, '')} {line.strip()}"
            elif ":" in line:
                last, _colon, value = line.partition(":")
                last = last.strip().lower()
                fields[last] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        for url in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield url.rstrip("/"), suite, components, fields.get("signed-by")
