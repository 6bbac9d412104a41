"""The tables in databases: of PostgreSQL and of SQLite files, with the types and the comments that are kept there.

A table of PostgreSQL is copied out by the server into a temporary file first, so that rows come in one snapshot and
no connection waits for a slow reader. A table of the very database that we use is published where it is.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import asyncpg
import pyarrow as pa
import pyarrow.csv as pacsv
from sqlalchemy.engine import URL

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.direct import libpq_url
from penstock.votable.datatypes import fields_schema
from penstock.votable.model import Datatype, Field
from tap_proxy.adql.dialect import quoted
from tap_proxy.own.reading import BATCH_ROWS, Reading, Unfit, fitting, kept

_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, col_description(c.oid, a.attnum) AS comment,
       obj_description(c.oid) AS description,
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum) AS indexed
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_POSTGRES: dict[str, Datatype] = {
    "boolean": "boolean",
    "smallint": "short",
    "integer": "int",
    "bigint": "long",
    "real": "float",
    "double precision": "double",
    "numeric": "double",
}
_TIMES = re.compile(r"(timestamp|date).*")
_OUTAGES = (OSError, asyncpg.PostgresConnectionError, asyncpg.InvalidAuthorizationSpecificationError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresTable:
    """A table of PostgreSQL; `rows` is how many it has, `indexes` are columns that an index begins with."""

    schema: str
    name: str
    fields: tuple[Field, ...]
    description: str | None
    indexes: tuple[str, ...]
    rows: int


async def look(url: URL, schema: str, name: str, without: Collection[str] = ()) -> PostgresTable:
    """Return what PostgreSQL says of a table, but for the columns to leave out.

    Raises
    ------
    UsageError
        There is no such table or column, or columns have types that VOTable has no type for.
    ServiceUnavailable
        The database does not answer.
    """
    connection = await _connected(url)
    try:
        found = await connection.fetch(_COLUMNS, schema, name)
        if not found:
            raise UsageError(f"there is no table {schema}.{name} in that database.")
        count = f"SELECT count(*) FROM {quoted(schema)}.{quoted(name)}"  # noqa: S608  # names are quoted
        rows: int = await connection.fetchval(count)
    except asyncpg.InsufficientPrivilegeError as error:
        raise UsageError(f"{schema}.{name} cannot be read: {error}.") from error
    finally:
        await connection.close()
    columns = [found[place] for place in kept([row["name"] for row in found], without)]
    fields = fitting(_field(row["name"], row["type"], row["comment"]) for row in columns)
    return PostgresTable(
        schema=schema,
        name=name,
        fields=fields,
        description=found[0]["description"],
        indexes=tuple(row["name"] for row in columns if row["indexed"]),
        rows=rows,
    )


def _field(name: str, kind: str, comment: str | None) -> Field | Unfit:
    if _TIMES.fullmatch(kind):
        return Field(name=name, datatype="char", arraysize="*", xtype="timestamp", description=comment)
    if kind in ("text", "character varying", "character", "uuid", "name", '"char"'):
        return Field(name=name, datatype="unicodeChar", arraysize="*", description=comment)
    datatype = _POSTGRES.get(kind)
    if datatype is None:
        return Unfit(name=name, kind=kind)
    return Field(name=name, datatype=datatype, description=comment)


async def open_postgres(url: URL, table: PostgresTable) -> Reading:
    """Copy a table out and open the copy, which ends with its last batch.

    Raises
    ------
    ServiceUnavailable
        The database does not answer.
    """
    connection = await _connected(url)
    file = NamedTemporaryFile(suffix=".csv")  # noqa: SIM115  # closed by who reads it
    try:
        await connection.copy_from_table(
            table.name,
            schema_name=table.schema,
            columns=[field.name for field in table.fields],
            output=Path(file.name),
            format="csv",
        )
    except _OUTAGES as error:
        file.close()
        raise ServiceUnavailable(f"the database broke off: {error}") from error
    finally:
        await connection.close()
    seen = [0]

    def batches() -> Iterator[pa.RecordBatch]:
        with file:
            for batch in _csv(Path(file.name), table.fields) if table.rows else ():
                seen[0] += batch.num_rows
                yield batch

    return Reading(
        fields=table.fields,
        batches=batches(),
        done=lambda: seen[0] / max(table.rows, 1),
        description=table.description,
    )


def _csv(path: Path, fields: Sequence[Field]) -> Iterator[pa.RecordBatch]:
    schema = fields_schema(tuple(fields))
    return iter(
        pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(column_names=schema.names),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=schema,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
            ),
        )
    )


async def _connected(url: URL) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(libpq_url(url))
    except _OUTAGES as error:
        raise ServiceUnavailable(f"the database {url.render_as_string(hide_password=True)}: {error}") from error


def open_sqlite(path: Path, name: str, without: Collection[str] = ()) -> Reading:
    """Open a table of an SQLite file, but for the columns to leave out.

    Raises
    ------
    UsageError
        There is no such file, table or column.
    """
    connection = _opened(path)
    try:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({quoted(name)})")]
        if not names:
            raise UsageError(f"there is no table {name!r} in {path.name}.")
        columns, table = [names[place] for place in kept(names, without)], quoted(name)
        rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # quoted
        fields = tuple(_sqlite_field(connection, table, column) for column in columns)
        cursor = connection.execute(f"SELECT {', '.join(map(quoted, columns))} FROM {table}")  # noqa: S608  # quoted
    except sqlite3.Error as error:
        connection.close()
        raise UsageError(f"{path.name} cannot be read: {error}.") from error
    seen = [0]

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            while found := cursor.fetchmany(BATCH_ROWS):
                seen[0] += len(found)
                yield _batch(found, fields)
        finally:
            connection.close()

    return Reading(fields=fields, batches=batches(), done=lambda: seen[0] / max(rows, 1))


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    except sqlite3.Error as error:
        raise UsageError(f"{path} cannot be opened: {error}.") from error


def _sqlite_field(connection: sqlite3.Connection, table: str, column: str) -> Field:
    """Look at what the rows hold: SQLite does not keep them to the types that were declared."""
    query = f"SELECT DISTINCT typeof({quoted(column)}) FROM {table}"  # noqa: S608  # quoted
    kinds = {row[0] for row in connection.execute(query)} - {"null"}
    if kinds and kinds <= {"integer"}:
        return Field(name=column, datatype="long")
    if kinds and kinds <= {"integer", "real"}:
        return Field(name=column, datatype="double")
    return Field(name=column, datatype="unicodeChar", arraysize="*")


def _batch(rows: Sequence[Sequence[Any]], fields: tuple[Field, ...]) -> pa.RecordBatch:
    schema = fields_schema(fields)
    arrays = []
    for values, kind in zip(zip(*rows, strict=True), schema.types, strict=True):
        if pa.types.is_string(kind):
            values = tuple(None if value is None else _text(value) for value in values)
        arrays.append(pa.array(values, kind))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
