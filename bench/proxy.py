"""Queries that pass through to another Penstock against that Penstock itself, and observations of several archives.

``--rows=N`` changes how many rows are streamed. Every ratio is taken in one run, both sides in turn.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from rich.console import Console
from rich.table import Table

from bench import service
from bench.service import stream, sync_path
from tests.support.server import Server, serve

TIMES = 200
GOAL = 1.2
LEAST_LIMIT = 100_000  # that of who does not say how many rows are wanted
FORM = "application/x-votable+xml;serialization=BINARY2"
ONE_ROW = "SELECT TOP 1 target_name, s_ra, s_dec FROM {}"
ALL_ROWS = "SELECT * FROM {}"
UNION = "SELECT archive, COUNT(*) AS n FROM ivoa.obscore WHERE s_dec > -90 GROUP BY archive"
THERE, HERE = "ivoa.obscore", "north.ivoa_obscore"
console = Console(width=120)


def _rows() -> int:
    given = [argument for argument in sys.argv if argument.startswith("--rows=")]
    return int(given[-1].partition("=")[2]) if given else service.ROWS


def _most() -> str:
    return str(max(LEAST_LIMIT, 2 * service.ROWS))


def one_row(upstream: Server, proxy: Server) -> None:
    """Compare how long one row takes, over connections that are kept."""
    urls = {
        "upstream": upstream.base + sync_path(ONE_ROW.format(THERE), FORM),
        "through the proxy": proxy.base + sync_path(ONE_ROW.format(HERE), FORM),
    }
    times: dict[str, list[float]] = {name: [] for name in urls}
    with requests.Session() as session:
        for turn in range(TIMES + 10):
            for name, url in urls.items():
                begun = time.perf_counter()
                session.get(url, timeout=60).raise_for_status()
                if turn >= 10:  # the first ones fill caches
                    times[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(each) for name, each in times.items()}
    _show(f"one row, {TIMES} times each in turn, median", medians, unit_ms=True)


def all_rows(upstream: Server, proxy: Server, rows: int) -> None:
    """Compare how long many rows take."""
    paths = {"upstream": (upstream, THERE), "through the proxy": (proxy, HERE)}
    times: dict[str, float] = {}
    growth = 0.0
    for name, (server, table) in paths.items():
        path = sync_path(ALL_ROWS.format(table), FORM, rows)
        stream(server.base + path.replace(f"MAXREC={rows}", "MAXREC=10000"), server.process.pid)
        streamed = stream(server.base + path, server.process.pid)
        times[name], growth = streamed.seconds, streamed.growth_mb
    _show(f"{rows:,} rows in BINARY2; memory of the proxy grew by {growth:.0f} MB", times, unit_ms=False)


def _show(title: str, times: dict[str, float], *, unit_ms: bool) -> None:
    table = Table(title=title, title_justify="left")
    for heading in ("", "ms" if unit_ms else "s", f"ratio (goal {GOAL})"):
        table.add_column(heading, justify="right")
    floor = times["upstream"]
    for name, seconds in times.items():
        table.add_row(name, f"{seconds * 1e3:.2f}" if unit_ms else f"{seconds:.2f}", f"{seconds / floor:.2f}")
    console.print(table)


def union(proxy: Server, title: str) -> float:
    """Count the observations of all archives; return the seconds that it took."""
    begun = time.perf_counter()
    answer = requests.get(proxy.base + sync_path(UNION, "application/x-votable+xml"), timeout=120)
    answer.raise_for_status()
    seconds = time.perf_counter() - begun
    warnings = answer.text.count('INFO name="warning_')
    console.print(f"{title}: {seconds * 1e3:.0f} ms, {warnings} archives missing")
    return seconds


@contextmanager
def _archives(folder: Path, stack: ExitStack) -> Iterator[dict[str, Server]]:
    limits = {"PENSTOCK_LOG_LEVEL": "warning", "PENSTOCK_TAP__MAXREC_HARD": _most()}
    yield {
        name: stack.enter_context(serve(folder / name, "tap", "uws", PENSTOCK_AUTHORITY=f"{name}.example", **limits))
        for name in ("north", "east", "west")
    }


@contextmanager
def _proxy(folder: Path, upstreams: dict[str, str]) -> Iterator[Server]:
    settings = {name: {"url": f"{url}/tap", "obscore": name != "north"} for name, url in upstreams.items()}
    variables = {
        "PENSTOCK_LOG_LEVEL": "warning",
        "PENSTOCK_TAP__UPSTREAMS": json.dumps(settings),
        "PENSTOCK_TAP__MAXREC_HARD": _most(),
        "PENSTOCK_TAP__ARCHIVE_TIME_LIMIT_S": "5",
    }
    with serve(folder / "proxy", "tap", "uws", **variables) as proxy:
        while any(f"<name>{name}</name>" not in _tables(proxy) for name in upstreams):
            time.sleep(0.2)
        yield proxy


def _tables(proxy: Server) -> str:
    return requests.get(f"{proxy.base}/tap/tables?detail=min", timeout=60).text


def main() -> None:
    """Print the tables."""
    rows = _rows()
    service.ROWS = rows
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        with serve(folder / "north", "tap", "uws", PENSTOCK_AUTHORITY="north.example", PENSTOCK_LOG_LEVEL="warning"):
            pass
        service.fill_sqlite(folder / "north" / "penstock.db")
        with _archives(folder, stack) as archives:
            bases = {name: server.base for name, server in archives.items()}
            with _proxy(folder, bases) as proxy:
                one_row(archives["north"], proxy)
                all_rows(archives["north"], proxy, rows)
                union(proxy, "observations of this service and two archives, the first time")
                union(proxy, "the same again")
                archives["west"].process.kill()
                archives["west"].process.wait()
                union(proxy, "the same, one archive dead")
