"""Jobs in a database: the truth, changed by compare-and-set only.

`SqlStore.change` compares `version`, which every change raises; so phase and attempt are fenced, and a change of
parameters cannot slip between the reading of a job and its start. Of heartbeats only those with results raise it.

What must not be lost is written in the same transaction: a row in the outbox for an attempt to start or files to
remove, and on PostgreSQL the notification (see `uws.events`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from penstock.dali.values import format_timestamp
from penstock.db import Database
from penstock.direct import Row, Step, Work, many, one
from uws.core.job import Job, JobResult, JobSummary, Lease, Phase
from uws.core.phases import Effect
from uws.ports import FOREVER, Cap, Change, Creation, Dispatch, Due, JobQuery, OverCap, change_to_text
from uws.store.caps import full_cap
from uws.store.lists import page_statement
from uws.store.rows import (
    creation_of,
    creation_row,
    job_of,
    job_row,
    parameter_of,
    parameter_rows,
    result_of,
    result_rows,
    summary_of,
    to_instant,
)
from uws.store.statements import Statements, part_columns
from uws.store.tables import Tables

_Part = Generator[Step, Sequence[Row], None]


class SqlStore:
    """A `JobStore` in the tables of `uws.tables`.

    Parameters
    ----------
    db
        Where they are; migrated already.
    light
        The names of the job types that are light.
    """

    def __init__(self, db: Database, light: frozenset[str] = frozenset()) -> None:
        self._db = db
        self._do = Statements.of(db.dialect, light)
        tables = Tables.of(db.dialect)
        self._parameter_columns, self._result_columns = part_columns(tables.parameter), part_columns(tables.result)

    async def create(self, job: Job, *, caps: Sequence[Cap] = (), creation: Creation | None = None) -> bool:
        """Keep a new job, unless its creation is remembered; one that is QUEUED waits for an executor from now on."""
        return await self._under_caps(self._create(job, caps, creation))

    async def creation(self, key: str) -> Creation | None:
        """Return what is remembered under a key."""
        rows = await self._db.direct.read(self._do.creation, {"of_key": key})
        return creation_of(rows[0]) if rows else None

    async def forget_creations(self, before: datetime) -> None:
        """Forget the creations that are older."""
        await self._db.direct.write(self._do.forget_creations, {"before": format_timestamp(before)})

    async def get(self, job_id: str) -> Job | None:
        """Return the job with parameters and results, None if there is none."""
        rows = await self._db.direct.read(self._do.get, {"of_id": job_id})
        if not rows:
            return None
        row = rows[0]
        parameters = _parts(row["parameters"], self._parameter_columns)
        results = _parts(row["results"], self._result_columns)
        return job_of(row, tuple(map(parameter_of, parameters)), tuple(map(result_of, results)))

    async def list_jobs(self, query: JobQuery) -> Sequence[JobSummary]:
        """Return the jobs, newest first: in the descending order of ids."""
        return [summary_of(row) for row in await self._db.direct.read(*page_statement(self._db.dialect, query))]

    async def change(self, before: Job, after: Job, effects: frozenset[Effect], *, caps: Sequence[Cap] = ()) -> bool:
        """Write `after` if the job still is as `before` says, and with it the effects that must not be lost."""
        return await self._under_caps(self._capped_change(before, after, effects, caps))

    async def heartbeat(
        self,
        dispatch: Dispatch,
        lease: Lease,
        info: Mapping[str, Any] | None,
        *,
        results: Sequence[JobResult] | None = None,
    ) -> datetime | None:
        """Extend the lease of a running attempt and keep what it says of its progress and results, if it does."""
        values = {
            "of_id": dispatch.job_id,
            "of_attempt": dispatch.attempt,
            "of_worker": lease.worker,
            "until": format_timestamp(lease.until),
            "said": None if info is None else orjson.dumps(dict(info)).decode(),
            "steps": 0 if results is None else 1,
        }
        if results is None:
            rows = await self._db.direct.write(self._do.heartbeat, values)
        else:
            rows = await self._db.direct.transact(self._beat(values, result_rows(dispatch.job_id, results)))
        if not rows:
            return None
        deadline = rows[0]["deadline"]
        return FOREVER if deadline is None else to_instant(deadline)

    async def take(self, limit: int, *, light: int = 0, now: datetime, stale: datetime) -> Sequence[Dispatch]:
        """Return attempts to start that nobody has taken since `stale`, oldest first, and mark them as taken."""
        values = {
            "limit": limit,
            "light_limit": light,
            "now": format_timestamp(now),
            "stale": format_timestamp(stale),
        }
        rows = await self._db.direct.write(self._do.take, values)
        oldest_first = sorted(rows, key=lambda row: row["id"])
        return [
            Dispatch(job_id=row["job_id"], attempt=row["attempt"], light=bool(row["light"])) for row in oldest_first
        ]

    async def offered(self) -> int:
        """Return how many attempts were taken by executors and wait to be claimed."""
        [row] = await self._db.direct.read(self._do.offered, {})
        return int(row["attempts"])

    async def to_discard(self) -> Sequence[str]:
        """Return ids of jobs whose files must go."""
        return [row["job_id"] for row in await self._db.direct.read(self._do.to_discard, {})]

    async def discarded(self, job_id: str) -> None:
        """Note that the files are gone."""
        await self._db.direct.write(self._do.done, {"of_id": job_id, "of_kind": "DISCARD"})

    async def due(self, now: datetime) -> Due:
        """Return what has come due; at most some hundreds of each kind at a time."""
        kinds: dict[str, list[str]] = {"lost": [], "overrun": [], "destruction": []}
        for row in await self._db.direct.read(self._do.due, {"now": format_timestamp(now)}):
            kinds[row["kind"]].append(row["id"])
        return Due(**kinds)

    async def next_due(self) -> datetime | None:
        """Return when something comes due next; None if nothing will."""
        found = [row["instant"] for row in await self._db.direct.read(self._do.next_due, {})]
        instants = [instant for instant in found if instant is not None]
        return to_instant(min(instants)) if instants else None

    async def attempts(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the present attempt of each of the jobs that exist."""
        job = Tables.of(self._db.dialect).job.c
        async with self._db.read() as connection:
            rows = await connection.execute(sa.select(job.id, job.attempt).where(job.id.in_(job_ids)))
            return {row.id: row.attempt for row in rows}

    async def _under_caps(self, work: Work[bool | Cap]) -> bool:
        outcome = await self._db.direct.transact(work)
        if isinstance(outcome, Cap):
            raise OverCap(outcome)
        return outcome

    def _create(self, job: Job, caps: Sequence[Cap], creation: Creation | None) -> Work[bool | Cap]:
        full = yield from full_cap(self._db.dialect, job, caps)
        if full is not None:
            return full
        if creation is not None and not (yield from one(self._do.remember, creation_row(creation))):
            return False
        if job.phase is Phase.QUEUED:
            yield from one(self._do.create_queued, job_row(job) | {"news": _news(job)})
            yield from self._post("RUN", job)
        else:
            yield from one(self._do.create, job_row(job))
        yield from many(self._do.add_parameter, parameter_rows(job))
        yield from many(self._do.add_result, result_rows(job.id, job.results))
        return True

    def _capped_change(
        self, before: Job, after: Job, effects: frozenset[Effect], caps: Sequence[Cap]
    ) -> Work[bool | Cap]:
        full = yield from full_cap(self._db.dialect, after, caps)
        return (yield from self._change(before, after, effects)) if full is None else full

    def _change(self, before: Job, after: Job, effects: frozenset[Effect]) -> Work[bool]:
        forgets = Effect.FORGET in effects
        same = {"of_id": before.id, "of_version": before.version, "news": _news(after, gone=forgets)}
        if forgets:
            changed = yield from one(self._do.forget, same)
        else:
            row = job_row(replace(after, version=before.version + 1))
            changed = yield from one(self._do.update, same | {f"new_{name}": value for name, value in row.items()})
        if not changed:
            return False
        if not forgets:
            yield from self._write_parts(before, after)
        if before.phase is Phase.QUEUED:
            yield from one(self._do.done, {"of_id": before.id, "of_kind": "RUN"})
        if Effect.DISPATCH in effects:
            yield from self._post("RUN", after)
        if effects & {Effect.FORGET, Effect.DISCARD}:
            yield from self._post("DISCARD", after)
        return True

    def _write_parts(self, before: Job, after: Job) -> _Part:
        if after.parameters != before.parameters:
            if before.parameters:
                yield from one(self._do.drop_parameters, {"of_id": after.id})
            yield from many(self._do.add_parameter, parameter_rows(after))
        if after.results != before.results:
            if before.results:
                yield from one(self._do.drop_results, {"of_id": after.id})
            yield from many(self._do.add_result, result_rows(after.id, after.results))

    def _beat(self, values: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> Work[Sequence[Row]]:
        rows = yield from one(self._do.heartbeat, values)
        if rows:
            yield from one(self._do.drop_results, {"of_id": values["of_id"]})
            yield from many(self._do.add_result, results)
        return rows

    def _post(self, kind: str, job: Job) -> _Part:
        yield from one(self._do.post, {"kind": kind, "job_id": job.id, "attempt": job.attempt})


def _news(job: Job, *, gone: bool = False) -> str:
    return change_to_text(Change(job_id=job.id, phase=None if gone else job.phase))


def _parts(text: str | None, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return the parameters or results that the database gave as arrays of arrays, in their order."""
    found = [dict(zip(columns, values, strict=True)) for values in orjson.loads(text or "[]")]
    return sorted(found, key=lambda part: part["seq"])
