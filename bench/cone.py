"""Cone searches over a large ObsCore table, beside a query of one row: what the index on positions is worth.

`CONE_ROWS` in the environment sets the number of rows, ten million if unset.
"""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import asyncpg
import requests
from rich.console import Console
from rich.table import Table

from tests.support.postgres import fresh_database
from tests.support.server import Server, serve

ROWS = int(os.environ.get("CONE_ROWS", "10_000_000"))
RADII_DEG = (0.01, 0.1, 1.0)
QUERIES = 100
ONE_ROW = "SELECT TOP 1 obs_id, s_ra, s_dec FROM ivoa.obscore"
WITHIN = "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({}, {}, {}))"
NEARER = "DISTANCE(POINT(s_ra, s_dec), POINT({}, {})) < {}"
CONE = "SELECT obs_id, s_ra, s_dec FROM ivoa.obscore WHERE "
COLUMNS = "obs_publisher_did, obs_id, obs_collection, calib_level, lake_did, s_ra, s_dec"
# A low-discrepancy sequence covers the sphere evenly, without a random generator of either engine.
_SQLITE_FILL = f"""
WITH RECURSIVE row(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM row WHERE n < {ROWS})
INSERT INTO ivoa__obscore ({COLUMNS})
SELECT 'ivo://penstock.example/lake?big:' || n, 'big:' || n, 'big', 2, 'big:' || n,
  360 * ((n * 0.7548776662466927) - floor(n * 0.7548776662466927)),
  degrees(asin(2 * ((n * 0.5698402909980532) - floor(n * 0.5698402909980532)) - 1)) FROM row
"""
_POSTGRES_FILL = f"""
INSERT INTO ivoa.obscore ({COLUMNS})
SELECT 'ivo://penstock.example/lake?big:' || n, 'big:' || n, 'big', 2, 'big:' || n,
  360 * ((n * 0.7548776662466927::float8) - floor(n * 0.7548776662466927::float8)),
  degrees(asin(2 * ((n * 0.5698402909980532::float8) - floor(n * 0.5698402909980532::float8)) - 1))
FROM generate_series(1, {ROWS}) AS n
"""
_SQLITE_INDEXES = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'ivoa__obscore' AND sql > ''"
_POSTGRES_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'ivoa' AND tablename = 'obscore' AND indexname NOT LIKE '%pkey'
"""


def _times(base: str, urls: list[str]) -> tuple[float, float, float]:
    """Return the median and the 99th percentile in milliseconds, and the mean number of rows."""
    taken, rows = [], 0
    with requests.Session() as session:
        for url in urls:
            begun = time.perf_counter()
            answer = session.get(base + url)
            taken.append((time.perf_counter() - begun) * 1000)
            answer.raise_for_status()
            rows += answer.text.count("\n") - 1
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98], rows / len(urls)


def _sync(query: str) -> str:
    return "/tap/sync?" + urlencode({"LANG": "ADQL", "QUERY": query, "FORMAT": "csv"})


def _positions(name: str) -> Iterator[tuple[float, float]]:
    chance = random.Random(name)
    for _ in range(QUERIES):
        yield chance.uniform(0, 360), chance.uniform(-80, 80)


def _cones(select: str, condition: str, radius: float) -> list[str]:
    places = _positions(f"{condition} {radius}")
    return [_sync(select + condition.format(ra, dec, radius)) for ra, dec in places]


def cases() -> dict[str, list[str]]:
    """Return the paths to ask for, by what they stand for."""
    made = {f"{radius} deg": _cones(CONE, WITHIN, radius) for radius in RADII_DEG}
    chance = random.Random(1)
    poles = [(chance.uniform(0, 360), chance.choice((-1, 1)) * chance.uniform(89, 90)) for _ in range(QUERIES)]
    meridian = [(chance.uniform(-0.1, 0.1) % 360, chance.uniform(-80, 80)) for _ in range(QUERIES)]
    made["0.1 deg at a pole"] = [_sync(CONE + WITHIN.format(ra, dec, 0.1)) for ra, dec in poles]
    made["0.1 deg at longitude 0"] = [_sync(CONE + WITHIN.format(ra, dec, 0.1)) for ra, dec in meridian]
    made["DISTANCE < 0.1"] = _cones(CONE, NEARER, 0.1)
    made["COUNT(*) in 1 deg"] = _cones("SELECT COUNT(*) FROM ivoa.obscore WHERE ", WITHIN, 1.0)
    made["TOP 10 * in 1 deg"] = _cones("SELECT TOP 10 * FROM ivoa.obscore WHERE ", WITHIN, 1.0)
    made["SCS, 0.1 deg"] = [
        "/scs/query?" + urlencode({"RA": ra, "DEC": dec, "SR": 0.1, "RESPONSEFORMAT": "csv"})
        for ra, dec in _positions("scs")
    ]
    return made


def _fill_sqlite(path: Path) -> None:
    """Put the rows in, and make the indexes after them, which takes a tenth of the time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -1000000")
        indexes = database.execute(_SQLITE_INDEXES).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        database.execute(_SQLITE_FILL)
        for _, statement in indexes:
            database.execute(statement)


async def _fill_postgres(url: str) -> None:
    connection = await asyncpg.connect(url)
    indexes = await connection.fetch(_POSTGRES_INDEXES)
    for name, _ in indexes:
        await connection.execute(f"DROP INDEX ivoa.{name}")
    await connection.execute(_POSTGRES_FILL)
    for _, statement in indexes:
        await connection.execute(statement)
    await connection.execute("VACUUM ANALYZE ivoa.obscore")
    await connection.close()


def ask(engine: str, server: Server, table: Table) -> None:
    """Add the rows of one engine to a table."""
    floor, *_ = _times(server.base, [_sync(ONE_ROW)] * QUERIES)
    table.add_row(engine, "one row", "1", f"{floor:.1f}", "", "1")
    for name, urls in cases().items():
        median, slow, rows = _times(server.base, urls)
        table.add_row(engine, name, f"{rows:.1f}", f"{median:.1f}", f"{slow:.1f}", f"{median / floor:.1f}")


def main() -> None:
    """Fill both engines, ask, and print the table."""
    table = Table(title=f"cone searches over {ROWS:,} rows, one client, milliseconds")
    for heading in ("engine", "query", "rows", "p50", "p99", "p50 / one row"):
        table.add_column(heading)
    with tempfile.TemporaryDirectory() as folder:
        for engine in ("sqlite", "postgresql"):
            data = Path(folder) / engine
            settings = {} if engine == "sqlite" else {"PENSTOCK_DATABASE_URL": fresh_database()}
            with serve(data, **settings):
                pass  # makes the tables
            if engine == "sqlite":
                _fill_sqlite(next(data.glob("*.db")))
            else:
                asyncio.run(_fill_postgres(settings["PENSTOCK_DATABASE_URL"]))
            with serve(data, **settings) as server:
                ask(engine, server, table)
    Console(width=100).print(table)
