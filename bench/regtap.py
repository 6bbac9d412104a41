"""Searches in a relational registry of 30,000 records on both engines, as pyvo.registry writes them, over HTTP.

A word is sought that a few records hold, one that hundreds do, and two words; beside them other constraints. Times are
of the whole answer, one caller at a time; processor time is that of the server and of the database, on average, which
is what a machine without other work would need. ``python -m bench regtap``; BENCH_RECORDS in the environment is
another number of records.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

import asyncpg
import requests
from pyvo import registry
from pyvo.dal import TAPService
from pyvo.registry.regtap import get_RegTAP_query
from rich.console import Console
from rich.table import Table

from bench.records import records
from bench.tools import cpu_s
from penstock.context import migrations
from penstock.db import Database
from penstock.migrations import upgrade
from registry.regtap_store import write_many
from tests.support.postgres import fresh_database
from tests.support.server import Server, serve

RECORDS = int(os.environ.get("BENCH_RECORDS", "30000"))
PAGE = 500
REPEATS = 60
SEARCHES = {
    "a rare word": registry.Freetext("nebula"),
    "two words": registry.Freetext("quasar", "spiral"),
    "a common word": registry.Freetext("redshift"),
    "an author": registry.Author("Nebula%"),
    "an identifier": registry.Ivoid("ivo://big.example/catalogue/77"),
    "a position": registry.Spatial((10.0, 20.0, 0.1)),
    "a time": registry.Temporal((59_990, 59_995)),
}
console = Console(width=120)


def main() -> None:
    """Fill a registry on each engine and search it."""
    with tempfile.TemporaryDirectory() as folder:
        for url in (f"sqlite:///{folder}/big.db", fresh_database()):
            measure(Path(folder) / url.partition(":")[0], url)


def measure(data: Path, url: str) -> None:
    """Fill one registry, and print how long searches take."""
    data.mkdir()
    seconds, busy = asyncio.run(fill(url))
    table = Table(title=f"{RECORDS} records, {url.partition(':')[0]}", title_justify="left")
    for heading in ("search for", "found", "p50 ms", "p99 ms", "CPU ms"):
        table.add_column(heading, justify="left" if heading == "search for" else "right")
    with serve(data, "tap", PENSTOCK_DATABASE_URL=url) as server:
        service = TAPService(f"{server.base}/tap")
        for name, constraint in SEARCHES.items():
            query = get_RegTAP_query(constraint, service=service)
            ask(f"{server.base}/tap/sync", query, 5)
            before = processor_s(server, url)
            found, times = ask(f"{server.base}/tap/sync", query, REPEATS)
            spent = (processor_s(server, url) - before) / REPEATS
            cuts = statistics.quantiles(times, n=100)
            table.add_row(name, str(found), *(f"{each * 1e3:.1f}" for each in (cuts[49], cuts[98], spent)))
    console.print(table)
    console.print(f"filled at {RECORDS / seconds:.0f} records/s ({busy / RECORDS * 1e3:.2f} ms of this process each)\n")


async def fill(url: str) -> tuple[float, float]:
    """Write all records in pages, and return the seconds that passed and those of processor time."""
    db = Database(url)
    await upgrade(db, migrations())
    begun, worked = time.perf_counter(), time.process_time()
    coming = records(RECORDS)
    while page := dict(islice(coming, PAGE)):
        async with db.write() as connection:
            await write_many(connection, page)
    if db.dialect == "postgresql":
        async with db.write() as connection:
            await connection.exec_driver_sql("ANALYZE")
    await db.close()
    return time.perf_counter() - begun, time.process_time() - worked


def processor_s(server: Server, url: str) -> float:
    """Return the seconds of processor time that the server and its connections to the database have had."""
    processes = [server.process.pid]
    if url.startswith("postgresql"):
        processes += asyncio.run(_backends(url))
    return sum(map(cpu_s, processes))


async def _backends(url: str) -> list[int]:
    connection = await asyncpg.connect(url)
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    found = [row["pid"] for row in await connection.fetch(query)]
    await connection.close()
    return found


def ask(url: str, query: str, repeats: int) -> tuple[int, list[float]]:
    """Run a query again and again, and return how many rows it gives and the seconds that each run took."""
    session, times = requests.Session(), []
    for _ in range(repeats):
        begun = time.perf_counter()
        answer = session.post(url, data={"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv"}, timeout=60)
        times.append(time.perf_counter() - begun)
        answer.raise_for_status()
    return answer.text.count("\n") - 1, times
