"""Fetches answers of other registries over HTTP.

An operator, or a redirect, may name any address. Unless private addresses are allowed, connections are made to public
ones only, which is checked where a socket is made: neither a name that resolves to another address the second time nor
a redirect gets past that. One connection, no cookies, no credentials.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from penstock.clock import Clock
from penstock.outbound import public_socket, refused_address
from registry.ports import Unreachable

MAX_REDIRECTS = 5
_CHUNK_BYTES = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


class HttpFetch:
    """Fetches over one HTTP connection; use it as a context.

    Parameters
    ----------
    clock
        Tells the time, for a Retry-After that is a date.
    timeout_s
        Within which an answer must be whole.
    allow_private
        Whether addresses of private networks and of this machine may be asked.
    """

    def __init__(self, *, clock: Clock, timeout_s: float, allow_private: bool = False) -> None:
        self._clock = clock
        self._timeout_s = timeout_s
        self._allow_private = allow_private
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> HttpFetch:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, socket_factory=None if self._allow_private else public_socket),
            timeout=aiohttp.ClientTimeout(total=self._timeout_s, connect=min(20.0, self._timeout_s)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "text/xml, application/xml", "User-Agent": "Penstock (IVOA-Harvester)"},
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def chunks(self, url: str, arguments: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """Yield the body of an answer to a GET.

        Raises
        ------
        Unreachable
            There is no answer, or none that may be read.
        """
        target = _checked(url, None).update_query(arguments)
        try:
            for _ in range(MAX_REDIRECTS + 1):
                async with self._connected().get(target, allow_redirects=False) as response:
                    if response.status in _REDIRECTS:
                        target = _checked(_location(response), target)
                        continue
                    self._refuse_status(response)
                    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                        yield chunk
                    return
        except TimeoutError as error:
            raise Unreachable(f"there is no whole answer within {self._timeout_s:g} s", transient=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error) from error
        raise Unreachable(f"it redirects more than {MAX_REDIRECTS} times")

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("an HttpFetch is used inside `async with`")
        return self._session

    def _refuse_status(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 200:
            raise Unreachable(
                f"{response.url.origin()}{response.url.path} answers {response.status} {response.reason or ''}".strip(),
                transient=response.status in _TRANSIENT,
                retry_after_s=self._retry_after(response.headers.get("Retry-After")),
            )

    def _retry_after(self, header: str | None) -> float | None:
        if header is None:
            return None
        if header.strip().isdecimal() and len(header) < 12:
            return float(header)
        try:
            when: datetime = parsedate_to_datetime(header)
            return max(0.0, (when - self._clock()).total_seconds())
        except (ValueError, TypeError):
            return None


def _unreachable(error: Exception) -> Unreachable:
    private = refused_address(error)
    if private is not None:
        return Unreachable(f"{private}; --allow-private or registry.allow_private lifts this")
    reason = str(error) or type(error).__name__
    return Unreachable(f"it cannot be read: {reason}", transient=not isinstance(error, aiohttp.InvalidURL))


def _location(response: aiohttp.ClientResponse) -> str:
    location = response.headers.get("Location")
    if not location:
        raise Unreachable(f"{response.url.origin()} redirects to nowhere")
    return location


def _checked(text: str, came_from: URL | None) -> URL:
    """Return the URL that is asked next.

    Raises
    ------
    Unreachable
        It is none, holds credentials, or leads from https to http.
    """
    try:
        url = URL(text)
        url = url if came_from is None else came_from.join(url)
        urlsplit(str(url)).port  # noqa: B018  # raises where it is no number
    except ValueError as error:
        raise Unreachable(f"{text[:200]!r} is no URL") from error
    if url.scheme not in {"http", "https"} or not url.host:
        raise Unreachable(f"{text[:200]!r} is no URL of http: or https:")
    if url.user or url.password:
        raise Unreachable("a URL with a user or password in it is not asked")
    if came_from is not None and came_from.scheme == "https" and url.scheme == "http":
        raise Unreachable(f"{came_from.origin()} redirects from https to http")
    return url.with_fragment(None)
