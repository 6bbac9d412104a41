"""Rows of plain values are written as Arrow's batches of them are: nobody must see the difference."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import InternalError
from penstock.votable.model import Field
from penstock.votable.plain_rows import encode_rows
from penstock.votable.rows import batch_from_rows
from penstock.votable.tabledata import encode
from penstock.votable.text import FEW
from tests.penstock.votable.builders import a_field, text_field

FIELDS = (
    Field(name="text", datatype="char", arraysize="*"),
    Field(name="words", datatype="unicodeChar", arraysize="*"),
    Field(name="whole", datatype="long"),
    Field(name="flag", datatype="boolean"),
)
# Letters that need a second look are as likely as all others.
CHARACTERS = st.sampled_from("&<>\r\n\t\0\x1e\x1f\x7f\ufffe\uffffé星𝄞") | st.characters(codec="utf-8")
TEXT = st.none() | st.text(CHARACTERS, max_size=12)
ROW = st.tuples(TEXT, TEXT, st.none() | st.integers(-(2**63), 2**63 - 1), st.none() | st.booleans())


@given(st.lists(ROW, max_size=2 * FEW))
def test_rows_are_written_like_batches_of_them(rows: list[tuple[object, ...]]) -> None:
    assert encode_rows(rows, FIELDS) == encode(batch_from_rows(FIELDS, rows), FIELDS)


def test_halves_of_a_character_are_left_out() -> None:
    assert encode_rows([("a\ud800b",), ("&\udfff",)], (text_field(),)) == (
        b"<TR><TD>ab</TD></TR>\n<TR><TD>&amp;</TD></TR>\n"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (text_field(), 1),
        (a_field("int"), "1"),
        (a_field("int"), 1.5),
        (a_field("boolean"), "true"),
        (a_field("double"), 1.0),
        (a_field("int", "*"), [1]),
        (a_field("char", "3"), "abc"),
    ],
)
def test_what_does_not_fit_its_column_is_refused(field: Field, value: object) -> None:
    with pytest.raises(InternalError):
        encode_rows([(value,)], (field,))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(InternalError):
        encode_rows([("a", "b")], (text_field(),))
    with pytest.raises(InternalError):
        encode_rows([("a", "b"), ("a",)], (text_field("a"), text_field("b")))
