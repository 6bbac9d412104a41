"""Resolves and types search conditions (ADQL 2.1 s2.2.3)."""

from __future__ import annotations

import re
from dataclasses import replace

from tap_proxy.adql import ast
from tap_proxy.adql.bound import (
    Among,
    AmongRows,
    Bound,
    BoundCondition,
    Compared,
    HasRows,
    Junction,
    Matches,
    Missing,
    Negated,
    Shape,
    Value,
    Within,
)
from tap_proxy.adql.casts import NO_TIMESTAMP, normal_timestamp
from tap_proxy.adql.checks import alike, describe, is_null, is_null_column, require_text, truth_as_number
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import Kind, kind_of, number
from tap_proxy.adql.session import Place
from tap_proxy.adql.values import bind, comparable

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BEGINNING = re.compile(r"\d{4}(?:-\d\d(?:-\d\dT\d\d(?::\d\d)?)?)?", re.ASCII)
"""The beginning of a timestamp, which compares as a string."""

MAX_EXACT = 2**53
_TRUTHS = {"true": 1, "t": 1, "1": 1, "false": 0, "f": 0, "0": 0}


def bind_condition(condition: ast.Condition, place: Place) -> BoundCondition:
    """Return a condition with its names resolved.

    Raises
    ------
    AdqlSemanticError
        A name is unknown or ambiguous, or values of different families are compared.
    """
    place.session.depth += 1
    place.session.check_depth(condition.span)
    bound = _bind(condition, place)
    place.session.depth -= 1
    return bound


def _bind(condition: ast.Condition, place: Place) -> BoundCondition:
    match condition:
        case ast.Logical():
            return Junction(condition.operator, tuple(bind_condition(each, place) for each in condition.operands))
        case ast.Not():
            return Negated(bind_condition(condition.operand, place))
        case ast.Comparison():
            left, right = _like_values((condition.left, condition.right), place)
            return Compared(condition.operator, left, right)
        case ast.Between():
            operand, low, high = _like_values((condition.operand, condition.low, condition.high), place)
            return Within(operand, low, high, condition.negated)
        case ast.InList():
            operand, *values = _like_values((condition.operand, *condition.values), place)
            return Among(operand, tuple(values), condition.negated)
        case ast.InQuery():
            return _in_query(condition, place)
        case ast.Like():
            operand, pattern = (
                require_text(bind(each, place), each) for each in (condition.operand, condition.pattern)
            )
            return Matches(operand, pattern, condition.folded, condition.negated)
        case ast.IsNull():
            return Missing(bind(condition.column, place), condition.negated)
        case ast.Exists():
            return HasRows(place.session.subquery(place.session, condition.query, place.scope))


def _like_values(written: tuple[ast.ValueExpression, ...], place: Place) -> tuple[Bound, ...]:
    """Bind values that are compared with the first of them."""
    first, *others = (bind(each, place) for each in written)
    for position, other in enumerate(others):
        first, others[position] = _matched(first, other, written[0], written[position + 1])
    return alike((first, *others))


def _matched(
    left: Bound, right: Bound, left_written: ast.ValueExpression, right_written: ast.ValueExpression
) -> tuple[Bound, Bound]:
    """Return two values that may be compared, a literal made to fit the other."""
    if is_null(left) or is_null(right):
        return left, right
    for bound, written in ((left, left_written), (right, right_written)):
        if isinstance(bound, Shape):
            problem = "geometries are compared by CONTAINS, INTERSECTS or DISTANCE only"
            raise AdqlSemanticError(problem, written.span)
    if isinstance(right, Value) and isinstance(right.value, str):
        right = _fitted(right, left, right_written)
    elif isinstance(left, Value) and isinstance(left.value, str):
        left = _fitted(left, right, left_written)
    if comparable(left.field, right.field):
        return left, right
    problem = f"{describe(left.field)} cannot be compared with {describe(right.field)}"
    raise AdqlSemanticError(problem + _as_mjd(left, right), left_written.span.to(right_written.span))


def _as_mjd(left: Bound, right: Bound) -> str:
    """Return the advice for a date that is compared with a number, as ObsCore has its times."""
    for literal, other in ((left, right), (right, left)):
        if isinstance(literal, Value) and isinstance(literal.value, str) and kind_of(other.field) is Kind.NUMBER:
            normal = normal_timestamp(literal.value)
            if normal is not None:
                return f": as Modified Julian Date, write ivo_to_mjd(CAST('{normal}' AS TIMESTAMP))"
    return ""


def _fitted(literal: Value, other: Bound, written: ast.ValueExpression) -> Value:
    """Return a string literal as a value of the other's family, where it can be read as one."""
    text = str(literal.value).strip()
    match kind_of(other.field):
        case Kind.TIMESTAMP:
            normal = normal_timestamp(text)
            if normal is None and not _BEGINNING.fullmatch(text):
                raise AdqlSemanticError(NO_TIMESTAMP, written.span)
            return replace(literal, value=normal or literal.value)
        case Kind.BOOLEAN if text.lower() in _TRUTHS:
            return Value(_TRUTHS[text.lower()], number("int"))
        case Kind.NUMBER:
            return _as_number(text) or literal
        case _:
            return literal


def _as_number(text: str) -> Value | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if abs(value) < MAX_EXACT and value.is_integer() and "." not in text:
        return Value(int(value), number("long"))
    return Value(value, number("double")) if abs(value) < float("inf") else None


def _in_query(condition: ast.InQuery, place: Place) -> AmongRows:
    operand = bind(condition.operand, place)
    query = place.session.subquery(place.session, condition.query, place.scope)
    if len(query.fields) != 1:
        problem = f"a subquery after IN has one column, and this has {len(query.fields)}"
        raise AdqlSemanticError(problem, condition.query.span)
    if is_null_column(query, 0):
        query = replace(query, fields=(replace(operand.field, name=query.fields[0].name),))
    elif not is_null(operand) and not comparable(operand.field, query.fields[0]):
        problem = f"{describe(operand.field)} cannot be compared with {describe(query.fields[0])}"
        raise AdqlSemanticError(problem, condition.span)
    kinds = kind_of(operand.field), kind_of(query.fields[0])
    if kinds == (Kind.BOOLEAN, Kind.NUMBER):
        operand = truth_as_number(operand)
    elif kinds == (Kind.NUMBER, Kind.BOOLEAN):
        query = replace(query, fields=(replace(query.fields[0], datatype="int"),))
    return AmongRows(operand, query, condition.negated)
