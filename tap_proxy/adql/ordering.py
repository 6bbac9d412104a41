"""Resolves ORDER BY (ADQL 2.1 appendix A, order_by_clause).

A key may be the place of a column in the result, its name, or an expression over the columns of the tables. Where rows
were made distinct or combined, only the columns of the result are left to order by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.votable.model import Field
from tap_proxy.adql import ast
from tap_proxy.adql.bound import (
    AggregateCall,
    Bound,
    BoundKey,
    BoundSelect,
    Calculation,
    Call,
    ColumnValue,
    Output,
    Shape,
    UserCall,
    parts,
)
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.scope import Member, Relation, Scope
from tap_proxy.adql.session import Place, Session
from tap_proxy.adql.values import bind


def bind_keys(
    keys: Sequence[ast.SortKey], place: Place, select: BoundSelect, alias: str
) -> tuple[tuple[BoundKey, ...], list[ast.Span]]:
    """Return the keys of a SELECT; those of a DISTINCT one in terms of its result, called `alias`."""
    values = [output.value for output in select.outputs]
    bound: list[BoundKey] = []
    for key in keys:
        position = _ordinal(key.expression, len(values))
        value = values[position] if position is not None else _ordered(bind(key.expression, place), key)
        if position is None and value in values:
            position = values.index(value)
        if select.distinct:
            value = _of_result(value, select.outputs, alias, key)
        bound.append(BoundKey(value, position, key.descending))
    return tuple(bound), [key.span for key in keys]


def bind_keys_of_rows(
    keys: Sequence[ast.SortKey],
    session: Session,
    alias: str,
    columns: tuple[tuple[Field, ...], tuple[str, ...]],
    outer: Scope | None,
) -> tuple[BoundKey, ...]:
    """Return the keys of a set operation, or of a query in parentheses, in terms of its result, called `alias`."""
    fields, labels = columns
    index: dict[str, list[tuple[str, Field]]] = {}
    for label, field in zip(labels, fields, strict=True):
        index.setdefault(label.lower(), []).append((label, field))
    rows = Member(alias, (), (), index, list(zip(labels, fields, strict=True)))
    place = Place(session, Scope([Relation([rows])], outer), "ORDER BY")
    values = [rows.value(field) for field in fields]
    bound: list[BoundKey] = []
    for key in keys:
        position = _ordinal(key.expression, len(values))
        value = values[position] if position is not None else _ordered(bind(key.expression, place), key)
        if position is None and value in values:
            position = values.index(value)
        bound.append(BoundKey(value, position, key.descending))
    return tuple(bound)


def _ordinal(expression: ast.ValueExpression, columns: int) -> int | None:
    """Return which column a bare integer means, from 0."""
    if not isinstance(expression, ast.NumericLiteral) or not expression.is_integer:
        return None
    position = int(expression.text[:9])
    if not 1 <= position <= columns:
        raise AdqlSemanticError(f"the result has no column {expression.text} to order by", expression.span)
    return position - 1


def _ordered(value: Bound, key: ast.SortKey) -> Bound:
    if isinstance(value, Shape):
        raise AdqlSemanticError("geometries have no order", key.span)
    return value


def _of_result(value: Bound, outputs: Sequence[Output], alias: str, key: ast.SortKey) -> Bound:
    """Return a key with the result's columns in place of what they were calculated from."""
    for output in outputs:
        if output.value == value:
            return ColumnValue(alias, output.name, output.value.field)
    if isinstance(value, ColumnValue):
        problem = "ORDER BY of SELECT DISTINCT can only use columns that are selected"
        raise AdqlSemanticError(problem, key.span)
    inner = tuple(_of_result(part, outputs, alias, key) for part in parts(value))
    match value:
        case Calculation():
            return replace(value, operands=inner)
        case Call() | UserCall():
            return replace(value, arguments=inner)
        case AggregateCall():
            problem = "ORDER BY of SELECT DISTINCT can only use set functions that are selected"
            raise AdqlSemanticError(problem, key.span)
        case _:
            return value
