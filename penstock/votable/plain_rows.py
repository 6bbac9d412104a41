"""TABLEDATA of rows that are made one by one: text, whole numbers and truth values, written without Arrow.

`tabledata` writes columns and takes some hundred microseconds to begin with a batch, whatever is in it; a list of links
has a few rows, or a thousand short ones. What is written is the same (VOTable 1.5 s5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from penstock.dali.errors import InternalError
from penstock.votable.datatypes import TEXT_TYPES
from penstock.votable.model import ByIdentity, Field
from penstock.votable.tabledata import escaped

_Speller = Callable[[Any], str]
_WHOLE = frozenset({"short", "int", "long"})
_SPECIAL = bytes(set(range(0x20)) - set(b"\t\n")) + b"&<>"


def encode_rows(rows: Sequence[Sequence[object]], fields: tuple[Field, ...]) -> bytes:
    """Write rows as TR elements in UTF-8; their values stand in the order of `fields`, and None is null.

    Raises
    ------
    InternalError
        A field is neither a text of any length nor one whole number or truth value, or a value is not of its field.
    """
    if not rows:
        return b""
    spellers = _spellers(ByIdentity(fields))
    try:
        columns = [_cells(values, spell) for values, spell in zip(zip(*rows, strict=True), spellers, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise InternalError(f"A row does not fit its columns: {error}") from error
    text = "</TD></TR>\n<TR><TD>".join(map("</TD><TD>".join, zip(*columns, strict=True)))
    return f"<TR><TD>{text}</TD></TR>\n".encode(errors="ignore")  # lone surrogates are no characters


@lru_cache(maxsize=16)
def _spellers(fields: ByIdentity[tuple[Field, ...]]) -> tuple[_Speller | None, ...]:
    """Return how to spell the values of each column; None where they are text."""
    return tuple(_speller(field) for field in fields.held)


def _speller(field: Field) -> _Speller | None:
    if field.datatype in TEXT_TYPES and field.arraysize == "*":
        return None
    if field.arraysize is None and field.datatype == "boolean":
        return {True: "true", False: "false"}.__getitem__
    if field.arraysize is None and field.datatype in _WHOLE:
        return int.__repr__
    raise InternalError(f"Values of the column {field.name!r} cannot be written one by one.")


def _cells(values: Sequence[Any], spell: _Speller | None) -> list[str]:
    if spell is not None:
        return ["" if value is None else spell(value) for value in values]
    texts = ["" if value is None else value for value in values]
    # One look at the bytes of all of them decides whether each must be looked at: mostly none.
    whole = "".join(texts).encode(errors="ignore")
    plain = whole.isascii() and len(whole.translate(None, _SPECIAL)) == len(whole)
    return texts if plain else [escaped(text) for text in texts]
