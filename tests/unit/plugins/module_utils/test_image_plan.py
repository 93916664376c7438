# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans of images: from what was seen and what was said to what is done, or refused, and in which words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils._change import UNKNOWN, Action, Effect, Plan
from ansible_collections.virtfleet.core.plugins.module_utils._errors import Conflict, NotFound, SpecError, Unsupported
from ansible_collections.virtfleet.core.plugins.module_utils._facts import (
    GuestFacts,
    HostFacts,
    ImageFacts,
    PoolFacts,
    SecretFacts,
    Snapshot,
    VolumeFacts,
)
from ansible_collections.virtfleet.core.plugins.module_utils._image.making import Making
from ansible_collections.virtfleet.core.plugins.module_utils._image.plan import bootstrap_record, plan
from ansible_collections.virtfleet.core.plugins.module_utils._image.spec import read_spec

GIB = 1 << 30
HOST = HostFacts("qemu:///system", "qemu", "hv1", "u", "x86_64", 9000000, 7002000, 0, 2)
POOL = PoolFacts("default", "u", "dir", "/pool", "<pool/>", active=True, autostart=True)
HEX, OTHER = 64 * "a", 64 * "b"
HERE = ImageFacts("/pool/web.qcow2", "qcow2", 4 * GIB, 200000)
BASE = ImageFacts("/pool/base.qcow2", "qcow2", 2 * GIB, 200000)


def seen(*images: ImageFacts, pools: tuple[PoolFacts, ...] = (POOL,), guests: tuple[GuestFacts, ...] = ()) -> Snapshot:
    volumes = {
        ("default", image.path[6:]): VolumeFacts("default", image.path[6:], image.path, image.format, 0, 0)
        for image in images
    }
    return Snapshot(
        HOST,
        pools={pool.name: pool for pool in pools},
        volumes=volumes,
        images={image.path: image for image in images},
        guests={guest.name: guest for guest in guests},
    )


def planned(snapshot: Snapshot, **params: Any) -> Plan:
    return plan(read_spec({"name": "web", **params}), snapshot)


def only(result: Plan) -> Action:
    (action,) = result.actions
    assert (action.kind, action.name) == ("image", "web")
    return action


def calls(action: Action) -> list[tuple[str, Mapping[str, Any]]]:
    return [(step.op, step.args) for step in action.steps]


REFRESH = ("refresh_pool", {"name": "default"})


def test_a_blank_image() -> None:
    action = only(planned(seen(), size="4GiB"))
    assert (action.action, action.effect) == ("create", Effect.LIVE)
    wanted = {"path": "/pool/web.qcow2", "format": "qcow2", "size_bytes": 4 * GIB, "replace": False}
    assert calls(action) == [("files.create_image", wanted), REFRESH]


def test_an_inactive_pool_is_not_refreshed() -> None:
    pool = replace(POOL, active=False)
    assert [step.op for step in only(planned(seen(pools=(pool,)), size="1GiB")).steps] == ["files.create_image"]


def test_a_path_in_a_pools_folder_is_listed_by_that_pool() -> None:
    action = only(planned(seen(), path="/pool/x.raw", size="1GiB"))
    assert calls(action)[0][1]["format"] == "raw"
    assert calls(action)[1] == REFRESH
    assert len(only(planned(seen(), path="/elsewhere/x.raw", size="1GiB")).steps) == 1


def test_an_image_of_nothing() -> None:
    with pytest.raises(SpecError, match="a size, a source, a backing image or a bootstrap is needed"):
        planned(seen())


def test_an_import() -> None:
    action = only(planned(seen(), source="https://host/x?token=pw", checksum=f"sha256:{HEX}"))
    op, args = calls(action)[0]
    assert op == "files.import_image"
    assert args == {
        "path": "/pool/web.qcow2",
        "source": "https://host/x?token=pw",
        "format": "qcow2",
        "checksum": f"sha256:{HEX}",
        "size_bytes": None,
        "record": {},
        "replace": False,
    }
    assert "pw" not in action.steps[0].says
    after = {change.path[0]: change.after for change in action.changes}
    assert after["size"] is UNKNOWN
    assert after["source"].startswith("https://host/x?hidden-")


def test_a_download_that_anybody_can_change_is_warned_of() -> None:
    (warning,) = planned(seen(), source="http://host/x").warnings
    assert "without encryption and without a checksum" in warning
    for safe in ({"source": "http://host/x", "checksum": f"sha256:{HEX}"}, {"source": "https://host/x"}):
        assert planned(seen(), **safe).warnings == ()


