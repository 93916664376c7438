# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each option would change on a host, and what is said of it."""

from __future__ import annotations

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host import settings
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.seen import AppArmor, Nested, Seen
from ansible_collections.virtfleet.core.plugins.module_utils._kvm_host.settings import MARK, Todo
from ansible_collections.virtfleet.core.plugins.module_utils._machine.finding import Block, File
from ansible_collections.virtfleet.core.plugins.module_utils._machine.seen import Unit
from tests.unit.plugins.module_utils.kvm_host.hosts import MODULAR, MONOLITHIC, READY, finding, host, judged, options

PAGES = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
NESTED = f"# Written by the role {MARK}.\noptions kvm_intel nested=1\n"
BY_HAND = {"systemd": False, "units": {}, "answering": frozenset({"virtlogd", "virtlockd", "libvirtd"})}


def todo(seen: Seen, **said: object) -> Todo:
    return judged(seen, **said).todo


def block(text: str) -> str:
    return f"before\n# BEGIN {MARK}\n{text}# END {MARK}\nafter\n"


def test_a_host_that_is_as_asked_for_has_nothing_to_do() -> None:
    assert todo(host()) == Todo()


# nested


@pytest.mark.parametrize(
    ("seen", "written", "reload", "status"),
    [
        (Nested("kvm_intel", False, 0), True, "kvm_intel", "ok"),
        # A guest is running: the module stays.
        (Nested("kvm_intel", False, 2), True, "", "warn"),
        (Nested("kvm_intel", True, 2), True, "", "ok"),
        (Nested("kvm_intel", None, 0), True, "", "ok"),
        (None, False, "", "warn"),
    ],
)
def test_nested(seen: Nested | None, written: bool, reload: str, status: str) -> None:
    found = todo(host(nested=seen), nested=True)
    assert (found.nested != (), found.reload) == (written, reload)
    assert finding(host(nested=seen), "nested", nested=True).status == status


def test_nested_is_written_once_and_left_alone_when_not_asked_for() -> None:
    there = host(nested=Nested("kvm_intel", True, 0), files={settings.NESTED_FILE: NESTED})
    assert todo(there, nested=True).nested == ()
    off = File(settings.NESTED_FILE, NESTED.replace("nested=1", "nested=0"))
    assert todo(there, nested=False).nested == (off,)
    assert todo(there, nested=False).reload == "kvm_intel"
    assert todo(there) == Todo()


# huge pages


def test_hugepages_now_and_after_a_start() -> None:
    found = todo(host(), hugepages={"2MiB": 512})
    assert found.pages == {PAGES: 512}
    assert found.hugepages[0].content.endswith(f"w {PAGES} - - - - 512\n")
    done = host(hugepages={2048: 512, 1048576: 0}, files={settings.HUGEPAGES_FILE: found.hugepages[0].content})
    assert todo(done, hugepages={"2MiB": "512"}) == Todo()
    assert finding(done, "hugepages", hugepages={"2MiB": 512}).status == "ok"
    # Written, tried, and the kernel had not so many: that is to be known.
    less = host(hugepages={2048: 300}, files={settings.HUGEPAGES_FILE: found.hugepages[0].content})
    assert finding(less, "hugepages", hugepages={"2MiB": 512}).status == "warn"
    assert "300 of 512" in finding(less, "hugepages", hugepages={"2MiB": 512}).found
    # About to be tried for the first time: no news.
    assert finding(host(), "hugepages", hugepages={"2MiB": 512}).status == "ok"


def test_hugepages_of_a_gibibyte_need_the_command_line() -> None:
    found = finding(host(), "hugepages", hugepages={"1GiB": 4})
    assert found.status == "warn" and "hugepagesz=1G hugepages=4" in found.advice
    assert todo(host(), hugepages={"1GiB": 4}) == Todo()
    assert finding(host(hugepages={1048576: 4}), "hugepages", hugepages={"1GiB": 4}).status == "ok"


def test_hugepages_that_the_kernel_does_not_have_are_refused() -> None:
    found = judged(host(), hugepages={"16KiB": 4}).refusals
    assert len(found) == 1 and "no pages of 16KiB" in found[0] and "2MiB, 1GiB" in found[0]


@pytest.mark.parametrize("given", [{"2": 1}, {"2MiB": "many"}, {"2MiB": -1}, {"1B": 1}])
def test_hugepages_that_make_no_sense(given: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="hugepages"):
        options(hugepages=given)


