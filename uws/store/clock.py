"""The time of the database: leases, deadlines and destructions are decided by one clock, whichever host decides.

On PostgreSQL hosts may disagree about the time, so each asks the database once in a while and counts on with its own
monotonic clock in between: a host whose clock is wrong, or is set, changes nothing. Processes on SQLite share a host.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
import structlog

from penstock.clock import Clock
from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.direct import Statement

_ASK_EVERY_S = 60.0
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def database_clock(db: Database, fallback: Clock) -> AsyncIterator[Clock]:
    """Give the clock of the database while the block lasts; on SQLite `fallback`, which is the same.

    Raises
    ------
    ServiceUnavailable
        The database does not answer.
    """
    if db.dialect == "sqlite":
        yield fallback
        return
    clock = _DatabaseClock(db)
    await clock.ask()
    task = asyncio.create_task(clock.keep_asking(), name="uws-clock")
    try:
        yield clock.now
    finally:
        task.cancel()
        await asyncio.wait({task})


class _DatabaseClock:
    """What the database's clock shows, from its last answer and the time since."""

    def __init__(self, db: Database) -> None:
        self._db = db
        text = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Text)
        self._question = Statement.of(sa.select(text.label("epoch_s")), db.dialect)
        self._answer = datetime.min.replace(tzinfo=UTC)
        self._answered_s = 0.0

    def now(self) -> datetime:
        return self._answer + timedelta(seconds=time.monotonic() - self._answered_s)

    async def ask(self) -> None:
        asked_s = time.monotonic()
        [row] = await self._db.direct.read(self._question, {})
        self._answer = datetime.fromtimestamp(float(row["epoch_s"]), UTC)
        self._answered_s = (asked_s + time.monotonic()) / 2

    async def keep_asking(self) -> None:
        while True:
            await asyncio.sleep(_ASK_EVERY_S)
            try:
                await self.ask()
            except ServiceUnavailable as error:
                _log.warning("uws_clock_not_set", reason=error.message)
