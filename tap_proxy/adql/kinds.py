"""What can be done with a value, told from how VOTable describes it (ADQL 2.1 s3)."""

from __future__ import annotations

from dataclasses import fields, replace
from enum import Enum, auto

from penstock.votable.model import Datatype, Field


class Kind(Enum):
    """Families of types between which ADQL distinguishes."""

    NUMBER = auto()
    STRING = auto()
    TIMESTAMP = auto()
    GEOMETRY = auto()
    BOOLEAN = auto()
    OTHER = auto()


RANKS: dict[str, int] = {
    "bit": 0,
    "unsignedByte": 1,
    "short": 2,
    "int": 3,
    "long": 4,
    "float": 5,
    "double": 6,
}
CHARACTERS = frozenset({"char", "unicodeChar"})
_SHAPES = frozenset({"point", "circle", "polygon", "region", "shape", "multishape", "range", "box", "moc"})
_SCALAR = frozenset({None, "", "1"})


def shape_of(field: Field) -> str | None:
    """Return the kind of shape that a value holds, in lower case, or None if it is no geometry (DALI 1.2 s3.3)."""
    if field.xtype is None:
        return None
    name = field.xtype.lower().removeprefix("adql:")
    return name if name in _SHAPES else None


def kind_of(field: Field) -> Kind:
    """Return the family of a type."""
    if shape_of(field) is not None:
        return Kind.GEOMETRY
    if field.datatype in CHARACTERS:
        timestamp = field.xtype is not None and field.xtype.lower().removeprefix("adql:") == "timestamp"
        return Kind.TIMESTAMP if timestamp else Kind.STRING
    if field.arraysize not in _SCALAR:
        return Kind.OTHER
    if field.datatype == "boolean":
        return Kind.BOOLEAN
    return Kind.NUMBER if field.datatype in RANKS else Kind.OTHER


def is_integer(field: Field) -> bool:
    """Tell whether a number is exact."""
    return RANKS.get(field.datatype, 9) <= RANKS["long"]


def number(datatype: Datatype, *, unit: str | None = None, ucd: str | None = None) -> Field:
    """Describe a nameless number."""
    return Field(name="", datatype=datatype, unit=unit, ucd=ucd)


def string(arraysize: str = "*", xtype: str | None = None) -> Field:
    """Describe a nameless string."""
    return Field(name="", datatype="char", arraysize=arraysize, xtype=xtype)


def geometry(shape: str) -> Field:
    """Describe a nameless geometry as DALI serialises it (DALI 1.2 s3.3.5 to s3.3.8)."""
    sizes = {"point": "2", "circle": "3"}
    return Field(name="", datatype="double", arraysize=sizes.get(shape, "*"), xtype=shape, unit="deg")


def plain(field: Field, name: str) -> Field:
    """Return what a result says of a column: the description without what concerns its table, under a name."""
    return Field(**{f.name: getattr(field, f.name) for f in fields(Field) if f.name not in ("id", "name")}, name=name)


def wider(left: Field, right: Field) -> Field:
    """Return the type that holds values of both; meaning comes from the left (ADQL 2.1 s4.6)."""
    if left.datatype in RANKS and right.datatype in RANKS:
        return left if RANKS[left.datatype] >= RANKS[right.datatype] else replace(left, datatype=right.datatype)
    if left.datatype == "boolean" and right.datatype in RANKS:
        return replace(left, datatype=right.datatype)
    if left.datatype in RANKS and right.datatype == "boolean":
        return left
    if left.datatype == "unicodeChar" or right.datatype == "unicodeChar":
        left = replace(left, datatype="unicodeChar")
    return left if left.arraysize == right.arraysize else replace(left, arraysize="*")
