from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.binary2 import encode
from penstock.votable.compute import byte_range, content, emptied, utf16_length
from tests.penstock.votable.builders import a_batch, a_field

TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))), min_size=1)


@given(TEXTS, st.integers(0, 3))
def test_nulls_become_empty_and_nothing_else_changes(texts: list[str | None], start: int) -> None:
    column = pa.array(texts, pa.string()).slice(start)
    full = emptied(column)
    assert full.to_pylist() == [text or "" for text in texts[start:]]
    assert bytes(content(full)).decode() == "".join(text or "" for text in texts[start:])


def test_what_lies_behind_a_null_stays_there() -> None:
    hidden = [pa.py_buffer(b"\x05"), pa.py_buffer(np.array([0, 1, 3, 4], np.int32)), pa.py_buffer(b"abbc")]
    column = pa.Array.from_buffers(pa.string(), 3, hidden)
    assert column.to_pylist() == ["a", None, "c"]
    assert bytes(content(emptied(column))) == b"ac"


@given(TEXTS)
def test_length_is_counted_in_sixteen_bits(texts: list[str | None]) -> None:
    full = emptied(pa.array(texts, pa.string()))
    assert utf16_length(full).to_pylist() == [len((text or "").encode("utf-16-be")) // 2 for text in texts]


@pytest.mark.parametrize(
    ("texts", "expected"), [(["b", "a", None], (0x61, 0x62)), ([], (0x20, 0x20)), ([None], (0x20, 0x20))]
)
def test_range_of_bytes(texts: list[str | None], expected: tuple[int, int]) -> None:
    assert byte_range(pa.array(texts, pa.string())) == expected


@given(TEXTS)
def test_unicode_columns_are_cut_where_their_texts_end(texts: list[str | None]) -> None:
    field = a_field("unicodeChar", "*")
    rows = [(text or "").encode("utf-16-be") for text in texts]
    nulls = [b"\x80" if text is None else b"\0" for text in texts]
    expected = b"".join(null + (len(row) // 2).to_bytes(4) + row for null, row in zip(nulls, rows, strict=True))
    assert encode(a_batch([field], *[(text,) for text in texts]), (field,)) == expected
