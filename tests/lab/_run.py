# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Failures of the lab and the one way in which it runs commands."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class LabError(Exception):
    """Something in the lab could not be done; the text says what, and what to do about it."""


Say = Callable[[str], None]


def quiet(_line: str) -> None:
    """Swallow progress lines; the default for callers that don't want them."""


def show(line: str) -> None:
    """Print one progress line at once."""
    print(line, flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    what: str,
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command and return its standard output.

    `what` finishes the sentence "could not ...". Raises LabError with the command's own last words when it fails,
    is missing, or takes longer than `timeout` seconds.
    """
    words = [str(word) for word in argv]
    merged = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=merged,
            cwd=cwd,
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        raise LabError(
            f"could not {what}: {error.filename or words[0]} is not installed; run `python3 -m tests.lab install`"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"could not {what}: `{shlex.join(words)}` gave no end within {timeout:.0f} s") from error
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:]) or "it said nothing"
        raise LabError(f"could not {what}: `{shlex.join(words)}` ended with {done.returncode}: {said}")
    return done.stdout


def tool(*names: str) -> str | None:
    """Find the first of these programs, looking in sbin too, which a plain user's PATH may lack."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    return None


def need(*names: str) -> str:
    """Like tool(), but raises LabError when none is there."""
    found = tool(*names)
    if found is None:
        raise LabError(f"{' or '.join(names)} is not installed; run `python3 -m tests.lab install` as root")
    return found
