"""How many jobs an owner has, counted so that no two who come at once are both the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from penstock.db import Dialect
from penstock.direct import Statement, Work, one
from uws.core.job import Job, Phase, first_id_after
from uws.ports import Cap
from uws.store.tables import Tables

_LOCK_CLASS = 0x55575351  # any constant: keeps these locks apart from others in a PostgreSQL database


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of a cap changes the text of its statement."""

    dialect: Dialect
    phases: frozenset[Phase]
    owned: bool
    typed: bool


def full_cap(dialect: Dialect, job: Job, caps: Sequence[Cap]) -> Work[Cap | None]:
    """Return the first cap that leaves no room for a job, None if there is room; a part of a transaction.

    It comes before anything is written. On SQLite writers come one after the other anyway; on PostgreSQL those of the
    same owner queue here until the transaction ends.
    """
    if caps and dialect == "postgresql":
        yield from one(_lock(dialect), {"of_owner": job.owner or ""})
    for cap in caps:
        shape = _Shape(dialect, cap.phases, job.owner is not None, cap.job_type is not None)
        values: dict[str, Any] = {
            "of_id": job.id,
            "of_owner": job.owner,
            "of_type": cap.job_type,
            "first": "" if cap.since is None else first_id_after(cap.since),
            "most": cap.most,
        }
        [found] = yield from one(_count(shape), values)
        if found["jobs"] >= cap.most:
            return cap
    return None


@lru_cache(maxsize=64)
def _count(shape: _Shape) -> Statement:
    """Return the query for the number of other jobs, as far as the cap: nobody need count further."""
    job = Tables.of(shape.dialect).job.c
    phases: list[sa.ColumnElement[str]] = [sa.literal_column(f"'{phase.value}'") for phase in sorted(shape.phases)]
    found = sa.select(job.id).where(
        job.owner == sa.bindparam("of_owner", type_=sa.Text) if shape.owned else job.owner.is_(None),
        job.phase.in_(phases),
        job.id >= sa.bindparam("first", type_=sa.Text),
        job.id != sa.bindparam("of_id", type_=sa.Text),
    )
    if shape.typed:
        found = found.where(job.type == sa.bindparam("of_type", type_=sa.Text))
    some = found.limit(sa.bindparam("most", type_=sa.Integer)).subquery()
    return Statement.of(sa.select(sa.func.count().label("jobs")).select_from(some), shape.dialect)


@lru_cache(maxsize=1)
def _lock(dialect: Dialect) -> Statement:
    owner = sa.func.hashtext(sa.bindparam("of_owner", type_=sa.Text))
    lock = sa.func.pg_advisory_xact_lock(sa.literal_column(str(_LOCK_CLASS)), owner)
    return Statement.of(sa.select(lock), dialect)