def test_an_overlay() -> None:
    action = only(planned(seen(BASE), backing="base"))
    op, args = calls(action)[0]
    assert op == "files.create_overlay"
    wanted = {"backing": BASE.path, "backing_format": "qcow2", "size_bytes": None, "replace": False}
    assert args == {"path": "/pool/web.qcow2", **wanted}
    assert {change.path[0]: change.after for change in action.changes}["size"] == 2 * GIB
    with pytest.raises(SpecError, match=r"cannot be smaller \(1GiB\) than /pool/base.qcow2"):
        planned(seen(BASE), backing="base", size="1GiB")
    with pytest.raises(NotFound, match=r"its backing image /pool/base.qcow2 does not exist"):
        planned(seen(), backing="base")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"size": "4GiB"},
        {"format": "qcow2"},
        {"source": "https://host/x"},
        {"source": "https://host/x", "checksum": f"sha256:{HEX}"},
        {"source": "https://mirror/other", "checksum": f"sha256:{HEX.upper()}"},
        {"backing": "/srv/base"},
        {"confirm_data_loss": ["web"], "size": "4GiB"},
    ],
)
def test_nothing_to_do(params: dict[str, Any]) -> None:
    facts = replace(HERE, record={"source": "https://host/x", "sha256": HEX}, backing="/srv/base")
    assert planned(seen(facts), **params) == Plan()


def test_grow() -> None:
    action = only(planned(seen(HERE), size="6GiB"))
    assert (action.action, action.effect) == ("update", Effect.LIVE)
    assert calls(action) == [
        ("files.grow_image", {"path": HERE.path, "format": "qcow2", "size_bytes": 6 * GIB}),
        REFRESH,
    ]


@pytest.mark.parametrize(
    ("state", "live", "refused"),
    [("running", "<domain/>", True), ("paused", "<domain/>", True), ("saved", None, True), ("stopped", None, False)],
)
def test_grow_under_a_guest(state: str, live: str | None, refused: bool) -> None:
    guest = GuestFacts("g1", "u", state, "<domain/>", live)
    snapshot = seen(replace(HERE, guests=("g1",)), guests=(guest,))
    if not refused:
        assert only(planned(snapshot, size="6GiB")).action == "update"
        return
    with pytest.raises(Conflict, match=rf"behind the back of guest g1, which is {state}: .*virtfleet.core.guest"):
        planned(snapshot, size="6GiB")


def test_grow_under_overlays() -> None:
    facts = replace(HERE, overlays=("/pool/over",))
    with pytest.raises(Conflict, match=r"cannot be grown to 6GiB: /pool/over stands on it"):
        planned(seen(facts), size="6GiB")


LOSSES: list[tuple[dict[str, Any], str, str]] = [
    ({"size": "1GiB"}, "files.create_image", r"size 4GiB -> 1GiB: an image cannot be shrunk"),
    ({"format": "raw", "path": "/pool/web.qcow2"}, "files.create_image", "format qcow2 -> raw"),
    ({"source": "https://host/new"}, "files.import_image", "source https://host/x -> https://host/new"),
    (
        {"source": "https://host/x", "checksum": f"sha256:{OTHER}"},
        "files.import_image",
        f"checksum sha256:{HEX} -> sha256:{OTHER}",
    ),
    ({"source": "/x", "checksum": "sha512:" + 128 * "c"}, "files.import_image", "checksum unknown -> sha512:"),
    ({"backing": "base"}, "files.create_overlay", "backing unknown -> /pool/base.qcow2"),
]
RECORDED = replace(HERE, record={"source": "https://host/x", "sha256": HEX})


@pytest.mark.parametrize(("params", "op", "said"), LOSSES)
def test_a_loss_needs_consent(params: dict[str, Any], op: str, said: str) -> None:
    with pytest.raises(Conflict, match=said) as caught:
        planned(seen(RECORDED, BASE), **params)
    assert "add 'web' to confirm_data_loss" in str(caught.value)
    with pytest.raises(Conflict):
        planned(seen(RECORDED, BASE), **params, confirm_data_loss=["other"])
    action = only(planned(seen(RECORDED, BASE), **params, confirm_data_loss=["other", "web"]))
    assert (action.action, action.effect) == ("replace", Effect.DATA_LOSS)
    assert action.steps[0].op == op
    assert action.steps[0].args["replace"] is True


def test_a_blank_image_of_another_format_keeps_its_size() -> None:
    result = planned(seen(HERE), path=HERE.path, format="raw", confirm_data_loss=["web"])
    assert only(result).steps[0].args["size_bytes"] == 4 * GIB


