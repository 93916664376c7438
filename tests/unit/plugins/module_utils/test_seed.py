# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seeds by the real xorriso and genisoimage: names, contents, and the same bytes at another time."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._long_work import run_directory
from ansible_collections.virtfleet.core.plugins.module_utils._programs import Programs
from ansible_collections.virtfleet.core.plugins.module_utils._seed import build_seed, seed_digest
from tests.unit.plugins.module_utils.image_tools import run_command

FILES = {
    "user-data": b"#cloud-config\npassword: hunter2\n",
    "meta-data": b"instance-id: web1\n",
    "network-config": "version: 2 # \xfc\n".encode(),
}


@pytest.fixture(params=["xorriso", "genisoimage"])
def programs(request: pytest.FixtureRequest) -> Programs:
    programs = Programs(run_command)
    if programs.find(request.param) is None:
        pytest.skip(f"this host has no {request.param}")
    if request.param == "genisoimage":
        programs._paths["xorriso"] = None
    return programs


def extracted(image: Path, folder: Path) -> dict[str, bytes]:
    """Read the files back by another program than the one that wrote them may be."""
    argv = ["xorriso", "-no_rc", "-osirrox", "on", "-indev", image, "-extract", "/", folder]
    subprocess.run(argv, check=True, capture_output=True)
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def test_a_seed_holds_its_files(programs: Programs, tmp_path: Path) -> None:
    image = tmp_path / "seed.iso"
    image.write_bytes(build_seed(programs, FILES))
    assert extracted(image, tmp_path / "out") == FILES
    assert image.stat().st_size < 100_000
    # The label at its place in the primary and, in UCS-2, in the Joliet descriptor.
    content = image.read_bytes()
    assert content[16 * 2048 + 40 :][:32].rstrip() == b"cidata"
    assert "cidata".encode("utf-16-be") in content


def test_a_seed_for_windows_is_none_for_cloud_init(programs: Programs, tmp_path: Path) -> None:
    image, files = tmp_path / "seed.iso", {"autounattend.xml": b"<unattend/>"}
    image.write_bytes(build_seed(programs, files))
    assert extracted(image, tmp_path / "out") == files
    content = image.read_bytes()
    assert content[16 * 2048 + 40 :][:32].rstrip() == b"unattend"
    # The long name, by which Setup looks.
    assert "autounattend.xml".encode("utf-16-be") in content


def test_the_same_bytes_at_another_time_and_in_another_order(programs: Programs) -> None:
    first = build_seed(programs, FILES)
    time.sleep(1.1)
    assert build_seed(programs, dict(reversed(FILES.items()))) == first
    assert build_seed(programs, {**FILES, "user-data": b"other"}) != first


def test_nothing_is_left_of_the_secrets(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    base = run_directory("run")
    seen: list[tuple[int, ...]] = []

    def looking(argv: list[str], **options: object) -> tuple[int, str, str]:
        folder = Path(argv[-1])
        modes = [folder.parent, folder, folder / "user-data"]
        seen.append(tuple(path.stat().st_mode & 0o777 for path in modes))
        assert "hunter2" not in " ".join(argv)
        return 5, "", "xorriso : FAILURE : no luck"

    monkeypatch.setattr(programs, "_run_command", looking)
    with pytest.raises(HostError, match=r"could not build a cloud-init seed: .*no luck"):
        build_seed(programs, FILES)
    assert seen == [(0o700, 0o700, 0o600)]
    assert not list(base.glob("seed-*"))


def test_what_a_killed_run_left_is_swept(programs: Programs) -> None:
    left = run_directory("run") / "seed-killed"
    (left / "files").mkdir(parents=True)
    os.utime(left, (1, 1))
    build_seed(programs, FILES)
    assert not left.exists()


@pytest.mark.parametrize("name", ["../user-data", "a/b", "", "-x", "user data", "a\n"])
def test_names_that_are_no_names(programs: Programs, name: str) -> None:
    with pytest.raises(SpecError, match="cannot be a file of a seed"):
        build_seed(programs, {name: b""})


@given(st.dictionaries(st.text(max_size=5), st.binary(max_size=9), max_size=4))
def test_a_digest_is_of_the_content_only(files: dict[str, bytes]) -> None:
    assert seed_digest(files) == seed_digest(dict(reversed(files.items())))
    assert seed_digest(files) != seed_digest({**files, "one-more": b""})


@settings(max_examples=10, deadline=None)
@given(content=st.binary(max_size=5000))
def test_any_content_keeps_its_bytes(content: bytes) -> None:
    programs = Programs(run_command)
    programs._paths["xorriso"] = None
    if programs.find("genisoimage") is None:
        pytest.skip("this host has no genisoimage")
    # Bytes that look like what is patched in a listing must survive in a file.
    decoy = b"TF\x1a\x01\x0e" + content + bytes(30)
    assert decoy in build_seed(programs, {"user-data": decoy})
