"""Trivial jobs from POST to COMPLETED with every executor, on PostgreSQL.

`CPU ms` is what the server, the worker and the processes of its jobs spent for one job; broker and database are not in
it, nor is a process of a job that ended before its parent asked.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from bench.jobs import CONCURRENCY, QUIET, console, new_table, run_jobs
from bench.tools import tree_cpu_s
from tests.support.postgres import fresh_database
from tests.support.rabbitmq import RabbitMq, running_rabbitmq
from tests.support.redis import Redis, running_redis
from tests.support.server import serve
from tests.uws.worker_process import COMMAND, worker

JOBS = 500
RUNNING = 4
_BROKERS: dict[str, Callable[[Path], AbstractContextManager[Redis | RabbitMq]] | None] = {
    "local": None,
    "Celery and Redis": running_redis,
    "Celery and RabbitMQ": running_rabbitmq,
}


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


def main() -> None:
    """Print the table."""
    table = new_table(f"Jobs from POST to COMPLETED, {RUNNING} at once", "c", "jobs/s", "p50 ms", "CPU ms")
    for executor in _BROKERS:
        with tempfile.TemporaryDirectory() as folder, deployed(executor, Path(folder)) as (base, pids):
            asyncio.run(run_jobs(base, 40, CONCURRENCY))
            for concurrency in (1, CONCURRENCY):
                before = sum(map(tree_cpu_s, pids))
                taken_s, each_s = asyncio.run(run_jobs(base, JOBS, concurrency))
                spent_ms = (sum(map(tree_cpu_s, pids)) - before) * 1e3 / JOBS
                row = (f"{JOBS / taken_s:.1f}", f"{sorted(each_s)[JOBS // 2] * 1e3:.1f}", f"{spent_ms:.1f}")
                table.add_row(executor, str(concurrency), *row)
    console.print(table)
