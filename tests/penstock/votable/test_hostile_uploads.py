"""Uploads that lie, attack or are broken get an error that says where, and cost no more than the limits."""

from __future__ import annotations

import base64
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.dali.errors import TooLarge, UsageError
from penstock.votable.document import Serialization, error_document
from tests.penstock.votable import strategies
from tests.penstock.votable.builders import rows_of, stream, table, wrapped, written

INT = '<FIELD name="x" datatype="int"/>'
TEXT = '<FIELD name="x" datatype="char" arraysize="*"/>'
BOMB = b"""<!DOCTYPE VOTABLE [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>"""
EXTERNAL = b'<!DOCTYPE VOTABLE [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def field(datatype: str, arraysize: str = "") -> str:
    return f'<FIELD name="x" datatype="{datatype}"' + (f' arraysize="{arraysize}"/>' if arraysize else "/>")


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


BROKEN = {
    "nothing": (b"", "no element found"),
    "no xml": (b"ra,dec\n1,2\n", "line 1: this is not XML"),
    "no votable": (b"<html><body/></html>", "html, not VOTABLE"),
    "gzip": (b"\x1f\x8b\x08\x00", "not compressed"),
    "unknown encoding": (b'<?xml version="1.0" encoding="klingon"?><VOTABLE/>', "klingon|encoding"),
    "multi-byte encoding": (b'<?xml version="1.0" encoding="gb18030"?><VOTABLE/>', "encoding"),
    "not utf-8": (table(b"<TD>\xff</TD>".decode("latin-1"), fields=TEXT).replace(b"\xc3\xbf", b"\xff"), "not XML"),
    "doctype": (b"<!DOCTYPE VOTABLE><VOTABLE/>", "document type declaration"),
    "entity bomb": (BOMB + table("<TD>&c;</TD>", fields=TEXT), "document type declaration"),
    "external entity": (EXTERNAL + table("<TD>&a;</TD>", fields=TEXT), "document type declaration"),
    "undefined entity": (table("<TD>&nbsp;</TD>", fields=TEXT), "entity"),
    "no table": (b"<VOTABLE><RESOURCE/></VOTABLE>", "no TABLE"),
    "no field": (wrapped("<DATA><TABLEDATA/></DATA>"), "no FIELD"),
    "error document": (error_document("no such table"), "no such table"),
    "field without name": (table(fields='<FIELD datatype="int"/>'), "FIELD 1 has no name"),
    "field without datatype": (table(fields='<FIELD name="x"/>'), "arraysize"),
    "unknown datatype": (table(fields=field("string")), 'datatype="char" arraysize="\\*"'),
    "wrong arraysize": (table(fields=field("int", "many")), "arraysize 'many'"),
    "huge arraysize": (table(fields=field("double", "9" * 30)), "more than"),
    "endless arraysize": (table(fields=field("double", "9" * 9000)), "line 1"),
    "zero arraysize": (stream("", fields=field("char", "0"), kind="BINARY"), "zero"),
    "too few cells": (table("<TD>1</TD>", "", fields=INT), "line 3: the row has 0 TD for 1 FIELD"),
    "too many cells": (table("<TD>1</TD><TD>1</TD>", fields=INT), "2 TD for 1 FIELD"),
    "text between cells": (table("x<TD>1</TD>", fields=INT), "'x' outside of TD"),
    "element in a cell": (table("<TD><b>1</b></TD>", fields=INT), "b where TABLEDATA"),
    "row in a row": (table("<TR><TD>1</TD></TR>", fields=INT), "TR where TABLEDATA"),
    "encoded cell": (table('<TD encoding="base64">MQ==</TD>', fields=INT), "encoded TD"),
    "not an integer": (table("<TD>1</TD>", "<TD>1.5</TD>", fields=INT), "line 3: 'x' is int, not '1.5'"),
    "integer too large": (table("<TD>3000000000</TD>", fields=INT), "not '3000000000'"),
    "integer of many digits": (table(f"<TD>{'9' * 9999}</TD>", fields=INT), "'x' is int"),
    "byte below zero": (table("<TD>-1</TD>", fields=field("unsignedByte")), "unsignedByte"),
    "hexadecimal too long": (table("<TD>0x1FFFF</TD>", fields=field("short")), "0x1FFFF"),
    "python number": (table("<TD>1_000</TD>", fields=field("double")), "1_000"),
    "fortran number": (table("<TD>1.0D3</TD>", fields=field("double")), "1.0D3"),
    "not a boolean": (table("<TD>yes</TD>", fields=field("boolean")), "yes"),
    "not a bit": (table("<TD>2</TD>", fields=field("bit")), "'2'"),
    "text where no arraysize": (table("<TD>hello</TD>", fields=field("char")), "no arraysize is one character"),
    "text too long": (table("<TD>hello</TD>", fields=field("char", "3*")), "5 characters, arraysize says 3"),
    "array too short": (table("<TD>1 2</TD>", fields=field("int", "3")), "arraysize 3"),
    "array of uneven length": (table("<TD>1 2 3</TD>", fields=field("int", "2x*")), "arraysize 2x"),
    "half a complex": (table("<TD>1 2 3</TD>", fields=field("floatComplex", "*")), "'x'"),
    "fits": (wrapped(f'{INT}<DATA><FITS><STREAM href="x"/></FITS></DATA>'), "FITS are not supported"),
    "remote stream": (stream("", fields=INT, attributes='href="http://10.0.0.1/"'), "not fetched"),
    "gzip stream": (stream("", fields=INT, attributes='encoding="gzip"'), "gzip"),
    "not base64": (stream("@@@@", fields=INT), "not base64"),
    "base64 after its end": (stream("AAAAAAA=AAAAAAA=", fields=INT), "not base64"),
    "base64 cut": (stream("AAAAA", fields=INT), "not base64"),
    "stream cut": (stream(b64(b"\0" * 7), fields=INT), "within row 2"),
    "negative length": (stream(b64(b"\0\xff\xff\xff\xff"), fields=TEXT), "declares -1 values"),
    "length beyond the stream": (stream(b64(b"\0\0\0\0\x09abc"), fields=TEXT), "within row 1"),
    "length beyond the limit": (stream(b64(b"\0\x7f\xff\xff\xff"), fields=TEXT), "row 1 .*declares 2147483647"),
    "length beyond arraysize": (stream(b64(b"\0\0\0\0\2ab"), fields=field("char", "1*")), "declares 2 values"),
    "length of half a pair": (stream(b64(b"\0\0\0\0\1abcd"), fields=field("int", "2x*")), "declares 1 values"),
    "text not utf-8": (stream(b64(b"\0\0\0\0\1\xff"), fields=TEXT), "UTF-8"),
    "half a surrogate": (stream(b64(b"\0\0\0\0\1\xd8\0"), fields=field("unicodeChar", "*")), "UTF-16"),
    "byte not boolean": (stream(b64(b"\0x"), fields=field("boolean")), "boolean, not 'x'"),
    "two serializations": (wrapped(f"{INT}<DATA><TABLEDATA/><BINARY/></DATA>"), "one serialization"),
    "deep nesting": (b"<VOTABLE>" + b"<RESOURCE>" * 100, "nested more than"),
    "deep nesting in a cell": (table("<TD>" + "<a>" * 100_000, fields=TEXT), "a where TABLEDATA"),
}


