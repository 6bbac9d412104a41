"""Bounds of constant regions in longitude and latitude, and the sides of convex polygons.

They serve conditions in SQL: an index finds a band of latitudes, and a polygon's inside is where all its sides' scalar
products are positive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tap_proxy.adql import sphere
from tap_proxy.adql.shapes import Part
from tap_proxy.adql.vectors import Vector, angle, cross, dot, lon_lat, norm, scaled, unit_vector

PAD_DEG = 1e-9
"""Bounds reach so much further than the region, for rounding."""

WIDEST_DEG = 85.0
"""Half a width of longitudes beyond which a bound is not worth while."""

MAX_SIDES = 32
"""Sides that are worth writing out."""

LON_MIN, LON_MAX = -180.0, 360.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """A band of latitudes, and ranges of longitudes of which one must hold (none: all longitudes), in degrees."""

    south: float
    north: float
    ranges: tuple[tuple[float, float], ...]


def circle_bounds(lon: float, lat: float, radius: float) -> Bounds:
    """Return bounds of a circle."""
    south, north = lat - radius - PAD_DEG, lat + radius + PAD_DEG
    if north >= 90 or south <= -90 or radius >= 90:
        return Bounds(south, north, ())
    half = math.degrees(math.asin(min(1.0, math.sin(math.radians(radius)) / math.cos(math.radians(lat)))))
    return Bounds(south, north, _ranges(lon, half + PAD_DEG))


def polygon_bounds(part: Part) -> Bounds:
    """Return bounds of a polygon."""
    vertices = [unit_vector(*pair) for pair in zip(part.numbers[::2], part.numbers[1::2], strict=True)]
    latitudes = [lat for a, b in _edges(vertices) for lat in _latitudes(a, b)]
    south, north = min(latitudes) - PAD_DEG, max(latitudes) + PAD_DEG
    poles = [lat for lat in (90.0, -90.0) if sphere.contains((Part("point", (0.0, lat)),), (part,))]
    if poles:
        return Bounds(min(south, *poles), max(north, *poles), ())
    middle, _ = lon_lat((sum(v[0] for v in vertices), sum(v[1] for v in vertices), 0.0))
    offsets = [abs((lon_lat(vertex)[0] - middle + 180.0) % 360.0 - 180.0) for vertex in vertices]
    return Bounds(south, north, _ranges(middle, max(offsets) + PAD_DEG))


def convex_sides(part: Part) -> tuple[Vector, ...] | None:
    """Return the unit normals, inwards, of a convex polygon's sides, or None for one that is not, or has many."""
    if len(part.numbers) > 2 * MAX_SIDES:
        return None
    vertices = [unit_vector(*pair) for pair in zip(part.numbers[::2], part.numbers[1::2], strict=True)]
    distinct = [vertex for i, vertex in enumerate(vertices) if angle(vertex, vertices[i - 1]) > sphere.TOLERANCE]
    normals: list[Vector] = []
    for a, b in _edges(distinct):
        normal = cross(a, b)
        if norm(normal) <= sphere.TOLERANCE:
            return None
        normals.append(scaled(normal, 1 / norm(normal)))
    for sign in (1.0, -1.0):
        sides = [scaled(normal, sign) for normal in normals]
        others = (dot(side, vertex) for i, side in enumerate(sides) for vertex in _without(distinct, i))
        if len(distinct) > 2 and min(others) > sphere.TOLERANCE:
            return tuple(sides)
    return None


def _without(vertices: Sequence[Vector], edge: int) -> list[Vector]:
    """Return all vertices but the two ends of an edge."""
    ends = {edge, (edge + 1) % len(vertices)}
    return [vertex for i, vertex in enumerate(vertices) if i not in ends]


def _edges(vertices: Sequence[Vector]) -> list[tuple[Vector, Vector]]:
    return [(vertex, vertices[(i + 1) % len(vertices)]) for i, vertex in enumerate(vertices)]


def _latitudes(a: Vector, b: Vector) -> list[float]:
    """Return the latitudes of an arc's ends, and of its top or bottom if it has one between."""
    found = [lon_lat(a)[1], lon_lat(b)[1]]
    normal = cross(a, b)
    size = norm(normal)
    if size <= sphere.TOLERANCE:
        return found
    for sign in (1.0, -1.0):
        # The place of the great circle nearest to a pole.
        top = cross(cross(normal, (0.0, 0.0, sign)), normal)
        if norm(top) > 0 and dot(cross(normal, a), top) > 0 and dot(cross(b, normal), top) > 0:
            found.append(lon_lat(top)[1])
    return found


def _ranges(lon: float, half: float) -> tuple[tuple[float, float], ...]:
    """Return ranges of longitudes round a middle, for tables that count from 0 to 360 or from -180 to 180."""
    if half > WIDEST_DEG:
        return ()
    lon %= 360.0
    turned = ((lon + turn - half, lon + turn + half) for turn in (-360.0, 0.0, 360.0))
    return tuple((low, high) for low, high in turned if high >= LON_MIN and low <= LON_MAX)
