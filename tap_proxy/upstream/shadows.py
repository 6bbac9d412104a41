"""Which job of an upstream works for which job of ours: kept in the database, so that no end of a process loses it.

It is written down before the job there may run. An attempt that ends without a word, by ``kill -9`` say, leaves its
entry: the next attempt takes the job there up again, and where there is none, since our job is over, `tidy` aborts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from penstock.clock import Clock
from penstock.db import Database, upsert
from penstock.direct import Statement
from tap_proxy.core.tap_schema import NAME
from tap_proxy.upstream.asking import Report, abort
from tap_proxy.upstream.client import Request, UpstreamClient

Unfinished = Callable[[Collection[str]], Awaitable[frozenset[str]]]
"""Tells which of our jobs run, or will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A job of an upstream that works for a job of ours.

    Parameters
    ----------
    job_id
        Our job.
    upstream
        The name of the mount.
    url
        The job there.
    request
        A digest of what it was asked for.
    ends
        When its time limit has ended it for certain.
    """

    job_id: str
    upstream: str
    url: str
    request: str
    ends: datetime


class Shadows:
    """The table of jobs of upstreams.

    Parameters
    ----------
    db
        Where it is.
    unfinished
        Tells which of our jobs run, or will.
    clock
        Tells the time.
    """

    def __init__(self, db: Database, unfinished: Unfinished, clock: Clock) -> None:
        self._db = db
        self._unfinished = unfinished
        self.clock = clock
        columns = [sa.Column(name, sa.Text) for name in ("upstream", "url", "request", "ends")]
        key = sa.Column("job_id", sa.Text, primary_key=True)
        self._table = db.namespace(NAME).table("upstream_job", key, *columns)
        self._all = Statement.of(sa.select(self._table), db.dialect)

    async def find(self, job_id: str) -> Shadow | None:
        """Return the job that works for one of ours."""
        async with self._db.read() as connection:
            found = await connection.execute(sa.select(self._table).where(self._table.c.job_id == job_id))
            row = found.mappings().first()
        return None if row is None else _shadow(row)

    async def all(self) -> Sequence[Shadow]:
        """Return all of them."""
        return [_shadow(row) for row in await self._db.direct.read(self._all, {})]

    async def keep(self, shadow: Shadow) -> None:
        """Note a job, in the place of an earlier one for the same job of ours."""
        async with self._db.write() as connection:
            await upsert(connection, self._table, [asdict(shadow) | {"ends": shadow.ends.isoformat()}])

    async def forget(self, job_id: str, url: str) -> None:
        """Forget a job, unless another has taken its place."""
        t = self._table
        async with self._db.write() as connection:
            await connection.execute(sa.delete(t).where(t.c.job_id == job_id, t.c.url == url))

    async def is_wanted(self, job_id: str) -> bool:
        """Tell whether a job of ours runs, or will."""
        return bool(await self._unfinished([job_id]))

    async def tidy(self, clients: Mapping[str, UpstreamClient]) -> None:
        """Abort the jobs there that work for none of ours any more; try again next time where an upstream is away."""
        kept = await self.all()
        wanted = await self._unfinished([each.job_id for each in kept]) if kept else frozenset()
        for shadow in kept:
            if shadow.job_id in wanted:
                continue
            client = clients.get(shadow.upstream)
            done = client is not None and client.is_ours(shadow.url) and await abort(client, shadow.url)
            if done or shadow.ends < self.clock():
                await self.forget(shadow.job_id, shadow.url)


class Attempt:
    """What an attempt of a job of ours tells and keeps of the job there (`tap_proxy.upstream.asking.Here`).

    Parameters
    ----------
    shadows
        Where it is kept.
    job_id
        Our job.
    report
        Tells how it is doing.
    """

    def __init__(self, shadows: Shadows, job_id: str, report: Report) -> None:
        self.report = report
        self._shadows = shadows
        self._job_id = job_id

    async def begun(self, client: UpstreamClient, request: Request) -> str | None:
        """Return the job there that an earlier attempt made for the same request."""
        known = await self._shadows.find(self._job_id)
        if known is None:
            return None
        if known.upstream != client.site.name or not client.is_ours(known.url):
            return None
        if known.request != _digest(client, request):  # tables were published under other names meanwhile
            await abort(client, known.url)
            return None
        return known.url

    async def keep(self, client: UpstreamClient, request: Request, url: str, limit_s: float) -> None:
        """Note the job there, which may run for `limit_s` seconds."""
        shadow = Shadow(
            job_id=self._job_id,
            upstream=client.site.name,
            url=url,
            request=_digest(client, request),
            ends=self._shadows.clock() + timedelta(seconds=limit_s),
        )
        await self._shadows.keep(shadow)

    async def forget(self, url: str) -> None:
        """Forget the job there, since it is over."""
        await self._shadows.forget(self._job_id, url)

    async def is_wanted(self) -> bool:
        """Tell whether our job runs, or will in another attempt."""
        return await self._shadows.is_wanted(self._job_id)


def _digest(client: UpstreamClient, request: Request) -> str:
    asked = [client.site.url, sorted(request.params.items()), [part.name for part in request.parts]]
    return hashlib.sha256(orjson.dumps(asked)).hexdigest()


def _shadow(row: Mapping[Any, Any]) -> Shadow:
    return Shadow(
        job_id=row["job_id"],
        upstream=row["upstream"],
        url=row["url"],
        request=row["request"],
        ends=datetime.fromisoformat(row["ends"]),
    )
