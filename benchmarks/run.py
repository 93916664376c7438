# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What keeping guests costs beside the least that libvirt asks for, and beside other means, on a private libvirtd.

    make bench                  50 and 1000 guests, 300 reservations, 20 clones, inventories, ways in; a quarter of an hour
    make bench ARGS=guests      one of these (guests, reservations, clones, inventory, ways), or several
    make bench ARGS=linear      10 to 5000 guests
    make bench ARGS=images      images of packages

All that is compared is measured in one run. The tables are printed and kept in build/bench.md.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.dev.tree import collections_path

sys.path.insert(0, str(collections_path(ROOT)))

import libvirt

from benchmarks import clones, guests, images, inventory, reservations, ways
from benchmarks.table import Table
from tests.lab import Host, net, packages

NUMBERS = (50, 1000)
LINEAR = (10, 100, 1000, 5000)

WORK: dict[str, Callable[[Host], Table]] = {
    "guests": lambda host: guests.measure(host.uri, NUMBERS),
    "reservations": lambda host: reservations.measure(host.uri),
    "clones": clones.measure,
    "inventory": lambda _host: inventory.measure(),
    "ways": ways.measure,
    "linear": lambda host: guests.measure(host.uri, LINEAR, with_peer=False),
}
DEFAULT = ("guests", "reservations", "clones", "inventory", "ways")


def machine() -> str:
    """Return on what and when the figures were taken."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    load = os.getloadavg()[0]
    version = libvirt.getVersion()
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} x {model}, {memory} GiB, {system}, libvirt client "
        f"{version // 1000000}.{version // 1000 % 1000}.{version % 1000}, Python {platform.python_version()}, "
        f"load {load:.1f} when it began."
    )


def main(words: list[str]) -> int:
    """Print the tables that the words ask for, and keep them."""
    if words == ["images"]:
        return images.main()
    unknown = [word for word in words if word not in WORK]
    if unknown:
        print(f"there is no benchmark {unknown[0]}; there are {', '.join((*WORK, 'images'))}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("the benchmarks need root, for a private libvirtd in namespaces of its own", file=sys.stderr)
        return 2
    packages.ensure(print)
    text = [machine()]
    host = Host(f"bench-{os.getpid()}")
    try:
        host.up()
        connection = libvirt.open(host.uri)
        connection.networkDefineXML(net.nat(guests.NETWORK, "10.76.0.0/16", "virbr76"))
        connection.close()
        text += [WORK[word](host).text() for word in words or DEFAULT]
    finally:
        host.down()
    page = "\n\n".join(text)
    print(f"\n{page}")
    target = ROOT / "build" / "bench.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(f"{page}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
