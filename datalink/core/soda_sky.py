"""Regions of the sky as sets of directions: which ones they hold, and where their outlines run.

Directions are unit vectors in ICRS, in arrays of shape (n, 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.dali.errors import UsageError
from penstock.dali.shapes import Circle, Point, Polygon, Range, Shape

Vectors = NDArray[np.float64]

_TURN = 720  # points around a circle: a chord leaves it by a hundred-thousandth of its radius
_SIDE = 180
_EDGE = 32
_LOWEST = 0.01  # cosine: a polygon must keep this away from the edge of its hemisphere
_ROUNDING = 1e-12


def contains(shape: Shape, points: Vectors) -> NDArray[np.bool_]:
    """Tell which directions lie in a region or on its edge; those that are NaN do not."""
    match shape:
        case Circle():
            reach = 2 * np.sin(np.deg2rad(shape.radius_deg) / 2)  # a chord, since cosines of small angles are all 1
            inside: NDArray[np.bool_] = np.linalg.norm(points - _vector(shape.centre), axis=1) <= reach + _ROUNDING
            return inside
        case Range():
            return _in_range(shape, points)
        case Polygon():
            return _in_polygon(shape, points)


def outline(shape: Shape) -> Vectors:
    """Return directions along the edge of a region, in order, the first again at the end."""
    match shape:
        case Circle():
            return _around(_vector(shape.centre), np.deg2rad(shape.radius_deg))
        case Range():
            return _sides(shape)
        case Polygon():
            return _edges(np.array([_vector(vertex) for vertex in shape.vertices]))


def require_in_hemisphere(name: str, polygon: Polygon) -> None:
    """See that a polygon has an inside: what its edges enclose within a hemisphere.

    Raises
    ------
    UsageError
        It is too wide.
    """
    vertices = np.array([_vector(vertex) for vertex in polygon.vertices])
    if _centre(vertices) is None:
        raise UsageError(f"{name}: the polygon does not fit into a hemisphere, so that its inside cannot be told.")


def directions(lon_deg: NDArray[np.float64], lat_deg: NDArray[np.float64]) -> Vectors:
    """Return unit vectors for longitudes and latitudes."""
    lon, lat = np.deg2rad(lon_deg), np.deg2rad(lat_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _vector(point: Point) -> Vectors:
    return directions(np.float64(point.ra_deg), np.float64(point.dec_deg))  # type: ignore[arg-type]  # of shape (3,)


def _around(centre: Vectors, radius: float) -> Vectors:
    east, north = _tangents(centre)
    turn = np.linspace(0, 2 * np.pi, _TURN + 1)[:, None]
    points: Vectors = np.cos(radius) * centre + np.sin(radius) * (np.cos(turn) * east + np.sin(turn) * north)
    return points


def _tangents(centre: Vectors) -> tuple[Vectors, Vectors]:
    """Return two directions that are at right angles to a third and to each other."""
    pole = np.array([0.0, 0.0, 1.0]) if abs(centre[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    east = np.cross(pole, centre)
    east /= np.linalg.norm(east)
    return east, np.cross(centre, east)


def _sides(box: Range) -> Vectors:
    width = _width(box)
    step = np.linspace(0.0, 1.0, _SIDE)
    lon = box.west_deg + width * np.concatenate([step, np.ones(_SIDE), 1 - step, np.zeros(_SIDE)])
    height = box.north_deg - box.south_deg
    lat = box.south_deg + height * np.concatenate([np.zeros(_SIDE), step, np.ones(_SIDE), 1 - step])
    return directions(lon, lat)


def _width(box: Range) -> float:
    """Return how far a range goes eastwards, in degrees: over the meridian 0 where it ends west of its beginning."""
    return (box.east_deg - box.west_deg) % 360 or (360.0 if box.east_deg != box.west_deg else 0.0)


def _in_range(box: Range, points: Vectors) -> NDArray[np.bool_]:
    lat = np.rad2deg(np.arctan2(points[:, 2], np.hypot(points[:, 0], points[:, 1])))
    east_of_west = (np.rad2deg(np.arctan2(points[:, 1], points[:, 0])) - box.west_deg) % 360
    slack = np.rad2deg(_ROUNDING)
    within = (east_of_west <= _width(box) + slack) | (east_of_west >= 360 - slack)
    inside: NDArray[np.bool_] = within & (lat >= box.south_deg - slack) & (lat <= box.north_deg + slack)
    return inside


def _edges(vertices: Vectors) -> Vectors:
    step = np.linspace(0.0, 1.0, _EDGE, endpoint=False)[:, None]
    ends = zip(vertices, np.roll(vertices, -1, axis=0), strict=True)
    points = np.concatenate([*((1 - step) * a + step * b for a, b in ends), vertices[:1]])
    unit: Vectors = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit


def _centre(vertices: Vectors) -> Vectors | None:
    """Return the middle of a hemisphere that holds all vertices; None where theirs does not."""
    total = vertices.sum(axis=0)
    length = np.linalg.norm(total)
    if length < _LOWEST:
        return None
    centre: Vectors = total / length
    return centre if (vertices @ centre).min() > _LOWEST else None


def _in_polygon(polygon: Polygon, points: Vectors) -> NDArray[np.bool_]:
    """Count crossings in the plane that touches the middle, where great circles are straight."""
    vertices = np.array([_vector(vertex) for vertex in polygon.vertices])
    centre = _centre(vertices)
    if centre is None:
        return np.zeros(len(points), dtype=bool)
    east, north = _tangents(centre)
    depth = points @ centre
    before = depth > _ROUNDING  # what lies behind is not in the hemisphere
    with np.errstate(all="ignore"):
        x, y = points @ east / depth, points @ north / depth
    corners = np.c_[vertices @ east, vertices @ north] / (vertices @ centre)[:, None]
    inside = np.zeros(len(points), dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return inside & before
