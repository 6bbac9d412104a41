"""The commands that UWS adds to ``penstock``."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import worker_ready

from penstock.context import load
from penstock.log import configure_logging
from penstock.settings import Settings
from uws.celery_app import make_app
from uws.settings import UwsSettings

worker_app = typer.Typer()


@worker_app.callback(invoke_without_command=True)
def worker_command(
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Jobs to run at once; uws.max_running if not given, else one per core")
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(help="URL of the UWS service, to run jobs without its database: https://vo.example.org/uws"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data directory; the one of the service, unless --api")] = None,
) -> None:
    """Run jobs that `penstock serve` sends through Celery, until SIGTERM.

    Needs broker_url and database_url as the service has them, and its data directory. With --api it needs broker_url
    only, and a data directory of its own for files on their way. On SIGTERM jobs may go on for uws.drain_s seconds;
    those that still run then are handed back and start again elsewhere.
    """
    own = {"max_running": concurrency, "api_url": api}
    settings = load(data_dir=data, uws={name: value for name, value in own.items() if value is not None} or None)
    raise typer.Exit(run_worker(settings, make_app))


def run_worker(settings: Settings, make: Callable[[Settings], Celery]) -> int:
    """Run the worker of an application until it is told to end, and return its exit status."""
    configure_logging(settings)
    app = make(settings)
    at_once, queue = app.conf.worker_concurrency, settings.section(UwsSettings).queue

    def announce(**_: Any) -> None:
        typer.echo(f"Penstock's worker is ready: queue {queue}, jobs at once: {at_once}")

    worker_ready.connect(announce)
    warnings.filterwarnings("ignore", category=SecurityWarning)  # of pickle, which is never read
    # Two workers on one host must not have one name.
    worker = app.Worker(hostname=f"penstock-{os.getpid()}@{socket.gethostname()}", quiet=True)
    worker.start()
    return int(worker.exitcode or 0)
