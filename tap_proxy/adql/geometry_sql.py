"""Writes geometry as SQL arithmetic where it is made of numbers, and as calls of helper functions where not.

A position within a circle is tested by the haversine of its distance, which is sound for the smallest radii, at the
poles and across longitude 0. Where the circle or polygon is constant, bounds on latitude and longitude come first, so
that an index finds the few rows that the arithmetic has to see: one on zones of latitude (`penstock.zones`) where the
region is small, else one on the latitude. They are left out where the condition is negated: there they would turn NULL
into an answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from penstock.zones import zone_sql, zones_between
from tap_proxy.adql import moc_sql
from tap_proxy.adql.bound import Bound, Calculation, Call, ColumnValue, Shape, Value
from tap_proxy.adql.constants import constant, constant_part, constants
from tap_proxy.adql.kinds import number, shape_of
from tap_proxy.adql.mocs import is_moc
from tap_proxy.adql.regions import PAD_DEG, Bounds, circle_bounds, convex_sides, polygon_bounds
from tap_proxy.adql.shapes import Part, write_region
from tap_proxy.adql.sphere import TOLERANCE
from tap_proxy.adql.writer import Writer

HALF_RADIAN = math.pi / 360
TOLERANCE_DEG = math.degrees(TOLERANCE)
MAX_ZONES = 180
"""Zones that are worth listing: a region of half the sky's height is not found by an index."""
LABELLED = frozenset({"point", "circle", "polygon"})
MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "<>": "<>"}


Position = tuple[Bound, Bound]


def relation(writer: Writer, call: Call, *, bounded: bool) -> str:
    """Return CONTAINS or INTERSECTS as a condition, with bounds before it or as it is."""
    left, right = call.arguments
    if is_moc(left) or is_moc(right):
        return moc_sql.relation(writer, call)
    if isinstance(left, Shape) and isinstance(right, Shape):
        written = _of_shapes(writer, call.name, left, right, bounded=bounded)
        if written is not None:
            return written
    return f"{_helper(writer, call)} = 1"


def relation_value(writer: Writer, call: Call) -> str:
    """Return CONTAINS or INTERSECTS as 1 or 0."""
    left, right = call.arguments
    if is_moc(left) or is_moc(right):
        return writer.dialect.integer(moc_sql.relation(writer, call))
    if isinstance(left, Shape) and isinstance(right, Shape):
        written = _of_shapes(writer, call.name, left, right, bounded=False)
        if written is not None:
            return writer.dialect.integer(written)
    return _helper(writer, call)


def _helper(writer: Writer, call: Call) -> str:
    return writer.dialect.functions[call.name].format(*(as_text(writer, each) for each in call.arguments))


def _of_shapes(writer: Writer, name: str, left: Shape, right: Shape, *, bounded: bool) -> str | None:
    """Return a condition on two shapes made of numbers, or None where only the helper knows."""
    match left.name, right.name:
        case "POINT", "CIRCLE":
            centre, radius = _circle(right)
            return cone(writer, _position(left), centre, radius, bounded=bounded)
        case "CIRCLE", "CIRCLE" if name == "INTERSECTS":
            (centre, radius), (other, other_radius) = _circle(left), _circle(right)
            reach = Calculation((radius, other_radius), ("+",), number("double"))
            return cone(writer, centre, other, reach, bounded=bounded)
        case "POINT", "POLYGON" | "BOX":
            part = constant_part(right)
            if part is None:
                return None
            return _in_polygon(writer, _position(left), part, bounded=bounded)
        case _:
            return None


def _position(shape: Shape) -> Position:
    return shape.numbers[0], shape.numbers[1]


def _circle(shape: Shape) -> tuple[Position, Bound]:
    return (shape.numbers[0], shape.numbers[1]), shape.numbers[2]


def cone(writer: Writer, first: Position, second: Position, radius: Bound, *, bounded: bool) -> str:
    """Return the condition that two positions are no further apart than a radius in degrees."""
    if constants(first) is not None:
        first, second = second, first
    size = constant(radius)
    if size is None:
        return _open_cone(writer, first, second, radius, bounded=bounded)
    return _within(writer, first, second, size + TOLERANCE_DEG, "<=", bounded=bounded)


