"""Tables of every kind for property tests."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import strategies as st

from penstock.votable.model import Datatype, Field

# What XML can hold: everything else is left out by design, and tested elsewhere.
_CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n\r"
)
_ASCII = st.characters(min_codepoint=33, max_codepoint=126)
_FLOAT = st.floats(width=32)
_DOUBLE = st.floats()


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


PRIMITIVES: dict[Datatype, st.SearchStrategy[object]] = {
    "boolean": st.booleans(),
    "bit": st.booleans(),
    "unsignedByte": st.integers(0, 255),
    "short": _integers(16),
    "int": _integers(32),
    "long": _integers(64),
    "float": _FLOAT,
    "double": _DOUBLE,
    "floatComplex": st.tuples(_FLOAT, _FLOAT),
    "doubleComplex": st.tuples(_DOUBLE, _DOUBLE),
}
LENGTHS: dict[str | None, st.SearchStrategy[int]] = {
    None: st.just(1),
    "3": st.just(3),
    "*": st.integers(0, 12),
    "4*": st.integers(0, 4),
    "2x*": st.integers(0, 3).map(lambda rows: 2 * rows),
    "2x2": st.just(4),
}


def values(field: Field) -> st.SearchStrategy[object]:
    """Values of a field, as `batch_from_rows` takes them."""
    if field.datatype in {"char", "unicodeChar"}:
        if field.arraysize == "*":
            return st.text(_CHARACTERS)
        return st.text(_ASCII, min_size=1, max_size=1 if field.arraysize is None else 3)
    primitive = PRIMITIVES[field.datatype]
    if field.arraysize is None:
        return primitive.map(list) if field.datatype.endswith("Complex") else primitive
    arrays = LENGTHS[field.arraysize].flatmap(lambda length: st.lists(primitive, min_size=length, max_size=length))
    return arrays.map(_flat) if field.datatype.endswith("Complex") else arrays


def _flat(pairs: list[tuple[float, float]]) -> list[float]:
    return [number for pair in pairs for number in pair]


fields = st.sampled_from(
    [
        *(Field(name="x", datatype=datatype, arraysize=size) for datatype in PRIMITIVES for size in LENGTHS),
        *(
            Field(name="x", datatype=datatype, arraysize=size)
            for datatype in ("char", "unicodeChar")
            for size in (None, "3", "*")
        ),
    ]
)


@st.composite
def tables(draw: st.DrawFn, nulls: bool = True) -> tuple[tuple[Field, ...], list[list[object]]]:
    """A few fields and a few rows."""
    columns = tuple(
        replace(field, name=f"c{index}") for index, field in enumerate(draw(st.lists(fields, min_size=1, max_size=9)))
    )
    row = st.tuples(*[st.none() | values(field) if nulls else values(field) for field in columns]).map(list)
    return columns, draw(st.lists(row, max_size=4))


def exact(value: object) -> object:
    """Make equal what must not differ: NaN is itself, and minus zero is not zero."""
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else (value, math.copysign(1, value))
    return value


PLAIN: tuple[tuple[Field, ...], list[tuple[object, ...]]] = (
    (Field(name="a", datatype="int"), Field(name="b", datatype="char", arraysize="*")),
    [(1, "x"), (2, "yy"), (None, None)],
)
