"""The catalogue names every schema of the project and the official file that each stands for."""

from __future__ import annotations

import pytest
from lxml import etree

from tests.xsd import official
from xsd import Edition, catalogue
from xsd.catalogue import SCHEMAS, entries


@pytest.mark.parametrize("name", catalogue())
def test_an_entry_is_a_schema_of_its_namespace(name: str) -> None:
    entry = catalogue()[name]
    root = etree.parse(entry.file).getroot()
    assert root.get("targetNamespace") == entry.namespace
    assert entry.official_url.startswith("http")
    assert entry.official_sha256 is None or len(entry.official_sha256) == 64


def test_every_schema_of_ours_is_in_the_catalogue() -> None:
    named = {entry.file for entry in catalogue().values()}
    assert {file for file in SCHEMAS.glob("*.xsd") if not file.stem.endswith("-common")} <= named


@pytest.mark.parametrize("edition", Edition)
def test_an_edition_has_each_namespace_once(edition: Edition) -> None:
    namespaces = [entry.namespace for entry in entries(edition)]
    assert len(namespaces) == len(set(namespaces))
    assert set(namespaces) == {entry.namespace for entry in catalogue().values()}


@pytest.mark.parametrize("file", sorted(SCHEMAS.glob("*.xsd")), ids=lambda file: file.name)
def test_our_schemas_hold_no_documentation_of_others(file) -> None:
    root = etree.parse(file).getroot()
    assert root.find(".//{http://www.w3.org/2001/XMLSchema}annotation") is None
    places = {e.get("schemaLocation") for e in root.iter(etree.Element) if e.get("schemaLocation")}
    assert all(place.endswith("-common.xsd") for place in places)


@official.needed
@pytest.mark.parametrize("name", [name for name, entry in catalogue().items() if entry.official_sha256])
def test_the_digests_are_those_of_the_official_files(name: str) -> None:
    entry = catalogue()[name]
    assert entry.official_sha256 in official.by_digest()
    assert official.by_url()[entry.official_url] == official.by_digest()[entry.official_sha256]
