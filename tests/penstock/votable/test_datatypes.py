from __future__ import annotations

import pyarrow as pa
import pytest

from penstock.votable.datatypes import Shape, arrow_type, fields_schema, shape_of
from tests.penstock.votable.builders import a_field


@pytest.mark.parametrize(
    ("arraysize", "shape"),
    [
        (None, Shape(unit=1)),
        ("1", Shape(unit=1)),
        ("12", Shape(unit=12)),
        ("*", Shape(unit=1, variable=True)),
        ("12*", Shape(unit=1, variable=True, limit=12)),
        ("2x*", Shape(unit=2, variable=True)),
        ("2x5*", Shape(unit=2, variable=True, limit=10)),
        ("3x4", Shape(unit=12)),
        (" 4 ", Shape(unit=4)),
    ],
)
def test_arraysize_is_read(arraysize, shape):
    assert shape_of(arraysize) == shape


@pytest.mark.parametrize("arraysize", ["", "x", "2x", "-1", "*x2", "2*x*", "1.5", "0", "0x*", "²", "two", "9" * 5000])
def test_wrong_arraysize_is_refused(arraysize):
    with pytest.raises(ValueError, match=r"arraysize|digits"):
        shape_of(arraysize)


@pytest.mark.parametrize(
    ("arraysize", "count", "admitted"),
    [("3", 3, True), ("3", 2, False), ("2x*", 4, True), ("2x*", 3, False), ("4*", 4, True), ("4*", 5, False)],
)
def test_shape_admits_only_its_own_lengths(arraysize, count, admitted):
    assert shape_of(arraysize).admits(count) is admitted


@pytest.mark.parametrize(
    ("datatype", "arraysize", "expected"),
    [
        ("short", None, pa.int16()),
        ("double", "1", pa.float64()),
        ("double", "2", pa.list_(pa.float64())),
        ("char", None, pa.string()),
        ("unicodeChar", "8x*", pa.string()),
        ("floatComplex", None, pa.list_(pa.float32())),
        ("bit", "*", pa.list_(pa.bool_())),
    ],
)
def test_arrow_type_of_a_field(datatype, arraysize, expected):
    assert arrow_type(a_field(datatype, arraysize)) == expected


def test_schema_keeps_names_and_order():
    schema = fields_schema((a_field("int", name="b"), a_field("char", "*", "a")))
    assert schema == pa.schema([("b", pa.int32()), ("a", pa.string())])
