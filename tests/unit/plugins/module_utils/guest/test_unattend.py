# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer file of Windows Setup, and the CD that it is on."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ansible_collections.virtfleet.core.plugins.module_utils import _xml
from ansible_collections.virtfleet.core.plugins.module_utils._change import Effect
from ansible_collections.virtfleet.core.plugins.module_utils._errors import SpecError
from ansible_collections.virtfleet.core.plugins.module_utils._guest.spec import parse as parse_guest
from ansible_collections.virtfleet.core.plugins.module_utils._guest.unattend import FILE, digest, files, parse
from tests.unit.plugins.module_utils.guest.house import House, rows

SPACE = "{urn:schemas-microsoft-com:unattend}"
ACTION = "{http://schemas.microsoft.com/WMIConfig/2002/State}action"
KEY, PASSWORD = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", "Geheim<&>\"'1"
SAID: dict[str, Any] = {
    "computer_name": "win-1",
    "edition": "Windows 11 Pro",
    "product_key": KEY.lower(),
    "admin_password": PASSWORD,
    "user": {"name": "ansible", "password": PASSWORD},
    "locale": "de-DE",
    "keyboard": "0407:00000407",
    "timezone": "W. Europe Standard Time",
    "organization": "Example & Co",
    "drivers": ["viostor/w11/amd64", "E:/NetKVM/w11/amd64"],
    "autologon": 2,
    "first_logon_commands": ["cmd /c echo <1>", "cmd /c echo 2"],
}


def answers(said: dict[str, Any], arch: str = "x86_64", firmware: str = "efi") -> ET.Element:
    return ET.fromstring(files(parse(said), "web1", arch, firmware)[FILE])


def found(root: ET.Element, stage: str, component: str, path: str) -> list[str | None]:
    parts = "/".join(SPACE + part for part in path.split("/"))
    start = f"{SPACE}settings[@pass='{stage}']/{SPACE}component[@name='Microsoft-Windows-{component}']/{parts}"
    return [node.text for node in root.findall(start)]


@pytest.mark.parametrize(
    ("stage", "component", "path", "texts"),
    [
        ("windowsPE", "International-Core-WinPE", "SetupUILanguage/UILanguage", ["de-DE"]),
        ("windowsPE", "International-Core-WinPE", "InputLocale", ["0407:00000407"]),
        ("windowsPE", "Setup", "DiskConfiguration/Disk/WillWipeDisk", ["true"]),
        (
            "windowsPE",
            "Setup",
            "DiskConfiguration/Disk/CreatePartitions/CreatePartition/Type",
            ["EFI", "MSR", "Primary"],
        ),
        ("windowsPE", "Setup", "DiskConfiguration/Disk/CreatePartitions/CreatePartition/Size", ["300", "16"]),
        ("windowsPE", "Setup", "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/PartitionID", ["1", "3"]),
        ("windowsPE", "Setup", "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/Active", []),
        ("windowsPE", "Setup", "ImageInstall/OSImage/InstallFrom/MetaData/Key", ["/IMAGE/NAME"]),
        ("windowsPE", "Setup", "ImageInstall/OSImage/InstallFrom/MetaData/Value", ["Windows 11 Pro"]),
        ("windowsPE", "Setup", "ImageInstall/OSImage/InstallTo/PartitionID", ["3"]),
        ("windowsPE", "Setup", "UserData/ProductKey/Key", [KEY]),
        ("windowsPE", "Setup", "UserData/AcceptEula", ["true"]),
        ("windowsPE", "Setup", "UserData/Organization", ["Example & Co"]),
        ("specialize", "Shell-Setup", "ComputerName", ["win-1"]),
        ("specialize", "Shell-Setup", "TimeZone", ["W. Europe Standard Time"]),
        ("oobeSystem", "International-Core", "UserLocale", ["de-DE"]),
        ("oobeSystem", "Shell-Setup", "AutoLogon/Username", ["ansible"]),
        ("oobeSystem", "Shell-Setup", "AutoLogon/LogonCount", ["2"]),
        ("oobeSystem", "Shell-Setup", "AutoLogon/Password/Value", [PASSWORD]),
        (
            "oobeSystem",
            "Shell-Setup",
            "FirstLogonCommands/SynchronousCommand/CommandLine",
            ["cmd /c echo <1>", "cmd /c echo 2"],
        ),
        ("oobeSystem", "Shell-Setup", "FirstLogonCommands/SynchronousCommand/Order", ["1", "2"]),
        ("oobeSystem", "Shell-Setup", "RegisteredOrganization", ["Example & Co"]),
        ("oobeSystem", "Shell-Setup", "UserAccounts/AdministratorPassword/Value", [PASSWORD]),
        ("oobeSystem", "Shell-Setup", "UserAccounts/LocalAccounts/LocalAccount/Name", ["ansible"]),
        ("oobeSystem", "Shell-Setup", "UserAccounts/LocalAccounts/LocalAccount/Group", ["Administrators"]),
        ("oobeSystem", "Shell-Setup", "UserAccounts/LocalAccounts/LocalAccount/Password/PlainText", ["true"]),
    ],
)
def test_what_is_said_stands_where_setup_looks(stage: str, component: str, path: str, texts: list[str]) -> None:
    assert found(answers(SAID), stage, component, path) == texts


