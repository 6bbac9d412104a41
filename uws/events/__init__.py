"""News of jobs, inside a process and between processes: nobody polls."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from penstock.db import Database
from penstock.direct import PostgresDirect
from uws.events.datagrams import DatagramListener, DatagramSender
from uws.events.hub import Hub
from uws.events.postgres import PostgresListener

__all__ = ["Hub", "open_hub"]


async def open_hub(db: Database, directory: Path, stack: AsyncExitStack) -> Hub:
    """Open the hub of a process that serves: it hears of every change, whoever makes it.

    On PostgreSQL the store notifies in its transactions, and the hub listens to those of others. On SQLite, whose
    processes share a host, news are datagrams between unix sockets in `directory`: see `uws.events.datagrams`.
    """
    if isinstance(db.direct, PostgresDirect):
        hub = Hub()
        listener = PostgresListener(db.url, is_own=db.direct.is_own, deliver=hub.deliver, wake_all=hub.wake_all)
        await stack.enter_async_context(listener.running())
    else:
        own = DatagramListener.path_in(directory)
        hub = Hub(stack.enter_context(DatagramSender.opened(directory, own=own.name)))
        await stack.enter_async_context(DatagramListener(own, hub.deliver, hub.wake_all).listening())
    stack.callback(hub.close)
    return hub
