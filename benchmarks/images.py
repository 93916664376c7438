# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an image made of packages costs beside debootstrap and xen-create-image, in one run over one mirror.

`make bench ARGS=images`; some minutes. The peers are installed into an overlay of this machine's root in a mount
namespace, which is memory and gone afterwards: they have the faster disk. What cannot run here is named as skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.dev.tree import collections_path

sys.path.insert(0, str(collections_path(ROOT)))

from ansible_collections.virtfleet.core.plugins.module_utils._bootstrap.sources import source_lines
from ansible_collections.virtfleet.core.plugins.module_utils._errors import VirtError
from ansible_collections.virtfleet.core.plugins.module_utils._files import LocalFiles
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import Bootstrap, for_host
from ansible_collections.virtfleet.core.plugins.module_utils._image.plan import bootstrap_record
from tests.lab import packages
from tests.lab.full import suite

PACKAGES = ("openssh-server",)
SIZE = 2 << 30

# $1 is a folder, $2 the suite, $3 the mirror, $4 the kernel. Says the time at which each piece of work began and ended.
PEERS = """
set -eu
mount -t tmpfs -o size=4g tmpfs "$1"
cd "$1"
mkdir up work root
mount -t overlay overlay -o lowerdir=/,upperdir=up,workdir=work root
mount --rbind /dev root/dev
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t tmpfs tmpfs root/tmp
printf '#!/bin/sh\\nexit 101\\n' > root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
# It copies the host's sources, and wants to write a configuration for xl.
mkdir -p root/etc/xen
echo "deb $3 $2 main" > root/etc/apt/sources.list
timed() {
    name=$1
    shift
    began=$(date +%s%N)
    if chroot root env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" > log 2>&1 < /dev/null; then
        echo "row $name $(($(date +%s%N) - began))"
    else
        echo "skip $name $(grep -v '^ *$' log | tail -n 1)"
    fi
}
install() {
    chroot root apt-get -q -y -o APT::Sandbox::User=root --no-install-recommends install "$1" > log 2>&1
}
if install debootstrap; then
    timed debootstrap debootstrap --variant=minbase --include="systemd-sysv,openssh-server,$4" "$2" /tmp/peer "$3"
    rm -rf --one-file-system root/tmp/peer
else
    echo "skip debootstrap the package cannot be installed"
fi
if install xen-tools; then
    timed xen-create-image xen-create-image --dir /tmp/xen --dist "$2" --size 2G --noswap --memory 256M --dhcp --pygrub \\
        --mirror "$3" --hostname bench --password bench --cache no
else
    echo "skip xen-create-image the package cannot be installed"
fi
"""


def run_command(argv: list[str], environ_update: dict[str, str] | None = None, **_options: Any) -> tuple[int, str, str]:
    """Run a program as AnsibleModule.run_command does."""
    environment = {**os.environ, **(environ_update or {})}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    return done.returncode, done.stdout, done.stderr


def peers(folder: Path, name: str, mirror: str, kernel: str) -> tuple[dict[str, float], dict[str, str]]:
    """Return the seconds of each peer, and why one was skipped."""
    argv = [
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *("sh", "-c", PEERS, "sh", str(folder), name, mirror, kernel),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    rows, skipped = {}, {}
    for line in done.stdout.splitlines():
        kind, peer, value = (*line.split(" ", 2), "", "")[:3]
        if kind == "row":
            rows[peer] = int(value) / 1e9
        elif kind == "skip":
            skipped[peer] = value
    if not rows and not skipped:
        skipped["debootstrap, xen-create-image"] = (done.stderr.strip().splitlines() or ["no overlay can be mounted here"])[-1]
    return rows, skipped


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> int:
    """Print the table, and keep it in build/bench-images.md."""
    if os.geteuid() != 0:
        print("the benchmark of images needs root", file=sys.stderr)
        return 2
    packages.ensure(print)
    spec = for_host(Bootstrap(suite(), packages=PACKAGES), os.uname().machine, {})
    mirror = next(word for word in source_lines(spec)[0].split() if word.startswith("http"))
    with tempfile.TemporaryDirectory(prefix="bench-images-", dir=ROOT / "build") as scratch:
        folder = Path(scratch)
        files = LocalFiles(run_command, cache=folder / "cache")

        def make(hostname: str) -> None:
            wanted = for_host(Bootstrap(suite(), packages=PACKAGES, hostname=hostname), os.uname().machine, {})
            files.bootstrap_image(str(folder / "image.qcow2"), wanted, "qcow2", SIZE, bootstrap_record(wanted), replace=True)

        try:
            rows = {"virtfleet.core.image, nothing kept": timed(lambda: make("cold"))}
        except VirtError as error:
            print(f"no image can be made here: {error}", file=sys.stderr)
            return 1
        rows["virtfleet.core.image, root kept"] = timed(lambda: make("warm"))
        (folder / "peers").mkdir()
        others, skipped = peers(folder / "peers", suite(), mirror, spec.kernel_package or "")
    words = {"debootstrap": "debootstrap (a root only)", "xen-create-image": "xen-create-image (boots under Xen only)"}
    rows.update({words[peer]: seconds for peer, seconds in others.items()})
    base = others.get("debootstrap") or rows["virtfleet.core.image, nothing kept"]
    beside = "debootstrap" if others.get("debootstrap") else "the first"
    lines = [f"| image of {suite()} with {', '.join(PACKAGES)} | seconds | times {beside} |"]
    lines += ["|---|---:|---:|", *(f"| {what} | {seconds:.1f} | {seconds / base:.2f} |" for what, seconds in rows.items())]
    lines += [f"| {peer} | skipped: {why} | |" for peer, why in skipped.items()]
    table = "\n".join(lines)
    print(table)
    (ROOT / "build" / "bench-images.md").write_text(table + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
