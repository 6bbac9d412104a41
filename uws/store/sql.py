"""Jobs in a database: the truth, changed by compare-and-set only.

`SqlStore.change` compares `version`, which every change raises; so phase and attempt are fenced, and a change of
parameters cannot slip between the reading of a job and its start. Heartbeats do not raise it: they say nothing new.

What must not be lost is written in the same transaction: a row in the outbox for an attempt to start or files to
remove, and on PostgreSQL the notification (see `uws.events`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.dali.values import format_timestamp
from penstock.db import Database
from uws.core.job import Job, JobSummary, Lease, Phase, first_id_after
from uws.core.phases import Effect
from uws.ports import CHANNEL, FOREVER, Change, Dispatch, Due, JobQuery, change_to_text
from uws.store.rows import job_of, job_row, parameter_of, parameter_rows, result_of, result_rows, summary_of, to_instant
from uws.store.tables import Tables

_DUE_LIMIT = 200
_RUNNING = (Phase.EXECUTING.value, Phase.SUSPENDED.value)
_RETRY_AFTER_S = 5


class SqlStore:
    """A `JobStore` in the tables of `uws.tables`.

    Parameters
    ----------
    db
        Where they are; migrated already.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._t = Tables.of(db.dialect)
        self._not_archived = self._t.job.c.phase != Phase.ARCHIVED.value
        self._get_job = sa.select(self._t.job).where(self._t.job.c.id == sa.bindparam("job_id"))
        self._get_parts = _parts(self._t)

    async def create(self, job: Job) -> None:
        """Keep a new job; one that is QUEUED waits for an executor from now on."""
        async with self._db.write() as connection:
            await connection.execute(sa.insert(self._t.job).values(job_row(job)))
            await self._insert(connection, self._t.parameter, parameter_rows(job))
            if job.phase is Phase.QUEUED:
                await self._dispatch(connection, job)
                await self._notify(connection, job)

    async def get(self, job_id: str) -> Job | None:
        """Return the job with parameters and results, None if there is none."""
        async with self._db.read() as connection:
            row = (await connection.execute(self._get_job, {"job_id": job_id})).mappings().one_or_none()
            if row is None:
                return None
            parts = (await connection.execute(self._get_parts, {"job_id": job_id})).all()
        return replace(
            job_of(row),
            parameters=tuple(parameter_of(part) for part in parts if part.kind == "P"),
            results=tuple(result_of(part) for part in parts if part.kind == "R"),
        )

    async def list_jobs(self, query: JobQuery) -> Sequence[JobSummary]:
        """Return the jobs, newest first: in the descending order of ids."""
        job, filters = self._t.job.c, query.filters
        found = sa.select(job.id, job.type, job.phase, job.owner, job.run_id, job.creation_time).order_by(job.id.desc())
        if query.owners is not None:
            found = found.where(sa.or_(*(job.owner == owner for owner in query.owners)))
        if query.job_type is not None:
            found = found.where(job.type == query.job_type)
        if filters.after is not None:
            found = found.where(job.id >= first_id_after(filters.after))
        if filters.last is not None:
            found = found.limit(filters.last)
        async with self._db.read() as connection:
            rows = await connection.execute(found.where(self._in_phases(filters.phases)))
            return [summary_of(row) for row in rows]

    async def change(self, before: Job, after: Job, effects: frozenset[Effect]) -> bool:
        """Write `after` if the job still is as `before` says, and with it the effects that must not be lost."""
        async with self._db.write() as connection:
            if not await self._compare_and_set(connection, before, after, effects):
                return False
            if before.phase is Phase.QUEUED:
                await connection.execute(sa.delete(self._t.outbox).where(self._rows_of(before.id, "RUN")))
            if Effect.DISPATCH in effects:
                await self._dispatch(connection, after)
            if effects & {Effect.FORGET, Effect.DISCARD}:
                await self._post(connection, "DISCARD", after)
            if Effect.NOTIFY in effects:
                await self._notify(connection, after, gone=Effect.FORGET in effects)
        return True

    async def heartbeat(self, dispatch: Dispatch, lease: Lease, info: Mapping[str, Any] | None) -> datetime | None:
        """Extend the lease of a running attempt and keep what it says of its progress."""
        job = self._t.job
        values: dict[str, Any] = {"lease_until": format_timestamp(lease.until)}
        if info is not None:
            values["info"] = orjson.dumps(dict(info)).decode()
        beat = (
            sa.update(job)
            .where(
                job.c.id == dispatch.job_id,
                job.c.attempt == dispatch.attempt,
                job.c.worker == lease.worker,
                job.c.phase.in_(_RUNNING),
            )
            .values(values)
            .returning(job.c.deadline)
        )
        async with self._db.write() as connection:
            row = (await connection.execute(beat)).one_or_none()
        if row is None:
            return None
        return FOREVER if row.deadline is None else to_instant(row.deadline)

    async def take(self, limit: int, *, now: datetime, stale: datetime) -> Sequence[Dispatch]:
        """Return attempts to start that nobody has taken since `stale`, oldest first, and mark them as taken."""
        box = self._t.outbox
        waiting = (
            sa.select(box.c.id)
            .where(box.c.kind == "RUN", sa.or_(box.c.taken.is_(None), box.c.taken < format_timestamp(stale)))
            .order_by(box.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        take = (
            sa.update(box)
            .where(box.c.id.in_(waiting.scalar_subquery()))
            .values(taken=format_timestamp(now))
            .returning(box.c.id, box.c.job_id, box.c.attempt)
        )
        async with self._db.write() as connection:
            rows = sorted((await connection.execute(take)).all())
        return [Dispatch(job_id=row.job_id, attempt=row.attempt) for row in rows]

    async def to_discard(self) -> Sequence[str]:
        """Return ids of jobs whose files must go."""
        box = self._t.outbox.c
        async with self._db.read() as connection:
            found = sa.select(box.job_id).where(box.kind == "DISCARD").order_by(box.id).limit(_DUE_LIMIT)
            return (await connection.execute(found)).scalars().all()

    async def discarded(self, job_id: str) -> None:
        """Note that the files are gone."""
        async with self._db.write() as connection:
            await connection.execute(sa.delete(self._t.outbox).where(self._rows_of(job_id, "DISCARD")))

    async def due(self, now: datetime) -> Due:
        """Return what has come due; at most some hundreds of each kind at a time."""
        job, instant = self._t.job.c, format_timestamp(now)
        running = job.phase.in_(_RUNNING)
        async with self._db.read() as connection:
            return Due(
                lost=await self._ids(connection, job.lease_until <= instant, running),
                overrun=await self._ids(connection, job.deadline <= instant, running),
                destruction=await self._ids(connection, job.destruction <= instant, self._not_archived),
            )

    async def next_due(self) -> datetime | None:
        """Return when something comes due next; None if nothing will."""
        job = self._t.job.c
        columns = (job.lease_until, job.deadline, job.destruction)
        earliest = sa.union_all(*(sa.select(sa.func.min(column)).where(column.is_not(None)) for column in columns))
        async with self._db.read() as connection:
            instants = [text for text in (await connection.execute(earliest)).scalars() if text is not None]
        return to_instant(min(instants)) if instants else None

    async def _compare_and_set(
        self, connection: AsyncConnection, before: Job, after: Job, effects: frozenset[Effect]
    ) -> bool:
        same = sa.and_(self._t.job.c.id == before.id, self._t.job.c.version == before.version)
        if Effect.FORGET in effects:
            return (await connection.execute(sa.delete(self._t.job).where(same))).rowcount == 1
        values = job_row(replace(after, version=before.version + 1))
        if (await connection.execute(sa.update(self._t.job).where(same).values(values))).rowcount != 1:
            return False
        if after.parameters != before.parameters:
            await self._replace(connection, self._t.parameter, after.id, parameter_rows(after))
        if after.results != before.results:
            await self._replace(connection, self._t.result, after.id, result_rows(after))
        return True

    async def _dispatch(self, connection: AsyncConnection, job: Job) -> None:
        await self._post(connection, "RUN", job)

    async def _post(self, connection: AsyncConnection, kind: str, job: Job) -> None:
        row = {"kind": kind, "job_id": job.id, "attempt": job.attempt}
        await connection.execute(sa.insert(self._t.outbox).values(row))

    async def _notify(self, connection: AsyncConnection, job: Job, *, gone: bool = False) -> None:
        if self._db.dialect == "postgresql":
            text = change_to_text(Change(job_id=job.id, phase=None if gone else job.phase))
            await connection.execute(sa.select(sa.func.pg_notify(CHANNEL, text)))

    async def _insert(self, connection: AsyncConnection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            await connection.execute(sa.insert(table), rows)

    async def _replace(
        self, connection: AsyncConnection, table: sa.Table, job_id: str, rows: list[dict[str, Any]]
    ) -> None:
        await connection.execute(sa.delete(table).where(table.c.job_id == job_id))
        await self._insert(connection, table, rows)

    async def _ids(self, connection: AsyncConnection, *conditions: sa.ColumnElement[bool]) -> Sequence[str]:
        found = sa.select(self._t.job.c.id).where(*conditions).limit(_DUE_LIMIT)
        return (await connection.execute(found)).scalars().all()

    def _rows_of(self, job_id: str, kind: str) -> sa.ColumnElement[bool]:
        return sa.and_(self._t.outbox.c.job_id == job_id, self._t.outbox.c.kind == kind)

    def _in_phases(self, phases: frozenset[Phase]) -> sa.ColumnElement[bool]:
        if set(Phase) - phases == {Phase.ARCHIVED}:
            return self._not_archived
        return self._t.job.c.phase.in_(sorted(phases))


def _parts(tables: Tables) -> sa.CompoundSelect[Any]:
    """Return the query for parameters and results at once: kind P and R."""
    p, r, job_id = tables.parameter.c, tables.result.c, sa.bindparam("job_id", type_=sa.Text)
    kind_p, kind_r = sa.literal("P").label("kind"), sa.literal("R").label("kind")
    size = sa.literal(0).label("size_bytes")
    parameters = sa.select(kind_p, p.seq, p.id, p.value, p.blob, p.media_type, size)
    results = sa.select(kind_r, r.seq, r.id, sa.literal(""), r.blob, r.media_type, r.size_bytes)
    both = parameters.where(p.job_id == job_id).union_all(results.where(r.job_id == job_id))
    return both.order_by(sa.column("kind"), sa.column("seq"))
