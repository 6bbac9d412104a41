"""Offers over HTTP: by the number of facilities, of reservations, and of sessions that are history.

``python -m bench planner [--sqlite] [--postgres] [--facilities=1,1000] [--reservations=0,100000] [--history=0]
[--decide] [--accept] [--peers]``: every part on both engines, if none is named. The server and the load generator are
processes of their own; every request is a set of up to four offers whose reservations are committed when it is
answered. `decide` is the choice alone, without a database; `accept` lets many clients race for the same last slot;
`peers` asks other brokers, of which one is slow and one is dead.
"""

from __future__ import annotations

import asyncio
import json
import random
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
import sqlalchemy as sa

from bench.jobs import Engine, console, cpu_s, new_table, place, port_of, run_tool
from execplanner.core.columns import FacilityTable, read_ranking
from execplanner.core.facility import Facility
from execplanner.core.ids import RANDOM_BYTES, new_id
from execplanner.core.locality import Locality
from execplanner.core.request import Defaults, read_ask
from execplanner.facilities import read_record
from execplanner.store.tables import Tables
from penstock.auth.principal import ANONYMOUS
from penstock.db import Database
from penstock.migrations import upgrade
from tests.support.redis import free_port
from tests.support.server import Server, serve

K = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds"
FACILITIES = (1, 100, 1_000, 10_000, 100_000)
RESERVATIONS = (0, 100_000, 1_000_000)
HISTORY = (0, 1_000_000)
CONCURRENCY, SECONDS = 4, 5.0
RACERS = 200
PAGE = 20_000
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


def record(number: int, chance: random.Random) -> dict[str, Any]:
    """Return the record of a facility; a seed makes the same ones every time."""
    cores = chance.choice((64, 256, 1024))
    return {
        "id": f"ivo://bench.example/facility/{number}",
        "title": f"Facility {number}",
        "site": f"site-{number % 50}",
        "storage_sites": [f"RSE-{number % 50}"],
        "kinds": {"jupyter-notebook": {}, "docker-container": {"policy": {"allow": ["ghcr.io/*"]}}},
        "executors": {"main": {"plugin": "process", "estimates": False}},
        "capacity": {"cores": cores, "memory": f"{cores * 4}Gi", "store": "10T", "duration": "24h"},
        "costs": {"monetary": {"core_hour": chance.randrange(1, 20) / 100}, "carbon": {"core_hour": 0.01}},
    }


async def fill(url: str, facilities: int, reservations: int, history: int) -> None:
    """Put facilities, reservations of the next two days, and sessions that have ended into an empty database."""
    db = Database(url)
    await upgrade(db, {"execplanner": "execplanner.migrations"})
    chance, now = random.Random(42), round(time.time() * 1000)
    t = Tables.of(db.dialect)

    async def insert(table: sa.Table, count: int, row: Any) -> None:
        for first in range(0, count, PAGE):
            rows = [row(number) for number in range(first, min(first + PAGE, count))]
            async with db.write() as connection:
                await connection.execute(sa.insert(table), rows)

    def facility(number: int) -> dict[str, Any]:
        return {
            "id": f"ivo://bench.example/facility/{number}",
            "record": json.dumps(record(number, chance)),
            "modified": now,
        }

    def reservation(number: int) -> dict[str, Any]:
        begins = now + chance.randrange(-3_600_000, 172_800_000)
        return {
            "session_id": f"r{number}",
            "facility": f"ivo://bench.example/facility/{number % facilities}",
            "owner": f"user {number % 1000}",
            "begins": begins,
            "ends": begins + chance.randrange(600_000, 14_400_000),
            "expires": None,
            "cores": chance.randrange(1, 5) if reservations / facilities < 1000 else 0,
            "memory_bytes": 2**30,
            "gpus": 0,
            "store_bytes": 0,
        }

    def ended(number: int) -> dict[str, Any]:
        past = now - 86_400_000 - number
        values = dict.fromkeys((column.name for column in t.session.c), None)
        return values | {
            "id": new_id(past, number.to_bytes(RANDOM_BYTES)),
            "offerset_id": f"o{number}",
            "facility": f"ivo://bench.example/facility/{number % facilities}",
            "owner": f"user {number % 1000}",
            "phase": "COMPLETED",
            "dialect": "D1",
            **dict.fromkeys(("document", "messages", "connectors"), "{}"),
            **dict.fromkeys(("version", "created", "modified", "prepares", "begins", "ends", "untidy", "seq"), 0),
        }

    await insert(t.facility, facilities, facility)
    await insert(t.reservation, reservations, reservation)
    await insert(t.session, history, ended)
    if db.dialect == "postgresql":
        async with db.engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).exec_driver_sql("VACUUM ANALYZE")
    await db.close()


