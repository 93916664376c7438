# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the parts of a disk lie, what they are called, and what is written into the image."""

from __future__ import annotations

import itertools
import re
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap import Bootstrap, Network
from ansible_collections.virtfleet.core.plugins.module_utils._image.bootstrap_files import (
    early_entries,
    esp_configuration,
    first_steps,
    grub_configuration,
    late_entries,
    network_file,
)
from ansible_collections.virtfleet.core.plugins.module_utils._image.layout import (
    ESP_BYTES,
    MIB,
    Layout,
    lay_out,
    smallest,
    table_script,
)
from ansible_collections.virtfleet.core.plugins.module_utils._image.suites import SUITES, public_sources

GIB = 1 << 30
KEY = 64 * "a"


def spec(**params: Any) -> Bootstrap:
    return Bootstrap(**{"suite": "bookworm", "architecture": "amd64", **params})


def laid(bootstrap: Bootstrap, size: int = 2 * GIB, key: str = KEY) -> Layout:
    return lay_out(bootstrap, size, key)


def text(bootstrap: Bootstrap, path: str) -> str:
    entries = {entry.path: entry for entry in late_entries(bootstrap, laid(bootstrap))}
    entry = entries[path]
    return f"-> {entry.target}" if entry.target is not None else entry.content.decode()


@pytest.mark.parametrize(
    ("params", "parts"),
    [
        ({}, {"bios": 14, "esp": 15, "root": 1}),
        ({"swap_bytes": 64 * MIB}, {"bios": 14, "esp": 15, "swap": 2, "root": 1}),
        ({"architecture": "arm64"}, {"esp": 15, "root": 1}),
        ({"kernel": "none"}, {"root": 1}),
        ({"partitioning": "mbr"}, {"root": 1}),
        ({"partitioning": "mbr", "swap_bytes": MIB}, {"swap": 2, "root": 1}),
        ({"partitioning": "none"}, {"root": 0}),
    ],
)
def test_the_parts(params: dict[str, Any], parts: dict[str, int]) -> None:
    bootstrap = spec(**params)
    layout = laid(bootstrap)
    assert {name: part.number for name, part in layout.parts.items()} == parts
    ordered = sorted(layout.parts.values(), key=lambda part: part.offset)
    assert ordered[-1] is layout.parts["root"], "what grows is the last"
    for before, after in itertools.pairwise(ordered):
        assert before.offset + before.size == after.offset
    assert all(part.offset % MIB == 0 and part.size % MIB == 0 for part in ordered)
    assert smallest(bootstrap) <= layout.size


@given(st.integers(0, 4096), st.sampled_from(["gpt", "mbr", "none"]), st.integers(0, 1 << 24))
def test_the_smallest_disk_has_room_for_all(swap: int, partitioning: str, more: int) -> None:
    bootstrap = spec(partitioning=partitioning, swap_bytes=0 if partitioning == "none" else swap * MIB)
    size = smallest(bootstrap) + more * 512
    layout = laid(bootstrap, size)
    root = layout.parts["root"]
    assert root.size >= 192 * MIB
    assert root.offset + root.size <= size - (MIB if partitioning != "none" else 0)


def test_identities_come_from_the_key() -> None:
    bootstrap = spec(swap_bytes=MIB)
    assert laid(bootstrap) == laid(bootstrap)
    one, other = laid(bootstrap), laid(bootstrap, key=64 * "b")

    def identities(layout: Layout) -> set[str]:
        own = {layout.label_id, layout.root_uuid, layout.swap_uuid, layout.hash_seed, layout.esp_id}
        return own | {part.uuid for part in layout.parts.values()}

    assert len(identities(one) | identities(other)) == 2 * 9
    assert all(uuid.UUID(found) for found in identities(one) if len(found) == 36)


def test_the_table_of_gpt() -> None:
    lines = table_script(laid(spec(swap_bytes=64 * MIB))).splitlines()
    assert lines[0] == "label: gpt"
    assert [line.split(",")[0] for line in lines[4:]] == [
        "14 : start=2048", "15 : start=4096", f"2 : start={4096 + ESP_BYTES // 512}",
        f"1 : start={4096 + ESP_BYTES // 512 + 64 * 2048}",
    ]  # fmt: skip
    assert "type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709" in lines[-1]
    assert 'name="root"' in lines[-1]


def test_the_table_of_an_mbr() -> None:
    lines = table_script(laid(spec(partitioning="mbr"))).splitlines()
    assert lines[0] == "label: dos"
    assert re.fullmatch("label-id: 0x[0-9a-f]{8}", lines[1])
    assert lines[4] == f"1 : start=2048, size={2046 * 2048}, type=83, bootable"


def test_the_network_by_dhcp() -> None:
    said = network_file(spec(network=Network(nameservers=("192.0.2.53",))))
    assert said.startswith("[Match]\nType=ether\n")
    assert "DHCP=yes\nDNS=192.0.2.53\n" in said
    assert "ClientIdentifier=mac" in said
    assert text(spec(), "/etc/resolv.conf") == "-> ../run/systemd/resolve/stub-resolv.conf"
    assert "systemctl enable --quiet systemd-resolved" in first_steps(spec())