def test_an_unknown_file_is_not_taken_for_the_source() -> None:
    with pytest.raises(Conflict, match="no record says what it was made from; give a checksum"):
        planned(seen(HERE), source="https://host/x")


@pytest.mark.parametrize("params", [*(case[0] for case in LOSSES), {"state": "absent"}])
def test_what_stands_on_an_image_keeps_it(params: dict[str, Any]) -> None:
    consent = {"confirm_data_loss": ["web"]}
    below = replace(RECORDED, overlays=tuple(f"/p/{number}" for number in range(7)), guests=("g1", "g2"))
    with pytest.raises(Conflict, match=r"/p/0, .*/p/4 and 2 more stand on it \(used by guest g1, g2\)"):
        planned(seen(below, BASE), **params, **consent)
    with pytest.raises(Conflict, match="it is a disk of guest g1; take it out of that guest first"):
        planned(seen(replace(RECORDED, guests=("g1",)), BASE), **params, **consent)


def test_absent() -> None:
    assert planned(seen(), state="absent") == Plan()
    assert planned(seen(pools=()), state="absent") == Plan(), "no pool, no image"
    with pytest.raises(Conflict, match=r"image web \(/pool/web.qcow2\) would be removed with all that is in it"):
        planned(seen(HERE), state="absent")
    action = only(planned(seen(HERE), state="absent", confirm_data_loss=["web"]))
    assert (action.action, action.effect) == ("delete", Effect.DATA_LOSS)
    assert calls(action) == [("files.remove_image", {"path": HERE.path}), REFRESH]


def test_a_run_that_was_cut_short_before_the_refresh() -> None:
    snapshot = replace(seen(HERE), volumes={})
    action = only(planned(snapshot, size="4GiB"))
    assert calls(action) == [REFRESH]
    assert planned(replace(snapshot, pools={"default": replace(POOL, active=False)}), size="4GiB") == Plan()


def test_pools_that_cannot_hold_it() -> None:
    with pytest.raises(NotFound, match=r"there is no pool 'p' \(pools here: default\); make it by virtfleet.core.pool"):
        planned(seen(), pool="p", size="1GiB")
    with pytest.raises(Unsupported, match="pool default is of type logical"):
        planned(seen(pools=(replace(POOL, type="logical"),)), size="1GiB")


# images made of packages

SYSTEM = {"suite": "bookworm", "architecture": "amd64", "hostname": "web"}


def of_packages(**params: Any) -> ImageFacts:
    bootstrap = read_spec({"name": "web", "bootstrap": {**SYSTEM, **params}}).bootstrap
    assert bootstrap is not None
    return replace(HERE, record=bootstrap_record(bootstrap))


def test_an_image_of_packages() -> None:
    action = only(planned(seen(), bootstrap=SYSTEM))
    (op, args), refresh = calls(action)
    assert (op, refresh) == ("files.bootstrap_image", REFRESH)
    assert args["size_bytes"] == 4 * GIB
    assert args["bootstrap"].hostname == "web"
    assert len(args["record"]["bootstrap"]) == 64
    assert json.loads(args["record"]["bootstrap_form"]) == SYSTEM
    changes = {".".join(change.path): change.after for change in action.changes}
    assert changes["size"] == 4 * GIB, "nothing is unknown before it is made"
    assert changes["bootstrap.suite"] == "bookworm"
    assert only(planned(seen(), bootstrap=SYSTEM, size="2GiB", format="raw")).steps[0].args["size_bytes"] == 2 * GIB


def test_the_same_packages_are_no_change() -> None:
    assert planned(seen(of_packages()), bootstrap=SYSTEM).actions == ()
    assert only(planned(seen(of_packages()), bootstrap=SYSTEM, size="8GiB")).action == "update"


def test_other_packages_are_a_loss_and_are_named() -> None:
    wish = {**SYSTEM, "hostname": "other", "packages": ["less"], "root_password_hash": "$6$salt$" + 86 * "x"}
    with pytest.raises(Conflict) as refused:
        planned(seen(of_packages(commands=["echo secret-word"])), bootstrap=wish)
    said = str(refused.value)
    assert "bootstrap.hostname web -> other: the image is made anew of its packages" in said
    assert "bootstrap.packages none -> ['less']" in said
    assert "bootstrap.root_password_hash (hidden) -> (hidden)" in said
    assert "bootstrap.commands (hidden) -> (hidden)" in said
    assert "secret-word" not in said and "$6$" not in said
    action = only(planned(seen(of_packages()), bootstrap=wish, confirm_data_loss=["web"]))
    assert (action.action, action.effect) == ("replace", Effect.DATA_LOSS)
    assert action.steps[0].args["replace"] is True
    assert action.steps[0].args["size_bytes"] == 4 * GIB, "it keeps its size"
    secrets = {change.path[-1] for change in action.changes if change.secret}
    assert secrets == {"root_password_hash"}


