from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.core.dates import read_date
from registry.core.rules import Level, RuleFinding, check_record
from tests.registry.builders import a_record

NOW = "2026-11-21T12:00:00Z"
RECORDS = Path(__file__).parents[1] / "records"


def found(document: bytes) -> list[RuleFinding]:
    return check_record(document, authority="penstock.example", now=NOW)


def changed(old: str, new: str) -> bytes:
    document = a_record().replace(old.encode(), new.encode())
    assert document != a_record()
    return document


SCS = '<capability standardID="ivo://ivoa.net/std/ConeSearch">'
NS = 'xmlns:cs="http://www.ivoa.net/xml/ConeSearch/v1.0" xsi:type="cs:ConeSearch"'


def test_a_good_record_has_no_finding_with_stamps_or_without() -> None:
    assert found(a_record()) == found(a_record(stamps="")) == []


@pytest.mark.parametrize(
    ("document", "rule", "line"),
    [
        (changed("ivo://penstock.example/hand", "ivo://third.org/hand"), "RegistryInterface 1.1 s3.1.4", 5),
        (changed("ivo://penstock.example/hand", "http://penstock.example/hand"), "IVOA Identifiers 2.0 s2", 5),
        (changed("2021-01-01T00:00:00Z", "2031-01-01T00:00:00Z"), "VRdate", 3),
        (changed("2020-01-01T00:00:00Z", "2022-01-01T00:00:00Z"), "VOResource 1.1 s2.2.4", 3),
        (changed("2021-01-01T00:00:00Z", "2021-02-30T00:00:00Z"), "VOResource 1.1 s2.2.4", 3),
        (changed('status="active"', 'status="deleted"'), "VR3.1b1", 3),
        (changed('status="active"', 'status="fine"'), "schema", 3),
        (changed("By hand", "  "), "VOResource 1.1 s3.1", 4),
        (changed("https://example.org/q", "example.org/q"), "VOResource 1.1 s3.2.3", 15),
        (changed("https://example.org/q", "https://[/"), "VOResource 1.1 s3.2.3", 15),
        (changed("https://example.org/</ref", "ftp://example.org/</ref"), "VOResource 1.1 s3.2.3", 13),
        (changed("vs:CatalogService", "vs:Nothing"), "schema", 3),
        (changed("<contact>", "<contakt>").replace(b"</contact>", b"</contakt>"), "schema", 8),
        (changed("<capability>", '<capability standardID="ivo://ivoa.net/std/tap#AUX">'), "VOResource 1.1 s3.2.2", 15),
        (changed("<capability>", SCS), "VOResource 1.1 s3.2.2", 15),
        (changed("<capability>", SCS.replace(">", f" {NS}>")).replace(b' role="std"', b""), "CS4.0b", 15),
        (b"<a/>", "RegistryInterface 1.1 s3.1.2", 1),
        (b"<a", "schema", 1),
        (b"", "schema", 1),
    ],
)
def test_an_error_names_its_rule_and_line(document: bytes, rule: str, line: int) -> None:
    errors = [one for one in found(document) if one.level is Level.ERROR]
    assert (rule, line) in [(one.rule, one.line) for one in errors]


@pytest.mark.parametrize(
    ("document", "rule"),
    [
        (changed("<email>vo@example.org</email>", ""), "VOResource 1.1 s3.1.2"),
        (changed(">surveys<", ">Galaxy clusters<"), "VOResource 1.1 s3.1.3"),
        (changed("<capability>", '<capability standardID="ivo://ivoa.net/std/Nix">'), "VOResource 1.1 s3.2.2"),
        (changed("2021-01-01T00:00:00Z", "2021-01-01T00:00:00"), "VOResource 1.1 s2.2.4"),
        (changed("<capability>", '<capability/><capability standardID="ivo://x.y.z/w">'), "VR3.2.2a"),
        (changed("<capability>", '<capability xmlns:zz="urn:zz" xsi:type="zz:Odd">'), "schema"),
    ],
)
def test_what_is_only_recommended_is_a_warning(document: bytes, rule: str) -> None:
    assert [(one.rule, one.level) for one in found(document)] == [(rule, Level.WARNING)]


def test_an_authority_has_no_path_and_a_registry_manages_one() -> None:
    text = (RECORDS / "authority.xml").read_bytes()
    good = check_record(text, authority="obs.example", now=NOW)
    assert [one for one in good if one.level is Level.ERROR] == []
    deep = text.replace(b"<identifier>ivo://obs.example<", b"<identifier>ivo://obs.example/x<")
    assert "s4.2" in check_record(deep, authority="obs.example", now=NOW)[0].rule
    registry = (RECORDS / "registry.xml").read_bytes()
    silent = b"\n".join(line for line in registry.splitlines() if b"managedAuthority" not in line)
    assert "s3.1.5" in {one.rule.split()[-1] for one in check_record(silent, authority="obs.example", now=NOW)}


def test_entities_and_document_types_are_not_read() -> None:
    bomb = b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + a_record().replace(b"By hand", b"&b;")
    assert any(one.level is Level.ERROR for one in found(bomb))
    outside = b'<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + a_record().replace(b"By hand", b"&a;")
    assert not any("root:" in one.message for one in found(outside))


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(document: bytes) -> None:
    assert found(document)


@given(st.integers(min_value=0, max_value=len(a_record()) - 1), st.binary(min_size=1, max_size=3))
def test_a_record_that_was_damaged_anywhere_is_judged(place: int, damage: bytes) -> None:
    found(a_record()[:place] + damage + a_record()[place + 1 :])


@pytest.mark.parametrize(
    ("text", "stamp", "wrong"),
    [
        ("2021-01-02", "2021-01-02T00:00:00Z", False),
        ("2021-01-02T03:04:05.678Z", "2021-01-02T03:04:05Z", False),
        ("2021-01-02T03:04:05", "2021-01-02T03:04:05Z", True),
        ("2021-01-02T03:04:05+02:00", "2021-01-02T01:04:05Z", True),
        ("2021-01-02T03:04:05-0200", "2021-01-02T05:04:05Z", True),
        ("0001-01-01T00:00:00+14:00", None, True),
        ("2021-13-02", None, True),
        ("٢٠٢١-٠١-٠٢", None, True),
        ("", None, True),
        ("yesterday", None, True),
    ],
)
def test_dates_are_read_as_they_are_met(text: str, stamp: str | None, wrong: bool) -> None:
    got, problem = read_date(text)
    assert (got, problem is not None) == (stamp, wrong)


@given(st.text(max_size=40))
def test_any_text_is_a_date_or_none(text: str) -> None:
    stamp, problem = read_date(text)
    assert stamp is not None or problem
