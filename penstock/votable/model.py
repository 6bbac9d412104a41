"""What a VOTable says of a column: the one record of it that every service shares.

A `Field` is the type and meaning of a column (VOTable 1.5 s4.1); it says nothing of where values come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")

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


class ByIdentity(Generic[T]):
    """Makes a cache's key of an object by which it is: to hash many fields takes longer than to write a row of them.

    A cache that holds the key holds the object too, so no other one can take its place.
    """

    __slots__ = ("held",)

    def __init__(self, held: T) -> None:
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and self.held is other.held
