"""Offers over HTTP: by the number of facilities, of reservations, and of sessions that are history.

``python -m bench planner [--sqlite] [--postgres] [--offers] [--decide] [--accept] [--peers]``: every part on both
engines, if none is named. `PLANNER_SIZES=small` in the environment leaves out all above 1,000 facilities and 100,000
reservations. The server and the load generator are processes of their own; every request is a set of up to four offers
whose reservations are committed when it is answered. `decide` is the choice alone, without a database; `accept` lets
many clients race for the same last slot; `peers` asks other brokers, of which one is slow and one is dead. Each cell is
printed as soon as it is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.jobs import Engine, console, new_table, place
from bench.planner_data import Filling, record
from bench.tools import cpu_s, port_of, run_tool
from execplanner.core.columns import FacilityTable, read_ranking
from execplanner.core.documents import read_given
from execplanner.core.locality import Locality
from execplanner.core.request import Defaults, read_ask
from execplanner.facilities import RecordReader
from penstock.auth.principal import ANONYMOUS
from tests.support.redis import free_port
from tests.support.server import Server, serve

K = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds"
SMALL = os.environ.get("PLANNER_SIZES") == "small"
FACILITIES = (1, 100, 1_000) if SMALL else (1, 100, 1_000, 10_000, 100_000)
RESERVATIONS = (0, 100_000) if SMALL else (0, 100_000, 1_000_000)
HISTORY = 100_000 if SMALL else 1_000_000
CONCURRENCY, SECONDS, WARM_S = 4, 2.0, 0.5
RACERS = 200
SETTINGS = {
    "PENSTOCK_LOG_LEVEL": "warning",
    "PENSTOCK_EXECPLANNER__MAX_OPEN_OFFERS": "0",
    "PENSTOCK_EXECPLANNER__MAX_OPEN_OFFERS_ANONYMOUS": "0",
    "PENSTOCK_EXECPLANNER__REREAD_S": "86400",
}
REQUEST = json.dumps(
    {
        "executable": {"kind": f"{K}/executable/jupyter-notebook.yaml", "location": "https://example.org/a.ipynb"},
        "compute": {
            "kind": f"{K}/compute/simple-compute-resource.yaml",
            "cores": {"min": 2, "max": 4},
            "memory": {"min": 4, "max": 8},
        },
    }
)


def offers(engine: Engine) -> None:
    """Ask for offers, end to end."""
    headings = ("facilities", "reservations", "history", "per s", "p50 ms", "p99 ms", "CPU ms", "RSS MB")
    table = new_table(f"Sets of offers on {engine}, c={CONCURRENCY}", *headings)
    with place(engine) as where, asyncio.Runner() as runner:
        filling = Filling(where.url, HISTORY, RESERVATIONS[-1])
        runner.run(filling.begin())
        for facilities in FACILITIES:
            runner.run(filling.facilities(facilities))
            with serve(where.data, "execplanner", **where.settings() | SETTINGS) as server:
                for held in RESERVATIONS:
                    for aged in (False, True):
                        runner.run(filling.become(held, aged=aged))
                        sizes = (f"{facilities:,}", f"{held:,}", f"{HISTORY if aged else 0:,}")
                        row = (*sizes, *asked_for_offers(server))
                        console.print(engine, *row, sep="  ")
                        table.add_row("POST /requests", *row)
        runner.run(filling.end())
    console.print(table)


def asked_for_offers(server: Server) -> tuple[str, ...]:
    """Load a server; return the rate, p50 and p99, its CPU time for each, and its memory."""
    address = ("127.0.0.1", port_of(server), "/execplanner/requests", CONCURRENCY)
    run_tool("bench.load", *address, WARM_S, REQUEST)
    before = cpu_s(server.process.pid)
    found = run_tool("bench.load", *address, SECONDS, REQUEST)
    spent_ms = (cpu_s(server.process.pid) - before) * 1e3 / found["requests"]
    figures = (f"{found['per_s']:.0f}", f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}")
    return (*figures, f"{spent_ms:.2f}", f"{rss_mb(server):.0f}")


def rss_mb(server: Server) -> float:
    """Return the memory of a server's process."""
    return float(psutil.Process(server.process.pid).memory_info().rss) / 1e6


def decide() -> None:
    """Choose among facilities, without looking for room: the columns alone."""
    table = new_table("The choice alone", "facilities", "median ms", "p99 ms", "built in s", "MB")
    for size in FACILITIES:
        begun = time.perf_counter()
        reader = RecordReader()
        facilities = [reader.read(json.dumps(record(number)).encode(), "bench") for number in range(size)]
        columns = FacilityTable(facilities)
        built_s = time.perf_counter() - begun
        given = read_given(REQUEST.encode(), "application/json", "offers-request")
        ask = read_ask(given.document, datetime.now(UTC), Defaults())
        times = []
        for _ in range(200):
            begun = time.perf_counter()
            match = columns.match(ask, ANONYMOUS, Locality())
            order = match.order(match.seconds + columns.startup, read_ranking(None))
            [next(order) for _ in range(min(8, size))]
            times.append((time.perf_counter() - begun) * 1e3)
        cuts = statistics.quantiles(times, n=100)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        table.add_row(
            "match and rank", f"{size:,}", f"{cuts[49]:.2f}", f"{cuts[98]:.2f}", f"{built_s:.1f}", f"{most:.0f}"
        )
    console.print(table)


