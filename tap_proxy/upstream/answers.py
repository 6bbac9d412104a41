"""Answers of an upstream: looked at before they are believed, passed on as they are, or read row by row."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pyarrow as pa

from penstock.dali.errors import UsageError
from penstock.votable.model import Field
from penstock.votable.reader import TableFeed
from penstock.votable.upload import UploadLimits
from tap_proxy.upstream.client import UpstreamClient, UpstreamFailed, message_of

_HEAD_BYTES = 1 << 16
_TAIL_BYTES = 256
_LONG_CHUNK = 1 << 15
_LONGEST_BEGINNING = 8
_ROOT = re.compile(rb"<(?:[A-Za-z][\w.-]*:)?VOTABLE[\s>]")
_ROWS = re.compile(rb"<(?:[A-Za-z][\w.-]*:)?(?:TABLE|DATA)[\s>]")
_END = re.compile(rb"</(?:[A-Za-z][\w.-]*:)?VOTABLE\s*>\s*(?:<!--.*?-->\s*)*$", re.DOTALL)
_ERROR = re.compile(rb"""<[^<>]*INFO\b(?=[^<>]*QUERY_STATUS)(?=[^<>]*value\s*=\s*["']ERROR["'])""")
_SUBJECT = "The uploaded VOTable"


async def checked(
    client: UpstreamClient, chunks: AsyncGenerator[bytes, None], *, votable: bool, begins: bytes = b""
) -> AsyncGenerator[bytes, None]:
    """Yield an answer unchanged, the first piece when it is seen that it is no error and no nonsense.

    Parameters
    ----------
    client
        Whom the answer is from.
    chunks
        The answer.
    votable
        Whether it must be a VOTable.
    begins
        What it must begin with otherwise.

    Raises
    ------
    UsageError
        It says that the query failed (DALI 1.2 s5.4.2).
    UpstreamFailed
        It is not what is wanted, or ends before its end.
    """
    async with aclosing(chunks):
        head = await _head(chunks, votable=votable)
        _judge(client, head[:_HEAD_BYTES], votable=votable)
        if not head.startswith(begins):
            raise UpstreamFailed(f"{client.site.name}: what it gives is not of the form that was asked for.")
        tail = head[-_TAIL_BYTES:]
        yield head
        async for chunk in chunks:
            tail = (tail + chunk)[-_TAIL_BYTES:] if len(chunk) < _TAIL_BYTES else chunk[-_TAIL_BYTES:]
            yield chunk
        if votable and not _END.search(tail):
            raise UpstreamFailed(f"{client.site.name}: its answer ends early.")


async def _head(chunks: AsyncIterator[bytes], *, votable: bool) -> bytes:
    """Return as much as tells whether rows follow."""
    head = b""
    while len(head) < _HEAD_BYTES and not _tells(head, votable=votable):
        chunk = await anext(chunks, b"")
        if not chunk:
            break
        head += chunk
    return head


def _tells(head: bytes, *, votable: bool) -> bool:
    if votable or _is_markup(head):
        return _ROWS.search(head) is not None
    return len(head) >= _LONGEST_BEGINNING


def _is_markup(head: bytes) -> bool:
    return head.lstrip()[:1] == b"<"


def _judge(client: UpstreamClient, head: bytes, *, votable: bool) -> None:
    is_votable = _ROOT.search(head) is not None
    if is_votable and b"ERROR" in head and _ERROR.search(head):
        raise client.error(200, head)
    if votable and not is_votable:
        raise UpstreamFailed(f"{client.site.name}: what it gives is no VOTable.")
    if _is_markup(head) and not votable:
        raise UpstreamFailed(f"{client.site.name}: it gives a page where rows were asked for: {message_of(head)}")


class Rows:
    """The rows of a VOTable as they come; use `fields` after `begin`.

    Parameters
    ----------
    client
        Whom the answer is from.
    chunks
        The answer.
    limits
        How much is read.
    """

    def __init__(self, client: UpstreamClient, chunks: AsyncGenerator[bytes, None], limits: UploadLimits) -> None:
        self.fields: tuple[Field, ...] = ()
        self.client = client
        self._chunks = chunks
        self._feed = TableFeed(limits)
        self._first: pa.RecordBatch | None = None
        self._ended = False

    @property
    def overflowed(self) -> bool:
        """Whether the upstream said that it left rows out, as far as was read."""
        return self._feed.overflowed

    async def begin(self) -> None:
        """Read up to the rows."""
        while self._feed.fields is None:
            self._first = await self._next()
        self.fields = self._feed.fields

    async def batches(self) -> AsyncGenerator[pa.RecordBatch, None]:
        """Yield the rows."""
        if self._first is not None:
            yield self._first
            self._first = None
        while not self._ended:
            batch = await self._next()
            if batch is not None:
                yield batch

    async def _next(self) -> pa.RecordBatch | None:
        chunk = await anext(self._chunks, b"")
        self._ended = not chunk
        try:
            if len(chunk) < _LONG_CHUNK:
                return self._feed.feed(chunk, final=not chunk)
            return await asyncio.to_thread(self._feed.feed, chunk)
        except UsageError as error:
            # The reader is that of uploads, and speaks of one.
            reason = error.message.removeprefix(_SUBJECT)
            raise UpstreamFailed(f"{self.client.site.name}: the VOTable that it gives{reason}") from error
