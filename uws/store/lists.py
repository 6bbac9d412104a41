"""The query for a page of a job list: its cost is that of the page, however many jobs there are.

Every phase of every owner is one range of one index, read from its newest end for no more rows than the page has; the
page is the newest of these. A condition on phases over one common range would read past everything that it leaves out,
archived jobs above all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import sqlalchemy as sa

from penstock.db import Dialect
from penstock.direct import Statement
from uws.core.job import first_id_after
from uws.ports import JobQuery
from uws.store.tables import Tables

_EVERYTHING = 2**31 - 1
_FIRST_ID, _BEYOND_IDS = "", "~"


@dataclass(frozen=True, slots=True)
class _Shape:
    """What of a query changes its text; `owners` None is everybody, else whether each is somebody."""

    dialect: Dialect
    phases: tuple[str, ...]
    owners: tuple[bool, ...] | None
    typed: bool


def page_statement(dialect: Dialect, query: JobQuery) -> tuple[Statement, Mapping[str, Any]]:
    """Return the statement for a query and its values."""
    filters, owners = query.filters, query.owners
    values = {
        "type": query.job_type,
        "first": _FIRST_ID if filters.after is None else first_id_after(filters.after),
        "before": query.before or _BEYOND_IDS,
        "page": _EVERYTHING if filters.last is None else filters.last,
    } | {f"owner_{number}": owner for number, owner in enumerate(owners or ())}
    shape = _Shape(
        dialect,
        tuple(sorted(phase.value for phase in filters.phases)),
        None if owners is None else tuple(owner is not None for owner in owners),
        query.job_type is not None,
    )
    return _page(shape), values


@lru_cache(maxsize=256)
def _page(shape: _Shape) -> Statement:
    job = Tables.of(shape.dialect).job
    ranges = [
        _range(job, phase, owned, typed=shape.typed)
        for phase, owned in product(shape.phases, _owned(job, shape.owners))
    ]
    found = sa.union_all(*(sa.select(each.c.id) for each in ranges)).subquery()
    newest = sa.select(found.c.id).order_by(found.c.id.desc()).limit(_page_size()).subquery()
    page = sa.select(job.c.id, job.c.type, job.c.phase, job.c.owner, job.c.run_id, job.c.creation_time)
    return Statement.of(page.where(job.c.id.in_(sa.select(newest.c.id))).order_by(job.c.id.desc()), shape.dialect)


def _range(job: sa.Table, phase: str, owned: tuple[sa.ColumnElement[bool], ...], *, typed: bool) -> sa.Subquery:
    of_type = (job.c.type == sa.bindparam("type", type_=sa.Text),) if typed else ()
    between = (
        job.c.id >= sa.bindparam("first", type_=sa.Text),
        job.c.id < sa.bindparam("before", type_=sa.Text),
    )
    chosen = sa.select(job.c.id).where(*owned, *of_type, job.c.phase == sa.literal_column(f"'{phase}'"), *between)
    return chosen.order_by(job.c.id.desc()).limit(_page_size()).subquery()


def _owned(job: sa.Table, owners: tuple[bool, ...] | None) -> list[tuple[sa.ColumnElement[bool], ...]]:
    """Return the condition for each owner: none for everybody."""
    if owners is None:
        return [()]
    names = [sa.bindparam(f"owner_{number}", type_=sa.Text) for number in range(len(owners))]
    return [
        (job.c.owner == name if known else job.c.owner.is_(None),) for name, known in zip(names, owners, strict=True)
    ]


def _page_size() -> sa.BindParameter[int]:
    return sa.bindparam("page", type_=sa.Integer)
