from __future__ import annotations

import base64
import io
import struct

import pytest
from astropy.io.votable import from_table, writeto
from astropy.table import MaskedColumn, Table
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.document import Serialization
from penstock.votable.model import Field
from penstock.votable.read_binary import Base64Reader
from penstock.votable.reader import read
from tests.penstock.votable.builders import (
    INF,
    NAN,
    a_field,
    plain,
    rows_of,
    stream,
    table,
    text_field,
    upload,
    wrapped,
    written,
)

NAMESPACES = ["", *(f"http://www.ivoa.net/xml/VOTable/v{version}" for version in ("1.1", "1.2", "1.3")), "urn:other"]


def field_xml(datatype: str, arraysize: str | None = None, null: str | None = None) -> str:
    size = f' arraysize="{arraysize}"' if arraysize else ""
    values = f'<VALUES null="{null}"/>' if null else ""
    return f'<FIELD name="x" datatype="{datatype}"{size}>{values}</FIELD>'


def binary(content: bytes, fields: str, kind: str = "BINARY") -> bytes:
    return stream(base64.encodebytes(content).decode(), fields=fields, kind=kind)


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_every_namespace_is_read(namespace):
    assert rows_of(table("<TD>1</TD>", "<TD/>", namespace=namespace)) == [(1,), (None,)]


def test_prefixed_elements_are_read():
    document = b"""<v:VOTABLE xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3"><v:RESOURCE><v:TABLE>
    <v:FIELD name="x" datatype="int"/><v:DATA><v:TABLEDATA><v:TR><v:TD>1</v:TD></v:TR></v:TABLEDATA></v:DATA>
    </v:TABLE></v:RESOURCE></v:VOTABLE>"""
    assert rows_of(document) == [(1,)]


def test_field_is_read_whole():
    xml = """<FIELD ID="c" name=" a b " datatype="char" arraysize="*" xtype="timestamp" unit="d" ucd="time" utype="u:t">
    <DESCRIPTION>When
    it was</DESCRIPTION><LINK href="x"/></FIELD>"""
    expected = Field(
        id="c",
        name="a b",
        datatype="char",
        arraysize="*",
        xtype="timestamp",
        unit="d",
        ucd="time",
        utype="u:t",
        description="When it was",
    )
    assert upload(table(fields=xml)).fields == (expected,)


def test_field_without_name_goes_by_its_id():
    assert upload(table(fields='<FIELD ID="c" datatype="int"/>')).fields[0].name == "c"


@pytest.mark.parametrize(
    ("datatype", "arraysize", "text", "value"),
    [
        ("boolean", None, "tRUe", True),
        ("boolean", None, "0", False),
        ("boolean", None, "?", None),
        ("boolean", "*", "T f ? 1", [True, False, None, True]),
        ("bit", "*", "101", [True, False, True]),
        ("bit", "3", "1 0 1", [True, False, True]),
        ("unsignedByte", None, "0xff", 255),
        ("short", None, "0xFFFF", -1),
        ("short", "2", "+1 0x10", [1, 16]),
        ("int", None, " \n-7 ", -7),
        ("long", None, "+5", 5),
        ("long", None, "9223372036854775807", 2**63 - 1),
        ("float", None, "1.5E-3", 0.001500000013038516),
        ("double", None, "+Inf", INF),
        ("double", None, "-Inf", -INF),
        ("double", None, "NaN", NAN),
        ("double", "2x*", "1 2\t3\n4", [1.0, 2.0, 3.0, 4.0]),
        ("floatComplex", None, "1 -2", [1.0, -2.0]),
        ("doubleComplex", "2", "1 2 3 4", [1.0, 2.0, 3.0, 4.0]),
        ("char", "*", " a &lt;b ", " a <b "),
        ("char", "*", "<![CDATA[<i>&amp;]]>", "<i>&amp;"),
        ("char", None, "é", "é"),
        ("char", "8x2", "longnam short", "longnam short"),
        ("unicodeChar", "*", "&#x42F;", "Я"),
        ("double", "2", "", None),
        ("char", "5", "", None),
    ],
)
def test_cell_of_tabledata_is_read(datatype, arraysize, text, value):
    document = table(f"<TD>{text}</TD>", fields=field_xml(datatype, arraysize))
    assert plain(rows_of(document)[0][0]) == plain(value)


@pytest.mark.parametrize(
    ("datatype", "arraysize", "content", "value"),
    [
        ("boolean", None, b"t", True),
        ("boolean", None, b"0", False),
        ("boolean", None, b"\0", None),
        ("boolean", "4", b"T ?f", [True, None, None, False]),
        ("bit", "10", b"\xff\x40", [*[True] * 8, False, True]),
        ("bit", "*", b"\0\0\0\2\x80", [True, False]),
        ("short", None, b"\xff\xff", -1),
        ("double", None, struct.pack(">d", NAN), None),
        ("double", "2", struct.pack(">2d", NAN, 1.0), [NAN, 1.0]),
        ("double", "2x*", struct.pack(">i2d", 2, 1.0, 2.0), [1.0, 2.0]),
        ("floatComplex", "*", struct.pack(">i2f", 1, 1.0, 2.0), [1.0, 2.0]),
        ("char", "5", b"ab\0c\xff", "ab"),
        ("char", "*", "\0\0\0\2é".encode(), "é"),
        ("char", "*", b"\0\0\0\0", None),
        ("char", None, b"\0", None),
        ("unicodeChar", "2", b"\0a\4\x2f", "aЯ"),
        ("unicodeChar", "*", b"\0\0\0\1\4\x2f", "Я"),
    ],
)
def test_cell_of_binary_is_read(datatype, arraysize, content, value):
    assert plain(rows_of(binary(content, field_xml(datatype, arraysize)))[0][0]) == plain(value)


