from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from penstock.db import async_url
from penstock.settings import Section, SettingsError, list_settings, load_settings, settings_type


class TapSection(Section):
    maxrec_default: int = Field(10_000, ge=0, description="Rows that a query returns if it does not say")


SECTIONS: dict[str, type[Section]] = {"tap": TapSection}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_defaults_need_nothing() -> None:
    settings = load_settings(SECTIONS)
    assert settings.port == 8080
    assert settings.section(TapSection).maxrec_default == 10_000
    assert settings.database.startswith("sqlite:////")


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "penstock.toml").write_text(
        'port = 1\nhost = "file"\nauthority = "file.example"\n[tap]\nmaxrec_default = 5\n'
    )
    monkeypatch.setenv("PENSTOCK_PORT", "2")
    monkeypatch.setenv("PENSTOCK_HOST", "environment")
    settings = load_settings(SECTIONS, port=3, host=None)
    assert (settings.port, settings.host, settings.authority) == (3, "environment", "file.example")
    assert settings.section(TapSection).maxrec_default == 5


def test_a_section_is_set_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_TAP__MAXREC_DEFAULT", "7")
    assert load_settings(SECTIONS).section(TapSection).maxrec_default == 7


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("PENSTOCK_PORT", "http", "port"),
        ("PENSTOCK_PORT", "70000", "port"),
        ("PENSTOCK_BASE_URL", "vo.example.org", "base_url: must begin with http"),
        ("PENSTOCK_BASE_URL", "http://", "base_url: must be"),
        ("PENSTOCK_BASE_URL", "https://x.org/a?b=c", "base_url: must be"),
        ("PENSTOCK_BASE_URL", "https://user:word@x.org", "base_url: must be"),
        ("PENSTOCK_TRUSTED_PROXIES", "10.0.0.0/8;::1", "trusted_proxies: .*such as 10.0.0.0/8,::1"),
        ("PENSTOCK_TRUSTED_PROXIES", '["10.0.0.1/8"]', "trusted_proxies: .*such as 10.0.0.0/8,::1"),
        ("PENSTOCK_TRUSTED_PROXIES", "[10.0.0.0/8", "trusted_proxies: .*such as 10.0.0.0/8,::1"),
        ("PENSTOCK_TRUSTED_PROXIES", "[null]", "trusted_proxies: .*such as 10.0.0.0/8,::1"),
        ("PENSTOCK_BROWSER_ORIGINS", "https://x.org/", "browser_origins: .*without a path"),
        ("PENSTOCK_BROWSER_ORIGINS", "x.org,*", "browser_origins: .*such as https://"),
        ("PENSTOCK_BROWSER_ORIGINS", "[1]", "browser_origins: .*such as https://"),
        ("PENSTOCK_OIDC__ISSUERS", "https://x.org", "oidc.* written as JSON"),
        ("PENSTOCK_OIDC__ISSUERS", '[{"nme": 1}]', r"PENSTOCK_OIDC__ISSUERS: oidc.issuers.0.nme is not a setting"),
        ("PENSTOCK_AUTHORITY", "a b", "authority: 'a b' is no IVOA naming authority: give a name such as vo.example"),
        ("PENSTOCK_AUTHORITY", "vo.example.org\n", "authority"),
        ("PENSTOCK_TAP__MAXREC_DEFAULT", "-1", "tap.maxrec_default"),
        ("PENSTOCK_PROT", "80", "PENSTOCK_PROT in the environment is not a setting"),
        ("PENSTOCK_TAP__MAXREC", "80", "PENSTOCK_TAP__MAXREC in the environment is not a setting"),
        ("PENSTOCK_CONFIG", "nosuch.toml", "nosuch.toml, which is not a file"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=says) as caught:
        load_settings(SECTIONS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port = ", "penstock.toml: "),
        ("prot = 1", "penstock.toml: prot is not a setting"),
        ("[tap]\nmaxrec = 1", r"penstock.toml: tap\.maxrec is not a setting"),
        ("[nosuch]\na = 1", "penstock.toml: nosuch is not a setting"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "penstock.toml").write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_settings(SECTIONS)


@pytest.mark.parametrize("text", ["10.0.0.0/8, ::1", '["10.0.0.0/8", "::1"]', " 10.0.0.0/8,::1,"])
def test_trusted_proxies_stand_between_commas_or_in_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PENSTOCK_TRUSTED_PROXIES", text)
    assert [str(network) for network in load_settings(SECTIONS).trusted_proxies] == ["10.0.0.0/8", "::1/128"]


def test_origins_of_pages_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_BROWSER_ORIGINS", "https://x.org, http://localhost:8888")
    assert load_settings(SECTIONS).browser_origins == ("https://x.org", "http://localhost:8888")


def test_no_trusted_proxies_may_be_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('trusted_proxies = ["10.0.0.0/8"]')
    assert len(load_settings(SECTIONS).trusted_proxies) == 1
    monkeypatch.setenv("PENSTOCK_TRUSTED_PROXIES", "")
    assert load_settings(SECTIONS).trusted_proxies == ()


def test_every_setting_has_a_meaning_and_a_variable() -> None:
    rows = list(list_settings(settings_type(SECTIONS)))
    assert ("PENSTOCK_TAP__MAXREC_DEFAULT", "tap.maxrec_default") in {(variable, name) for variable, _, name in rows}
    assert [name for _, field, name in rows if not field.description] == []


@pytest.mark.parametrize("url", ["http://x", "https://x.org:8443/", "http://[::1]:80/a/b_c~d", "https://x.org/vo//"])
def test_a_base_url_loses_the_slash_at_its_end_only(url: str) -> None:
    assert load_settings(SECTIONS, base_url=url).own_url == url.rstrip("/")


@pytest.mark.parametrize("name", ["plain", "a?b=c", "50%", "a%20b", "ü #1"])
def test_the_embedded_database_lies_in_the_data_directory(tmp_path: Path, name: str) -> None:
    settings = load_settings(SECTIONS, data_dir=tmp_path / name)
    assert async_url(settings.database).database == str(tmp_path / name / "penstock.db")
