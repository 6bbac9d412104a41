"""The program of a process that reads rows of one SQLite file by ADBC, which makes Arrow columns of them in C.

It is a process of its own because it brings its own copy of SQLite: when two copies in one process have the same file
open, whichever closes it first takes the other's locks away (https://sqlite.org/howtocorrupt.html s2.2.1).

``python -m tap_proxy.sources.sqlite_reader FILE SOCKET`` answers one query after the other on the socket, an inherited
descriptor, and ends when its standard input does, which its parent holds open.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import adbc_driver_sqlite.dbapi
import pyarrow as pa

from penstock.memory import keep_freed_memory

FIRST_ROWS = 512
_MOST_ROWS = 4096
_MOST_BYTES = 2 << 20
_HEADER = struct.Struct(">cQ")
QUERY, SCHEMA, BATCH, END, FAILURE = b"Q", b"S", b"B", b"E", b"F"
"""The kinds of messages: the first goes to the reader, the others come from it."""


def send(to: socket.socket, kind: bytes, data: bytes | pa.Buffer = b"") -> None:
    """Send one message."""
    view = memoryview(data)
    to.sendall(_HEADER.pack(kind, len(view)))
    to.sendall(view)


def receive(source: socket.socket) -> tuple[bytes, pa.Buffer]:
    """Return the next message.

    Raises
    ------
    EOFError
        The other side is gone.
    """
    kind, size = _HEADER.unpack(_exactly(source, _HEADER.size))
    return kind, pa.py_buffer(_exactly(source, size))


def _exactly(source: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    left = memoryview(data)
    while left:
        count = source.recv_into(left)
        if count == 0:
            raise EOFError
        left = left[count:]
    return data


def answer(path: Path, sql: str, params: Sequence[Any], to: socket.socket) -> None:
    """Run a query on the file and send its rows."""
    uri = f"{path.as_uri()}?mode=ro"
    with (
        adbc_driver_sqlite.dbapi.connect(uri, autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": str(FIRST_ROWS)})
        cursor.execute(sql, list(params) or None)
        reader = cursor.fetch_record_batch()
        send(to, SCHEMA, reader.schema.serialize())
        for batch in _larger(reader):
            send(to, BATCH, batch.serialize())


def _larger(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Join batches to such as are worth a message, but for the first, which somebody waits for."""
    waiting: list[pa.RecordBatch] = []
    size, most = 0, 0
    for batch in batches:
        waiting.append(batch)
        size += batch.nbytes
        if len(waiting) * FIRST_ROWS >= most or size >= _MOST_BYTES:
            yield _joined(waiting)
            waiting, size, most = [], 0, _MOST_ROWS
    if waiting:
        yield _joined(waiting)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    (joined,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _end_with_parent() -> None:
    """End this process when nobody holds the other end of its standard input any more, whatever it does."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Answer queries until the parent is gone."""
    path, talking = Path(sys.argv[1]), socket.socket(fileno=int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pa.set_cpu_count(1)
    keep_freed_memory()
    while True:
        _, asked = receive(talking)
        sql, params = json.loads(bytes(asked))
        try:
            answer(path, sql, params, talking)
        except ConnectionError:
            raise
        except (adbc_driver_sqlite.dbapi.Error, pa.ArrowException, OSError) as error:  # Arrow's own are OSErrors too
            send(talking, FAILURE, str(error).encode())
        else:
            send(talking, END)


if __name__ == "__main__":
    try:
        main()
    except (EOFError, ConnectionError):
        sys.exit(0)
