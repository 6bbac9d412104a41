"""What a finding says, and that no document can make the judge read or fetch anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from lxml import etree

from tests.xsd.documents import JOB, VALID
from xsd import Edition, explain, validate
from xsd.catalogue import entries
from xsd.validation import _Offline, _parser

XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
UNKNOWN_PHASE = JOB.replace(">ERROR<", ">SUCCESS<")


@pytest.mark.parametrize("judge", [validate, explain])
def test_a_finding_names_line_path_and_fault(judge) -> None:
    (finding,) = judge(UNKNOWN_PHASE.encode())
    assert finding.line == 2
    assert finding.path.endswith("uws:phase")
    assert "EXECUTING" in finding.message
    assert "http://www.ivoa.net" not in finding.message


@pytest.mark.parametrize("judge", [validate, explain])
@pytest.mark.parametrize(
    "document",
    [b"", b"<", b"not xml", b"<a>", b"<a></b>", b"\x00\xff", b"<html><p>hello", b"<a>&undefined;</a>"],
)
def test_what_is_not_xml_is_a_finding(judge, document: bytes) -> None:
    findings = judge(document)
    assert len(findings) >= 1


def test_an_element_is_judged_and_not_changed() -> None:
    root = etree.fromstring(JOB)
    root.set("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", "urn:a http://a.example/a.xsd")
    before = etree.tostring(root)
    assert validate(root) == []
    assert etree.tostring(root) == before


def test_a_schema_named_by_the_document_is_not_read(tmp_path) -> None:
    schema = tmp_path / "mine.xsd"
    schema.write_text(f'<xs:schema {XS} targetNamespace="urn:mine"><xs:element name="a"/></xs:schema>')
    hint = f'xsi:schemaLocation="urn:mine {schema.as_uri()}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    (finding,) = validate(f'<a xmlns="urn:mine" {hint}/>'.encode())
    assert "No matching global declaration" in finding.message


def test_an_external_entity_is_not_read(tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("PENDING")
    text = f'<!DOCTYPE a [<!ENTITY e SYSTEM "{secret.as_uri()}">]>' + JOB.replace(">ERROR<", ">&e;<")
    assert validate(text.encode()) != []


def test_entities_do_not_blow_up() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<!DOCTYPE a [<!ENTITY e0 "x">{levels}]><a>&e11;</a>'
    assert validate(text.encode()) != []


@pytest.mark.parametrize("location", ["http://a.example/a.xsd", "{known}"])
def test_a_schema_cannot_ask_for_other_files(tmp_path, location: str) -> None:
    schema = tmp_path / "mine.xsd"
    schema.write_text('<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:mine"/>')
    parser = _parser()
    parser.resolvers.add(_Offline(entries(Edition.ENDPOINT)))
    place = location.format(known=schema.as_uri())
    text = f'<xs:schema {XS}><xs:import namespace="urn:mine" schemaLocation="{place}"/></xs:schema>'
    with pytest.raises(etree.XMLSchemaParseError):
        etree.XMLSchema(etree.fromstring(text, parser))


def test_threads_get_the_findings_of_their_own_document() -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(validate, [UNKNOWN_PHASE.encode(), JOB.encode()] * 50))
    assert [len(findings) for findings in answers] == [1, 0] * 50


@pytest.mark.parametrize("name", ["job", "capabilities", "tableset", "list records", "votable"])
def test_explain_finds_nothing_in_a_valid_document(name: str) -> None:
    edition, text = VALID[name]
    assert explain(text.encode(), edition=edition) == []
