"""Whether a value is of the family that its place wants."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.votable.model import Field
from tap_proxy.adql import ast
from tap_proxy.adql.bound import Bound, BoundQuery, BoundSelect, Call, Shape, Value
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import CHARACTERS, Kind, kind_of, number, shape_of

_TEXTUAL = frozenset({Kind.STRING, Kind.TIMESTAMP, Kind.GEOMETRY})
_NAMES = {
    Kind.NUMBER: "a number",
    Kind.STRING: "a string",
    Kind.TIMESTAMP: "a timestamp",
    Kind.GEOMETRY: "a geometry",
    Kind.BOOLEAN: "a truth value",
    Kind.OTHER: "an array",
}


def is_null(bound: Bound) -> bool:
    """Tell whether a value is the word NULL."""
    return isinstance(bound, Value) and bound.value is None


def is_null_column(query: BoundQuery, position: int) -> bool:
    """Tell whether a column of a query is the word NULL, which is of any type."""
    return isinstance(query.body, BoundSelect) and is_null(query.body.outputs[position].value)


def describe(field: Field) -> str:
    """Name a type in words."""
    return shape_of(field) or _NAMES[kind_of(field)]


def truth_as_number(bound: Bound) -> Bound:
    """Return a truth value as 1 or 0, any other value as it is."""
    return Call("TRUTH", (bound,), number("int")) if kind_of(bound.field) is Kind.BOOLEAN else bound


def alike(values: Iterable[Bound]) -> tuple[Bound, ...]:
    """Return values that are compared: truth values as 1 or 0 if there are numbers among them."""
    values = tuple(values)
    if any(kind_of(value.field) is Kind.NUMBER for value in values):
        return tuple(map(truth_as_number, values))
    return values


def require_number(bound: Bound, written: ast.ValueExpression) -> Bound:
    """Return the value if arithmetic can take it; a truth value counts as 1 or 0."""
    kind = kind_of(bound.field)
    if is_null(bound) or kind in {Kind.NUMBER, Kind.BOOLEAN}:
        return truth_as_number(bound)
    raise AdqlSemanticError(f"a number is wanted here, and this is {describe(bound.field)}", written.span)


def require_text(bound: Bound, written: ast.ValueExpression, *, or_number: bool = False) -> Bound:
    """Return the value if it is a string, or a number or truth value where these are written as one."""
    if is_null(bound) or bound.field.datatype in CHARACTERS:
        return bound
    kind = kind_of(bound.field)
    if or_number and kind in {Kind.NUMBER, Kind.BOOLEAN}:
        return bound
    advice = ": write CAST(... AS VARCHAR)" if kind is Kind.NUMBER else ""
    raise AdqlSemanticError(f"a string is wanted here, and this is {describe(bound.field)}{advice}", written.span)


def require(bound: Bound, kind: Kind, written: ast.ValueExpression, advice: str) -> None:
    """Check an argument of a user-defined function."""
    found = kind_of(bound.field)
    if is_null(bound) or found is kind:
        return
    if {found, kind} <= _TEXTUAL and not isinstance(bound, Shape):
        return
    if {found, kind} == {Kind.NUMBER, Kind.BOOLEAN}:
        return
    raise AdqlSemanticError(
        f"{_NAMES[kind]} is wanted here, and this is {describe(bound.field)}: {advice}", written.span
    )
