"""Resolves and types value expressions (ADQL 2.1 s2.3, s3, s4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from penstock.votable.model import Datatype, Field
from tap_proxy.adql import ast
from tap_proxy.adql.bound import AggregateCall, Bound, Calculation, Call, UserCall, Value
from tap_proxy.adql.casts import bind_cast
from tap_proxy.adql.catalogue import same
from tap_proxy.adql.checks import describe, is_null, require, require_number, require_text, truth_as_number
from tap_proxy.adql.constants import constant
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.geometries import bind_geometry
from tap_proxy.adql.kinds import CHARACTERS, Kind, is_integer, kind_of, number, shape_of, string, wider
from tap_proxy.adql.meanings import common_unit, described_as, statistic, unit_of_chain, unit_to_power
from tap_proxy.adql.mocs import bind_moc
from tap_proxy.adql.session import Place
from tap_proxy.adql.units import UnitError, conversion_factor

MAX_INT, MAX_LONG = 2**31 - 1, 2**63 - 1
MAX_DIGITS = 300
MAX_CHAIN = 500
COPIES_BY_RELATION, COPIES_BY_FUNCTION, COPIES_BY_ROUNDING = 8, 4, 2

NULL = Value(None, string())
_TEXTS = frozenset({Kind.STRING, Kind.TIMESTAMP})
_WRITTEN = frozenset({Kind.STRING, Kind.GEOMETRY})


def bind(expression: ast.ValueExpression, place: Place) -> Bound:
    """Return a value expression with its names resolved and its type.

    Raises
    ------
    AdqlSemanticError
        A name is unknown or ambiguous, or a type does not fit.
    """
    match expression:
        case ast.ColumnReference():
            return _resolve(expression, place)
        case ast.NumericLiteral():
            return literal(expression)
        case ast.StringLiteral():
            return Value(expression.value, string())
        case ast.NullLiteral():
            return NULL
    place.session.depth += 1
    place.session.check_depth(expression.span)
    bound = _bind_composite(expression, place)
    place.session.depth -= 1
    return bound


def _bind_composite(expression: ast.ValueExpression, place: Place) -> Bound:
    match expression:
        case ast.Signed():
            return _signed(expression, place)
        case ast.Arithmetic():
            return _arithmetic(expression, place)
        case ast.Concatenation():
            _check_length(expression)
            operands = (require_text(bind(each, place), each, or_number=True) for each in expression.operands)
            return Call("CONCAT", tuple(operands), string())
        case ast.FunctionCall():
            return _FUNCTIONS[expression.name](expression, place)
        case ast.GeometryCall():
            with place.session.copied(_copies(expression), expression.span):
                arguments = tuple(bind(argument, place) for argument in expression.arguments)
            return bind_geometry(expression, arguments, place)
        case ast.UserFunctionCall():
            return _user_function(expression, place)
        case ast.SetFunction():
            return _set_function(expression, place)
        case ast.Cast():
            return bind_cast(bind(expression.operand, place), expression)
        case _:
            raise AssertionError(expression)


def _check_length(node: ast.Arithmetic | ast.Concatenation) -> None:
    if len(node.operands) > MAX_CHAIN:
        raise AdqlSemanticError(f"more than {MAX_CHAIN} values are joined here", node.span)


def _copies(node: ast.GeometryCall) -> int:
    """Return how often the SQL of a geometry function may repeat its arguments, at most."""
    if node.name not in {"DISTANCE", "CONTAINS", "INTERSECTS"}:
        return 1
    corners = (len(each.arguments) for each in node.arguments if isinstance(each, ast.GeometryCall))
    return COPIES_BY_RELATION + 3 * max(corners, default=0)


def literal(node: ast.NumericLiteral) -> Value:
    """Return a number: exact ones are int or long as they fit, all others double."""
    digits = node.text.lstrip("0") or "0"
    if node.is_integer and len(digits) <= len(str(MAX_LONG)):
        value = int(digits)
        if value <= MAX_LONG:
            return Value(value, number("int" if value <= MAX_INT else "long"))
    double = float(node.text)
    if double == float("inf"):
        raise AdqlSemanticError("this number is larger than a double can hold", node.span)
    return Value(double, number("double"))


def _resolve(reference: ast.ColumnReference, place: Place) -> Bound:
    """Look a column up; in ORDER BY and GROUP BY the result's own columns are in sight too."""
    name = reference.names[-1]
    if place.outputs and len(reference.names) == 1:
        named = place.outputs_called(name)
        if named is not None and (place.outputs_first or not place.scope.find((), name)):
            return named
    try:
        return place.scope.resolve(reference)
    except AdqlSemanticError as error:
        problem = _about_result(name, place) if len(reference.names) == 1 else None
        if problem is None:
            raise
        raise AdqlSemanticError(problem, reference.span) from error


