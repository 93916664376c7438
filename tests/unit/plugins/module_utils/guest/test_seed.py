# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What cloud-init is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtfleet.core.plugins.module_utils._guest.seed import CloudInit, digest, files, parse

_DOCUMENTS = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.one_of(st.text(max_size=20), st.integers(), st.booleans(), st.none(), st.lists(st.text(max_size=5), max_size=3)),
    max_size=4,
)


def test_a_seed_without_a_word_is_one_that_cloud_init_takes() -> None:
    made = files(CloudInit(), "web1")
    assert sorted(made) == ["meta-data", "user-data"]
    assert made["user-data"] == b"#cloud-config\n{}\n"
    meta = json.loads(made["meta-data"])
    assert meta["local-hostname"] == "web1"
    assert meta["instance-id"].startswith("web1-")


@given(_DOCUMENTS, _DOCUMENTS)
def test_mappings_are_read_back_as_yaml(user: dict[str, Any], network: dict[str, Any]) -> None:
    made = files(CloudInit(user_data=user, network_config=network), "web1")
    first, _newline, rest = made["user-data"].decode().partition("\n")
    assert first == "#cloud-config"
    assert yaml.safe_load(rest) == user
    assert yaml.safe_load(made["network-config"]) == network


def test_text_is_given_as_it_is() -> None:
    script = "#!/bin/sh\necho hello\n"
    made = files(CloudInit(user_data=script, network_config="version: 2\n"), "web1")
    assert made["user-data"] == script.encode()
    assert made["network-config"] == b"version: 2\n"


def test_what_the_user_says_about_the_instance_counts() -> None:
    meta = json.loads(files(CloudInit(meta_data={"instance-id": "i-1", "x": 1}), "web1")["meta-data"])
    assert meta == {"instance-id": "i-1", "local-hostname": "web1", "x": 1}


@pytest.mark.parametrize(
    "other",
    [
        CloudInit(user_data={"a": 2}),
        CloudInit(user_data={"a": 1}, meta_data={"b": 1}),
        CloudInit(user_data={"a": 1}, network_config={"version": 2}),
        CloudInit(user_data='{"a": 1}'),
        CloudInit(),
    ],
)
def test_another_content_is_another_instance(other: CloudInit) -> None:
    one = CloudInit(user_data={"a": 1})
    assert digest(one, "web1") != digest(other, "web1")
    assert files(one, "web1")["meta-data"] != files(other, "web1")["meta-data"]


def test_the_same_content_is_the_same_instance() -> None:
    one, other = CloudInit(user_data={"a": 1, "b": 2}), CloudInit(user_data={"b": 2, "a": 1}, policy="recreate")
    assert digest(one, "web1") == digest(other, "web1")
    assert files(one, "web1") == files(other, "web1")
    assert digest(one, "web1") != digest(one, "web2")


@pytest.mark.parametrize(
    "text", ["#cloud-config\n", "#!/bin/sh\n", "#include\n", "Content-Type: x\n", "MIME-Version: 1\n"]
)
def test_the_first_lines_that_cloud_init_knows(text: str) -> None:
    assert parse({"user_data": text}).user_data == text


def test_what_was_left_out_has_its_default() -> None:
    assert parse({"user_data": None, "policy": None}) == CloudInit()
    assert parse({}).policy == "next_boot"
