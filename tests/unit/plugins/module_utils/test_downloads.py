# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of downloads, for how long, and that nothing else comes out of it than what was asked for."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._download import Fetch
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, NotFound, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._module import _cache
from tests.unit.plugins.module_utils.image_tools import MIB, WebServer, run_command, web_server


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


class Desk:
    """A host's folder of images and its cache."""

    def __init__(self, folder: Path, web: WebServer) -> None:
        self.folder, self.web, self.cache = folder, web, folder / "cache" / "downloads"
        self.contents: dict[str, bytes] = {}

    def serve(self, name: str) -> None:
        self.contents[name] = name.encode() + os.urandom(MIB - len(name))
        self.web.serve(f"/{name}", self.contents[name])

    def files(self, **fetch: Any) -> LocalFiles:
        how = Fetch(**{"cache_bytes": 16 * MIB, **fetch})
        return LocalFiles(run_command, how, lock_timeout=10, cache=self.folder / "cache")

    def get(self, name: str, algorithm: str = "sha256", source: str = "", **fetch: Any) -> None:
        """Make an image of what was served under a name; it must be that."""
        checksum = f"{algorithm}:{hashlib.new(algorithm, self.contents[name]).hexdigest()}"
        target = self.folder / "image"
        self.files(**fetch).import_image(
            str(target), source or f"{self.web.url}/{name}", "raw", checksum, None, {}, replace=True
        )
        assert target.read_bytes() == self.contents[name]

    def asked(self) -> list[str]:
        return [path for path, _headers in self.web.seen]

    def kept(self) -> list[str]:
        """Return the names of what is kept, what was used last first."""
        return [facts.source.rpartition("/")[2] for facts in self.files().downloads()]


@pytest.fixture
def desk(tmp_path: Path, web: WebServer) -> Desk:
    return Desk(tmp_path, web)


def test_a_source_is_downloaded_once(desk: Desk) -> None:
    desk.serve("a")
    desk.get("a")
    (facts,) = desk.files().downloads()
    assert facts.source == f"{desk.web.url}/a" and facts.actual_bytes >= MIB
    assert Path(facts.path).stat().st_mode & 0o777 == 0o600 and desk.cache.stat().st_mode & 0o777 == 0o700
    # Without the server, by the other kind of checksum, and from another place.
    desk.web.routes.clear()
    desk.get("a", "sha512")
    desk.get("a", source="https://nobody.invalid/moved")
    assert desk.asked() == ["/a"]
    os.unlink(facts.path)
    with pytest.raises(NotFound):
        desk.get("a")


@pytest.mark.parametrize("fetch", [{"cache_bytes": None}, {"cache_bytes": MIB - 1}, {"cache_bytes": 0}])
def test_what_is_not_kept(desk: Desk, fetch: dict[str, Any]) -> None:
    desk.serve("a")
    desk.get("a", **fetch)
    desk.files().import_image(str(desk.folder / "b"), f"{desk.web.url}/a", "raw", None, None, {})
    assert desk.kept() == []
    mirror = desk.folder / "mirror"
    mirror.mkdir()
    (mirror / "a").write_bytes(desk.contents["a"])
    desk.get("a", mirror=str(mirror))
    assert desk.kept() == []


def test_the_limit_takes_what_was_used_longest_ago(desk: Desk) -> None:
    long = {"cache_seconds": 1e12}
    for number, name in enumerate("abc"):
        desk.serve(name)
        desk.get(name, **long)
        os.utime(desk.files().downloads()[0].path, (number + 1, number + 1))
    assert desk.kept() == ["c", "b", "a"]
    desk.get("a", **long)
    assert desk.kept() == ["a", "c", "b"]
    desk.serve("d")
    desk.get("d", cache_bytes=3 * MIB + MIB // 2, **long)
    assert desk.kept() == ["d", "a", "c"]
    desk.get("d", cache_bytes=0, **long)
    assert desk.kept() == []


def test_what_nobody_uses_goes(desk: Desk) -> None:
    for name in "ab":
        desk.serve(name)
        desk.get(name)
    day = 86400
    path = {facts.source[-1]: facts.path for facts in desk.files().downloads()}
    now = os.stat(path["b"]).st_mtime
    os.utime(path["a"], (now - 2 * day, now - 2 * day))
    desk.get("b", cache_seconds=3 * day)
    assert desk.kept() == ["b", "a"]
    desk.get("b", cache_seconds=day)
    assert desk.kept() == ["b"]


def test_what_is_written_stays_and_what_was_left_goes(desk: Desk) -> None:
    desk.cache.mkdir(parents=True)
    busy, left = desk.cache / "sha256-x.part", desk.cache / "sha256-y.part"
    left.write_bytes(b"left")
    desk.serve("a")
    with busy.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        desk.get("a", cache_bytes=MIB + 4096)
        assert busy.exists() and not left.exists()
    assert desk.kept() == ["a"]


def test_a_content_that_is_not_the_wanted_one_is_not_kept(desk: Desk) -> None:
    desk.serve("a")
    desk.web.serve("/a", os.urandom(MIB))
    with pytest.raises(HostError, match="nothing was replaced. Check the checksum"):
        desk.get("a")
    assert list(desk.cache.iterdir()) == []


def test_what_was_kept_and_damaged(desk: Desk) -> None:
    desk.serve("a")
    desk.get("a")
    path = Path(desk.files().downloads()[0].path)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(HostError, match="what was kept of it is damaged, and was removed; run again"):
        desk.get("a")
    desk.get("a")
    assert desk.asked() == ["/a", "/a"]


def test_two_images_of_one_source_at_once(desk: Desk) -> None:
    desk.serve("a")
    checksum = f"sha256:{hashlib.sha256(desk.contents['a']).hexdigest()}"
    problems: list[Exception] = []

    def make(name: str) -> None:
        try:
            desk.files().import_image(str(desk.folder / name), f"{desk.web.url}/a", "raw", checksum, None, {})
        except VirtError as error:
            problems.append(error)

    threads = [threading.Thread(target=make, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == [] and desk.asked() == ["/a"]
    assert {(desk.folder / name).read_bytes() for name in ("one", "two")} == {desk.contents["a"]}


def test_a_folder_that_cannot_be_made(desk: Desk) -> None:
    (desk.folder / "cache").write_text("in the way")
    desk.serve("a")
    with pytest.raises(HostError, match=r"could not keep the download of .* or leave cache_size out"):
        desk.get("a")


def test_how_the_limits_are_said() -> None:
    assert _cache({"cache_size": None, "cache_age": "7d"}) == {"cache_seconds": 604800.0}
    assert _cache({"cache_size": "20GiB", "cache_age": "12h"}) == {"cache_bytes": 20 << 30, "cache_seconds": 43200.0}
    for said in ({"cache_size": "20"}, {"cache_size": "1GiB", "cache_age": "soon"}):
        with pytest.raises(SpecError) as caught:
            _cache(said)
        assert caught.value.problems[0].startswith(f"{list(said)[-1]}: ")
