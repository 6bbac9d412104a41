"""The running TAP service on both engines.

Requests of one row are measured against a bare aiohttp handler, and as jobs from end to end; long results in every
format against what the database itself can give (COPY on PostgreSQL, a cursor of the driver on SQLite).

The server, the bare handler and the load generator are processes of their own; every ratio is taken in one run.
In the environment, `SERVICE_ROWS` and `SERVICE_FORMATS` say how long results are and in what formats, `SERVICE_SECONDS`
for how long requests are made, and `SERVICE_ENGINES` on which databases.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
import asyncpg
import numpy
import psutil
import requests
from rich.console import Console
from rich.table import Table

from bench.serialisers import NAMES
from bench.tools import bare, port_of, run_tool, tree_cpu_s
from tests.support.postgres import fresh_database
from tests.support.server import Server, serve

CONCURRENCIES = (1, 8, 32)
SECONDS = float(os.environ.get("SERVICE_SECONDS", "5"))
ROWS = int(os.environ.get("SERVICE_ROWS", "1_000_000"))
FORMATS = os.environ.get("SERVICE_FORMATS", "votable/b2,votable/td,csv,tsv,json,fits,parquet,arrow").split(",")
ENGINES = os.environ.get("SERVICE_ENGINES", "sqlite,postgresql").split(",")
ONE_ROW = {
    "3 columns": "SELECT TOP 1 target_name, s_ra, s_dec FROM ivoa.obscore",
    "all columns": "SELECT TOP 1 * FROM ivoa.obscore",
}
COLUMNS = ", ".join(name for name, _ in NAMES)
ALL_ROWS = f"SELECT {COLUMNS} FROM ivoa.obscore"
console = Console(width=120)


def quiet() -> dict[str, str]:
    """Return the settings of a server that logs little and lets all rows through."""
    most = str(2 * ROWS)
    return {
        "PENSTOCK_LOG_LEVEL": "warning",
        "PENSTOCK_TAP__MAXREC_DEFAULT": most,
        "PENSTOCK_TAP__MAXREC_HARD": most,
    }


def sync_path(query: str, response_format: str, maxrec: int | None = None) -> str:
    """Return the path of a synchronous query."""
    more = "" if maxrec is None else f"&MAXREC={maxrec}"
    return f"/tap/sync?LANG=ADQL&QUERY={quote(query)}&RESPONSEFORMAT={quote(response_format, safe='')}{more}"


def load(port: int, path: str, concurrency: int) -> dict[str, float]:
    """Make requests from another process, `concurrency` at a time; return what `bench.load` prints."""
    return run_tool("bench.load", "127.0.0.1", port, path, concurrency, SECONDS)


def one_row(server: Server, engine: str, what: str, query: str) -> None:
    """Compare requests per second of a query of one row with the bare handler answering the same bytes."""
    path = sync_path(query, "application/x-votable+xml;serialization=TABLEDATA")
    document = requests.get(server.base + path, timeout=10).content
    table = Table(title=f"sync TAP on {engine}, one row, {what}, {len(document)} bytes", title_justify="left")
    for heading in ("c", "TAP req/s", "p50 ms", "p99 ms", "bare req/s", "p50 ms", "p99 ms", "TAP / bare"):
        table.add_column(heading, justify="right")
    with bare(document) as bare_port:
        for concurrency in CONCURRENCIES:
            ours = load(port_of(server), path, concurrency)
            floor = load(bare_port, "/fixed", concurrency)
            figures = [ours["per_s"], ours["p50_ms"], ours["p99_ms"], floor["per_s"], floor["p50_ms"], floor["p99_ms"]]
            table.add_row(str(concurrency), *(f"{x:.1f}" for x in figures), f"{ours['per_s'] / floor['per_s']:.3f}")
    console.print(table)


async def _job(client: aiohttp.ClientSession, base: str) -> float:
    """Create a job, wait until it is COMPLETED and read its result; return the seconds that it took."""
    begun = time.perf_counter()
    form = {"LANG": "ADQL", "QUERY": ONE_ROW["3 columns"], "RESPONSEFORMAT": "votable/td", "PHASE": "RUN"}
    async with client.post(f"{base}/tap/async", data=form, allow_redirects=False) as created:
        job = created.headers["Location"]
    phase = "QUEUED"
    while phase in ("QUEUED", "EXECUTING"):
        async with client.get(job, params={"WAIT": "60", "PHASE": phase, "RESPONSEFORMAT": "json"}) as answer:
            phase = (await answer.json())["phase"]
    async with client.get(f"{job}/results/result") as result:
        if phase != "COMPLETED" or b"</TR>" not in await result.read():
            raise RuntimeError(f"{job} ended as {phase}")
    return time.perf_counter() - begun


async def _jobs(server: Server, concurrency: int) -> tuple[float, ...]:
    """Run jobs, `concurrency` at a time; return jobs per second, p50, p99 and the processor's time of each in ms."""
    pid, times = server.process.pid, list[float]()
    async with aiohttp.ClientSession() as client:
        await asyncio.gather(*(_job(client, server.base) for _ in range(concurrency)))  # these start processes
        begun, before = time.perf_counter(), tree_cpu_s(pid)

        async def again() -> None:
            while time.perf_counter() - begun < SECONDS:
                times.append(await _job(client, server.base))

        await asyncio.gather(*(again() for _ in range(concurrency)))
    per_s, cpu_ms = len(times) / (time.perf_counter() - begun), (tree_cpu_s(pid) - before) * 1e3 / len(times)
    return per_s, *(float(numpy.percentile(times, part)) * 1e3 for part in (50, 99)), cpu_ms


