"""The issuers as an operator writes them: in TOML or in the environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.settings import Issuer, SettingsError, list_settings, load_settings, settings_type

IAM = {"url": "https://iam.example.org/", "audiences": ["https://penstock.example"]}
KEYCLOAK = {
    "url": "https://sso.example.org/realms/vo",
    "audiences": ["penstock"],
    "name": "vo",
    "groups_claims": ["realm_access.roles"],
    "admin_groups": ["operators"],
}
AS_TOML = """
authenticator = "oidc"

[[oidc.issuers]]
url = "https://iam.example.org/"
audiences = ["https://penstock.example"]

[[oidc.issuers]]
url = "https://sso.example.org/realms/vo"
audiences = ["penstock"]
name = "vo"
groups_claims = ["realm_access.roles"]
admin_groups = ["operators"]
"""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_file_and_the_environment_say_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "penstock.toml").write_text(AS_TOML)
    from_file = load_settings({})
    (tmp_path / "penstock.toml").unlink()
    monkeypatch.setenv("PENSTOCK_AUTHENTICATOR", "oidc")
    monkeypatch.setenv("PENSTOCK_OIDC__ISSUERS", json.dumps([IAM, KEYCLOAK]))
    from_environment = load_settings({})
    assert from_file.oidc == from_environment.oidc
    assert from_file.authenticator == from_environment.authenticator == "oidc"
    first, second = from_file.oidc.issuers
    assert (first.name, first.groups_claims) == ("iam.example.org", ("wlcg.groups", "groups"))
    assert second == Issuer.model_validate(KEYCLOAK)


@pytest.mark.parametrize(
    ("issuers", "says"),
    [
        ([IAM | {"url": "http://iam.example.org/"}], "oidc.issuers.0.url: must be an https"),
        ([IAM | {"url": "https://iam.example.org/?realm=vo"}], "oidc.issuers.0.url"),
        ([IAM | {"url": ""}], "oidc.issuers.0.url"),
        ([IAM | {"audiences": []}], "oidc.issuers.0.audiences"),
        ([IAM | {"audiences": "penstock"}], "oidc.issuers.0.audiences"),
        ([{"url": IAM["url"]}], "oidc.issuers.0.audiences"),
        ([IAM | {"name": "a@b"}], "oidc.issuers.0.name"),
        ([IAM | {"admin_group": ["x"]}], "oidc.issuers.0.admin_group"),
        ([IAM, IAM], "two issuers have the url"),
        ([IAM, IAM | {"url": "https://iam.example.org/realms/vo"}], "two issuers have the name 'iam.example.org'"),
        (IAM, "oidc.issuers"),
        ("iam", "oidc.issuers"),
    ],
)
def test_a_wrong_issuer_is_one_line_that_names_it(issuers: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OIDC__ISSUERS", json.dumps(issuers))
    with pytest.raises(SettingsError, match=says) as caught:
        load_settings({})
    assert "\n" not in str(caught.value)


def test_what_is_no_json_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_OIDC__ISSUERS", "[{url: x}]")
    with pytest.raises(SettingsError, match=r"(?i)oidc"):
        load_settings({})


def test_the_settings_are_listed() -> None:
    names = {name for _, _, name in list_settings(settings_type({}))}
    assert {"authenticator", "oidc.issuers"} <= names
