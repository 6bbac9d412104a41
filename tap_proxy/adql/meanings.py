"""What is known of a calculated value: its unit and its UCD, where they are certain (ADQL 2.1 s4.9.1; UCD1+ 1.5).

A bare number, such as a literal, a count or a cosine, takes part in any unit: ``ra + 10`` is in degrees as `ra` is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from penstock.votable.model import Field
from tap_proxy.adql.bound import AggregateCall, Bound, Calculation, Call, Value, parts
from tap_proxy.adql.constants import constant
from tap_proxy.adql.units import UnitError, conversion_factor, product_unit

_PURE = frozenset({"SIN", "COS", "TAN", "COT", "EXP", "LOG", "LOG10"})
MAX_POWER = 16

STATISTICS: Mapping[str, str] = {"MIN": "stat.min", "MAX": "stat.max", "AVG": "stat.mean", "SUM": "arith.sum"}
"""The secondary word that a set function adds to the UCD of what it is made of."""


def unit_of_chain(operands: Sequence[Bound], operators: Sequence[str]) -> str | None:
    """Return the unit of a sum or of a product."""
    if operators[0] in "+-":
        return common_unit(operands)
    signs = ["*", *operators]
    measured = [(each.field.unit, sign) for each, sign in zip(operands, signs, strict=True) if not is_bare(each)]
    if any(unit is None for unit, _ in measured):
        return None
    if len(measured) == 1 and measured[0][1] == "*":
        return measured[0][0]
    return product_unit((unit, Fraction(-1 if sign == "/" else 1)) for unit, sign in measured if unit)


def common_unit(values: Sequence[Bound]) -> str | None:
    """Return the unit that values share, bare numbers left out, or None."""
    units = [each.field.unit for each in values if not is_bare(each)]
    return units[0] if units and all(_same_unit(units[0], unit) for unit in units[1:]) else None


def _same_unit(left: str | None, right: str | None) -> bool:
    if left == right:
        return True
    try:
        return math.isclose(conversion_factor(left, right or ""), 1.0)
    except UnitError:
        return False


def unit_to_power(value: Bound, power: float | None) -> str | None:
    """Return the unit of a value to a constant power."""
    if power is None or value.field.unit is None or abs(power) > MAX_POWER:
        return None
    exact = Fraction(power).limit_denominator(MAX_POWER)
    return product_unit([(value.field.unit, exact)]) if float(exact) == power else None


def is_bare(value: Bound) -> bool:
    """Tell whether a value is a number without any unit for certain."""
    match value:
        case Value():
            return True
        case AggregateCall():
            return value.name == "COUNT" or (value.argument is not None and is_bare(value.argument))
        case Call() if value.name in _PURE:
            return True
        case Call(name="POWER"):
            return is_bare(value.arguments[0]) and constant(value.arguments[1]) is not None
        case Call() | Calculation():
            return value.field.unit is None and all(map(is_bare, parts(value)))
        case _:
            return False


def described_as(field: Field, source: Field) -> Field:
    """Return a type with the UCD and description of what it was made of: the same quantity, written otherwise."""
    return replace(field, ucd=source.ucd, description=source.description)


def statistic(name: str, field: Field, source: Field) -> Field:
    """Return the type of a set function with a UCD that says so."""
    word = STATISTICS[name]
    ucd = source.ucd
    if ucd and word not in ucd.split(";"):
        ucd = f"{ucd};{word}"
    return replace(field, ucd=ucd or None)
