"""An HTTP client that comes to an end whatever the other side does.

Every request has a deadline from the first byte sent to the last one read, an answer is cut at a number of bytes,
redirects are followed by hand, few of them and never in a circle, and requests keep to a rate. Whatever goes wrong
between here and the service is one exception, `Unreachable`, with a sentence.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from conformance.credentials import Credentials, Identity, origin
from conformance.model import Exchange, Violation

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS: Final = 5
EXCERPT: Final = 2000
AGENT: Final = "penstock-conformance (IVOA-validate)"
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Unreachable(Violation):
    """No answer, or none that ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may cost: seconds, bytes, requests in a second."""

    timeout_s: float = 20.0
    body_bytes: int = 20_000_000
    per_second: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent. `form` repeats names where a parameter is repeated; `files` makes the body multipart.

    `content` is a document instead of a form; a header says what it is.
    """

    method: str
    url: str
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()
    content: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    multipart: bool = False
    follow: bool = False
    extra_s: float = 0.0
    identity: Identity = Identity.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    url: str
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    seconds: float

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as UTF-8 text; what is not, is replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def location(self) -> str:
        """The `Location`, resolved against the URL of the request; empty without one."""
        place = self.headers.get("Location", "")
        try:
            return urljoin(self.url, place) if place else ""
        except ValueError as error:
            raise Violation(f"{self.url} redirects to {place!r}, which is not a URL") from error


@dataclass(slots=True)
class Client:
    """Sends requests, keeps to the limits, and tells `record` about each exchange.

    The tokens of `credentials` go to the scheme, host and port of `home`, and nowhere else.
    """

    session: aiohttp.ClientSession
    limits: Limits
    home: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    _next_slot: float = field(default=0.0, init=False)

    async def send(self, request: Request, record: Callable[[Exchange], None]) -> Reply:
        """Send a request and return the answer, the last one where redirects are followed.

        Raises
        ------
        Unreachable
            If there is no answer within the deadline, or redirects do not end.
        """
        seen = {(request.method, request.url)}
        while True:
            reply = await self._once(request, record)
            if not (request.follow and reply.status in REDIRECTS and reply.location):
                return reply
            request = _redirected(request, reply)
            if (request.method, request.url) in seen:
                raise Unreachable(f"redirects in a circle: {request.url} again")
            if len(seen) > MAX_REDIRECTS:
                raise Unreachable(f"more than {MAX_REDIRECTS} redirects, the last one to {request.url}")
            seen.add((request.method, request.url))

    async def _once(self, request: Request, record: Callable[[Exchange], None]) -> Reply:
        await self._wait_for_slot()
        started = time.monotonic()
        sent = Exchange(
            method=request.method,
            url=request.url,
            form=request.form,
            files=tuple(name for name, _ in request.files),
            content=request.content,
            headers=request.headers,
            identity=request.identity if self._token(request) else Identity.NOBODY,
            seen_headers=NO_HEADERS,
        )
        try:
            async with asyncio.timeout(self.limits.timeout_s + request.extra_s):
                reply = await self._exchange(request, started)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            trouble = _trouble(error, self.limits.timeout_s + request.extra_s)
            record(replace(sent, trouble=trouble, seconds=time.monotonic() - started))
            raise Unreachable(f"{request.method} {request.url}: {trouble}") from error
        record(_received(sent, reply))
        return reply

    async def _exchange(self, request: Request, started: float) -> Reply:
        if urlsplit(request.url).scheme not in {"http", "https"}:
            raise ValueError("not an http or https URL")
        headers = {"User-Agent": AGENT, **request.headers}
        if token := self._token(request):
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(
            request.method, URL(request.url), data=_body(request), headers=headers, allow_redirects=False
        ) as response:
            body = await self._read(response)
            return Reply(
                url=request.url,
                status=response.status,
                headers=self._cleared(response.headers),
                body=self.credentials.hidden_bytes(body),
                seconds=time.monotonic() - started,
            )

    def _token(self, request: Request) -> str:
        """Return the token that goes with a request: none to a host that is not the one that is judged."""
        try:
            at_home = origin(request.url) == origin(self.home)
        except ValueError:
            return ""
        return self.credentials.token(request.identity) if at_home else ""

    def _cleared(self, headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
        hidden = self.credentials.hidden
        return CIMultiDictProxy(CIMultiDict((name, hidden(value)) for name, value in headers.items()))

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self.limits.body_bytes:
                raise ValueError(f"the answer is longer than {self.limits.body_bytes} bytes")
        return bytes(body)

    async def _wait_for_slot(self) -> None:
        now = time.monotonic()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.limits.per_second
        await asyncio.sleep(slot - now)


def open_session() -> aiohttp.ClientSession:
    """Return a session without cookies, redirects or a deadline of its own."""
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        connector=aiohttp.TCPConnector(limit=8),
    )


def _body(request: Request) -> aiohttp.FormData | bytes | None:
    if request.method != "POST":
        return None
    if request.content:
        return request.content.encode()
    data = aiohttp.FormData(default_to_multipart=request.multipart or bool(request.files))
    for name, value in request.form:
        data.add_field(name, value)
    for name, content in request.files:
        data.add_field(name, content, filename=name, content_type="application/x-votable+xml")
    return data


def _redirected(request: Request, reply: Reply) -> Request:
    """Return the request that a redirect asks for; 307 and 308 repeat it, the others get what is there."""
    if reply.status in {307, 308}:
        return replace(request, url=reply.location)
    method = request.method if request.method == "HEAD" else "GET"
    headers = {name: value for name, value in request.headers.items() if name.lower() != "content-type"}
    return replace(
        request, method=method, url=reply.location, form=(), files=(), content="", headers=headers, multipart=False
    )


def _received(sent: Exchange, reply: Reply) -> Exchange:
    return replace(
        sent,
        status=reply.status,
        seen_headers=dict(reply.headers),
        excerpt=reply.body[:EXCERPT].decode("utf-8", "replace"),
        seconds=reply.seconds,
    )


def _trouble(error: Exception, deadline_s: float) -> str:
    match error:
        case TimeoutError():
            return f"no complete answer within {deadline_s:g} s"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return f"the TLS connection is not trusted: {error}"
        case aiohttp.ClientConnectorError():
            return f"cannot connect to {error.host}:{error.port}: {error.os_error.strerror or error.os_error}"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return "the connection was closed before the answer was complete"
        case aiohttp.InvalidURL():
            return "not a URL"
        case _:
            return str(error) or type(error).__name__
