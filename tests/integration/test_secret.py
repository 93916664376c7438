# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules secret and secret_info on a real libvirtd: what a secret holds is nowhere but in it."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.playing import Player, assert_idiom, idiom, task
from tests.lab import Host

_numbers = itertools.count(1)
VALUES = ["hunter2-the-first", "hunter2-the-second", "hunter2-the-third"]


@pytest.fixture
def secret_name(furnished: Host) -> Iterator[str]:
    name = f"client.s{next(_numbers)}"
    yield name
    listed = furnished.exec(["virsh", "secret-list"], check=False).stdout or ""
    for line in listed.splitlines():
        if line.strip().endswith(name):
            furnished.exec(["virsh", "secret-undefine", line.split()[0]], check=False)


def held(host: Host, uuid: str) -> str:
    done = host.exec(["virsh", "secret-get-value", uuid, "--plain"], check=False)
    return (done.stdout or done.stderr or "").strip()


def test_from_nothing_to_nothing(play: Player, secret_name: str) -> None:
    options: dict[str, Any] = {"name": secret_name, "usage": "ceph"}
    coded = base64.b64encode(VALUES[0].encode()).decode()
    results = play([
        *idiom("secret", "make", **options, value=VALUES[0], description="For the cluster"),
        task("the same in base64", "secret", **options, value_base64=coded),
    ])  # fmt: skip
    made = assert_idiom(results, "make")
    assert not results.named("the same in base64").changed
    uuid = made["secret"]["uuid"]
    assert held(play.host, uuid) == VALUES[0]
    assert made.changes("secret", secret_name)["value"]["after"] == "(hidden)"
    results = play([
        *idiom("secret", "change", **options, value=VALUES[1]),
        *idiom("secret", "close", **options, private=True),
        task("private now", "secret", **options, value=VALUES[2]),
        task("set it", "secret", **options, value=VALUES[2], value_policy="always"),
        task("look", "secret_info", usage=["ceph"], usage_id=[secret_name]),
        *idiom("secret", "remove", **options, state="absent"),
    ])  # fmt: skip
    assert_idiom(results, "change")
    assert assert_idiom(results, "close")["secret"]["private"] is True
    assert not results.named("private now").changed and results.named("set it").changed
    (seen,) = results.named("look")["secrets"]
    assert (seen["uuid"], seen["private"], seen["description"]) == (uuid, True, "For the cluster")
    assert assert_idiom(results, "remove")["secret"]["state"] == "absent"


def test_a_value_is_shown_nowhere(play: Player, secret_name: str) -> None:
    """Not in what Ansible prints with everything turned on, in what it records, in progress, or in the trace."""
    trace = play.folder / "trace"
    options: dict[str, Any] = {"name": secret_name, "usage": "ceph"}
    coded = base64.b64encode(VALUES[1].encode()).decode()
    tasks = [
        task("make", "secret", **options, value=VALUES[0]),
        task("change", "secret", **options, value_base64=coded),
        {**task("wrong", "secret", **options, value=VALUES[2], value_base64=coded), "ignore_errors": True},
        {**task("odd", "secret", **options, value_base64=f"##{coded}"), "ignore_errors": True},
        task("look", "secret_info"),
    ]
    defaults = {"group/virtfleet.core.virtfleet": {"uri": play.host.uri}}
    book = play.folder / "hidden.yml"
    secrets = play.folder / "secrets.json"
    # The values come from a file of variables, as from a vault: a playbook's own words are no secret to Ansible.
    named = {value: f"{{{{ secret{number} }}}}" for number, value in enumerate([*VALUES, f"##{coded}", coded])}
    secrets.write_text(json.dumps({f"secret{number}": value for number, value in enumerate(named)}), encoding="utf-8")
    text = json.dumps(
        [{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}]
    )
    for value, variable in named.items():
        text = text.replace(f'"{value}"', f'"{variable}"')
    book.write_text(text, encoding="utf-8")
    record = play.folder / "hidden.jsonl"
    done = play.command(
        ["ansible-playbook", "-vvv", "--diff", "-e", f"@{secrets}", "-e", f"ansible_python_interpreter={play.python}", str(book)],
        {"VIRTFLEET_RECORD": str(record), "VIRTFLEET_DEBUG": str(trace)},
    )
    assert done.returncode == 0, done.stdout[-2000:]
    progress = (play.host.exec(["cat", "/run/virtfleet/progress.log"], check=False).stdout) or ""
    assert "set the value of secret" in progress and "setValue" in trace.read_text(encoding="utf-8")
    assert "(hidden)" in done.stdout and "is not base64" in done.stdout
    for said in (done.stdout, done.stderr, record.read_text(encoding="utf-8"), progress, trace.read_text(encoding="utf-8")):
        assert "hunter2" not in said and coded not in said
