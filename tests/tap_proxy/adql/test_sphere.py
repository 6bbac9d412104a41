from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_proxy.adql.regions import circle_bounds, convex_sides, polygon_bounds
from tap_proxy.adql.shapes import Part, ShapeError, parse_numbers, parse_region, write_region
from tap_proxy.adql.sphere import area, centroid, contains, distance, intersects
from tap_proxy.adql.vectors import box_corners, dot, unit_vector

longitudes = st.floats(0, 360, exclude_max=True)
latitudes = st.floats(-90, 90)


def held(inner: str, outer: str) -> bool:
    return contains(parse_region(inner), parse_region(outer))


CONTAINED = (
    ("point 10 20", "circle 10 20 0", True),
    ("point 10 21", "circle 10 20 1", True),
    ("point 10 21.0000001", "circle 10 20 1", False),
    ("point 180 89", "circle 0 89 2.1", True),
    ("point 0.5 0", "circle 359.5 0 1", True),
    ("point 5 5", "polygon 0 0 10 0 10 10 0 10", True),
    ("point 5 5", "polygon 0 0 0 10 10 10 10 0", True),
    ("point 185 -5", "polygon 0 0 10 0 10 10 0 10", False),
    ("point 0 0", "polygon 0 0 10 0 10 10 0 10", True),
    ("point 5 0", "polygon 0 0 10 0 10 10 0 10", True),
    ("point 5 8", "polygon 0 0 10 0 10 10 5 5 0 10", False),
    ("point 1 8", "polygon 0 0 10 0 10 10 5 5 0 10", True),
    ("point 77 90", "polygon 0 80 90 80 180 80 270 80", True),
    ("point 0 0", "polygon 350 -5 10 -5 10 5 350 5", True),
    ("circle 5 5 1", "polygon 0 0 10 0 10 10 0 10", True),
    ("circle 5 5 6", "polygon 0 0 10 0 10 10 0 10", False),
    ("circle 5 5 1", "circle 5 5 1", True),
    ("polygon 1 1 2 1 2 2", "polygon 0 0 10 0 10 10 0 10", True),
    ("polygon 1 1 20 1 2 2", "polygon 0 0 10 0 10 10 0 10", False),
    ("polygon 1 1 9 1 9 9 1 9", "polygon 0 0 10 0 10 10 5 5 0 10", False),
    ("polygon 0 0 1 0 1 1", "circle 0 0 2", True),
    ("circle 1 1 1", "point 1 1", False),
    ("point 1 1", "point 361 1", True),
    ("point 200 1", "UNION ICRS (CIRCLE 1 1 1 CIRCLE 200 1 1)", True),
)


@pytest.mark.parametrize(("inner", "outer", "answer"), CONTAINED)
def test_contains(inner: str, outer: str, answer: bool) -> None:
    assert held(inner, outer) is answer


MEETING = (
    ("circle 0 0 1", "circle 2 0 1", True),
    ("circle 0 0 1", "circle 2.001 0 1", False),
    ("circle 12 5 2.1", "polygon 0 0 10 0 10 10 0 10", True),
    ("circle 13 5 2.1", "polygon 0 0 10 0 10 10 0 10", False),
    ("circle 5 5 1", "polygon 0 0 10 0 10 10 0 10", True),
    ("polygon -5 4 15 4 15 6 -5 6", "polygon 0 0 10 0 10 10 0 10", True),
    ("polygon 20 20 30 20 30 30", "polygon 0 0 10 0 10 10 0 10", False),
    ("polygon 2 2 3 2 3 3", "polygon 0 0 10 0 10 10 0 10", True),
    ("polygon 180 0 190 0 190 -10 180 -10", "polygon 0 0 10 0 10 10 0 10", False),
    ("point 5 5", "polygon 0 0 10 0 10 10 0 10", True),
)


@pytest.mark.parametrize(("left", "right", "answer"), MEETING)
def test_intersects(left: str, right: str, answer: bool) -> None:
    assert intersects(parse_region(left), parse_region(right)) is answer
    assert intersects(parse_region(right), parse_region(left)) is answer


