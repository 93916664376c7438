# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules image and image_info on a real libvirtd: x (check), x, x (again), x with another option."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.integration.images import MIB, Web, bad, failures, seen, tried, volumes
from tests.integration.playing import Player, Results, assert_idiom, idiom, task
from tests.lab import Host


def test_blank(play: Player, furnished: Host, pool: Path, name: str) -> None:
    path = pool / f"{name}.qcow2"
    results = play(
        [
            *idiom("image", "make", name=name, size="8MiB", format="qcow2"),
            *idiom("image", "grow", name=name, size="16MiB"),
        ],
        "--diff",
    )
    made, grown = assert_idiom(results, "make"), assert_idiom(results, "grow")
    assert made["plan"][0]["action"] == "create"
    assert made["image"] == {
        "name": name, "state": "present", "path": str(path), "pool": "default", "format": "qcow2", "size": "8MiB",
        "virtual_bytes": 8 * MIB, "actual_bytes": made["image"]["actual_bytes"], "backing": None,
        "backing_format": None, "encrypted": False, "record": {},
    }  # fmt: skip
    assert grown.changes("image", name)["size"] == {
        "path": "size", "before": "8MiB", "after": "16MiB", "effect": "live"
    }  # fmt: skip
    assert grown["diff"][0]["after"] == "size: 16MiB    # live\n"
    assert f"{name}.qcow2" in volumes(furnished), "libvirt sees it"
    assert seen(path)["virtual-size"] == 16 * MIB
    removal = idiom("image", "remove", name=name, state="absent", confirm_data_loss=[name])
    assert assert_idiom(play(removal), "remove")["image"] == {"name": name, "state": "absent"}
    assert not path.exists()
    assert f"{name}.qcow2" not in volumes(furnished)


def test_a_loss_needs_consent(play: Player, pool: Path, name: str) -> None:
    path = pool / f"{name}.qcow2"
    play([task("make", "image", name=name, size="8MiB")])
    subprocess.run(["qemu-io", "-c", "write -P 7 0 4096", path], check=True, capture_output=True)
    before = path.read_bytes()
    results = tried(
        play,
        bad("shrink (check)", "image", check=True, name=name, size="4MiB"),
        bad("shrink", "image", name=name, size="4MiB"),
        bad("remove (check)", "image", check=True, name=name, state="absent"),
        bad("remove", "image", name=name, state="absent"),
    )
    said = failures(results)
    assert said[0] == said[1] and said[2] == said[3]
    assert "size 8MiB -> 4MiB: an image cannot be shrunk" in said[0]
    assert f"add '{name}' to confirm_data_loss" in said[0]
    assert "would be removed with all that is in it" in said[2]
    assert path.read_bytes() == before
    shrunk = assert_idiom(play(idiom("image", "shrink", name=name, size="4MiB", confirm_data_loss=[name])), "shrink")
    assert shrunk["plan"][0]["effect"] == "data_loss"
    assert seen(path)["virtual-size"] == 4 * MIB


def test_at_a_path(play: Player, furnished: Host, name: str) -> None:
    path = furnished.folder / f"{name} $HOME.raw"
    made = assert_idiom(play(idiom("image", "make", path=str(path), size="1MiB")), "make")
    assert (made["image"]["name"], made["image"]["pool"], made["image"]["format"]) == (path.name, None, "raw")
    assert path.stat().st_size == MIB


