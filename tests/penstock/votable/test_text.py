from __future__ import annotations

import struct

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.text import text_column
from tests.penstock.votable.builders import INF, NAN, a_column, a_field


@pytest.mark.parametrize(
    ("datatype", "arraysize", "values", "expected"),
    [
        ("boolean", None, [True, False, None], ["true", "false", None]),
        ("long", None, [-(2**63), None], ["-9223372036854775808", None]),
        ("unsignedByte", "*", [[0, 255], [], None], ["0 255", "", None]),
        ("double", None, [NAN, INF, -INF, 0.1, None], ["NaN", "+Inf", "-Inf", "0.1", None]),
        ("double", "2", [[NAN, -INF]], ["NaN -Inf"]),
        ("float", "*", [[1.5, None]], ["1.5 NaN"]),
        ("boolean", "*", [[True, None]], ["true ?"]),
        ("bit", "*", [[True, False]], ["1 0"]),
        ("bit", None, [True], ["1"]),
        ("doubleComplex", None, [[1.0, -2.0]], ["1 -2"]),
        ("char", "*", ["a<b", "", None], ["a<b", "", None]),
    ],
)
def test_values_are_spelt_as_votable_does(datatype, arraysize, values, expected):
    field = a_field(datatype, arraysize)
    assert text_column(a_column(field, *values), field).to_pylist() == expected


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_doubles_read_back_as_the_same_numbers(numbers):
    texts = text_column(pa.array(numbers, pa.float64()), a_field("double")).to_pylist()
    assert [struct.pack("d", float(text)) for text in texts] == [struct.pack("d", number) for number in numbers]


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1))
def test_floats_read_back_as_the_same_numbers(numbers):
    texts = text_column(pa.array(numbers, pa.float32()), a_field("float")).to_pylist()
    assert [struct.pack("f", float(text)) for text in texts] == [struct.pack("f", number) for number in numbers]


@pytest.mark.parametrize(("start", "length"), [(0, 1), (1, 2), (2, 0)])
def test_slices_are_spelt_like_whole_columns(start, length):
    field = a_field("int", "*")
    column = a_column(field, [1], None, [2, 3])
    assert text_column(column.slice(start, length), field).to_pylist() == ["1", None, "2 3"][start : start + length]
