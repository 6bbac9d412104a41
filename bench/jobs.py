"""Jobs over HTTP: created, looked at, and run to their end, beside a bare aiohttp handler."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from bench.service import bare
from tests.support.server import serve

CONCURRENCY = 8
REQUESTS = 400
JOBS = 200


async def _rate(do: Callable[[], Awaitable[object]], times: int) -> float:
    """Return how often a second `do` is done, `CONCURRENCY` at a time."""
    left = iter(range(times))

    async def repeat() -> None:
        for _ in left:
            await do()

    begun = time.perf_counter()
    await asyncio.gather(*(repeat() for _ in range(CONCURRENCY)))
    return times / (time.perf_counter() - begun)


async def measure(base: str, floor: str) -> dict[str, float]:
    """Return rates by what was done."""
    async with aiohttp.ClientSession() as session:

        async def get(url: str) -> None:
            async with session.get(url) as response:
                response.raise_for_status()
                await response.read()

        async def create(**more: str) -> str:
            order = {"JOBTYPE": "echo", "MESSAGE": "x", **more}
            async with session.post(f"{base}/uws/jobs", data=order, allow_redirects=False) as response:
                return response.headers["Location"]

        async def run() -> None:
            url, phase = await create(PHASE="RUN"), "QUEUED"
            while phase in {"QUEUED", "EXECUTING"}:
                async with session.get(url, params={"WAIT": "30", "RESPONSEFORMAT": "json"}) as response:
                    phase = (await response.json())["phase"]
            if phase != "COMPLETED":
                raise RuntimeError(f"{url} ended as {phase}")

        await run()
        job = await create()
        return {
            "bare handler, requests": await _rate(lambda: get(floor), REQUESTS),
            "jobs created": await _rate(create, REQUESTS),
            "jobs looked at": await _rate(lambda: get(job), REQUESTS),
            "jobs created, run and seen complete": await _rate(run, JOBS),
        }


def main() -> None:
    """Print the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(Path(folder), PENSTOCK_LOG_LEVEL="warning") as server,
        bare(b"x" * 1000) as port,
    ):
        rates = asyncio.run(measure(server.base, f"http://127.0.0.1:{port}/fixed"))
    table = Table("what", "per second", "of bare", title=f"UWS at c={CONCURRENCY}", title_justify="left")
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.1f}", f"{rate / rates['bare handler, requests']:.3f}")
    Console(width=120).print(table)
