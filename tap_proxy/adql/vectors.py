"""Directions on the sphere as unit vectors."""

from __future__ import annotations

import math
from typing import TypeAlias

Vector: TypeAlias = tuple[float, float, float]


def unit_vector(lon: float, lat: float) -> Vector:
    """Return the direction of a longitude and a latitude in degrees."""
    a, d = math.radians(lon), math.radians(lat)
    return (math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d))


def lon_lat(v: Vector) -> tuple[float, float]:
    """Return the longitude (0 to 360) and latitude of a vector of any length, in degrees."""
    lon = math.degrees(math.atan2(v[1], v[0])) % 360.0
    return lon, math.degrees(math.atan2(v[2], math.hypot(v[0], v[1])))


def dot(a: Vector, b: Vector) -> float:
    """Return the scalar product."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def cross(a: Vector, b: Vector) -> Vector:
    """Return the vector product."""
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def norm(a: Vector) -> float:
    """Return the length."""
    return math.sqrt(dot(a, a))


def scaled(a: Vector, factor: float) -> Vector:
    """Return a multiple."""
    return (a[0] * factor, a[1] * factor, a[2] * factor)


def plus(a: Vector, b: Vector) -> Vector:
    """Return the sum."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def angle(a: Vector, b: Vector) -> float:
    """Return the angle between two vectors in radians; sound for small angles and near half a turn."""
    return math.atan2(norm(cross(a, b)), dot(a, b))


def box_corners(lon: float, lat: float, width: float, height: float) -> tuple[float, ...]:
    """Return the corners of a BOX as longitudes and latitudes (ADQL 2.1 s4.2.8).

    The sides are great circles that cross the arms of a cross, centred on the position, at right angles at their ends.
    In the plane that touches the sphere at the centre they are straight: the corners are at the tangents of half the
    width and half the height.
    """
    a, d = math.radians(lon), math.radians(lat)
    centre = unit_vector(lon, lat)
    east: Vector = (-math.sin(a), math.cos(a), 0.0)
    north: Vector = (-math.sin(d) * math.cos(a), -math.sin(d) * math.sin(a), math.cos(d))
    x, y = math.tan(math.radians(width) / 2), math.tan(math.radians(height) / 2)
    corners: list[float] = []
    for right, up in ((-x, -y), (x, -y), (x, y), (-x, y)):
        corners += lon_lat(plus(centre, plus(scaled(east, right), scaled(north, up))))
    return tuple(corners)
