"""From ADQL to a statement of the source: the translator, bound to the published tables of one engine.

A column of paths (`penstock.tables.Column.url_path`) must look like a column of URLs wherever a query uses it, in its
conditions and within functions too: the dialect puts the base URL before the path whenever it writes the column. The
base URL is that of the request: it is written into the statement when that is run, in the place of `BASE_MARK`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.db import Dialect as Engine
from penstock.db import physical_name
from penstock.tables import Schema
from penstock.words import fts_tables
from tap_proxy.adql import Catalogue, Dialect, PostgreSQL, SQLite, analyse, parse, translate
from tap_proxy.adql.dialect import Physical, joined_name, schema_table
from tap_proxy.core.federation.catalogue import Federation
from tap_proxy.core.federation.functions import first_call
from tap_proxy.core.federation.planning import plan_query
from tap_proxy.core.uploads import TAP_UPLOAD, upload_schema
from tap_proxy.ports import BASE_MARK, Statement, UploadedTable, elsewhere, marked

Uploads = Sequence[UploadedTable]


def compiler(
    schemas: Sequence[Schema], engine: Engine, federation: Federation | None = None
) -> Callable[[str, int, Uploads], Statement]:
    """Return the function that translates queries on the published tables and on those that come with a query.

    Parameters
    ----------
    federation
        The same tables with those of other archives, whose rows must be put in the place of marks, as uploaded ones.
    """
    federation = federation or Federation(schemas, (), here="")
    catalogue = federation.catalogue
    dialect = _dialect(engine, federation)

    def compile_text(text: str, maxrows: int, uploads: Uploads = ()) -> Statement:
        known: Catalogue = catalogue
        if uploads:
            known = catalogue.extended([upload_schema((table.name, table.fields) for table in uploads)])
        query = parse(text)
        analysed = analyse(query, known)
        if first_call(query, federation.archives_by_function) is not None:
            plan_query(text, federation, known)  # which refuses what is not all for the archive that has the function
            return Statement(sql="", params=(), fields=analysed.query.fields, uploads=tuple(uploads), elsewhere=True)
        translation = translate(analysed, dialect, row_limit=maxrows)
        return Statement(
            sql=translation.sql,
            params=translation.params,
            fields=translation.fields,
            uploads=tuple(uploads),
            limit=translation.limit,
            functions=translation.functions,
            elsewhere=any(federation.is_elsewhere(*table) for table in translation.tables),
            notes=translation.deprecations,
        )

    return compile_text


def table_names(schemas: Sequence[Schema]) -> frozenset[str]:
    """Return the names that the published tables, and the indexes of their words, have in SQLite."""
    tables = {physical_name("sqlite", schema.name, table.name)[1] for schema in schemas for table in schema.tables}
    columns = (column for schema in schemas for table in schema.tables for column in table.columns)
    indexes = {column.word_index for column in columns if column.word_index}
    return frozenset(tables | {name for index in indexes for name in fts_tables(index)})


def _dialect(engine: Engine, federation: Federation) -> Dialect:
    if engine == "sqlite":
        return SQLite(physical=_placed(joined_name, federation), base=BASE_MARK)
    return PostgreSQL(physical=_placed(schema_table, federation), base=BASE_MARK)


def _placed(published: Physical, federation: Federation) -> Physical:
    def physical(schema: str, table: str) -> str:
        if schema == TAP_UPLOAD:
            return marked(table)
        return marked(elsewhere(schema, table)) if federation.is_elsewhere(schema, table) else published(schema, table)

    return physical
