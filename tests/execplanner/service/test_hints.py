"""What is remembered of facilities that had no room."""

from __future__ import annotations

from datetime import timedelta

import pytest

from execplanner.service.hints import Hints
from tests.execplanner.hosting import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table() -> list[str]:
    return ["a", "b", "c"]


@pytest.fixture
def hints(clock: Clock, table: list[str]) -> Hints:
    return Hints(clock, lambda: len(table))


def test_nothing_is_known_at_first(hints: Hints) -> None:
    assert hints.late_s().tolist() == [0, 0, 0]


def test_a_facility_without_room_is_late_by_a_minute_or_by_as_much_as_was_found(hints: Hints) -> None:
    hints.note(0)
    hints.note(2, 3600)
    assert hints.late_s().tolist() == [60, 0, 3600]


@pytest.mark.parametrize("late_s", [0.0, -5.0, 0.25])
def test_who_was_late_at_all_is_not_taken_for_punctual(hints: Hints, late_s: float) -> None:
    hints.note(1, late_s)
    assert hints.late_s()[1] == 1


def test_hints_are_forgotten_soon(hints: Hints, clock: Clock) -> None:
    hints.note(1)
    clock.ahead = timedelta(seconds=25)
    assert hints.late_s()[1] == 60
    clock.ahead = timedelta(seconds=40)
    assert hints.late_s().tolist() == [0, 0, 0]


def test_hints_of_another_table_are_forgotten(hints: Hints, table: list[str]) -> None:
    hints.note(1)
    table += ["d", "e"]
    assert hints.late_s().tolist() == [0, 0, 0, 0, 0]
