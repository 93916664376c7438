# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Downloads from a real web server on loopback, and imports that are killed."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils import _files, _qemu_img, _web
from ansible_collections.virtfleet.core.plugins.module_utils._download import Fetch, find_checksum
from ansible_collections.virtfleet.core.plugins.module_utils._errors import HostError, NotFound, Timeout, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from tests.unit.plugins.module_utils.image_tools import (
    MIB,
    Handler,
    WebServer,
    qemu_img,
    run_command,
    until,
    web_server,
    written,
)

BODY = b"\x01" + os.urandom(700_000) + bytes(511 - 700_000 % 512)
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as web:
        web.serve("/disk.raw", BODY)
        yield web


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return the place of an image that is there already."""
    return written(tmp_path / "pool.raw", (0, b"old"))


def fetch(target: Path, url: str, checksum: str | None = None, **options: Any) -> None:
    LocalFiles(run_command, Fetch(**options)).import_image(str(target), url, "raw", checksum, None, {}, replace=True)


def assert_refused(target: Path, kind: type[VirtError], said: str, url: str, *args: Any, **options: Any) -> None:
    with pytest.raises(kind, match=said):
        fetch(target, url, *args, **options)
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in target.parent.iterdir()] == [target.name]


def test_a_download(server: WebServer, target: Path) -> None:
    fetch(target, server.url + "/disk.raw", f"sha256:{SHA256}")
    assert target.read_bytes() == BODY
    assert [path for path, _headers in server.seen] == ["/disk.raw"]


def test_a_body_without_a_length(server: WebServer, target: Path) -> None:
    def route(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(BODY), 100_000):
            chunk = BODY[start : start + 100_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n")

    server.routes["/chunked"] = route
    fetch(target, server.url + "/chunked")
    assert target.read_bytes() == BODY


def test_a_truncated_body(server: WebServer, target: Path) -> None:
    server.routes["/short"] = lambda handler: handler.answer(BODY[:300_000], length=len(BODY))
    assert_refused(target, HostError, rf"it ended after 300000 of {len(BODY)} bytes", server.url + "/short")


def test_a_truncated_chunked_body(server: WebServer, target: Path) -> None:
    def route(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"%x\r\n%s" % (5000, BODY[:2000]))

    server.routes["/short"] = route
    assert_refused(target, HostError, "could not download", server.url + "/short")


def breaks(handler: Handler, body: bytes, tag: str, cut: int = 300_000, **headers: str) -> None:
    """Answer as a server that continues downloads, and break off after some bytes."""
    wanted = handler.headers.get("Range")
    start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and handler.headers["If-Range"] == tag else 0
    if start:
        headers["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
    handler.answer(body[start : start + cut], 206 if start else 200, len(body) - start, **headers)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_web, "PAUSES", (0.0, 0.0))


LAST_WEEK = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("header", "tag"), [("ETag", '"one"'), ("Last_Modified", LAST_WEEK)])
def test_a_download_goes_on_where_it_broke_off(server: WebServer, target: Path, header: str, tag: str) -> None:
    server.routes["/disk.raw"] = lambda handler: breaks(handler, BODY, tag, **{header: tag})
    fetch(target, server.url + "/disk.raw", f"sha256:{SHA256}", headers={"X-Token": "x"})
    assert target.read_bytes() == BODY
    asked = [(headers.get("Range"), headers.get("If-Range"), headers["X-Token"]) for _path, headers in server.seen]
    assert asked == [
        (None, None, "x"), *((f"bytes={start}-", tag, "x") for start in range(300_000, len(BODY), 300_000))
    ]  # fmt: skip


@pytest.mark.usefixtures("hurried")
def test_two_versions_are_never_mixed(server: WebServer, target: Path) -> None:
    tags = iter(('"one"', '"two"', '"two"'))
    server.routes["/disk.raw"] = lambda handler: breaks(handler, BODY, tag := next(tags), ETag=tag)
    said = rf"broke off after 300000 of {len(BODY)} bytes, and the server does not go on with the same version"
    assert_refused(target, HostError, said, server.url + "/disk.raw")
    assert len(server.seen) == 2


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"one"'}, {"Last_Modified": "never"}])
def test_what_has_no_mark_is_not_continued(server: WebServer, target: Path, headers: dict[str, str]) -> None:
    server.routes["/disk.raw"] = lambda handler: breaks(handler, BODY, "", **headers)
    assert_refused(target, HostError, f"it ended after 300000 of {len(BODY)} bytes", server.url + "/disk.raw")
    assert len(server.seen) == 1


@pytest.mark.usefixtures("hurried")
def test_a_server_that_gives_nothing_more_is_given_up(server: WebServer, target: Path) -> None:
    cuts = iter((300_000, 0, 0, 0))
    server.routes["/disk.raw"] = lambda handler: breaks(handler, BODY, '"one"', next(cuts), ETag='"one"')
    assert_refused(target, HostError, f"it ended after 300000 of {len(BODY)} bytes", server.url + "/disk.raw")
    assert len(server.seen) == 3


def test_a_wrong_checksum(server: WebServer, target: Path) -> None:
    wrong = "sha256:" + 64 * "1"
    assert_refused(target, HostError, f"its checksum is sha256:{SHA256}", server.url + "/disk.raw", wrong)


def test_what_the_server_does_not_have(server: WebServer, target: Path) -> None:
    assert_refused(target, NotFound, r"has no such file \(404", server.url + "/none")


@pytest.mark.parametrize(("code", "said"), [(401, "check url_username"), (403, "check url_username"), (503, "503")])
def test_what_the_server_refuses(server: WebServer, target: Path, code: int, said: str) -> None:
    server.routes["/no"] = lambda handler: handler.answer(b"", code)
    assert_refused(target, HostError, said, server.url + "/no")


def test_a_login_page(server: WebServer, target: Path) -> None:
    url = server.serve("/page", b" " * 2000 + b"please log in", Content_Type="text/html; charset=utf-8")
    assert_refused(target, HostError, "it is a web page", url)


def test_an_encoded_body(server: WebServer, target: Path) -> None:
    url = server.serve("/packed", BODY, Content_Encoding="gzip")
    assert_refused(target, HostError, "encoded as gzip", url)


def test_no_server(target: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    assert_refused(target, HostError, rf"could not download http://127.0.0.1:{port}/x", f"http://127.0.0.1:{port}/x")


def test_a_silent_server(server: WebServer, target: Path) -> None:
    released = threading.Event()

    def route(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:1000])
        handler.wfile.flush()
        released.wait(20)

    server.routes["/slow"] = route
    try:
        assert_refused(target, Timeout, "the server was silent for", server.url + "/slow", timeout=0.5)
    finally:
        released.set()


def test_a_disk_that_is_too_small(server: WebServer, target: Path) -> None:
    server.routes["/huge"] = lambda handler: handler.answer(BODY[:1000], length=1 << 60)
    assert_refused(target, HostError, r"has only \S+ free", server.url + "/huge")


def test_redirects(server: WebServer, target: Path) -> None:
    server.redirect("/2", "disk.raw")
    fetch(target, server.redirect("/1", "/2"))
    assert target.read_bytes() == BODY


def test_a_redirect_in_a_ring(server: WebServer, tmp_path: Path, target: Path) -> None:
    assert_refused(target, HostError, "it led to another place 10 times", server.redirect("/ring", "/ring"))


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_a_redirect_out_of_the_web(server: WebServer, target: Path, place: str) -> None:
    assert_refused(target, HostError, "which is no http or https URL", server.redirect("/out", place))


def test_credentials_stay_with_their_origin(server: WebServer, target: Path) -> None:
    with web_server() as other:
        other.serve("/disk.raw", BODY)
        server.redirect("/1", "/2")
        server.redirect("/2", other.url + "/disk.raw")
        fetch(target, server.url + "/1", headers={"X-Token": "t0ken"}, url_username="me", url_password="secret")
        basic = "Basic " + base64.b64encode(b"me:secret").decode()
        for _path, headers in server.seen:
            assert headers["X-Token"] == "t0ken"
            assert headers["Authorization"] == basic
        for _path, headers in other.seen:
            assert "X-Token" not in headers
            assert "Authorization" not in headers
        assert len(server.seen) == 2
        assert len(other.seen) == 1


def test_a_password_in_the_url_is_never_shown(server: WebServer, target: Path) -> None:
    url = server.url.replace("//", "//me:secret@")
    server.serve("/disk.raw?token=t0ken", BODY)
    fetch(target, url + "/disk.raw?token=t0ken")
    facts = LocalFiles(run_command).image_facts(str(target))
    assert facts is not None
    assert facts.record["source"].startswith(server.url + "/disk.raw?hidden-")
    with pytest.raises(NotFound) as caught:
        fetch(target, url + "/none?token=t0ken")
    for text in (str(caught.value), str(facts.record)):
        assert "secret" not in text
        assert "t0ken" not in text


def test_a_proxy_is_used(server: WebServer, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.serve("http://images.invalid/disk.raw", BODY)
    monkeypatch.setenv("http_proxy", server.url)
    fetch(target, "http://images.invalid/disk.raw")
    assert target.read_bytes() == BODY


def test_a_mirror_folder_needs_no_network(target: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    written(mirror / "disk.raw", (0, BODY))
    (mirror / "SUMS").write_text(f"{SHA256}  disk.raw\n")
    fetch(target, "https://images.invalid/a/disk.raw", "sha256:https://images.invalid/a/SUMS", mirror=str(mirror))
    assert target.read_bytes() == BODY
    facts = LocalFiles(run_command).image_facts(str(target))
    assert facts is not None
    assert facts.record["source"] == "https://images.invalid/a/disk.raw", "where it was copied from says nothing"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return key, cert


def test_certificates(server: WebServer, target: Path, certificate: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])
    with web_server() as secure:
        secure.socket = context.wrap_socket(secure.socket, server_side=True)
        secure.serve("/disk.raw", BODY)
        url = secure.url.replace("http:", "https:").replace("127.0.0.1", "localhost")
        assert_refused(target, HostError, "(?i)certificate", url + "/disk.raw")
        # Leading to plain http is for what a checksum vouches for.
        secure.redirect("/plain", server.url + "/disk.raw")
        assert_refused(target, HostError, "without encryption", url + "/plain", validate_certs=False)
        fetch(target, url + "/plain", f"sha256:{SHA256}", validate_certs=False)
        fetch(target, url + "/disk.raw", validate_certs=False)
        assert target.read_bytes() == BODY


class TestChecksumFiles:
    """Checksum files by URL and by path."""

    @pytest.mark.parametrize(
        "line",
        [
            f"{SHA256}  disk.raw",
            f"{SHA256} *disk.raw",
            f"{SHA256.upper()}  ./images/disk.raw",
            f"SHA256 (disk.raw) = {SHA256}",
        ],
    )
    def test_its_lines(self, server: WebServer, target: Path, line: str) -> None:
        text = f"# SUMS\n{64 * 'a'}  other.raw\n{128 * 'b'}  disk.raw\n{line}\n-----BEGIN PGP SIGNATURE-----\n"
        place = server.serve("/SUMS", text.encode())
        fetch(target, server.url + "/disk.raw", f"sha256:{place}")
        assert target.read_bytes() == BODY

    def test_a_path_and_a_bare_checksum(self, tmp_path: Path) -> None:
        files = LocalFiles(run_command)
        (tmp_path / "disk.raw.sha512").write_text(f"{128 * 'C'}\n")
        for place in (f"{tmp_path}/disk.raw.sha512", f"file://{tmp_path}/disk.raw.sha512"):
            assert files.resolve_checksum(f"sha512:{place}", "/images/disk.raw") == "sha512:" + 128 * "c"

    def test_what_is_wrong(self, server: WebServer, target: Path) -> None:
        none = server.serve("/SUMS", f"{64 * 'a'}  other.raw\n".encode())
        assert_refused(
            target, NotFound, "has no sha256 checksum of disk.raw", server.url + "/disk.raw", f"sha256:{none}"
        )
        two = server.serve("/TWO", f"{64 * 'a'}  disk.raw\n{64 * 'b'}  disk.raw\n".encode())
        assert_refused(target, HostError, "2 different sha256 checksums", server.url + "/disk.raw", f"sha256:{two}")
        big = server.serve("/BIG", bytes(5 * MIB))
        assert_refused(target, HostError, "larger than 4 MiB", server.url + "/disk.raw", f"sha256:{big}")
        assert not any(path == "/disk.raw" for path, _headers in server.seen), "the image is not even asked for"

    @given(st.text(max_size=300))
    def test_any_text(self, text: str) -> None:
        try:
            found = find_checksum(text, "sha256", "disk.raw", "SUMS")
        except VirtError:
            return
        assert len(found) == 64


def test_progress_can_be_followed(server: WebServer, target: Path) -> None:
    release = threading.Event()

    def route(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(4 * MIB))
        handler.end_headers()
        handler.wfile.write(b"\x01" * MIB)
        time.sleep(1.1)
        handler.wfile.write(b"\x01" * MIB)
        handler.wfile.flush()
        release.wait(20)
        handler.wfile.write(b"\x01" * 2 * MIB)

    server.routes["/slow"] = route
    place = _files.Progress(str(target)).place
    thread = threading.Thread(target=fetch, args=(target, server.url + "/slow"))
    thread.start()
    try:
        until(lambda: place.exists() and " of 4.0 MiB (" in place.read_text(), "a line of progress")
        assert target.read_bytes() == b"old"
    finally:
        release.set()
        thread.join()
    assert place.read_text().splitlines()[-1].endswith(": done")


KILLED = """
import sys
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from tests.unit.plugins.module_utils.image_tools import run_command
LocalFiles(run_command).import_image(sys.argv[1], sys.argv[2], "raw", sys.argv[3], None, {}, replace=True)
"""


def test_killed_while_it_downloads(server: WebServer, target: Path) -> None:
    begun, release = threading.Event(), threading.Event()

    def route(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.end_headers()
        handler.wfile.write(BODY[:400_000])
        handler.wfile.flush()
        begun.set()
        release.wait(20)

    server.routes["/disk.raw"] = route
    part = Path(f"{target}.part")
    argv = [sys.executable, "-c", KILLED, str(target), server.url + "/disk.raw", f"sha256:{SHA256}"]
    with subprocess.Popen(argv) as importing:
        assert begun.wait(20)
        until(lambda: part.exists() and part.stat().st_size > 200_000, "a part of the file")
        importing.send_signal(signal.SIGKILL)
    release.set()
    assert target.read_bytes() == b"old"
    assert part.exists()
    server.serve("/disk.raw", BODY)
    fetch(target, server.url + "/disk.raw", f"sha256:{SHA256}")
    assert target.read_bytes() == BODY
    assert not part.exists()


def test_killed_at_every_step(tmp_path: Path) -> None:
    """Kill a real process before its n-th step for each n: what stands there is the old image or the new one."""
    raw = written(tmp_path / "raw", (0, BODY))
    source, pool = tmp_path / "source.qcow2", tmp_path / "pool"
    qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, source)
    pool.mkdir()
    target = pool / "image"
    wanted = f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    survived, seen = False, set()
    for kill_at in range(1, 40):
        target.unlink(missing_ok=True)
        qemu_img("create", "-f", "raw", target, "64k")
        before = target.read_bytes()
        survived = _import_killed_at(kill_at, target, source, wanted)
        content = target.read_bytes()
        new = content[: len(BODY)] == BODY and len(content) == 2 * MIB
        assert new or content == before, kill_at
        record = LocalFiles(run_command).image_facts(str(target))
        assert record is not None
        assert bool(record.record) == new, "the record comes and goes with the file"
        seen.add(new)
        if survived:
            break
        LocalFiles(run_command).import_image(str(target), str(source), "raw", wanted, 2 * MIB, {}, replace=True)
        assert [entry.name for entry in pool.iterdir()] == ["image"]
    assert survived, "there are more steps than this test tried"
    assert kill_at > 10
    assert seen == {False, True}


def _import_killed_at(kill_at: int, target: Path, source: Path, wanted: str) -> bool:
    child = os.fork()
    if child == 0:
        try:
            steps = itertools.count(1)

            def deadly(function: Callable[..., Any]) -> Callable[..., Any]:
                def step(*args: Any, **options: Any) -> Any:
                    if next(steps) == kill_at:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return function(*args, **options)

                return step

            setattr(_files, "_put_in_place", deadly(_files._put_in_place))  # noqa: B010
            setattr(_files, "_sync", deadly(_files._sync))  # noqa: B010
            setattr(_files, "_new_file", deadly(_files._new_file))  # noqa: B010
            setattr(_files, "write_record", deadly(_files.write_record))  # noqa: B010
            setattr(Path, "unlink", deadly(Path.unlink))  # noqa: B010
            setattr(Path, "replace", deadly(Path.replace))  # noqa: B010
            setattr(_qemu_img.QemuImg, "convert", deadly(_qemu_img.QemuImg.convert))  # noqa: B010
            files = LocalFiles(deadly(run_command))
            files.import_image(str(target), str(source), "raw", wanted, 2 * MIB, {}, replace=True)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(2)
    status = os.waitpid(child, 0)[1]
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), code
    return code == 0
