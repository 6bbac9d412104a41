"""When there is room: a search through what is reserved at a facility.

Times are whole milliseconds since 1970; an interval has its start and not its end. What is reserved is an array of
whole numbers with a row for each reservation: start, end, and the amounts in the order of `vector`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from execplanner.core.request import Amounts

FOREVER: Final = 2**62
_LOOKS_AHEAD = 4
Rows = npt.NDArray[np.int64]
Window = tuple[int, int]
_Vector = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A session that looks for its time: it starts from `earliest` to `latest` and lasts for `length`."""

    amounts: Amounts
    earliest: int
    latest: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What a facility has, and when it is closed."""

    capacity: Amounts
    closed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A start at which there is room, and the most that is reserved while it lasts."""

    start: int
    used: Amounts


def rows_of(reservations: Iterable[Sequence[int]]) -> Rows:
    """Return reservations as an array."""
    listed = list(reservations)
    return np.array(listed, dtype=np.int64) if listed else NOTHING


NOTHING: Final[Rows] = np.zeros((0, 6), dtype=np.int64)


def vector(amounts: Amounts) -> _Vector:
    """Return amounts as a tuple, for arithmetic."""
    return amounts.cores, amounts.memory_bytes, amounts.gpus, amounts.store_bytes


def amounts_of(values: Sequence[int]) -> Amounts:
    """Return the amounts of a tuple."""
    return Amounts(cores=values[0], memory_bytes=values[1], gpus=values[2], store_bytes=values[3])


def peak(rows: Rows, start: int, end: int) -> Amounts:
    """Return the most that is reserved of everything at any instant of an interval."""
    _, used = _course(rows, start, end)
    if not len(used):
        return Amounts()
    return amounts_of([int(value) for value in used.max(axis=0)])


def is_open(room: Room, start: int, end: int) -> bool:
    """Tell whether a facility is not closed at any instant of an interval."""
    return not any(first < end and start < last for first, last in room.closed)


def within(used: Amounts, more: Amounts, room: Room) -> bool:
    """Tell whether something fits beside what is used."""
    return all(a + b <= most for a, b, most in zip(vector(used), vector(more), vector(room.capacity), strict=True))


def fits(rows: Rows, room: Room, wanted: Wanted, start: int) -> bool:
    """Tell whether there is room from `start` on."""
    end = start + wanted.length
    return is_open(room, start, end) and within(peak(rows, start, end), wanted.amounts, room)


def search(room: Room, wanted: Wanted) -> Generator[Window, Rows, Slot | None]:
    """Yield windows and be sent what is reserved in them, until the earliest start is known; None if there is none.

    Each window begins where the last has shown that nothing can start before, and is twice as long: what is reserved
    after the start that is found is hardly looked at.
    """
    if not within(Amounts(), wanted.amounts, room):
        return None
    start, ahead = wanted.earliest, _LOOKS_AHEAD * wanted.length
    while start <= wanted.latest:
        ends = min(start + ahead, wanted.latest) + wanted.length
        rows = yield start, ends
        start = _not_before(rows, room, wanted, (start, ends))
        if start + wanted.length <= ends:
            return Slot(start=start, used=peak(rows, start, start + wanted.length))
        ahead *= 2
    return None


def _not_before(rows: Rows, room: Room, wanted: Wanted, window: Window) -> int:
    """Return the first instant of a window at which a start is not ruled out; it is one if it ends in the window.

    Room can begin only when something ends, so the ends are gone through in order, and whatever stands in the way of
    one start rules out all up to its own end.
    """
    times, used = _course(rows, *window)
    free = np.array(vector(room.capacity), dtype=np.int64) - np.array(vector(wanted.amounts), dtype=np.int64)
    full = np.any(used > free, axis=1)
    start = window[0]
    for first, last in sorted([*_busy(times, np.atleast_1d(full)), *room.closed]):
        if first >= start + wanted.length:
            break
        start = max(start, last)
    return start


def _busy(times: Rows, full: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the intervals in which what is wanted would not fit; the last instant of a course is never full."""
    found: list[tuple[int, int]] = []
    since: int | None = None
    edges = np.flatnonzero(np.diff(full, prepend=False)).tolist()
    for place in edges:
        if since is None:
            since = int(times[place])
        else:
            found.append((since, int(times[place])))
            since = None
    return found


def _course(rows: Rows, start: int, end: int) -> tuple[Rows, Rows]:
    """Return the instants of an interval at which something changes, and what is reserved from each on."""
    there = rows[(rows[:, 0] < end) & (start < rows[:, 1])]
    times = np.concatenate([np.maximum(there[:, 0], start), there[:, 1]])
    changes = np.concatenate([there[:, 2:], -there[:, 2:]])
    order = np.argsort(times, kind="stable")
    times, used = times[order], np.cumsum(changes[order], axis=0)
    last = np.append(times[1:] != times[:-1], True) if len(times) else np.zeros(0, dtype=np.bool_)
    return times[last], used[last]
