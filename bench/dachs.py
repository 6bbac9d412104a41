"""Our TAP beside GAVO's DaCHS and before it, with the same rows in the same PostgreSQL, in one run, both sides in turn.

``make dachs`` installs DaCHS and publishes the table, which is added here to a database of ours beside DaCHS's. Needs
root, since the cluster is the system's. `SERVICE_SECONDS` says for how long requests of one row are made.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from urllib.parse import quote, urlsplit

import psutil
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import requests
from rich.console import Console
from rich.table import Table

from bench.service import load
from bench.tools import tree_cpu_s
from tests.support.server import Server, environment, serve

DACHS = "http://127.0.0.1:18777"
STARS = Path("/var/gavo/inputs/example/stars.csv")
ROWS, TIMES = 100_000, 5
GOALS = {"one row": 20, "rows": 10, "pass through": 1.2}
COLUMNS = "id, raj2000, dej2000, mag, name, pmra, flag"
TYPES = {"mag": pa.float32(), "pmra": pa.float32(), "flag": pa.int32()}
FORMS = {"TABLEDATA": "application/x-votable+xml;serialization=TABLEDATA", "BINARY2": "votable/b2"}
NAME, PASSWORD = f"penstock_bench_{os.getpid()}", token_hex(8)
console = Console(width=120)


def _as(user: str, *command: str, check: bool = True) -> None:
    words = ["runuser", "-u", user, "--", *command]
    subprocess.run(words, check=check, cwd="/", stdout=subprocess.DEVNULL)


@contextmanager
def _dachs() -> Iterator[None]:
    """Run DaCHS as its users do, unless it runs already."""
    subprocess.run(["pg_ctlcluster", "15", "main", "start"], check=False, capture_output=True)
    if _answers():
        yield
        return
    _as("gavo", "dachs", "serve", "start")
    try:
        while not _answers():
            time.sleep(0.2)
        yield
    finally:
        _as("gavo", "dachs", "serve", "stop", check=False)


def _answers() -> bool:
    try:
        return requests.get(f"{DACHS}/tap/availability", timeout=5).ok
    except requests.ConnectionError:
        return False


def _psql(statement: str, *, check: bool = True) -> None:
    _as("postgres", "psql", "-qc", statement, check=check)


@contextmanager
def _database() -> Iterator[str]:
    """Make a database beside that of DaCHS; give its URL."""
    _psql(f"CREATE ROLE {NAME} LOGIN PASSWORD '{PASSWORD}'")
    _psql(f"CREATE DATABASE {NAME} OWNER {NAME}")
    try:
        yield f"postgresql://{NAME}:{PASSWORD}@127.0.0.1:5432/{NAME}"
    finally:
        _psql(f"DROP DATABASE {NAME} WITH (FORCE)", check=False)
        _psql(f"DROP ROLE {NAME}", check=False)


def _path(query: str, form: str, maxrec: int) -> str:
    return f"/tap/sync?REQUEST=doQuery&LANG=ADQL&QUERY={quote(query)}&FORMAT={quote(form, safe='')}&MAXREC={maxrec}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=f"{title}; load {os.getloadavg()[0]:.1f}", title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def one_row(ours: str) -> None:
    """Compare requests per second."""
    table = _table(f"one row (goal {GOALS['one row']})", "c", "DaCHS req/s", "p50 ms", "TAP req/s", "p50 ms", "ratio")
    paths = {
        base: _path(f"SELECT TOP 1 id, raj2000, dej2000 FROM {name}", FORMS["TABLEDATA"], 1)
        for base, name in ((DACHS, "example.stars"), (ours, "own.stars"))
    }
    for concurrency in (1, 8):
        found = [load(urlsplit(base).port or 0, path, concurrency) for base, path in paths.items()]
        theirs, here = found
        figures = [theirs["per_s"], theirs["p50_ms"], here["per_s"], here["p50_ms"], here["per_s"] / theirs["per_s"]]
        table.add_row(str(concurrency), *(f"{figure:.1f}" for figure in figures))
    console.print(table)


def pass_through(ours: str) -> None:
    """Compare how long a query of one row takes at DaCHS, and through us."""
    title = f"one row through us (goal {GOALS['pass through']}), c=1, medians of {TIMES} times in turn"
    table = _table(title, "DaCHS p50 ms", "through us p50 ms", "ratio")
    paths = {
        base: _path(f"SELECT TOP 1 id, raj2000, dej2000 FROM {name}", FORMS["TABLEDATA"], 1)
        for base, name in ((DACHS, "example.stars"), (ours, "dachs.example_stars"))
    }
    turns = [[load(urlsplit(base).port or 0, path, 1)["p50_ms"] for base, path in paths.items()] for _ in range(TIMES)]
    theirs, through = (statistics.median(each) for each in zip(*turns, strict=True))
    table.add_row(f"{theirs:.1f}", f"{through:.1f}", f"{through / theirs:.2f}")
    console.print(table)


def _await_mount(ours: str) -> None:
    while "<name>dachs</name>" not in requests.get(f"{ours}/tap/tables?detail=min", timeout=60).text:
        time.sleep(0.2)


def _dachs_process() -> psutil.Process:
    command = ["/usr/bin/dachs", "serve", "start"]
    return next(each for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [])[1:4] == command)


def _seconds(url: str) -> float:
    begun = time.perf_counter()
    with requests.get(url, stream=True, timeout=600) as answer:
        answer.raise_for_status()
        tail = b""
        for chunk in answer.iter_content(1 << 18):
            tail = (tail + chunk)[-2000:]
    if b"</VOTABLE>" not in tail or b"OVERFLOW" in tail:
        raise RuntimeError(f"{url}: {tail!r}")
    return time.perf_counter() - begun


def many_rows(ours: Server) -> None:
    """Compare rows per second, by the clock and by the processor's time of the servers alone."""
    servers = (_dachs_process().pid, ours.process.pid)
    title = f"{ROWS:,} rows of 7 columns (goal {GOALS['rows']}), median of {TIMES} times in turn"
    table = _table(title, "VOTable", "DaCHS rows/s", "TAP rows/s", "ratio", "ratio by processor's time")
    for name, form in FORMS.items():
        urls = [
            base + _path(f"SELECT {COLUMNS} FROM {table_name}", form, 2 * ROWS)
            for base, table_name in ((DACHS, "example.stars"), (ours.base, "own.stars"))
        ]
        before = [*map(tree_cpu_s, servers)]
        times = [[_seconds(url) for url in urls] for _ in range(TIMES)]
        theirs, here = (ROWS / statistics.median(each) for each in zip(*times, strict=True))
        spent = [tree_cpu_s(server) - start for server, start in zip(servers, before, strict=True)]
        ratios = here / theirs, spent[0] / spent[1]
        table.add_row(name, f"{theirs:,.0f}", f"{here:,.0f}", *(f"{ratio:.1f}" for ratio in ratios))
    console.print(table)


def main() -> None:
    """Print the tables."""
    if shutil.which("dachs") is None or not STARS.exists():
        console.print("DaCHS is not installed: `make dachs` does it.")
        return
    with tempfile.TemporaryDirectory() as folder, _dachs(), _database() as url:
        settings = {
            "PENSTOCK_DATABASE_URL": url,
            "PENSTOCK_LOG_LEVEL": "warning",
            "PENSTOCK_TAP__UPSTREAMS": json.dumps({"dachs": {"url": f"{DACHS}/tap"}}),
        }
        stars = Path(folder) / "stars.parquet"
        pq.write_table(pacsv.read_csv(STARS, convert_options=pacsv.ConvertOptions(column_types=TYPES)), stars)
        add = [sys.executable, "-m", "penstock", "tap", "add", str(stars), "--data", folder]
        subprocess.run(add, check=True, env=environment(**settings), stdout=subprocess.DEVNULL)
        with serve(Path(folder), "tap", "uws", **settings) as server:
            _await_mount(server.base)
            one_row(server.base)
            pass_through(server.base)
            many_rows(server)
