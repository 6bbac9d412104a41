"""Columns become rows the same way whether Arrow or the compiled module joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.joining import Fixed, Piece, join_by_arrow, join_cells, join_compiled, join_rows
from tests.support.systems import require_compiled

ROWS = 5
WIRES = [">i2", ">i4", ">i8", ">f4", ">f8", "u1", "S3"]


@pytest.fixture(scope="module")
def rows_module() -> Any:
    return require_compiled("penstock.votable._rows")


@st.composite
def fixed(draw: st.DrawFn) -> Fixed:
    wire = np.dtype(draw(st.sampled_from(WIRES)))
    several = draw(st.sampled_from([(), (), (1,), (3,)]))
    values = draw(st.binary(min_size=24 * ROWS * 3, max_size=24 * ROWS * 3))
    count = ROWS * int(np.prod(several, dtype=int))
    return Fixed(np.frombuffer(values, wire, count).astype(wire.newbyteorder("=")).reshape(ROWS, *several), wire)


TEXTS = st.lists(st.none() | st.text(max_size=5), min_size=ROWS + 1, max_size=ROWS + 1).map(
    lambda texts: pa.array(texts, pa.string()).slice(1)
)
PIECES = st.lists(fixed() | TEXTS | st.binary(max_size=3), min_size=1, max_size=8)


@given(PIECES, TEXTS)
def test_both_ways_join_alike(rows_module: Any, pieces: list[Piece], last: Any) -> None:
    assert join_compiled(ROWS, [*pieces, last]) == bytes(join_by_arrow([*pieces, last]))


def test_numbers_are_written_in_the_order_of_bytes_that_is_asked_for() -> None:
    numbers = np.array([1, -2])
    pieces: list[Piece] = [Fixed(numbers, np.dtype(">i2")), b"|", Fixed(numbers, np.dtype("<i4"))]
    assert bytes(join_rows(2, pieces)) == b"\0\1|\1\0\0\0" + b"\xff\xfe|\xfe\xff\xff\xff"


def test_cells_of_text_stand_between_marks_and_null_is_empty() -> None:
    cells = [pa.array(["a", None]), pa.array(["ü", ""])]
    assert join_cells(cells, "<", ",", ">") == "<a,ü><,>".encode()
    assert join_cells([pa.array(["a", None])], "<", ",", ">") == b"<a><>"
    assert join_cells([cell.slice(0, 0) for cell in cells], "<", ",", ">") == b""


def test_cells_may_all_be_null() -> None:
    assert join_cells([pa.array([None, None], pa.string())], "", "", ";") == b";;"
    assert join_cells([pa.nulls(2, pa.string())], "", "", ";") == b";;"


ENDS = np.array([0, 1, 2], np.int32)


@pytest.mark.parametrize(
    "piece",
    [
        (b"1234567", None, 4, 4, 1),
        (b"ab", ENDS[:2], 0, 0, 1),
        (b"a", ENDS, 0, 0, 1),
        (b"ab", -ENDS, 0, 0, 1),
        (b"ab", ENDS[::-1].copy(), 0, 0, 1),
        (b"ab", np.array([0, 2, 1], np.int32), 0, 0, 1),
    ],
)
def test_columns_that_are_not_whole_are_refused(rows_module: Any, piece: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="shorter"):
        rows_module.join(2, [piece])
