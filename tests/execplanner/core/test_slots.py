"""The search for room, beside a search that tries every instant."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from execplanner.core.request import Amounts
from execplanner.core.slots import Room, Rows, Slot, Wanted, Window, fits, peak, rows_of, search, vector


@dataclass(frozen=True)
class Taken:
    start: int
    end: int
    amounts: Amounts


def rows(taken: list[Taken]) -> Rows:
    return rows_of([(one.start, one.end, *vector(one.amounts)) for one in taken])


CAPACITY = Amounts(cores=4, memory_bytes=4, gpus=1, store_bytes=4)


def found_slot(taken: Rows, room: Room, wanted: Wanted, asked: list[Window] | None = None) -> Slot | None:
    """Search, and see that each window begins where the last could not say more; they are added to `asked`."""
    asking, asked = search(room, wanted), [] if asked is None else asked
    try:
        window = next(asking)
        while True:
            asked.append(window)
            window = asking.send(taken[(taken[:, 0] < window[1]) & (window[0] < taken[:, 1])])
    except StopIteration as end:
        slot: Slot | None = end.value
    assert [begins for begins, _ in asked] == sorted({begins for begins, _ in asked})
    return slot


def amounts(most: int = 4) -> st.SearchStrategy[Amounts]:
    few = st.integers(0, most)
    return st.builds(Amounts, cores=few, memory_bytes=few, gpus=st.integers(0, 1), store_bytes=few)


reservations = st.builds(
    lambda start, length, held: Taken(start=start, end=start + length, amounts=held),
    st.integers(0, 20),
    st.integers(1, 8),
    amounts(3),
)
wishes = st.builds(
    lambda held, earliest, more, length: Wanted(amounts=held, earliest=earliest, latest=earliest + more, length=length),
    amounts(5),
    st.integers(0, 10),
    st.integers(0, 15),
    st.integers(1, 8),
)
pauses = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 5)).map(lambda one: (one[0], one[0] + one[1])), max_size=2
)


def tried(taken: list[Taken], room: Room, wanted: Wanted) -> int | None:
    """Return the earliest start by trying all."""
    for start in range(wanted.earliest, wanted.latest + 1):
        if all(free(taken, room, wanted, instant) for instant in range(start, start + wanted.length)):
            return start
    return None


def free(taken: list[Taken], room: Room, wanted: Wanted, instant: int) -> bool:
    if any(first <= instant < last for first, last in room.closed):
        return False
    there = [one.amounts for one in taken if one.start <= instant < one.end]
    return all(
        sum(getattr(one, name) for one in there) + getattr(wanted.amounts, name) <= getattr(room.capacity, name)
        for name in ("cores", "memory_bytes", "gpus", "store_bytes")
    )


@settings(max_examples=400)
@given(st.lists(reservations, max_size=8), pauses, wishes)
def test_the_earliest_start_is_the_one_that_trying_finds(
    taken: list[Taken], closed: list[tuple[int, int]], wanted: Wanted
) -> None:
    room = Room(capacity=CAPACITY, closed=tuple(closed))
    found = found_slot(rows(taken), room, wanted)
    assert (None if found is None else found.start) == tried(taken, room, wanted)
    if found is not None:
        assert fits(rows(taken), room, wanted, found.start)
        assert found.used == peak(rows(taken), found.start, found.start + wanted.length)


@given(st.lists(reservations, max_size=8), st.integers(0, 20), st.integers(1, 10))
def test_the_peak_is_the_most_of_any_instant(taken: list[Taken], start: int, length: int) -> None:
    found = peak(rows(taken), start, start + length)
    sums = [
        sum(one.amounts.cores for one in taken if one.start <= instant < one.end)
        for instant in range(start, start + length)
    ]
    assert found.cores == max(sums)


def test_what_ends_makes_room_for_what_begins_then() -> None:
    taken = [Taken(start=0, end=10, amounts=CAPACITY), Taken(start=20, end=30, amounts=CAPACITY)]
    wanted = Wanted(amounts=CAPACITY, earliest=0, latest=100, length=10)
    assert found_slot(rows(taken), Room(capacity=CAPACITY), wanted) == Slot(start=10, used=Amounts())


def test_a_start_after_weeks_without_room_is_found_in_few_windows() -> None:
    day = 86_400_000
    wanted = Wanted(amounts=CAPACITY, earliest=0, latest=30 * day, length=day // 24)
    windows: list[Window] = []
    found = found_slot(rows([Taken(start=0, end=29 * day, amounts=CAPACITY)]), Room(capacity=CAPACITY), wanted, windows)
    assert found == Slot(start=29 * day, used=Amounts())
    assert len(windows) == 2
