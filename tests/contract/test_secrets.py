# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of secrets, over each place that has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._errors import NotFound, SpecError, VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt import Libvirt
from ansible_collections.virtfleet.core.plugins.module_utils._libvirt_calls import DEBUG
from ansible_collections.virtfleet.core.plugins.module_utils._ports import Hypervisor
from tests.contract.definitions import tree
from tests.contract.places import Place, unix_uri
from tests.lab import Host

ONE = "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b11"
VALUE = b"s3cret\0\xff-value"


def secret(usage_id: str, uuid: str = ONE, kind: str = "ceph", tag: str = "name", **flags: str) -> str:
    words = " ".join(f"{name}='{value}'" for name, value in flags.items())
    usage = f"<usage type='{kind}'><{tag}>{usage_id}</{tag}></usage>"
    return f"<secret {words}><uuid>{uuid}</uuid>{usage}</secret>"


def test_a_driver_without_secrets_has_none(place: Place, hypervisor: Hypervisor) -> None:
    assert hypervisor.secrets() == {}
    if not place.whole:
        assert place.hypervisor.nwfilters() == {}


@pytest.mark.usefixtures("networked")
def test_define_fill_read_undefine(hypervisor: Hypervisor) -> None:
    hypervisor.define_secret(secret("client.a"))
    ((key, found),) = hypervisor.secrets().items()
    assert (key, found.uuid, found.usage, found.usage_id, found.value) == (
        "ceph/client.a", ONE, "ceph", "client.a", None,
    )  # fmt: skip
    assert (tree(found.xml).get("ephemeral"), tree(found.xml).get("private")) == ("no", "no")
    assert hypervisor.secret_value(ONE) is None
    for _again in range(2):
        hypervisor.set_secret_value(ONE, VALUE)
        assert hypervisor.secret_value(ONE) == VALUE
    hypervisor.define_secret(found.xml.replace("ephemeral='no'", "ephemeral='yes'").replace('"no"', '"yes"', 1))
    assert hypervisor.secret_value(ONE) == VALUE, "what it holds stays"
    assert VALUE.hex() not in repr(hypervisor.secrets())
    for _again in range(2):
        hypervisor.undefine_secret(ONE)
        assert hypervisor.secrets() == {}
    assert hypervisor.secret_value(ONE) is None
    with pytest.raises(NotFound, match=f"secret {ONE}"):
        hypervisor.set_secret_value(ONE, VALUE)


@pytest.mark.usefixtures("networked")
@pytest.mark.parametrize(
    ("kind", "tag"), [("volume", "volume"), ("ceph", "name"), ("iscsi", "target"), ("tls", "name"), ("vtpm", "name")]
)
def test_each_usage(hypervisor: Hypervisor, kind: str, tag: str) -> None:
    hypervisor.define_secret(secret("a b", kind=kind, tag=tag))
    assert list(hypervisor.secrets()) == [f"{kind}/a b"]


@pytest.mark.usefixtures("networked")
def test_a_secret_without_a_use(hypervisor: Hypervisor) -> None:
    hypervisor.define_secret(f"<secret><uuid>{ONE}</uuid></secret>")
    assert list(hypervisor.secrets()) == [f"none/{ONE}"]


@pytest.mark.usefixtures("networked")
def test_a_private_secret_is_silent_and_stays_private(hypervisor: Hypervisor) -> None:
    hypervisor.define_secret(secret("client.a"))
    hypervisor.set_secret_value(ONE, VALUE)
    hypervisor.define_secret(secret("client.a", private="yes"))
    assert hypervisor.secret_value(ONE) is None
    with pytest.raises(VirtError, match="cannot change private flag"):
        hypervisor.define_secret(secret("client.a", private="no"))


@pytest.mark.usefixtures("networked")
def test_what_a_secret_is_for_is_what_it_is(hypervisor: Hypervisor) -> None:
    hypervisor.define_secret(secret("client.a"))
    other = "6f0d4f57-9d4e-4b3a-8a68-2f7c0f1e9b12"
    with pytest.raises(VirtError, match=r"secret client.a.*already defined"):
        hypervisor.define_secret(secret("client.a", uuid=other))
    with pytest.raises(VirtError, match=r"secret client.b.*already defined"):
        hypervisor.define_secret(secret("client.b"))
    with pytest.raises(SpecError, match="could not define secret"):
        hypervisor.define_secret("<secret>")


def test_a_value_is_in_no_trace(lab_host_factory: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = lab_host_factory("connection")  # type: ignore[operator]
    assert isinstance(host, Host)
    trace = tmp_path / "trace"
    monkeypatch.setenv(DEBUG, str(trace))
    hypervisor = Libvirt.connect(unix_uri(host.uri))
    try:
        hypervisor.define_secret(secret("traced"))
        hypervisor.set_secret_value(ONE, b"hunter2-in-a-trace")
        assert hypervisor.secret_value(ONE) == b"hunter2-in-a-trace"
    finally:
        hypervisor.undefine_secret(ONE)
        hypervisor.close()
    text = trace.read_text()
    assert re.search(rf"virSecret.setValue secret '{ONE}' ok", text) and "hunter2" not in text


def test_a_connection_that_only_reads_gets_no_value(lab_host_factory: object) -> None:
    host = lab_host_factory("connection")  # type: ignore[operator]
    assert isinstance(host, Host)
    writing = Libvirt.connect(unix_uri(host.uri))
    writing.define_secret(secret("read"))
    writing.set_secret_value(ONE, VALUE)
    reading = Libvirt.connect(unix_uri(host.uri).replace("libvirt-sock", "libvirt-sock-ro"), readonly=True)
    try:
        assert list(reading.secrets()) == ["ceph/read"]
        assert reading.secret_value(ONE) is None
    finally:
        reading.close()
        writing.undefine_secret(ONE)
        writing.close()
