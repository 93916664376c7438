# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which daemons a host runs is told by what is there, under systemd and without it."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.seen import Seen
from ansible_collections.virtfleet.core.plugins.module_utils._machine.daemons import HELPERS, judge, remote_units
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import Unit
from tests.unit.plugins.module_utils.kvm_host.hosts import MODULAR, MONOLITHIC, OFF, READY, host

BY_HAND = {"systemd": False, "units": {}}


def both(libvirtd: Unit, virtqemud: Unit) -> Seen:
    """Return a host on which both kinds are installed."""
    return host(units={**MODULAR, **MONOLITHIC, "libvirtd.socket": libvirtd, "virtqemud.socket": virtqemud})


def test_one_daemon_does_it_all() -> None:
    found = judge(host())
    assert (found.kind, found.units, found.problem, found.front) == ("monolithic", (), None, "libvirtd")
    assert found.services == ("libvirtd",)


def test_many_daemons_do_it() -> None:
    found = judge(host(units=MODULAR))
    assert (found.kind, found.units, found.problem, found.front) == ("modular", (), None, "virtproxyd")
    assert "virtqemud" in found.services
    assert not set(HELPERS) & set(found.services)


def test_nothing_is_installed() -> None:
    assert judge(host(units={"docker.service": READY})).kind is None
    assert judge(host(programs=frozenset(), **BY_HAND)).kind is None


def test_a_socket_that_does_not_listen_now_and_later_is_wanted() -> None:
    units = {**MONOLITHIC, "virtlockd.socket": Unit("enabled", "inactive"), "libvirtd.socket": Unit("disabled", "active")}
    assert judge(host(units=units)).units == ("virtlockd.socket", "libvirtd.socket")


def test_readers_have_a_socket_of_their_own() -> None:
    units = {**MODULAR, "virtqemud-ro.socket": Unit("enabled", "inactive"), "virtproxyd-ro.socket": READY}
    assert judge(host(units=units)).units == ("virtqemud-ro.socket",)


@pytest.mark.parametrize(
    ("libvirtd", "virtqemud", "kind"),
    [
        (READY, OFF, "monolithic"),
        (OFF, READY, "modular"),
        # Shipped both, asked for neither.
        (OFF, OFF, "modular"),
        (Unit("disabled", "active"), OFF, "monolithic"),
    ],
)
def test_where_both_are_installed_the_one_in_use_counts(libvirtd: Unit, virtqemud: Unit, kind: str) -> None:
    found = judge(both(libvirtd, virtqemud))
    assert (found.kind, found.problem) == (kind, None)


def test_a_switch_that_stopped_halfway_is_a_problem() -> None:
    found = judge(both(READY, READY))
    assert found.kind is None
    assert found.problem is not None and "both in use" in found.problem and "disable --now libvirtd.socket" in found.problem
    # A service that runs without its socket is in use as well.
    half = judge(host(units={**MODULAR, "libvirtd.socket": OFF, "libvirtd.service": Unit("disabled", "active")}))
    assert half.problem is not None


def test_a_masked_socket_is_a_problem() -> None:
    found = judge(host(units={**MONOLITHIC, "libvirtd.socket": Unit("masked", "inactive")}))
    assert found.problem == "libvirtd.socket is masked: `systemctl unmask libvirtd.socket`"


def test_without_systemd_those_that_are_silent_are_started_in_order() -> None:
    found = judge(host(answering=frozenset({"virtlogd"}), **BY_HAND))
    assert (found.kind, found.start, found.units) == ("monolithic", ("virtlockd", "libvirtd"), ())
    programs = frozenset(name.removesuffix(".socket") for name in MODULAR)
    found = judge(host(programs=programs, **BY_HAND))
    assert found.kind == "modular"
    assert found.start[:2] == HELPERS
    assert found.start.index("virtnetworkd") < found.start.index("virtqemud") < found.start.index("virtproxyd")


def test_without_systemd_both_kinds_at_once_are_a_problem() -> None:
    programs = frozenset({"libvirtd", "virtqemud"})
    assert judge(host(programs=programs, answering=programs, **BY_HAND)).problem is not None
    assert judge(host(programs=programs, answering=frozenset({"libvirtd"}), **BY_HAND)).kind == "monolithic"


def test_remote_clients_come_in_by_the_front() -> None:
    assert remote_units(judge(host()), "tls") == ("libvirtd-tls.socket",)
    assert remote_units(judge(host(units=MODULAR)), "lab-tcp") == ("virtproxyd-tcp.socket",)
    assert remote_units(judge(host()), "ssh") == ()
