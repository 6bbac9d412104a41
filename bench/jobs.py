"""Jobs over HTTP, beside a bare aiohttp handler: created, looked at, listed, waited for, and run to their end.

``python -m bench jobs [--sqlite] [--postgres]``: both, if none is named. The server, the bare handler and the load
generators are processes of their own. `CPU ms` is what the server's process spent for one request or job, which says
more than a rate on a machine that does other things too; the database and the processes of jobs are not in it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import psutil
import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from bench.tools import bare, cpu_s, port_of, run_tool
from bench.waiters import allow_many_files
from penstock.db import Database, Dialect
from penstock.migrations import upgrade
from tests.support.postgres import fresh_database
from tests.support.server import Server, serve
from uws.core.job import new_job_id
from uws.store import Tables

Engine = Literal["SQLite", "PostgreSQL"]
CONCURRENCY = 8
SECONDS = 5.0
JOBS = 500
LISTED = (10_000, 1_000_000)
WAITERS = 5000
CHANGES = 500
CREATED = datetime(2026, 6, 1, tzinfo=UTC)
CREATION = "JOBTYPE=echo&MESSAGE=x"
LISTS = {
    "newest 1,000": "LAST=1000",
    "newest 1,000 of one phase": "LAST=1000&PHASE=ERROR",
    "of two rare phases, after an instant": "LAST=1000&PHASE=ABORTED&PHASE=PENDING&AFTER=2026-01-01",
}
QUIET = {"PENSTOCK_LOG_LEVEL": "warning", "PENSTOCK_UWS__MAX_WAITING_PER_CALLER": "10000"}
console = Console(width=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A database and a data directory for a server."""

    engine: Engine
    data: Path
    url: str

    def settings(self) -> dict[str, str]:
        """Return the environment of a server there."""
        return QUIET | {"PENSTOCK_DATABASE_URL": self.url}


@contextmanager
def place(engine: Engine) -> Iterator[Place]:
    """Give an empty place."""
    with tempfile.TemporaryDirectory() as folder:
        url = fresh_database() if engine == "PostgreSQL" else f"sqlite:///{folder}/penstock.db"
        yield Place(engine=engine, data=Path(folder), url=url)


def load(port: int, path: str, *form: str, concurrency: int = CONCURRENCY) -> dict[str, float]:
    """Load a server."""
    return run_tool("bench.load", "127.0.0.1", port, path, concurrency, SECONDS, *form)


def requests_table(server: Server, engine: Engine) -> None:
    """Create jobs and look at one, beside the bare handler."""
    table = new_table(f"Requests on {engine}, c={CONCURRENCY}", "per s", "p50 ms", "p99 ms", "CPU ms", "of bare")
    path = asyncio.run(new_job(server.base))
    with bare(b"x" * 1000) as bare_port:
        floor = load(bare_port, "/fixed")["per_s"]
    cases: dict[str, Callable[[], dict[str, float]]] = {
        "job created": lambda: load(port_of(server), "/uws/jobs", CREATION),
        "job looked at": lambda: load(port_of(server), path),
        "its phase": lambda: load(port_of(server), f"{path}/phase"),
    }
    for name, case in cases.items():
        before = cpu_s(server.process.pid)
        found = case()
        spent_ms = (cpu_s(server.process.pid) - before) * 1e3 / found["requests"]
        row = (f"{found['per_s']:.0f}", f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}", f"{spent_ms:.2f}")
        table.add_row(name, *row, f"{found['per_s'] / floor:.3f}")
    table.add_row("bare handler", f"{floor:.0f}", "", "", "", "1")
    console.print(table)


