"""Our schemas and the official ones give the same verdict, document by document and mutation by mutation."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.xsd import official
from tests.xsd.documents import VALID, VO, record
from tests.xsd.mutations import mutations
from xsd import Edition, validate
from xsd.validation import compiled

# What ours accepts and the official set does not, with the reason.
JUSTIFIED = {
    "an STC profile is not looked into": (
        Edition.RECORD,
        record(
            "vs:DataService",
            '<coverage><stc:STCResourceProfile xmlns:stc="http://www.ivoa.net/xml/STC/stc-v1.30.xsd"><stc:Anything/>'
            "</stc:STCResourceProfile></coverage>",
        ),
    ),
    "an STC definition is not looked into": (
        Edition.RECORD,
        record("vs:StandardSTC", '<stcDefinitions><a xmlns="urn:a"/></stcDefinitions>'),
    ),
}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_document_is_valid(name: str) -> None:
    edition, text = VALID[name]
    assert validate(text.encode(), edition=edition) == []


@official.needed
@pytest.mark.parametrize("name", VALID)
def test_every_mutation_gets_the_verdict_of_the_official_schemas(name: str) -> None:
    edition, text = VALID[name]
    root = etree.fromstring(text)
    ours, theirs = compiled(edition), official.compiled(edition)
    verdicts = {mutation: (ours.validate(doc), theirs.validate(doc)) for mutation, doc in mutations(root)}
    assert theirs.validate(root)
    assert {mutation: pair for mutation, pair in verdicts.items() if pair[0] != pair[1]} == {}
    assert {pair[1] for pair in verdicts.values()} == {True, False}, "the mutations prove nothing"


@official.needed
@pytest.mark.parametrize("reason", JUSTIFIED)
def test_the_justified_differences_are_the_known_ones(reason: str) -> None:
    edition, text = JUSTIFIED[reason]
    assert validate(text.encode(), edition=edition) == []
    assert not official.compiled(edition).validate(etree.fromstring(text))


@pytest.mark.parametrize(("edition", "valid"), [(Edition.ENDPOINT, True), (Edition.RECORD, False)])
def test_several_security_methods_are_for_capabilities_only(edition: Edition, valid: bool) -> None:
    text = VALID["capabilities"][1]
    assert (validate(text.encode(), edition=edition) == []) is valid


def test_the_edition_follows_from_the_root() -> None:
    methods = '<securityMethod/><securityMethod standardID="ivo://ivoa.net/sso#BasicAA"/>'
    interface = f'<interface xsi:type="vr:WebBrowser"><accessURL>https://a.example/</accessURL>{methods}</interface>'
    capability = f"<capability>{interface}</capability>"
    in_capabilities = f"<vosi:capabilities {VO}>{capability}</vosi:capabilities>"
    assert validate(in_capabilities.encode()) == []
    assert len(validate(record("vr:Service", capability).encode())) == 1
