# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any command for a guest's QEMU agent, over libvirt.

What the agent answers is the guest's own word, so its refusals are not looked up among libvirt's sayings: a guest
could choose the advice that its owner reads.
"""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from . import _libvirt_errors as errors
from ._errors import Conflict, HostError, SpecError, Timeout, Unsupported
from ._libvirt_base import Base
from ._libvirt_calls import Late, code_of, side_by_side, within

_INTERNAL_ERROR = 1
# ARGUMENT_UNSUPPORTED: the guest has no agent channel. UNRESPONSIVE: nobody listens behind it. UNSYNCED: it hangs.
_NO_CHANNEL, _SILENT = 74, frozenset({86, 97})
# libvirt loses its place in a message that does not fit into the agent's socket at once (its qemuAgentIOWrite), whose
# buffer has 208 KiB by default: the agent would read garbage and fall silent.
_MESSAGE_LIMIT = 160 * 1024
# libvirt gives up by itself after the seconds that it is told; a hung daemon does not.
_GRACE = 10.0


class AgentCommands(Base):
    """The part of the hypervisor that speaks with agents in full."""

    def agent_command(self, name: str, command: Mapping[str, Any], timeout: float) -> Any:
        """Send one command to a running guest's agent; return what stands under ``return`` in its answer.

        ``command`` is as the agent's protocol has it: ``{"execute": name, "arguments": {...}}``. Nothing of the
        answer was checked but that it is JSON. Raises Timeout when the agent is silent for ``timeout`` seconds,
        Conflict when the guest does not run, Unsupported when it has no agent channel, HostError when the agent
        refuses.
        """
        doing = f"run {command.get('execute')} by the agent of"
        if self._readonly:
            raise Unsupported(f"could not {doing} guest {name}: this connection only reads; use one that may write")
        text, seconds = json.dumps(command, ensure_ascii=False), max(1, round(timeout))
        if len(text.encode("utf-8", "surrogateescape")) > _MESSAGE_LIMIT:
            raise SpecError(
                f"could not {doing} guest {name}: this command has more than {_MESSAGE_LIMIT} bytes, which libvirt "
                "cannot pass; send it as a file or by standard input"
            )
        domain = self._guest(name)
        try:
            answer = within(
                seconds + _GRACE,
                lambda: self._call.raw("guest", name, self._qemu.qemuAgentCommand, domain, text, seconds, 0),
            )
        except Late:
            raise self._silent(name, "libvirt itself did not answer") from None
        except self._call.error as error:
            raise self._agent_error(error, doing, name) from error
        try:
            return json.loads(answer)["return"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise HostError(f"could not {doing} guest {name}: its answer is no answer of a QEMU agent") from None

    def agent_answers(
        self, names: Sequence[str], commands: Sequence[str], timeout: float
    ) -> Mapping[str, Mapping[str, Any]]:
        with self._writing() as connection:

            def ask(name: str) -> Mapping[str, Any]:
                found: dict[str, Any] = {}
                for command in commands:
                    answer = self._asked(connection, name, command, timeout)
                    if answer is None:
                        break
                    if "return" in answer:
                        found[command] = answer["return"]
                return found

            return dict(zip(names, side_by_side(ask, names)))

    def _asked(self, connection: Any, name: str, command: str, timeout: float) -> Mapping[str, Any] | None:
        """Return an agent's answer, nothing in it where it refuses, and None when it need not be asked again."""
        seconds, text = max(1, round(timeout)), json.dumps({"execute": command})

        def call() -> Any:
            return self._qemu.qemuAgentCommand(connection.lookupByName(name), text, seconds, 0)

        try:
            answer = json.loads(within(seconds + _GRACE, lambda: self._call.raw("guest", name, call)))
        except Late:
            return None
        except self._call.error as error:
            # An agent that is too old for a command, or is forbidden it, tells the others.
            return {} if code_of(error) == _INTERNAL_ERROR else None
        except (ValueError, RecursionError):
            return {}
        return answer if isinstance(answer, Mapping) else {}

    def _agent_error(self, error: Any, doing: str, name: str) -> Exception:
        code, said = code_of(error), errors.clean(str(error))
        if code in _SILENT:
            return self._silent(name, said)
        if code == _NO_CHANNEL:
            return Unsupported(
                f"could not {doing} guest {name}: {said}; give the guest an agent channel (`agent: true`), and start "
                "it cold"
            )
        if code == errors.OPERATION_INVALID:
            return Conflict(f"could not {doing} guest {name}: {said}; start the guest first")
        if code == _INTERNAL_ERROR:
            return HostError(f"could not {doing} guest {name}: {said}")
        return self._call.translated(error, doing, "guest", name)

    @staticmethod
    def _silent(name: str, said: str) -> Timeout:
        return Timeout(
            f"the agent of guest {name} does not answer ({said}): wait until the guest has booted, and see that "
            "qemu-guest-agent is installed and runs in it"
        )
