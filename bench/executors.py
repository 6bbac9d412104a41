"""Trivial jobs from POST to COMPLETED with every executor, on PostgreSQL.

`CPU ms` is what the server, the worker and the processes of its jobs spent for one job; broker and database are not in
it, nor is a process of a job that ended before its parent asked.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from bench.jobs import CONCURRENCY, QUIET, console, cpu_s, new_table, run_jobs
from tests.support.postgres import fresh_database
from tests.support.rabbitmq import running_rabbitmq
from tests.support.redis import running_redis
from tests.support.server import serve
from tests.uws.worker_process import COMMAND, worker

JOBS = 500
RUNNING = 4
_BROKERS = {"local": None, "Celery and Redis": running_redis, "Celery and RabbitMQ": running_rabbitmq}


@contextmanager
def deployed(executor: str, folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Give the base URL of a server and the processes that do the work."""
    settings = QUIET | {
        "PENSTOCK_DATABASE_URL": fresh_database(),
        "PENSTOCK_UWS__MAX_RUNNING": str(RUNNING),
        "PENSTOCK_DATA_DIR": str(folder / "data"),
    }
    running = _BROKERS[executor]
    with ExitStack() as stack:
        workers = []
        if running is not None:
            url = stack.enter_context(running(folder / "broker")).url
            settings |= {"PENSTOCK_EXECUTOR": "celery", "PENSTOCK_BROKER_URL": url}
            workers.append(stack.enter_context(worker(settings, COMMAND)).process.pid)
        server = stack.enter_context(serve(folder / "data", "uws", **settings))
        yield server.base, [server.process.pid, *workers]


def spent_s(pids: list[int]) -> float:
    """Return the processor time of processes and of all below them, ended ones too, in seconds."""
    total = 0.0
    for pid in pids:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            times = process.cpu_times()
            total += cpu_s(process.pid) + times.children_user + times.children_system
    return total


def main() -> None:
    """Print the table."""
    table = new_table(f"Jobs from POST to COMPLETED, {RUNNING} at once", "c", "jobs/s", "p50 ms", "CPU ms")
    for executor in _BROKERS:
        with tempfile.TemporaryDirectory() as folder, deployed(executor, Path(folder)) as (base, pids):
            asyncio.run(run_jobs(base, 40, CONCURRENCY))
            for concurrency in (1, CONCURRENCY):
                before = spent_s(pids)
                taken_s, each_s = asyncio.run(run_jobs(base, JOBS, concurrency))
                spent_ms = (spent_s(pids) - before) * 1e3 / JOBS
                row = (f"{JOBS / taken_s:.1f}", f"{sorted(each_s)[JOBS // 2] * 1e3:.1f}", f"{spent_ms:.1f}")
                table.add_row(executor, str(concurrency), *row)
    console.print(table)
