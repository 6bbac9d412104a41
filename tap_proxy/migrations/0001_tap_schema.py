"""Create the tables of TAP_SCHEMA (TAP 1.1 s4) and the record of what they describe."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Text

from penstock.migrations import create_table, drop_table, namespace

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    ns = namespace("tap_schema")
    create_table(ns, "schemas", _key("schema_name"), _text("utype"), _text("description"), _number("schema_index"))
    create_table(
        ns,
        "tables",
        _text("schema_name", null=False),
        _key("table_name"),
        _text("table_type", null=False),
        _text("utype"),
        _text("description"),
        _number("table_index"),
    )
    create_table(
        ns,
        "columns",
        _key("table_name"),
        _key("column_name"),
        _text("datatype", null=False),
        _text("arraysize"),
        _text("xtype"),
        _number("size"),
        *(_text(name) for name in ("description", "utype", "unit", "ucd")),
        *(_number(name, null=False) for name in ("indexed", "principal", "std")),
        _number("column_index"),
    )
    create_table(
        ns,
        "keys",
        _key("key_id"),
        _text("from_table", null=False),
        _text("target_table", null=False),
        _text("description"),
        _text("utype"),
    )
    create_table(ns, "key_columns", _key("key_id"), _key("from_column"), _text("target_column", null=False))
    create_table(
        ns, "publication", Column("id", Integer, primary_key=True, autoincrement=False), _text("digest", null=False)
    )


def downgrade() -> None:
    """Drop the tables."""
    ns = namespace("tap_schema")
    for name in ("publication", "key_columns", "keys", "columns", "tables", "schemas"):
        drop_table(ns, name)


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str, *, null: bool = True) -> Column[str]:
    return Column(name, Text, nullable=null)


def _number(name: str, *, null: bool = True) -> Column[int]:
    return Column(name, Integer, nullable=null)
