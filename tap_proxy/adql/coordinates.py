"""Which arguments the geometry constructors take (ADQL 2.1 s4.2.7 to s4.2.20 and appendix A).

A position is two numbers, or one point: a POINT, a CENTROID, a column or a user-defined function. A string literal in
front is the coordinate system of ADQL 2.0, deprecated.
"""

from __future__ import annotations

from typing import TypeGuard

from tap_proxy.adql import ast
from tap_proxy.adql.errors import AdqlSyntaxError

Arguments = tuple[ast.ValueExpression, ...]

MIN_VERTICES = 3


def point(arguments: Arguments, span: ast.Span) -> ast.GeometryCall:
    """Return a POINT of two numbers."""
    coordsys, rest = _split(arguments, ((2, 2),))
    if len(rest) != 2 or any(map(_is_geometry, rest)):
        raise AdqlSyntaxError("POINT takes two numbers: POINT(longitude, latitude)", span)
    return ast.GeometryCall("POINT", rest, coordsys, span)


def circle(arguments: Arguments, span: ast.Span) -> ast.GeometryCall:
    """Return a CIRCLE of a position and a radius."""
    coordsys, rest = _split(arguments, ((2, 3),))
    if not _is_position_and(rest, 1):
        advice = "CIRCLE takes (longitude, latitude, radius) or (point, radius)"
        raise AdqlSyntaxError(advice, span)
    return ast.GeometryCall("CIRCLE", rest, coordsys, span)


def box(arguments: Arguments, span: ast.Span) -> ast.GeometryCall:
    """Return a BOX of a position, a width and a height."""
    coordsys, rest = _split(arguments, ((3, 4),))
    if not _is_position_and(rest, 2):
        advice = "BOX takes (longitude, latitude, width, height) or (point, width, height)"
        raise AdqlSyntaxError(advice, span)
    return ast.GeometryCall("BOX", rest, coordsys, span)


def polygon(arguments: Arguments, span: ast.Span) -> ast.GeometryCall:
    """Return a POLYGON of three or more vertices, all pairs of numbers or all points."""
    coordsys: ast.StringLiteral | None = None
    if _is_coordsys(arguments[0]):
        coordsys, arguments = arguments[0], arguments[1:]
    points = all(map(_may_be_point, arguments))
    pairs = not any(map(_is_geometry, arguments)) and len(arguments) % 2 == 0
    if not (points and len(arguments) >= MIN_VERTICES) and not (pairs and len(arguments) >= 2 * MIN_VERTICES):
        advice = "POLYGON takes three or more vertices, all written as two numbers or all as points"
        raise AdqlSyntaxError(advice, span)
    return ast.GeometryCall("POLYGON", arguments, coordsys, span)


def distance(arguments: Arguments, span: ast.Span) -> ast.GeometryCall:
    """Return a DISTANCE of two points or of four numbers."""
    two = len(arguments) == 2 and all(map(_may_be_point, arguments))
    four = len(arguments) == 4 and not any(map(_is_geometry, arguments))
    if not two and not four:
        raise AdqlSyntaxError("DISTANCE takes two points, or the four numbers of two positions", span)
    return ast.GeometryCall("DISTANCE", arguments, None, span)


def _split(arguments: Arguments, sizes: tuple[tuple[int, int], ...]) -> tuple[ast.StringLiteral | None, Arguments]:
    """Take a coordinate system off the front, where what remains is then complete."""
    (fewest, most) = sizes[0]
    head, rest = arguments[0], arguments[1:]
    if not _is_coordsys(head) or not fewest <= len(rest) <= most:
        return None, arguments
    if len(rest) < most and not _may_be_point(rest[0]):
        return None, arguments
    return head, rest


def _is_coordsys(argument: ast.ValueExpression) -> TypeGuard[ast.StringLiteral]:
    """Tell whether an argument is a bare string literal, which a coordinate system has to be."""
    return isinstance(argument, ast.StringLiteral) and not isinstance(argument.span, ast.Enclosed)


def _is_position_and(arguments: Arguments, numbers: int) -> bool:
    """Tell whether the arguments are a position and then so many numbers."""
    if any(map(_is_geometry, arguments[1:])):
        return False
    if len(arguments) == numbers + 1:
        return _may_be_point(arguments[0])
    return len(arguments) == numbers + 2 and not _is_geometry(arguments[0])


def _is_geometry(argument: ast.ValueExpression) -> bool:
    return isinstance(argument, ast.GeometryCall) and argument.name in {"POINT", "CENTROID"}


def _may_be_point(argument: ast.ValueExpression) -> bool:
    return _is_geometry(argument) or isinstance(argument, ast.ColumnReference | ast.UserFunctionCall)