def near(writer: Writer, call: Call, operator: str, size: float, *, bounded: bool) -> str | None:
    """Return the comparison of a DISTANCE with a constant, or None where it needs the distance itself."""
    if operator not in {"<", "<=", ">", ">="} or not 0 <= size <= 180:
        return None
    lon1, lat1, lon2, lat2 = call.arguments
    first, second = (lon1, lat1), (lon2, lat2)
    if constants(first) is not None:
        first, second = second, first
    return _within(writer, first, second, size, operator, bounded=bounded and operator in {"<", "<="})


def _within(writer: Writer, first: Position, second: Position, size: float, operator: str, *, bounded: bool) -> str:
    limit = math.sin(math.radians(min(size, 180.0)) / 2) ** 2 if size < 180 else 2.0
    exact = f"{haversine(writer, first, second)} {operator} {writer.dialect.number(limit)}"
    if not bounded:
        return exact
    centre = constants(second)
    if centre is None:
        if constants(first) is not None or size >= 90:
            return exact
        latitude, other = writer.value(first[1]), writer.value(second[1])
        reach = writer.dialect.number(size + PAD_DEG)
        return f"({latitude} BETWEEN {other} - {reach} AND {other} + {reach} AND {exact})"
    return _bounded(writer, first, circle_bounds(centre[0], centre[1], size), exact)


def _open_cone(writer: Writer, first: Position, second: Position, radius: Bound, *, bounded: bool) -> str:
    """Return the condition for a radius that differs from row to row."""
    size, dialect = writer.value(radius), writer.dialect
    reach = f"({size} + {dialect.number(TOLERANCE_DEG)})"
    limit = dialect.functions["SQUARE"].format(f"sin({reach} * {dialect.number(HALF_RADIAN)})")
    exact = f"({size} >= 0 AND ({size} >= 180 OR {haversine(writer, first, second)} <= {limit}))"
    if not bounded:
        return exact
    latitude, other = writer.value(first[1]), writer.value(second[1])
    pad = dialect.number(PAD_DEG)
    return f"({latitude} BETWEEN {other} - {size} - {pad} AND {other} + {size} + {pad} AND {exact})"


def haversine(writer: Writer, first: Position, second: Position) -> str:
    """Return the squared sine of half the distance."""
    dialect = writer.dialect
    square = dialect.functions["SQUARE"]
    half = dialect.number(HALF_RADIAN)
    (lon1, lat1), (lon2, lat2) = (tuple(map(writer.value, position)) for position in (first, second))
    height = square.format(f"sin(({lat1} - {lat2}) * {half})")
    width = square.format(f"sin(({lon1} - {lon2}) * {half})")
    return f"({height} + {_cosine(writer, first[1])} * {_cosine(writer, second[1])} * {width})"


def _cosine(writer: Writer, latitude: Bound) -> str:
    known = constant(latitude)
    if known is not None:
        return writer.dialect.number(math.cos(math.radians(known)))
    return f"cos(radians({writer.value(latitude)}))"


def _bounded(writer: Writer, position: Position, bounds: Bounds, exact: str) -> str:
    dialect = writer.dialect
    lon, lat = writer.value(position[0]), writer.value(position[1])
    conditions = [f"{lat} BETWEEN {dialect.number(bounds.south)} AND {dialect.number(bounds.north)}"]
    zones = zones_between(bounds.south, bounds.north)
    if isinstance(position[1], ColumnValue) and 0 < len(zones) <= MAX_ZONES:
        conditions.append(f"{zone_sql(dialect.name, lat)} IN ({', '.join(map(str, zones))})")
    ranges = [f"{lon} BETWEEN {dialect.number(low)} AND {dialect.number(high)}" for low, high in bounds.ranges]
    if ranges:
        conditions.append(f"({' OR '.join(ranges)})")
    return f"({' AND '.join([*conditions, exact])})"


