from __future__ import annotations

import pytest
from lxml import etree

from penstock.votable.tabledata import encode
from tests.penstock.votable.builders import a_batch, a_field, text_field


def cells_of(rows: bytes) -> list[list[str]]:
    return [[cell.text or "" for cell in row] for row in etree.fromstring(b"<T>" + rows + b"</T>")]


def test_rows_are_written():
    fields = (a_field("int", name="a"), text_field("b"))
    expected = b"<TR><TD>1</TD><TD>x</TD></TR>\n<TR><TD></TD><TD></TD></TR>\n"
    assert encode(a_batch(fields, (1, "x"), (None, None)), fields) == expected


def test_no_rows_are_nothing():
    assert encode(a_batch([a_field()]), (a_field(),)) == b""


@pytest.mark.parametrize(
    ("text", "read_back"),
    [
        ("a<b & c>d", "a<b & c>d"),
        ("]]>", "]]>"),
        ("line\r\nline\rline\tend", "line\r\nline\rline\tend"),
        ("a\x00b\x01c\x1fd\x7f", "abcd\x7f"),
        ("\ufffe\uffff\ufffd", "\ufffd"),
        ("Žižkov 𝄞 星", "Žižkov 𝄞 星"),
        ("&amp;", "&amp;"),
        ("  two spaces  ", "  two spaces  "),
    ],
)
def test_text_survives_xml(text, read_back):
    field = text_field()
    assert cells_of(encode(a_batch([field], (text,), ("plain",)), (field,))) == [[read_back], ["plain"]]


def test_slice_of_a_batch_holds_its_own_rows_alone():
    fields = (text_field("a"), a_field("double", "*", "b"))
    batch = a_batch(fields, ("<", [1.0]), ("b", [2.0, 3.0]), (None, None))
    assert cells_of(encode(batch.slice(1, 1), fields)) == [["b", "2 3"]]
