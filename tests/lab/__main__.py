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
from functools import partial

from . import _mirrors, _roots, _vm_image, full, net, packages, tiny, tiny_xen
from ._place import Place
from ._proc import Process
from ._run import LabError, Say, show
from .host import Host
from .machine import USER, Machine
from .registry import named, places
from .vm import IMAGES, TINY, VM
from .watch import watch

DEFAULT = "lab"


def up(arguments: argparse.Namespace) -> int:
    """Bring up a host, with a network and the tiny guest's files at hand, a bare machine, or a vm."""
    packages.ensure(show)
    place = named(arguments.name, show)
    if isinstance(place, VM):
        return _vm_up(place)
    return _machine_up(place) if isinstance(place, Machine) else _host_up(place)


def _host_up(host: Host) -> int:
    host.up()
    defined = host.exec(["virsh", "net-info", "default"], check=False).returncode == 0
    if not defined:
        host.exec(["virsh", "net-define", "/dev/stdin"], input=net.nat())
        host.exec(["virsh", "net-start", "default"])
        show(f"{host.name}: network `default` is 192.168.122.0/24, inside only")
    artefact = tiny.build(show).into(host.folder)
    show(f"{host.name}: the tiny guest's kernel, initrd and ssh key are in {artefact.folder}")
    show(f"{host.name}: now `python3 -m tests.lab shell {host.name}`, or virsh -c '{host.uri}' from here")
    return 0


def _machine_up(machine: Machine) -> int:
    machine.up()
    show(f"{machine.name}: nothing is installed on it but sshd, sudo and Python; users are root and {USER}")
    show(f"{machine.name}: now `ssh -F {machine.ssh_config} {machine.name}`, or")
    show(f"{machine.name}: ansible-playbook -i {machine.home}/inventory.yml, in which it is one of `hypervisors`")
    return 0


def _vm_up(vm: VM) -> int:
    vm.up()
    show(f"{vm.name}: users are root and {USER}; its console is in {vm.console_log}")
    show(f"{vm.name}: now `python3 -m tests.lab shell {vm.name}`, `ssh -F {vm.ssh_config} {vm.name}`, or")
    show(f"{vm.name}: ansible-playbook -i {vm.home}/inventory.yml, in which it is one of `hypervisors`")
    if vm.image == "dom0":
        show(f"{vm.name}: it runs Xen and libvirt: try `xl info`, `virsh -c xen:///system list` inside,")
        show(f"{vm.name}: or from here virsh -c '{vm.uri}'; its network `default` is 192.168.122.0/24")
        show(f"{vm.name}: a guest's kernel and initrd are in {TINY}; its command line: {tiny_xen.CMDLINE}")
    return 0


def down(arguments: argparse.Namespace) -> int:
    """Take down one host or machine, or each that nobody seems to use."""
    if not arguments.all:
        named(arguments.name, show).down()
        return 0
    for place in places():
        # Someone else may be at work in the same folder. --all means what was left over.
        if place.owner is not None and not place.orphaned:
            show(f"{place.name}: belongs to process {place.owner.pid}, which runs; left alone")
        elif place.guests() and not arguments.force:
            show(
                f"{place.name}: has running guests ({', '.join(place.guests())}); left alone. "
                f"`down {place.name}`, or --all --force, ends them"
            )
        else:
            named(place.name, show).down()
    return 0


def shell(arguments: argparse.Namespace) -> int:
    """Run a shell, or the given command, on a host or machine."""
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    return named(arguments.name, show).shell(words)


def status(_arguments: argparse.Namespace) -> int:
    """List the hosts and machines, their daemons and guests."""
    found = places()
    if not found:
        show("there is no lab host; `python3 -m tests.lab up` makes one")
    for place in found:
        if not place.is_up:
            show(f"{place.name}: down, with files left in {place.home}; `down {place.name}` removes them")
            continue
        owner = " (its test session is gone)" if place.orphaned else ""
        show(f"{place.name}: up{owner}; {_words(place)}")
        for name, process in place.guests().items():
            show(f"{place.name}: guest {name} is process {process.pid}")
    return 0


def _words(place: Place) -> str:
    if isinstance(place, Host):
        daemon = place.libvirtd
        return f"{f'{daemon.name} is process {daemon.pid}' if daemon else 'its libvirtd is stopped'}; {place.uri}"
    if isinstance(place, VM):
        process = place.process
        return f"a vm of {place.image}; QEMU is process {process.pid if process else '?'}"
    assert isinstance(place, Machine)
    return f"a machine of {place.suite} with {'systemd' if place.init == 'systemd' else 'no init'}"


def restart(arguments: argparse.Namespace) -> int:
    """Restart the libvirtd of a host while its guests run on, or reboot a machine."""
    place = named(arguments.name, show)
    began = time.monotonic()
    if isinstance(place, (Machine, VM)):
        show(f"{place.name}: rebooting")
        place.reboot()
        show(f"{place.name}: is back after {time.monotonic() - began:.1f} s")
        return 0
    show(f"{place.name}: restarting libvirtd")
    place.restart_libvirtd()
    show(
        f"{place.name}: libvirtd is process {place.libvirtd.pid if place.libvirtd else '?'} "
        f"after {time.monotonic() - began:.1f} s; {len(place.guests())} guests run"
    )
    return 0


def artefacts(_arguments: argparse.Namespace) -> int:
    """Build everything that is kept in the cache."""
    packages.ensure(show)
    roots = [partial(_roots.build, suite, "systemd") for suite in _mirrors.DEBIAN]
    images = [partial(_vm_image.build, image) for image in IMAGES]
    makers: list[Callable[[Say], object]] = [tiny.build, tiny.disk, tiny.iso, full.build, *roots, *images]
    for make in makers:
        began = time.monotonic()
        make(show)
        show(f"... after {time.monotonic() - began:.1f} s")
    return 0


def install(_arguments: argparse.Namespace) -> int:
    """Install the packages that the lab needs."""
    packages.ensure(show)
    return 0


def watch_owner(arguments: argparse.Namespace) -> int:
    """Wait until a process ends and take down what was made for it."""
    watch(Process(arguments.pid, arguments.start))
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = argparse.ArgumentParser(prog="python3 -m tests.lab", description="Real hosts on this machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=words, description=words)
        command.set_defaults(function=function)
        return command

    def add_name(command: argparse.ArgumentParser) -> None:
        words = f"which one (default: {DEFAULT}); a release, as trixie, is a bare machine of it; plain and dom0 are vms"
        command.add_argument("name", nargs="?", default=DEFAULT, help=words)

    add_name(add("up", up, "make a host (libvirtd, a network, the tiny guest's files), a bare machine, or a vm (plain, dom0)"))
    command = add("down", down, "end a host or machine with its guests and remove all of it")
    add_name(command)
    command.add_argument("--all", action="store_true", help="each that nobody seems to use")
    command.add_argument("--force", action="store_true", help="with --all: also those with running guests")
    command = add("shell", shell, "run a shell on a host or machine, or the command after --")
    add_name(command)
    command.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND [ARGUMENT...]")
    add("status", status, "list hosts, machines and guests")
    add_name(add("restart", restart, "restart a host's libvirtd (its guests run on), or reboot a machine or vm"))
    add("artefacts", artefacts, "build all cached guests, disks and images")
    add("install", install, "install the packages that the lab needs")
    command = add("watch", watch_owner, "take down what was made for a process once it has ended")
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