def test_import_from_a_file(play: Player, furnished: Host, pool: Path, name: str) -> None:
    source, other, moved = (furnished.folder / f"{name}.{kind}" for kind in ("source", "other", "moved"))
    source.write_bytes(b"\x01" + os.urandom(MIB - 1))
    other.write_bytes(b"\x01" + os.urandom(MIB - 1))
    moved.write_bytes(other.read_bytes())
    made = assert_idiom(play(idiom("image", "import", name=name, source=f"file://{source}", size="2MiB")), "import")
    assert made["image"]["record"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    subprocess.run(["qemu-img", "convert", "-O", "raw", pool / f"{name}.qcow2", f"{source}.back"], check=True)
    assert Path(f"{source}.back").read_bytes() == source.read_bytes() + bytes(MIB)
    checksum = f"sha512:{hashlib.sha512(moved.read_bytes()).hexdigest()}"
    results = tried(
        play,
        bad("refused", "image", name=name, source=str(other)),
        *idiom("image", "replace", name=name, source=str(other), confirm_data_loss=[name]),
        # The same content at another place is the same image.
        task("moved", "image", name=name, source=str(moved), checksum=checksum),
    )
    assert f"source file://{source} -> {other}: its content is replaced by the source's" in failures(results)[0]
    assert assert_idiom(results, "replace")["image"]["record"]["source"] == str(other)
    assert not results.named("moved").changed


def test_a_file_that_is_the_source_already(play: Player, furnished: Host, pool: Path, name: str) -> None:
    source = furnished.folder / f"{name}.source"
    source.write_bytes(b"\x01" + os.urandom(MIB - 1))
    (pool / f"{name}.raw").write_bytes(source.read_bytes())
    furnished.exec(["virsh", "pool-refresh", "default"])
    options = {"name": name, "format": "raw", "source": str(source)}
    checksum = f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    results = tried(
        play,
        bad("unknown", "image", **options),
        task("adopt", "image", **options, checksum=checksum),
    )
    assert "no record says what it was made from; give a checksum" in failures(results)[0]
    assert not results.named("adopt").changed


def test_import_over_http(play: Player, pool: Path, name: str, web: Web) -> None:
    url = web.serve("disk.raw", b"\x01" + os.urandom(MIB - 1))
    options = {"name": name, "source": url, "checksum": f"sha256:{web.url}/SHA256SUMS", "format": "raw"}
    tasks = idiom("image", "import", **options)
    check = play(tasks[:1])[0]
    assert web.seen == ["/SHA256SUMS"], "check mode downloads the checksum file only"
    assert check.changes("image", name)["size"]["after"] == "(after apply)"
    assert not (pool / f"{name}.raw").exists()
    assert_idiom(play(tasks), "import")
    assert web.seen.count("/disk.raw") == 1
    before = (pool / f"{name}.raw").read_bytes()
    assert before == (web.folder / "disk.raw").read_bytes()
    # The file behind the URL changes: nothing is replaced without consent, nor when the checksum does not hold.
    (web.folder / "SHA256SUMS").write_text("")
    web.serve("disk.raw", b"\x01" + os.urandom(MIB - 1))
    results = tried(
        play,
        bad("changed", "image", **options),
        bad("wrong", "image", **{**options, "checksum": "sha256:" + 64 * "0", "confirm_data_loss": [name]}),
        bad("missing", "image", name=f"{name}b", source=f"{web.url}/none"),
    )
    changed, wrong, missing = failures(results)
    assert "checksum sha256:" in changed and "confirm_data_loss" in changed
    assert "nothing was replaced" in wrong
    assert "the server has no such file (404" in missing
    assert (pool / f"{name}.raw").read_bytes() == before
    assert not list(pool.glob("*.part"))
    assert play([task("changed", "image", **options, confirm_data_loss=[name])])[0].changed


def test_a_killed_import_leaves_the_old_image(
    play: Player, furnished: Host, pool: Path, name: str, web: Web, tmp_path: Path
) -> None:
    play([task("old", "image", name=name, size="1MiB", format="raw")])
    path = pool / f"{name}.raw"
    path.write_bytes(b"\x02" * MIB)
    new = b"\x01" + os.urandom(4 * MIB - 1)
    web.serve("new.raw", new)
    options = {
        "name": name, "format": "raw", "checksum": f"sha256:{hashlib.sha256(new).hexdigest()}",
        "confirm_data_loss": [name],
    }  # fmt: skip
    killed: list[int] = []

    def kill() -> None:
        part = Path(f"{path}.part")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if part.exists() and part.stat().st_size > MIB:
                # The locks of the import and of the hypervisor name the process that holds them.
                held = "for lock in /run/lock/virtfleet/*.lock; do flock -n $lock true || { cat $lock; echo; }; done"
                (holder,) = set(furnished.exec(["sh", "-c", held]).stdout.split())
                killed.append(int(holder))
                os.kill(killed[0], signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    failed = play([task("killed", "image", **options, source=f"{web.url}/slow/new.raw")], fails=True)
    killer.join()
    assert killed
    assert failed[0].outcome == "failed"
    assert path.read_bytes() == b"\x02" * MIB
    assert_idiom(play(idiom("image", "finish", **options, source=f"{web.url}/new.raw")), "finish")
    assert path.read_bytes() == new
    assert not list(pool.glob(f"{name}*.part"))
    progress = furnished.exec(["cat", f"/run/virtfleet/{name}.raw.progress"]).stdout
    assert progress.endswith(": done\n")


def test_overlay(play: Player, furnished: Host, pool: Path, name: str) -> None:
    base, over = f"{name}-base", f"{name}-over"
    wish = {"name": base, "format": "raw", "confirm_data_loss": [base]}
    results = tried(
        play,
        task("base", "image", name=base, size="4MiB", format="raw"),
        *idiom("image", "overlay", name=over, backing=f"{base}.raw", size="8MiB"),
        *idiom("image", "grow", name=over, backing=f"{base}.raw", size="16MiB"),
        bad("remove", "image", **wish, state="absent"),
        bad("replace", "image", **wish, size="1MiB"),
        bad("grow the base", "image", **wish, size="8MiB"),
    )
    made, grown = assert_idiom(results, "overlay")["image"], assert_idiom(results, "grow")
    assert (made["backing"], made["backing_format"]) == (str(pool / f"{base}.raw"), "raw")
    assert grown["plan"][0]["action"] == "update"
    said = failures(results)
    assert len(said) == 3
    assert all(f"{pool}/{over}.qcow2 stands on it" in text for text in said)
    assert seen(pool / f"{base}.raw")["virtual-size"] == 4 * MIB


def test_a_base_is_kept_for_whoever_stands_on_it(play: Player, furnished: Host, pool: Path, name: str) -> None:
    """Overlays that libvirt has not seen: one in another, stopped pool; one in no pool, that only a guest knows."""
    base = pool / f"{name}.qcow2"
    play([task("base", "image", name=name, size="4MiB")])
    second, nowhere = furnished.folder / f"{name}-pool", furnished.folder / f"{name}-nowhere"
    for folder in (second, nowhere):
        folder.mkdir()
    hidden, middle, top = second / "hidden", nowhere / "middle", nowhere / "top"
    overlay = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"]
    furnished.exec(["virsh", "pool-define-as", f"{name}-pool", "dir", "--target", str(second)])
    wish = {"name": name, "state": "absent", "confirm_data_loss": [name]}

    furnished.exec([*overlay, str(base), str(hidden)])
    results = tried(play, bad("remove", "image", **wish), task("read", "image_info", name=[name]))
    assert f"{hidden} stands on it" in failures(results)[0]
    assert results.named("read")["images"][0]["overlays"] == [str(hidden)]
    hidden.unlink()

    furnished.exec([*overlay, str(base), str(middle)])
    furnished.exec([*overlay, str(middle), str(top)])
    domain = (
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{top}'/><target dev='vda' bus='virtio'/>"
        "</disk></devices></domain>"
    )
    furnished.exec(["virsh", "define", "/dev/stdin"], input=domain)
    try:
        said = failures(tried(play, bad("remove", "image", **wish)))[0]
        assert f"{middle}, {top} stand on it (used by guest {name})" in said or f"{top} stands on it (used by" in said
        assert base.exists()
    finally:
        furnished.exec(["virsh", "undefine", name])
        furnished.exec(["virsh", "pool-undefine", f"{name}-pool"])
    assert play([task("remove", "image", **wish)])[0].changed
    assert not base.exists()


def test_grow_under_a_guest(play: Player, furnished: Host, pool: Path, name: str) -> None:
    play([task("disk", "image", name=name, size="4MiB")])
    path = pool / f"{name}.qcow2"
    domain = (
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type>hvm</type></os><devices>"
        f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/>"
        "</disk></devices></domain>"
    )
    furnished.exec(["virsh", "define", "/dev/stdin"], input=domain)
    furnished.exec(["virsh", "start", name, "--paused"])
    try:
        results = tried(
            play,
            task("as it is", "image", name=name, size="4MiB"),
            bad("grow", "image", name=name, size="8MiB"),
            bad("remove", "image", name=name, state="absent", confirm_data_loss=[name]),
        )
        assert not results.named("as it is").changed
        assert f"behind the back of guest {name}, which is paused" in failures(results)[0]
        assert f"it is a disk of guest {name}" in failures(results)[1]
        furnished.exec(["virsh", "destroy", name])
        assert play([task("grow", "image", name=name, size="8MiB")])[0]["image"]["size"] == "8MiB"
    finally:
        furnished.exec(["virsh", "destroy", name], check=False)
        furnished.exec(["virsh", "undefine", name])


def test_a_run_that_was_cut_short_before_libvirt_looked(play: Player, furnished: Host, pool: Path, name: str) -> None:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", pool / f"{name}.qcow2", "4M"], check=True)
    made = assert_idiom(play(idiom("image", "list", name=name, size="4MiB")), "list")
    assert made.changes("image", name)["pool"]["why"] == "libvirt does not list it yet"
    assert f"{name}.qcow2" in volumes(furnished)


def test_what_cannot_be(play: Player) -> None:
    cases: list[tuple[dict[str, str], str]] = [
        ({"name": "a/b", "size": "1MiB"}, "cannot be a file's name"),
        ({"name": "x", "size": "20"}, "write a number with its unit"),
        ({"name": "x", "sise": "20GiB"}, "Unsupported parameters"),
        ({"name": "x", "pool": "nope", "size": "1MiB"}, "there is no pool 'nope'"),
        ({"name": "x", "backing": "nope"}, "nope.qcow2 does not exist; make that one first"),
        ({"path": "/no/such/folder/x.raw", "size": "1MiB"}, "directory /no/such/folder does not exist"),
    ]
    results = tried(play, *(bad(f"bad {number}", "image", **case[0]) for number, case in enumerate(cases)))
    for said, (options, wanted) in zip(failures(results), cases, strict=True):
        assert wanted in said, options


def test_image_info(play: Player, furnished: Host, pool: Path, name: str) -> None:
    source = furnished.folder / f"{name}.raw"
    source.write_bytes(b"\x01" * MIB)
    results = tried(
        play,
        task("base", "image", name=f"{name}-base", source=str(source)),
        task("over", "image", name=f"{name}-over", backing=f"{name}-base"),
        task("pool", "image_info", pool="default", name=[f"{name}-base", f"{name}-over.qcow2", "gone"]),
        task("path", "image_info", path=[str(source), str(pool / f"{name}-base.qcow2"), "/no/such"]),
        task("both", "image_info", path=[str(source)], pool="default", name=[f"{name}-over"]),
        task("query", "image_info", query=f"[?name=='{name}-base.qcow2'].record.source"),
        bad("bad query", "image_info", query="[?"),
        bad("bad pool", "image_info", pool="nope"),
    )
    base, over = results.named("pool")["images"]
    assert base["record"]["source"] == str(source)
    assert base["overlays"] == [str(pool / f"{name}-over.qcow2")]
    assert (base["size"], base["format"], base["pool"], base["guests"]) == ("1MiB", "qcow2", "default", [])
    assert (over["backing"], over["overlays"], over["record"]) == (base["path"], [], {})
    assert [row["path"] for row in results.named("path")["images"]] == sorted([str(source), base["path"]])
    assert results.named("path")["images"][-1]["overlays"] in ([], base["overlays"])
    assert {row["path"] for row in results.named("both")["images"]} == {str(source), over["path"]}
    assert results.named("query")["result"] == [str(source)]
    assert not any(result.changed for result in results[2:])
    assert "is not a JMESPath expression" in failures(results)[0]
    assert "there is no pool 'nope'" in failures(results)[1]


def test_one_process_per_import(play: Player, furnished: Host, pool: Path, name: str) -> None:
    """Two plays import one image at once: one does it, the other finds it done; neither fails."""
    source = furnished.folder / f"{name}.raw"
    source.write_bytes(b"\x01" + os.urandom(8 * MIB - 1))
    checksum = f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    wish = {"name": name, "source": str(source), "checksum": checksum}
    found: list[Results] = []
    folders = [play.folder / side for side in ("left", "right")]
    for folder in folders:
        folder.mkdir()
    threads = [
        threading.Thread(target=lambda folder=folder: found.append(
            Player(furnished, folder)([task("import", "image", **wish)])
        ))
        for folder in folders
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[0].outcome for results in found] == ["ok", "ok"]
    assert not play([task("again", "image", **wish)])[0].changed
