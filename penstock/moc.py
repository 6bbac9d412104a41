"""Coverages of the sky as MOCs: sets of HEALPix cells, written as text and kept as sorted bounds (MOC 2.0).

Cells of order 29 are numbered so that every cell of a lower order is a run of them. A set of cells of any orders is
then a sorted sequence of bounds, ``begin, end, begin, end, ...``, ends excluded: where a number falls among the bounds
tells whether it is covered. SQLite keeps the bounds as bytes, PostgreSQL as an ``int8multirange``.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TypeAlias

MAX_ORDER = 29
CELLS = 12 << 2 * MAX_ORDER
"""Cells of the highest order on the whole sky."""

Bounds: TypeAlias = "array[int]"

_TOKEN = re.compile(r"(?:s?([0-9]{1,2})/)?(?:([0-9]{1,19})(?:-([0-9]{1,19}))?)?")
_SEPARATORS = re.compile(r"[\s,]+")


class MocError(ValueError):
    """A text that is no MOC; the message is for who wrote it."""


def parse_moc(text: str) -> Bounds:
    """Return the bounds of a MOC in its ASCII form (MOC 2.0 s4.3.2).

    Raises
    ------
    MocError
        The text is none.
    """
    return bounds_of(_runs(text))


def _runs(text: str) -> Iterator[tuple[int, int]]:
    order: int | None = None
    words = _SEPARATORS.sub(" ", text).split()
    if not words:
        raise MocError("it is empty")
    for word in words:
        match = _TOKEN.fullmatch(word)
        if match is None:
            raise MocError(f"{word[:40]!r} is not order/cell, a cell, or a run of cells")
        order = int(match[1]) if match[1] else order
        if order is None or order > MAX_ORDER:
            raise MocError(f"cells follow an order from 0 to {MAX_ORDER} and a slash")
        if match[2]:
            yield _run(order, int(match[2]), int(match[3] or match[2]))


def _run(order: int, first: int, last: int) -> tuple[int, int]:
    if not first <= last < 12 << 2 * order:
        raise MocError(f"order {order} has cells from 0 to {(12 << 2 * order) - 1}, runs go upwards")
    shift = 2 * (MAX_ORDER - order)
    return first << shift, last + 1 << shift


def bounds_of(runs: Iterable[tuple[int, int]]) -> Bounds:
    """Return the bounds of runs of cells of order 29 (begin, end), in any order, which may overlap or touch."""
    bounds: Bounds = array("q")
    for begin, end in sorted(runs):
        if bounds and begin <= bounds[-1]:
            bounds[-1] = max(bounds[-1], end)
        else:
            bounds.extend((begin, end))
    return bounds


def contains(inner: Bounds, outer: Bounds) -> bool:
    """Tell whether all cells of one MOC are in another."""
    for begin, end in runs_of(inner):
        place = bisect_right(outer, begin)
        if place % 2 == 0 or outer[place] < end:
            return False
    return True


def intersects(left: Bounds, right: Bounds) -> bool:
    """Tell whether two MOCs share a cell."""
    few, many = sorted((left, right), key=len)
    for begin, end in runs_of(few):
        place = bisect_right(many, begin)
        if place % 2 or (place < len(many) and many[place] < end):
            return True
    return False


def to_bytes(bounds: Bounds) -> bytes:
    """Return bounds as SQLite keeps them."""
    return bounds.tobytes()


def from_bytes(data: bytes) -> Bounds:
    """Return the bounds that `to_bytes` wrote."""
    bounds: Bounds = array("q")
    bounds.frombytes(data)
    return bounds


def to_multirange(bounds: Bounds) -> str:
    """Return bounds as PostgreSQL writes an ``int8multirange``."""
    return "{" + ",".join(f"[{begin},{end})" for begin, end in runs_of(bounds)) + "}"


def runs_of(bounds: Bounds) -> Iterator[tuple[int, int]]:
    """Return the runs of cells (begin, end) that bounds are of."""
    return zip(bounds[::2], bounds[1::2], strict=True)