def jobs(server: Server, engine: str) -> None:
    """Run a query of one row as a job, from its creation to its result; the processor's time is that of all of ours."""
    title = f"async TAP on {engine}, one row, created, COMPLETED and read; load {os.getloadavg()[0]:.1f}"
    table = Table(title=title, title_justify="left")
    for heading in ("c", "jobs/s", "p50 ms", "p99 ms", "CPU ms a job"):
        table.add_column(heading, justify="right")
    for concurrency in CONCURRENCIES[:2]:
        figures = asyncio.run(_jobs(server, concurrency))
        table.add_row(str(concurrency), *(f"{figure:.1f}" for figure in figures))
    console.print(table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """How one stream went."""

    seconds: float
    first_byte_ms: float
    size: int
    growth_mb: float


def _resident(server: psutil.Process) -> int:
    """Return the resident memory of a server and of the processes that read for it."""
    readers = [child for child in server.children() if "tap_proxy.sources.sqlite_reader" in child.cmdline()]
    return sum(process.memory_info().rss for process in (server, *readers))


def stream(url: str, pid: int, *, coding: str = "identity") -> Streamed:
    """Read a stream to its end and watch the resident memory of who sends it."""
    process = psutil.Process(pid)
    before = peak = _resident(process)
    begun = time.perf_counter()
    size, first, looked = 0, 0.0, begun
    with requests.get(url, stream=True, timeout=3600, headers={"Accept-Encoding": coding}) as answer:
        answer.raise_for_status()
        for chunk in answer.raw.stream(1 << 18, decode_content=False):
            now = time.perf_counter()
            first = first or now - begun
            size += len(chunk)
            if now - looked > 0.2:
                peak, looked = max(peak, _resident(process)), now
    return Streamed(
        seconds=time.perf_counter() - begun, first_byte_ms=first * 1e3, size=size, growth_mb=(peak - before) / 1e6
    )


def streams(server: Server, engine: str, floor: tuple[str, float]) -> None:
    """Stream generated ObsCore rows in each format, against what the database gives alone."""
    what, per_s = floor
    load = os.getloadavg()[0]
    title = f"{ROWS:,} rows of {len(NAMES)} ObsCore columns on {engine}; {what}: {per_s:,.0f} rows/s; load {load:.1f}"
    table = Table(title=title, title_justify="left")
    for heading in ("format", "rows/s", "MB/s", "first byte ms", "memory growth MB", "of the floor"):
        table.add_column(heading, justify="right")
    for name, coding in [*((name, "identity") for name in FORMATS), (FORMATS[0], "gzip")]:
        # one request first: caches and code pages are not growth of a stream
        path = sync_path(ALL_ROWS, name, ROWS)
        stream(server.base + path.replace(f"MAXREC={ROWS}", "MAXREC=20000"), server.process.pid, coding=coding)
        ours = stream(server.base + path, server.process.pid, coding=coding)
        table.add_row(
            name if coding == "identity" else f"{name}, {coding}", f"{ROWS / ours.seconds:,.0f}",
            f"{ours.size / ours.seconds / 1e6:.0f}", f"{ours.first_byte_ms:.1f}", f"{ours.growth_mb:.1f}",
            f"{ROWS / ours.seconds / per_s:.3f}",
        )  # fmt: skip
    console.print(table)


CHANGED = {
    "sqlite": {"s_ra": "(n * 137.507764) % 360.0", "s_dec": "degrees(asin(2.0 * n / {rows} - 1.0))"},
    "postgresql": {
        "s_ra": "mod(n * 137.507764, 360.0)::float8",
        "s_dec": "degrees(asin(greatest(-1, least(1, 2.0 * n / {rows} - 1.0))))",
    },
}
NUMBERS = {
    "sqlite": "(WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {times}) SELECT n FROM r)",
    "postgresql": "generate_series(1, {times}) AS r(n)",
}


def filling(engine: str, names: list[str], count: int) -> str:
    """Return the SQL that multiplies the rows of the sample collection."""
    changed = {name: f"{name} || '-' || n" for name in ("obs_publisher_did", "obs_id", "lake_did")} | CHANGED[engine]
    values = ", ".join(changed.get(name, f'"{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    table = "ivoa__obscore" if engine == "sqlite" else "ivoa.obscore"
    sql = f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, {NUMBERS[engine]}"
    return sql.format(rows=ROWS, times=-(-ROWS // count))


def fill_sqlite(path: Path) -> tuple[str, float]:
    """Fill the catalogue of a stopped server, and measure the floor: rows fetched by the driver, and thrown away."""
    with sqlite3.connect(path) as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(ivoa__obscore)")]
        db.execute(filling("sqlite", names, db.execute("SELECT COUNT(*) FROM ivoa__obscore").fetchone()[0]))
    begun = time.perf_counter()
    cursor = db.execute(f"SELECT {COLUMNS} FROM ivoa__obscore LIMIT {ROWS}")
    while cursor.fetchmany(2048):
        pass
    db.close()
    return "sqlite3 cursor alone", ROWS / (time.perf_counter() - begun)


async def fill_postgres(url: str) -> tuple[str, float]:
    """Fill the catalogue of a stopped server, and measure the floor: COPY TO in binary form, thrown away."""
    connection = await asyncpg.connect(url)
    sql = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'ivoa' AND table_name = 'obscore'"
    names = [row[0] for row in await connection.fetch(sql)]
    count = await connection.fetchval("SELECT count(*) FROM ivoa.obscore")
    await connection.execute(filling("postgresql", names, count))
    await connection.execute("VACUUM ANALYZE ivoa.obscore")

    async def forget(_chunk: bytes) -> None:
        pass

    begun = time.perf_counter()
    await connection.copy_from_query(f"{ALL_ROWS} LIMIT {ROWS}", output=forget, format="binary")
    await connection.close()
    return "COPY TO alone", ROWS / (time.perf_counter() - begun)


def main() -> None:
    """Print the tables of each engine."""
    for engine in ENGINES:
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            settings = quiet()
            if engine == "postgresql":
                settings["PENSTOCK_DATABASE_URL"] = fresh_database()
            with serve(data, **settings) as server:
                for what, query in ONE_ROW.items():
                    one_row(server, engine, what, query)
                jobs(server, engine)
            if engine == "sqlite":
                floor = fill_sqlite(data / "penstock.db")
            else:
                floor = asyncio.run(fill_postgres(settings["PENSTOCK_DATABASE_URL"]))
            with serve(data, **settings) as server:
                streams(server, engine, floor)
