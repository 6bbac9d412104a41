"""Resolves and types geometry functions (ADQL 2.1 s4.2).

Geometries that are made of numbers stay numbers (`Shape`), so that the usual conditions become arithmetic that an index
can serve. A column that holds a geometry is text to the database and is left to functions there.
"""

from __future__ import annotations

from collections.abc import Sequence

from penstock.votable.model import Field
from tap_proxy.adql import ast, sphere
from tap_proxy.adql.bound import SHAPE_NAMES, Bound, Call, ColumnValue, Shape, Value
from tap_proxy.adql.checks import describe, is_null, require_number
from tap_proxy.adql.constants import check_positions, constant, constant_part
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import Kind, geometry, kind_of, number, shape_of, string
from tap_proxy.adql.mocs import as_moc, is_moc
from tap_proxy.adql.session import Place
from tap_proxy.adql.shapes import Part, ShapeError, parse_region, write_region

MAX_SIDE_DEG = 180.0

Arguments = Sequence[Bound]
Written = Sequence[ast.ValueExpression]

DISTANCE_FIELD = number("double", unit="deg", ucd="pos.angDistance")


def bind_geometry(node: ast.GeometryCall, arguments: Arguments, place: Place) -> Bound:
    """Return a geometry function whose arguments are bound.

    Raises
    ------
    AdqlSemanticError
        An argument is not what the function takes.
    """
    if node.coordsys is not None:
        named = f"the coordinate system {node.coordsys.value[:40]!r}" if node.coordsys.value else "a coordinate system"
        told = f"{named} is ignored, an argument that is deprecated since ADQL 2.1: nothing is transformed"
        place.session.deprecate(f"{told}, coordinates are taken as ICRS", node.coordsys.span)
    match node.name:
        case "POINT" | "CIRCLE" | "BOX" | "POLYGON":
            if node.name == "BOX":
                place.session.deprecate("BOX is deprecated since ADQL 2.1: use POLYGON", node.span)
            return _construct(node, arguments)
        case "REGION":
            return _region(node)
        case "DISTANCE":
            return _distance(node, arguments)
        case "COORD1" | "COORD2":
            numbers = _position(arguments[0], node.arguments[0])
            return numbers[0 if node.name == "COORD1" else 1]
        case "COORDSYS":
            place.session.deprecate("COORDSYS is deprecated since ADQL 2.1", node.span)
            _require_geometry(arguments[0], node.arguments[0])
            return Value("ICRS", string())
        case "AREA":
            return _area(_require_geometry(arguments[0], node.arguments[0]))
        case "CENTROID":
            return _centroid(_require_geometry(arguments[0], node.arguments[0]))
        case _:
            return _relation(node, arguments)


def _construct(node: ast.GeometryCall, arguments: Arguments) -> Shape:
    field = geometry("polygon" if node.name == "BOX" else node.name.lower())
    if node.name == "POLYGON":
        return _checked(Shape("POLYGON", _vertices(node, arguments), field), node)
    sizes = {"POINT": 0, "CIRCLE": 1, "BOX": 2}[node.name]
    split = len(arguments) - sizes
    at_point = split == 1
    position = _position(arguments[0], node.arguments[0]) if at_point else _numbers(arguments[:2], node.arguments[:2])
    numbers = (*position, *_numbers(arguments[split:], node.arguments[split:]))
    return _checked(Shape(SHAPE_NAMES[node.name], numbers, field), node)


def _vertices(node: ast.GeometryCall, arguments: Arguments) -> tuple[Bound, ...]:
    """Return the numbers of a polygon that is written as numbers or as points, not mixed (ADQL 2.1 s4.2.18)."""
    if all(kind_of(argument.field) is Kind.GEOMETRY for argument in arguments):
        points = zip(arguments, node.arguments, strict=True)
        return tuple(value for bound, written in points for value in _position(bound, written))
    numbers = _numbers(arguments, node.arguments)
    if len(numbers) % 2 or len(numbers) < 6:
        raise AdqlSemanticError("POLYGON takes three or more vertices of two numbers each", node.span)
    return numbers


def _numbers(arguments: Arguments, written: Written) -> tuple[Bound, ...]:
    return tuple(require_number(bound, node) for bound, node in zip(arguments, written, strict=True))


def _position(bound: Bound, written: ast.ValueExpression) -> tuple[Bound, Bound]:
    """Return longitude and latitude of a point."""
    if isinstance(bound, Shape) and bound.name == "POINT":
        return bound.numbers[0], bound.numbers[1]
    if isinstance(bound, Shape) or (kind_of(bound.field) is not Kind.GEOMETRY and not is_null(bound)):
        raise AdqlSemanticError(f"a point is wanted here, and this is {describe(bound.field)}", written.span)
    if shape_of(bound.field) in {"circle", "polygon", "moc"}:
        raise AdqlSemanticError(f"a point is wanted here, and this is a {shape_of(bound.field)}", written.span)
    degrees = number("double", unit="deg")
    return Call("COORD", (bound,), degrees, 1), Call("COORD", (bound,), degrees, 2)


