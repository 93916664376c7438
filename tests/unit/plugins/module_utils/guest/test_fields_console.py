# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The serial console, its log, the agent's channel, and what people say about a guest."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Change, Effect
from ansible_collections.virtfleet.core.plugins.module_utils._guest.fields.console import AGENT
from ansible_collections.virtfleet.core.plugins.module_utils._guest.table import GUEST
from ansible_collections.virtfleet.core.plugins.module_utils._table import Context, observe, patch, steps
from ansible_collections.virtfleet.core.plugins.module_utils._xml import Element
from tests.unit.plugins.module_utils.guest.world import recorded

BARE = "<domain><devices><emulator>/e</emulator></devices></domain>"


def written(root: Element | str, **values: Any) -> Element:
    tree = _xml.parse(root) if isinstance(root, str) else root
    return patch(GUEST, tree, [Change((name,), None, value, Effect.LIVE) for name, value in values.items()])


def test_a_console_is_a_serial_port_and_its_mirror() -> None:
    root = written(BARE, console=True)
    assert observe(GUEST, root)["console"] is True
    assert [child.tag for child in _xml.find_all(root, "devices/*")] == ["emulator", "serial", "console"]
    assert _xml.same(written(root, console=True), root)
    assert _xml.same(written(root, console=False), _xml.parse(BARE))


def test_a_port_that_went_with_the_console_is_gone() -> None:
    root = written(BARE, console=True)
    port = "<serial type='null'><target port='1'/></serial>"
    _xml.find(root, "devices").append(_xml.parse(port))
    changes = [
        Change(("console",), True, False, Effect.RESTART),
        Change(("serials", "1"), {"port": 1, "source": {"nothing": True}}, None, Effect.RESTART),
    ]
    for order in (changes, changes[::-1]):
        assert _xml.same(patch(GUEST, root, order), _xml.parse(BARE))


def test_ports_of_their_own_are_no_console() -> None:
    other = "<serial type='file'><source path='/s2'/><log file='/s2.log'/><target port='2'/></serial>"
    alone = BARE.replace("</devices>", f"{other}</devices>")
    assert observe(GUEST, _xml.parse(alone))["console"] is False
    assert observe(GUEST, _xml.parse(alone))["console_log"] == ""
    both = written(alone, console=True, console_source={"nothing": True}, console_log="/c.log")
    have = observe(GUEST, both)
    assert (have["console_source"], have["console_log"]) == ({"nothing": True}, "/c.log")
    assert [entry["log"] for entry in have["serials"]] == ["/s2.log"]
    assert [port.get("type") for port in _xml.find_all(both, "devices/serial")] == ["file", "null"]


@pytest.mark.parametrize("device", ["<serial type='tcp'/>", "<console type='pty'><target type='virtio'/></console>"])
def test_a_console_of_another_kind_is_one(device: str) -> None:
    text = BARE.replace("</devices>", f"{device}</devices>")
    assert observe(GUEST, _xml.parse(text))["console"] is True
    assert _xml.same(written(text, console=True), _xml.parse(text))


def test_the_log_is_written_below_both_and_removed_from_both() -> None:
    root = written(BARE, console=True, console_log="/var/log/web1.log")
    assert observe(GUEST, root)["console_log"] == "/var/log/web1.log"
    assert [e.get("file") for e in _xml.find_all(root, "devices/*/log")] == ["/var/log/web1.log"] * 2
    gone = written(root, console_log="")
    assert _xml.find_all(gone, "devices/*/log") == []
    assert observe(GUEST, gone)["console_log"] == ""


def test_a_log_changes_in_a_definition_of_libvirts_own() -> None:
    root = _xml.parse(recorded("typical"))
    after = written(root, console_log="/new.log")
    assert {e.get("file") for e in _xml.find_all(after, "devices/*/log")} == {"/new.log"}
    assert _xml.find(after, "devices/serial/target/model") is not None


def test_the_agents_channel() -> None:
    root = written(BARE, agent=True)
    assert observe(GUEST, root)["agent"] is True
    assert _xml.same(
        _xml.find_all(root, "devices/channel")[0],
        _xml.parse("<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"),
    )
    assert _xml.same(written(root, agent=True), root)
    assert _xml.same(written(root, agent=False), _xml.parse(BARE))


def test_other_channels_stay() -> None:
    other = "<channel type='spicevmc'><target type='virtio' name='com.redhat.spice.0'/></channel>"
    text = BARE.replace("</devices>", f"{other}</devices>")
    assert observe(GUEST, _xml.parse(text))["agent"] is False
    assert _xml.same(written(written(text, agent=True), agent=False), _xml.parse(text))
    assert _xml.find(_xml.parse(recorded("typical")), AGENT) is not None


@pytest.mark.parametrize(("option", "op"), [("title", "set_title"), ("description", "set_description")])
def test_words_about_a_guest_are_true_at_once(option: str, op: str) -> None:
    root = _xml.parse(recorded("typical"))
    assert observe(GUEST, root)[option].startswith(("A typical", "With what"))
    change = Change((option,), "old", "new", Effect.LIVE)
    after = patch(GUEST, root, [change])
    assert _xml.read(after, option) == "new"
    assert _xml.find(patch(GUEST, root, [Change((option,), "old", "", Effect.LIVE)]), option) is None
    _define, step = steps(GUEST, [change], Context(name="web1", state="running"), after, root)
    assert (step.op, dict(step.args)) == (op, {"name": "web1", option: "new"})


def test_tags() -> None:
    root = _xml.parse(recorded("typical"))
    assert observe(GUEST, root)["tags"] == ("prod", "web")
    after = written(root, tags=("a", "b"))
    assert observe(GUEST, after)["tags"] == ("a", "b")
    assert _xml.read(after, "metadata/virtfleet:guest/virtfleet:estate") == "demo"
    assert observe(GUEST, written(root, tags=()))["tags"] == ()
    assert observe(GUEST, _xml.parse(BARE))["tags"] == ()
    bare = written(written(BARE, tags=("a",)), tags=())
    assert _xml.same(bare, _xml.parse(BARE))
