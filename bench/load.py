"""A load generator in a process of its own: keep-alive HTTP/1.1 over plain asyncio streams.

``python -m bench.load HOST PORT PATH CONCURRENCY SECONDS`` prints one JSON object: requests per second, p50 and p99 in
milliseconds. Any answer but 200 ends it with an error.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise RuntimeError(head.decode("latin-1"))
    length = _LENGTH.search(head)
    if length:
        await reader.readexactly(int(length[1]))
        return
    while size := int((await reader.readline()).strip() or b"0", 16):
        await reader.readexactly(size + 2)
    await reader.readline()


async def _client(host: str, port: int, request: bytes, until: float, times: list[float]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while (begun := time.perf_counter()) < until:
        writer.write(request)
        await _read_answer(reader)
        times.append(time.perf_counter() - begun)
    writer.close()


async def measure(host: str, port: int, path: str, concurrency: int, seconds: float) -> dict[str, float]:
    """Keep `concurrency` requests under way for `seconds`."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\n\r\n".encode()
    times: list[float] = []
    begun = time.perf_counter()
    await asyncio.gather(*(_client(host, port, request, begun + seconds, times) for _ in range(concurrency)))
    spent = time.perf_counter() - begun
    cuts = statistics.quantiles(times, n=100)
    return {"per_s": len(times) / spent, "p50_ms": cuts[49] * 1e3, "p99_ms": cuts[98] * 1e3}


if __name__ == "__main__":
    host, port, path, concurrency, seconds = sys.argv[1:]
    sys.stdout.write(json.dumps(uvloop.run(measure(host, int(port), path, int(concurrency), float(seconds)))))
