"""The running service against a bare aiohttp handler: requests of one row, and streams of a million.

The server, the bare handler and the load generator are processes of their own; every ratio is taken in one run.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil
import requests
from rich.console import Console
from rich.table import Table

from tests.support.server import Server, serve

CONCURRENCIES = (1, 8, 32)
SECONDS = 5.0
ROWS = 1_000_000
ONE_ROW = {
    "3 columns": "SELECT TOP 1 target_name, s_ra, s_dec FROM ivoa.obscore",
    "all columns": "SELECT TOP 1 * FROM ivoa.obscore",
}
ALL_ROWS = "SELECT * FROM ivoa.obscore"
console = Console(width=120)


def sync_path(query: str, response_format: str, maxrec: int | None = None) -> str:
    """Return the path of a synchronous query."""
    more = "" if maxrec is None else f"&MAXREC={maxrec}"
    return f"/tap/sync?LANG=ADQL&QUERY={quote(query)}&RESPONSEFORMAT={quote(response_format, safe='')}{more}"


@contextmanager
def bare(document: bytes) -> Iterator[int]:
    """Run the bare handler; give its port."""
    with tempfile.NamedTemporaryFile() as file, _free_port() as port:
        file.write(document)
        file.flush()
        process = subprocess.Popen([sys.executable, "-m", "bench.bare", file.name, str(port)])
        try:
            _await(f"http://127.0.0.1:{port}/fixed")
            yield port
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _free_port() -> Iterator[int]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield port


def _await(url: str) -> None:
    for _ in range(200):
        try:
            requests.get(url, timeout=5)
            return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise TimeoutError(url)


def _load(port: int, path: str, concurrency: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.load", "127.0.0.1", str(port), path, str(concurrency), str(SECONDS)]
    answer: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return answer


def one_row(server: Server, what: str, query: str) -> None:
    """Compare requests per second of a query of one row with the bare handler answering the same bytes."""
    path = sync_path(query, "application/x-votable+xml;serialization=TABLEDATA")
    document = requests.get(server.base + path, timeout=10).content
    table = Table(title=f"sync TAP, one row, {what}, {len(document)} bytes", title_justify="left")
    for heading in ("c", "TAP req/s", "p50 ms", "p99 ms", "bare req/s", "p50 ms", "p99 ms", "TAP / bare"):
        table.add_column(heading, justify="right")
    with bare(document) as bare_port:
        for concurrency in CONCURRENCIES:
            ours = _load(urlsplit(server.base).port or 0, path, concurrency)
            floor = _load(bare_port, "/fixed", concurrency)
            figures = [ours["per_s"], ours["p50_ms"], ours["p99_ms"], floor["per_s"], floor["p50_ms"], floor["p99_ms"]]
            table.add_row(str(concurrency), *(f"{x:.1f}" for x in figures), f"{ours['per_s'] / floor['per_s']:.3f}")
    console.print(table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """How one stream went."""

    seconds: float
    first_byte_ms: float
    size: int
    growth_mb: float


def stream(url: str, pid: int) -> Streamed:
    """Read a stream to its end and watch the resident memory of the process that sends it."""
    process = psutil.Process(pid)
    before = peak = process.memory_info().rss
    begun = time.perf_counter()
    size, first, looked = 0, 0.0, begun
    with requests.get(url, stream=True, timeout=600, headers={"Accept-Encoding": "identity"}) as answer:
        answer.raise_for_status()
        for chunk in answer.raw.stream(1 << 18):
            now = time.perf_counter()
            first = first or now - begun
            size += len(chunk)
            if now - looked > 0.05:
                peak, looked = max(peak, process.memory_info().rss), now
    return Streamed(
        seconds=time.perf_counter() - begun, first_byte_ms=first * 1e3, size=size, growth_mb=(peak - before) / 1e6
    )


def streams(server: Server) -> None:
    """Stream a million generated ObsCore rows in each serialisation, against a bare stream of as many bytes."""
    table = Table(title=f"{ROWS:,} rows of ivoa.obscore", title_justify="left")
    for heading in ("format", "rows/s", "MB/s", "first byte ms", "memory growth MB", "rate / bare stream"):
        table.add_column(heading, justify="right")
    with bare(b"") as bare_port:
        for name in ("BINARY2", "TABLEDATA"):
            # one request first: caches and code pages are not growth of a stream
            path = sync_path(ALL_ROWS, f"application/x-votable+xml;serialization={name}", ROWS)
            stream(server.base + path.replace(f"MAXREC={ROWS}", "MAXREC=10000"), server.process.pid)
            ours = stream(server.base + path, server.process.pid)
            floor = stream(f"http://127.0.0.1:{bare_port}/stream?bytes={ours.size}", server.process.pid)
            table.add_row(
                name, f"{ROWS / ours.seconds:,.0f}", f"{ours.size / ours.seconds / 1e6:.0f}",
                f"{ours.first_byte_ms:.1f}", f"{ours.growth_mb:.1f}", f"{floor.seconds / ours.seconds:.3f}",
            )  # fmt: skip
    console.print(table)


def fill(data: Path) -> None:
    """Put `ROWS` generated rows into the catalogue of a stopped server: the sample's, many times."""
    with sqlite3.connect(data / "penstock.db") as db:
        names = [row[1] for row in db.execute("PRAGMA table_info(ivoa__obscore)")]
        changed = {
            "obs_publisher_did": "obs_publisher_did || '-' || n",
            "obs_id": "obs_id || '-' || n",
            "lake_did": "lake_did || '-' || n",
            "s_ra": "(n * 137.507764) % 360.0",
            "s_dec": "degrees(asin(2.0 * n / :rows - 1.0))",
        }
        values = ", ".join(changed.get(name, f'"{name}"') for name in names)
        columns = ", ".join(f'"{name}"' for name in names)
        count = db.execute("SELECT COUNT(*) FROM ivoa__obscore").fetchone()[0]
        db.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :times) "
            f"INSERT INTO ivoa__obscore ({columns}) SELECT {values} FROM ivoa__obscore, numbers",
            {"times": -(-ROWS // count), "rows": ROWS},
        )


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        limits = {"PENSTOCK_LOG_LEVEL": "warning", "PENSTOCK_TAP__MAXREC_HARD": str(2 * ROWS)}
        with serve(data, **limits) as server:
            for what, query in ONE_ROW.items():
                one_row(server, what, query)
        fill(data)
        with serve(data, **limits) as server:
            streams(server)
