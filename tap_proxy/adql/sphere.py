"""Spherical geometry: which region holds or meets which, areas, centroids (ADQL 2.1 s4.2).

Regions come as parts in degrees (see shapes.py) and are the union of them. Edges of polygons are the shorter
great-circle arcs between vertices; a polygon is the smaller of the two parts that its outline makes of the sphere,
whichever way round it is written. Boundaries belong to a region, within TOLERANCE.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from tap_proxy.adql.shapes import Part, Region
from tap_proxy.adql.vectors import Vector, angle, box_corners, cross, dot, lon_lat, norm, plus, scaled, unit_vector

__all__ = ["area", "box_corners", "centroid", "contains", "distance", "intersects"]

TOLERANCE = 1e-12
"""Radians, two tenths of a microarcsecond; what double precision leaves certain."""

SQUARE_DEGREES = (180.0 / math.pi) ** 2


def distance(lon1: float, lat1: float, lon2: float, lat2: float) -> float:
    """Return the angle between two positions in degrees."""
    return math.degrees(angle(unit_vector(lon1, lat1), unit_vector(lon2, lat2)))


def contains(inner: Region, outer: Region) -> bool:
    """Tell whether every part of one region lies within a part of the other, boundaries included."""
    return all(any(_part_contains(part, whole) for whole in outer) for part in inner)


def intersects(left: Region, right: Region) -> bool:
    """Tell whether two regions have a point in common."""
    return any(_parts_intersect(a, b) for a in left for b in right)


def area(region: Region) -> float:
    """Return the area of a region in square degrees; overlaps of parts count twice."""
    return sum(_area(part) for part in region)


def centroid(region: Region) -> tuple[float, float]:
    """Return the longitude and latitude of the middle of a region, weighted by area."""
    if len(region) == 1 and region[0].kind != "polygon":
        return region[0].numbers[0], region[0].numbers[1]
    total: Vector = (0.0, 0.0, 0.0)
    for part in region:
        total = plus(total, _moment(part))
    return lon_lat(total)


def _area(part: Part) -> float:
    match part.kind:
        case "point":
            return 0.0
        case "circle":
            radius = math.radians(min(part.numbers[2], 180.0))
            return 4 * math.pi * math.sin(radius / 2) ** 2 * SQUARE_DEGREES
        case _:
            return abs(_signed_area(_vertices(part.numbers))) * SQUARE_DEGREES


def _moment(part: Part) -> Vector:
    """Return the integral of the direction over a part, up to a common factor."""
    if part.kind != "polygon":
        weight = max(_area(part), TOLERANCE)
        return scaled(unit_vector(*part.numbers[:2]), weight)
    vertices = _vertices(part.numbers)
    total: Vector = (0.0, 0.0, 0.0)
    for a, b in _edges(vertices):
        normal = cross(a, b)
        size = norm(normal)
        if size > 0:
            total = plus(total, scaled(normal, angle(a, b) / size))
    sign = -1.0 if _signed_area(vertices) < 0 else 1.0
    return scaled(total, sign * SQUARE_DEGREES / 2)


@lru_cache(maxsize=4096)
def _vertices(numbers: tuple[float, ...]) -> tuple[Vector, ...]:
    """Return a polygon's vertices without repetitions, such as a last one that closes it."""
    vertices: list[Vector] = []
    for lon, lat in zip(numbers[::2], numbers[1::2], strict=True):
        vector = unit_vector(lon, lat)
        if not vertices or angle(vector, vertices[-1]) > TOLERANCE:
            vertices.append(vector)
    if len(vertices) > 1 and angle(vertices[0], vertices[-1]) <= TOLERANCE:
        vertices.pop()
    return tuple(vertices)


def _edges(vertices: Sequence[Vector]) -> list[tuple[Vector, Vector]]:
    return [*pairwise(vertices), (vertices[-1], vertices[0])]


@lru_cache(maxsize=4096)
def _signed_area(vertices: tuple[Vector, ...]) -> float:
    """Return a polygon's area in steradians, positive if its vertices run counter-clockwise seen from outside."""
    total = 0.0
    first = vertices[0]
    for a, b in pairwise(vertices[1:]):
        total += 2 * math.atan2(dot(first, cross(a, b)), 1 + dot(first, a) + dot(a, b) + dot(b, first))
    if total > 2 * math.pi:
        total -= 4 * math.pi
    elif total < -2 * math.pi:
        total += 4 * math.pi
    return total