def complaint(document: bytes) -> str:
    """Return what the reader says of a document; anything but a UsageError is let through."""
    try:
        rows_of(document)
    except UsageError as error:
        return error.message
    return "The uploaded VOTable is right."


@pytest.mark.parametrize("name", BROKEN)
def test_broken_upload_gets_an_error_that_helps(name):
    document, message = BROKEN[name]
    with pytest.raises(UsageError, match=message):
        rows_of(document)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_bytes": 100}, "larger than 100 bytes"),
        ({"max_rows": 1}, "more than 1 rows"),
        ({"max_columns": 1}, "more than 1 columns"),
    ],
)
@pytest.mark.parametrize("serialization", list(Serialization))
def test_upload_beyond_a_limit_is_too_large(limits, message, serialization):
    table, rows = strategies.PLAIN
    with pytest.raises(TooLarge, match=message):
        rows_of(written(serialization, table, rows), **limits)


@pytest.mark.parametrize(
    "document",
    [table("<TD>" + "x" * 50_000 + "</TD>", fields=TEXT), stream(b64(b"\0\0\0\xc3\x50" + b"x" * 50_000), fields=TEXT)],
)
def test_cell_beyond_its_limit_is_refused(document):
    with pytest.raises(UsageError):
        rows_of(document, max_cell_bytes=20_000)
    assert len(rows_of(document, max_cell_bytes=60_000)[0][0]) == 50_000


@pytest.mark.parametrize("serialization", list(Serialization))
def test_upload_cut_anywhere_is_refused(serialization):
    document = written(serialization, *strategies.PLAIN).rstrip()
    for end in range(len(document)):
        with pytest.raises(UsageError):
            rows_of(document[:end])


@pytest.mark.parametrize(
    "attack",
    [
        b'<VOTABLE a="' + b"x" * (8 << 20),
        b"<VOTABLE><" + b"x" * (8 << 20),
        b"<VOTABLE><!--" + b"x" * (8 << 20),
        b"<VOTABLE><?x " + b"x" * (8 << 20),
        b"<VOTABLE " + b"".join(b'a%d="" ' % number for number in range(300_000)),
    ],
    ids=["attribute", "name", "comment", "instruction", "attributes"],
)
def test_endless_tag_is_given_up_early(attack):
    with pytest.raises(UsageError, match="one tag is longer"):
        rows_of(attack)


@pytest.mark.parametrize(
    "flood",
    [
        b"<VOTABLE>" + b"<INFO/>" * 200_000,
        b"<VOTABLE>" + b" " * 4_000_000,
        b"<VOTABLE><RESOURCE>" + b"<LINK/><TABLE2>x</TABLE2>" * 100_000,
        table(fields=INT).replace(b"</TABLEDATA>", b"<!-- -->" * 200_000 + b"</TABLEDATA>"),
    ],
    ids=["elements", "space", "unknown", "comments"],
)
def test_flood_of_nothing_takes_no_memory(flood):
    tracemalloc.start()
    complaint(flood)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000


@settings(deadline=None)
@given(st.data())
def test_damaged_upload_is_read_or_refused(data):
    fields, rows = data.draw(strategies.tables())
    document = bytearray(written(data.draw(st.sampled_from(list(Serialization))), fields, rows))
    for _ in range(data.draw(st.integers(1, 4))):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    assert complaint(bytes(document)).startswith("The uploaded VOTable")


@settings(deadline=None)
@given(
    st.lists(strategies.fields, min_size=1, max_size=4), st.binary(max_size=80), st.sampled_from(["BINARY", "BINARY2"])
)
def test_any_bytes_in_a_stream_are_read_or_refused(fields, content, kind):
    described = "".join(
        f'<FIELD name="x" datatype="{field.datatype}"'
        + (f' arraysize="{field.arraysize}"/>' if field.arraysize else "/>")
        for field in fields
    )
    assert complaint(stream(b64(content), fields=described, kind=kind)).startswith("The uploaded VOTable")
