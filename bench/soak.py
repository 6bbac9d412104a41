"""Two thousand jobs through Celery while workers, server, broker and database are killed and started at random."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.uws.survival.soak import Figures, soak

JOBS = int(os.environ.get("SOAK_JOBS", "2000"))
BROKERS = ("redis", "rabbitmq")


def main() -> None:
    """Print a table for each broker; a job that is lost, doubled or left over ends it with an error."""
    for broker in BROKERS:
        with tempfile.TemporaryDirectory(prefix="penstock-soak-") as folder:
            figures = asyncio.run(soak(Path(folder), jobs=JOBS, broker=broker))
        _print(broker, figures)


def _print(broker: str, figures: Figures) -> None:
    table = Table("what", "how many", title=f"{JOBS} jobs, Celery and {broker}", title_justify="left")
    rows = {
        "seconds": f"{figures.seconds:.0f}",
        "jobs by phase": _listed(figures.phases),
        "attempts started": str(figures.starts),
        "most attempts of a job": str(figures.most_attempts),
        "killed": _listed(figures.killed),
        "answers to clients": _listed(figures.answers),
        "jobs lost, ended twice or published twice": "0",
        "processes and files left over": "0",
    }
    for row in rows.items():
        table.add_row(*row)
    Console(width=120).print(table)


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counter.items()))