def _about_result(name: ast.Identifier, place: Place) -> str | None:
    """Return what to tell of a name that no table knows and the result does."""
    if sum(same(name, output.label) for output in place.outputs) > 1:
        return f"several columns of the result are called {name}"
    if any(same(name, label) for label in place.result_labels):
        return f"{name} names a column of the result, which {place.clause} does not know: write what it stands for"
    return None


def _signed(node: ast.Signed, place: Place) -> Bound:
    operand = require_number(bind(node.operand, place), node.operand)
    if node.sign == "+" or is_null(operand):
        return operand
    if isinstance(operand, Value) and not isinstance(operand.value, str | None):
        return replace(operand, value=-operand.value)
    return Call("NEGATE", (operand,), _calculated(operand.field))


def _calculated(field: Field) -> Field:
    """Return the type that arithmetic on a number gives: long for exact ones, double for others."""
    return number("long" if is_integer(field) else "double", unit=field.unit)


def _arithmetic(node: ast.Arithmetic, place: Place) -> Bound:
    _check_length(node)
    operands = tuple(require_number(bind(operand, place), operand) for operand in node.operands)
    exact = all(is_integer(operand.field) for operand in operands)
    datatype: Datatype = "long" if exact else "double"
    return Calculation(operands, node.operators, number(datatype, unit=unit_of_chain(operands, node.operators)))


def _one_number(datatype: Datatype | None, unit: str | None, *, keep_unit: bool = False) -> _Binder:
    """Make a binder for a function of one number; without `datatype` the result is of the argument's type."""

    def bind_function(node: ast.FunctionCall, place: Place) -> Bound:
        argument = require_number(bind(node.arguments[0], place), node.arguments[0])
        kept = argument.field.unit if keep_unit else unit
        field = number(datatype or _plain_number(argument.field), unit=kept)
        return Call(node.name, (argument,), field)

    return bind_function


def _plain_number(field: Field) -> Datatype:
    return field.datatype if kind_of(field) is Kind.NUMBER else "double"


def _two_numbers(node: ast.FunctionCall, place: Place) -> Bound:
    arguments = tuple(require_number(bind(argument, place), argument) for argument in node.arguments)
    match node.name:
        case "ATAN2":
            unit: str | None = "rad"
        case "POWER":
            unit = unit_to_power(arguments[0], constant(arguments[1]))
        case _:
            unit = common_unit(arguments)
    return Call(node.name, arguments, number("double", unit=unit))


def _root(node: ast.FunctionCall, place: Place) -> Bound:
    argument = require_number(bind(node.arguments[0], place), node.arguments[0])
    return Call(node.name, (argument,), number("double", unit=unit_to_power(argument, 0.5)))


def _rounding(node: ast.FunctionCall, place: Place) -> Bound:
    with place.session.copied(COPIES_BY_ROUNDING, node.span):
        argument = require_number(bind(node.arguments[0], place), node.arguments[0])
    digits = 0
    if len(node.arguments) > 1:
        written = bind(node.arguments[1], place)
        digits = int(written.value) if isinstance(written, Value) and isinstance(written.value, int) else MAX_DIGITS + 1
        if abs(digits) > MAX_DIGITS:
            problem = f"{node.name} takes no more than {MAX_DIGITS} digits"
            raise AdqlSemanticError(problem, node.arguments[1].span)
    field = described_as(number("double", unit=argument.field.unit), argument.field)
    return Call(node.name, (argument,), field, digits)


def _nullary(node: ast.FunctionCall, _: Place) -> Bound:
    return Call(node.name, (), number("double"))


def _fold(node: ast.FunctionCall, place: Place) -> Bound:
    argument = require_text(bind(node.arguments[0], place), node.arguments[0])
    field = argument.field if kind_of(argument.field) is Kind.STRING else string()
    return Call(node.name, (argument,), described_as(string(field.arraysize or "1"), field))


def _coalesce(node: ast.FunctionCall, place: Place) -> Bound:
    arguments = [bind(argument, place) for argument in node.arguments]
    present = [(bound, written) for bound, written in zip(arguments, node.arguments, strict=True) if not is_null(bound)]
    if not present:
        return NULL
    field = present[0][0].field
    for bound, written in present[1:]:
        if not comparable(field, bound.field):
            problem = (
                f"COALESCE needs values of one type: {describe(field)} comes first, and this is {describe(bound.field)}"
            )
            raise AdqlSemanticError(problem, written.span)
        field = wider(field, bound.field)
    unit = common_unit([bound for bound, _ in present])
    return Call("COALESCE", tuple(arguments), replace(field, name="", unit=unit))


