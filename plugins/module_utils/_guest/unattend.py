# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer file of Windows Setup, which looks for ``autounattend.xml`` on each removable medium.

The components and their settings are Microsoft's ("Unattended Windows Setup Reference"): windowsPE says how the disk is laid
out and what is installed, specialize names the computer, oobeSystem has accounts, language and what runs at the first logon.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from .. import _xml
from .._errors import SpecError
from .._types import LINE, Type, choice, counted, pattern, record

FILE = "autounattend.xml"
POLICIES = ("ignore", "next_boot")
_SPACE = "urn:schemas-microsoft-com:unattend"
_STATE = "http://schemas.microsoft.com/WMIConfig/2002/State"
_ARCHITECTURES = {"x86_64": "amd64", "i686": "x86", "aarch64": "arm64"}
# A CD's letter depends on how many disks and CDs there are; Setup passes over those that do not exist.
_LETTERS = "DEFGH"
_DEFAULT_LOCALE = "en-US"


def _secret(type_: Type, what: str) -> Type:
    """Return a type whose complaints do not repeat the value."""

    def parse(value: Any) -> Any:
        try:
            return type_.parse(value)
        except SpecError:
            raise SpecError(f"is not {what}") from None

    return Type(parse, type_.read, type_.write)


def _parse_password(value: Any) -> str:
    text: str = LINE.parse(value)
    if not text or text != value:
        raise SpecError("empty, or with blanks around it")
    return text


def _parse_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise SpecError(f"{value!r} is not a list")
    found = tuple(str(LINE.parse(item)) for item in value)
    if not all(found):
        raise SpecError("has an empty entry")
    return found


def _parse_folders(value: Any) -> tuple[str, ...]:
    found = tuple(path.replace("/", "\\").strip("\\") for path in _parse_list(value))
    wrong = next((path for path in found if not _FOLDER.fullmatch(path)), None)
    if wrong is not None:
        raise SpecError(
            f"{wrong!r} is not a folder such as viostor/w11/amd64, nor one with its drive such as E:/viostor"
        )
    return found


_FOLDER = re.compile(r'([A-Za-z]:\\)?[^\\/:*?"<>|]+(\\[^\\/:*?"<>|]+)*')


def _parse_answers(value: Any) -> str:
    try:
        root = _xml.parse(value if isinstance(value, str) else "", "the answer file")
    except SpecError:
        # What the parser says may hold a piece of the text, which has passwords.
        raise SpecError("is not a text that can be read as XML") from None
    if root.tag != f"{{{_SPACE}}}unattend":
        raise SpecError(f"is not an answer file: its first element must be unattend, in the namespace {_SPACE}")
    return str(value)


LOCALE = pattern(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})+", "a locale such as en-US or de-DE")
KEYBOARD = pattern(
    r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})+|[0-9A-Fa-f]{4}:[0-9A-Fa-f]{8}",
    "a locale such as de-DE, nor a layout such as 0407:00000407",
)
COMPUTER = pattern(
    r"(?![0-9]+$)[A-Za-z0-9]([A-Za-z0-9-]{0,13}[A-Za-z0-9])?",
    "a computer's name: at most 15 letters, digits and hyphens, and not digits alone",
)
ACCOUNT = pattern(
    r'[^\x00-\x1f"/\\\[\]:;|=,+*?<>@.\s]([^\x00-\x1f"/\\\[\]:;|=,+*?<>@]{0,18}[^\x00-\x1f"/\\\[\]:;|=,+*?<>@.\s])?',
    "an account's name",
)
KEY = _secret(
    pattern(r"[A-Za-z0-9]{5}(-[A-Za-z0-9]{5}){4}", ""),
    "a product key: five times five letters or digits, with hyphens between",
)
PASSWORD = _secret(
    Type(_parse_password, LINE.read, LINE.write), "a password: one line of text without blanks around it"
)
USER = record({"name": ACCOUNT, "password": PASSWORD, "group": LINE})
LIST = Type(_parse_list, LINE.read, LINE.write)
TYPES: dict[str, Type] = {
    "computer_name": COMPUTER,
    "product_key": KEY,
    "edition": LINE,
    "admin_password": PASSWORD,
    "user": USER,
    "locale": LOCALE,
    "keyboard": KEYBOARD,
    "timezone": LINE,
    "organization": LINE,
    "layout": choice("efi", "bios"),
    "drivers": Type(_parse_folders, LINE.read, LINE.write),
    "autologon": counted(0, 9999, "a number of logons"),
    "first_logon_commands": LIST,
}
OPTIONS = (*TYPES, "answer_file", "policy")


@dataclass(frozen=True)
class Unattend:
    """What the user wants of Setup: ``said`` by option, or the ``text`` of a whole answer file."""

    said: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    policy: str = "next_boot"