def test_a_folder_of_drivers_is_looked_for_on_each_cd_unless_its_drive_is_said() -> None:
    paths = found(answers(SAID), "windowsPE", "PnpCustomizationsWinPE", "DriverPaths/PathAndCredentials/Path")
    assert paths == [*(f"{letter}:\\viostor\\w11\\amd64" for letter in "DEFGH"), "E:\\NetKVM\\w11\\amd64"]
    numbered = list(answers(SAID).iter(f"{SPACE}PathAndCredentials"))
    assert [node.get(ACTION.replace("action", "keyValue")) for node in numbered] == list("123456")
    assert {node.get(ACTION) for node in numbered} == {"add"}


def test_the_disk_of_a_bios_and_of_one_that_was_said() -> None:
    for root in (answers({}, firmware="bios"), answers({"layout": "bios"})):
        part = "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition"
        assert found(root, "windowsPE", "Setup", f"{part}/Active") == ["true"]
        assert found(root, "windowsPE", "Setup", f"{part}/Letter") == ["C"]
        assert found(root, "windowsPE", "Setup", "ImageInstall/OSImage/InstallTo/PartitionID") == ["2"]


def test_without_a_word_setup_asks_for_no_more_than_it_must() -> None:
    root = answers({})
    assert found(root, "specialize", "Shell-Setup", "ComputerName") == ["web1"]
    assert found(root, "specialize", "Shell-Setup", "TimeZone") == ["UTC"]
    assert found(root, "windowsPE", "Setup", "UserData/ProductKey") == []
    assert found(root, "oobeSystem", "Shell-Setup", "UserAccounts") == []
    assert found(root, "windowsPE", "Setup", "ImageInstall/OSImage/InstallFrom") == []
    drawn = ET.fromstring(files(parse({}), "a-name-that-is-too-long", "x86_64", "efi")[FILE])
    assert found(drawn, "specialize", "Shell-Setup", "ComputerName") == ["*"]
    assert {node.get("processorArchitecture") for node in answers({}, "aarch64").iter(f"{SPACE}component")} == {"arm64"}
    assert found(answers({"edition": "6"}), "windowsPE", "Setup", "ImageInstall/OSImage/InstallFrom/MetaData/Key") == [
        "/IMAGE/INDEX"
    ]
    assert found(
        answers({"admin_password": PASSWORD, "autologon": 1}), "oobeSystem", "Shell-Setup", "AutoLogon/Username"
    ) == ["Administrator"]


