# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in free documents: what looks like one is masked everywhere, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.virtfleet.core.plugins.module_utils._guest.options import GUEST_OPTIONS, RUN_OPTIONS
from ansible_collections.virtfleet.core.plugins.module_utils._secrets import hide, invocation

DOCUMENT = {
    "hostname": "web1",
    "ssh_pwauth": True,
    "manage_etc_hosts": 1,
    "chpasswd": {"users": [{"name": "admin", "password": "hunter22", "type": "text"}]},
    "users": [{"name": "joe", "plain_text_passwd": "correct horse", "hashed_passwd": "$6$salt$abcdef", "sudo": "ALL"}],
    "wifi": {"token": "tok-12345", "pin": {"secret": ["s3cr3t", "x1"]}},
    "runcmd": ["systemctl restart nginx"],
}
SECRETS = ["hunter22", "correct horse", "$6$salt$abcdef", "tok-12345", "s3cr3t"]
OPEN = ["web1", "joe", "ALL", "systemctl restart nginx", "True", "1"]


def module(monkeypatch: pytest.MonkeyPatch, **options: Any) -> basic.AnsibleModule:
    """Return the module as Ansible starts it with these options."""
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"name": "web1", **options}}).encode()
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", arguments)
    # Since ansible-core 2.19 a profile says how arguments were encoded.
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    return basic.AnsibleModule(argument_spec={**GUEST_OPTIONS, **RUN_OPTIONS})


def test_what_looks_like_a_secret_is_masked_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    started = module(monkeypatch, cloud_init={"user_data": DOCUMENT})
    hide(started)
    result = remove_values({"seen": SECRETS + OPEN, "count": 1}, started.no_log_values)
    text = json.dumps(result)
    assert not [secret for secret in SECRETS if secret in text]
    assert result["seen"][len(SECRETS) :] == OPEN
    assert result["count"] == 1


def test_a_document_given_as_text_is_one_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    document = "#cloud-config\npassword: hunter22\n"
    started = module(monkeypatch, cloud_init={"user_data": document})
    hide(started)
    assert document in started.no_log_values
    assert invocation(started)["invocation"]["module_args"]["cloud_init"]["user_data"] == "(hidden)"


def test_the_invocation_leaves_the_documents_out(monkeypatch: pytest.MonkeyPatch) -> None:
    started = module(monkeypatch, cloud_init={"user_data": DOCUMENT, "policy": "ignore"}, memory="1GiB")
    hide(started)
    shown = invocation(started)["invocation"]["module_args"]
    assert shown["cloud_init"]["user_data"] == "(hidden)"
    assert (shown["cloud_init"]["policy"], shown["memory"]) == ("ignore", "1GiB")
    # What the module itself works with is whole.
    assert started.params["cloud_init"]["user_data"] == DOCUMENT
    text = json.dumps(shown)
    assert not [secret for secret in SECRETS if secret in text]


def test_without_a_document_there_is_nothing_to_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    started = module(monkeypatch)
    hide(started)
    assert started.no_log_values == set()
    assert invocation(started)["invocation"]["module_args"]["cloud_init"] is None
    started = module(monkeypatch, cloud_init={"meta_data": {"a": 1}})
    hide(started)
    assert invocation(started)["invocation"]["module_args"]["cloud_init"]["user_data"] is None


@pytest.mark.parametrize("value", ["ab", "", 7])
def test_what_is_too_short_to_mask_masks_nothing(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    started = module(monkeypatch, cloud_init={"user_data": {"password": value}})
    hide(started)
    assert remove_values({"text": "a cab has 7 seats"}, started.no_log_values) == {"text": "a cab has 7 seats"}


@pytest.mark.parametrize("option", ["network_config", "meta_data"])
def test_secrets_of_every_document_are_hidden(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    document = {"wifis": {"wlan0": {"access-points": {"home": {"password": "hunter22"}}}}}
    started = module(monkeypatch, cloud_init={option: document})
    hide(started)
    text = json.dumps(remove_values({"x": "the key is hunter22", **invocation(started)}, started.no_log_values))
    assert "hunter22" not in text


@pytest.mark.parametrize("text", ["passwd='geheim12'", 'passwd = "geheim12"', "vncPassword='geheim12'"])
def test_a_password_in_an_overlay_is_masked(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    xml = f"<graphics type='vnc' {text}/>"
    started = module(monkeypatch, xml_overlay=[{"at": "devices", "xml": xml}, {"remove": "devices/sound"}])
    hide(started)
    shown = remove_values({"plan": [{"after": {"xml": xml}}], **invocation(started)}, started.no_log_values)
    assert "geheim12" not in json.dumps(shown)
    assert shown["plan"][0]["after"]["xml"].startswith("<graphics type='vnc' ")
    assert started.params["xml_overlay"][0]["xml"] == xml


def test_what_windows_setup_is_told_in_secret_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["geheim-1", "geheim-2", "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", "net user joe geheim-3"]
    user, admin, key, command = secrets
    said = {
        "user": {"name": "joe", "password": user},
        "admin_password": admin,
        "product_key": key,
        "autologon": 1,
        "first_logon_commands": [command],
        "locale": "de-DE",
    }
    started = module(monkeypatch, unattend=said)
    hide(started)
    shown = remove_values({**invocation(started), "seen": [*secrets, "joe", "de-DE"]}, started.no_log_values)
    text = json.dumps(shown)
    assert not [secret for secret in secrets if secret in text]
    assert shown["seen"][len(secrets) :] == ["joe", "de-DE"]
    assert started.params["unattend"]["user"]["password"] == user
    whole = "<unattend xmlns='urn:schemas-microsoft-com:unattend'>geheim-4</unattend>"
    started = module(monkeypatch, unattend={"answer_file": whole})
    hide(started)
    assert whole not in json.dumps(remove_values(invocation(started), started.no_log_values))
