"""Writes comparisons of MOCs as SQL.

PostgreSQL compares multiranges, SQLite calls functions. A column of a table is read in the engine's own form where the
table keeps one beside it (`penstock.tables.Column.moc_bounds`), else its text is read for every row.
"""

from __future__ import annotations

from penstock.tables import Column
from tap_proxy.adql.bound import Bound, Call, ColumnValue, Value
from tap_proxy.adql.dialect import quoted
from tap_proxy.adql.writer import Writer


def relation(writer: Writer, call: Call) -> str:
    """Return CONTAINS or INTERSECTS of MOCs as a condition."""
    left, right = (_operand(writer, bound) for bound in call.arguments)
    return writer.dialect.functions[f"MOC_{call.name}"].format(left, right)


def _operand(writer: Writer, bound: Bound) -> str:
    match bound:
        case Value(value=str(text)):
            return writer.dialect.moc(writer.parameter(writer.dialect.moc_text(text)))
        case ColumnValue(field=Column(moc_bounds=str(name))) if not writer.grouped:
            return f"{bound.source}.{quoted(name)}"
        case _:
            return writer.dialect.functions["MOC"].format(writer.value(bound))
