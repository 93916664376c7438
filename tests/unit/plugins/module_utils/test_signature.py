# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signed checksum files: real keys of gpg in a home of their own, checked by the real gpgv."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, NotFound, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._image.gather import resolve
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import read_spec
from tests.unit.plugins.module_utils.image_tools import WebServer, run_command, web_server, written

GOOD, OTHER = 64 * "a", 64 * "b"
SUMS = f"{GOOD}  disk.raw\n{OTHER}  other.raw\n".encode()


@dataclass(frozen=True)
class Signer:
    """gpg with the keys of ``ours``, who is trusted, and ``theirs``, who is not."""

    home: Path

    def gpg(self, *argv: str, input: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--pinentry-mode", "loopback", *argv]
        return subprocess.run(command, input=input, check=True, capture_output=True).stdout

    def detached(self, text: bytes, *options: str, who: tuple[str, ...] = ("ours",)) -> bytes:
        users = [word for name in who for word in ("--local-user", name)]
        return self.gpg(*users, *options, "--detach-sign", input=text)

    def key(self, who: str, *options: str) -> bytes:
        return self.gpg(*options, "--export", who)


@pytest.fixture(scope="module")
def signer() -> Iterator[Signer]:
    # Short: gpg's agent has its socket there.
    with tempfile.TemporaryDirectory(prefix="vfgpg") as folder:
        made = Signer(Path(folder))
        for who in ("ours", "theirs"):
            made.gpg("--passphrase", "", "--quick-gen-key", who, "ed25519", "sign", "never")
        # Signed in 2020 by a key that lived for a day.
        made.gpg("--passphrase", "", "--faked-system-time", "20200101T000000!", "--quick-gen-key", "late", "ed25519", "sign", "1d")
        yield made
        subprocess.run(["gpgconf", "--homedir", folder, "--kill", "all"], check=True, capture_output=True)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


def resolved(checksum: str, **options: Any) -> str | None:
    """Return the checksum that the module would hold against disk.raw."""
    spec = read_spec({"name": "x", "source": "https://host.invalid/disk.raw", "checksum": checksum, **options})
    return resolve(LocalFiles(run_command), spec, "x86_64").checksum


@pytest.mark.parametrize("armored", [False, True])
def test_a_good_signature(signer: Signer, web: WebServer, tmp_path: Path, armored: bool) -> None:
    """Of checksum_keys at a path or as text; checksum_signature beside the file, or none for a file that holds it."""
    armor = ("--armor",) if armored else ()
    sums = web.serve("/SUMS", SUMS)
    signature = web.serve("/SUMS.sign", signer.detached(SUMS, *armor))
    inside = web.serve("/CHECKSUM", signer.gpg("--local-user", "ours", "--clear-sign", input=SUMS))
    keyring = written(tmp_path / "keys", (0, signer.key("theirs", *armor) + signer.key("ours", *armor)))
    for keys in (str(keyring), *([keyring.read_text()] if armored else [])):
        found = resolved(f"sha256:{sums}", checksum_signature=signature, checksum_keys=keys)
        assert found == f"sha256:{GOOD}"
        assert resolved(f"sha256:{inside}", checksum_keys=keys) == f"sha256:{GOOD}"


def test_only_what_is_inside_of_the_signature_counts(signer: Signer, tmp_path: Path) -> None:
    signed = signer.gpg("--local-user", "ours", "--clear-sign", input=f"{OTHER}  other.raw\n".encode())
    place = written(tmp_path / "CHECKSUM", (0, f"{GOOD}  disk.raw\n".encode() + signed + f"{GOOD}  disk.raw\n".encode()))
    with pytest.raises(VirtError) as error:
        resolved(f"sha256:{place}", checksum_keys=signer.key("ours", "--armor").decode())
    assert GOOD not in str(error.value)


def test_one_known_signature_of_several_is_enough(signer: Signer, tmp_path: Path) -> None:
    sums = written(tmp_path / "SUMS", (0, SUMS))
    both = written(tmp_path / "SUMS.sign", (0, signer.detached(SUMS, who=("theirs", "ours"))))
    keys = signer.key("ours", "--armor").decode()
    assert resolved(f"sha256:{sums}", checksum_signature=str(both), checksum_keys=keys) == f"sha256:{GOOD}"


def test_what_is_refused(signer: Signer, tmp_path: Path) -> None:
    sums = written(tmp_path / "SUMS", (0, SUMS))
    changed = written(tmp_path / "changed", (0, SUMS.replace(b"a", b"c")))
    keys = signer.key("ours", "--armor").decode()
    late = signer.detached(SUMS, "--faked-system-time", "20200101T010000!", who=("late",))
    clear = signer.gpg("--local-user", "ours", "--clear-sign", input=SUMS).replace(b"aaaa", b"cccc", 1)
    cases: list[tuple[str, Path, bytes | None, str]] = [
        ("changed after key", changed, signer.detached(SUMS), keys),
        ("which is not among checksum_keys", sums, signer.detached(SUMS, who=("theirs",)), keys),
        ("has expired", sums, late, signer.key("late", "--armor").decode()),
        ("changed after key", written(tmp_path / "clear", (0, clear)), None, keys),
        ("it holds none; give the place", sums, None, keys),
        ("given as its signature is none", sums, b"<html>", keys),
        ("could not check the signature", sums, signer.detached(SUMS), str(written(tmp_path / "none", (0, b"junk")))),
    ]
    for said, place, signature, known in cases:
        beside = {} if signature is None else {"checksum_signature": str(written(tmp_path / "sign", (0, signature)))}
        with pytest.raises(HostError, match=said):
            resolved(f"sha256:{place}", checksum_keys=known, **beside)
        (tmp_path / "sign").unlink(missing_ok=True)
    with pytest.raises(NotFound, match="there is no such file on this host"):
        resolved(f"sha256:{sums}", checksum_keys=f"{tmp_path}/nothing")
    damaged = keys.replace("\n\n", "\n\n!!!!", 1)
    with pytest.raises(SpecError, match="a block of a public key is damaged"):
        resolved(f"sha256:{sums}", checksum_keys=damaged, checksum_signature=str(sums))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"checksum_signature": "/s"}, "it says nothing without checksum_keys"),
        ({"checksum_keys": "/k"}, "checksum names none"),
        ({"checksum_keys": "k", "checksum": "sha256:/SUMS"}, "neither the absolute path"),
        ({"checksum_keys": "/k", "checksum": "sha256:/S", "checksum_signature": "x"}, "checksum_signature: 'x' is no absolute"),
    ],
)
def test_what_makes_no_sense(options: dict[str, str], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_spec({"name": "x", "source": "/disk", "checksum": "sha256:" + GOOD, **options})
