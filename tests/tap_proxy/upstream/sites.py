"""TAP services that run in threads of this process: real ones, and hostile stubs of one."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from aiohttp import web

from penstock.db import Database
from penstock.lake.catalogue import Catalogue
from tests.tap_proxy import hosting
from tests.uws.waiting import eventually

START_S = 60
Serving = Callable[[str], AbstractAsyncContextManager[web.Application]]
"""Makes an application that is reached under a base URL."""


@contextmanager
def running(serving: Serving) -> Iterator[str]:
    """Serve an application from a thread, with handlers that are cancelled when the client leaves; give its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    started, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    failed: list[BaseException] = []

    async def serve() -> None:
        async with serving(base) as app:
            runner = web.AppRunner(app, handler_cancellation=True)
            await runner.setup()
            await web.SockSite(runner, listener).start()
            started.set()
            await stop.wait()
            await runner.cleanup()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001  # told to the test
            failed.append(error)
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        assert started.wait(START_S)
        if failed:
            raise failed[0]
        yield base
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join(START_S)
        listener.close()


def row(n: int, site: str, **values: object) -> dict[str, object]:
    """Return an observation of a site."""
    own = {"obs_publisher_did": f"ivo://{site}.example/data?{n}", "obs_collection": site, "t_min": None}
    own["lake_did"] = f"{site}:{n}.fits"
    return hosting.observation(n) | own | values


def penstock(folder: Path, rows: Sequence[dict[str, object]], **own: Any) -> Serving:
    """Return a TAP service on a database of its own with some observations."""
    folder.mkdir(parents=True, exist_ok=True)
    url = own.pop("database_url", None) or f"sqlite:///{folder / 'penstock.db'}"

    @asynccontextmanager
    async def serving(base: str) -> AsyncIterator[web.Application]:
        async with hosting.serving(folder, url, rows=0, base_url=base, **own) as app:
            db = Database(url)
            async with db.write() as connection:
                if rows:
                    await connection.execute(sa.insert(Catalogue.of(db.dialect).obscore), list(rows))
            await db.close()
            yield app

    return serving


@contextmanager
def proxy(folder: Path, upstreams: dict[str, Any], rows: Sequence[dict[str, object]] = (), **own: Any) -> Iterator[str]:
    """Serve a TAP service before others, when it knows their tables."""
    with running(penstock(folder, rows, upstreams=upstreams, **own)) as base:
        mounted = {name for name, settings in upstreams.items() if not settings.get("missing")}
        asyncio.run(eventually(lambda: mounted <= set(schemas(base))))
        yield base


def schemas(base: str) -> list[str]:
    """Return the names of the schemas that a service publishes."""
    found = csv(base, "SELECT schema_name FROM tap_schema.schemas")
    return [name for (name,) in found]


def ask(base: str, query: str, **params: str) -> requests.Response:
    """Run a query by /sync."""
    data = {"LANG": "ADQL", "QUERY": query, **params}
    return requests.post(f"{base}/tap/sync", data=data, timeout=START_S)


def csv(base: str, query: str, **params: str) -> list[list[str]]:
    """Return the rows of a result."""
    response = ask(base, query, RESPONSEFORMAT="csv", **params)
    assert response.status_code == 200, response.text
    return [line.split(",") for line in response.text.splitlines()[1:]]
