# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's half of host_bridge: after the change, come back over a new connection and have the host look at itself.

The module has handed the change to a process on the host, which takes it back unless it is confirmed in time. So nothing
that goes wrong here can lose a host: at worst, its bridge is not made.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

MODULE = "virtfleet.core.host_bridge"
# The change is made that long after the module's answer; a connection made before would only be cut.
_GRACE_S = 2.0
_BETWEEN_S = 1.0
# One try to connect. A host that is away does not refuse; it keeps silent.
_CONNECT_S = 5
# How long taking back may take, after the deadline.
_UNDO_S = 60.0


class ActionModule(ActionBase):
    """Run the module twice: to begin, and over a new connection to look and confirm."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, with the outcome of the change."""
        self._supports_check_mode = True
        self._supports_async = False
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = dict(self._task.args)
        first = self._execute_module(MODULE, arguments, task_vars=task_vars)
        if arguments.get("confirm") is not None:
            return {**result, **_told(first, arguments)}
        begun = first.pop("rollback", None)
        if first.get("failed") or begun is None:
            return {**result, **first}
        second = self._confirmed(arguments, begun, task_vars)
        return {**result, **_ended(first, second)}

    def cleanup(self, force: bool = False) -> None:
        """Remove the temporary folder; a host that does not answer is the result's business already."""
        try:
            super().cleanup(force)
        except AnsibleError as error:
            display.vvv(f"host_bridge: could not clean up: {error}", host=self._play_context.remote_addr)

    def _confirmed(
        self, arguments: Mapping[str, Any], begun: Mapping[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Reach the host again and return what the module says there; where that fails, why."""
        give_up = time.monotonic() + begun["timeout"] + _UNDO_S
        time.sleep(_GRACE_S)
        self._hurry()
        said = ""
        while time.monotonic() < give_up:
            self._renew()
            try:
                found = self._execute_module(MODULE, {**arguments, "confirm": begun["token"]}, task_vars=task_vars)
            except AnsibleConnectionFailure as error:
                said = str(error)
            except AnsibleError as error:
                # Of a connection that breaks in the middle, Ansible says many things.
                said = str(error)
            else:
                # A module that was cut off says nothing of its own; one that refuses says why.
                refused = found.get("failed") and "msg" in found and "module_stdout" not in found
                if "rollback" in found or refused:
                    return dict(found)
                said = str(found.get("msg", ""))
            display.vvv(f"host_bridge: the host does not answer yet: {said}", host=self._play_context.remote_addr)
            time.sleep(_BETWEEN_S)
        return {"failed": True, "unreached": said}

    def _hurry(self) -> None:
        """Have ssh notice soon that nobody is at the other end: a session that was begun too early must not hang."""
        options = "-o ServerAliveInterval=3 -o ServerAliveCountMax=3"
        try:
            before = self._connection.get_option("ssh_common_args") or ""
            self._connection.set_option("ssh_common_args", f"{before} {options}".strip())
            self._connection.set_option("timeout", min(int(self._connection.get_option("timeout")), _CONNECT_S))
        except (KeyError, AnsibleError):
            # Another connection, which has no such options.
            return

    def _renew(self) -> None:
        """Drop the connection, which may be one that the change has cut."""
        if self._connection.transport == "local" or not hasattr(self._connection, "reset"):
            return
        try:
            self._connection.reset()
        except AnsibleError as error:
            display.vvv(f"host_bridge: could not drop the old connection: {error}", host=self._play_context.remote_addr)


def _told(found: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a task that looks after a change that another one has begun."""
    outcome = found.get("rollback")
    if outcome is None:
        return dict(found)
    shown = {key: value for key, value in outcome.items() if key != "token"}
    if outcome["outcome"] == "kept":
        return {**found, "changed": True, "rollback": shown}
    msg = f"could not keep the change of {arguments['name']}: {outcome['why']}; {_back(outcome)}"
    return {**found, "rollback": shown, "failed": True, "msg": msg}


def _ended(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first result, completed with how the change ended."""
    name = first["plan"][0]["name"]
    outcome = second.get("rollback")
    if outcome is None:
        why = second.get("msg") or (
            f"could not reach the host again, neither over {name} nor after the time in which it takes the change back by itself; "
            f"look at it from its console, and at /var/lib/virtfleet/bridge/{name}/outcome.json (the last try said: "
            f"{second.get('unreached') or 'nothing'})"
        )
        return {**first, "failed": True, "msg": why, "plan": _rows(first, "failed", why)}
    kept = outcome["outcome"] == "kept"
    shown = {key: value for key, value in outcome.items() if key != "token"}
    done = {**first, "rollback": shown, "bridge": second.get("bridge", first.get("bridge"))}
    if kept:
        return {**done, "plan": _rows(first, "done", None)}
    verb = {"create": "make", "update": "change", "delete": "remove"}[first["plan"][0]["action"]]
    msg = f"could not {verb} {name}: {outcome['why']}; {_back(outcome)}"
    return {**done, "changed": False, "failed": True, "msg": msg, "plan": _rows(first, "failed", outcome["why"])}


def _back(outcome: Mapping[str, Any]) -> str:
    """Say whether everything is as it was."""
    if outcome["restored"]:
        return "the old configuration is back, with every address and route that was there"
    return f"the old configuration is back, but this is still missing: {', '.join(outcome['missing'])}"


def _rows(first: Mapping[str, Any], outcome: str, error: str | None) -> list[dict[str, Any]]:
    return [{**row, "outcome": outcome, "error": error} for row in first["plan"]]