# users


def test_users() -> None:
    seen = host(users=frozenset({"anna", "otto"}), members=frozenset({"anna"}))
    assert todo(seen, users=["anna", "otto"]).users == ("otto",)
    assert judged(seen, users=["anna", "eve"]).refusals == (
        "the host has no user eve; make them first, or take them out of kvm_host_users",
    )


# AppArmor

OUTSIDE = [{"name": "fast", "path": "/data/fast"}]
RULES = '  "/data/fast/" r,\n  "/data/fast/**" r,\n'


@pytest.mark.parametrize(
    ("drop_in", "path"), [(True, settings.GUESTS_DROP_IN), (False, settings.GUESTS_LOCAL)]
)  # fmt: skip
def test_pools_in_other_places_are_told_to_apparmor(drop_in: bool, path: str) -> None:
    seen = host(apparmor=AppArmor(helper=True, drop_in=drop_in))
    assert todo(seen, pools=OUTSIDE).apparmor == (Block(settings.HELPER_LOCAL, RULES),)
    anyone = [{**OUTSIDE[0], "any_guest": True}]
    assert todo(seen, pools=anyone).apparmor == (
        Block(settings.HELPER_LOCAL, RULES), Block(path, '  "/data/fast/**" rwk,\n'),
    )  # fmt: skip
    done = {settings.HELPER_LOCAL: block(RULES), path: None}
    assert todo(host(apparmor=seen.apparmor, files=done), pools=OUTSIDE).apparmor == ()
    # No longer asked for.
    assert todo(host(apparmor=seen.apparmor, files=done)).apparmor == (Block(settings.HELPER_LOCAL, ""),)


def test_what_apparmor_knows_already_is_not_told() -> None:
    on = AppArmor(helper=True, drop_in=True)
    inside = [{"name": "default"}, {"name": "deep", "path": "/var/lib/libvirt/images/deep/"}]
    assert todo(host(apparmor=on), pools=inside).apparmor == ()
    assert todo(host(apparmor=None), pools=OUTSIDE).apparmor == ()
    # An existing pool counts with the place that it has.
    assert todo(host(apparmor=on, pools={"fast": "/data/fast"}), pools=[{"name": "fast"}]).apparmor != ()


@pytest.mark.parametrize("path", ["fast", "/", "/data/../etc", '/da"ta', "/data/*", "/data/{a,b}", "/da\nta"])
def test_a_path_that_would_mean_more_than_itself_is_refused(path: str) -> None:
    with pytest.raises(SpecError, match=r"pools\.fast\.path"):
        options(pools=[{"name": "fast", "path": path}])


def test_a_pool_is_there_once() -> None:
    with pytest.raises(SpecError, match="twice"):
        options(pools=[{"name": "a"}, {"name": "a"}])


# pools


def test_a_pool_stays_where_it_is() -> None:
    wanted = [{"name": "default"}, {"name": "kept"}, {"name": "new", "path": "/data/new"}]
    seen = host(pools={"kept": "/old/place"})
    found = judged(seen, pools=wanted)
    assert [dict(pool) for pool in found.pools] == [
        {"name": "default", "path": "/var/lib/libvirt/images"},
        {"name": "kept", "path": None},
        {"name": "new", "path": "/data/new"},
    ]
    assert judged(host(), pools=[{"name": "kept"}]).refusals == ("the pool kept does not exist; give it a path",)


def test_no_second_pool_is_made_in_one_place() -> None:
    seen = host(pools={"images": "/var/lib/libvirt/images/"})
    found = judged(seen, pools=[{"name": "default"}])
    assert (found.pools, found.record) == ((), {})
    assert "the pool images has" in finding(seen, "pools", pools=[{"name": "default"}]).found
    # Said out loud it is tried, and libvirt says what it thinks of it.
    assert judged(seen, pools=[{"name": "default", "path": "/var/lib/libvirt/images"}]).pools != ()


# clients from other hosts

TLS = {"ca": "aa", "cert": "bb", "key": "cc"}


def test_tls_under_systemd() -> None:
    found = todo(host(), remote="tls", tls=TLS)
    assert (found.certificates, found.open, found.shut) == (("ca", "cert", "key"), ("libvirtd-tls.socket",), ())
    assert todo(host(units=MODULAR), remote="tls", tls=TLS).open == ("virtproxyd-tls.socket",)
    done = host(units={**MONOLITHIC, "libvirtd-tls.socket": READY}, pki=TLS, tls="", listening=frozenset({16514}))
    assert todo(done, remote="tls", tls=TLS) == Todo()
    assert finding(done, "tls", remote="tls", tls=TLS).status == "ok"
    for name in ("ca", "cert", "key"):
        assert todo(done, remote="tls", tls={**TLS, name: "dd"}).certificates == (name,)


