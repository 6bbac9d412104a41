from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import UsageError
from penstock.dali.shapes import (
    Circle,
    Point,
    Polygon,
    Range,
    parse_circle,
    parse_polygon,
    parse_pos,
    parse_range,
)


def test_each_shape_is_read_once_into_its_type() -> None:
    assert parse_pos("POS", "CIRCLE 12.5 -45 0.5") == Circle(centre=Point(ra_deg=12.5, dec_deg=-45), radius_deg=0.5)
    assert parse_pos("POS", "range 10 20 -5 5") == Range(west_deg=10, east_deg=20, south_deg=-5, north_deg=5)
    triangle = (Point(ra_deg=0, dec_deg=0), Point(ra_deg=1, dec_deg=0), Point(ra_deg=0, dec_deg=1))
    assert parse_pos("POS", "  Polygon 0 0  1 0  0 1 ") == Polygon(vertices=triangle)


@pytest.mark.parametrize(
    ("text", "corners"),
    [
        ("0 360 -2 2", (0, 360, -2, 2)),
        ("359 1 -1 1", (359, 1, -1, 1)),
        ("-1 1 -1 1", (359, 1, -1, 1)),
        ("370 380 0 1", (10, 20, 0, 1)),
        ("-180 180 0 1", (0, 360, 0, 1)),
        ("-Inf +Inf 89 +Inf", (0, 360, 89, 90)),
        ("-Inf 10 -Inf 0", (0, 10, -90, 0)),
        ("350 Inf 0 1", (350, 360, 0, 1)),
    ],
)
def test_a_range_may_be_open_and_may_span_the_meridian(text, corners) -> None:
    found = parse_range("RANGE", text)
    assert (found.west_deg, found.east_deg, found.south_deg, found.north_deg) == corners


@pytest.mark.parametrize(("text", "ra_deg"), [("362 2", 2), ("-90 2", 270), ("360 2", 360), ("0 2", 0)])
def test_a_longitude_beyond_the_circle_is_reduced(text, ra_deg) -> None:
    assert parse_circle("C", f"{text} 1").centre.ra_deg == ra_deg


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12 34",
        "CIRCLE",
        "CIRCLE 12 34",
        "CIRCLE 12 34 -1",
        "CIRCLE 12 34 181",
        "CIRCLE 0 91 1",
        "CIRCLE NaN 0 1",
        "CIRCLE 0 0 NaN",
        "CIRCLE 0 0 Inf",
        "CIRCLE 1,2,3",
        "RANGE 1 2 3",
        "RANGE 0 1 1 0",
        "RANGE Inf 1 0 1",
        "RANGE 0 -Inf 0 1",
        "CIRCLE Inf 0 1",
        "CIRCLE 0 -91 1",
        "RANGE 0 1 91 92",
        "POLYGON 0 0 1 0",
        "POLYGON 0 0 1 0 0 1 1",
        "POLYGON 0 0 1 0 0 Inf",
        "POLYGON " + "1 " * 30_000,
        "BOX 0 0 1 1",
        "Circle ICRS 1 2 3",
    ],
)
def test_a_shape_off_the_sphere_or_misspelt_is_refused_by_name(text) -> None:
    with pytest.raises(UsageError, match="POS=") as caught:
        parse_pos("POS", text)
    assert len(caught.value.message) < 400


@pytest.mark.parametrize("parser", [parse_circle, parse_polygon, parse_range, parse_pos])
@given(text=st.text(alphabet="CIRCLEPOYGNA 0123456789.+-eInf\t", max_size=60))
def test_any_text_is_a_shape_or_a_usage_error(parser, text) -> None:
    with suppress(UsageError):
        parser("POS", text)
