"""A load generator in a process of its own: keep-alive HTTP/1.1 with as little work of its own as can be.

``python -m bench.load HOST PORT PATH CONCURRENCY SECONDS [FORM]`` prints one JSON object: requests per second, p50 and
p99 in milliseconds, and the number of requests. With a form, or a JSON document, it POSTs. Any
answer but 200 or 303 ends it with an error.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_STATUSES = (b"200", b"303")


class AnswerReader:
    """Finds the ends of answers in the bytes of a connection, by their Content-Length or their last chunk."""

    def __init__(self) -> None:
        self._seen = b""

    def feed(self, data: bytes) -> bool:
        """Take bytes and tell whether an answer is complete."""
        self._seen += data
        end = self._seen.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = _LENGTH.search(self._seen, 0, end + 2)
        if _CHUNKED.search(self._seen, 0, end + 2):
            if not self._seen.endswith(b"\r\n0\r\n\r\n"):
                return False
        elif len(self._seen) < end + 4 + (int(length[1]) if length else 0):
            return False
        if self._seen[9:12] not in _STATUSES:
            raise RuntimeError(self._seen[:500].decode("latin-1"))
        self._seen = b""
        return True


class _Client(asyncio.Protocol):
    """One connection that sends its next request when the last is answered."""

    def __init__(self, request: bytes, until: float, times: list[float]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._until = until
        self._times = times
        self._answers = AnswerReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._send()

    def data_received(self, data: bytes) -> None:
        try:
            if not self._answers.feed(data):
                return
        except RuntimeError as error:
            self._end(error)
            return
        self._times.append(time.perf_counter() - self._begun)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        self._begun = time.perf_counter()
        if self._begun < self._until:
            self._transport.write(self._request)
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error) if error else self.done.set_result(None)
            self._transport.close()


def make_request(host: str, port: int, path: str, form: str | None = None) -> bytes:
    """Return the bytes of a GET, or of a POST of a form or of a JSON document."""
    start = f"{'GET' if form is None else 'POST'} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\n"
    if form is None:
        return f"{start}\r\n".encode()
    media_type = "application/json" if form.startswith("{") else "application/x-www-form-urlencoded"
    headers = f"Content-Type: {media_type}\r\nContent-Length: {len(form)}\r\n"
    return f"{start}{headers}\r\n{form}".encode()


async def measure(
    address: tuple[str, int], path: str, concurrency: int, seconds: float, *, form: str | None = None
) -> dict[str, float]:
    """Keep `concurrency` requests under way for `seconds`."""
    loop, request, times = asyncio.get_running_loop(), make_request(*address, path, form), list[float]()
    begun = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Client(request, begun + seconds, times), *address)
        for _ in range(concurrency)
    ]
    await asyncio.gather(*(client.done for _, client in made))
    spent = time.perf_counter() - begun
    cuts = statistics.quantiles(times, n=100)
    return {"per_s": len(times) / spent, "p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3, "requests": len(times)}


if __name__ == "__main__":
    host, port, path, concurrency, seconds, *form = sys.argv[1:]
    outcome = measure((host, int(port)), path, int(concurrency), float(seconds), form=form[0] if form else None)
    sys.stdout.write(json.dumps(uvloop.run(outcome)))