@pytest.mark.parametrize(
    ("datatype", "arraysize", "content", "value"),
    [
        ("double", None, struct.pack(">d", NAN), NAN),
        ("char", "*", b"\0\0\0\0", ""),
        ("int", "*", b"\0\0\0\0", []),
    ],
)
@pytest.mark.parametrize("null", [False, True])
def test_binary2_tells_null_from_empty(datatype, arraysize, content, value, null):
    document = binary(bytes([0x80 * null]) + content, field_xml(datatype, arraysize), "BINARY2")
    assert plain(rows_of(document)[0][0]) == (None if null else plain(value))


def test_declared_null_is_null_in_every_serialization():
    scalar, array = field_xml("short", null="-99"), field_xml("short", "2", null="-99")
    assert rows_of(table("<TD>-99</TD>", "<TD>0xFF9D</TD>", "<TD>1</TD>", fields=scalar)) == [(None,), (None,), (1,)]
    assert rows_of(table("<TD>-99 1</TD>", fields=array)) == [([None, 1],)]
    assert rows_of(binary(struct.pack(">2h", -99, 1), scalar)) == [(None,), (1,)]
    assert rows_of(binary(struct.pack(">x2h", -99, 1), array, "BINARY2")) == [([None, 1],)]


def test_declared_null_that_no_value_can_equal_is_ignored():
    assert rows_of(table("<TD>1</TD>", fields=field_xml("short", null="none"))) == [(1,)]


def test_only_the_first_table_is_read():
    second = (
        '<TABLE><FIELD name="y" datatype="char"/><DATA><TABLEDATA><TR><TD>z</TD><TD/></TR></TABLEDATA></DATA></TABLE>'
    )
    document = table("<TD>1</TD>").replace(b"</TABLE>", b"</TABLE>" + second.encode())
    assert rows_of(document) == [(1,)]


def test_table_without_data_has_no_rows():
    assert rows_of(wrapped('<FIELD name="x" datatype="int"/>')) == []


def test_parameters_and_foreign_elements_are_passed_over():
    extras = '<PARAM name="p" datatype="int" value="1"/><GROUP><FIELDref ref="x"/></GROUP>'
    document = table("<TD>1</TD>", fields=f'<FIELD name="x" datatype="int"/>{extras}')
    document = document.replace(b"<RESOURCE>", b'<RESOURCE><DESCRIPTION>a <b xmlns="urn:html">b</b></DESCRIPTION>')
    assert rows_of(document) == [(1,)]


@pytest.mark.parametrize(("kind", "nulls"), [("tabledata", True), ("binary", False), ("binary2", True)])
def test_what_astropy_writes_is_read(kind, nulls):
    source = Table(
        {
            "short": MaskedColumn([1, 2], mask=[False, nulls], dtype="int16"),
            "double": [1.5, float("inf")],
            "text": ["abc", "d"],
            "flag": [True, False],
            "point": [[1.0, 2.0], [3.0, 4.0]],
        }
    )
    votable = from_table(source)
    votable.get_first_table().format = kind
    buffer = io.BytesIO()
    writeto(votable, buffer)
    expected = [(1, 1.5, "abc", True, [1.0, 2.0]), (None if nulls else 2, INF, "d", False, [3.0, 4.0])]
    assert rows_of(buffer.getvalue()) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings_of_xml_are_read(encoding):
    inside = table("<TD>é</TD>", fields=field_xml("char", "*")).decode()
    assert rows_of(f'<?xml version="1.0" encoding="{encoding}"?>{inside}'.encode(encoding)) == [("é",)]


@pytest.mark.parametrize("serialization", list(Serialization))
def test_rows_arrive_in_several_batches(serialization):
    fields = (a_field("int", name="a"), text_field("b"))
    rows = [(index, "x" * 20) for index in range(120_000)]
    batches = list(upload(written(serialization, fields, rows)).batches)
    assert len(batches) > 1
    assert [row["a"] for batch in batches for row in batch.to_pylist()] == list(range(120_000))


class Dripping(io.RawIOBase):
    """Gives one byte at a time."""

    def __init__(self, content: bytes) -> None:
        self._bytes = iter(content)

    def read(self, size: int = -1) -> bytes:
        return bytes([byte]) if (byte := next(self._bytes, None)) is not None else b""


@pytest.mark.parametrize("serialization", list(Serialization))
def test_document_may_arrive_byte_by_byte(serialization):
    document = written(serialization, (text_field(), a_field("int", "*", "y")), [("é<", [1, 2]), (None, None)])
    batches = read(Dripping(document)).batches
    assert [tuple(row.values()) for batch in batches for row in batch.to_pylist()] == [("é<", [1, 2]), (None, None)]


@given(st.binary(), st.data())
def test_base64_is_decoded_wherever_it_is_cut(content, data):
    text = base64.encodebytes(content).decode()
    reader, decoded, position = Base64Reader(), b"", 0
    while position < len(text):
        size = data.draw(st.integers(1, 20))
        decoded += reader.feed(text[position : position + size])
        position += size
    assert decoded + reader.feed("", final=True) == content
