"""The commands that UWS adds to ``penstock``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    only, and a data directory of its own for files on their way.

    On SIGTERM jobs may go on for uws.drain_s seconds; those that still run then are handed back and start again
    elsewhere.
    """
    from penstock.context import load
    from uws.celery_app import make_app, run_worker

    own = {"max_running": concurrency, "api_url": api}
    settings = load(data_dir=data, uws={name: value for name, value in own.items() if value is not None} or None)
    raise typer.Exit(run_worker(settings, make_app))
