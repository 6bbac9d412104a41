"""What a VOTable says of a column: the one record of it that every service shares.

A `Field` is the type and meaning of a column (VOTable 1.5 s4.1); it says nothing of where values come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Datatype = Literal[
    "boolean",
    "bit",
    "unsignedByte",
    "short",
    "int",
    "long",
    "char",
    "unicodeChar",
    "float",
    "double",
    "floatComplex",
    "doubleComplex",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column as VOTable describes it (VOTable 1.5 s4.1).

    `arraysize` is None for a scalar, else VOTable's own syntax: ``"*"``, ``"12"``, ``"12*"``, ``"2x*"``.
    `id` is an XML ID, unique in its document, by which service descriptors refer to the column.
    """

    name: str
    datatype: Datatype
    arraysize: str | None = None
    xtype: str | None = None
    unit: str | None = None
    ucd: str | None = None
    utype: str | None = None
    description: str | None = None
    id: str | None = None
