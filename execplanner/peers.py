"""Speaks with other brokers over HTTP, and finds them: in the settings, and in the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import orjson
import structlog

from execplanner.core.description import REQUESTS_KEY
from execplanner.service.federation import PeerAway, PeerId, PeerSilent, Reply
from execplanner.settings import ExecPlannerSettings
from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.discovery import endpoints
from penstock.outbound import public_socket, refused_address, whole_body

_MOST_BYTES = 4 * 1024 * 1024
_KEPT_S = 300.0
log = structlog.get_logger(__name__)


class HttpCalls:
    """The `PeerCalls` of a deployment.

    Parameters
    ----------
    trusted
        Base URLs of the operator's own choice, which may be at private addresses.
    """

    def __init__(self, trusted: Sequence[str], *, allow_private: bool) -> None:
        self._trusted = tuple(trusted)
        self._allow_private = allow_private
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def call(
        self, method: str, url: str, document: Mapping[str, Any] | None, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """Send a request; redirects are not followed, their body is the answer.

        Raises
        ------
        PeerAway
            There is no answer, or none that can be read.
        """
        body = None if document is None else orjson.dumps(document)
        sent = {"Accept": "application/json", **headers}
        if body is not None:
            sent["Content-Type"] = "application/json"
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with self._session(url).request(
                method, url, data=body, headers=sent, allow_redirects=False, timeout=timeout
            ) as response:
                return Reply(status=response.status, document=await _document(response))
        except TimeoutError as error:
            raise PeerSilent(f"it did not answer in {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PeerAway(f"it cannot be reached: {refused_address(error) or type(error).__name__}") from error

    def _session(self, url: str) -> aiohttp.ClientSession:
        private = self._allow_private or any(url.startswith(f"{base}/") for base in self._trusted)
        if private not in self._sessions:
            connector = aiohttp.TCPConnector(socket_factory=None if private else public_socket)
            self._sessions[private] = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._sessions[private]

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()


async def _document(response: aiohttp.ClientResponse) -> Any:
    body = await whole_body(response, _MOST_BYTES)
    if body is None:
        raise PeerAway("its answer is too long")
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError as error:
        if response.status >= 400:
            return None
        raise PeerAway("its answer is not JSON") from error


class PeerBook:
    """The peers of a deployment; those of the registry are looked for every few minutes.

    Parameters
    ----------
    settings
        Names peers.
    standard_id
        Of the interfaces, before the #.
    own
        Our own identifier.
    """

    def __init__(self, settings: ExecPlannerSettings, db: Database, *, standard_id: str, own: str) -> None:
        self._named = [
            PeerId(
                url=one.url.rstrip("/"),
                ivoid=one.ivoid or one.url.rstrip("/"),
                token=one.token.get_secret_value() if one.token else None,
                forward_token=one.forward_token,
            )
            for one in settings.peers
        ]
        self._settings = settings
        self._db = db
        self._standard_id = standard_id
        self._own = own
        self._found: list[PeerId] = []
        self._looked_s = -_KEPT_S

    async def peers(self) -> Sequence[PeerId]:
        """Return the peers."""
        if self._settings.discover_peers:
            await self._look()
        known = {peer.ivoid for peer in self._named}
        others = [peer for peer in self._found if peer.ivoid not in known]
        return [*self._named, *others][: self._settings.max_peers]

    async def _look(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._looked_s < _KEPT_S:
            return
        self._looked_s = now_s
        try:
            found = await endpoints(self._db, f"{self._standard_id}{REQUESTS_KEY}")
        except ServiceUnavailable as error:
            log.warning("peers_not_found", reason=error.message)
            return
        self._found = [
            PeerId(url=one.access_url.removesuffix("/requests").rstrip("/"), ivoid=one.ivoid)
            for one in found
            if one.ivoid != self._own and one.access_url.startswith("http") and not one.authenticated_only
        ]
