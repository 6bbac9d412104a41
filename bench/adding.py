"""How fast ``penstock tap add`` takes tables in, of the engine's own way to do the same, in one run.

The floor is the engine alone: rows that are ready in memory, put into a table without index; on PostgreSQL by COPY.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from penstock.db import Database
from penstock.direct import libpq_url
from penstock.migrations import upgrade
from tap_proxy.own.adding import Adding, Order
from tests.support.postgres import fresh_database

_CHUNK = 1_000_000


def _chunk(start: int, rows: int) -> pa.RecordBatch:
    random = np.random.default_rng(start)
    return pa.RecordBatch.from_pydict(
        {
            "id": np.arange(start, start + rows),
            "ra": random.uniform(0, 360, rows),
            "dec": np.degrees(np.arcsin(random.uniform(-1, 1, rows))),
            "mag": random.uniform(5, 20, rows).astype("f4"),
            "name": [f"star {number}" for number in range(start, start + rows)],
        }
    )


def _file(folder: Path, rows: int) -> Path:
    path = folder / "stars.parquet"
    with pq.ParquetWriter(path, _chunk(0, 1).schema) as writer:
        for start in range(0, rows, _CHUNK):
            writer.write_batch(_chunk(start, min(_CHUNK, rows - start)))
    return path


async def _added(url: str, path: Path) -> tuple[float, float]:
    """Return the seconds that it takes, and the megabytes by which memory grows at most."""
    process, before = psutil.Process(), psutil.Process().memory_info().rss
    most = before

    def progress(_rows: int, _done: float) -> None:
        nonlocal most
        most = max(most, process.memory_info().rss)

    db = Database(url)
    try:
        await upgrade(db, {"tap_schema": "tap_proxy.migrations"})
        adding = Adding(db, reserved=frozenset(), clock=lambda: datetime.now(UTC), progress=progress)
        began = time.perf_counter()
        await adding.add(Order(source=str(path)))
        return time.perf_counter() - began, (most - before) / 1e6
    finally:
        await db.close()


def _sqlite_floor(path: Path, batch: pa.RecordBatch) -> float:
    rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER, ra REAL, dec REAL, mag REAL, name TEXT)")
        began = time.perf_counter()
        with connection:
            connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?)", rows)
        return time.perf_counter() - began


async def _postgres_floor(url: str, batch: pa.RecordBatch) -> float:
    text = io.BytesIO()
    pacsv.write_csv(batch, text, pacsv.WriteOptions(include_header=False))
    text.seek(0)
    connection = await asyncpg.connect(libpq_url(Database(url).url))
    await connection.execute("CREATE TABLE t (id BIGINT, ra FLOAT8, dec FLOAT8, mag REAL, name TEXT)")
    began = time.perf_counter()
    await connection.copy_to_table("t", source=text, format="csv")
    seconds = time.perf_counter() - began
    await connection.close()
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench adding", description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_known_args()[0].rows
    with TemporaryDirectory() as name:
        folder = Path(name)
        path, some = _file(folder, rows), _chunk(0, min(rows, _CHUNK))
        print(f"{rows:,} rows of 5 columns from Parquet, with three indexes")
        for engine in ("sqlite", "postgresql"):
            if engine == "sqlite":
                floor = _sqlite_floor(folder / "floor.db", some)
                seconds, grown = asyncio.run(_added(f"sqlite:///{folder / 'own.db'}", path))
            else:
                floor = asyncio.run(_postgres_floor(fresh_database(), some))
                seconds, grown = asyncio.run(_added(fresh_database(), path))
            rate, bare = rows / seconds, some.num_rows / floor
            compared = f"engine alone {bare:10,.0f}  {rate / bare:.2f}"
            print(f"{engine:10}  {seconds:7.1f} s  {rate:10,.0f} rows/s  {compared}  memory +{grown:.0f} MB")


if __name__ == "__main__":
    main()
