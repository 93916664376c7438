# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check who signed a text, by gpgv: it knows nothing but the keys it is given, and never looks for others."""
from __future__ import annotations

import base64
import binascii
import re
import tempfile
from pathlib import Path

from ._errors import HostError, SpecError
from ._programs import Programs

_CLEARSIGNED = b"-----BEGIN PGP SIGNED MESSAGE-----"

# RFC 9580, section 6: headers, an empty line, base64, and a checksum that may be left out.
_BLOCK = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)
_STATUS = re.compile(r"^\[GNUPG:\] (\S+) ?(\S*)", re.MULTILINE)
_BAD = {
    "BADSIG": "it was changed after key {key} signed it",
    "EXPSIG": "the signature of key {key} has expired",
    "EXPKEYSIG": "key {key} has expired; take its renewed form into checksum_keys",
    "REVKEYSIG": "key {key} was revoked by its owner",
    "NODATA": "what is given as its signature is none; check its place",
    "ERRSIG": "it is signed by key {key}, which is not among checksum_keys",
}


def signed_text(programs: Programs, text: bytes, signature: bytes | None, keys: bytes, shown: str) -> bytes:
    """Return what of a text was signed by one of the keys; raise HostError where nothing was.

    ``signature`` is the detached signature, or None for a text that holds its own (then only what is inside of it is
    returned). ``keys`` are public keys, armored or not. ``shown`` is what to call the text.
    """
    says = f"check the signature of {shown}"
    if signature is None and _CLEARSIGNED not in text:
        raise HostError(f"could not {says}: it holds none; give the place of its detached one as checksum_signature")
    with tempfile.TemporaryDirectory(prefix="virtfleet-") as scratch:
        folder = Path(scratch)
        (folder / "keys").write_bytes(_binary(keys))
        (folder / "text").write_bytes(text)
        argv = ["gpgv", "--homedir", scratch, "--status-fd", "1", "--keyring", f"{scratch}/keys"]
        if signature is None:
            argv += ["--output", f"{scratch}/inside", f"{scratch}/text"]
        else:
            (folder / "signature").write_bytes(signature)
            argv += [f"{scratch}/signature", f"{scratch}/text"]
        _code, output, complaint = programs.attempt(says, argv)
        seen = dict(_STATUS.findall(output))
        # One text may have the signatures of several keys, of which only one has to be known; none may be bad.
        if "GOODSIG" not in seen or "BADSIG" in seen:
            why = next((said.format(key=seen[word]) for word, said in _BAD.items() if word in seen), complaint)
            raise HostError(f"could not {says}: {why}; nothing was fetched or replaced")
        return text if signature is not None else (folder / "inside").read_bytes()


def _binary(keys: bytes) -> bytes:
    """Return keys as gpgv reads them: it knows no armor."""
    blocks = _BLOCK.findall(keys)
    if not blocks:
        return keys
    found = b""
    for block in blocks:
        _headers, _empty, body = block.replace(b"\r", b"").partition(b"\n\n")
        lines = [line for line in body.splitlines() if not line.startswith(b"=")]
        try:
            found += base64.b64decode(b"".join(lines), validate=True)
        except binascii.Error as error:
            raise SpecError("checksum_keys: a block of a public key is damaged; export the key anew") from error
    return found
