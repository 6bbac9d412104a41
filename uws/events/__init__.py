"""News of jobs, inside a process and between processes: nobody polls."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from penstock.db import Database
from uws.events.datagrams import DatagramListener, DatagramSender
from uws.events.hub import Hub
from uws.events.postgres import PostgresListener
from uws.ports import Announcer

__all__ = ["Hub", "open_announcer", "open_hub"]


async def open_hub(db: Database, directory: Path, stack: AsyncExitStack) -> Hub:
    """Open the hub of a process that serves: it hears of every change, whoever makes it.

    On PostgreSQL the store notifies in its transactions and the hub listens. On SQLite, whose processes share a host,
    news are datagrams between unix sockets in `directory`: see `uws.events.datagrams`.
    """
    if db.dialect == "postgresql":
        hub = Hub()
        listener = PostgresListener(db.url, deliver=hub.deliver, wake_all=hub.wake_all)
        await stack.enter_async_context(listener.running())
    else:
        own = DatagramListener.path_in(directory)
        hub = Hub(stack.enter_context(DatagramSender.opened(directory, own=own.name)))
        stack.enter_context(DatagramListener(own, hub.deliver).listening())
    stack.callback(hub.close)
    return hub


def open_announcer(db: Database, directory: Path, stack: AsyncExitStack) -> Announcer:
    """Open what a worker needs, which tells and does not listen."""
    if db.dialect == "postgresql":
        return Hub()
    return stack.enter_context(DatagramSender.opened(directory))
