"""TAP_SCHEMA: the published tables as tables (TAP 1.1 s4).

`TAP_SCHEMA` describes these tables, themselves among them; `rows_of` makes their rows from the very records that VOSI
/tables is written from, so that the two cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from penstock.identifiers import qualified_name, query_ready
from penstock.tables import Column, ForeignKey, Schema, Table
from penstock.votable.model import Datatype

NAME = "tap_schema"
_WHOLE_SIZE = re.compile(r"([0-9]+)\*?", re.ASCII)

Row = tuple[str | int | None, ...]


def _column(name: str, datatype: Datatype, description: str, *, null: bool = False, principal: bool = False) -> Column:
    return Column(
        name=name,
        datatype=datatype,
        arraysize="*" if datatype == "char" else None,
        description=description,
        principal=principal,
        std=True,
        nullable=null,
    )


def _key(target: str, column: str, target_column: str | None = None) -> ForeignKey:
    return ForeignKey(target_table=f"{NAME}.{target}", pairs=((column, target_column or column),))


SCHEMAS = Table(
    name="schemas",
    columns=(
        _column("schema_name", "char", "Name of the schema, as a query spells it", principal=True),
        _column("utype", "char", "Utype of the schema", null=True),
        _column("description", "char", "What the schema holds", null=True, principal=True),
        _column("schema_index", "int", "Recommended order of schemas", null=True),
    ),
    description="Schemas of this service",
)

TABLES = Table(
    name="tables",
    columns=(
        _column("schema_name", "char", "Schema of the table", principal=True),
        _column("table_name", "char", "Name of the table with its schema, as a query spells it", principal=True),
        _column("table_type", "char", "table or view", principal=True),
        _column("utype", "char", "Utype of the table", null=True),
        _column("description", "char", "What a row of the table is", null=True, principal=True),
        _column("table_index", "int", "Recommended order of tables", null=True),
    ),
    description="Tables and views of this service",
    foreign_keys=(_key("schemas", "schema_name"),),
)

COLUMNS = Table(
    name="columns",
    columns=(
        _column("table_name", "char", "Table of the column", principal=True),
        _column("column_name", "char", "Name of the column, as a query spells it", principal=True),
        _column("datatype", "char", "VOTable datatype", principal=True),
        _column("arraysize", "char", "VOTable arraysize", null=True),
        _column("xtype", "char", "VOTable xtype", null=True),
        _column("size", "int", "Length of arrays and strings; use arraysize instead", null=True),
        _column("description", "char", "What the column holds", null=True, principal=True),
        _column("utype", "char", "Utype of the column", null=True),
        _column("unit", "char", "Unit of the values", null=True, principal=True),
        _column("ucd", "char", "UCD of the values", null=True, principal=True),
        _column("indexed", "int", "1 where conditions on the column are fast, else 0"),
        _column("principal", "int", "1 where the column is of the first interest, else 0"),
        _column("std", "int", "1 where a standard defines the column, else 0"),
        _column("column_index", "int", "Recommended order of columns", null=True),
    ),
    description="Columns of all tables of this service",
    foreign_keys=(_key("tables", "table_name"),),
)

KEYS = Table(
    name="keys",
    columns=(
        _column("key_id", "char", "Identifier of the key", principal=True),
        _column("from_table", "char", "Table that refers", principal=True),
        _column("target_table", "char", "Table that is referred to", principal=True),
        _column("description", "char", "What the key means", null=True),
        _column("utype", "char", "Utype of the key", null=True),
    ),
    description="Foreign keys between the tables of this service",
    foreign_keys=(_key("tables", "from_table", "table_name"), _key("tables", "target_table", "table_name")),
)

KEY_COLUMNS = Table(
    name="key_columns",
    columns=(
        _column("key_id", "char", "The foreign key", principal=True),
        _column("from_column", "char", "Column of the table that refers", principal=True),
        _column("target_column", "char", "Column of the table that is referred to", principal=True),
    ),
    description="Columns that make the foreign keys",
    foreign_keys=(_key("keys", "key_id"),),
)

TAP_SCHEMA = Schema(
    name=NAME,
    tables=(SCHEMAS, TABLES, COLUMNS, KEYS, KEY_COLUMNS),
    description="What this service offers to queries (TAP 1.1 s4)",
)


def rows_of(schemas: Iterable[Schema]) -> Mapping[str, Sequence[Row]]:
    """Return the rows of every table of TAP_SCHEMA, by the table's bare name, values in the order of its columns."""
    rows: dict[str, list[Row]] = {table.name: [] for table in TAP_SCHEMA.tables}
    for schema_index, schema in enumerate(schemas):
        rows["schemas"].append((query_ready(schema.name), schema.utype, schema.description, schema_index))
        for table_index, table in enumerate(schema.tables):
            rows["tables"].append(_table_row(schema, table, table_index))
            name = qualified_name(schema.name, table.name)
            rows["columns"] += [_column_row(name, column, index) for index, column in enumerate(table.columns)]
            for number, key in enumerate(table.foreign_keys):
                key_id = f"{name}_{number}"
                rows["keys"].append((key_id, name, key.target_table, key.description, key.utype))
                rows["key_columns"] += [(key_id, query_ready(a), query_ready(b)) for a, b in key.pairs]
    return rows


def _table_row(schema: Schema, table: Table, index: int) -> Row:
    name = qualified_name(schema.name, table.name)
    return (query_ready(schema.name), name, table.table_type, table.utype, table.description, index)


def _column_row(table_name: str, column: Column, index: int) -> Row:
    return (
        table_name,
        query_ready(column.name),
        column.datatype,
        column.arraysize,
        column.xtype,
        size_of(column.arraysize),
        column.description,
        column.utype,
        column.unit,
        column.ucd,
        int(column.indexed),
        int(column.principal),
        int(column.std),
        index,
    )


def size_of(arraysize: str | None) -> int | None:
    """Return the length that an arraysize says, None for scalars, several dimensions and ``*`` (TAP 1.1 s4.3)."""
    match = _WHOLE_SIZE.fullmatch(arraysize or "")
    return int(match[1]) if match else None
