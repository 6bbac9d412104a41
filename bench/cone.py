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
from pathlib import Path

import asyncpg
import requests
from rich.console import Console
from rich.table import Table

from tests.support.postgres import fresh_database
from tests.support.server import serve

ROWS = int(os.environ.get("CONE_ROWS", "10_000_000"))
RADII_DEG = (0.01, 0.1, 1.0)
QUERIES = 100
ONE_ROW = "SELECT TOP 1 obs_id, s_ra, s_dec FROM ivoa.obscore"
CONE = "SELECT obs_id, s_ra, s_dec FROM ivoa.obscore WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({}, {}, {}))"
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


def _times(base: str, queries: list[str]) -> tuple[float, float, float]:
    """Return the median and the 99th percentile in milliseconds, and the mean number of rows."""
    taken, rows = [], 0
    with requests.Session() as session:
        for query in queries:
            begun = time.perf_counter()
            answer = session.get(f"{base}/tap/sync", params={"LANG": "ADQL", "QUERY": query, "FORMAT": "csv"})
            taken.append((time.perf_counter() - begun) * 1000)
            answer.raise_for_status()
            rows += answer.text.count("\n") - 1
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98], rows / len(queries)


def _cones(radius: float) -> list[str]:
    chance = random.Random(radius)
    return [CONE.format(chance.uniform(0, 360), chance.uniform(-80, 80), radius) for _ in range(QUERIES)]


def _fill_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(_SQLITE_FILL)
    database.execute("ANALYZE")
    database.close()


async def _fill_postgres(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(_POSTGRES_FILL)
    await connection.execute("VACUUM ANALYZE ivoa.obscore")
    await connection.close()


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
                floor, *_ = _times(server.base, [ONE_ROW] * QUERIES)
                table.add_row(engine, "one row", "1", f"{floor:.1f}", "", "1")
                for radius in RADII_DEG:
                    median, slow, rows = _times(server.base, _cones(radius))
                    ratio = f"{median / floor:.1f}"
                    table.add_row(engine, f"{radius} deg", f"{rows:.1f}", f"{median:.1f}", f"{slow:.1f}", ratio)
    Console(width=100).print(table)
