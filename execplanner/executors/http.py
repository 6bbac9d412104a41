"""Requests to the service of a facility, and what it means when they fail.

The URL is the operator's, so it may be of a private network, unlike what owners name (`penstock.outbound`); but no
redirect is followed, since a token would go along, and no cookies are kept. Requests that change nothing when they
come twice are repeated when the service does not answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from execplanner.executors.options import Endpoint
from penstock.dali.errors import InternalError, NotFound, ServiceUnavailable, UsageError
from penstock.outbound import whole_body

_ATTEMPTS = 3
_PAUSE_S = 0.2
_AGAIN = frozenset({429, 502, 503, 504})
_HARMLESS = frozenset({"GET", "PUT", "DELETE"})
_MOST_BYTES = 16 * 2**20
_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
Event = Mapping[str, Any]


class Api:
    """The service of a facility.

    Parameters
    ----------
    endpoint
        Where it is, and with which token it is called.
    scheme
        The word before the token in ``Authorization``: ``Bearer``, ``token``.
    """

    def __init__(self, endpoint: Endpoint, *, scheme: str = "Bearer") -> None:
        self._endpoint = endpoint
        self._scheme = scheme
        self._base = endpoint.url.rstrip("/")
        self._tls = ssl.create_default_context(cafile=endpoint.ca_file) if endpoint.ca_file else True

    async def get(self, path: str, **more: Any) -> Any:
        """Return the JSON that is at a path; raises as `call` does."""
        return await self.call("GET", path, **more)

    async def call(self, method: str, path: str, **more: Any) -> Any:
        """Send a request and return the JSON of the answer, None where there is none.

        Parameters
        ----------
        path
            Below the URL, quoted.
        more
            What `aiohttp.ClientSession.request` takes.

        Raises
        ------
        NotFound
            There is no such thing.
        UsageError
            The service does not take the work.
        ServiceUnavailable
            It cannot be reached, or does not want us.
        """
        body = await self.read(method, path, **more)
        if not body.strip():
            return None
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise ServiceUnavailable(f"{self._base} answers what is not JSON.") from error

    async def read(self, method: str, path: str, **more: Any) -> bytes:
        """Send a request and return the body of the answer; raises as `call` does."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with self._exchange(method, path, **more) as response:
                    return await _whole(response)
            except _Again as again:
                if attempt == _ATTEMPTS or method not in _HARMLESS:
                    raise ServiceUnavailable(again.message, retry_after_s=again.after_s) from again
                await asyncio.sleep(_PAUSE_S * attempt)
        raise AssertionError

    async def exists(self, path: str) -> bool:
        """Tell whether there is something at a path."""
        try:
            await self.read("GET", path)
        except NotFound:
            return False
        return True

    async def delete(self, path: str, **more: Any) -> None:
        """Delete what is at a path, if it is there."""
        try:
            await self.read("DELETE", path, **more)
        except NotFound:
            return

    async def events(self, path: str, *, for_s: float, last: Callable[[Event], bool]) -> list[Event]:
        """Return the JSON of the events of a stream up to the `last`, or until `for_s` seconds have passed.

        Raises as `call` does.
        """
        heard: list[Event] = []
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._endpoint.timeout_s)
        try:
            async with asyncio.timeout(for_s), self._exchange("GET", path, timeout=timeout) as response:
                async for line in response.content:
                    if line.startswith(b"data:"):
                        heard.append(orjson.loads(line[5:]))
                        if last(heard[-1]):
                            break
        except TimeoutError:
            pass
        except _Again as again:
            raise ServiceUnavailable(again.message, retry_after_s=again.after_s) from again
        except (ValueError, aiohttp.ClientError) as error:
            raise ServiceUnavailable(f"{self._base} sends what are no events.") from error
        return heard

    @asynccontextmanager
    async def _exchange(self, method: str, path: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        token = self._endpoint.token()
        headers = {"Accept": "application/json", **more.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"{self._scheme} {token}"
        timeout = aiohttp.ClientTimeout(total=self._endpoint.timeout_s)
        url = URL(self._base + path, encoded=True)  # else what is quoted in one part of the path would be unquoted
        try:
            async with (
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), timeout=timeout) as session,
                session.request(method, url, ssl=self._tls, headers=headers, allow_redirects=False, **more) as answer,
            ):
                await self._require_success(answer)
                yield answer
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise _Again(f"{self._base} does not answer ({type(error).__name__}).", None) from error

    async def _require_success(self, answer: aiohttp.ClientResponse) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        detail = f"{self._base} answers {status}: {_told(await _whole(answer))}"
        if status in _AGAIN:
            after = answer.headers.get("Retry-After", "")
            raise _Again(detail, int(after) if _SECONDS.fullmatch(after) else None)
        if status in (404, 410, 424):  # 424: JupyterHub's word for a server that does not run
            raise NotFound(detail)
        if status in (400, 409, 413, 422):
            raise UsageError(detail)
        raise ServiceUnavailable(detail)


class _Again(Exception):
    def __init__(self, message: str, after_s: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.after_s = after_s


def word(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    body = await whole_body(answer, _MOST_BYTES)
    if body is None:
        raise InternalError("The service of the facility answers without end.")
    return body


def _told(body: bytes) -> str:
    """Return what an answer says for people, in one line."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict):
        told = next((answer[name] for name in ("message", "detail", "error", "reason") if answer.get(name)), "")
        return str(told)[:300]
    return body.decode(errors="replace").strip().partition("\n")[0][:200]
