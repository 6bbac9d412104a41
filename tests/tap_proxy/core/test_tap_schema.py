from __future__ import annotations

from xml.etree import ElementTree

import pytest

from penstock.identifiers import query_ready
from penstock.lake.catalogue import SCHEMAS as LAKE
from penstock.vosi import tableset_document
from tap_proxy.core.tap_schema import TAP_SCHEMA, rows_of, size_of

ALL = (*LAKE, TAP_SCHEMA)

# TAP 1.1 s4, with the columns that must not be null in upper case
COLUMNS = {
    "schemas": "SCHEMA_NAME utype description schema_index",
    "tables": "SCHEMA_NAME TABLE_NAME TABLE_TYPE utype description table_index",
    "columns": "TABLE_NAME COLUMN_NAME DATATYPE arraysize xtype size description utype unit ucd"
    " INDEXED PRINCIPAL STD column_index",
    "keys": "KEY_ID FROM_TABLE TARGET_TABLE description utype",
    "key_columns": "KEY_ID FROM_COLUMN TARGET_COLUMN",
}


@pytest.mark.parametrize("table", TAP_SCHEMA.tables, ids=lambda table: table.name)
def test_the_tables_are_those_of_the_standard(table) -> None:
    expected = COLUMNS[table.name].split()
    assert [column.name for column in table.columns] == [name.lower() for name in expected]
    assert [not column.nullable for column in table.columns] == [name.isupper() for name in expected]
    assert all(column.std for column in table.columns)


def test_rows_describe_every_table_and_column() -> None:
    rows = rows_of(ALL)
    columns = [(row[0], row[1]) for row in rows["columns"]]
    assert len(set(columns)) == len(columns)
    assert ("ivoa.obscore", "s_ra") in columns
    assert ("tap_schema.columns", '"size"') in columns
    assert len(columns) == sum(len(table.columns) for schema in ALL for table in schema.tables)


def test_rows_fit_their_tables() -> None:
    rows = rows_of(ALL)
    for table in TAP_SCHEMA.tables:
        for row in rows[table.name]:
            assert len(row) == len(table.columns)
            for value, column in zip(row, table.columns, strict=True):
                assert column.nullable or value is not None
                assert value is None or isinstance(value, int if column.datatype == "int" else str)


def test_the_five_keys_of_the_standard_are_described() -> None:
    rows = rows_of([TAP_SCHEMA])
    pairs = {row[0]: (row[1], row[2]) for row in rows["key_columns"]}
    found = {(row[1], row[2], *pairs[row[0]]) for row in rows["keys"]}
    assert found == {
        ("tap_schema.tables", "tap_schema.schemas", "schema_name", "schema_name"),
        ("tap_schema.columns", "tap_schema.tables", "table_name", "table_name"),
        ("tap_schema.keys", "tap_schema.tables", "from_table", "table_name"),
        ("tap_schema.keys", "tap_schema.tables", "target_table", "table_name"),
        ("tap_schema.key_columns", "tap_schema.keys", "key_id", "key_id"),
    }


def test_keys_refer_to_published_columns() -> None:
    rows = rows_of(ALL)
    columns = {(row[0], row[1]) for row in rows["columns"]}
    keys = {row[0]: row for row in rows["keys"]}
    for key_id, from_column, target_column in rows["key_columns"]:
        assert (keys[key_id][1], from_column) in columns
        assert (keys[key_id][2], target_column) in columns


@pytest.mark.parametrize(
    ("arraysize", "size"),
    [(None, None), ("*", None), ("2x3", None), ("2x*", None), ("256", 256), ("256*", 256), ("1", 1)],
)
def test_size_is_the_number_in_arraysize(arraysize: str | None, size: int | None) -> None:
    assert size_of(arraysize) == size


def test_vosi_tables_say_the_same() -> None:
    root = ElementTree.fromstring(tableset_document(ALL))
    told = {
        (table.findtext("name"), column.findtext("name"), column.findtext("dataType"), column.findtext("unit"))
        for table in root.iter("table")
        for column in table.iter("column")
    }
    assert told == {(row[0], row[1], row[2], row[8]) for row in rows_of(ALL)["columns"]}


def test_size_must_be_quoted_in_queries() -> None:
    assert query_ready("size") == '"size"'
