"""The lake of a real Rucio, beside what Rucio's own interface yields in the same run.

Resolving 1, 100 and 1000 harvested files against bare calls of list_replicas; the cache; harvesting against the same
calls without a catalogue; and the night of a data challenge: `LAKE_NIGHT` files (800,000 if unset) resolved a thousand
at a time, with the memory that it takes. The night's files are in the catalogue only, so that all but the catalogue and
the cache is left out of it; the goal is 20 DIDs a second.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from penstock.auth.principal import ANONYMOUS
from penstock.clock import utc_now
from penstock.context import LAKE_MIGRATIONS
from penstock.db import Database, upsert
from penstock.lake.mapping import as_timestamp, load_mapping
from penstock.lake.port import Did
from penstock.lake.rucio.client import RucioClient, open_client
from penstock.lake.rucio.harvest import Harvest, Source
from penstock.lake.rucio.lake import RucioLake
from penstock.lake.rucio.settings import RucioSettings
from penstock.lake.rucio.shelf import Shelf
from penstock.lake.store import LakeStore
from penstock.migrations import upgrade
from tests.support.rucio import sample
from tests.support.rucio.server import Rucio, running_rucio

NIGHT = int(os.environ.get("LAKE_NIGHT", "800_000"))
ROUNDS = int(os.environ.get("LAKE_ROUNDS", "9"))
CHUNK = 1000
FILES = [
    Did(sample.SCOPE, sample.file_name(dataset, number))
    for dataset in range(sample.DATASETS)
    for number in range(sample.FILES_PER_DATASET)
]

Tell = Callable[[str, str, str], None]


@asynccontextmanager
async def _opened(
    rucio: Rucio, folder: Path, **more: Any
) -> AsyncIterator[tuple[RucioClient, RucioSettings, LakeStore]]:
    settings = RucioSettings(**rucio.settings(timeout_s=300, **more))
    async with AsyncExitStack() as stack:
        db = Database(f"sqlite:///{folder}/lake.db")
        stack.push_async_callback(db.close)
        await upgrade(db, LAKE_MIGRATIONS)
        yield await open_client(settings, utc_now, stack), settings, LakeStore(db, "bench.example")


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


async def _raw(session: aiohttp.ClientSession, rucio: Rucio, path: str, body: Mapping[str, Any]) -> None:
    async with session.post(f"{rucio.url}{path}", json=body) as answer:
        answer.raise_for_status()
        await answer.read()


def _body(dids: Sequence[Did]) -> dict[str, Any]:
    return {
        "dids": [{"scope": did.scope, "name": did.name} for did in dids],
        "sort": "random",
        "schemes": list(RucioSettings().schemes),
        "all_states": True,
    }


async def _harvests(rucio: Rucio, folder: Path, tell: Tell) -> None:
    async with _opened(rucio, folder) as (client, settings, store):
        sites = {site.name: site for site in await RucioLake(client, settings, store, load_mapping("obscore")).sites()}
        source = Source(
            client=client,
            mapping=load_mapping("obscore"),
            settings=settings,
            sites=sites,
            authority="bench.example",
            clock=utc_now,
        )
        bare_s = await _bare_harvest(rucio)
        ours_s = await _timed(lambda: Harvest(source, Shelf(store)).run(sample.SCOPE, full=True))
        # Files so new are asked about again for some minutes; a pass of every day finds them settled.
        await Shelf(store).set_watermark(sample.SCOPE, as_timestamp(utc_now()))
        again_s = await _timed(lambda: Harvest(source, Shelf(store)).run(sample.SCOPE))
    rates = [len(FILES) / seconds for seconds in (bare_s, ours_s, again_s)]
    tell("harvest: the bare calls", f"{rates[0]:.0f} files/s", "")
    tell("harvest: first pass", f"{rates[1]:.0f} files/s", f"{rates[1] / rates[0]:.2f} of them (0.5)")
    tell("harvest: next pass, nothing new", f"{rates[2]:.0f} files/s", "")


async def _bare_harvest(rucio: Rucio) -> float:
    """Return the seconds that the calls of a harvest take at Rucio, three thousands at a time."""
    async with _signed(rucio) as session:

        async def one(start: int) -> None:
            body = _body(FILES[start : start + CHUNK])
            meta = {"dids": body["dids"], "plugin": "JSON"}
            await asyncio.gather(
                _raw(session, rucio, "/replicas/list", body), _raw(session, rucio, "/dids/bulkmeta", meta)
            )

        return await _timed(lambda: asyncio.gather(*(one(start) for start in range(0, len(FILES), CHUNK))))


def _signed(rucio: Rucio) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"X-Rucio-Auth-Token": rucio.token(sample.SERVICE)})


async def _resolves(rucio: Rucio, folder: Path, tell: Tell) -> None:
    async with _opened(rucio, folder, cache_s=0) as (client, settings, store), _signed(rucio) as session:
        lake = RucioLake(client, settings, store, load_mapping("obscore"))
        await lake.resolve(FILES[:1], caller=ANONYMOUS)
        for count in (1, 100, 1000):
            bare, ours = [], []
            for number in range(ROUNDS):  # one after the other, so that both see the same load
                dids = FILES[number * 100 : number * 100 + count]
                bare.append(await _timed(lambda dids=dids: _raw(session, rucio, "/replicas/list", _body(dids))))  # type: ignore[misc]
                ours.append(await _timed(lambda dids=dids: lake.resolve(dids, caller=ANONYMOUS)))  # type: ignore[misc]
            theirs_ms, ours_ms = statistics.median(bare) * 1000, statistics.median(ours) * 1000
            tell(f"{count} IDs: list_replicas", f"{theirs_ms:.0f} ms", "")
            tell(f"{count} IDs: ours", f"{ours_ms:.0f} ms", f"{ours_ms / theirs_ms:.2f} times (1.15)")


async def _warm(rucio: Rucio, folder: Path, tell: Tell) -> None:
    async with _opened(rucio, folder, cache_s=3600) as (client, settings, store):
        lake = RucioLake(client, settings, store, load_mapping("obscore"))
        await lake.resolve(FILES, caller=ANONYMOUS)
        seconds = min([await _timed(lambda: lake.resolve(FILES, caller=ANONYMOUS)) for _ in range(ROUNDS)])
    tell("warm cache", f"{len(FILES) / seconds:.0f} IDs/s", "goal 20,000")


async def _night(rucio: Rucio, folder: Path, tell: Tell) -> None:
    """Resolve a night's files: the catalogue has them all, Rucio's answers are made of its rows for one of them."""
    async with _opened(rucio, folder) as (client, settings, store):
        await _fill(store)
        lake = _Night(client, settings, store, load_mapping("obscore"))
        await lake.resolve([_night_file(0)], caller=ANONYMOUS)
        lake.begin(await lake.row(FILES[0]))
        before = _peak_mb()
        begun, half = time.perf_counter(), before
        for start in range(0, NIGHT, CHUNK):
            found = await lake.resolve(
                [_night_file(n) for n in range(start, min(start + CHUNK, NIGHT))], caller=ANONYMOUS
            )
            assert found
            if start <= NIGHT // 2:
                half = _peak_mb()
        seconds, after = time.perf_counter() - begun, _peak_mb()
    tell(f"a night of {NIGHT} files", f"{NIGHT / seconds:.0f} DIDs/s", "goal 20, Rucio's own time left out")
    tell("peak memory before, half-way, after", f"{before:.0f}, {half:.0f}, {after:.0f} MB", "")


class _Night(RucioLake):
    """Answers of Rucio for files that it does not have."""

    _template: Mapping[str, Any] | None = None

    def begin(self, row: Mapping[str, Any]) -> None:
        """From now on every file is like the one of the row."""
        self._template = row

    async def row(self, did: Did) -> Mapping[str, Any]:
        """Return Rucio's row of a file."""
        return (await super()._replicas([did], None))[did]

    async def _replicas(self, dids: Sequence[Did], token: str | None) -> dict[Did, Mapping[str, Any]]:
        if self._template is None:
            return await super()._replicas(dids, token)
        return {did: {**self._template, "scope": did.scope, "name": did.name} for did in dids}


def _night_file(number: int) -> Did:
    return Did("night", f"exposure-{number // 1000:05d}/{number:07d}.fits")


async def _fill(store: LakeStore) -> None:
    for start in range(0, NIGHT, 10_000):
        rows = [
            {
                "did": str(did),
                "scope": did.scope,
                "name": did.name,
                "size_bytes": 5760,
                "adler32": "00000001",
                "md5": None,
                "media_type": "application/fits",
                "public_from": None,
                "metadata": '{"obs_id":"x"}',
            }
            for did in map(_night_file, range(start, min(start + 10_000, NIGHT)))
        ]
        async with store.writing() as connection:
            await upsert(connection, store.tables.files, rows)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _measure(rucio: Rucio, folder: Path, tell: Tell) -> None:
    await _harvests(rucio, folder, tell)
    await _resolves(rucio, folder, tell)
    await _warm(rucio, folder, tell)
    await _night(rucio, folder, tell)


def _tell(what: str, measured: str, beside: str) -> None:
    print(f"{what:42}{measured:24}{beside}", flush=True)


def main() -> None:
    """Start Rucio, measure, and print each figure when it is known."""
    _tell("what", "measured", "beside")
    with running_rucio() as rucio, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(rucio, Path(folder), _tell))
