"""The tables of the registry, and what all its stores do with them.

Stamps are text, UTC in whole seconds, which sorts as time does on both engines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from lxml import etree
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.db import Dialect, Namespace
from registry.core.envelope import Stored

SCHEMA = "registry"
LOCK_KEY = 0x52454749  # any constant: one writer of records at a time in a PostgreSQL database

Index = Callable[[AsyncConnection, Mapping[str, etree._Element | None]], Awaitable[None]]
"""Brings another view of records up to date, in the transaction that changes them; None is a record that is gone."""


async def no_index(_connection: AsyncConnection, _records: Mapping[str, etree._Element | None]) -> None:
    """Do nothing: there is no other view."""


@dataclass(frozen=True, slots=True)
class RegistryTables:
    """The tables in one dialect.

    In `record`, `key` is the identifier in lower case and `digest` is of the record without its stamps; `managed` are
    the records of our own.
    """

    metadata: sa.MetaData
    record: sa.Table
    source: sa.Table
    quarantine: sa.Table

    @classmethod
    def of(cls, dialect: Dialect) -> RegistryTables:
        """Declare the tables for a dialect."""
        ns = Namespace.of(dialect, SCHEMA)
        record = ns.table(
            "record",
            sa.Column("ivoid", sa.Text, primary_key=True),
            sa.Column("digest", sa.Text, nullable=False),
            sa.Column("created", sa.Text, nullable=False),
            sa.Column("updated", sa.Text, nullable=False),
            sa.Column("deleted", sa.Boolean, nullable=False),
            sa.Column("xml", sa.Text, nullable=False),
            sa.Column("key", sa.Text, nullable=False),
            sa.Column("origin", sa.Text, nullable=False),
            sa.Column("managed", sa.Boolean, nullable=False),
            sa.Column("type", sa.Text, nullable=False),
            sa.Column("title", sa.Text, nullable=False),
            sa.Column("status", sa.Text, nullable=False),
            sa.Column("generation", sa.Integer, nullable=False),
        )
        sa.Index("registry_record_managed", record.c.managed, record.c.updated, record.c.ivoid)
        sa.Index("registry_record_key", record.c.key, unique=True)
        sa.Index("registry_record_origin", record.c.origin, record.c.generation)
        source = ns.table(
            "source",
            sa.Column("url", sa.Text, primary_key=True),
            sa.Column("set", sa.Text, nullable=False),
            sa.Column("watermark", sa.Text),
            sa.Column("token", sa.Text),
            sa.Column("begun", sa.Text),
            sa.Column("full", sa.Boolean, nullable=False),
            sa.Column("generation", sa.Integer, nullable=False),
            sa.Column("attempted", sa.Text),
            sa.Column("finished", sa.Text),
            sa.Column("error", sa.Text),
            sa.Column("version", sa.Integer, nullable=False),
        )
        quarantine = ns.table(
            "quarantine",
            sa.Column("source", sa.Text, primary_key=True),
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("ivoid", sa.Text, nullable=False),
            sa.Column("reason", sa.Text, nullable=False),
            sa.Column("seen", sa.Text, nullable=False),
            sa.Column("xml", sa.Text, nullable=False),
        )
        return cls(ns.metadata, record, source, quarantine)


def stored(row: Any) -> Stored:
    """Return a row of `record` as the record that it is."""
    return Stored(
        ivoid=row.ivoid,
        updated=row.updated,
        deleted=row.deleted,
        xml=row.xml.encode(),
        digest=row.digest,
        origin=row.origin,
    )
