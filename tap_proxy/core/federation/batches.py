"""Rows of other archives as they are kept here for one query: types as published, access URLs, duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from penstock.dali.formats import DATALINK_TYPE
from penstock.votable.compute import pc
from penstock.votable.datatypes import TEXT_TYPES, arrow_type
from penstock.votable.model import Field
from penstock.votable.text import text_column

DID, ACCESS_URL, ACCESS_FORMAT = "obs_publisher_did", "access_url", "access_format"


def kept(batch: pa.RecordBatch, found: Sequence[Field], wanted: Sequence[Field]) -> pa.RecordBatch:
    """Return rows with the types of the columns that are published, arrays and geometries as text.

    Raises
    ------
    ValueError
        A column holds what cannot be of its type; the message names it.
    """
    columns = [_kept(*each) for each in zip(batch.columns, found, wanted, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=[field.name for field in wanted])


def kept_field(field: Field) -> Field:
    """Return the field of a column as `kept` makes it."""
    if pa.types.is_list(arrow_type(field)):
        return Field(name=field.name, datatype="char", arraysize="*", xtype=field.xtype)
    return field


def unbounded(field: Field) -> Field:
    """Return a field of text without its limit: archives have longer texts than they declare, and links are longer."""
    is_text = field.datatype in TEXT_TYPES and "x" not in (field.arraysize or "")
    return replace(field, arraysize="*") if is_text else field


def _kept(array: pa.Array[Any], found: Field, wanted: Field) -> pa.Array[Any]:
    target = arrow_type(kept_field(wanted))
    if pa.types.is_string(target):
        return array if pa.types.is_string(array.type) else text_column(array, found)
    try:
        cast: pa.Array[Any] = array.cast(target, safe=not pa.types.is_floating(target))
    except pa.ArrowException as error:
        raise ValueError(f"its column {wanted.name} holds what is not {wanted.datatype}") from error
    return cast


def relinked(batch: pa.RecordBatch, names: Sequence[str], prefixes: Sequence[str], links_url: str) -> pa.RecordBatch:
    """Let access URLs of some datasets lead to a DataLink service; `names` are the columns'.

    Rows whose publisher DID begins with none of `prefixes`, or is not among the columns, stay as they are; so does what
    should be text and is not.
    """
    where = {name.lower(): index for index, name in enumerate(names) if pa.types.is_string(batch.column(index).type)}
    if not prefixes or DID not in where or ACCESS_URL not in where:
        return batch
    dids = batch.column(where[DID])
    ours = pc.fill_null(_begins(dids, prefixes), False)
    links = [None if did is None else f"{links_url}?ID={quote(did, safe='')}" for did in dids.to_pylist()]
    replaced = {ACCESS_URL: pa.array(links, pa.string()), ACCESS_FORMAT: pa.scalar(DATALINK_TYPE, pa.string())}
    columns = batch.columns
    for name, values in replaced.items():
        if name in where:
            columns[where[name]] = pc.if_else(ours, values, columns[where[name]])
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _begins(dids: pa.Array[Any], prefixes: Sequence[str]) -> pa.Array[Any]:
    found = pc.starts_with(dids, prefixes[0])
    for prefix in prefixes[1:]:
        found = pc.or_(found, pc.starts_with(dids, prefix))
    begins: pa.Array[Any] = found
    return begins


class Deduplicator:
    """Leaves out observations that an archive which came earlier has too."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, batches: Iterable[pa.RecordBatch], column: int) -> list[pa.RecordBatch]:
        """Return the rows of one archive that no other has shown; those without an identifier stay."""
        shown = pa.array(sorted(self._seen), pa.string())
        added: set[str] = set()
        rest = []
        for batch in batches:
            dids = batch.column(column)
            rest.append(batch.filter(pc.invert(pc.is_in(dids, value_set=shown))))
            added.update(did for did in dids.to_pylist() if did is not None)
        self._seen |= added
        return rest


def distinct(batches: Iterable[pa.RecordBatch], column: str, most: int) -> list[str | int] | None:
    """Return the values of a column, None where there are more than `most`."""
    values: set[str | int] = set()
    for batch in batches:
        values.update(value for value in batch.column(column).to_pylist() if value is not None)
        if len(values) > most:
            return None
    return sorted(values, key=str)


def among(column: str, values: Sequence[str | int]) -> str:
    """Return the condition that a column has one of some values, in ADQL."""
    written = (str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({', '.join(written)})"
