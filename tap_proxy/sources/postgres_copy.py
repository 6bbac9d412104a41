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
MOST_BYTES = 1 << 21
_CHUNKS = 16
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
            rows, ended = await pipe.gather(wanted)
            if ended:
                await copying
            first = wanted == FIRST_BYTES
            yield Part(_read(rows, schema) if first else await asyncio.to_thread(_read, rows, schema), ended)
            wanted = min(wanted * _GROWTH, MOST_BYTES)
    finally:
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)


class _Pipe:
    """Holds some chunks between who fetches them and who reads them."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(_CHUNKS)
        self._chunks = asyncio.Queue[bytes | None]()

    async def put(self, chunk: bytes) -> None:
        await self._room.acquire()
        self._chunks.put_nowait(chunk)

    def end(self) -> None:
        self._chunks.put_nowait(None)

    async def gather(self, wanted: int) -> tuple[bytes, bool]:
        """Return about `wanted` bytes, fewer only at the end, and whether this is the end."""
        taken: list[bytes] = []
        while sum(map(len, taken)) < wanted:
            chunk = await self._chunks.get()
            if chunk is None:
                return b"".join(taken), True
            self._room.release()
            taken.append(chunk)
        return b"".join(taken), False


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