def _in_polygon(writer: Writer, position: Position, part: Part, *, bounded: bool) -> str:
    dialect = writer.dialect
    sides = convex_sides(part)
    if sides is None:
        point = as_text(writer, Shape("POINT", position, number("double")))
        exact = f"{dialect.functions['CONTAINS'].format(point, writer.parameter(write_region((part,))))} = 1"
    else:
        lon, lat = writer.value(position[0]), writer.value(position[1])
        x, y, z = (
            f"cos(radians({lat})) * cos(radians({lon}))",
            f"cos(radians({lat})) * sin(radians({lon}))",
            f"sin(radians({lat}))",
        )
        edge = dialect.number(-TOLERANCE)
        tests = []
        for side in sides:
            nx, ny, nz = map(dialect.number, side)
            tests.append(f"{nx} * {x} + {ny} * {y} + {nz} * {z} >= {edge}")
        exact = f"({' AND '.join(tests)})"
    return _bounded(writer, position, polygon_bounds(part), exact) if bounded else exact


def as_text(writer: Writer, bound: Bound) -> str:
    """Return a geometry as text with its label, as the helper functions read it."""
    if isinstance(bound, Shape):
        part = constant_part(bound)
        if part is not None:
            return writer.parameter(write_region((part,)))
        if bound.name == "BOX":
            return writer.dialect.functions["BOX"].format(*map(writer.value, bound.numbers))
        return f"('{bound.name.lower()} ' || {_numbers(writer, bound.numbers)})"
    shape = shape_of(bound.field)
    if shape in LABELLED and bound.field.datatype not in ("char", "unicodeChar"):
        return f"('{shape} ' || {writer.value(bound)})"
    return writer.value(bound)


def as_result(writer: Writer, shape: Shape) -> str:
    """Return a geometry as a result has it: its numbers with blanks between (DALI 1.2 s3.3)."""
    part = constant_part(shape)
    if part is not None:
        return writer.parameter(" ".join(map(repr, part.numbers)))
    if shape.name == "BOX":
        return f"substr({as_text(writer, shape)}, {len('polygon ') + 1})"
    return f"({_numbers(writer, shape.numbers)})"


def _numbers(writer: Writer, numbers: Sequence[Bound]) -> str:
    return " || ' ' || ".join(writer.dialect.to_text(writer.value(each), number("double")) for each in numbers)


def distance(writer: Writer, call: Call) -> str:
    """Return a DISTANCE in degrees."""
    lon1, lat1, lon2, lat2 = call.arguments
    return writer.dialect.functions["ANGLE"].format(haversine(writer, (lon1, lat1), (lon2, lat2)))


def area(writer: Writer, call: Call) -> str:
    """Return an AREA in square degrees."""
    (bound,) = call.arguments
    if isinstance(bound, Shape) and bound.name == "CIRCLE":
        whole = writer.dialect.number(4 * math.pi * (180 / math.pi) ** 2)
        half = writer.dialect.number(HALF_RADIAN)
        square = writer.dialect.functions["SQUARE"].format(f"sin({writer.value(bound.numbers[2])} * {half})")
        return f"({whole} * {square})"
    return writer.dialect.functions["AREA"].format(as_text(writer, bound))


def is_truth(bound: Bound) -> bool | None:
    """Return what a literal 1 or 0 stands for, None for anything else."""
    if isinstance(bound, Value) and bound.value in (0, 1) and bound.value is not None:
        return bool(bound.value)
    return None


def _centroid(writer: Writer, call: Call) -> str:
    return writer.dialect.functions["CENTROID"].format(as_text(writer, call.arguments[0]))


def _coordinate(writer: Writer, call: Call) -> str:
    return writer.dialect.functions["COORD"].format(as_text(writer, call.arguments[0]), call.detail)


CALLS: Mapping[str, Callable[[Writer, Call], str]] = {
    "DISTANCE": distance,
    "AREA": area,
    "CENTROID": _centroid,
    "COORD": _coordinate,
    "CONTAINS": relation_value,
    "INTERSECTS": relation_value,
}
"""Name of a geometry function -> what writes its value."""
