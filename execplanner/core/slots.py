"""When there is room: a search through what is reserved at a facility.

Times are whole milliseconds since 1970; an interval has its start and not its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from execplanner.core.request import Amounts

FOREVER: Final = 2**62
_Vector = tuple[int, int, int, int]
_NOTHING: Final[_Vector] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is reserved, and from when to when."""

    start: int
    end: int
    amounts: Amounts


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


def vector(amounts: Amounts) -> _Vector:
    """Return amounts as a tuple, for arithmetic."""
    return amounts.cores, amounts.memory_bytes, amounts.gpus, amounts.store_bytes


def peak(taken: Iterable[Taken], start: int, end: int) -> Amounts:
    """Return the most that is reserved of everything at any instant of an interval."""
    changes = _changes(taken, start, end)
    now, most = _NOTHING, _NOTHING
    for _, change in changes:
        now = _plus(now, change)
        most = _larger(most, now)
    return Amounts(cores=most[0], memory_bytes=most[1], gpus=most[2], store_bytes=most[3])


def fits(taken: Iterable[Taken], room: Room, wanted: Wanted, start: int) -> bool:
    """Tell whether there is room from `start` on."""
    end = start + wanted.length
    if any(first < end and start < last for first, last in room.closed):
        return False
    used = peak(taken, start, end)
    return _within(_plus(vector(used), vector(wanted.amounts)), vector(room.capacity))


def earliest_start(taken: Sequence[Taken], room: Room, wanted: Wanted) -> int | None:
    """Return the earliest start at which there is room, None if there is none.

    Room can begin only when something ends, so the ends are gone through in order, and whatever stands in the way of
    one start rules out all up to its own end.
    """
    need, capacity = vector(wanted.amounts), vector(room.capacity)
    if not _within(need, capacity):
        return None
    horizon = wanted.latest + wanted.length
    busy = _busy(_changes(taken, wanted.earliest, horizon), need, capacity)
    blocked = sorted([*busy, *room.closed])
    start = wanted.earliest
    for first, last in blocked:
        if first >= start + wanted.length:
            break
        start = max(start, last)
        if start > wanted.latest:
            return None
    return start


def _busy(changes: Sequence[tuple[int, _Vector]], need: _Vector, capacity: _Vector) -> list[tuple[int, int]]:
    """Return the intervals in which what is wanted would not fit beside what is reserved."""
    free = tuple(there - wanted for there, wanted in zip(capacity, need, strict=True))
    found: list[tuple[int, int]] = []
    now, since = _NOTHING, None
    for number, (time, change) in enumerate(changes):
        now = _plus(now, change)
        if number + 1 < len(changes) and changes[number + 1][0] == time:
            continue
        full = not _within(now, free)
        if full and since is None:
            since = time
        elif not full and since is not None:
            found.append((since, time))
            since = None
    if since is not None:
        found.append((since, FOREVER))
    return found


def _changes(taken: Iterable[Taken], start: int, end: int) -> list[tuple[int, _Vector]]:
    """Return by how much the reserved amounts change, in order of time; at one instant what ends comes first."""
    changes: list[tuple[int, _Vector]] = []
    for one in taken:
        if one.start < end and start < one.end:
            amounts = vector(one.amounts)
            changes.append((max(one.start, start), amounts))
            changes.append((one.end, (-amounts[0], -amounts[1], -amounts[2], -amounts[3])))
    changes.sort()
    return changes


def _plus(first: _Vector, second: _Vector) -> _Vector:
    return first[0] + second[0], first[1] + second[1], first[2] + second[2], first[3] + second[3]


def _larger(first: _Vector, second: _Vector) -> _Vector:
    return max(first[0], second[0]), max(first[1], second[1]), max(first[2], second[2]), max(first[3], second[3])


def _within(amounts: _Vector, limit: tuple[int, ...]) -> bool:
    return amounts[0] <= limit[0] and amounts[1] <= limit[1] and amounts[2] <= limit[2] and amounts[3] <= limit[3]
