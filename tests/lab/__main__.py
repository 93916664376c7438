# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab from the command line: `python3 -m tests.lab COMMAND`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from . import full, net, packages, tiny
from ._proc import Process
from ._run import LabError, show
from .host import Host, hosts
from .watch import watch

DEFAULT = "lab"


def up(arguments: argparse.Namespace) -> int:
    """Bring a host up, with a network and the tiny guest's files at hand."""
    packages.ensure(show)
    host = Host(arguments.name, show).up()
    defined = host.exec(["virsh", "net-info", "default"], check=False).returncode == 0
    if not defined:
        host.exec(["virsh", "net-define", "/dev/stdin"], input=net.nat())
        host.exec(["virsh", "net-start", "default"])
        show(f"{host.name}: network `default` is 192.168.122.0/24, inside only")
    artefact = tiny.build(show).into(host.folder)
    show(f"{host.name}: the tiny guest's kernel, initrd and ssh key are in {artefact.folder}")
    show(f"{host.name}: now `python3 -m tests.lab shell {host.name}`, or virsh -c '{host.uri}' from here")
    return 0


def down(arguments: argparse.Namespace) -> int:
    """Take down one host, or every host that nobody seems to use."""
    if not arguments.all:
        Host(arguments.name, show).down()
        return 0
    for host in hosts():
        # Someone else may be at work in the same folder. --all means what was left over.
        if host.owner is not None and not host.orphaned:
            show(f"{host.name}: belongs to process {host.owner.pid}, which runs; left alone")
        elif host.guests() and not arguments.force:
            show(
                f"{host.name}: has running guests ({', '.join(host.guests())}); left alone. "
                f"`down {host.name}`, or --all --force, ends them"
            )
        else:
            Host(host.name, show).down()
    return 0


def shell(arguments: argparse.Namespace) -> int:
    """Run a shell, or the given command, on a host."""
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    return Host(arguments.name, show).shell(words)


def status(_arguments: argparse.Namespace) -> int:
    """List the hosts, their daemons and guests."""
    found = hosts()
    if not found:
        show("there is no lab host; `python3 -m tests.lab up` makes one")
    for host in found:
        if not host.is_up:
            show(f"{host.name}: down, with files left in {host.home}; `down {host.name}` removes them")
            continue
        daemon = host.libvirtd
        words = f"{daemon.name} is process {daemon.pid}" if daemon else "its libvirtd is stopped"
        owner = " (its test session is gone)" if host.orphaned else ""
        show(f"{host.name}: up{owner}; {words}; {host.uri}")
        for name, process in host.guests().items():
            show(f"{host.name}: guest {name} is process {process.pid}")
    return 0


def restart(arguments: argparse.Namespace) -> int:
    """Restart the libvirtd of a host while its guests run on."""
    host = Host(arguments.name, show)
    began = time.monotonic()
    show(f"{host.name}: restarting libvirtd")
    host.restart_libvirtd()
    show(
        f"{host.name}: libvirtd is process {host.libvirtd.pid if host.libvirtd else '?'} "
        f"after {time.monotonic() - began:.1f} s; {len(host.guests())} guests run"
    )
    return 0


def artefacts(_arguments: argparse.Namespace) -> int:
    """Build everything that is kept in the cache."""
    packages.ensure(show)
    for make in (tiny.build, tiny.disk, tiny.iso, full.build):
        began = time.monotonic()
        make(show)
        show(f"... after {time.monotonic() - began:.1f} s")
    return 0


def install(_arguments: argparse.Namespace) -> int:
    """Install the packages that the lab needs."""
    packages.ensure(show)
    return 0


def watch_owner(arguments: argparse.Namespace) -> int:
    """Wait until a process ends and take its hosts down."""
    watch(Process(arguments.pid, arguments.start))
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Real libvirt hosts on this machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(function=function)
        return command

    def add_name(command: argparse.ArgumentParser) -> None:
        command.add_argument("name", nargs="?", default=DEFAULT, help=f"which host (default: {DEFAULT})")

    add_name(add("up", up, "make a host: packages, namespaces, libvirtd, a network, the tiny guest's files"))
    command = add("down", down, "end a host with its guests and remove all of it")
    add_name(command)
    command.add_argument("--all", action="store_true", help="every host that nobody seems to use")
    command.add_argument("--force", action="store_true", help="with --all: hosts with running guests as well")
    command = add("shell", shell, "run a shell on a host, or the command after --")
    add_name(command)
    command.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND [ARGUMENT...]")
    add("status", status, "list hosts and guests")
    add_name(add("restart", restart, "restart a host's libvirtd; its guests run on"))
    add("artefacts", artefacts, "build all cached guests, disks and images")
    add("install", install, "install the packages that the lab needs")
    command = add("watch", watch_owner, "take down the hosts of a process once it has ended")
    command.add_argument("pid", type=int)
    command.add_argument("start", type=int)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.function(arguments))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.TimeoutExpired as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
