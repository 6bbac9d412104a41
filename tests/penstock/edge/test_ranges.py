from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.edge.ranges import MOST_RANGES, Unsatisfiable, read_ranges


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-0", ((0, 1),)),
        ("bytes=5-", ((5, 100),)),
        ("bytes=-5", ((95, 100),)),
        ("bytes=-500", ((0, 100),)),
        ("bytes=90-200", ((90, 100),)),
        ("bytes=0-1, 5-6 ,9-9", ((0, 2), (5, 7), (9, 10))),
        ("bytes=90-,0-9", ((90, 100), (0, 10))),
        ("bytes=0-9,200-", ((0, 10),)),
    ],
)
def test_ranges_are_read_in_their_order(header: str, spans: tuple[tuple[int, int], ...]) -> None:
    assert read_ranges(header, 100) == spans


MANY = "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 200, 2))
USELESS = ["bytes=0-1,1-2", "bytes=0-,0-0", MANY, "bytes=" + "9" * 30]


@pytest.mark.parametrize(
    "header",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=1", "bytes=5-1", "bytes=a-b", "rows=0-1", "bytes=0-1,", "bytes=٣-٤"),
        *USELESS,
    ],
)
def test_what_cannot_be_read_or_helps_nobody_is_passed_over(header: str) -> None:
    assert read_ranges(header, 100) == ()


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=100-,200-300"])
def test_only_when_all_lie_beyond_the_end_there_is_nothing_to_send(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        read_ranges(header, 100)


def test_an_empty_representation_has_no_ranges() -> None:
    with pytest.raises(Unsatisfiable):
        read_ranges("bytes=0-", 0)


@given(st.text(), st.integers(0, 1000))
def test_any_header_gives_parts_within_the_whole_that_do_not_overlap(text: str, size: int) -> None:
    try:
        spans = read_ranges(f"bytes={text}", size)
    except Unsatisfiable:
        return
    assert len(spans) <= MOST_RANGES
    assert all(0 <= start < stop <= size for start, stop in spans)
    assert sum(stop - start for start, stop in spans) <= size
