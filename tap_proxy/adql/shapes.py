"""Reads geometries written as text: DALI shapes and the STC-S strings of ADQL 2.0 (DALI 1.2 s3.3; TAP 1.0 s6).

A region is one or more parts, of which it is the union. Coordinates are ICRS degrees; a string in another frame is
refused rather than misread.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from tap_proxy.adql.vectors import box_corners


class ShapeError(ValueError):
    """A text that is no geometry; the message is for who wrote it."""


class Part(NamedTuple):
    """A point (lon, lat), circle (lon, lat, radius) or polygon (lon, lat, lon, lat, ...), in degrees."""

    kind: str
    numbers: tuple[float, ...]


Region: TypeAlias = tuple[Part, ...]

_WORDS = re.compile(r"[()]|[^\s()]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?")
_LABELS = {
    "POINT": "point",
    "POSITION": "point",
    "CIRCLE": "circle",
    "POLYGON": "polygon",
    "BOX": "box",
    "RANGE": "range",
}
_SIZES = {"point": 2, "circle": 3, "box": 4, "range": 4}
_FRAMES = frozenset({"ICRS", "FK5", "J2000", "UNKNOWNFRAME"})
_OTHER_FRAMES = frozenset({"FK4", "B1950", "GALACTIC", "GALACTIC_II", "SUPER_GALACTIC", "ECLIPTIC", "GEO_C", "GEO_D"})
_FILLING = _FRAMES | {
    "BARYCENTER",
    "GEOCENTER",
    "HELIOCENTER",
    "LSR",
    "LSRK",
    "LSRD",
    "TOPOCENTER",
    "RELOCATABLE",
    "UNKNOWNREFPOS",
    "SPHERICAL2",
    "FILLFACTOR",
    "UNIT",
    "DEG",
}
RANGE_STEP_DEG = 1.0


def parse_region(text: str) -> Region:
    """Return the parts of a geometry.

    Raises
    ------
    ShapeError
        The text is no geometry, or of a sort or a frame that is not understood.
    """
    words = _WORDS.findall(text)
    if not words:
        raise ShapeError("it is empty")
    parts: list[Part] = []
    position = 0
    while position < len(words):
        word = words[position].upper()
        if word in {"UNION", "(", ")"} or ((parts or position) and word in _FILLING):
            position += 1
            continue
        if word not in _LABELS:
            raise ShapeError(f"{words[position][:40]} is no shape that is understood")
        numbers, position = _numbers(words, position + 1)
        parts.append(_part(_LABELS[word], numbers))
    if not parts:
        raise ShapeError("it holds no shape")
    return tuple(parts)


@lru_cache(maxsize=4096)
def region_or_none(text: str) -> Region | None:
    """Return the parts of a geometry, or None for what is none."""
    try:
        return parse_region(text)
    except ShapeError:
        return None


def parse_numbers(name: str, text: str) -> tuple[float, ...]:
    """Return the numbers of a POINT, CIRCLE or POLYGON as DALI serialises it, with its label or without.

    Raises
    ------
    ShapeError
        The text is none.
    """
    words = _WORDS.findall(text)
    if words and words[0][0].isalpha():
        (part, *more) = parse_region(text)
        if more or part.kind != name.lower():
            raise ShapeError(f"it is a {part.kind}")
        return part.numbers
    numbers, position = _numbers(words, 0)
    if position < len(words):
        raise ShapeError(f"{words[position][:40]} is no number")
    return _part(name.lower(), numbers).numbers


def write_region(region: Region) -> str:
    """Return a region as text that `parse_region` reads."""
    return " ".join(f"{part.kind} {' '.join(map(repr, part.numbers))}" for part in region)


def _numbers(words: list[str], position: int) -> tuple[tuple[float, ...], int]:
    """Read numbers, leaving out the words for frame and origin before them."""
    while position < len(words) and words[position].upper() in _FILLING:
        position += 1
    if position < len(words) and words[position].upper() in _OTHER_FRAMES:
        raise ShapeError(f"the frame {words[position]} is not understood: write ICRS degrees")
    numbers = []
    for word in words[position:]:
        value = _number(word)
        if value is None:
            break
        numbers.append(value)
    return tuple(numbers), position + len(numbers)


def _number(word: str) -> float | None:
    value = float(word) if _NUMBER.fullmatch(word) else math.inf
    return value if math.isfinite(value) else None


def _part(kind: str, numbers: tuple[float, ...]) -> Part:
    wanted = _SIZES.get(kind)
    if wanted is not None and len(numbers) != wanted:
        raise ShapeError(f"a {kind} has {wanted} numbers, and here are {len(numbers)}")
    if kind == "polygon" and (len(numbers) < 6 or len(numbers) % 2):
        raise ShapeError("a polygon has three or more vertices of two numbers each")
    if kind == "circle" and numbers[2] < 0:
        raise ShapeError("the radius of a circle is not negative")
    if kind == "box" and not (0 <= numbers[2] < 180 and 0 <= numbers[3] < 180):
        raise ShapeError("the sides of a box are less than 180 degrees and not negative")
    if kind == "box":
        return Part("polygon", box_corners(*numbers))
    if kind == "range":
        return Part("polygon", tuple(_range(*numbers)))
    return Part(kind, numbers)


def _range(west: float, east: float, south: float, north: float) -> Iterator[float]:
    """Return the outline of a range of longitudes and latitudes, close enough along its parallels."""
    width = (east - west) % 360.0
    steps = max(1, math.ceil(width / RANGE_STEP_DEG))
    for step in range(steps + 1):
        yield from (west + width * step / steps, south)
    for step in range(steps, -1, -1):
        yield from (west + width * step / steps, north)
