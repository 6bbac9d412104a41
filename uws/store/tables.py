"""The tables of UWS.

Instants are text in ISO 8601 with milliseconds on both engines, which sorts as time does and is what documents show.
Ids sort as creation times do, so lists are read in the order of ids. `deadline` is ``start_time + execution_duration``
while the job runs: the sweeper finds by it what has overrun.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from penstock.db import Dialect, Namespace

SCHEMA = "uws"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables in one dialect."""

    metadata: sa.MetaData
    job: sa.Table
    parameter: sa.Table
    result: sa.Table
    outbox: sa.Table
    creation: sa.Table

    @classmethod
    @cache
    def of(cls, dialect: Dialect) -> Tables:
        """Declare the tables for a dialect."""
        ns = Namespace.of(dialect, SCHEMA)
        job = ns.table("job", *job_columns())
        _index(job)
        reference = ns.reference("job", "id")
        outbox = ns.table("outbox", *outbox_columns())
        sa.Index("uws_outbox_job", outbox.c.job_id)
        creation = ns.table("creation", *creation_columns())
        sa.Index("uws_creation_time", creation.c.time)
        return cls(
            metadata=ns.metadata,
            job=job,
            parameter=ns.table("job_parameter", *parameter_columns(reference)),
            result=ns.table("job_result", *result_columns(reference)),
            outbox=outbox,
            creation=creation,
        )


def _index(job: sa.Table) -> None:
    """Declare the indexes of jobs: for lists (see `uws.store.lists`), and for what comes due."""
    c = job.c
    sa.Index("uws_job_phase", c.phase, c.id)
    sa.Index("uws_job_owner_phase", c.owner, c.phase, c.id)
    sa.Index("uws_job_type_phase", c.type, c.phase, c.id)
    sa.Index("uws_job_owner_type_phase", c.owner, c.type, c.phase, c.id)
    kept = sa.and_(c.destruction.is_not(None), c.phase != sa.literal_column("'ARCHIVED'"))
    for name, column, where in (
        ("uws_job_destruction", c.destruction, kept),
        ("uws_job_deadline", c.deadline, c.deadline.is_not(None)),
        ("uws_job_lease", c.lease_until, c.lease_until.is_not(None)),
    ):
        sa.Index(name, column, sqlite_where=where, postgresql_where=where)


def job_columns() -> list[sa.Column[Any]]:
    """Return the columns of a job."""
    return [
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("owner_groups", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("creation_time", sa.Text, nullable=False),
        sa.Column("start_time", sa.Text),
        sa.Column("end_time", sa.Text),
        sa.Column("quote", sa.Text),
        sa.Column("destruction", sa.Text),
        sa.Column("execution_duration_s", sa.Integer, nullable=False),
        sa.Column("deadline", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("lease_until", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("info", sa.Text, nullable=False),
    ]


def parameter_columns(job_id: str) -> list[sa.Column[Any]]:
    """Return the columns of a parameter; `job_id` is what they refer to."""
    return [
        sa.Column("job_id", sa.Text, sa.ForeignKey(job_id, ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("blob", sa.Text),
        sa.Column("media_type", sa.Text),
    ]


def result_columns(job_id: str) -> list[sa.Column[Any]]:
    """Return the columns of a result; a job has one result of an id (UWS 1.1 s2.2.2.3)."""
    return [
        sa.Column("job_id", sa.Text, sa.ForeignKey(job_id, ondelete="CASCADE"), primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text),
    ]


def outbox_columns() -> list[sa.Column[Any]]:
    """Return the columns of what must still be done for jobs: `kind` RUN or DISCARD.

    A RUN stays until its attempt is claimed or the job is no longer QUEUED; `taken` says when an executor last got it.
    """
    return [
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("taken", sa.Text),
    ]


def creation_columns() -> list[sa.Column[Any]]:
    """Return the columns of a creation; there is no reference to the job, which it may outlive."""
    return [
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
    ]
