"""The tables of the relational registry in the database, filled in the transactions in which records are kept.

All tables hang on ``rr.resource``: when a row goes there, what is said of the resource elsewhere goes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from lxml import etree
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.db import Database, Dialect, Namespace
from penstock.moc import Bounds, parse_moc, runs_of, to_bytes
from penstock.tables import Column, Table
from registry.core.regtap import MAPPING, Row, rows_of
from registry.core.regtap.tables import BOUNDS, FILLED, NAME
from registry.core.voresource import parse

BATCH = 500
LOCK_KEY = 0x52525F5F  # any constant: one writer of these tables at a time in a PostgreSQL database
_TYPES: Mapping[str, type[sa.types.TypeEngine[Any]]] = {
    "char": sa.Text,
    "unicodeChar": sa.Text,
    "int": sa.Integer,
    "double": sa.Double,
}


@dataclass(frozen=True, slots=True)
class RegtapTables:
    """The tables in one dialect; `mapping` notes by which way from records to rows they were filled."""

    metadata: sa.MetaData
    filled: Mapping[str, sa.Table]
    mapping: sa.Table
    record: sa.TableClause

    @classmethod
    def of(cls, dialect: Dialect) -> RegtapTables:
        """Declare the tables for a dialect."""
        ns, own = Namespace.of(dialect, NAME), Namespace.of(dialect, "registry")
        filled = {table.name: ns.table(table.name, *_columns(ns, table)) for table in FILLED}
        mapping = own.table("regtap", sa.Column("mapping", sa.Integer, primary_key=True, autoincrement=False))
        record = own.table("record", sa.Column("ivoid"), sa.Column("deleted", sa.Boolean), sa.Column("xml"))
        return cls(ns.metadata, filled, mapping, record)


_tables = cache(RegtapTables.of)


def _columns(ns: Namespace, table: Table) -> Iterator[sa.Column[Any]]:
    if table.name == "resource":
        yield sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True)
    for column in table.columns:
        yield _column(ns, table, column)
        if column.moc_bounds:
            yield sa.Column(column.moc_bounds, sa.LargeBinary().with_variant(postgresql.INT8MULTIRANGE(), "postgresql"))


def _column(ns: Namespace, table: Table, column: Column) -> sa.Column[Any]:
    kind = _TYPES[column.datatype]
    if column.name != "ivoid":
        return sa.Column(column.name, kind, nullable=column.nullable)
    if table.name == "resource":
        return sa.Column(column.name, kind, nullable=False, unique=True)
    owner = sa.ForeignKey(ns.reference("resource", "ivoid"), ondelete="CASCADE")
    return sa.Column(column.name, kind, owner, nullable=False)


async def write_many(connection: AsyncConnection, records: Mapping[str, etree._Element | None]) -> None:
    """Make the rows of resources those of their records, within the caller's transaction.

    Parameters
    ----------
    connection
        A connection that writes.
    records
        The ``ri:Resource`` by identifier; None, or a record that is not active, leaves no rows.
    """
    tables = _tables("postgresql" if connection.dialect.name == "postgresql" else "sqlite")
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in tables.filled}
    # Identifiers differ by more than case (IVOA Identifiers 2.0 s2.1): of two that do not, the last counts.
    latest = {identifier.lower(): record for identifier, record in records.items()}
    for ivoid, record in latest.items():
        made = rows_of(ivoid, record) if record is not None else {}
        for name, found in made.items():
            rows[name] += _completed(tables.filled[name], found, connection.dialect.name)
    if connection.dialect.name == "postgresql":
        # Of two that replace the rows of one resource the second would not see those that the first wrote.
        await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    resource = tables.filled["resource"]
    for some in _slices(list(latest)):
        await connection.execute(sa.delete(resource).where(resource.c.ivoid.in_(some)))
    for name, table in tables.filled.items():
        if rows[name]:
            await connection.execute(sa.insert(table), rows[name])


def _slices(ivoids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ivoids[start : start + BATCH] for start in range(0, len(ivoids), BATCH))


def _completed(table: sa.Table, rows: Sequence[Row], engine: str) -> Iterator[dict[str, Any]]:
    """Yield rows with a value for every column: one statement then inserts them all."""
    names = [name for name in table.c.keys() if name not in {"id", BOUNDS}]  # noqa: SIM118  # no mapping
    for row in rows:
        completed: dict[str, Any] = {name: row.get(name) for name in names}
        if BOUNDS in table.c:
            bounds = parse_moc(str(row["coverage"]))
            completed[BOUNDS] = _multirange(bounds) if engine == "postgresql" else to_bytes(bounds)
        yield completed


def _multirange(bounds: Bounds) -> postgresql.ranges.MultiRange[int]:
    return postgresql.ranges.MultiRange(postgresql.Range(begin, end) for begin, end in runs_of(bounds))


async def refill(db: Database) -> None:
    """Fill the tables from the records that are kept, if they were not filled in the present way.

    Records go some at a time: whoever asks meanwhile sees the old rows or the new ones of each. What breaks off is
    begun again the next time.
    """
    tables = _tables(db.dialect)
    async with db.read() as connection:
        if await connection.scalar(sa.select(tables.mapping.c.mapping)) == MAPPING:
            return
    last: str | None = ""
    while last is not None:
        last = await _refill_some(db, tables.record, last)
    async with db.write() as connection:
        await connection.execute(sa.delete(tables.mapping))
        await connection.execute(sa.insert(tables.mapping).values(mapping=MAPPING))


async def _refill_some(db: Database, record: sa.TableClause, after: str) -> str | None:
    """Write the rows of the records that follow an identifier, and return the last identifier, None at the end."""
    query = sa.select(record).where(record.c.ivoid > after).order_by(record.c.ivoid).limit(BATCH)
    async with db.write() as connection:
        found = (await connection.execute(query)).all()
        await write_many(connection, {row.ivoid: None if row.deleted else parse(row.xml) for row in found})
    return found[-1].ivoid if found else None
