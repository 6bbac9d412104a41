from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from penstock.dali.errors import InternalError
from penstock.votable.conform import conform
from tests.penstock.votable.builders import NAN, a_field, plain, text_field

MOMENT = datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("array", "field", "expected"),
    [
        (pa.array([1, None], pa.int64()), a_field("short"), [1, None]),
        (pa.array([1, None], pa.int64()), a_field("double"), [1.0, None]),
        (pa.array([2**53 + 1]), a_field("double"), [float(2**53)]),
        (pa.array([1, 0, None]), a_field("boolean"), [True, False, None]),
        (pa.array(["a"], pa.large_string()), text_field(), ["a"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), text_field(), ["a", "b", "a"]),
        (pa.array([Decimal("1.50")]), a_field("double"), [1.5]),
        (pa.array([5]), text_field(), ["5"]),
        (pa.array([None, None]), text_field(), [None, None]),
        (pa.array([b"\x01\xff", None, b""]), a_field("unsignedByte", "*"), [[1, 255], None, []]),
        (pa.array([b"\x01\xff", None, b"\x02"]).slice(1), a_field("unsignedByte", "*"), [None, [2]]),
        (pa.array([date(2026, 11, 21)]), text_field(), ["2026-11-21"]),
    ],
)
def test_near_misses_are_converted(array, field, expected):
    assert conform(array, field).to_pylist() == expected


@pytest.mark.parametrize(
    ("unit", "moments", "expected"),
    [
        ("us", [MOMENT, None], ["2026-11-21T12:30:15", None]),
        ("us", [MOMENT.replace(microsecond=500_000), MOMENT], ["2026-11-21T12:30:15.500", "2026-11-21T12:30:15.000"]),
        ("us", [MOMENT.replace(microsecond=1)], ["2026-11-21T12:30:15.000001"]),
        ("s", [MOMENT], ["2026-11-21T12:30:15"]),
        ("us", [None], [None]),
    ],
)
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_times_are_written_as_dali_does(unit, moments, expected, zone):
    plain_moments = [moment and (moment if zone else moment.replace(tzinfo=None)) for moment in moments]
    array = pa.array(plain_moments, pa.timestamp(unit, zone))
    assert conform(array, text_field()).to_pylist() == expected


@pytest.mark.parametrize(
    ("array", "field"),
    [
        (pa.array([40_000]), a_field("short")),
        (pa.array([1.5]), a_field("int")),
        (pa.array(["x"]), a_field("int")),
        (pa.array(["abc"]), a_field("char", "2")),
        (pa.array(["abc"]), a_field("char", "2*")),
        (pa.array(["é"]), a_field("char")),
        (pa.array(["𝄞"]), a_field("unicodeChar", "1")),
        (pa.array([[1, 2, 3]]), a_field("int", "2")),
        (pa.array([[1, 2, 3]]), a_field("int", "2x*")),
        (pa.array([[1.0, 2.0, 3.0]]), a_field("doubleComplex", "*")),
        (pa.array([1]), a_field("int", "what")),
        (pa.array([[1]]), text_field()),
    ],
)
def test_value_that_does_not_fit_is_an_error_of_ours_that_names_the_column(array, field):
    with pytest.raises(InternalError, match="'x'"):
        conform(array, field)


@pytest.mark.parametrize(
    ("datatype", "cells", "expected"),
    [
        ("double", [[1.0, None], None], [[1.0, NAN], None]),
        ("int", [[1, None], [2], None], [None, [2], None]),
        ("bit", [[True, None], [False]], [None, [False]]),
        ("boolean", [[True, None]], [[True, None]]),
    ],
)
def test_null_inside_an_array_is_written_as_votable_can(datatype, cells, expected):
    assert plain(conform(pa.array(cells), a_field(datatype, "*")).to_pylist()) == plain(expected)
