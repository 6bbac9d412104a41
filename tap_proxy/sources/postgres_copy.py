"""Many rows from PostgreSQL, by COPY, in a form that `copy_forms` reads.

COPY takes no parameters: they are written into the SQL as quoted strings, which is what parameters of translated
queries are.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

import asyncpg

from tap_proxy.ports import Part
from tap_proxy.sources.copy_forms import Form

FIRST_BYTES = 1 << 15
MOST_BYTES = 1 << 21
_GROWTH = 4
_QUOTED_OR_PARAMETER = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([0-9]+)""")


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


async def copied(connection: asyncpg.Connection, sql: str, form: Form) -> AsyncGenerator[Part, None]:
    """Yield the rows of a query without parameters, the first soon; at least one part.

    Closing the generator ends the query.

    Raises
    ------
    InternalError
        A value does not fit its field.
    """
    pipe, wanted, ended = _Pipe(), FIRST_BYTES, False
    copying = asyncio.create_task(_copy(connection, sql, form.name, pipe))
    try:
        while not ended:
            rows, ended = await pipe.take(wanted)
            if ended:
                await copying
            first = wanted == FIRST_BYTES
            yield Part(form.read(rows) if first else await asyncio.to_thread(form.read, rows), ended)
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


async def _copy(connection: asyncpg.Connection, sql: str, form: Literal["binary", "csv"], pipe: _Pipe) -> None:
    try:
        # asyncpg hands on whole rows: it never cuts a message, and a row is one.
        await connection.copy_from_query(sql, output=pipe.put, format=form)
    finally:
        pipe.end()
