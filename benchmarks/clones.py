# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Guests cloned from one image and started, beside qemu-img and virsh in a loop of the shell."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import libvirt

from benchmarks import bare, estate
from benchmarks.measure import Cost, calls, piece, program
from benchmarks.table import Table, number
from tests.lab import Host, net

COUNT = 20
POOL, NETWORK, BASE = "benchpool", "benchnet", "base.qcow2"

LOOP = """
set -e
for file in "$1"/*.xml; do
    name=$(basename "$file" .xml)
    qemu-img create -q -f qcow2 -b "$3" -F qcow2 "$2/$name-root.qcow2" 1G
    virsh -q -c "$4" create --paused "$file" > /dev/null
done
"""


def measure(host: Host) -> Table:
    """Return the table. The guests are paused before their first instruction: what they do is not what is measured."""
    table = Table(f"{COUNT} guests cloned from one image and started", ("what", "how", "s", "times", "libvirt calls"))
    print(f"{COUNT} clones ...", flush=True)
    folder = _prepare(host)
    guest = {
        "memory": "64MiB",
        "pool": POOL,
        "disks": [{"image": "base", "size": "1GiB"}],
        "nics": [{"network": NETWORK}],
        "state": "paused",
    }
    document = {"guests": [{"name": f"clone{at:02d}", **guest} for at in range(COUNT)]}
    xml = estate.definitions(host.uri, document)
    own = piece("estate", uri=host.uri, document=document)
    _empty(host, folder)
    counted = calls("estate", uri=host.uri, document=document)
    _empty(host, folder)
    loop = _shell(host, folder, xml)
    _empty(host, folder)
    for how, cost, asked in (
        ("virtfleet.core, in process", own, str(counted)),
        ("qemu-img and virsh in a loop", loop, ""),
    ):
        table.add("made and started (paused)", how, number(cost.seconds), number(cost.seconds / loop.seconds), asked)
    return table


def _prepare(host: Host) -> Path:
    """Make a pool with the image, and start a network; return the pool's folder."""
    folder = host.folder / "clones"
    folder.mkdir(mode=0o755, exist_ok=True)
    host.exec(["qemu-img", "create", "-q", "-f", "qcow2", str(folder / BASE), "1G"])
    root = ElementTree.Element("pool", type="dir")
    ElementTree.SubElement(root, "name").text = POOL
    ElementTree.SubElement(ElementTree.SubElement(root, "target"), "path").text = str(folder)
    connection = libvirt.open(host.uri)
    connection.storagePoolDefineXML(ElementTree.tostring(root, encoding="unicode")).create()
    connection.networkDefineXML(net.nat(NETWORK, "10.78.0.0/24", "virbr78")).create()
    connection.close()
    return folder


def _empty(host: Host, folder: Path) -> None:
    bare.wipe(host.uri)
    for path in folder.iterdir():
        if path.name != BASE:
            path.unlink()
    connection = libvirt.open(host.uri)
    connection.storagePoolLookupByName(POOL).refresh()
    connection.close()


def _shell(host: Host, folder: Path, definitions: Sequence[str]) -> Cost:
    files = host.folder / "definitions"
    files.mkdir(exist_ok=True)
    for xml in definitions:
        (files / f"{ElementTree.fromstring(xml).findtext('name')}.xml").write_text(xml, encoding="utf-8")
    try:
        words = [str(files), str(folder), str(folder / BASE), host.uri]
        return program(["sh", "-c", LOOP, "sh", *words], dict(os.environ))
    finally:
        shutil.rmtree(files)
