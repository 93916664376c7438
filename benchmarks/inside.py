# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one connection into a guest takes, measured in a process of its own, under the Python that has the plugin.

It is run as a program, with JSON on standard input: the plugin, its variables, and a file to carry. It imports nothing of the
benchmarks, so that the peer's environment can run it too.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

COMMANDS = 20


def main() -> None:
    """Print the seconds of the first command, of one more, and of the file's way in and out again."""
    given = json.load(sys.stdin)
    from ansible.playbook.play_context import PlayContext
    from ansible.plugins.loader import connection_loader, init_plugin_loader

    init_plugin_loader()
    context = PlayContext()
    context.remote_addr = given["guest"]
    connection = connection_loader.get(given["plugin"], context, os.devnull)
    variables = {"inventory_hostname": given["guest"], **given["variables"]}
    connection.set_options(var_options=variables)
    source, back = Path(given["file"]), Path(given["file"] + ".back")

    began = time.perf_counter()
    assert connection.exec_command("/bin/sh -c true")[0] == 0
    found = {"first": time.perf_counter() - began}
    began = time.perf_counter()
    for _number in range(COMMANDS):
        assert connection.exec_command("/bin/sh -c true")[0] == 0
    found["command"] = (time.perf_counter() - began) / COMMANDS
    began = time.perf_counter()
    connection.put_file(str(source), "/tmp/carried")
    found["put"] = time.perf_counter() - began
    began = time.perf_counter()
    connection.fetch_file("/tmp/carried", str(back))
    found["fetch"] = time.perf_counter() - began
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (source, back)]
    found["whole"] = digests[0] == digests[1]
    connection.exec_command("rm -f /tmp/carried")
    connection.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
