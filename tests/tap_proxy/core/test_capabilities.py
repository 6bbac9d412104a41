from __future__ import annotations

import re
from dataclasses import replace

import pytest
from lxml import etree

from penstock.lake.catalogue import SCHEMAS as LAKE
from penstock.regext import TimeLimits
from penstock.vosi import capabilities_document
from tap_proxy.adql import Catalogue, SQLite, compile_query
from tap_proxy.core.capabilities import Promises, tap_capabilities
from tap_proxy.core.examples import examples_for
from tap_proxy.core.formats import TAP_FORMATS
from tap_proxy.core.request import RowLimits
from tap_proxy.core.tap_schema import TAP_SCHEMA
from tests.support.systems import require_shared

BASE = "https://penstock.example/tap"
ALL = (*LAKE, TAP_SCHEMA)
PROMISES = Promises(
    rows=RowLimits(default=10, hard=20),
    duration=TimeLimits(default_s=60, hard_s=600),
    retention=TimeLimits(default_s=3600),
    upload_bytes=1000,
)
SIGNATURE = re.compile(r"[A-Za-z][A-Za-z0-9_]*\(([^,()]+ [^,]+(, [^,()]+ [^,]+)*)?\) -> .+")


def document(schemas=ALL, *, promises: Promises = PROMISES, has_coverages: bool = False) -> etree._Element:
    capabilities = tap_capabilities(BASE, schemas=schemas, promises=promises, has_coverages=has_coverages)
    return etree.fromstring(capabilities_document(capabilities))


def test_the_document_is_valid() -> None:
    etree.XMLSchema(etree.parse(require_shared("xsd", "ALL.xsd"))).assertValid(document())


def test_there_is_one_tap_capability_with_one_standard_interface() -> None:
    (tap,) = document().findall("capability[@standardID='ivo://ivoa.net/std/TAP']")
    (interface,) = tap.findall("interface")
    assert (interface.get("role"), interface.get("version")) == ("std", "1.1")
    assert (interface.find("accessURL").get("use"), interface.findtext("accessURL")) == ("base", BASE)


@pytest.mark.requirement("VO-04")
def test_every_endpoint_is_declared() -> None:
    declared = {capability.get("standardID") for capability in document().findall("capability")}
    vosi = {f"ivo://ivoa.net/std/VOSI#{name}" for name in ("capabilities", "availability", "tables", "tables-1.1")}
    assert declared == {"ivo://ivoa.net/std/TAP", "ivo://ivoa.net/std/DALI#examples", *vosi}


def test_functions_are_declared_with_their_signatures() -> None:
    forms = [
        form.text
        for features in document().iter("languageFeatures")
        if features.get("type").endswith("#features-udf")
        for form in features.iter("form")
    ]
    assert forms
    assert all(SIGNATURE.fullmatch(form) for form in forms)


def test_every_format_is_declared_with_its_short_names() -> None:
    told = {alias.text for alias in document().iterfind(".//outputFormat/alias")}
    assert told == {alias for row in TAP_FORMATS for alias in row.aliases}


def test_the_limits_of_jobs_are_told() -> None:
    times = {
        name: [limit.text for limit in document().iterfind(f".//{name}/*")]
        for name in ("executionDuration", "retentionPeriod")
    }
    assert times == {"executionDuration": ["60", "600"], "retentionPeriod": ["3600"]}


def test_a_data_model_is_declared_only_with_its_table() -> None:
    assert document((TAP_SCHEMA,)).findall(".//dataModel") == []


def test_only_the_whole_registry_is_declared_as_one() -> None:
    whole = {
        model.get("ivo-id")
        for model in document(promises=replace(PROMISES, full_registry=True)).iterfind(".//dataModel")
    }
    assert "ivo://ivoa.net/std/regtap#1.2" in whole
    assert not any("regtap" in model.get("ivo-id").lower() for model in document().iterfind(".//dataModel"))


def test_moc_is_declared_where_there_are_coverages() -> None:
    path = ".//languageFeatures[@type='ivo://org.gavo.dc/std/exts#extra-adql-keywords']/feature/form"
    assert [form.text for form in document(has_coverages=True).iterfind(path)] == ["MOC"]
    assert document().find(path) is None


def test_the_examples_are_valid_queries() -> None:
    examples = examples_for(ALL)
    assert len({example.id for example in examples}) == len(examples) >= 5
    for example in examples:
        compile_query(example.query or "", Catalogue(ALL), SQLite())


def test_examples_of_absent_tables_are_left_out() -> None:
    assert {table for example in examples_for((TAP_SCHEMA,)) for table in example.tables} == {"tap_schema.columns"}