def offers(engine: Engine, sizes: list[tuple[int, int, int]]) -> None:
    """Ask for offers, end to end."""
    headings = ("facilities", "reservations", "history", "per s", "p50 ms", "p99 ms", "CPU ms", "RSS MB")
    table = new_table(f"Sets of offers on {engine}, c={CONCURRENCY}", *headings)
    for facilities, reservations, history in sizes:
        with place(engine) as where:
            asyncio.run(fill(where.url, facilities, reservations, history))
            with serve(where.data, "execplanner", **where.settings() | SETTINGS) as server:
                before = cpu_s(server.process.pid)
                command = ("127.0.0.1", port_of(server), "/execplanner/requests", CONCURRENCY, SECONDS, REQUEST)
                found = run_tool("bench.load", *command)
                spent_ms = (cpu_s(server.process.pid) - before) * 1e3 / found["requests"]
                memory = rss_mb(server)
        figures = (f"{found['per_s']:.0f}", f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}")
        table.add_row(
            "POST /requests",
            f"{facilities:,}",
            f"{reservations:,}",
            f"{history:,}",
            *figures,
            f"{spent_ms:.2f}",
            f"{memory:.0f}",
        )
    console.print(table)


def rss_mb(server: Server) -> float:
    """Return the memory of a server's process."""
    import psutil

    return float(psutil.Process(server.process.pid).memory_info().rss) / 1e6


def decide(sizes: list[int]) -> None:
    """Choose among facilities, without looking for room: the columns alone."""
    table = new_table("The choice alone", "facilities", "median ms", "p99 ms", "built in s", "MB")
    for size in sizes:
        chance = random.Random(42)
        begun = time.perf_counter()
        facilities: list[Facility] = [
            read_record(json.dumps(record(number, chance)).encode(), "bench") for number in range(size)
        ]
        columns = FacilityTable(facilities)
        built_s = time.perf_counter() - begun
        from execplanner.core.documents import read_given

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
    with place(engine) as where:
        asyncio.run(fill(where.url, 1, 0, 0))
        with serve(where.data, "execplanner", "uws", **where.settings() | SETTINGS) as server:
            won, times = asyncio.run(race(f"{server.base}/execplanner"))
    cuts = statistics.quantiles(times, n=100)
    table.add_row(
        "the same last slot", str(RACERS), str(won), f"{len(times) / sum(times) * RACERS:.0f}", f"{cuts[98] * 1e3:.0f}"
    )
    console.print(table)


async def race(base: str) -> tuple[int, list[float]]:
    """Let all ask at once for more than half of a facility, and accept; return how many won."""
    later = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    request = json.loads(REQUEST) | {"schedule": {"requested": {"duration": "PT1H", "start": later}}}
    request["compute"]["cores"] = {"min": record(0, random.Random(42))["capacity"]["cores"] // 2 + 1}  # room for one
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
    (folder / "one.yaml").write_text(json.dumps(record(hash(data.name) % 1000, random.Random(1))))
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


def chosen(name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes that the command line names."""
    given = next((one.partition("=")[2] for one in sys.argv if one.startswith(f"--{name}=")), None)
    return default if given is None else tuple(int(one) for one in given.split(","))


def main() -> None:
    """Print the tables."""
    parts = {"--offers", "--decide", "--accept", "--peers"} & set(sys.argv) or {
        "--offers",
        "--decide",
        "--accept",
        "--peers",
    }
    named: dict[str, Engine] = {"--sqlite": "SQLite", "--postgres": "PostgreSQL"}
    engines = [named[argument] for argument in sys.argv if argument in named] or list(named.values())
    facilities = chosen("facilities", FACILITIES)
    sizes = [
        (count, held, past)
        for count in facilities
        for held in chosen("reservations", RESERVATIONS)
        for past in chosen("history", HISTORY)
    ]
    if "--decide" in parts:
        decide(list(facilities))
    for engine in engines:
        if "--offers" in parts:
            offers(engine, sizes)
        if "--accept" in parts:
            accept(engine)
    if "--peers" in parts:
        peers()
