"""Fetching the next rows while the last ones are written and sent: the two overlap on two cores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tap_proxy.ports import Part


async def prefetched(parts: AsyncGenerator[Part, None]) -> AsyncGenerator[Part, None]:
    """Yield the parts of a result, one fetched ahead; closing it closes `parts`, whatever they are doing."""
    ahead: asyncio.Task[Part | None] | None = None
    try:
        part = await anext(parts, None)
        while part is not None:
            ahead = None if part.last else asyncio.ensure_future(_next(parts))
            yield part
            part = None if ahead is None else await ahead
    finally:
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
        await parts.aclose()


async def _next(parts: AsyncGenerator[Part, None]) -> Part | None:
    return await anext(parts, None)
