"""News between processes through PostgreSQL: the store notifies in its transaction, every serving process listens.

The listener has a connection of its own. When it is lost, it is opened again, and then everybody is woken to look for
what was missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import structlog
from sqlalchemy.engine import URL

from penstock.direct import libpq_url
from uws.ports import CHANNEL, Change, change_from_text

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_log = structlog.get_logger(__name__)


class PostgresListener:
    """Listens on the channel of job changes.

    Parameters
    ----------
    url
        The database.
    is_own
        Tells of a server process whether it notified for this process, which then knows.
    deliver
        What to do with news.
    wake_all
        Called after news may have been missed.
    """

    def __init__(
        self,
        url: URL,
        *,
        is_own: Callable[[int], bool],
        deliver: Callable[[Change], None],
        wake_all: Callable[[], None],
    ) -> None:
        self._dsn = libpq_url(url)
        self._is_own = is_own
        self._deliver = deliver
        self._wake_all = wake_all

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while the block lasts; it begins when the first connection stands."""
        first = await self._connect()
        task = asyncio.create_task(self._listen(first), name="uws-listen")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _listen(self, connection: asyncpg.Connection) -> None:
        while True:
            try:
                await _closed(connection)
            finally:
                await _close(connection)
            _log.warning("uws_notifications_lost")
            connection = await self._reconnect()
            self._wake_all()

    async def _reconnect(self) -> asyncpg.Connection:
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return await self._connect()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _connect(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(self._dsn)
        await connection.add_listener(CHANNEL, self._hear)
        return connection

    def _hear(self, _connection: object, backend: int, _channel: str, payload: object) -> None:
        change = change_from_text(str(payload))
        if change is not None and not self._is_own(backend):
            self._deliver(change)


async def _closed(connection: asyncpg.Connection) -> None:
    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    if not connection.is_closed():
        await gone.wait()


async def _close(connection: asyncpg.Connection) -> None:
    if not connection.is_closed():
        connection.terminate()
