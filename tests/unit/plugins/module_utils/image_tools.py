# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of images share: programs run for real, images made by qemu-img, and a web server on loopback."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MIB = 1024 * 1024


def run_command(
    argv: Sequence[str],
    environ_update: dict[str, str] | None = None,
    expand_user_and_vars: bool = True,
    pass_fds: Sequence[int] = (),
) -> tuple[int, str, str]:
    """Run a program as AnsibleModule.run_command does, as far as the collection uses it."""
    assert not isinstance(argv, str)
    assert Path(argv[0]).is_absolute()
    assert expand_user_and_vars is False, "left on, a $ in a file's name would be expanded"
    environment = {**os.environ, **(environ_update or {})}
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=environment, pass_fds=pass_fds)
    return done.returncode, done.stdout, done.stderr


def qemu_img(*argv: str | Path) -> str:
    return subprocess.run(["qemu-img", *map(str, argv)], check=True, capture_output=True, text=True).stdout


def written(path: Path, *spans: tuple[int, bytes]) -> Path:
    """Write bytes at offsets of a raw file."""
    with path.open("r+b" if path.exists() else "wb") as file:
        for offset, content in spans:
            file.seek(offset)
            file.write(content)
    return path


class Handler(BaseHTTPRequestHandler):
    """Answers by the server's table of routes: path → function of this handler."""

    protocol_version = "HTTP/1.1"
    server: WebServer

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers.items())))
        route = self.server.routes.get(self.path)
        if route is None:
            self.send_error(404)
        else:
            route(self)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, body: bytes, code: int = 200, length: int | None = None, **headers: str) -> None:
        """Send a body; ``length`` lies about its size."""
        self.send_response(code)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class WebServer(ThreadingHTTPServer):
    """A web server on a free port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Callable[[Handler], None]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def serve(self, path: str, body: bytes, **headers: str) -> str:
        self.routes[path] = lambda handler: handler.answer(body, **headers)
        return self.url + path

    def redirect(self, path: str, target: str) -> str:
        self.routes[path] = lambda handler: handler.answer(b"", 302, Location=target)
        return self.url + path

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away in the middle are the point of some tests."""


@contextmanager
def web_server() -> Iterator[WebServer]:
    server = WebServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def until(true: Callable[[], bool], what: str, seconds: float = 15) -> None:
    """Wait until something holds, or fail."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