def accept(engine: Engine) -> None:
    """Let clients race for the last slot, and accept offers one after the other."""
    table = new_table(f"Accepting on {engine}", "clients", "won", "per s", "p99 ms")
    with place(engine) as where, asyncio.Runner() as runner:
        filling = Filling(where.url, 0, 0)
        for step in (filling.begin(), filling.facilities(1), filling.end()):
            runner.run(step)
        with serve(where.data, "execplanner", "uws", **where.settings() | SETTINGS) as server:
            won, times = runner.run(race(f"{server.base}/execplanner"))
    cuts = statistics.quantiles(times, n=100)
    table.add_row(
        "the same last slot", str(RACERS), str(won), f"{len(times) / sum(times) * RACERS:.0f}", f"{cuts[98] * 1e3:.0f}"
    )
    console.print(table)


async def race(base: str) -> tuple[int, list[float]]:
    """Let all ask at once for more than half of a facility, and accept; return how many won."""
    later = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    request = json.loads(REQUEST) | {"schedule": {"requested": {"duration": "PT1H", "start": later}}}
    request["compute"]["cores"] = {"min": record(0)["capacity"]["cores"] // 2 + 1}  # room for one
    times: list[float] = []
    connector = aiohttp.TCPConnector(limit=RACERS)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def run() -> bool:
            begun = time.perf_counter()
            async with session.post(f"{base}/requests", json=request, allow_redirects=False) as response:
                document = await response.json()
            won = False
            for offer in document.get("offers", ()):
                update = {"kind": "uri:enum-value-update", "path": "phase", "value": "ACCEPTED"}
                async with session.post(offer["meta"]["url"], json=update) as response:
                    won = response.status == 200
            times.append(time.perf_counter() - begun)
            return won

        return sum(await asyncio.gather(*(run() for _ in range(RACERS)))), times


def peers(counts: tuple[int, ...] = (1, 3, 10)) -> None:
    """Ask others, too: one is slow, one is dead, the rest are other processes of ours or a stand-in for them."""
    table = new_table("Federation, one peer slow and one dead", "peers", "p50 ms", "p99 ms", "offers", "warnings")
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        answering = [stack.enter_context(instance(Path(folder) / f"peer{n}")) for n in range(2)]
        slow = stack.enter_context(slow_peer())
        dead = f"http://127.0.0.1:{free_port()}/execplanner"
        for count in counts:
            known = [f"{answering[n % 2].base}/execplanner" for n in range(max(0, count - 2))]
            urls = [*known, slow, dead][-count:] if count > 1 else [f"{answering[0].base}/execplanner"]
            named = [{"url": url, "ivoid": f"ivo://peer.example/{n}"} for n, url in enumerate(urls)]
            more = {"PENSTOCK_EXECPLANNER__PEERS": json.dumps(named), "PENSTOCK_EXECPLANNER__PEER_TIMEOUT_S": "0.5"}
            with serve(Path(folder) / f"hub{count}", "execplanner", **SETTINGS | more) as hub:
                times, document = asyncio.run(asked(f"{hub.base}/execplanner/requests"))
            cuts = statistics.quantiles(times, n=100)
            warnings = [one for one in document["meta"].get("messages", ()) if one["kind"].startswith("urn:peer")]
            table.add_row(
                "POST /requests",
                str(count),
                f"{cuts[49] * 1e3:.0f}",
                f"{cuts[98] * 1e3:.0f}",
                str(len(document["offers"])),
                str(len(warnings)),
            )
    console.print(table)


def instance(data: Path) -> Any:
    """Return a server with one facility."""
    data.mkdir(parents=True)
    folder = data / "facilities"
    folder.mkdir()
    (folder / "one.yaml").write_text(json.dumps(record(int(data.name.removeprefix("peer")))))
    return serve(data, "execplanner", **SETTINGS | {"PENSTOCK_EXECPLANNER__FACILITY_DIR": str(folder)})


class slow_peer:  # noqa: N801  # used as a context
    """A stub of a broker that takes five seconds for an answer."""

    def __enter__(self) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the library's name
                time.sleep(5)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self._server.server_port}/execplanner"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()


async def asked(url: str, count: int = 30) -> tuple[list[float], Any]:
    """Ask one request after the other; return the times and the last answer."""
    times, document = [], None
    async with aiohttp.ClientSession() as session:
        for _ in range(count):
            begun = time.perf_counter()
            async with session.post(url, data=REQUEST, headers={"Content-Type": "application/json"}) as response:
                document = await response.json()
            times.append(time.perf_counter() - begun)
    return times, document


def main() -> None:
    """Print the tables."""
    every = ("--offers", "--decide", "--accept", "--peers")
    parts = [one for one in every if one in sys.argv] or every
    named: dict[str, Engine] = {"--sqlite": "SQLite", "--postgres": "PostgreSQL"}
    engines = [named[argument] for argument in sys.argv if argument in named] or list(named.values())
    if "--decide" in parts:
        decide()
    for engine in engines:
        if "--offers" in parts:
            offers(engine)
        if "--accept" in parts:
            accept(engine)
    if "--peers" in parts:
        peers()
