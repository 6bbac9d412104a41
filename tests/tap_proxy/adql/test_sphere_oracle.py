"""Spherical geometry beside brute force: thousands of directions, each told to be in a shape another way.

Circles are told by astropy's separation; polygons by crossings in the plane that touches the sphere at their middle.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from astropy.coordinates import angular_separation
from numpy.typing import NDArray

from tap_proxy.adql import sphere
from tap_proxy.adql.shapes import Part
from tap_proxy.adql.vectors import box_corners

Array = NDArray[np.float64]
DIRECTIONS, OUTLINE = 20_000, 400
WHOLE_SKY_DEG2 = 4 * math.pi * (180 / math.pi) ** 2


@dataclass(frozen=True, slots=True)
class Drawn:
    """A shape and the middle that it was drawn round, in degrees."""

    part: Part
    middle: tuple[float, float]


def _sky() -> tuple[Array, Array]:
    """Return longitudes and latitudes that cover the sky evenly, in degrees."""
    k = np.arange(DIRECTIONS) + 0.5
    return np.degrees(np.pi * (1 + 5**0.5) * k) % 360, np.degrees(np.arcsin(1 - 2 * k / DIRECTIONS))


SKY = _sky()


def offset(middle: tuple[float, float], bearing: float, radius_deg: float) -> tuple[float, float]:
    """Return the position that lies so far from a middle."""
    lon, lat = map(math.radians, middle)
    r = math.radians(radius_deg)
    up = math.sin(lat) * math.cos(r) + math.cos(lat) * math.sin(r) * math.cos(bearing)
    east = math.sin(bearing) * math.sin(r)
    ahead = math.cos(lat) * math.cos(r) - math.sin(lat) * math.sin(r) * math.cos(bearing)
    return math.degrees(lon + math.atan2(east, ahead)) % 360, math.degrees(math.asin(max(-1.0, min(1.0, up))))


def inside(drawn: Drawn, lon: Array, lat: Array) -> NDArray[np.bool_]:
    """Tell which directions lie in a shape."""
    numbers = drawn.part.numbers
    if drawn.part.kind != "polygon":
        radius = numbers[2] if drawn.part.kind == "circle" else 0.0
        apart = angular_separation(*map(np.radians, (lon, lat, numbers[0], numbers[1])))
        return np.asarray(np.degrees(apart) <= radius + 1e-9)
    x, y, seen = _plane(drawn.middle, lon, lat)
    px, py, _ = _plane(drawn.middle, np.array(numbers[::2]), np.array(numbers[1::2]))
    odd = np.zeros(len(lon), bool)
    for x1, y1, x2, y2 in zip(px, py, np.roll(px, -1), np.roll(py, -1), strict=True):
        if y1 != y2:
            odd ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return odd & seen


def _plane(middle: tuple[float, float], lon: Array, lat: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the gnomonic projection, in which great circles are straight, and what lies on this side of the sky."""
    a, d = np.radians(lon - middle[0]), np.radians(lat)
    d0 = math.radians(middle[1])
    depth = math.sin(d0) * np.sin(d) + math.cos(d0) * np.cos(d) * np.cos(a)
    safe = np.where(depth > 1e-9, depth, 1.0)
    x = np.cos(d) * np.sin(a) / safe
    y = (math.cos(d0) * np.sin(d) - math.sin(d0) * np.cos(d) * np.cos(a)) / safe
    return x, y, depth > 1e-9


def outline(part: Part) -> tuple[Array, Array]:
    """Return directions along the edge of a shape."""
    if part.kind == "point":
        return np.array([part.numbers[0]]), np.array([part.numbers[1]])
    if part.kind == "circle":
        bearings = np.linspace(0, 2 * np.pi, OUTLINE)
        found = [offset((part.numbers[0], part.numbers[1]), b, part.numbers[2] - 1e-6) for b in bearings]
        return np.array([f[0] for f in found]), np.array([f[1] for f in found])
    corners = _vectors(np.array(part.numbers[::2]), np.array(part.numbers[1::2]))
    shares = np.linspace(0, 1, OUTLINE)[:, None]
    arcs = [a * (1 - shares) + b * shares for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)]
    v = np.concatenate(arcs)
    return np.degrees(np.arctan2(v[:, 1], v[:, 0])) % 360, np.degrees(np.arctan2(v[:, 2], np.hypot(v[:, 0], v[:, 1])))


def _vectors(lon: Array, lat: Array) -> Array:
    a, d = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], -1)


