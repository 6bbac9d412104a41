"""How large a whole number can become, told from the types and constants that it is calculated from."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.votable.model import Datatype
from tap_proxy.adql.bound import AggregateCall, Bound, Calculation, Call, Value

MAX_BITS = 63
"""What the databases' largest whole number has, its sign left out."""

ROWS_BITS = 32
"""A sum is of fewer rows than two to this power."""

_BITS: Mapping[Datatype, int] = {"bit": 1, "unsignedByte": 8, "short": 15, "int": 31, "long": MAX_BITS}


def bits_of(value: Bound) -> int:
    """Return how many bits the size of a whole number has, at most."""
    match value:
        case Value(value=int(number)):
            return number.bit_length()
        case Calculation():
            return _calculated(value)
        case Call(name="NEGATE" | "ABS"):
            return bits_of(value.arguments[0])
        case AggregateCall(name="SUM", argument=Call() | Calculation() as argument):
            # Of columns both databases find out themselves.
            return bits_of(argument) + ROWS_BITS
        case _:
            return _BITS.get(value.field.datatype, 0)


def _calculated(value: Calculation) -> int:
    first, *others = map(bits_of, value.operands)
    for operator, other in zip(value.operators, others, strict=True):
        match operator:
            case "*":
                first += other
            case "+" | "-":
                first = max(first, other) + 1
    return first