def _part_contains(inner: Part, outer: Part) -> bool:
    if outer.kind == "point":
        return inner.kind == "point" and _apart(inner, outer) <= TOLERANCE
    if outer.kind == "circle":
        return _within_circle(inner, outer)
    vertices = _vertices(outer.numbers)
    if inner.kind == "polygon":
        corners = _vertices(inner.numbers)
        return all(_in_polygon(corner, vertices) for corner in corners) and not _outlines_cross(corners, vertices)
    centre = unit_vector(*inner.numbers[:2])
    if not _in_polygon(centre, vertices):
        return False
    return inner.kind == "point" or _to_outline(centre, vertices) >= math.radians(inner.numbers[2]) - TOLERANCE


def _within_circle(inner: Part, outer: Part) -> bool:
    radius = math.radians(outer.numbers[2])
    if radius >= math.pi:
        return True
    if inner.kind == "polygon":
        centre = unit_vector(*outer.numbers[:2])
        corners = _vertices(inner.numbers)
        if radius > math.pi / 2:
            # Sides between corners may leave so large a circle: what lies outside of it is a circle, and convex.
            opposite = scaled(centre, -1.0)
            apart = _to_outline(opposite, corners)
            return apart >= math.pi - radius - TOLERANCE and not _in_polygon(opposite, corners)
        return all(angle(corner, centre) <= radius + TOLERANCE for corner in corners)
    own = math.radians(inner.numbers[2]) if inner.kind == "circle" else 0.0
    return _apart(inner, outer) + own <= radius + TOLERANCE


def _parts_intersect(left: Part, right: Part) -> bool:
    if left.kind == "point":
        return _part_contains(left, right)
    if right.kind == "point":
        return _part_contains(right, left)
    if left.kind == "polygon" and right.kind == "polygon":
        return _polygons_intersect(_vertices(left.numbers), _vertices(right.numbers))
    if left.kind == "circle" and right.kind == "circle":
        return _apart(left, right) <= math.radians(left.numbers[2] + right.numbers[2]) + TOLERANCE
    circle, polygon = (left, right) if left.kind == "circle" else (right, left)
    centre, vertices = unit_vector(*circle.numbers[:2]), _vertices(polygon.numbers)
    return _in_polygon(centre, vertices) or _to_outline(centre, vertices) <= math.radians(circle.numbers[2]) + TOLERANCE


def _polygons_intersect(left: tuple[Vector, ...], right: tuple[Vector, ...]) -> bool:
    return (
        any(_in_polygon(corner, right) for corner in left)
        or any(_in_polygon(corner, left) for corner in right)
        or _outlines_cross(left, right)
    )


def _apart(left: Part, right: Part) -> float:
    return angle(unit_vector(*left.numbers[:2]), unit_vector(*right.numbers[:2]))


def _in_polygon(point: Vector, vertices: tuple[Vector, ...]) -> bool:
    """Tell whether the outline winds round a point, the way the polygon is written; its antipode has it reversed."""
    if len(vertices) < 3:
        return _to_outline(point, vertices) <= TOLERANCE
    turned = 0.0
    for a, b in _edges(vertices):
        # The angle at the point between the directions to both ends: the winding number is the sum over the outline.
        x = dot(a, b) - dot(point, a) * dot(point, b)
        turned += math.atan2(dot(point, cross(a, b)), x)
    winding = turned if _signed_area(vertices) > 0 else -turned
    return winding > math.pi or _to_outline(point, vertices) <= TOLERANCE


def _to_outline(point: Vector, vertices: tuple[Vector, ...]) -> float:
    """Return the angle from a point to the nearest place of an outline, in radians."""
    if len(vertices) == 1:
        return angle(point, vertices[0])
    return min(_to_arc(point, a, b) for a, b in _edges(vertices))


def _to_arc(point: Vector, a: Vector, b: Vector) -> float:
    normal = cross(a, b)
    if dot(cross(normal, a), point) > 0 and dot(cross(b, normal), point) > 0:
        return abs(math.atan2(dot(normal, point), norm(cross(normal, point))))
    return min(angle(point, a), angle(point, b))


def _outlines_cross(left: tuple[Vector, ...], right: tuple[Vector, ...]) -> bool:
    """Tell whether an edge of one goes through an edge of the other; touching does not count."""
    return any(_arcs_cross(a, b, c, d) for a, b in _edges(left) for c, d in _edges(right))


def _arcs_cross(a: Vector, b: Vector, c: Vector, d: Vector) -> bool:
    first, second = cross(a, b), cross(c, d)
    sides = (-dot(first, c), dot(first, d), dot(second, a), -dot(second, b))
    return min(sides) > TOLERANCE or max(sides) < -TOLERANCE
