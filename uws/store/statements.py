"""The statements of the store, compiled once for each engine.

Names of values: those of the columns where a row is written, `of_` and a name where one is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from penstock.db import Dialect
from penstock.direct import Statement
from uws.core.job import RUNNING, Phase
from uws.ports import CHANNEL
from uws.store.tables import Tables

_DUE_LIMIT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What the store executes; those that change a job return its id where they found it as they were told."""

    create: Statement
    create_queued: Statement
    get: Statement
    update: Statement
    forget: Statement
    heartbeat: Statement
    add_parameter: Statement
    drop_parameters: Statement
    add_result: Statement
    drop_results: Statement
    post: Statement
    done: Statement
    take: Statement
    offered: Statement
    to_discard: Statement
    due: Statement
    next_due: Statement
    creation: Statement
    remember: Statement
    forget_creations: Statement

    @classmethod
    @cache
    def of(cls, dialect: Dialect, light: frozenset[str] = frozenset()) -> Statements:
        """Compile the statements for a dialect; `light` are the names of the job types that are."""
        t = Tables.of(dialect)
        clauses: dict[str, sa.ClauseElement] = {
            "create": sa.insert(t.job),
            "create_queued": sa.insert(t.job).returning(t.job.c.id, *_notification(dialect)),
            "get": _get(t, dialect),
            "update": _update(t, dialect),
            "forget": _same(sa.delete(t.job), t).returning(t.job.c.id, *_notification(dialect)),
            "heartbeat": _heartbeat(t),
            "add_parameter": sa.insert(t.parameter),
            "drop_parameters": sa.delete(t.parameter).where(t.parameter.c.job_id == _given("of_id")),
            "add_result": sa.insert(t.result),
            "drop_results": sa.delete(t.result).where(t.result.c.job_id == _given("of_id")),
            "post": sa.insert(t.outbox).values({name: sa.bindparam(name) for name in ("kind", "job_id", "attempt")}),
            "done": sa.delete(t.outbox).where(
                t.outbox.c.job_id == _given("of_id"), t.outbox.c.kind == _given("of_kind")
            ),
            "take": _take(t, light),
            "offered": _offered(t),
            "to_discard": _to_discard(t),
            "due": _due(t),
            "next_due": _next_due(t),
            "creation": sa.select(t.creation).where(t.creation.c.key == _given("of_key")),
            "remember": _remember(t, dialect),
            "forget_creations": sa.delete(t.creation).where(t.creation.c.time < _given("before")),
        }
        return cls(**{name: Statement.of(clause, dialect) for name, clause in clauses.items()})


def part_columns(table: sa.Table) -> tuple[str, ...]:
    """Return the columns of a parameter or a result, in the order in which `get` gives them."""
    return tuple(column.name for column in table.c if column.name != "job_id")


