"""VOTable's datatypes and array sizes, and the Arrow type that carries each through the project.

Theory. A cell holds a sequence of primitives: `datatype` names the primitive and `arraysize` says how many there are
(VOTable 1.5 s2.1, s2.2). Arrow carries them so:

==================================  ==========================================================
VOTable                             Arrow
==================================  ==========================================================
char, unicodeChar of any arraysize  string; the text of an array of strings is one flat text
one primitive                       bool, uint8, int16, int32, int64, float or double
several primitives                  list of these, flat, the first index running fastest
floatComplex, doubleComplex         list of float or double, real and imaginary part in turn
==================================  ==========================================================

Fixed arrays are lists too and not Arrow's fixed-size lists, where a null costs as much memory as a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from penstock.votable.model import Datatype, Field

_ARRAYSIZE = re.compile(r"(?P<unit>(?:[0-9]+x)*)(?:(?P<last>[0-9]+)|(?P<limit>[0-9]*)\*)", re.ASCII)

TEXT_TYPES = frozenset({"char", "unicodeChar"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """How one primitive is kept in Arrow and on the wire; `parts` numbers make one primitive."""

    arrow: pa.DataType
    wire: np.dtype[Any]
    parts: int = 1


def _primitive(arrow: pa.DataType, wire: str, parts: int = 1) -> Primitive:
    return Primitive(arrow=arrow, wire=np.dtype(wire), parts=parts)


# Widths are those of VOTable 1.5 table 1; numbers are big-endian (VOTable 1.5 s5.3). Of `bit`, eight share a byte.
PRIMITIVES: dict[Datatype, Primitive] = {
    "boolean": _primitive(pa.bool_(), "u1"),
    "bit": _primitive(pa.bool_(), "u1"),
    "unsignedByte": _primitive(pa.uint8(), "u1"),
    "short": _primitive(pa.int16(), ">i2"),
    "int": _primitive(pa.int32(), ">i4"),
    "long": _primitive(pa.int64(), ">i8"),
    "char": _primitive(pa.string(), "u1"),
    "unicodeChar": _primitive(pa.string(), ">u2"),
    "float": _primitive(pa.float32(), ">f4"),
    "double": _primitive(pa.float64(), ">f8"),
    "floatComplex": _primitive(pa.float32(), ">f4", 2),
    "doubleComplex": _primitive(pa.float64(), ">f8", 2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many primitives a cell holds: `unit` of them, or when `variable` any multiple up to `limit`."""

    unit: int
    variable: bool = False
    limit: int | None = None

    @property
    def scalar(self) -> bool:
        """Say whether a cell is one primitive; ``arraysize="1"`` is ambiguous and read as that (s2.2)."""
        return self.unit == 1 and not self.variable

    def admits(self, count: int) -> bool:
        """Say whether a cell may hold `count` primitives."""
        if not self.variable:
            return count == self.unit
        return count % self.unit == 0 and (self.limit is None or count <= self.limit)


@cache
def shape_of(arraysize: str | None) -> Shape:
    """Read an arraysize (VOTable 1.5 s2.2).

    Raises
    ------
    ValueError
        It is not VOTable's syntax, or a dimension is zero.
    """
    if arraysize is None:
        return Shape(unit=1)
    match = _ARRAYSIZE.fullmatch(arraysize.strip())
    if match is None:
        raise ValueError(f"arraysize {arraysize!r} is not like '*', '12', '12*' or '2x*'")
    unit = 1
    for dimension in match["unit"].split("x")[:-1]:
        unit *= int(dimension)
    if match["last"] is not None:
        unit *= int(match["last"])
    if unit == 0:
        raise ValueError(f"arraysize {arraysize!r} has a dimension of zero")
    if match["last"] is not None:
        return Shape(unit=unit)
    return Shape(unit=unit, variable=True, limit=unit * int(match["limit"]) if match["limit"] else None)


def arrow_type(field: Field) -> pa.DataType:
    """Return the Arrow type that carries the values of a column.

    Raises
    ------
    ValueError
        The field's arraysize is not VOTable's syntax.
    """
    primitive = PRIMITIVES[field.datatype]
    shape = shape_of(field.arraysize)
    if field.datatype in TEXT_TYPES or (shape.scalar and primitive.parts == 1):
        return primitive.arrow
    return pa.list_(primitive.arrow)


def fields_schema(fields: tuple[Field, ...]) -> pa.Schema:
    """Return the Arrow schema whose columns carry `fields`, in order."""
    return pa.schema([pa.field(field.name, arrow_type(field)) for field in fields])
