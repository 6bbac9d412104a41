"""Shapes on the sky as parameters give them: ICRS degrees (DALI 1.2 s3.7 to s3.10)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from penstock.dali.values import parse_floats, refuse

_MIN_VERTICES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A position; the right ascension is reduced to 0 to 360."""

    ra_deg: float
    dec_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """A cap of the sphere."""

    centre: Point
    radius_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A box between two meridians and two parallels (DALI 1.2 s3.9).

    It goes eastwards from `west_deg` to `east_deg`: over the meridian 0 where `west_deg` is the greater.
    """

    west_deg: float
    east_deg: float
    south_deg: float
    north_deg: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygon:
    """A region within great-circle edges, closed from the last vertex to the first."""

    vertices: tuple[Point, ...]


Shape = Circle | Range | Polygon

_CIRCLE = "right ascension, declination and radius in degrees, from -90 to 90 and from 0 to 180 the latter two"
_POLYGON = "at least three vertices, each right ascension and declination in degrees, the declination from -90 to 90"
_RANGE = "western and eastern right ascension, southern and northern declination in degrees"
_POS = "CIRCLE ra dec radius, RANGE ra1 ra2 dec1 dec2, or POLYGON ra1 dec1 ra2 dec2 ra3 dec3 ..., in degrees"


def parse_circle(name: str, text: str) -> Circle:
    """Read a circle (DALI 1.2 s3.8)."""
    numbers = parse_floats(name, text, _CIRCLE)
    if len(numbers) != 3 or not _on_sphere(numbers[:2]) or not 0 <= numbers[2] <= 180:
        raise refuse(name, text, _CIRCLE)
    return Circle(centre=_points(numbers[:2])[0], radius_deg=numbers[2])


def parse_polygon(name: str, text: str) -> Polygon:
    """Read a polygon (DALI 1.2 s3.10)."""
    numbers = parse_floats(name, text, _POLYGON)
    if len(numbers) % 2 or len(numbers) < 2 * _MIN_VERTICES or not _on_sphere(numbers):
        raise refuse(name, text, _POLYGON)
    return Polygon(vertices=_points(numbers))


def parse_range(name: str, text: str) -> Range:
    """Read a range; infinite ends are open (DALI 1.2 s3.9)."""
    numbers = parse_floats(name, text, _RANGE)
    if len(numbers) != 4:
        raise refuse(name, text, _RANGE)
    west, east, south, north = numbers
    # A box that lies wholly off the sphere selects nothing and is a mistake.
    if south > north or south > 90 or north < -90 or west == math.inf or east == -math.inf:
        raise refuse(name, text, _RANGE)
    west, east = _longitudes(west, east)
    return Range(west_deg=west, east_deg=east, south_deg=max(south, -90.0), north_deg=min(north, 90.0))


def parse_pos(name: str, text: str) -> Shape:
    """Read POS: a circle, range or polygon behind its name, in any case (SODA 1.0 s3.3.1)."""
    kind, *rest = text.split(maxsplit=1) or [""]
    numbers = "".join(rest)
    match kind.upper():
        case "CIRCLE":
            return parse_circle(name, numbers)
        case "RANGE":
            return parse_range(name, numbers)
        case "POLYGON":
            return parse_polygon(name, numbers)
        case _:
            raise refuse(name, text, _POS)


def _on_sphere(numbers: tuple[float, ...]) -> bool:
    return all(map(math.isfinite, numbers)) and all(-90 <= dec <= 90 for dec in numbers[1::2])


def _points(numbers: tuple[float, ...]) -> tuple[Point, ...]:
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return tuple(Point(ra_deg=_reduced(ra), dec_deg=dec) for ra, dec in pairs)


def _reduced(longitude_deg: float) -> float:
    """Return the same longitude from 0 to 360: values beyond are legal (DALI 1.2 s3.7)."""
    return longitude_deg if 0 <= longitude_deg <= 360 else longitude_deg % 360


def _longitudes(west: float, east: float) -> tuple[float, float]:
    west, east = max(west, 0.0) if math.isinf(west) else west, min(east, 360.0) if math.isinf(east) else east
    return (0.0, 360.0) if east - west >= 360 else (_reduced(west), _reduced(east))
