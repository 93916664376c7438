# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record what a real libvirt makes of definitions: `python -m tests.contract.record`.

For each pairs/NAME.in.xml it defines the object on a lab host and writes what libvirt gives back: NAME.out.xml, the
persistent definition, and NAME.live.xml, the running one. What libvirt draws by lot is written as it came; the
comparison in test_pairs.py knows which values those are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libvirt

from tests.lab import Host, tiny

PAIRS = Path(__file__).parent / "pairs"
# Stands in the files for the folder of whichever host recorded them.
FOLDER = "@FOLDER@"


def main() -> int:
    libvirt.virEventRegisterDefaultImpl()
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    host = Host(f"record-{os.getpid()}", say=print)
    host.up()
    try:
        _make_files(host.folder)
        connection = libvirt.open(host.uri)
        version = connection.getLibVersion()
        # Networks first: the guests' nics are on them. Each is left active until all is recorded.
        for kind, define, flag in (
            ("network", connection.networkDefineXML, libvirt.VIR_NETWORK_XML_INACTIVE),
            ("pool", lambda xml: connection.storagePoolDefineXML(xml, 0), libvirt.VIR_STORAGE_XML_INACTIVE),
            ("guest", connection.defineXML, libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE),
        ):
            for path in sorted(PAIRS.glob(f"{kind}-*.in.xml")):
                _record(path, host.folder, kind, define, flag)
        (PAIRS / "VERSION").write_text(f"{version}\n")
        connection.close()
    finally:
        host.down()
    return 0


def _record(path: Path, folder: Path, kind: str, define: Callable[[str], Any], flag: int) -> None:
    name = path.name.removesuffix(".in.xml")
    handle = define(path.read_text().replace(FOLDER, str(folder)))
    _write(f"{name}.out.xml", handle.XMLDesc(flag), folder)
    live = PAIRS / f"{name}.live.xml"
    live.unlink(missing_ok=True)
    try:
        if kind == "pool":
            handle.build(0)
        handle.create()
    except libvirt.libvirtError as error:
        print(f"{name}: defined, not started: {error}")
        return
    _write(live.name, handle.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE if kind == "guest" else 0), folder)
    print(f"{name}: recorded")
    if kind == "guest":
        handle.destroy()


def _write(name: str, xml: str, folder: Path) -> None:
    (PAIRS / name).write_text(xml.replace(str(folder), FOLDER))


def _make_files(folder: Path) -> None:
    """Make the disks and the kernel that the guests name."""
    artefact = tiny.build().into(folder)
    shutil.copy(artefact.kernel, folder / "vmlinuz")
    shutil.copy(artefact.initrd, folder / "initrd")
    for name in ("a.raw", "c.raw", "d.raw", "e.raw", "f.iso", "g.raw"):
        with (folder / name).open("wb") as handle:
            handle.truncate(1 << 20)
    for name in ("root.qcow2", "b.qcow2"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(folder / name), "1M"], check=True)
    for path in folder.iterdir():
        if path.is_file():
            path.chmod(0o666)


if __name__ == "__main__":
    sys.exit(main())
