"""A client that leaves ends the query in the database; a big result takes no more memory than a small one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from aiohttp import ClientSession, web

from tests.tap_proxy.hosting import serving
from tests.tap_proxy.sources.builders import until

# No index helps: every row meets every row of three tables.
ENDLESS = (
    "SELECT COUNT(*) AS n FROM ivoa.obscore AS a, ivoa.obscore AS b, ivoa.obscore AS c, ivoa.obscore AS d"
    " WHERE a.s_ra + b.s_ra + c.s_ra + d.s_ra < -1"
)


@asynccontextmanager
async def running(folder: Path, url: str, **own: Any) -> AsyncIterator[str]:
    """Serve as the host does, with handlers that are cancelled when the client leaves; give the URL of /sync."""
    async with serving(folder, url, **own) as app:
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/tap/sync"
        finally:
            await runner.cleanup()


def asking(text: str, **params: str) -> dict[str, str]:
    return {"LANG": "ADQL", "QUERY": text, **params}


async def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return times.user + times.system


async def _idle() -> bool:
    """Tell whether this process does next to nothing."""
    before = await _cpu_seconds()
    await asyncio.sleep(0.2)
    return await _cpu_seconds() - before < 0.1


async def test_leaving_ends_the_query_in_sqlite(tmp_path: Path) -> None:
    async with running(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", connections=1) as url, ClientSession() as session:
        asked = asyncio.create_task(session.post(url, data=asking(ENDLESS)))
        await asyncio.sleep(0.5)
        assert not asked.done()
        asked.cancel()
        await asyncio.wait({asked})
        await until(_idle)
        # The one connection is free again.
        async with session.post(url, data=asking("SELECT TOP 1 obs_id FROM ivoa.obscore")) as response:
            assert response.status == 200


async def test_leaving_ends_the_query_in_postgresql(tmp_path: Path, postgres_url: str) -> None:
    watcher = await asyncpg.connect(postgres_url)

    async def busy(count: int) -> bool:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'penstock-tap' AND state = 'active'"
        return bool(await watcher.fetchval(sql) == count)

    async with running(tmp_path, postgres_url) as url, ClientSession() as session:
        asked = asyncio.create_task(session.post(url, data=asking(ENDLESS)))
        await until(lambda: busy(1))
        asked.cancel()
        await asyncio.wait({asked})
        await until(lambda: busy(0))
    await watcher.close()


async def test_a_query_that_takes_too_long_is_told(tmp_path: Path, database_url: str) -> None:
    async with running(tmp_path, database_url, query_time_limit_s=0.3) as url, ClientSession() as session:
        async with session.post(url, data=asking(ENDLESS)) as response:
            body = await response.text()
            assert response.status == 504
            assert 'name="QUERY_STATUS" value="ERROR"' in body
            assert "longer than 0.3 s" in body
        async with session.post(url, data=asking("SELECT TOP 1 obs_id FROM ivoa.obscore")) as response:
            assert response.status == 200


@pytest.mark.parametrize("form", ["votable", "votable/b2"])
async def test_memory_does_not_grow_with_the_result(tmp_path: Path, form: str) -> None:
    product = "SELECT a.* FROM ivoa.obscore AS a, ivoa.obscore AS b"
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with running(tmp_path, url, rows=400) as sync, ClientSession() as session:
        process = psutil.Process()
        await _drain(session, sync, asking(product, RESPONSEFORMAT=form, MAXREC="20000"), process)
        before = process.memory_info().rss
        received, most = await _drain(session, sync, asking(product, RESPONSEFORMAT=form, MAXREC="150000"), process)
    assert received > 30_000_000
    assert most - before < received / 2
    assert most - before < 50_000_000


async def _drain(session: ClientSession, url: str, data: dict[str, str], process: psutil.Process) -> tuple[int, int]:
    """Read an answer to its end; return its bytes and the most memory that this process had meanwhile."""
    received = most = 0
    async with session.post(url, data=data) as response:
        assert response.status == 200
        async for chunk in response.content.iter_chunked(1 << 20):
            received += len(chunk)
            most = max(most, process.memory_info().rss)
    return received, most
