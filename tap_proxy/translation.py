"""From ADQL to a statement of the source: the translator, bound to the published tables of one engine.

A column of paths (`penstock.tables.Column.url_path`) must look like a column of URLs wherever a query uses it, in its
conditions and within functions too. So the table that holds it is read through a subquery that puts the base URL
before the path, which both engines merge into the query around it. The base URL is that of the request: it is written
into the statement when that is run, in the place of `BASE_MARK`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.db import Dialect as Engine
from penstock.db import physical_name
from penstock.tables import Schema, Table
from tap_proxy.adql import Catalogue, Dialect, PostgreSQL, SQLite, compile_query
from tap_proxy.adql.dialect import Physical, joined_name, quoted, schema_table
from tap_proxy.ports import BASE_MARK, Statement


def compiler(schemas: Sequence[Schema], engine: Engine) -> Callable[[str, int], Statement]:
    """Return the function that translates queries on the published tables."""
    catalogue = Catalogue(schemas)
    dialect = _dialect(schemas, engine)

    def compile_text(text: str, maxrows: int) -> Statement:
        translation = compile_query(text, catalogue, dialect, row_limit=maxrows)
        return Statement(sql=translation.sql, params=translation.params, fields=translation.fields)

    return compile_text


def table_names(schemas: Sequence[Schema]) -> frozenset[str]:
    """Return the names that the published tables have in SQLite."""
    return frozenset(
        physical_name("sqlite", schema.name, table.name)[1] for schema in schemas for table in schema.tables
    )


def _dialect(schemas: Sequence[Schema], engine: Engine) -> Dialect:
    if engine == "sqlite":
        return SQLite(physical=_with_urls(schemas, joined_name))
    return PostgreSQL(physical=_with_urls(schemas, schema_table))


def _with_urls(schemas: Sequence[Schema], plain: Physical) -> Physical:
    wrapped = {
        (schema.name, table.name): _subquery(table, plain(schema.name, table.name))
        for schema in schemas
        for table in schema.tables
        if any(column.url_path for column in table.columns)
    }

    def physical(schema: str, table: str) -> str:
        return wrapped.get((schema, table)) or plain(schema, table)

    return physical


def _subquery(table: Table, name: str) -> str:
    columns = [
        f"'{BASE_MARK}' || {quoted(column.name)} AS {quoted(column.name)}" if column.url_path else quoted(column.name)
        for column in table.columns
    ]
    return f"(SELECT {', '.join(columns)} FROM {name})"  # noqa: S608  # names of the catalogue, quoted
