from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.moc import (
    CELLS,
    Bounds,
    MocError,
    bounds_of,
    contains,
    from_bytes,
    intersects,
    parse_moc,
    runs_of,
    to_bytes,
    to_multirange,
)

TOP = 30
RUNS = st.lists(st.tuples(st.integers(0, TOP), st.integers(1, 6)).map(lambda run: (run[0], run[0] + run[1])))


def cells(bounds: Bounds) -> set[int]:
    return {cell for begin, end in runs_of(bounds) for cell in range(begin, end)}


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("29/5", [(5, 6)]),
        ("0/0-11", [(0, CELLS)]),
        ("0/0-11 6/", [(0, CELLS)]),
        ("29/7 3-4,5\n 29/0", [(0, 1), (3, 6), (7, 8)]),
        ("s28/1", [(4, 8)]),
        ("6/", []),
    ],
)
def test_ascii_mocs_are_read(text: str, runs: list[tuple[int, int]]) -> None:
    assert list(runs_of(parse_moc(text))) == runs


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "5",
        "30/0",
        "0/12",
        "3/5-4",
        "6/1-",
        "6/-1",
        "6/a",
        "CIRCLE 1 2 3",
        '{"6": [1]}',
        "6/1--2",
        "६/1",
        "29/" + "9" * 30,
        "t29/1",
    ],
)
def test_what_is_no_moc_is_refused(text: str) -> None:
    with pytest.raises(MocError):
        parse_moc(text)


@given(RUNS, RUNS)
def test_comparisons_are_those_of_sets(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    a, b = bounds_of(left), bounds_of(right)
    assert contains(a, b) == (cells(a) <= cells(b))
    assert intersects(a, b) == bool(cells(a) & cells(b))


@given(RUNS)
def test_bounds_are_sorted_and_apart(runs: list[tuple[int, int]]) -> None:
    bounds = list(bounds_of(runs))
    assert bounds == sorted(set(bounds))
    assert cells(bounds_of(runs)) == {cell for begin, end in runs for cell in range(begin, end)}


@given(RUNS)
def test_bytes_give_the_bounds_back(runs: list[tuple[int, int]]) -> None:
    assert from_bytes(to_bytes(bounds_of(runs))) == bounds_of(runs)


def test_a_multirange_is_written_as_postgresql_reads_it() -> None:
    assert to_multirange(parse_moc("29/5 7-8")) == "{[5,6),[7,9)}"
    assert to_multirange(parse_moc("3/")) == "{}"