async def new_job(base: str) -> str:
    """Create a job and return its path."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{base}/uws/jobs", data={"JOBTYPE": "echo", "MESSAGE": "x"}, allow_redirects=False) as response,
    ):
        return urlsplit(response.headers["Location"]).path


def end_to_end(server: Server, engine: Engine) -> None:
    """Create, run and await trivial jobs with the local executor."""
    table = new_table(f"Jobs from POST to COMPLETED on {engine}, local executor", "c", "jobs/s", "p50 ms", "CPU ms")
    asyncio.run(run_jobs(server.base, 20, CONCURRENCY))
    for concurrency in (1, CONCURRENCY):
        before = cpu_s(server.process.pid)
        taken_s, each_s = asyncio.run(run_jobs(server.base, JOBS, concurrency))
        spent_ms = (cpu_s(server.process.pid) - before) * 1e3 / JOBS
        middle_ms = sorted(each_s)[JOBS // 2] * 1e3
        table.add_row("echo", str(concurrency), f"{JOBS / taken_s:.1f}", f"{middle_ms:.1f}", f"{spent_ms:.2f}")
    console.print(table)


async def run_jobs(base: str, jobs: int, concurrency: int) -> tuple[float, list[float]]:
    """Run jobs and return how long all took, and each, in seconds."""
    each_s: list[float] = []
    left = iter(range(jobs))
    async with aiohttp.ClientSession() as session:

        async def repeat() -> None:
            for _ in left:
                begun = time.perf_counter()
                await run_job(session, base)
                each_s.append(time.perf_counter() - begun)

        begun = time.perf_counter()
        await asyncio.gather(*(repeat() for _ in range(concurrency)))
        return time.perf_counter() - begun, each_s


async def run_job(session: aiohttp.ClientSession, base: str) -> None:
    """Create and run a job, and wait until it is complete."""
    order = {"JOBTYPE": "echo", "MESSAGE": "x", "PHASE": "RUN"}
    async with session.post(f"{base}/uws/jobs", data=order, allow_redirects=False) as response:
        url, phase = response.headers["Location"], "QUEUED"
    while phase in {"QUEUED", "EXECUTING"}:
        wish = {"WAIT": "30", "PHASE": phase, "RESPONSEFORMAT": "json"}
        async with session.get(url, params=wish) as response:
            phase = (await response.json())["phase"]
    if phase != "COMPLETED":
        raise RuntimeError(f"{url} ended as {phase}")


def waiting(server: Server, engine: Engine) -> None:
    """Block many requests, and change jobs."""
    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    found = run_tool("bench.waiters", "127.0.0.1", port_of(server), WAITERS, CHANGES)
    grown_kb = (process.memory_info().rss - before) / 1e3 / WAITERS
    table = new_table(f"WAIT on {engine}", "p50 ms", "p99 ms", "still waiting", "threads", "kB each")
    row = (f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}", f"{found['waiting']:.0f}")
    table.add_row(f"{WAITERS:,} waiters", *row, str(process.num_threads()), f"{grown_kb:.1f}")
    console.print(table)


def lists(engine: Engine) -> None:
    """List jobs of a small and of a large table."""
    table = new_table(
        f"A page of 1,000 jobs on {engine}, c=1", *(f"p50 ms of {n:,}" for n in LISTED), "p99 ms", "CPU ms"
    )
    rows: dict[str, list[str]] = {name: [] for name in LISTS}
    for count in LISTED:
        with place(engine) as where:
            asyncio.run(fill(where.url, count))
            with serve(where.data, "uws", **where.settings()) as server:
                for name, query in LISTS.items():
                    before = cpu_s(server.process.pid)
                    found = load(port_of(server), f"/uws/jobs?{query}", concurrency=1)
                    spent_ms = (cpu_s(server.process.pid) - before) * 1e3 / found["requests"]
                    rows[name].append(f"{found['p50_ms']:.1f}")
                    if count == LISTED[-1]:
                        rows[name] += [f"{found['p99_ms']:.1f}", f"{spent_ms:.1f}"]
    for name, row in rows.items():
        table.add_row(name, *row)
    console.print(table)


async def fill(url: str, count: int) -> None:
    """Put jobs into an empty database: four in five COMPLETED, every second of them anonymous."""
    db = Database(url)
    await upgrade(db, {"uws": "uws.migrations"})
    job = Tables.of(db.dialect).job
    time_part = new_job_id(CREATED, bytes(10))[:10]
    number = "lpad(CAST(n AS text), 16, '0')" if db.dialect == "postgresql" else "printf('%016d', n)"
    statement = f"""
        INSERT INTO {job.fullname}
            (id, type, phase, attempt, version, owner, creation_time, execution_duration_s, info)
        SELECT '{time_part}' || {number}, CASE n % 3 WHEN 0 THEN 'echo' ELSE 'sleep' END,
            CASE WHEN n % 100 = 1 THEN 'PENDING' WHEN n % 20 = 2 THEN 'ABORTED' WHEN n % 20 = 4 THEN 'ARCHIVED'
                WHEN n % 10 = 6 THEN 'ERROR' ELSE 'COMPLETED' END,
            1, 1, CASE n % 2 WHEN 1 THEN 'user' || (n % 1000) END, '2026-06-01T00:00:00.000Z', 3600, '{{}}'
        FROM {series(db.dialect)}"""
    async with db.write() as connection:
        await connection.execute(sa.text(statement), {"count": count})
    if db.dialect == "postgresql":
        async with db.engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).exec_driver_sql("VACUUM ANALYZE")
    await db.close()


def series(dialect: Dialect) -> str:
    """Return what in SQL is the numbers `n` from 1 to the value `:count`."""
    if dialect == "postgresql":
        return "generate_series(1, CAST(:count AS bigint)) AS n"
    return "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < :count) SELECT n FROM s)"


def new_table(title: str, *headings: str) -> Table:
    """Return an empty table whose first column says what was measured."""
    table = Table("what", title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def main() -> None:
    """Print the tables."""
    allow_many_files()
    named: dict[str, Engine] = {"--sqlite": "SQLite", "--postgres": "PostgreSQL"}
    for engine in [named[argument] for argument in sys.argv if argument in named] or list(named.values()):
        with place(engine) as where, serve(where.data, "uws", **where.settings()) as server:
            requests_table(server, engine)
            end_to_end(server, engine)
        with place(engine) as where, serve(where.data, "uws", **where.settings()) as server:
            waiting(server, engine)
        lists(engine)