def comparable(left: Field, right: Field) -> bool:
    """Tell whether values of two types may stand in one column."""
    ours, theirs = kind_of(left), kind_of(right)
    kinds = {ours, theirs}
    if Kind.OTHER in kinds:
        return ours is theirs and left.datatype == right.datatype
    if Kind.GEOMETRY in kinds:
        # What is written as a string, such as STC-S, may be any geometry; numbers are those of their shape.
        return kinds <= _WRITTEN and (
            shape_of(left) == shape_of(right) or {left.datatype, right.datatype} <= CHARACTERS
        )
    return ours is theirs or kinds <= _TEXTS or kinds == {Kind.NUMBER, Kind.BOOLEAN}


def _in_unit(node: ast.FunctionCall, place: Place) -> Bound:
    written, target = node.arguments
    value = require_number(bind(written, place), written)
    unit = target.value if isinstance(target, ast.StringLiteral) else ""
    try:
        factor = conversion_factor(value.field.unit, unit)
    except UnitError as error:
        raise AdqlSemanticError(f"IN_UNIT cannot do this: {error}", node.span) from error
    field = replace(value.field, name="", datatype="double", unit=unit)
    return Call("SCALE", (value,), field, factor)


def _user_function(node: ast.UserFunctionCall, place: Place) -> Bound:
    if node.name.name.upper() == "MOC":
        return bind_moc(node, [bind(argument, place) for argument in node.arguments])
    function = place.session.catalogue.function(node.name, len(node.arguments))
    if function is None:
        near = place.session.catalogue.suggest_function(node.name)
        advice = f"; {near}" if near else ""
        raise AdqlSemanticError(f"there is no function {node.name}{advice}", node.name.span)
    if len(node.arguments) != len(function.parameters):
        raise AdqlSemanticError(f"{function.name} is called as {function.signature}", node.span)
    if function.aggregate:
        place = place.within_aggregate(function.name, node.span)
    arguments = []
    for written, parameter in zip(node.arguments, function.parameters, strict=True):
        with place.session.copied(COPIES_BY_FUNCTION, node.span):
            bound = bind(written, place)
        if parameter.kind is not None:
            require(bound, parameter.kind, written, f"{function.name} is called as {function.signature}")
        if parameter.kind is Kind.NUMBER:
            bound = truth_as_number(bound)
        arguments.append(bound)
    return UserCall(function, tuple(arguments), function.returns)


def _set_function(node: ast.SetFunction, place: Place) -> Bound:
    inner = place.within_aggregate(node.name, node.span)
    if node.argument is None:
        return AggregateCall("COUNT", False, None, number("long", ucd="meta.number"))
    argument = bind(node.argument, inner)
    distinct = node.quantifier == "DISTINCT"
    match node.name:
        case "COUNT":
            field = number("long", ucd="meta.number")
        case "AVG":
            argument = require_number(argument, node.argument)
            field = statistic("AVG", number("double", unit=argument.field.unit), argument.field)
        case "SUM":
            argument = require_number(argument, node.argument)
            field = statistic("SUM", _calculated(argument.field), argument.field)
        case _:
            if kind_of(argument.field) is Kind.BOOLEAN:
                argument = require_number(argument, node.argument)
            if kind_of(argument.field) is Kind.GEOMETRY and not isinstance(argument, Value):
                raise AdqlSemanticError(f"{node.name} cannot order geometries", node.span)
            field = replace(argument.field, name="", utype=None, description=None)
            field = statistic(node.name, field, argument.field)
    return AggregateCall(node.name, distinct, argument, field)


_Binder = Callable[[ast.FunctionCall, Place], Bound]

_FUNCTIONS: Mapping[str, _Binder] = {
    "ABS": _one_number(None, None, keep_unit=True),
    "CEILING": _one_number("double", None, keep_unit=True),
    "FLOOR": _one_number("double", None, keep_unit=True),
    "DEGREES": _one_number("double", "deg"),
    "RADIANS": _one_number("double", "rad"),
    "ACOS": _one_number("double", "rad"),
    "ASIN": _one_number("double", "rad"),
    "ATAN": _one_number("double", "rad"),
    **{name: _one_number("double", None) for name in ("COS", "COT", "SIN", "TAN", "EXP", "LOG", "LOG10")},
    "SQRT": _root,
    "ATAN2": _two_numbers,
    "MOD": _two_numbers,
    "POWER": _two_numbers,
    "ROUND": _rounding,
    "TRUNCATE": _rounding,
    "PI": _nullary,
    "RAND": _nullary,
    "LOWER": _fold,
    "UPPER": _fold,
    "COALESCE": _coalesce,
    "IN_UNIT": _in_unit,
}
