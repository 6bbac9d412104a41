"""CAST: what may become what, and what the result is (ADQL 2.1 s4.7.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from penstock.votable.model import Datatype, Field
from tap_proxy.adql import ast
from tap_proxy.adql.bound import SHAPE_NAMES, Bound, Call, Shape, Value
from tap_proxy.adql.checks import describe, is_null
from tap_proxy.adql.constants import check_positions
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import Kind, geometry, kind_of, number, string
from tap_proxy.adql.meanings import described_as
from tap_proxy.adql.shapes import ShapeError, parse_numbers

NUMBERS: Mapping[str, Datatype] = {
    "SMALLINT": "short",
    "INTEGER": "int",
    "BIGINT": "long",
    "REAL": "float",
    "DOUBLE PRECISION": "double",
}
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d*)?"
_TIMESTAMP = re.compile(rf"(\d{{4}}-\d\d-\d\d)(?:[T ]({_TIME})Z?)?", re.ASCII)
NO_TIMESTAMP = "this is no timestamp: write YYYY-MM-DD or YYYY-MM-DDThh:mm:ss"
INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
REAL = re.compile(r"\s*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan)\s*", re.ASCII | re.I)
BITS: Mapping[str, int] = {"SMALLINT": 16, "INTEGER": 32, "BIGINT": 64}
_TEXTUAL = frozenset({Kind.STRING, Kind.TIMESTAMP})


def bind_cast(operand: Bound, node: ast.Cast) -> Bound:
    """Return a value of another type.

    Raises
    ------
    AdqlSemanticError
        The standard has no such conversion, or a literal has not the form that the type wants.
    """
    name = node.target.name
    found = kind_of(operand.field)
    if is_null(operand):
        return Value(None, _field(node.target))
    if name in NUMBERS:
        _allow(found in {Kind.NUMBER, Kind.BOOLEAN, Kind.STRING}, operand, node)
        _check_literal(operand, node)
        kept = operand.field.unit if found is Kind.NUMBER else None
        return Call("CAST_NUMBER", (operand,), described_as(number(NUMBERS[name], unit=kept), operand.field))
    if name in {"CHAR", "VARCHAR"}:
        _allow(not isinstance(operand, Shape), operand, node)
        return Call("CAST_TEXT", (operand,), described_as(_field(node.target), operand.field), node.target.length)
    if name == "TIMESTAMP":
        _allow(found in _TEXTUAL, operand, node)
        if isinstance(operand, Value):
            return _timestamp(operand, node)
        return Call("CAST_TIMESTAMP", (operand,), _field(node.target))
    _allow(found in {Kind.STRING, Kind.GEOMETRY}, operand, node)
    return _geometry(operand, node)


def normal_timestamp(text: str) -> str | None:
    """Return a timestamp as tables hold it, or None if the text is none (DALI 1.2 s3.3.3)."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None or not _is_date(match[1]):
        return None
    return f"{match[1]}T{match[2] or '00:00:00'}"


def _is_date(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False


def _check_literal(operand: Bound, node: ast.Cast) -> None:
    """Refuse a literal that the database would refuse for every row (ADQL 2.1 s4.7.1)."""
    if not isinstance(operand, Value) or operand.value is None:
        return
    name, bits = node.target.name, BITS.get(node.target.name)
    if isinstance(operand.value, str):
        form, wanted = (REAL, "number") if bits is None else (INTEGER, "whole number")
        if not form.fullmatch(operand.value):
            raise AdqlSemanticError(f"{operand.value[:40]!r} is no {wanted}", node.operand.span)
    if bits is not None and not -(2 ** (bits - 1)) <= int(operand.value) < 2 ** (bits - 1):
        raise AdqlSemanticError(f"this number does not fit into {name}", node.operand.span)


def _timestamp(operand: Value, node: ast.Cast) -> Value:
    normal = normal_timestamp(str(operand.value))
    if normal is None:
        raise AdqlSemanticError(NO_TIMESTAMP, node.operand.span)
    return Value(normal, _field(node.target))


def _geometry(operand: Bound, node: ast.Cast) -> Bound:
    name = node.target.name
    if not isinstance(operand, Value):
        return Call("CAST_GEOMETRY", (operand,), _field(node.target))
    try:
        numbers = parse_numbers(name, str(operand.value))
    except ShapeError as error:
        raise AdqlSemanticError(f"this is no {name}: {error}", node.operand.span) from error
    values = tuple(Value(value, number("double")) for value in numbers)
    check_positions(values if name == "POLYGON" else values[:2], node.operand.span)
    return Shape(SHAPE_NAMES[name], values, _field(node.target))


def _field(target: ast.CastTarget) -> Field:
    match target.name:
        case "CHAR":
            return string("*" if target.length is None else str(target.length))
        case "VARCHAR":
            return string("*" if target.length is None else f"{target.length}*")
        case "TIMESTAMP":
            return string("*", "timestamp")
        case "POINT" | "CIRCLE" | "POLYGON":
            return geometry(target.name.lower())
        case name:
            return number(NUMBERS[name])


def _allow(holds: object, operand: Bound, node: ast.Cast) -> None:
    if not holds:
        raise AdqlSemanticError(f"{describe(operand.field)} cannot become {node.target.name}", node.span)
