"""The keys of one issuer, kept between requests.

Keys are fetched when a token first needs them, again after `TTL`, and when a token names a key that is not known,
since issuers rotate them. No caller can make us ask more often than every `PAUSE`. While the issuer is away, the keys
that we have go on being used until they are `MAX_AGE` old.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import structlog

from penstock.auth.discovery import IssuerAway
from penstock.auth.token import PublicKey
from penstock.clock import Clock
from penstock.dali.errors import ServiceUnavailable

TTL = timedelta(minutes=15)
MAX_AGE = timedelta(hours=24)
PAUSE = timedelta(seconds=15)
_log = structlog.get_logger(__name__)


class IssuerKeys:
    """The keys of one issuer.

    Parameters
    ----------
    issuer
        For the log.
    fetch
        Gets the keys; raises `IssuerAway`.
    clock
        Tells how old they are.
    """

    def __init__(self, issuer: str, fetch: Callable[[], Awaitable[Sequence[PublicKey]]], clock: Clock) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: Sequence[PublicKey] = ()
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> Sequence[PublicKey]:
        """Return the keys that may have signed a token: those of the id, all where it names none.

        Raises
        ------
        ServiceUnavailable
            The issuer is away, and no key of it is known.
        """
        if not self._younger_than(TTL):
            await self._refresh()
        found = self._matching(key_id)
        if not found:
            await self._refresh()
            found = self._matching(key_id)
        if not self._younger_than(MAX_AGE):
            raise ServiceUnavailable(
                "The issuer of the token does not answer: try again later.", retry_after_s=self._next_try_s()
            )
        return found

    async def close(self) -> None:
        """End what is under way."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)

    def _matching(self, key_id: str | None) -> Sequence[PublicKey]:
        return self._keys if key_id is None else [key for key in self._keys if key.kid == key_id]

    def _younger_than(self, age: timedelta) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < age

    def _next_try_s(self) -> int:
        since = self._clock() - self._tried_at if self._tried_at is not None else PAUSE
        return max(1, math.ceil((PAUSE - since).total_seconds()))

    async def _refresh(self) -> None:
        """Fetch the keys unless that was tried a moment ago; who wants it shares one fetch, whoever leaves."""
        if self._refreshing is None:
            now = self._clock()
            if self._tried_at is not None and now - self._tried_at < PAUSE:
                return
            self._tried_at = now
            self._refreshing = asyncio.create_task(self._fetch_once())
        await asyncio.shield(self._refreshing)

    async def _fetch_once(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched_at = self._clock()
        except IssuerAway as away:
            _log.warning("issuer_away", issuer=self._issuer, reason=str(away))
        finally:
            self._refreshing = None
