"""MOCs in queries: the MOC function, and regions compared with MOCs (RegTAP 1.2 s8.15).

A MOC that a query fixes is calculated when the query is read, and goes to the database as it is. MOC(order, geometry)
is every cell of the order that the geometry touches; where a region without an order meets a MOC, the order is chosen
so that the outline takes a few hundred cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from penstock.moc import MAX_ORDER, MocError, parse_moc
from penstock.votable.model import Field
from tap_proxy.adql import ast, sphere
from tap_proxy.adql.bound import Bound, Shape, Value
from tap_proxy.adql.checks import describe, is_null
from tap_proxy.adql.constants import constant, constant_part
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import shape_of
from tap_proxy.adql.shapes import Part, Region, parse_region

FIELD = Field(name="", datatype="char", arraysize="*", xtype="moc")
SIGNATURES = "MOC is called as MOC(order, geometry) or MOC('order/cells ...')"
CELL_DEG = math.degrees(math.sqrt(math.pi / 3))
"""The side of a cell of order 0."""

MAX_CELLS = 20_000
"""Cells along an outline that are worth calculating."""

FITTING_CELLS, FITTING_ORDER = 256, 13
"""Cells along an outline where the order is ours to choose, and the highest such order."""


def is_moc(bound: Bound) -> bool:
    """Tell whether a value is a MOC for certain."""
    return shape_of(bound.field) == "moc"


def bind_moc(node: ast.UserFunctionCall, arguments: Sequence[Bound]) -> Value:
    """Return what MOC(...) makes of its arguments, which must be the same for every row.

    Raises
    ------
    AdqlSemanticError
        They are not, or are no geometry and no MOC, or the order is too fine for the geometry.
    """
    if len(arguments) == 1 and isinstance(arguments[0], Value) and isinstance(arguments[0].value, str):
        return _literal(arguments[0].value, node.arguments[0])
    if len(arguments) != 2:
        raise AdqlSemanticError(SIGNATURES, node.span)
    written = node.arguments[1]
    order = constant(arguments[0])
    if order is None or order != int(order) or not 0 <= order <= MAX_ORDER:
        problem = f"the order of a MOC is a whole number from 0 to {MAX_ORDER}: {SIGNATURES}"
        raise AdqlSemanticError(problem, node.arguments[0].span)
    region = _region(arguments[1], written)
    finest = order_for(region, MAX_CELLS)
    if order > finest:
        raise AdqlSemanticError(f"order {int(order)} is too fine for a shape of this size: at most {finest}", node.span)
    return _value(region, int(order))


def as_moc(bound: Bound, written: ast.ValueExpression) -> Bound:
    """Return a geometry that is compared with a MOC as a MOC itself.

    Raises
    ------
    AdqlSemanticError
        It differs from row to row.
    """
    if is_moc(bound) or is_null(bound):
        return bound
    region = _region(bound, written)
    return _value(region, order_for(region, FITTING_CELLS, FITTING_ORDER))


def order_for(region: Region, cells: int, highest: int = MAX_ORDER) -> int:
    """Return the highest order at which the outline of a region takes no more than so many cells; points are free."""
    outline = sum(map(_outline_deg, region))
    if outline == 0:
        return MAX_ORDER
    return max(0, min(highest, int(math.log2(max(1.0, cells * CELL_DEG / outline)))))


def _literal(text: str, written: ast.ValueExpression) -> Value:
    try:
        parse_moc(text)
    except MocError as error:
        raise AdqlSemanticError(f"this is no MOC: {error}", written.span) from error
    return Value(" ".join(text.split()), FIELD)


def _region(bound: Bound, written: ast.ValueExpression) -> Region:
    part = constant_part(bound)
    if part is not None:
        return (part,)
    if isinstance(bound, Value) and isinstance(bound.value, str) and shape_of(bound.field) == "multishape":
        return parse_region(bound.value)
    if isinstance(bound, Shape):
        raise AdqlSemanticError("a MOC is made of geometries that are the same for every row only", written.span)
    raise AdqlSemanticError(
        f"a geometry made of numbers is wanted here, and this is {describe(bound.field)}", written.span
    )


def _outline_deg(part: Part) -> float:
    match part.kind:
        case "point":
            return 0.0
        case "circle":
            return max(360.0 * math.sin(math.radians(min(part.numbers[2], 90.0))), 1e-6)
        case _:
            positions = list(zip(part.numbers[::2], part.numbers[1::2], strict=True))
            return max(sum(sphere.distance(*a, *b) for a, b in pairwise([*positions, positions[0]])), 1e-6)


def _value(region: Region, order: int) -> Value:
    from tap_proxy.adql.healpix import moc_of  # brings much of astropy along, which other queries do without

    return Value(moc_of(region, order), FIELD)