def test_areas_and_middles() -> None:
    whole = 4 * math.pi * (180 / math.pi) ** 2
    assert area(parse_region("circle 0 0 180")) == pytest.approx(whole)
    assert area(parse_region("polygon 0 0 90 0 0 90")) == pytest.approx(whole / 8)
    assert area(parse_region("polygon 0 90 90 0 0 0")) == pytest.approx(whole / 8)
    assert area(parse_region("point 1 2")) == 0
    assert centroid(parse_region("polygon 0 0 90 0 0 90")) == pytest.approx(
        (45, math.degrees(math.atan(math.sqrt(0.5))))
    )
    assert centroid(parse_region("polygon 355 -5 5 -5 5 5 355 5"))[1] == pytest.approx(0)
    assert centroid(parse_region("circle 3 4 5")) == (3, 4)


def test_distances_are_sound_at_both_ends() -> None:
    assert distance(10, 20, 10, 20 + 1e-10) == pytest.approx(1e-10, rel=1e-4)
    assert distance(0, 0, 180, 1e-7) == pytest.approx(180 - 1e-7, abs=1e-12)


def test_a_box_has_its_arms() -> None:
    corners = box_corners(25.4, -20.0, 10.0, 4.0)
    sides = [Part("point", pair) for pair in ((25.4, -22.0), (25.4, -18.0))]
    for side in sides:
        assert contains((side,), (Part("polygon", corners),))
    assert not contains((Part("point", (25.4, -17.99)),), (Part("polygon", corners),))


@settings(max_examples=150, deadline=None)
@given(longitudes, latitudes, st.floats(0, 89), longitudes, latitudes)
def test_bounds_hold_all_of_a_circle(lon: float, lat: float, radius: float, ra: float, dec: float) -> None:
    bounds = circle_bounds(lon, lat, radius)
    if distance(lon, lat, ra, dec) <= radius:
        for turned in (ra, ra - 360 if ra > 180 else ra):
            assert bounds.south <= dec <= bounds.north
            assert not bounds.ranges or any(low <= turned <= high for low, high in bounds.ranges)


@settings(max_examples=150, deadline=None)
@given(longitudes, st.floats(-85, 85), st.floats(0.1, 80), st.floats(0.1, 80), longitudes, latitudes)
def test_sides_and_bounds_agree_with_the_polygon(
    lon: float, lat: float, width: float, height: float, ra: float, dec: float
) -> None:
    part = Part("polygon", box_corners(lon, lat, width, height))
    sides, bounds = convex_sides(part), polygon_bounds(part)
    assert sides is not None
    point = unit_vector(ra, dec)
    margin = min(dot(side, point) for side in sides)
    inside = contains((Part("point", (ra, dec)),), (part,))
    if abs(margin) > 1e-9:
        assert inside is (margin > 0)
    if inside:
        assert bounds.south <= dec <= bounds.north
        assert not bounds.ranges or any(low <= ra <= high for low, high in bounds.ranges)


def test_regions_are_read_and_written() -> None:
    text = "Union ICRS TOPOCENTER (circle 1 2 3 Polygon 1 2 3 4 5 6 POSITION ICRS 7 8)"
    region = parse_region(text)
    assert [part.kind for part in region] == ["circle", "polygon", "point"]
    assert parse_region(write_region(region)) == region
    assert parse_numbers("CIRCLE", "1 2 3") == parse_numbers("CIRCLE", "CIRCLE ICRS 1 2 3") == (1, 2, 3)


BAD = (
    "",
    "1 2 3",
    "CIRCLE",
    "CIRCLE ICRS 1 2",
    "CIRCLE 1 2 -3",
    "POLYGON 1 2 3 4",
    "POLYGON 1 2 3 4 5",
    "CIRCLE FK4 1 2 3",
)


@pytest.mark.parametrize(
    "text", [*BAD, "ELLIPSE ICRS 1 2 3 4 5", "NOT (CIRCLE 1 2 3)", "CIRCLE nan 2 3", "CIRCLE 1 2 1e999", "UNION ()"]
)
def test_what_is_no_region_is_refused(text: str) -> None:
    with pytest.raises(ShapeError):
        parse_region(text)