def test_the_network_with_an_address() -> None:
    bootstrap = spec(network=Network("192.0.2.10/24", "192.0.2.1", ("192.0.2.53",)))
    said = network_file(bootstrap)
    assert "Address=192.0.2.10/24\nGateway=192.0.2.1\nDNS=192.0.2.53\n" in said
    assert "DHCP" not in said
    assert text(bootstrap, "/etc/resolv.conf") == "nameserver 192.0.2.53\n"
    assert "systemctl disable --quiet systemd-resolved" in first_steps(bootstrap)


def test_the_boot_configuration() -> None:
    layout = laid(spec())
    said = grub_configuration(spec(), layout)
    assert said.count(f"linux /boot/vmlinuz root=UUID={layout.root_uuid} ro quiet console=tty0 console=hvc0 console=ttyS0") == 1
    assert "linux /boot/vmlinuz.old " in said
    assert "menuentry 'Debian GNU/Linux' {\n" in said
    more = spec(kernel_arguments=("net.ifnames=0", "x"))
    assert "115200n8 net.ifnames=0 x\n" in grub_configuration(more, layout)
    assert '115200n8 net.ifnames=0 x"\n' in text(more, "/etc/default/grub.d/virtfleet.cfg")
    silent = grub_configuration(spec(serial_console=False), layout)
    assert "console=" not in silent
    assert "serial" not in silent
    assert "console=ttyAMA0" in grub_configuration(spec(architecture="arm64"), layout)
    assert layout.root_uuid in esp_configuration(layout)
    # What pygrub understands outside of menu entries; it warns of any other first word.
    outside = re.sub(r"menuentry [^{]*\{[^}]*\}", "", said)
    assert {line.split()[0] for line in outside.splitlines() if line and not line.startswith("#")} <= {"set", "if", "search"}


def test_what_tells_the_machine_apart() -> None:
    bootstrap = spec(hostname="web1.example.com", swap_bytes=MIB)
    layout = laid(bootstrap)
    assert text(bootstrap, "/etc/hostname") == "web1.example.com\n"
    assert "127.0.1.1 web1.example.com web1\n" in text(bootstrap, "/etc/hosts")
    assert text(bootstrap, "/etc/fstab").splitlines() == [
        f"UUID={layout.root_uuid} / ext4 errors=remount-ro,noatime 0 1",
        f"UUID={layout.swap_uuid} none swap sw 0 0",
        f"UUID={layout.esp_id[:4].upper()}-{layout.esp_id[4:].upper()} /boot/efi vfat noauto,umask=0077 0 0",
    ]
    paths = {entry.path for entry in late_entries(spec(), laid(spec()))}
    assert not paths & {"/etc/hostname", "/root/.ssh/authorized_keys", "/etc/timezone", "/etc/localtime"}


def test_a_bare_file_system_has_no_loader_of_its_own() -> None:
    bootstrap = spec(partitioning="none", kernel="none")
    paths = {entry.path for entry in late_entries(bootstrap, laid(bootstrap))}
    assert not any(path.startswith("/boot") for path in paths)
    assert early_entries(bootstrap) == []
    assert "/boot/grub/grub.cfg" in {entry.path for entry in late_entries(spec(partitioning="none"), laid(spec(partitioning="none")))}


def test_a_locale_is_generated_unless_it_is_built_in() -> None:
    assert "locale-gen" not in first_steps(spec(locale="C.UTF-8"))
    assert "echo 'de_DE.UTF-8 UTF-8' > /etc/locale.gen\nlocale-gen" in first_steps(spec(locale="de_DE.UTF-8"))
    assert "echo 'de_DE.UTF-8 UTF-8'" in first_steps(spec(locale="de_DE"))
    assert text(spec(), "/etc/default/locale") == "LANG=C.UTF-8\n"


def test_kernels_by_distribution() -> None:
    kernels = {
        name: [spec(suite=name, architecture=architecture).kernel_package for architecture in ("amd64", "arm64")]
        for name in SUITES
    }
    debian = ["linux-image-cloud-amd64", "linux-image-cloud-arm64"]
    ubuntu = ["linux-image-virtual", "linux-image-virtual"]
    assert kernels == {"bookworm": debian, "trixie": debian, "jammy": ubuntu, "noble": ubuntu, "resolute": ubuntu}
    assert spec(kernel="none").kernel_package is None
    assert spec(kernel="linux-image-amd64").kernel_package == "linux-image-amd64"


def test_public_mirrors() -> None:
    keyring = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert public_sources(SUITES["trixie"], "arm64", ("main",)) == (
        f"deb {keyring} http://deb.debian.org/debian trixie main",
        f"deb {keyring} http://deb.debian.org/debian trixie-updates main",
        f"deb {keyring} http://deb.debian.org/debian-security trixie-security main",
    )
    keyring = "[signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg]"
    assert public_sources(SUITES["noble"], "amd64", ("main", "universe")) == (
        f"deb {keyring} http://archive.ubuntu.com/ubuntu noble main universe",
        f"deb {keyring} http://archive.ubuntu.com/ubuntu noble-updates main universe",
        f"deb {keyring} http://security.ubuntu.com/ubuntu noble-security main universe",
    )
    assert all("ports.ubuntu.com/ubuntu-ports" in line for line in public_sources(SUITES["noble"], "arm64", ("main",)))
