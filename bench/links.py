"""Links of 1, 100 and 1000 IDs in one call on the local lake, beside a bare handler that answers the same bytes.

The lake is warm: what it knows of the files is remembered, as it is while a client goes through a table. Server and
bare handler are processes of their own; every ratio is taken in one run. IDs per second of processor time depend little
on what else the machine does.
"""

from __future__ import annotations

import http.client
import os
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from bench.tools import bare, cpu_s, port_of
from tests.support.server import serve

COUNTS = (1, 100, 1000)
SECONDS = float(os.environ.get("LINKS_SECONDS", "5"))
CONTENT = b"0123456789"
SITES = ("near", "far")
OFFERS = {
    "PENSTOCK_DATALINK__JOBS_URL": "https://vo.example.org/uws/jobs",
    "PENSTOCK_DATALINK__PLANNER_URL": "https://vo.example.org/execplanner/accepts",
}


def fill(data: Path, count: int) -> None:
    """Put files into the catalogue of a stopped server, a copy at each of the sites."""
    names = [f"run/{number}.fits" for number in range(count)]
    for site in SITES:
        for name in names:
            path = data / "bench" / site / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(CONTENT)
    with sqlite3.connect(data / "penstock.db") as db:
        db.executemany("INSERT INTO lake__sites (name, medium) VALUES (?, 'DISK')", [(site,) for site in SITES])
        db.executemany(
            "INSERT INTO lake__files (did, scope, name, size_bytes, adler32, md5, media_type) "
            "VALUES (?, 'bench', ?, ?, '0aff020e', '781e5e245d69b566979b86e28d23f2c7', 'application/fits')",
            [(f"bench:{name}", name, len(CONTENT)) for name in names],
        )
        db.executemany(
            "INSERT INTO lake__replicas (did, site, state, path) VALUES (?, ?, 'AVAILABLE', ?)",
            [
                (f"bench:{name}", site, str((data / "bench" / site / name).absolute()))
                for name in names
                for site in SITES
            ],
        )
        db.executemany(
            "INSERT INTO ivoa__obscore (lake_did, obs_publisher_did, obs_id, obs_collection, calib_level, "
            "dataproduct_type, s_ra, s_dec, s_fov) VALUES (?, ?, ?, 'bench', 2, 'image', 10.0, 20.0, 0.1)",
            [(f"bench:{name}", f"ivo://penstock.example/lake?bench:{name}", name) for name in names],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How the same question, asked again and again on one connection, was answered."""

    first_ms: float
    per_s: float
    p99_ms: float
    size: int
    calls: int
    content: bytes


def ask(port: int, method: str, path: str, form: str | None = None, *, seconds: float = SECONDS) -> Asked:
    """Ask for some seconds, three times at least; the first answer is not among the rates."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    times: list[float] = []
    content = b""
    until = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        begun = time.perf_counter()
        connection.request(method, path, form, headers)
        answer = connection.getresponse()
        content = answer.read()
        times.append(time.perf_counter() - begun)
        assert answer.status == 200, content[:500]
    connection.close()
    first, *rest = times
    slow = sorted(rest)[int(0.99 * (len(rest) - 1))]
    return Asked(
        first_ms=first * 1e3,
        per_s=len(rest) / sum(rest),
        p99_ms=slow * 1e3,
        size=len(content),
        calls=len(times),
        content=content,
    )


def main() -> None:
    """Print the table, each row when it is known."""
    print(f"links of many IDs, one client, POST, warm lake, {SECONDS:g} s each", flush=True)
    headings = ("IDs", "kB", "first ms", "calls/s", "p99 ms", "IDs/s", "IDs/CPU s", "bare/s", "/ bare")
    print("".join(f"{heading:>11}" for heading in headings), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        with serve(data, "datalink"):
            pass  # makes the tables
        fill(data, max(COUNTS))
        for count in COUNTS:
            print("".join(f"{cell:>11}" for cell in _row(data, count)), flush=True)


def _row(data: Path, count: int) -> tuple[str, ...]:
    """Measure calls with so many IDs."""
    settings = {"PENSTOCK_LOG_LEVEL": "warning", "PENSTOCK_DATALINK__REMEMBER_S": "3600"} | OFFERS
    with serve(data, "datalink", **settings) as server:
        form = urlencode([("ID", f"bench:run/{number}.fits") for number in range(count)])
        port = port_of(server)
        cold = ask(port, "POST", "/datalink/links", form, seconds=0)
        before = cpu_s(server.process.pid)
        ours = ask(port, "POST", "/datalink/links", form)
        busy = cpu_s(server.process.pid) - before
    with bare(ours.content) as port:
        floor = ask(port, "GET", "/fixed")
    return (
        f"{count:,}", f"{ours.size / 1000:,.0f}", f"{cold.first_ms:.0f}", f"{ours.per_s:.1f}", f"{ours.p99_ms:.1f}",
        f"{ours.per_s * count:,.0f}", f"{ours.calls * count / busy:,.0f}", f"{floor.per_s:.1f}",
        f"{ours.per_s / floor.per_s:.3f}",
    )  # fmt: skip