def _checked(shape: Shape, node: ast.GeometryCall) -> Shape:
    """Refuse constants that are no place on the sky (ADQL 2.1 s4.2.4; DALI 1.2 s3.3.5)."""
    check_positions(shape.numbers if shape.name == "POLYGON" else shape.numbers[:2], node.span)
    if shape.name == "CIRCLE" and (constant(shape.numbers[2]) or 0.0) < 0:
        raise AdqlSemanticError("the radius of a CIRCLE is not negative", node.span)
    if shape.name == "BOX":
        for side in map(constant, shape.numbers[2:]):
            if side is not None and not 0 <= side < MAX_SIDE_DEG:
                raise AdqlSemanticError("the sides of a BOX are less than 180 degrees and not negative", node.span)
    return shape


def _region(node: ast.GeometryCall) -> Bound:
    literal = node.arguments[0]
    text = literal.value if isinstance(literal, ast.StringLiteral) else ""
    try:
        region = parse_region(text)
    except ShapeError as error:
        raise AdqlSemanticError(f"REGION cannot read this: {error}", literal.span) from error
    for part in region:
        check_positions(shape_of_part(part).numbers[: None if part.kind == "polygon" else 2], literal.span)
    if len(region) == 1:
        return shape_of_part(region[0])
    return Value(write_region(region), string("*", "multishape"))


def shape_of_part(part: Part) -> Shape:
    """Return a constant geometry."""
    values = tuple(Value(value, number("double")) for value in part.numbers)
    return Shape(SHAPE_NAMES[part.kind.upper()], values, geometry(part.kind))


def _require_geometry(bound: Bound, written: ast.ValueExpression) -> Bound:
    """Return the value if it is a geometry or may hold one: a column of strings does (ObsCore 1.1 s4.12)."""
    if shape_of(bound.field) == "moc":
        raise AdqlSemanticError("a MOC can only be compared, by CONTAINS and INTERSECTS", written.span)
    kind = kind_of(bound.field)
    if is_null(bound) or kind in {Kind.GEOMETRY, Kind.OTHER} or (kind is Kind.STRING and _is_stored(bound)):
        return bound
    problem = f"a geometry is wanted here, and this is {describe(bound.field)}"
    advice = ": write it within REGION(...)" if isinstance(bound, Value) and kind is Kind.STRING else ""
    raise AdqlSemanticError(problem + advice, written.span)


def _is_stored(bound: Bound) -> bool:
    """Tell whether a value is as a table has it, or the first of several such."""
    if isinstance(bound, Call) and bound.name == "COALESCE":
        return any(map(_is_stored, bound.arguments))
    return isinstance(bound, ColumnValue)


def _distance(node: ast.GeometryCall, arguments: Arguments) -> Bound:
    if len(arguments) == 2:
        first, second = (_position(b, w) for b, w in zip(arguments, node.arguments, strict=True))
        return Call("DISTANCE", (*first, *second), DISTANCE_FIELD)
    numbers = _numbers(arguments, node.arguments)
    check_positions(numbers, node.span)
    return Call("DISTANCE", numbers, DISTANCE_FIELD)


def _relation(node: ast.GeometryCall, arguments: Arguments) -> Bound:
    if any(map(is_moc, arguments)):
        mocs = tuple(as_moc(b, w) for b, w in zip(arguments, node.arguments, strict=True))
        return Call(node.name, mocs, number("int"))
    left, right = (_require_geometry(b, w) for b, w in zip(arguments, node.arguments, strict=True))
    if node.name == "INTERSECTS":
        # A point that overlaps a shape is within it (ADQL 2.1 s4.2.16).
        if is_point(left):
            return Call("CONTAINS", (left, right), number("int"))
        if is_point(right):
            return Call("CONTAINS", (right, left), number("int"))
    return Call(node.name, (left, right), number("int"))


def is_point(bound: Bound) -> bool:
    """Tell whether a geometry is a point for certain."""
    return (isinstance(bound, Shape) and bound.name == "POINT") or shape_of(bound.field) == "point"


def _area(bound: Bound) -> Bound:
    field: Field = number("double", unit="deg**2")
    part = constant_part(bound)
    if part is not None:
        return Value(sphere.area((part,)), field)
    return Call("AREA", (bound,), field)


def _centroid(bound: Bound) -> Bound:
    field = geometry("point")
    if isinstance(bound, Shape) and bound.name != "POLYGON":
        return Shape("POINT", bound.numbers[:2], field)
    part = constant_part(bound)
    if part is not None:
        return shape_of_part(Part("point", sphere.centroid((part,))))
    return Call("CENTROID", (bound,), field)
