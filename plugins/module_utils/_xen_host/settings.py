# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be written on a Xen host, compared with what stands there, and how the host is to start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._machine.finding import Block, File, differs
from .._machine.systems import hypervisor_version, is_hypervisor
from .menu import Entry, Menu
from .seen import Seen
from .wants import Wants, dom0_words, hypervisor_words

MARK = "virtfleet.core xen_host"
# update-grub reads them in the order of their names. Between them comes xen.cfg of Xen's package, which would make Xen
# the default by its title unless the first one says otherwise; what is set in the second one is not set again.
BEFORE = "/etc/default/grub.d/virtfleet-xen.cfg"
AFTER = "/etc/default/grub.d/zz-virtfleet-xen.cfg"
LOOP = "/etc/modules-load.d/virtfleet-xen.conf"
XL_CONF = "/etc/xen/xl.conf"
LIBXL_CONF = "/etc/libvirt/libxl.conf"
OWN_FILES = (BEFORE, AFTER, LOOP)
SHARED_FILES = (XL_CONF, LIBXL_CONF)
READ_FILES = (*OWN_FILES, *SHARED_FILES)

# Xen takes the first word for its name, and on UEFI GRUB adds the others by itself.
_NO_NEWS = {"placeholder", "no-real-mode", "edd=off"}
_HEAD = f"# Written by the role {MARK}.\n"


@dataclass(frozen=True)
class Todo:
    """What differs from what is wanted, by part.

    ``grub`` are files to be written, ``menu`` says that GRUB's menu has to be made anew. ``loop`` says that loop devices
    have to be had now. ``xendomains`` says that Xen's own service for guests has to go out of the way.
    """

    users: tuple[str, ...] = ()
    grub: tuple[File, ...] = ()
    menu: bool = False
    modules: tuple[File, ...] = ()
    loop: bool = False
    conf: tuple[Block, ...] = ()
    xendomains: bool = False


@dataclass(frozen=True)
class Boot:
    """How the host is to start and how it runs: each ``xen`` or ``linux``.

    ``target`` is the entry to be started by default, None while there is none; ``default`` is the one that is. ``unread``
    says what GRUB's menu does not say although it should, and ``pending`` why a restart is needed.
    """

    wanted: str
    running: str
    target: str | None
    default: str
    unread: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()


def grub(seen: Seen, wants: Wants) -> tuple[File, ...]:
    """Return GRUB's settings that differ. Without an entry to start by default, which comes with Xen, they say none yet."""
    target = (seen.menu or Menu()).choose(wants.boot == "xen")
    lines = [f'GRUB_DEFAULT="{target.path}"'] if target else []
    words = hypervisor_words(wants)
    if words:
        lines.append(f'GRUB_CMDLINE_XEN_DEFAULT="${{GRUB_CMDLINE_XEN_DEFAULT}} {" ".join(words)}"')
    words = dom0_words(wants)
    if words:
        # Where nothing else is said, dom0's kernel has the options of Linux.
        before = "${GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT:-${GRUB_CMDLINE_LINUX_DEFAULT}}"
        lines.append(f'GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT="{before} {" ".join(words)}"')
    files = (
        File(BEFORE, f"{_HEAD}# Which entry is the default is said in {AFTER}.\nXEN_OVERRIDE_GRUB_DEFAULT=0\n"),
        File(AFTER, _HEAD + "".join(f"{line}\n" for line in lines)),
    )
    return _other(seen, files)


def modules(seen: Seen) -> tuple[File, ...]:
    """Return what has loop devices there after each start: disks that are files are attached by them."""
    return _other(seen, [File(LOOP, f"{_HEAD}loop\n")])


def conf(seen: Seen, wants: Wants) -> tuple[Block, ...]:
    """Return the settings by which dom0 keeps its memory, where it has a fixed one: both toolstacks would take of it."""
    fixed = wants.dom0_memory is not None
    blocks = [Block(XL_CONF, 'autoballoon="off"\n' if fixed else "")]
    if wants.libvirt:
        blocks.append(Block(LIBXL_CONF, "autoballoon = 0\n" if fixed else ""))
    return tuple(block for block in blocks if seen.files.get(block.path) is not None and differs(seen.files, MARK, block))


def boot(seen: Seen, wants: Wants) -> Boot:
    """Return how the host starts and how it should."""
    menu = seen.menu or Menu()
    target = menu.choose(wants.boot == "xen")
    xen = menu.choose(True)
    unread = []
    if xen is None and any(is_hypervisor(name) for name in seen.packages or ()):
        unread.append("there is no entry for Xen")
    if target and menu.default != target.path:
        unread.append(f"the default entry is {menu.default or 'none'} instead of {target.path}")
    if xen:
        unread += [f"its entry for Xen does not say {word}" for word in hypervisor_words(wants) if word not in xen.hypervisor]
        unread += [f"its entry for Xen does not say {word}" for word in dom0_words(wants) if word not in xen.kernel]
    return Boot(
        wanted=wants.boot,
        running="xen" if seen.dom0 else "linux",
        target=target.path if target else None,
        default=menu.default,
        unread=tuple(unread),
        pending=tuple(_pending(seen, wants, xen)),
    )


def _pending(seen: Seen, wants: Wants, entry: Entry | None) -> Iterable[str]:
    """Say why a restart would make a difference."""
    if wants.boot == "linux":
        if seen.dom0:
            yield "Xen is running, and Linux alone is to be"
        return
    if not seen.dom0:
        yield "Linux runs without Xen"
        return
    if entry is None:
        return
    if "xen_commandline" in seen.info:
        runs = set(seen.info["xen_commandline"].split()) - _NO_NEWS
        will = set(entry.hypervisor) - _NO_NEWS
        if runs != will:
            yield f"Xen was started with {_said(runs - will)}, and the next start has {_said(will - runs)} in its place"
    yield from (f"dom0's kernel was started without {word}" for word in dom0_words(wants) if word not in seen.cmdline)
    if "xen_major" in seen.info and "xen_minor" in seen.info:
        runs_version = f"{seen.info['xen_major']}.{seen.info['xen_minor'].lstrip('.')}"
        file = entry.xen.rpartition("/")[2]
        will_version = hypervisor_version(file.removesuffix(".gz").replace("xen-", "xen-hypervisor-", 1))
        if will_version and will_version != tuple(int(part) for part in runs_version.split(".")):
            yield f"Xen {runs_version} is running, and the next start has {file}"


def _said(words: set[str]) -> str:
    return " ".join(sorted(words)) or "nothing"


def _other(seen: Seen, files: Iterable[File]) -> tuple[File, ...]:
    return tuple(file for file in files if seen.files.get(file.path) != file.content)
