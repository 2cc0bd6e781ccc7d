"""Organisations' files: read whole, or every fault named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from culm.core.errors import Misconfigured
from server.identity.actor import Role
from server.identity.organisations import read_organisations

GOOD = {"audience": "culm", "client_id": "culm", "client_secret": "x", "vo": "atlas",
        "oidc_config_url": "https://iam.example.org/.well-known/openid-configuration"}  # fmt: skip


def written(folder: Path, config: Any, policies: Any = None, vo: str = "atlas") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{vo}_auth_config.json").write_text(json.dumps(config))
    if policies is not None:
        (folder / "auth_policies.json").write_text(json.dumps(policies))
    return folder


def test_files_as_panda_has_them_are_read(tmp_path: Path) -> None:
    rule = ["atlas/production", {"group": "phys-higgs", "role": "production"}]
    found = read_organisations(written(tmp_path, GOOD, {"atlas": [rule]}))
    assert found["atlas"].client_secret == "x"
    [one] = found["atlas"].rules
    assert (one.claimed, one.group, one.role) == ("atlas/production", "phys-higgs", Role.PRODUCTION)


def test_no_folder_is_no_organisation(tmp_path: Path) -> None:
    assert read_organisations(tmp_path / "none") == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"audiance": "x"}, "did you mean audience"),
        ({"client_id": ""}, "client_id: '' - a string is needed"),
        ({"client_id": None}, "client_id: None - a string is needed"),
        ({"oidc_config_url": "http://iam.example.org/x"}, "an https URL"),
        ({"oidc_config_url": "ftp://x"}, "an https URL"),
        ({"oidc_config_url": "https://x:y/"}, "an https URL"),
        ({"vo": "cms"}, "vo: 'cms' - the name of its file"),
    ],
)
def test_faults_of_a_description_are_named(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_organisations(written(tmp_path, GOOD | changes))
    assert words in str(caught.value)
    assert "client_secret: 'x'" not in str(caught.value)


def test_missing_fields_are_named_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_organisations(written(tmp_path, {"vo": "atlas"}))
    assert [fault.field.split(": ")[1] for fault in caught.value.faults] == [
        "audience", "client_id", "oidc_config_url"]  # fmt: skip


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ({"cms": []}, "there is no cms_auth_config.json"),
        ({"atlas": {}}, "a list of [claimed group, rule]"),
        ({"atlas": ["x"]}, "atlas[0]"),
        ({"atlas": [["g", {"group": "g", "role": "produktion"}]]}, "did you mean production"),
        ({"atlas": [["g", {"group": "g", "role": "user", "queue": []}]]}, "did you mean queues"),
        ({"atlas": [["g", {"group": "g", "role": "pilot"}]]}, "a pilot needs them"),
        ({"atlas": [["g", {"group": "g", "role": "user", "queues": ["Q"]}]]}, "those that a pilot"),
        ([], "a JSON object is needed"),
    ],
)
def test_faults_of_policies_are_named(tmp_path: Path, policies: Any, words: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_organisations(written(tmp_path, GOOD, policies))
    assert words in str(caught.value)


def test_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "atlas_auth_config.json").write_text("{")
    with pytest.raises(Misconfigured, match="a JSON file"):
        read_organisations(tmp_path)
