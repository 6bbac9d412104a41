from __future__ import annotations

from dataclasses import replace

import pytest
from lxml import etree

from penstock.votable.document import (
    Document,
    Frame,
    Info,
    Link,
    Param,
    QueryStatus,
    Serialization,
    ServiceDescriptor,
    error_document,
)
from penstock.votable.model import Field
from tests.penstock.votable.builders import a_field, assert_golden, text_field, written

NS = {"v": "http://www.ivoa.net/xml/VOTable/v1.3"}
DESCRIPTOR = ServiceDescriptor(
    id="cutout",
    name="cutout",
    description="Cuts a piece out of an image",
    params=(
        Param(name="accessURL", datatype="char", arraysize="*", value="https://penstock.example/datalink/soda"),
        Param(name="standardID", datatype="char", arraysize="*", value="ivo://ivoa.net/std/SODA#sync-1.0"),
    ),
    inputs=(
        Param(name="ID", datatype="char", arraysize="*", ref="did"),
        Param(name="CIRCLE", datatype="double", arraysize="3", xtype="circle", unit="deg", maximum="10 20 1"),
        Param(name="POL", datatype="char", arraysize="*", options=("I", "V"), description="Polarisation"),
    ),
)
RICH = Document(
    fields=(
        Field(
            name="obs_publisher_did",
            datatype="char",
            arraysize="*",
            ucd="meta.ref.uri;meta.curation",
            utype="obscore:Curation.PublisherDID",
            description="Identifier <here> & there",
            id="did",
        ),
        Field(name="s_ra", datatype="double", unit="deg", ucd="pos.eq.ra"),
        Field(name="t", datatype="char", arraysize="*", xtype="timestamp"),
    ),
    infos=(Info(name="QUERY", value="SELECT", text="SELECT * FROM t WHERE a < 'x\x01'"),),
    description="A result",
    table_name="result",
    table_description="Two rows",
    links=(Link(href="https://penstock.example/", content_role="doc", title="About"),),
    services=(DESCRIPTOR,),
)
ROWS = [("ivo://penstock.example/lake?a&b", 10.5, "2026-11-21T12:00:00"), ("ivo://penstock.example/lake?c", None, None)]


def header_and_footer(
    document: Document, serialization: Serialization, trailing: tuple[Info, ...] = ()
) -> tuple[bytes, bytes]:
    frame = Frame(document, serialization)
    return frame.header(document.infos), frame.footer(trailing)


@pytest.mark.parametrize("serialization", list(Serialization))
def test_rich_document_is_as_agreed(serialization):
    content = written(serialization, RICH.fields, ROWS, RICH, QueryStatus.OVERFLOW)
    assert_golden(f"rich-{serialization.lower()}.vot", content)


def test_error_document_is_as_agreed():
    infos = (Info(name="standardID", value="ivo://ivoa.net/std/TAP"),)
    assert_golden("error.vot", error_document("Table <b>nope</b> is unknown.\x00", infos=infos))


@pytest.mark.parametrize("version", ["1.3", "1.4", "1.5"])
def test_version_is_selectable(version):
    header, footer = header_and_footer(Document(fields=(a_field(),), version=version), Serialization.TABLEDATA)
    root = etree.fromstring(header + footer)
    assert root.tag == f"{{{NS['v']}}}VOTABLE"
    assert root.get("version") == version


def test_query_status_comes_before_the_table_and_before_other_infos():
    header, footer = header_and_footer(RICH, Serialization.TABLEDATA)
    infos = etree.fromstring(header + footer).findall("v:RESOURCE/v:INFO", NS)
    assert [(info.get("name"), info.get("value")) for info in infos] == [("QUERY_STATUS", "OK"), ("QUERY", "SELECT")]


def test_trailing_infos_change_the_footer_alone():
    quiet = header_and_footer(RICH, Serialization.BINARY2)
    loud = header_and_footer(RICH, Serialization.BINARY2, (Info(name="QUERY_STATUS", value="ERROR", text="lost"),))
    assert quiet[0] == loud[0]
    results = etree.fromstring(b"".join(loud)).find("v:RESOURCE", NS)
    assert [etree.QName(child).localname for child in results][-2:] == ["TABLE", "INFO"]


def test_column_selected_twice_has_its_id_once():
    field = a_field("char", "*", "a", id="a")
    header, footer = header_and_footer(Document(fields=(field, field)), Serialization.TABLEDATA)
    fields = etree.fromstring(header + footer).findall(".//v:FIELD", NS)
    assert [field.get("ID") for field in fields] == ["a", None]


@pytest.mark.parametrize("text", ["<?rows here?>", "&<>\"'", "\x00\x0b\ud800\ufffe", "]]>", "\r\n"])
def test_no_text_breaks_the_document(text):
    field = Field(name=text, datatype="int", description=text, unit=text)
    document = Document(fields=(field,), infos=(Info(name="Q", value=text, text=text),), table_description=text)
    header, footer = header_and_footer(document, Serialization.TABLEDATA)
    etree.fromstring(header + footer)
    etree.fromstring(error_document(text))


def test_document_without_extras_has_no_empty_elements():
    header, footer = header_and_footer(Document(fields=(text_field(),)), Serialization.TABLEDATA)
    names = {etree.QName(element).localname for element in etree.fromstring(header + footer).iter()}
    assert names == {"VOTABLE", "RESOURCE", "INFO", "TABLE", "FIELD", "DATA", "TABLEDATA"}


def canonical(element: etree._Element) -> list[tuple[str, dict[str, str]]]:
    return [(str(one.tag), dict(one.attrib)) for one in element.iter()]


def test_services_that_only_the_rows_make_known_stand_at_the_end():
    service = ServiceDescriptor(
        id="late", params=(Param(name="accessURL", datatype="char", arraysize="*", value="https://x.org/?a&b"),)
    )
    document = Document(fields=(a_field(),))
    frame = Frame(document, Serialization.TABLEDATA)
    late = frame.header(()) + frame.footer((), (service,))
    root = etree.fromstring(late)
    known = etree.fromstring(
        b"".join(header_and_footer(replace(document, services=(service,)), Serialization.TABLEDATA))
    )
    assert [canonical(one) for one in root] == [canonical(one) for one in known]
    assert frame.footer() == frame.footer((), ()), "the next document does not have them"