def parse(options: Mapping[str, Any]) -> Unattend:
    """Return the checked form of the option ``unattend``; raise SpecError otherwise."""
    if not isinstance(options, Mapping):
        raise SpecError(f"{options!r} is not a mapping of {', '.join(OPTIONS)}")
    given = {name: value for name, value in options.items() if value is not None}
    policy = given.pop("policy", "next_boot")
    problems = [] if policy in POLICIES else [f"policy: {policy!r} is not one of {', '.join(POLICIES)}"]
    found: dict[str, Any] = {}
    for name, type_ in {**TYPES, "answer_file": Type(_parse_answers, LINE.read, LINE.write)}.items():
        try:
            if name in given:
                found[name] = type_.parse(given[name])
        except SpecError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    text = found.pop("answer_file", None)
    if text is not None and found:
        problems.append(f"answer_file: is the whole of the answers; leave {', '.join(found)} out")
    problems += _contradictions(found)
    if problems:
        raise SpecError(problems)
    return Unattend(found, text, policy)


def _contradictions(said: Mapping[str, Any]) -> list[str]:
    found = [f"user: needs {part}" for part in ("name", "password") if "user" in said and part not in said["user"]]
    if str(said.get("user", {}).get("name", "")).lower() == "administrator":
        found.append("user: the administrator is there anyway; say admin_password")
    if said.get("autologon") and not {"user", "admin_password"} & set(said):
        found.append("autologon: needs the password of somebody; say user or admin_password")
    if said.get("first_logon_commands") and not said.get("autologon"):
        found.append("first_logon_commands: run once somebody logs on; say autologon: 1")
    return found


def digest(unattend: Unattend, guest: str) -> str:
    """Return what tells one content from another, in hexadecimal.

    It stands in the guest's definition, and passwords are easily guessed: so it is slow to compute.
    """
    said = json.dumps([guest, unattend.said, unattend.text], sort_keys=True, ensure_ascii=True)
    return hashlib.pbkdf2_hmac("sha256", said.encode(), f"virtfleet:{guest}".encode(), 20_000).hex()


def files(unattend: Unattend, guest: str, arch: str, firmware: str) -> dict[str, bytes]:
    """Return the files of the medium by name, for a guest of an architecture that starts by ``efi`` or ``bios``."""
    if unattend.text is not None:
        return {FILE: unattend.text.encode()}
    if arch not in _ARCHITECTURES:
        raise SpecError(f"unattend: there is no Windows for {arch}; say arch: x86_64, i686 or aarch64")
    return {FILE: _answers(unattend.said, guest, _ARCHITECTURES[arch], firmware)}


class _File:
    """An answer file as it grows: its settings by pass and component."""

    def __init__(self, arch: str) -> None:
        self.arch = arch
        # Names with a prefix as they are: the names of the spaces are of this file alone.
        self.root = Element("unattend", {"xmlns": _SPACE, "xmlns:wcm": _STATE})

    def component(self, name: str, stage: str) -> Element:
        settings = next((node for node in self.root if node.get("pass") == stage), None)
        if settings is None:
            settings = SubElement(self.root, "settings", {"pass": stage})
        attributes = {
            "name": f"Microsoft-Windows-{name}",
            "processorArchitecture": self.arch,
            "publicKeyToken": "31bf3856ad364e35",
            "language": "neutral",
            "versionScope": "nonSxS",
        }
        return SubElement(settings, "component", attributes)


def _put(parent: Element, **texts: str) -> None:
    for name, text in texts.items():
        SubElement(parent, name).text = text


def _add(parent: Element, name: str, **attributes: str) -> Element:
    """Return a new entry of a list (WMIConfig: entries of lists are added)."""
    return SubElement(parent, name, {"wcm:action": "add", **attributes})