def test_an_image_of_no_known_packages_is_a_loss() -> None:
    with pytest.raises(Conflict, match="no record says that it was made of packages"):
        planned(seen(HERE), bootstrap=SYSTEM)
    short = {"bootstrap": 64 * "0"}
    with pytest.raises(Conflict, match=f"bootstrap {64 * '0'} -> [0-9a-f]{{64}}: the image is made anew"):
        planned(seen(replace(HERE, record=short)), bootstrap=SYSTEM)
    with pytest.raises(Conflict, match="the image is made anew"):
        planned(seen(replace(HERE, record={**short, "bootstrap_form": "no json"})), bootstrap=SYSTEM)


def test_a_long_form_is_not_recorded() -> None:
    found = of_packages(packages=[f"package-number-{number}" for number in range(300)])
    assert set(found.record) == {"bootstrap"}


PACKED = replace(HERE, record={"source": "/x", "compression": "zlib"}, cluster_bytes=65536, lazy_refcounts=False)


def test_how_the_file_is_made_stands_in_plan_and_record() -> None:
    words = {"compress": True, "compression_type": "zstd", "cluster_size": "128KiB", "lazy_refcounts": True}
    action = only(planned(seen(), source="/x", **words))
    _op, args = calls(action)[0]
    assert args["making"] == Making("zstd", None, 128 << 10, True)
    assert args["record"] == {"compression": "zstd"}
    after = {change.path[0]: change.after for change in action.changes}
    assert after["cluster_size"] == 128 << 10
    assert {name: after[name] for name in ("compress", "compression_type", "lazy_refcounts")} == {
        "compress": True, "compression_type": "zstd", "lazy_refcounts": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    "params",
    [
        {"compress": True},
        {"compress": True, "compression_type": "zlib"},
        {"cluster_size": "64KiB", "lazy_refcounts": False},
        # What was preallocated, the guest may have given back.
        {"preallocation": "falloc"},
        {"preallocation": "off"},
    ],
)
def test_a_file_that_was_made_so(params: dict[str, Any]) -> None:
    assert planned(seen(PACKED), source="/x", **params).actions == ()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"compress": False}, r"compress True -> False: the file is made anew, unpacked"),
        ({"compress": True, "compression_type": "zstd"}, r"compression_type zlib -> zstd: the file is packed anew"),
        ({"cluster_size": "2MiB"}, r"cluster_size 64KiB -> 2MiB: clusters keep their size; the image is made anew"),
    ],
)
def test_a_file_that_was_made_otherwise(params: dict[str, Any], said: str) -> None:
    with pytest.raises(Conflict, match=said):
        planned(seen(PACKED), source="/x", **params)
    action = only(planned(seen(PACKED), source="/x", confirm_data_loss=["web"], **params))
    assert (action.action, action.effect) == ("replace", Effect.DATA_LOSS)
    with pytest.raises(Conflict, match="compress False -> True: only a file that is made anew is packed"):
        planned(seen(replace(PACKED, record={"source": "/x"})), source="/x", compress=True)


def test_lazy_refcounts_of_an_image_that_is_there() -> None:
    action = only(planned(seen(PACKED), lazy_refcounts=True, size="6GiB", preallocation="full"))
    making = Making(None, "full", None, True)
    assert (action.action, action.effect) == ("update", Effect.LIVE)
    assert calls(action) == [
        ("files.amend_image", {"path": HERE.path, "making": making}),
        ("files.grow_image", {"path": HERE.path, "format": "qcow2", "size_bytes": 6 * GIB, "making": making}),
        REFRESH,
    ]
    guest = GuestFacts("g", "u", "running", "<domain/>", "<domain/>")
    held = seen(replace(PACKED, guests=("g",)), guests=(guest,))
    with pytest.raises(Conflict, match="lazy_refcounts cannot be changed while guest g runs or is saved"):
        planned(held, lazy_refcounts=True)
    assert only(planned(seen(replace(PACKED, overlays=("/o",))), lazy_refcounts=True)).effect is Effect.LIVE


SPARSE = replace(PACKED, written_ns=17, record={"source": "/x", "sparse": "17"})


