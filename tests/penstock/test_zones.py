from __future__ import annotations

import math
import sqlite3

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from penstock.db import Database
from penstock.direct import libpq_url
from penstock.zones import index_statement, zone_sql, zones_between
from tests.support.postgres import fresh_database

EDGES = [-90.0, -89.5, math.nextafter(-89.5, -90), -0.5, -0.0, 0.0, math.nextafter(0.5, 0), 0.5, 89.9999999, 90.0]
latitudes = st.floats(-90, 90) | st.sampled_from(EDGES)


@given(latitudes, latitudes, latitudes)
def test_a_declination_is_in_a_zone_of_every_band_that_holds_it(one: float, other: float, third: float) -> None:
    south, dec, north = sorted((one, other, third))
    (zone,) = zones_between(dec, dec)
    assert zone in zones_between(south, north)
    assert 0 <= zone <= 360


def test_bands_beyond_the_poles_end_there() -> None:
    assert zones_between(-100, -89.7) == range(1)
    assert zones_between(89.7, 100) == range(359, 361)


def test_sqlite_counts_the_same_zones() -> None:
    connection = sqlite3.connect(":memory:")
    for dec in EDGES:
        ((zone,),) = connection.execute(f"SELECT {zone_sql('sqlite', '?')}", (dec,))
        assert list(zones_between(dec, dec)) == [zone]


async def test_postgresql_counts_the_same_zones_and_takes_what_is_no_number() -> None:
    connection = await asyncpg.connect(libpq_url(Database(fresh_database()).url))
    try:
        for dec in EDGES:
            zone = await connection.fetchval(f"SELECT {zone_sql('postgresql', '$1::float8')}", dec)
            assert list(zones_between(dec, dec)) == [zone]
        await connection.execute("CREATE TABLE stars (ra float8, dec real)")
        await connection.execute(index_statement("postgresql", "stars_zone", "stars", "ra", "dec"))
        await connection.execute("INSERT INTO stars VALUES (0, 'NaN'), (1, 'Infinity'), (2, NULL)")
    finally:
        await connection.close()