def test_a_whole_file_is_given_as_it_is() -> None:
    text = f"<unattend xmlns='{SPACE[1:-1]}'><settings pass='specialize'/></unattend>"
    assert files(parse({"answer_file": text}), "web1", "s390x", "bios") == {FILE: text.encode()}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"product_key": "AAAAA-SECRET"}, "product_key: is not a product key"),
        ({"admin_password": " SECRET"}, "admin_password: is not a password"),
        ({"admin_password": "SE\nCRET"}, "admin_password: is not a password"),
        ({"user": {"name": "a"}}, "user: needs password"),
        ({"user": {"name": "a/b", "password": "SECRET"}}, "user: name: 'a/b' is not an account's name"),
        ({"user": {"name": "Administrator", "password": "SECRET"}}, "say admin_password"),
        ({"computer_name": "a" * 16}, "at most 15 letters"),
        ({"computer_name": "123"}, "not digits alone"),
        ({"locale": "german"}, "a locale such as"),
        ({"keyboard": "0407"}, "layout such as"),
        ({"layout": "gpt"}, "one of efi, bios"),
        ({"drivers": "E:/viostor"}, "drivers: 'E:/viostor' is not a list"),
        ({"drivers": ["a:b/c"]}, "is not a folder"),
        ({"autologon": 1}, "needs the password of somebody"),
        ({"first_logon_commands": ["a"]}, "say autologon: 1"),
        ({"answer_file": "<unattend>SECRET"}, "answer_file: is not a text that can be read as XML"),
        ({"answer_file": "<unattend/>"}, "in the namespace urn:schemas-microsoft-com:unattend"),
        ({"answer_file": f"<unattend xmlns='{SPACE[1:-1]}'/>", "locale": "de-DE"}, "leave locale out"),
        ({"policy": "recreate"}, "policy: 'recreate' is not one of ignore, next_boot"),
    ],
)
def test_wrong_words_are_named_and_secrets_not_repeated(said: dict[str, Any], why: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse(said)
    assert why in str(caught.value) and "SECRET" not in str(caught.value)


def test_one_medium_a_guest() -> None:
    with pytest.raises(SpecError, match="unattend: is for Windows and cloud_init for other systems"):
        parse_guest({"name": "web1", "unattend": {}, "cloud_init": {}})
    with pytest.raises(SpecError, match=r"unattend\.tiemzone: no such option; did you mean timezone"):
        parse_guest({"name": "web1", "unattend": {"tiemzone": "UTC"}})


def test_other_answers_are_another_content() -> None:
    assert digest(parse(SAID), "web1") == digest(parse({**SAID, "policy": "ignore"}), "web1")
    assert (
        len({digest(parse({**SAID, **more}), "web1") for more in ({}, {"locale": "en-US"}, {"admin_password": "x"})})
        == 3
    )
    assert digest(parse(SAID), "web1") != digest(parse(SAID), "web2")


WIN: dict[str, Any] = {
    "memory": "4GiB",
    "firmware": "efi",
    "disks": [{"size": "60GiB"}, {"name": "setup", "cdrom": ""}],
    "nics": [],
    "unattend": SAID,
}


def test_the_answers_are_on_a_cd_of_their_own() -> None:
    house = House()
    plan, _outcomes = house.run(**WIN)
    (action,) = [action for action in plan.actions if action.kind == "guest"]
    (step,) = [step for step in action.steps if step.op == "write_seed"]
    made = ET.fromstring(step.args["files"][FILE])
    assert found(made, "windowsPE", "Setup", "ImageInstall/OSImage/InstallTo/PartitionID") == ["3"]
    disks = _xml.find_all(house.definition(), "devices/disk")
    assert [(disk.get("device"), _xml.read(disk, "target/@bus")) for disk in disks][-1] == ("cdrom", "sata")
    said = json.dumps([[change.before, change.after] for change in action.changes], default=str)
    for secret in (PASSWORD, KEY):
        assert secret not in said and secret not in _xml.to_text(house.definition())
    assert house.plan(**WIN).actions == ()
    other = {**WIN, "unattend": {**SAID, "locale": "en-US"}}
    assert [change["path"] for row in rows(house.plan(**other)) for change in row["changes"]] == ["unattend"]
    assert house.plan(**{**other, "unattend": {**other["unattend"], "policy": "ignore"}}).actions == ()
    house.run(**other)
    assert house.plan(**other).actions == ()
    # Without the word the CD stays.
    assert house.plan(**{name: value for name, value in other.items() if name != "unattend"}).actions == ()
    with pytest.raises(SpecError, match="cloud_init: the guest has a seed for unattend"):
        house.plan(**{**{name: value for name, value in WIN.items() if name != "unattend"}, "cloud_init": {}})
    assert {change.effect for change in action.changes if change.path == ("unattend",)} == {Effect.LIVE}


def test_there_is_no_windows_for_every_processor() -> None:
    with pytest.raises(SpecError, match="no Windows for s390x"):
        files(parse({}), "web1", "s390x", "bios")
