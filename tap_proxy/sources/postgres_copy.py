"""Many rows from PostgreSQL, by COPY: the server writes CSV and Arrow reads it; no value becomes a Python object.

COPY takes no parameters: they are written into the SQL as quoted strings, which is what parameters of translated
queries are. Values must be such that their text is the same in PostgreSQL and here; `readable_by_arrow` decides that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

import asyncpg
import pyarrow as pa
import pyarrow.csv

from penstock.dali.errors import InternalError
from penstock.votable.datatypes import fields_schema
from penstock.votable.model import Field
from tap_proxy.ports import Part

FIRST_BYTES = 1 << 15
MOST_BYTES = 1 << 20
_GROWTH = 4
_QUOTED_OR_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([0-9]+)""")

_INTEGERS = frozenset({"short", "int", "long", "unsignedByte"})
_FLOATS = frozenset({"float", "double"})
_TEXTS = frozenset({"char", "unicodeChar"})
_FITTING: Mapping[str, frozenset[str]] = {
    "int2": _INTEGERS | _FLOATS,
    "int4": _INTEGERS | _FLOATS,
    "int8": _INTEGERS | _FLOATS,
    "float4": _FLOATS,
    "float8": frozenset({"double"}),
    "numeric": frozenset({"double"}),
    "text": _TEXTS,
    "varchar": _TEXTS,
    "bpchar": _TEXTS,
    "bool": frozenset({"boolean"}),
}
"""PostgreSQL's types, and the datatypes of fields for which Arrow reads their text as asyncpg reads their bytes."""


def readable_by_arrow(types: Sequence[str], fields: Sequence[Field]) -> bool:
    """Tell whether Arrow can read the columns of a result, given the names of their types in PostgreSQL."""
    if not fields or len(types) != len(fields):
        return False
    return all(
        field.datatype in _FITTING.get(kind, ()) and (field.datatype in _TEXTS or field.arraysize in (None, "1"))
        for kind, field in zip(types, fields, strict=True)
    )


def with_literals(sql: str, params: Sequence[Any]) -> str | None:
    """Return the SQL with its parameters as quoted strings; None if one is no string, or cannot be in SQL.

    What looks like a parameter within a quoted name or string is none.
    """
    if not all(isinstance(param, str) and "\0" not in param for param in params):
        return None

    def literal(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        text: str = params[int(match[1]) - 1]
        return "'" + text.replace("'", "''") + "'"

    return _QUOTED_OR_PARAMETER.sub(literal, sql)


async def copied(connection: asyncpg.Connection, sql: str, fields: tuple[Field, ...]) -> AsyncGenerator[Part, None]:
    """Yield the rows of a query without parameters, the first soon; at least one part.

    Closing the generator ends the query.

    Raises
    ------
    InternalError
        A value does not fit its field.
    """
    schema, pipe, wanted, ended = fields_schema(fields), _Pipe(), FIRST_BYTES, False
    copying = asyncio.create_task(_copy(connection, sql, pipe))
    try:
        while not ended:
            rows, ended = await pipe.take(wanted)
            if ended:
                await copying
            first = wanted == FIRST_BYTES
            yield Part(_read(rows, schema) if first else await asyncio.to_thread(_read, rows, schema), ended)
            wanted = min(wanted * _GROWTH, MOST_BYTES)
    finally:
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)


class _Pipe:
    """Holds the next rows, so that the server goes on while the last ones are read; who takes them waits but once."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = self._wanted = 0
        self._ended = False
        self._enough, self._room = asyncio.Event(), asyncio.Event()

    async def put(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= self._wanted:
            self._enough.set()
        if self._size >= MOST_BYTES:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        self._ended = True
        self._enough.set()

    async def take(self, wanted: int) -> tuple[bytes, bool]:
        """Return all there is when it is at least `wanted` bytes or this is the end, and whether it is."""
        self._wanted = wanted
        if self._size < wanted and not self._ended:
            self._enough.clear()
            await self._enough.wait()
        taken, self._chunks, self._size = self._chunks, [], 0
        self._room.set()
        return b"".join(taken), self._ended


async def _copy(connection: asyncpg.Connection, sql: str, pipe: _Pipe) -> None:
    try:
        # asyncpg hands on whole rows: it never cuts a message, and a row is one.
        await connection.copy_from_query(sql, output=pipe.put, format="csv")
    finally:
        pipe.end()


def _read(rows: bytes, schema: pa.Schema) -> pa.RecordBatch:
    if not rows:
        return pa.RecordBatch.from_pylist([], schema=schema)
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(rows),  # type: ignore[arg-type]  # the stubs do not know Arrow's own files
            read_options=pyarrow.csv.ReadOptions(
                column_names=[str(n) for n in range(len(schema))], use_threads=False, block_size=len(rows) + 1
            ),
            # The line of a row whose only value is null is empty.
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={str(n): kind for n, kind in enumerate(schema.types)},
                # An empty string is quoted, null is nothing at all (PostgreSQL, COPY, "CSV Format").
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["t"],
                false_values=["f"],
                check_utf8=False,
            ),
        )
    except pa.ArrowException as error:
        raise InternalError(f"The database returned what is not the columns of the result: {error}.") from error
    (batch,) = table.combine_chunks().to_batches()
    return pa.RecordBatch.from_arrays(batch.columns, schema=schema)
