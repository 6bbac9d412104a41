"""A few rows are written by Python, many by Arrow: nobody must see the difference."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.model import Field
from penstock.votable.rows import batch_from_rows
from penstock.votable.tabledata import encode
from penstock.votable.text import FEW

FIELDS = (
    Field(name="text", datatype="char", arraysize="*"),
    Field(name="words", datatype="unicodeChar", arraysize="*"),
    Field(name="whole", datatype="long"),
    Field(name="flag", datatype="boolean"),
    Field(name="list", datatype="int", arraysize="*"),
)
TEXT = st.none() | st.text(st.characters(codec="utf-8"), max_size=12)
ROW = st.tuples(
    TEXT,
    TEXT,
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | st.lists(st.integers(-100, 100), max_size=4),
)


@given(st.lists(ROW, min_size=1, max_size=FEW))
def test_few_rows_are_spelt_like_many(rows: list[tuple[object, ...]]) -> None:
    few = batch_from_rows(FIELDS, rows)
    many = pa.concat_batches([few] * (FEW + 1))
    assert encode(many, FIELDS) == encode(few, FIELDS) * (FEW + 1)


def test_no_rows_are_nothing() -> None:
    assert encode(batch_from_rows(FIELDS, []), FIELDS) == b""