def _given(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


def _notification(dialect: Dialect) -> tuple[sa.ColumnElement[Any], ...]:
    """Return what notifies, in the transaction of the statement that returns it (see `uws.events`)."""
    return (sa.func.pg_notify(CHANNEL, _given("news")),) if dialect == "postgresql" else ()


def _same(clause: Any, t: Tables) -> Any:
    """Let a statement find a job only if nobody has changed it."""
    return clause.where(
        t.job.c.id == _given("of_id"), t.job.c.version == sa.bindparam("of_version", type_=sa.BigInteger)
    )


def _get(t: Tables, dialect: Dialect) -> sa.Select[Any]:
    """Return the query for a job: its parameters and its results are arrays of arrays in JSON."""

    def parts(table: sa.Table) -> sa.ColumnElement[Any]:
        columns = [table.c[name] for name in part_columns(table)]
        if dialect == "postgresql":
            array = sa.func.json_agg(sa.func.json_build_array(*columns))
        else:
            array = sa.func.json_group_array(sa.func.json_array(*columns))
        return sa.select(array).where(table.c.job_id == t.job.c.id).correlate(t.job).scalar_subquery()

    found = sa.select(t.job, parts(t.parameter).label("parameters"), parts(t.result).label("results"))
    return found.where(t.job.c.id == _given("of_id"))


def _update(t: Tables, dialect: Dialect) -> sa.ClauseElement:
    values: dict[str, Any] = {
        column.name: sa.bindparam(f"new_{column.name}") for column in t.job.c if column.name != "id"
    }
    changed: sa.ClauseElement = _same(sa.update(t.job), t).values(values).returning(t.job.c.id, *_notification(dialect))
    return changed


def _heartbeat(t: Tables) -> sa.ClauseElement:
    job = t.job.c
    return (
        sa.update(t.job)
        .where(
            job.id == _given("of_id"),
            job.attempt == sa.bindparam("of_attempt", type_=sa.Integer),
            job.worker == _given("of_worker"),
            _either(job.phase, RUNNING),
        )
        .values(
            lease_until=sa.bindparam("until"),
            info=sa.func.coalesce(_given("said"), job.info),
            version=job.version + sa.bindparam("steps", type_=sa.BigInteger),
        )
        .returning(job.deadline)
    )


def _take(t: Tables, light: frozenset[str]) -> sa.ClauseElement:
    """Return what takes attempts of both kinds; who waits is QUEUED, so an index finds the few that are light."""
    box, job = t.outbox, t.job.c
    is_light = box.c.job_id.in_(sa.select(job.id).where(_either(job.type, light), job.phase == Phase.QUEUED.value))

    def oldest(which: sa.ColumnElement[bool], limit: str) -> sa.Select[Any]:
        waiting = (
            sa.select(box.c.id)
            .where(box.c.kind == "RUN", sa.or_(box.c.taken.is_(None), box.c.taken < _given("stale")), which)
            .order_by(box.c.id)
            .limit(sa.bindparam(limit, type_=sa.Integer))
            .with_for_update(skip_locked=True)
        )
        return sa.select(waiting.subquery().c.id)  # what locks its rows cannot be a part of a union itself

    both = sa.union_all(oldest(~is_light, "limit"), oldest(is_light, "light_limit"))
    taken = sa.update(box).where(box.c.id.in_(both.scalar_subquery()))
    return taken.values(taken=sa.bindparam("now")).returning(
        box.c.id, box.c.job_id, box.c.attempt, is_light.label("light")
    )


def _offered(t: Tables) -> sa.ClauseElement:
    box = t.outbox.c
    return sa.select(sa.func.count().label("attempts")).where(box.kind == "RUN", box.taken.is_not(None))


def _to_discard(t: Tables) -> sa.ClauseElement:
    box = t.outbox.c
    return sa.select(box.job_id).where(box.kind == "DISCARD").order_by(box.id).limit(_DUE_LIMIT)


def _due(t: Tables) -> sa.ClauseElement:
    """Return the query for what has come due: its kind, by its name in `Due`, and the id of the job."""
    job = t.job.c
    running = _either(job.phase, RUNNING)
    kinds = (
        ("lost", job.lease_until, running),
        ("overrun", job.deadline, running),
        ("destruction", job.destruction, _not_archived(t)),
    )
    found = [
        sa.select(sa.literal(kind).label("kind"), job.id)
        .where(column <= _given("now"), condition)
        .limit(_DUE_LIMIT)
        .subquery()
        for kind, column, condition in kinds
    ]
    return sa.union_all(*(sa.select(each) for each in found))


def _next_due(t: Tables) -> sa.ClauseElement:
    job = t.job.c
    earliest = (
        (job.lease_until, sa.true()),
        (job.deadline, sa.true()),
        (job.destruction, _not_archived(t)),
    )
    return sa.union_all(
        *(
            sa.select(sa.func.min(column).label("instant")).where(column.is_not(None), condition)
            for column, condition in earliest
        )
    )


def _remember(t: Tables, dialect: Dialect) -> sa.ClauseElement:
    """Return what writes a creation unless its key is there; one that is about to be written is waited for."""
    insert = postgresql_insert if dialect == "postgresql" else sqlite_insert
    return insert(t.creation).on_conflict_do_nothing().returning(t.creation.c.key)


def _not_archived(t: Tables) -> sa.ColumnElement[bool]:
    """Return the condition in the very words of the index."""
    return t.job.c.phase != sa.literal_column("'ARCHIVED'")


def _either(column: sa.ColumnElement[Any], values: Iterable[str]) -> sa.ColumnElement[bool]:
    return sa.or_(sa.false(), *(column == str(value) for value in sorted(values)))