def _answers(said: Mapping[str, Any], guest: str, arch: str, firmware: str) -> bytes:
    file = _File(arch)
    _international(file.component("International-Core-WinPE", "windowsPE"), said, setup=True)
    _drivers(file, said.get("drivers", ()))
    _setup(file.component("Setup", "windowsPE"), said, said.get("layout", firmware))
    shell = file.component("Shell-Setup", "specialize")
    # A star is a name that Windows draws.
    name = said.get("computer_name") or (guest if _fits(guest) else "*")
    _put(shell, ComputerName=name, TimeZone=said.get("timezone", "UTC"))
    _international(file.component("International-Core", "oobeSystem"), said, setup=False)
    _first_start(file.component("Shell-Setup", "oobeSystem"), said)
    made: bytes = tostring(file.root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"


def _fits(name: str) -> bool:
    try:
        COMPUTER.parse(name)
    except SpecError:
        return False
    return True


def _international(component: Element, said: Mapping[str, Any], setup: bool) -> None:
    locale = said.get("locale", _DEFAULT_LOCALE)
    if setup:
        _put(SubElement(component, "SetupUILanguage"), UILanguage=locale)
    _put(component, InputLocale=said.get("keyboard", locale), SystemLocale=locale, UILanguage=locale, UserLocale=locale)


def _drivers(file: _File, folders: Sequence[str]) -> None:
    if not folders:
        return
    paths = SubElement(file.component("PnpCustomizationsWinPE", "windowsPE"), "DriverPaths")
    whole = [f"{letter}:\\{path}" for path in folders if ":" not in path for letter in _LETTERS]
    whole += [path for path in folders if ":" in path]
    for number, path in enumerate(whole, start=1):
        _put(_add(paths, "PathAndCredentials", **{"wcm:keyValue": str(number)}), Path=path)


# By firmware: each partition's kind, size in MiB (None is the rest), format, label and letter
# (Microsoft, "UEFI/GPT-based hard drive partitions" and "BIOS/MBR-based hard drive partitions").
_LAYOUTS: Mapping[str, tuple[tuple[str, int | None, str | None, str | None, str | None], ...]] = {
    "efi": (
        ("EFI", 300, "FAT32", "System", None),
        ("MSR", 16, None, None, None),
        ("Primary", None, "NTFS", "Windows", "C"),
    ),
    "bios": (("Primary", 500, "NTFS", "System", None), ("Primary", None, "NTFS", "Windows", "C")),
}


def _setup(component: Element, said: Mapping[str, Any], firmware: str) -> None:
    disks = SubElement(component, "DiskConfiguration")
    _put(disks, WillShowUI="OnError")
    disk = _add(disks, "Disk")
    _put(disk, DiskID="0", WillWipeDisk="true")
    layout = _LAYOUTS[firmware]
    made = SubElement(disk, "CreatePartitions")
    for order, (kind, size, _form, _label, _letter) in enumerate(layout, start=1):
        part = _add(made, "CreatePartition")
        _put(part, Order=str(order), Type=kind, **({"Extend": "true"} if size is None else {"Size": str(size)}))
    changed = SubElement(disk, "ModifyPartitions")
    formatted = [(at, *row) for at, row in enumerate(layout, start=1) if row[2] is not None]
    for order, (place, _kind, _size, form, label, letter) in enumerate(formatted, start=1):
        part = _add(changed, "ModifyPartition")
        _put(part, Order=str(order), PartitionID=str(place), Format=form or "", Label=label or "")
        if letter is not None:
            _put(part, Letter=letter)
        if firmware == "bios" and order == 1:
            _put(part, Active="true")
    image = SubElement(SubElement(component, "ImageInstall"), "OSImage")
    if "edition" in said:
        kind = "INDEX" if said["edition"].isdigit() else "NAME"
        _put(_add(SubElement(image, "InstallFrom"), "MetaData"), Key=f"/IMAGE/{kind}", Value=said["edition"])
    _put(SubElement(image, "InstallTo"), DiskID="0", PartitionID=str(len(layout)))
    user = SubElement(component, "UserData")
    _put(user, AcceptEula="true")
    if "organization" in said:
        _put(user, Organization=said["organization"])
    if "product_key" in said:
        _put(SubElement(user, "ProductKey"), Key=said["product_key"].upper(), WillShowUI="OnError")


def _first_start(component: Element, said: Mapping[str, Any]) -> None:
    user = said.get("user")
    if said.get("autologon"):
        logon = SubElement(component, "AutoLogon")
        who, password = (user["name"], user["password"]) if user else ("Administrator", said["admin_password"])
        _password(logon, "Password", password)
        _put(logon, Enabled="true", LogonCount=str(said["autologon"]), Username=who)
    commands = said.get("first_logon_commands", ())
    if commands:
        listed = SubElement(component, "FirstLogonCommands")
        for order, command in enumerate(commands, start=1):
            _put(_add(listed, "SynchronousCommand"), Order=str(order), CommandLine=command)
    oobe = SubElement(component, "OOBE")
    _put(oobe, HideEULAPage="true", HideOnlineAccountScreens="true", HideWirelessSetupInOOBE="true", ProtectYourPC="3")
    if "organization" in said:
        _put(component, RegisteredOrganization=said["organization"])
    accounts = Element("UserAccounts")
    if "admin_password" in said:
        _password(accounts, "AdministratorPassword", said["admin_password"])
    if user:
        account = _add(SubElement(accounts, "LocalAccounts"), "LocalAccount")
        _password(account, "Password", user["password"])
        _put(account, Name=user["name"], DisplayName=user["name"], Group=user.get("group", "Administrators"))
    if len(accounts):
        component.append(accounts)


def _password(parent: Element, name: str, value: str) -> None:
    _put(SubElement(parent, name), Value=value, PlainText="true")
