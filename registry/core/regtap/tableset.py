"""The tables that a record describes: schemas, tables, columns.

Indices count from 1 within the whole record. A table outside of any schema, as VODataService 1.0 had them, has no
``schema_index``.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from lxml import etree

from registry.core.regtap.capabilities import typed
from registry.core.regtap.values import Row, folded, hash_list, text_of, texts, type_of


def tableset_rows(record: etree._Element) -> Iterator[tuple[str, Row]]:
    """Yield the rows of ``res_schema``, ``res_table`` and ``table_column``."""
    numbers = count(1)
    for schema_index, schema in enumerate(record.iterfind("tableset/schema"), start=1):
        yield (
            "res_schema",
            {
                "schema_index": schema_index,
                "schema_description": text_of(schema, "description"),
                "schema_name": folded(text_of(schema, "name")),
                "schema_title": text_of(schema, "title"),
                "schema_utype": folded(text_of(schema, "utype")),
            },
        )
        for table in schema.iterfind("table"):
            yield from _table(table, next(numbers), schema_index)
    for path in ("table", "tableset/table"):
        for table in record.iterfind(path):
            yield from _table(table, next(numbers), None)


def _table(table: etree._Element, table_index: int, schema_index: int | None) -> Iterator[tuple[str, Row]]:
    yield (
        "res_table",
        {
            "schema_index": schema_index,
            "table_index": table_index,
            "table_description": text_of(table, "description"),
            "table_name": text_of(table, "name"),
            "table_title": text_of(table, "title"),
            "table_type": folded(table.get("type") or table.get("role")),
            "table_utype": folded(text_of(table, "utype")),
        },
    )
    for column in table.iterfind("column"):
        yield "table_column", {"table_index": table_index, **_column(column)}


def _column(column: etree._Element) -> Row:
    return {
        **typed(column),
        "type_system": type_of(column.find("dataType")),
        "flag": hash_list(texts(column, "flag")),
        "column_description": text_of(column, "description"),
    }