def test_who_may_come_by_tls() -> None:
    found = todo(host(), remote="tls", tls=TLS, tls_allowed=["CN=a,O=b", "CN=c"])
    assert found.conf == (Block("/etc/libvirt/libvirtd.conf", 'tls_allowed_dn_list = ["CN=a,O=b", "CN=c"]\n'),)
    found = todo(host(units=MODULAR), remote="tls", tls=TLS, tls_allowed=["CN=c"])
    assert found.conf[0].path == "/etc/libvirt/virtproxyd.conf"
    with pytest.raises(SpecError, match="tls_allowed"):
        options(tls_allowed=["CN=c"])
    with pytest.raises(SpecError, match="quote"):
        options(remote="tls", tls_allowed=['CN="c"'])


def test_certificates_must_be_given_or_be_there() -> None:
    found = judged(host(pki={"ca": "aa"}), remote="tls", tls={"cert": "bb"}).refusals
    assert len(found) == 1 and "/etc/pki/libvirt/private/serverkey.pem is not there" in found[0]
    assert judged(host(pki=TLS), remote="tls").refusals == ()


def test_certificates_that_do_not_work_are_refused() -> None:
    bad = host(pki=TLS, pki_problem="key values mismatch")
    assert "would not start with the certificates: key values mismatch" in judged(bad, remote="tls").refusals[0]
    # Others are on their way; and once they lie ready, they are what counts.
    new = {**TLS, "key": "dd"}
    assert judged(bad, remote="tls", tls=new).refusals == ()
    ready = host(pki=TLS, fresh=frozenset({"key"}), pki_problem="key values mismatch")
    assert judged(ready, remote="tls", tls=new).refusals != ()
    assert todo(ready, remote="tls", tls=new).certificates == ("key",)


def test_tls_without_systemd() -> None:
    lines = Block("/etc/libvirt/libvirtd.conf", "listen_tls = 1\nlisten_tcp = 0\n")
    found = todo(host(**BY_HAND), remote="tls", tls=TLS)
    assert (found.conf, found.listen, found.open) == ((lines,), True, ())
    files = {lines.path: block(lines.text)}
    done = host(**BY_HAND, pki=TLS, files=files, listening=frozenset({16514}), tls="")
    assert todo(done, remote="tls", tls=TLS) == Todo()
    # Asked for no longer: the port is closed, and the lines go.
    ours = host(**BY_HAND, pki=TLS, files=files, listening=frozenset({16514}), record={"remote": ["tls"]})
    found = todo(ours)
    assert (found.listen, found.conf) == (True, (Block(lines.path, ""),))


def test_plain_tcp_is_said_to_be_plain() -> None:
    found = todo(host(), remote="lab-tcp")
    assert found.open == ("libvirtd-tcp.socket",)
    assert found.conf == (Block("/etc/libvirt/libvirtd.conf", 'auth_tcp = "none"\n'),)
    assert "root here, without a password" in finding(host(), "remote", remote="lab-tcp").found


def test_only_what_the_role_has_opened_is_closed() -> None:
    units = {**MONOLITHIC, "libvirtd-tls.socket": READY, "libvirtd-tcp.socket": READY}
    listening = frozenset({16509, 16514})
    assert todo(host(units=units, listening=listening)).shut == ()
    assert "which the role did not do" in finding(host(units=units, listening=listening), "remote").found
    record = {"remote": ["lab-tcp", "tls"]}
    assert todo(host(units=units, record=record)).shut == ("libvirtd-tcp.socket", "libvirtd-tls.socket")
    assert todo(host(units=units, record=record, pki=TLS), remote="tls").shut == ("libvirtd-tcp.socket",)
    off = {**units, "libvirtd-tls.socket": Unit("disabled", "inactive"), "libvirtd-tcp.socket": Unit("disabled", "inactive")}
    assert todo(host(units=off, record=record)).shut == ()


def test_a_device_that_is_closed_is_opened_where_no_udev_does_it() -> None:
    assert todo(host(kvm_closed=True, **BY_HAND)).device is True
    assert todo(host(kvm_closed=True)).device is False
