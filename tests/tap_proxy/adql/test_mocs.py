from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.moc import CELLS, contains, parse_moc, runs_of
from tap_proxy.adql import AdqlSemanticError, PostgreSQL, SQLite, compile_query
from tap_proxy.adql.healpix import moc_of
from tap_proxy.adql.mocs import CELL_DEG, FITTING_CELLS, order_for
from tap_proxy.adql.shapes import Part, Region
from tap_proxy.adql.vectors import lon_lat, plus, scaled, unit_vector
from tests.tap_proxy.adql.catalogues import catalogue

LONGITUDES, LATITUDES = st.floats(0, 359.99), st.floats(-89.9, 89.9)


def towards(lon: float, lat: float, angle: float, way: float) -> tuple[float, float]:
    """Return the position at an angle from another."""
    a, d = math.radians(lon), math.radians(lat)
    east = (-math.sin(a), math.cos(a), 0.0)
    north = (-math.sin(d) * math.cos(a), -math.sin(d) * math.sin(a), math.cos(d))
    side = plus(scaled(east, math.sin(way)), scaled(north, math.cos(way)))
    there = plus(
        scaled(unit_vector(lon, lat), math.cos(math.radians(angle))), scaled(side, math.sin(math.radians(angle)))
    )
    return lon_lat(there)


def covers(moc: str, lon: float, lat: float) -> bool:
    return contains(parse_moc(moc_of((Part("point", (lon, lat)),), 29)), parse_moc(moc))


@settings(max_examples=60, deadline=None)
@given(LONGITUDES, LATITUDES, st.floats(0.01, 179), st.floats(0, 6.28), st.floats(0, 0.98))
def test_the_moc_of_a_circle_covers_the_circle(lon: float, lat: float, radius: float, way: float, part: float) -> None:
    moc = moc_of((Part("circle", (lon, lat, radius)),), 5)
    assert covers(moc, *towards(lon, lat, radius * part, way))
    beyond = radius + 5 * CELL_DEG / 2**5
    if beyond < 180:
        assert not covers(moc, *towards(lon, lat, beyond, way))


def test_a_polygon_is_the_smaller_side_whichever_way_it_is_written() -> None:
    forth, back = ((0.0, 0.0, 10.0, 0.0, 10.0, 10.0, 0.0, 10.0), (0.0, 10.0, 10.0, 10.0, 10.0, 0.0, 0.0, 0.0))
    assert moc_of((Part("polygon", forth),), 6) == moc_of((Part("polygon", back),), 6)
    assert covers(moc_of((Part("polygon", forth),), 6), 5, 5)


def test_parts_are_united() -> None:
    region: Region = (Part("circle", (10, 20, 1)), Part("circle", (100, -20, 1)))
    moc = moc_of(region, 7)
    assert covers(moc, 10, 20)
    assert covers(moc, 100, -20)
    assert not covers(moc, 50, 0)


@pytest.mark.parametrize("radius", [180, 1000])
def test_a_circle_of_half_a_turn_is_the_whole_sky(radius: float) -> None:
    assert list(runs_of(parse_moc(moc_of((Part("circle", (10, 20, radius)),), 4)))) == [(0, CELLS)]


@pytest.mark.parametrize("radius", [1e-6, 0.01, 1, 30, 90, 179])
def test_a_fitting_order_keeps_mocs_small(radius: float) -> None:
    region: Region = (Part("circle", (10, 20, radius)),)
    moc = parse_moc(moc_of(region, order_for(region, FITTING_CELLS, 13)))
    assert 1 <= len(list(runs_of(moc))) <= 4 * FITTING_CELLS


def test_the_finest_order_is_told() -> None:
    with pytest.raises(AdqlSemanticError, match=r"too fine for a shape of this size: at most 1[0-9]"):
        compile_query("SELECT MOC(20, CIRCLE(10, 20, 5)) FROM sources", catalogue(), SQLite())
    compile_query("SELECT MOC(20, CIRCLE(10, 20, 0.001)), MOC(29, POINT(1, 2)) FROM sources", catalogue(), SQLite())


def test_constants_go_as_parameters() -> None:
    query = "SELECT ivoid FROM rr.stc_spatial WHERE 1 = CONTAINS(MOC('29/5 7'), coverage)"
    assert compile_query(query, catalogue(), SQLite()).params == ("29/5 7",)
    assert compile_query(query, catalogue(), PostgreSQL()).params == ("{[5,6),[7,8)}",)
