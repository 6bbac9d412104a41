"""The composition root of a Celery worker: ``penstock worker``, or ``celery -A uws.celery_app worker``.

The application is made from the settings when it is asked for, not when this module is imported.
"""

from __future__ import annotations

import os
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import setup_logging, worker_ready

from penstock.clock import utc_now
from penstock.context import database, load, prepare_data_dir
from penstock.log import configure_logging
from penstock.settings import Settings
from uws.compose import open_changes, results_of
from uws.ports import AttemptEnded, Executor, JobReports
from uws.service.policy import Policy
from uws.service.reports import Reports
from uws.settings import UwsSettings
from uws.worker.celery_queue import open_celery
from uws.worker.celery_worker import Attempts, Workshop, add_attempts
from uws.worker.control import Stopper
from uws.worker.http_reports import HttpReports
from uws.worker.local import LocalExecutor

OpenExecutor = Callable[[Settings, JobReports, AttemptEnded], Awaitable[Executor]]


def make_app(settings: Settings, *, open_executor: OpenExecutor = LocalExecutor.open_with) -> Celery:
    """Return the application of a worker.

    Raises
    ------
    SettingsError
        No broker is set.
    """
    own = settings.section(UwsSettings)
    app = open_celery(settings)
    app.conf.worker_concurrency = own.max_running or os.cpu_count()
    beside = _with_api if own.api_url else _with_database
    add_attempts(app, Workshop(lambda: beside(settings, open_executor)), drain_s=own.drain_s)
    setup_logging.connect(lambda **_: configure_logging(settings), weak=False)
    return app


@asynccontextmanager
async def _with_database(settings: Settings, open_executor: OpenExecutor) -> AsyncIterator[Attempts]:
    """Open attempts that report to the database and hear from it what shall stop."""
    own = settings.section(UwsSettings)
    async with database(settings) as db, AsyncExitStack() as stack:
        changes, hub = await open_changes(db, settings, clock=utc_now, stack=stack)
        reports = Reports(changes, Policy(max_attempts=own.max_attempts, lease=timedelta(seconds=own.lease_s)))
        attempts = Attempts(reports.ended)
        executor = attempts.executor = await open_executor(settings, reports, attempts.ended)
        stack.push_async_callback(executor.close)
        stopper = Stopper(executor)
        hub.listen(stopper.hear)
        stack.push_async_callback(stopper.close)
        yield attempts


@asynccontextmanager
async def _with_api(settings: Settings, open_executor: OpenExecutor) -> AsyncIterator[Attempts]:
    """Open attempts that report over HTTP, whose answers say what shall stop."""
    own = settings.section(UwsSettings)
    prepare_data_dir(settings.data_dir)
    opened = HttpReports.open(own.api_url or "", results_of(settings), lease_s=own.lease_s)
    async with opened as reports, AsyncExitStack() as stack:
        attempts = Attempts(reports.ended, reports.admit)
        executor = attempts.executor = await open_executor(settings, reports, attempts.ended)
        stack.push_async_callback(executor.close)
        yield attempts


def run_worker(settings: Settings, make: Callable[[Settings], Celery]) -> int:
    """Run the worker of an application until it is told to end, and return its exit status."""
    configure_logging(settings)
    app = make(settings)
    at_once, queue = app.conf.worker_concurrency, app.conf.task_default_queue

    def announce(**_: Any) -> None:
        sys.stdout.write(f"Penstock's worker is ready: queue {queue}, jobs at once: {at_once}\n")
        sys.stdout.flush()

    worker_ready.connect(announce)
    warnings.filterwarnings("ignore", category=SecurityWarning)  # of pickle, which is never read
    # Two workers on one host must not have one name.
    worker = app.Worker(hostname=f"penstock-{os.getpid()}@{socket.gethostname()}", quiet=True)
    worker.start()
    return int(worker.exitcode or 0)


def __getattr__(name: str) -> Any:
    if name == "app":  # what ``celery -A`` asks for
        return make_app(load())
    raise AttributeError(name)
