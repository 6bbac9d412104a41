from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.votable.binary2 import Base64Feeder, encode
from tests.penstock.votable.builders import INF, NAN, a_batch, a_field, text_field

QUIET_NAN = bytes.fromhex("7ff8000000000000")


@pytest.mark.parametrize(
    ("datatype", "arraysize", "value", "expected"),
    [
        ("boolean", None, True, b"T"),
        ("boolean", None, False, b"F"),
        ("unsignedByte", None, 200, b"\xc8"),
        ("short", None, -2, b"\xff\xfe"),
        ("int", None, 1, b"\0\0\0\1"),
        ("long", None, -1, b"\xff" * 8),
        ("float", None, 1.5, struct.pack(">f", 1.5)),
        ("double", None, -INF, struct.pack(">d", -INF)),
        ("double", None, NAN, QUIET_NAN),
        ("floatComplex", None, [1.0, 2.0], struct.pack(">2f", 1, 2)),
        ("char", None, "a", b"a"),
        ("char", "*", "é", b"\0\0\0\2\xc3\xa9"),
        ("char", "*", "", b"\0\0\0\0"),
        ("char", "5", "abc", b"abc\0\0"),
        ("unicodeChar", "*", "é𝄞", b"\0\0\0\3\0\xe9\xd8\x34\xdd\x1e"),
        ("unicodeChar", "2", "a", b"\0a\0\0"),
        ("int", "2", [1, 2], struct.pack(">2i", 1, 2)),
        ("short", "*", [1, 2], struct.pack(">ihh", 2, 1, 2)),
        ("double", "2x*", [1.0, 2.0], struct.pack(">idd", 2, 1, 2)),
        ("doubleComplex", "*", [1.0, 2.0], struct.pack(">idd", 1, 1, 2)),
        ("boolean", "*", [True, None, False], b"\0\0\0\3T?F"),
        ("bit", "*", [True] * 9, b"\0\0\0\x09\xff\x80"),
        ("bit", "3", [True, False, True], b"\xa0"),
        ("bit", None, True, b"\x80"),
    ],
)
def test_value_is_written_after_a_mask_without_nulls(datatype, arraysize, value, expected):
    field = a_field(datatype, arraysize)
    assert encode(a_batch([field], (value,)), (field,)) == b"\0" + expected


@pytest.mark.parametrize(
    ("datatype", "arraysize", "filler"),
    [
        ("boolean", None, b"?"),
        ("int", None, b"\0" * 4),
        ("double", None, QUIET_NAN),
        ("double", "2", QUIET_NAN * 2),
        ("char", "*", b"\0" * 4),
        ("char", "3", b"\0" * 3),
        ("bit", "9", b"\0" * 2),
        ("int", "*", b"\0" * 4),
    ],
)
def test_null_is_marked_and_keeps_its_width(datatype, arraysize, filler):
    field = a_field(datatype, arraysize)
    assert encode(a_batch([field], (None,)), (field,)) == b"\x80" + filler


def test_mask_counts_columns_from_the_highest_bit():
    fields = tuple(a_field("unsignedByte", name=f"c{index}") for index in range(10))
    row = [None if index in {0, 9} else index for index in range(10)]
    assert encode(a_batch(fields, row), fields) == b"\x80\x40" + bytes(value or 0 for value in row)


def test_rows_follow_each_other_without_gap():
    fields = (text_field("a"), a_field("short", name="b"), text_field("c"))
    batch = a_batch(fields, ("x", 1, "yz"), ("", 2, None))
    expected = b"\0\0\0\0\1x\0\1\0\0\0\2yz" + b"\x20\0\0\0\0\0\2\0\0\0\0"
    assert encode(batch, fields) == expected
    assert encode(batch.slice(1), fields) == expected[14:]


def test_no_rows_are_nothing():
    assert encode(a_batch([a_field()]), (a_field(),)) == b""


@given(st.lists(st.binary(max_size=20)))
def test_base64_in_pieces_is_base64_of_the_whole(pieces):
    feeder = Base64Feeder()
    fed = b"".join([feeder.feed(piece) for piece in pieces]) + feeder.finish()
    assert fed == base64.b64encode(b"".join(pieces))
