"""Requests of a worker to `uws.worker_api`: what can go wrong with them, and what it means."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from pydantic import BaseModel

from penstock.dali.errors import ServiceUnavailable, UsageError
from uws.core.job import JobResult
from uws.core.tokens import HEADER
from uws.ports import Dispatch

_log = structlog.get_logger(__name__)
_CHUNK_BYTES = 1024 * 1024
_CONNECT_S = 15
_SILENCE_S = 60
_TRY_AGAIN = {408, 425, 429}
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=_CONNECT_S, sock_read=_SILENCE_S)


class Lost(Exception):
    """The attempt is over; nothing more can be said of it."""


class Calls:
    """Sends requests about attempts.

    Every method raises `Lost` where the attempt is over, `ServiceUnavailable` where the same request may succeed later
    and `UsageError` where it will not.

    Parameters
    ----------
    api
        The URL of the UWS service.
    session
        Sends them.
    """

    def __init__(self, api: str, session: aiohttp.ClientSession) -> None:
        self._api = api.rstrip("/")
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(cls, api: str) -> AsyncIterator[Calls]:
        """Give calls while the block lasts; proxies are those that the environment names."""
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session:
            yield cls(api, session)

    async def post(self, dispatch: Dispatch, token: str, what: str, report: BaseModel) -> bytes:
        """Report something and return the answer."""
        body = report.model_dump_json(exclude_none=True).encode()
        headers = {"Content-Type": "application/json"}
        async with self._exchange("POST", dispatch, token, what, data=body, headers=headers) as response:
            return await response.read()

    async def fetch(self, dispatch: Dispatch, token: str, number: int, path: Path) -> int:
        """Write the file of the `number`-th parameter to `path` and return its size in bytes."""
        async with self._exchange("GET", dispatch, token, f"parameters/{number}") as response:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                        await asyncio.to_thread(file.write, chunk)
                    return file.tell()
            except aiohttp.ClientError:
                raise
            except OSError as error:
                raise ServiceUnavailable("The uploads of the job cannot be stored: the disk may be full.") from error

    async def send(self, dispatch: Dispatch, token: str, number: int, result: JobResult, path: Path) -> None:
        """Send the file of the `number`-th result; given up when nothing of it is taken for a while."""
        body = _Body(path)
        sending = asyncio.create_task(self._put(dispatch, token, number, result, body))
        try:
            while not sending.done():
                before = body.sent_bytes
                await asyncio.wait({sending}, timeout=_SILENCE_S)
                if not sending.done() and body.sent_bytes == before < result.size_bytes:
                    raise ServiceUnavailable("The service does not take the result.")
            sending.result()
        finally:
            sending.cancel()

    async def _put(self, dispatch: Dispatch, token: str, number: int, result: JobResult, body: _Body) -> None:
        digest = base64.b64encode(bytes.fromhex(result.sha256 or "")).decode()
        headers = {"Content-Length": str(result.size_bytes), "Content-Digest": f"sha-256=:{digest}:"}
        what = f"results/{number}"
        async with self._exchange("PUT", dispatch, token, what, data=body.chunks(), headers=headers):
            return

    @asynccontextmanager
    async def _exchange(
        self, method: str, dispatch: Dispatch, token: str, what: str, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = f"{self._api}/worker/{dispatch.job_id}/{dispatch.attempt}/{what}"
        more["headers"] = {HEADER: token, "Content-Type": "application/octet-stream", **more.get("headers", {})}
        try:
            async with self._session.request(method, url, allow_redirects=False, **more) as response:
                await _require_success(response, what)
                yield response
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise ServiceUnavailable(f"The service cannot be reached: {type(error).__name__}.") from error


class _Body:
    """The content of a file, and how much of it has been taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.sent_bytes = 0

    async def chunks(self) -> AsyncIterator[bytes]:
        with self._path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                yield chunk
                self.sent_bytes += len(chunk)


async def _require_success(response: aiohttp.ClientResponse, what: str) -> None:
    status = response.status
    if status in (200, 204):
        return
    detail = await _detail(response)
    if status in (403, 410):
        _log.warning("attempt_lost", what=what, status=status, detail=detail)
        raise Lost(detail)
    if status >= 500 or status in _TRY_AGAIN:
        raise ServiceUnavailable(detail)
    raise UsageError(detail)


async def _detail(response: aiohttp.ClientResponse) -> str:
    """Return what a problem document says (RFC 9457), else the status."""
    told = f"The service answers {response.status}."
    if response.content_type != "application/problem+json":
        return told
    try:
        problem = await response.json(content_type=None)
    except ValueError:
        return told
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return detail if isinstance(detail, str) else told
