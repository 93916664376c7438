# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of images share: a web server inside the lab host, and plays of which some tasks must fail."""

from __future__ import annotations

import hashlib
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.integration.playing import Player, Results, task
from tests.lab import Host

MIB = 1024 * 1024

# Serves a folder by http and https; says each request on a line; `/slow/NAME` stops in the middle of the file, and
# `/closed/NAME` wants a password.
WEB = """
import base64, http.server, os, ssl, sys, threading, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        slow = self.path.startswith("/slow/")
        place = sys.argv[1] + "/" + os.path.basename(self.path)
        print("GET", self.path, flush=True)
        if not os.path.exists(place):
            return self.send_error(404)
        pass_word = "Basic " + base64.b64encode(b"reader:s3cret-word").decode()
        if self.path.startswith("/closed/") and self.headers["Authorization"] != pass_word:
            return self.send_error(401)
        body = open(place, "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        if slow:
            time.sleep(60)
        self.wfile.write(body[len(body) // 2 :])
    def log_message(self, *args):
        pass
plain, secure = (http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _number in range(2))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
secure.socket = context.wrap_socket(secure.socket, server_side=True)
for server in (plain, secure):
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
threading.Thread(target=secure.serve_forever, daemon=True).start()
plain.serve_forever()
"""


class Web:
    """A web server inside the lab host."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.folder = folder
        self.url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        self.secure_url = f"https://127.0.0.1:{process.stdout.readline().strip()}"
        self.seen: list[str] = []
        threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()

    def _listen(self, lines: Iterator[str]) -> None:
        self.seen.extend(line.split()[1] for line in lines)

    def serve(self, name: str, content: bytes) -> str:
        """Put a file up and into SHA256SUMS; return its URL."""
        (self.folder / name).write_bytes(content)
        with (self.folder / "SHA256SUMS").open("a") as sums:
            sums.write(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
        return f"{self.url}/{name}"


@contextmanager
def serving(host: Host, place: Path) -> Iterator[Web]:
    """Serve a new folder of ``place`` inside the host."""
    folder = place / "web"
    folder.mkdir()
    both = place / "key-and-certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-keyout", both, "-out", f"{both}.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    both.write_text(both.read_text() + Path(f"{both}.crt").read_text())
    argv = [*host.prefix, "/usr/bin/python3", "-c", WEB, str(folder), str(both)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Web(folder, process)
        finally:
            process.terminate()


def volumes(host: Host, pool: str = "default") -> list[str]:
    listed = host.exec(["virsh", "vol-list", pool]).stdout.splitlines()[2:]
    return [line.split()[0] for line in listed if line.strip()]


def seen(path: Path) -> dict[str, object]:
    return json.loads(subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", path], check=True, capture_output=True, text=True
    ).stdout)  # type: ignore[no-any-return]  # fmt: skip


def bad(title: str, module: str, /, **options: Any) -> dict[str, Any]:
    """Return a task that must fail; the play goes on, because each play costs a second and more."""
    return {**task(title, module, **options), "ignore_errors": True}


def tried(play: Player, *tasks: dict[str, Any]) -> Results:
    """Play tasks of which exactly those that must fail do fail."""
    results = play(tasks, fails=True)
    wanted = [made["name"] for made in tasks if made.get("ignore_errors")]
    assert len(results) == len(tasks), results[-1:]
    assert [result.task for result in results if result.outcome != "ok"] == wanted, failures(results)
    return results


def failures(results: Results) -> list[str]:
    """Return what the tasks that must fail said, in order."""
    return [result.msg for result in results if result.outcome == "failed"]