def test_zeros_are_given_back_once_and_after_each_write() -> None:
    step = ("files.sparsify_image", {"path": HERE.path})
    assert planned(seen(SPARSE), sparsify=True).actions == ()
    for there, why in (
        (replace(SPARSE, record={}), "nobody has looked for its zeros"),
        (replace(SPARSE, written_ns=18), "it was written to since its zeros were looked for"),
    ):
        assert planned(seen(there)).actions == planned(seen(there), sparsify=False).actions == ()
        action = only(planned(seen(there), sparsify=True))
        assert (action.action, action.effect, calls(action)) == ("update", Effect.LIVE, [step, REFRESH])
        assert [(change.path, change.why) for change in action.changes] == [(("sparsify",), why)]
    # Whatever else is written is written before.
    grown = only(planned(seen(SPARSE), sparsify=True, size="6GiB"))
    assert [op for op, _args in calls(grown)] == ["files.grow_image", "files.sparsify_image", "refresh_pool"]
    assert [change.path for change in grown.changes] == [("size",)]
    made = only(planned(seen(), source="/x", sparsify=True))
    assert calls(made)[0][1]["making"] == Making(sparsify=True)


def test_zeros_of_an_image_that_cannot_give_them_back() -> None:
    guest = GuestFacts("g", "u", "running", "<domain/>", "<domain/>")
    held = seen(replace(SPARSE, written_ns=18, guests=("g",)), guests=(guest,))
    found = planned(held, sparsify=True)
    assert found.actions == ()
    assert found.warnings == ("image web is not sparsified while guest g runs or is saved; stop it first",)
    assert planned(seen(replace(SPARSE, guests=("g",)), guests=(guest,)), sparsify=True).warnings == ()
    off = replace(guest, state="stopped", live_xml=None)
    assert only(planned(seen(replace(SPARSE, written_ns=18, guests=("g",)), guests=(off,)), sparsify=True)).effect is Effect.LIVE
    with pytest.raises(Unsupported, match="image web: sparsify: it is encrypted"):
        planned(seen(replace(SPARSE, encrypted=True, written_ns=18)), sparsify=True)


def with_secret(snapshot: Snapshot, private: str = "no") -> Snapshot:
    xml = f"<secret ephemeral='no' private='{private}'><usage type='volume'><volume>web-key</volume></usage></secret>"
    return replace(snapshot, secrets={"volume/web-key": SecretFacts("u", "volume", "web-key", xml)})


def test_an_encrypted_image() -> None:
    action = only(planned(seen(), size="1GiB", luks_passphrase="pass word"))
    op, args = calls(action)[0]
    assert (op, args["making"].passphrase) == ("files.create_image", b"pass word")
    assert "pass word" not in repr(action)
    (hidden,) = (change for change in action.changes if change.secret)
    assert (hidden.path, hidden.after) == (("luks_passphrase",), "(hidden)")
    op, args = calls(only(planned(with_secret(seen()), source="/x", luks_secret="web-key")))[0]
    assert op == "with_passphrase" and args["op"] == "import_image" and args["making"] == Making(luks_secret="web-key")


def test_a_secret_that_cannot_be_had() -> None:
    with pytest.raises(NotFound, match="luks_secret: there is no secret 'web-kay' of usage volume"):
        planned(with_secret(seen()), size="1GiB", luks_secret="web-kay")
    with pytest.raises(Conflict, match="the secret web-key is private.* as luks_passphrase"):
        planned(with_secret(seen(), "yes"), size="1GiB", luks_secret="web-key")


def test_an_image_that_is_encrypted() -> None:
    there = replace(PACKED, encrypted=True)
    assert planned(seen(there), luks_passphrase="another").actions == (), "nobody can tell by which it is"
    assert planned(seen(there), size="4GiB").actions == ()
    for change in ({"size": "6GiB"}, {"lazy_refcounts": True}, {"size": "1GiB", "confirm_data_loss": ["web"]}):
        with pytest.raises(Conflict, match="image web is encrypted and cannot be .*; give luks_secret or luks_passphrase"):
            planned(seen(there), **change)
    op, args = calls(only(planned(with_secret(seen(there)), size="6GiB", luks_secret="web-key")))[0]
    assert (op, args["op"], args["size_bytes"]) == ("with_passphrase", "grow_image", 6 * GIB)
    with pytest.raises(Conflict, match=r"luks_passphrase unknown|luks_passphrase \(hidden\) -> \(hidden\): only a file that"):
        planned(seen(PACKED), luks_passphrase="pass word")
    with pytest.raises(Unsupported, match="backing: /pool/base.qcow2 is encrypted"):
        planned(seen(replace(BASE, encrypted=True)), backing="base")
