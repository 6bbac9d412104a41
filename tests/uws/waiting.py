"""Waiting in tests for what happens elsewhere, with a generous limit and no guess at its duration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

PATIENCE_S = 60
_LOOK_EVERY_S = 0.02


async def eventually(holds: Callable[[], bool] | Callable[[], Coroutine[None, None, bool]]) -> None:
    """Return when the condition holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = holds()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(_LOOK_EVERY_S)
