# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gather, plan and apply of images: the real files of this host under the fake hypervisor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._apply import Ports, apply
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, HostError, SpecError, Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._image.gather import gather, local_files, resolve
from ansible_collections.virtfleet.core.plugins.module_utils._image.plan import plan
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import read_spec
from tests.contract.fake import FakeHypervisor
from tests.unit.plugins.module_utils.image_tools import MIB, qemu_img, run_command, written


class CountingFiles(LocalFiles):
    """Counts what reads whole files."""

    def __init__(self) -> None:
        super().__init__(run_command, lock_timeout=5)
        self.read: list[str] = []

    def file_checksum(self, path: str, algorithm: str) -> str:
        self.read.append(path)
        return super().file_checksum(path, algorithm)


@pytest.fixture
def ports(tmp_path: Path) -> Ports:
    return Ports(FakeHypervisor(), CountingFiles())


def image(folder: Path, **params: Any) -> Mapping[str, Any]:
    return {"path": str(folder / "image"), **params}


def planned(ports: Ports, params: Mapping[str, Any]) -> Plan:
    spec = resolve(ports.files, read_spec(params), "x86_64")
    return plan(spec, gather(ports.hypervisor, ports.files, spec))


def converged(ports: Ports, params: Mapping[str, Any]) -> Plan:
    """Plan, apply, and hold that nothing is left to do."""
    made = planned(ports, params)
    assert [outcome.error for outcome in apply(made, ports)] == [None] * len(made.actions)
    assert planned(ports, params).actions == ()
    return made


def test_a_remote_hypervisor_is_refused() -> None:
    with pytest.raises(Unsupported, match="which a remote uri does not reach; run the task on the hypervisor itself"):
        local_files(FakeHypervisor(remote=True), LocalFiles(run_command), "image x")
    with pytest.raises(Unsupported):
        local_files(FakeHypervisor(), None, "image x")


def test_from_nothing_and_back(ports: Ports, tmp_path: Path) -> None:
    converged(ports, image(tmp_path, size="4MiB"))
    converged(ports, image(tmp_path, size="8MiB"))
    consent = {"confirm_data_loss": ["image"]}
    for params in ({"size": "2MiB"}, {"format": "raw"}, {"state": "absent"}):
        with pytest.raises(Conflict):
            planned(ports, image(tmp_path, **params))
        assert converged(ports, image(tmp_path, **params, **consent)).effect is Effect.DATA_LOSS
    assert not (tmp_path / "image").exists()


def test_a_record_spares_the_reading(ports: Ports, tmp_path: Path) -> None:
    source = written(tmp_path / "source", (0, b"\x01" * MIB))
    (tmp_path / "sums").write_text(f"{ports.files.file_checksum(str(source), 'sha256')[7:]}  source\n")
    params = image(tmp_path, source=str(source), checksum=f"sha256:{tmp_path}/sums", format="raw")
    files = ports.files
    assert isinstance(files, CountingFiles)
    files.read.clear()
    converged(ports, params)
    assert files.read == []
    # Where the record is lost, the file itself answers.
    (tmp_path / "copy").write_bytes((tmp_path / "image").read_bytes())
    (tmp_path / "copy").replace(tmp_path / "image")
    assert planned(ports, params).actions == ()
    assert files.read == [str(tmp_path / "image")]


def test_a_source_that_does_not_fit(ports: Ports, tmp_path: Path) -> None:
    source = written(tmp_path / "source", (0, b"\x01" * MIB))
    made = planned(ports, image(tmp_path, source=str(source), size="512KiB"))
    (outcome,) = apply(made, ports)
    assert outcome.outcome == "failed"
    assert "holds a disk of 1MiB, and an image is never shrunk" in str(outcome.error)
    assert not (tmp_path / "image").exists()


def test_what_stands_on_it_is_only_looked_for_when_it_matters(
    ports: Ports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converged(ports, image(tmp_path, size="1MiB"))

    def guests(*_args: object) -> Mapping[str, Any]:
        raise HostError("asked for all guests")

    monkeypatch.setattr(ports.hypervisor, "guests", guests)
    assert planned(ports, image(tmp_path, size="1MiB")).actions == ()
    with pytest.raises(HostError, match="asked for all guests"):
        planned(ports, image(tmp_path, size="2MiB"))


WISHES = st.fixed_dictionaries(
    {},
    optional={
        "size": st.sampled_from(["64KiB", "1MiB", "1000000B", "3MB"]),
        "format": st.sampled_from(["raw", "qcow2"]),
        "source": st.sampled_from(["small", "large"]),
        "backing": st.just("base"),
        "state": st.sampled_from(["present", "absent"]),
    },
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wishes=st.lists(WISHES, min_size=1, max_size=4))
def test_whatever_was_there_a_second_run_has_nothing_to_do(
    ports: Ports, tmp_path: Path, wishes: list[dict[str, str]]
) -> None:
    for name, size in (("small", MIB), ("large", 2 * MIB)):
        written(tmp_path / name, (0, b"\x01"), (size - 1, b"\x01"))
    if not (tmp_path / "base").exists():
        qemu_img("create", "-f", "qcow2", tmp_path / "base", "512k")
    (tmp_path / "image").unlink(missing_ok=True)
    for wish in wishes:
        params = image(tmp_path, confirm_data_loss=["image"], **wish)
        for option in ("source", "backing"):
            if option in wish:
                params = {**params, option: str(tmp_path / wish[option])}
        before = (tmp_path / "image").read_bytes() if (tmp_path / "image").exists() else None
        try:
            made = planned(ports, params)
        except (SpecError, Conflict):
            continue
        outcomes = apply(made, ports)
        if all(outcome.error is None for outcome in outcomes):
            assert planned(ports, params).actions == ()
        else:
            after = (tmp_path / "image").read_bytes() if (tmp_path / "image").exists() else None
            assert after == before, "what could not be made left what was there"
