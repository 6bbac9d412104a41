"""Works out values that the query itself fixes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from tap_proxy.adql.ast import Span
from tap_proxy.adql.bound import Bound, Calculation, Call, Shape, Value
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import is_integer
from tap_proxy.adql.shapes import Part
from tap_proxy.adql.vectors import box_corners

AXES = (("longitude", 0, 360), ("latitude", -90, 90))


def constant(bound: Bound) -> float | None:
    """Return a number that is the same for every row, or None if it is not or cannot be told."""
    match bound:
        case Value():
            return None if isinstance(bound.value, str | None) else float(bound.value)
        case Call(name="NEGATE"):
            operand = constant(bound.arguments[0])
            return None if operand is None else -operand
        case Calculation():
            return _calculated(bound)
        case _:
            return None


def constants(bounds: Iterable[Bound]) -> tuple[float, ...] | None:
    """Return numbers that are all the same for every row, or None."""
    numbers = []
    for bound in bounds:
        value = constant(bound)
        if value is None:
            return None
        numbers.append(value)
    return tuple(numbers)


def constant_part(bound: Bound) -> Part | None:
    """Return a geometry whose numbers are all known."""
    if not isinstance(bound, Shape):
        return None
    numbers = constants(bound.numbers)
    if numbers is None:
        return None
    if bound.name == "BOX":
        return Part("polygon", box_corners(*numbers))
    return Part(bound.name.lower(), numbers)


def check_positions(numbers: Sequence[Bound], span: Span) -> None:
    """Check longitudes and latitudes, in turns, that are the same for every row (DALI 1.2 s3.3.5).

    Raises
    ------
    AdqlSemanticError
        One is no place on the sky.
    """
    for position, number in enumerate(numbers):
        value = constant(number)
        name, low, high = AXES[position % 2]
        if value is not None and not low <= value <= high:
            raise AdqlSemanticError(f"the {name} {value:g} is not between {low} and {high} degrees", span)


def _calculated(bound: Calculation) -> float | None:
    operands = constants(bound.operands)
    # Whole numbers divide in the database's way, which is left to it.
    divides_whole = "/" in bound.operators and is_integer(bound.field)
    if operands is None or divides_whole:
        return None
    result, *others = operands
    for operator, other in zip(bound.operators, others, strict=True):
        match operator:
            case "+":
                result += other
            case "-":
                result -= other
            case "*":
                result *= other
            case _ if other != 0:
                result /= other
            case _:
                return None
    return result if math.isfinite(result) else None
