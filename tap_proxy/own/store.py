"""What is published of the tables that an operator added, and the change from one version of a table to the next."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa

from penstock.dali.errors import NotFound, UsageError
from penstock.db import Database, physical_name
from penstock.direct import Statement
from tap_proxy.adql.dialect import quoted
from tap_proxy.core.own_tables import OwnTable, table_document, table_of
from tap_proxy.core.tap_schema import NAME
from tap_proxy.own.loading import staged_name


class OwnTables:
    """The added tables of a database.

    Parameters
    ----------
    db
        The database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._table = db.namespace(NAME).table(
            "own_table",
            sa.Column("schema_name", sa.Text, primary_key=True),
            sa.Column("table_name", sa.Text, primary_key=True),
            sa.Column("document", sa.Text),
            sa.Column("row_count", sa.BigInteger),
            sa.Column("added", sa.Text),
            sa.Column("origin", sa.Text),
            sa.Column("in_place", sa.Boolean),
        )
        version = sa.select(sa.func.count().label("tables"), sa.func.max(self._table.c.added).label("latest"))
        self._version = Statement.of(version, db.dialect)

    async def all(self) -> tuple[OwnTable, ...]:
        """Return all added tables, by name."""
        t = self._table
        async with self._db.read() as connection:
            rows = (await connection.execute(sa.select(t).order_by(t.c.schema_name, t.c.table_name))).all()
        return tuple(map(_own, rows))

    async def version(self) -> str:
        """Return a mark that changes with the tables."""
        (row,) = await self._db.direct.read(self._version, {})
        return f"{row['tables']} {row['latest']}"

    async def find(self, schema: str, table: str) -> OwnTable | None:
        """Return an added table, None if there is none."""
        t = self._table.c
        query = sa.select(self._table).where(t.schema_name == schema, t.table_name == table)
        async with self._db.read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _own(row)

    async def publish(self, own: OwnTable, *, replace: bool) -> None:
        """Publish a table whose rows are staged, or that is somebody else's, in one transaction.

        Raises
        ------
        UsageError
            There is one of that name already and it must not be replaced.
        """
        t = self._table.c
        here = (t.schema_name == own.schema, t.table_name == own.table.name)
        async with self._db.write() as connection:
            before = (await connection.execute(sa.select(t.in_place).where(*here))).one_or_none()
            if before is not None and not replace:
                raise taken(own.schema, own.table.name)
            if before is not None and not before.in_place:
                await connection.exec_driver_sql(f"DROP TABLE {self._name(own.schema, own.table.name)}")
            if not own.in_place:
                staged = self._name(own.schema, staged_name(own.table.name))
                final = physical_name(self._db.dialect, own.schema, own.table.name)[1]
                await connection.exec_driver_sql(f"ALTER TABLE {staged} RENAME TO {quoted(final)}")
            await connection.execute(sa.delete(self._table).where(*here))
            await connection.execute(sa.insert(self._table).values(_row(own)))

    async def remove(self, schema: str, table: str) -> OwnTable:
        """Publish a table no more, and drop its rows unless they are somebody else's.

        Raises
        ------
        NotFound
            It was not added.
        """
        own = await self.find(schema, table)
        if own is None:
            raise NotFound(f"{schema}.{table} is no table that was added.")
        t = self._table.c
        async with self._db.write() as connection:
            await connection.execute(sa.delete(self._table).where(t.schema_name == schema, t.table_name == table))
            if not own.in_place:
                await connection.exec_driver_sql(f"DROP TABLE {self._name(schema, table)}")
        return own

    def _name(self, schema: str, table: str) -> str:
        parts = physical_name(self._db.dialect, schema, table)
        return ".".join(quoted(part) for part in parts if part)


def taken(schema: str, table: str) -> UsageError:
    """Return the error of a name that is in use."""
    return UsageError(f"{schema}.{table} is there already: give --replace, or another name with --table.")


def _row(own: OwnTable) -> dict[str, Any]:
    return {
        "schema_name": own.schema,
        "table_name": own.table.name,
        "document": orjson.dumps(table_document(own.table)).decode(),
        "row_count": own.rows,
        "added": own.added.isoformat(),
        "origin": own.origin,
        "in_place": own.in_place,
    }


def _own(row: sa.Row[Any]) -> OwnTable:
    return OwnTable(
        schema=row.schema_name,
        table=table_of(orjson.loads(row.document)),
        rows=row.row_count,
        added=datetime.fromisoformat(row.added),
        origin=row.origin,
        in_place=bool(row.in_place),
    )