class Artist:
    """Draws shapes everywhere, at poles and across longitude 0 more often than chance would."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def shape(self, kind: str, near: tuple[float, float] | None = None) -> Drawn:
        middle = self.middle(near)
        match kind:
            case "point":
                return Drawn(Part("point", middle), middle)
            case "circle":
                radius = float(self.random.choice([0.01, 0.5, 3, 20, 60, 89, 120, 170, 180]))
                return Drawn(Part("circle", (*middle, radius)), middle)
            case "box":
                sides = self.random.uniform(1, 90, 2)
                return Drawn(Part("polygon", box_corners(*middle, float(sides[0]), float(sides[1]))), middle)
            case _:
                return Drawn(Part("polygon", self.star(middle)), middle)

    def middle(self, near: tuple[float, float] | None) -> tuple[float, float]:
        if near is not None:
            return offset(near, self.random.uniform(0, 2 * np.pi), float(self.random.choice([0, 0.3, 5, 30])))
        lon, lat = self.random.uniform(0, 360), math.degrees(math.asin(self.random.uniform(-1, 1)))
        if self.random.random() < 0.3:
            lon = float(self.random.choice([0.0, 359.99, 180.0]))
        if self.random.random() < 0.3:
            lat = float(self.random.choice([90.0, -90.0, 89.5, -89.9, 0.0]))
        return float(lon), float(lat)

    def star(self, middle: tuple[float, float]) -> tuple[float, ...]:
        """Return a polygon that need not be convex, written either way round."""
        corners = int(self.random.integers(3, 9))
        size = float(self.random.choice([0.5, 4, 20, 60, 80]))
        bearings = (np.arange(corners) + self.random.uniform(0, 0.6, corners)) * 2 * np.pi / corners
        pairs = [offset(middle, b, size * self.random.uniform(0.4, 1)) for b in bearings]
        return tuple(number for pair in (pairs[::-1] if self.random.random() < 0.5 else pairs) for number in pair)

    def pairs(self, count: int) -> Iterator[tuple[Drawn, Drawn]]:
        kinds = ("point", "circle", "box", "star")
        for _ in range(count):
            first = self.shape(str(self.random.choice(kinds)))
            yield (
                first,
                self.shape(str(self.random.choice(kinds)), first.middle if self.random.random() < 0.7 else None),
            )


def _probes(drawn: Drawn) -> tuple[Array, Array]:
    """Return directions of a shape: those of the sky that lie in it, and its edge."""
    lon, lat = outline(drawn.part)
    within = inside(drawn, *SKY)
    return np.concatenate([SKY[0][within], lon]), np.concatenate([SKY[1][within], lat])


@pytest.mark.parametrize("seed", range(3))
def test_which_shapes_meet_and_hold_each_other(seed: int) -> None:
    doubted = 0
    for left, right in Artist(seed).pairs(100):
        within_right, within_left = inside(right, *_probes(left)), inside(left, *_probes(right))
        meets, holds = within_right.any() or within_left.any(), within_right.all()
        found = sphere.intersects((left.part,), (right.part,))
        assert found == sphere.intersects((right.part,), (left.part,))
        assert found >= meets or _touching(left, right), (left, right)
        contained = sphere.contains((left.part,), (right.part,))
        assert contained <= holds or _touching(left, right), (left, right)
        doubted += found > meets or (contained < holds and left.part.kind != right.part.kind != "point")
    assert doubted <= 6, doubted


def _touching(left: Drawn, right: Drawn) -> bool:
    """Tell whether edges come so close that counting along them cannot tell."""
    a, b = (_vectors(*outline(drawn.part)) for drawn in (left, right))
    return bool((a @ b.T).max() > math.cos(math.radians(0.02)))


@pytest.mark.parametrize("kind", ["circle", "box", "star"])
def test_areas_and_middles_are_those_of_the_directions_inside(kind: str) -> None:
    artist = Artist(11)
    for _ in range(40):
        drawn = artist.shape(kind)
        within = inside(drawn, *SKY)
        share = within.mean()
        assert sphere.area((drawn.part,)) / WHOLE_SKY_DEG2 == pytest.approx(share, abs=2e-3)
        if share > 0.01 and kind != "circle":
            middle = _vectors(*(each[within] for each in SKY)).mean(0)
            lon, lat = sphere.centroid((drawn.part,))
            assert middle @ _vectors(np.array(lon), np.array(lat)) / np.linalg.norm(middle) > math.cos(math.radians(1))


def test_distances_are_those_of_astropy() -> None:
    artist = Artist(3)
    for _ in range(500):
        first = artist.middle(None)
        second = artist.middle(first) if artist.random.random() < 0.5 else artist.middle(None)
        expected = angular_separation(*(math.radians(each) for each in (*first, *second)))
        assert sphere.distance(*first, *second) == pytest.approx(math.degrees(expected), rel=1e-9, abs=1e-11)
    for lon, lat in ((0.0, 0.0), (10.0, 45.0), (200.0, -89.0), (0.0, 90.0)):
        assert sphere.distance(lon, lat, (lon + 180) % 360, -lat) == pytest.approx(180, abs=1e-9)
