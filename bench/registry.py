"""The registry: pages of records beside a bare handler, and a whole harvest with its memory.

Servers, bare handler, load generator and harvester are processes of their own; every ratio is taken in one run.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
from lxml import etree
from rich.console import Console
from rich.table import Table

from bench.service import load
from bench.tools import bare, port_of
from registry.core.oai import Prefix, Selection, Verb
from registry.core.token import Position, encode
from tests.registry.builders import a_record
from tests.support.server import Server, environment, serve

SIZES = (100, 10_000, 100_000)
CONCURRENCIES = (1, 8)
PAGE = 100
AUTHORITY = "penstock.example"
STAMP = "2026-01-01T00:00:00Z"
TABLES = 12  # lines of description that give a record the size of an ordinary one
FIRST_PAGE = "/registry/oai?verb=ListRecords&metadataPrefix=ivo_vor&set=ivo_managed"
console = Console(width=120)


def rows(count: int) -> Iterator[tuple[object, ...]]:
    """Yield `count` generated records, a hundred to a second."""
    text = "Sources of one survey in one band, with positions, magnitudes and flags. " * TABLES
    for number in range(count):
        ivoid = f"ivo://{AUTHORITY}/made/{number:06d}"
        minutes, second = divmod(number // 100, 60)
        stamp = f"2026-01-{1 + minutes // 1440:02d}T{minutes // 60 % 24:02d}:{minutes % 60:02d}:{second:02d}Z"
        stamps = f'created="{stamp}" updated="{stamp}"'
        xml = a_record(ivoid, text=text, stamps=stamps, title=f"Survey {number}").decode()
        yield (
            ivoid,
            f"d{number}",
            stamp,
            stamp,
            0,
            xml,
            ivoid,
            "operator",
            1,
            "vs:CatalogService",
            f"Survey {number}",
            "active",
            0,
        )


def fill(data: Path, count: int) -> None:
    """Put generated records into the database of a stopped server, in place of all earlier ones."""
    columns = "ivoid, digest, created, updated, deleted, xml, key, origin, managed, type, title, status, generation"
    with sqlite3.connect(data / "penstock.db") as db:
        db.execute("DELETE FROM registry__record WHERE origin = 'operator'")
        marks = ", ".join("?" * 13)
        db.executemany(f"INSERT INTO registry__record ({columns}) VALUES ({marks})", rows(count))


def deep_page(count: int) -> str:
    """Return the path of a page from the middle of the list."""
    _, _, stamp, *_ = next(row for number, row in enumerate(rows(count)) if number == count // 2)
    position = Position(
        verb=Verb.LIST_RECORDS,
        selection=Selection(prefix=Prefix.IVO_VOR, set="ivo_managed"),
        after=(str(stamp), f"ivo://{AUTHORITY}/made/{count // 2:06d}"),
        cursor=count // 2,
        size=count,
        expires="2999-01-01T00:00:00Z",
    )
    return f"/registry/oai?verb=ListRecords&resumptionToken={encode(position)}"


def pages(data: Path) -> None:
    """Compare pages a second with a bare handler that answers the bytes of the same page."""
    table = Table(title=f"ListRecords, {PAGE} records a page", title_justify="left")
    headings = ("records", "page", "c", "kB a page", "pages/s", "records/s", "p50 ms", "bare pages/s", "of bare")
    for heading in headings:
        table.add_column(heading, justify="right")
    for size in SIZES:
        fill(data, size)
        with serve(data, "registry", **_settings()) as server:
            for what, path in (("first", FIRST_PAGE), ("middle", deep_page(size))):
                for concurrency in CONCURRENCIES:
                    table.add_row(f"{size:,}", what, str(concurrency), *_page(server, path, concurrency))
    console.print(table)


def _settings() -> dict[str, str]:
    return {"PENSTOCK_LOG_LEVEL": "warning", "PENSTOCK_REGISTRY__PAGE_SIZE": str(PAGE)}


def _page(server: Server, path: str, concurrency: int) -> list[str]:
    document = requests.get(server.base + path, timeout=60).content
    records = len(etree.fromstring(document).findall(".//{*}record"))
    ours = load(port_of(server), path, concurrency)
    with bare(document) as port:
        floor = load(port, "/fixed", concurrency)
    rates = (f"{ours['per_s']:.1f}", f"{ours['per_s'] * records:,.0f}", f"{ours['p50_ms']:.1f}")
    return [f"{len(document) / 1e3:.0f}", *rates, f"{floor['per_s']:.1f}", f"{ours['per_s'] / floor['per_s']:.3f}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvested:
    """How one harvest went: wall and CPU time of the harvester, and the most memory that it had."""

    records: int
    seconds: float
    cpu_s: float
    peak_mb: float


def harvest(url: str, data: Path) -> Harvested:
    """Harvest everything at an address in a process of its own."""
    command = [sys.executable, "-m", "penstock", "registry", "harvest", url, "--full", "--allow-private", "--json"]
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        settings = environment(PENSTOCK_AUTHORITY="harvester.example")
        process = subprocess.Popen([*command, "--data", str(data)], stdout=out, env=settings)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        out.seek(0)
        report = json.loads(out.read() or b"{}")
    if status or not report.get("complete"):
        raise RuntimeError(f"the harvest failed: {report}")
    seen = sum(report[name] for name in ("added", "updated", "unchanged"))
    cpu_s = usage.ru_utime + usage.ru_stime
    return Harvested(records=seen, seconds=seconds, cpu_s=cpu_s, peak_mb=usage.ru_maxrss / 1024)


def harvests(data: Path, folder: Path) -> None:
    """Harvest lists of growing length: first all that is new, then the same again."""
    table = Table(title="harvest of everything, with RegTAP", title_justify="left")
    for heading in ("records", "what", "s", "records/s", "CPU s", "peak MB"):
        table.add_column(heading, justify="right")
    for size in SIZES:
        fill(data, size)
        with serve(data, "registry", **_settings()) as server:
            for what in ("new", "unchanged"):
                done = harvest(f"{server.base}/registry/oai", folder / str(size))
                rate = done.records / done.seconds
                figures = (f"{done.seconds:.1f}", f"{rate:,.0f}", f"{done.cpu_s:.1f}", f"{done.peak_mb:.0f}")
                table.add_row(f"{done.records:,}", what, *figures)
    console.print(table)


def main() -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "served"
        with serve(data, "registry", **_settings()):
            pass
        pages(data)
        harvests(data, folder)
