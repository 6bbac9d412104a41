"""Asks one upstream over HTTP, trusting nothing that it answers.

The operator who names an upstream by its URL allows connections to that very host, wherever it is. Everything else (an
upstream that was found in the Registry, another host to which a redirect or a job leads) must have a public address,
unless private ones are allowed (`penstock.outbound`). A token goes to the host of the upstream only.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, ClassVar
from urllib.parse import urlencode, urljoin, urlsplit

import aiohttp
import structlog
from lxml import etree

from penstock.dali.errors import ServiceUnavailable, TooLarge, UsageError
from penstock.dali.params import Part
from penstock.outbound import public_socket, refused_address

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEPT_METHOD = frozenset({307, 308})
_BUFFER_BYTES = 1 << 20
_MOST_ERROR_BYTES = 1 << 16
_MOST_SWELLING = 200  # times; rows of a table that are all alike reach about a hundred
_SMALL_BYTES = 1 << 24
_MOST_MESSAGE = 2000
_SHORT = 4096
_CACHED_FORMS = 256
_LONGEST_QUERY_STRING = 2000
_TAG = re.compile(r"<[^>]*>")
_log = structlog.get_logger(__name__)


class UpstreamFailed(ServiceUnavailable):
    """An upstream does not answer as it should."""

    status_hint: ClassVar[int] = 502


class UpstreamTimeout(UpstreamFailed):
    """An upstream does not answer in time."""

    status_hint: ClassVar[int] = 504


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An upstream as the operator describes it.

    Parameters
    ----------
    name
        What it is called here.
    url
        Where it is, without a slash at its end.
    trusted
        Whether the operator named that very address.
    token
        A bearer token for it.
    """

    name: str
    url: str
    trusted: bool
    token: str | None = None
    compressed: bool = False
    connect_s: float = 10.0
    idle_s: float = 60.0


@lru_cache(_CACHED_FORMS)
def _encoded(items: tuple[tuple[str, str], ...]) -> str:
    return urlencode(items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an upstream is asked: parameters, and tables that go with them.

    `cacheable` tells that who asks would take an answer from a cache, as who sends a GET does (TAP 1.1 s2.1).
    """

    params: Mapping[str, str]
    parts: Sequence[Part] = ()
    cacheable: bool = False

    def query_string(self) -> str | None:
        """Return what a GET has in its URL, which is answered sooner than a form; None where a form must be sent."""
        if self.parts or not self.cacheable or not self._is_short():
            return None
        text = _encoded(tuple(self.params.items()))
        return text if len(text) <= _LONGEST_QUERY_STRING else None

    def body(self) -> aiohttp.FormData | bytes:
        """Return a form, anew each time, since sending uses it up."""
        if not self.parts:
            items = tuple(self.params.items())
            return (_encoded(items) if self._is_short() else urlencode(items)).encode()
        form = aiohttp.FormData(quote_fields=False)
        for name, value in self.params.items():
            form.add_field(name, value)
        for part in self.parts:
            content = part.content if isinstance(part.content, bytes) else part.content.open("rb")
            form.add_field(part.name, content, filename=part.name, content_type="application/x-votable+xml")
        return form

    def _is_short(self) -> bool:
        return sum(map(len, self.params.values())) < _SHORT


class UpstreamClient:
    """Asks one upstream; close it in the end.

    Parameters
    ----------
    site
        The upstream.
    allow_private
        Whether any host may have a private address.
    """

    def __init__(self, site: Site, *, allow_private: bool) -> None:
        self.site = site
        self._allow_private = allow_private
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @asynccontextmanager
    async def answer(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        request: Request | None = None,
        follow: bool = True,
        again: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask and give the answer, whatever its status; leaving the block closes what is unread.

        Parameters
        ----------
        follow
            Whether redirects are followed: to who makes a job, one is the answer (UWS 1.1 s2.2.2.1).
        deadline
            Until when an answer must begin, by the event loop's clock.
        again
            Whether it may be asked twice, where a connection that was kept turns out to be closed.

        Raises
        ------
        UpstreamFailed
            There is no answer.
        """
        with self._told():
            async with asyncio.timeout_at(deadline):
                try:
                    response = await (self._followed if follow else self._ask)(method, url, request)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    if not again or isinstance(error, aiohttp.ClientConnectorError):
                        raise
                    response = await self._followed(method, url, request)
        try:
            yield response
        finally:
            # What was read to its end has given its connection back already.
            response.close()

    async def chunks(self, response: aiohttp.ClientResponse, *, deadline: float) -> AsyncGenerator[bytes, None]:
        """Yield the body of an answer as it comes.

        Raises
        ------
        UpstreamFailed
            It breaks off, is not whole at the deadline, or swells as no table does.
        """
        size, loop, content = 0, asyncio.get_running_loop(), response.content
        while True:
            with self._told():
                chunk = content.read_nowait()
                if not (chunk or content.at_eof()):
                    async with asyncio.timeout_at(deadline):
                        chunk = await content.readany()
                if loop.time() > deadline:  # where something has come already, there is no waiting that could time out
                    raise TimeoutError
            if not chunk:
                return
            size += len(chunk)
            if size > _SMALL_BYTES and size > _MOST_SWELLING * content.total_raw_bytes:
                raise UpstreamFailed(f"{self.site.name}: its answer is compressed beyond reason.")
            yield chunk

    async def save(self, url: str, file: IO[bytes], *, max_bytes: int, deadline: float) -> None:
        """Write a document of the upstream into a file.

        Raises
        ------
        UpstreamFailed
            It cannot be had, or is larger than `max_bytes`.
        """
        async with self.answer("GET", url, deadline=deadline) as response:
            if response.status != 200:
                raise UpstreamFailed(f"{self.site.name}: {shown(url)} answers {response.status}.")
            size = 0
            async for chunk in self.chunks(response, deadline=deadline):
                size += len(chunk)
                if size > max_bytes:
                    raise UpstreamFailed(f"{self.site.name}: {shown(url)} gives more than {max_bytes} bytes.")
                file.write(chunk)

    async def refused(self, response: aiohttp.ClientResponse, *, deadline: float) -> UpstreamFailed | UsageError:
        """Return the error that an answer with another status than 200 stands for, in the upstream's words."""
        text = bytearray()
        async for chunk in self.chunks(response, deadline=deadline):
            text += chunk
            if len(text) > _MOST_ERROR_BYTES:
                break
        return self.error(response.status, bytes(text[:_MOST_ERROR_BYTES]))

    def error(self, status: int, body: bytes) -> UpstreamFailed | UsageError:
        """Return the error that an answer stands for."""
        said = message_of(body) or f"it answers {status}"
        if status == 413:
            return TooLarge(f"{self.site.name}: {said}")
        if status in (200, 400, 404, 405, 406, 415, 422):
            return UsageError(f"{self.site.name}: {said}")
        if status in (408, 504):
            return UpstreamTimeout(f"{self.site.name}: {said}")
        return UpstreamFailed(f"{self.site.name}: {said}")

    async def _followed(self, method: str, url: str, request: Request | None) -> aiohttp.ClientResponse:
        for _ in range(_MOST_REDIRECTS + 1):
            response = await self._ask(method, url, request)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.release()
            if response.status not in _KEPT_METHOD and method != "GET":
                method, request = "GET", None
            url = self._checked(urljoin(url, location))
        raise UpstreamFailed(f"{self.site.name} redirects more than {_MOST_REDIRECTS} times.")

    async def _ask(self, method: str, url: str, request: Request | None) -> aiohttp.ClientResponse:
        data = None if request is None else request.body()
        ours = self.is_ours(url)
        headers = {"Authorization": f"Bearer {self.site.token}"} if self.site.token and ours else {}
        if isinstance(data, bytes):  # written by aiohttp, a form takes a fifth of all the time that a short query does
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        session = self._session(trusted=ours and self.site.trusted)
        return await session.request(method, url, data=data, headers=headers, allow_redirects=False)

    def is_ours(self, url: str) -> bool:
        """Tell whether a URL is on the very host of the upstream."""
        return _origin(url) == _origin(self.site.url)

    def _checked(self, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise UpstreamFailed(f"{self.site.name} redirects to what is no http:// or https:// URL.")
        if urlsplit(self.site.url).scheme == "https" and parts.scheme == "http":
            raise UpstreamFailed(f"{self.site.name} redirects from https:// to http://.")
        return url

    def _session(self, *, trusted: bool) -> aiohttp.ClientSession:
        if trusted not in self._sessions:
            guard = None if trusted or self._allow_private else public_socket
            self._sessions[trusted] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(socket_factory=guard),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.site.connect_s, sock_read=self.site.idle_s),
                headers={
                    "User-Agent": "Penstock (IVOA-TAP proxy)",
                    "Accept-Encoding": "gzip" if self.site.compressed else "identity",
                },
                read_bufsize=_BUFFER_BYTES,
            )
        return self._sessions[trusted]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in words for callers why the upstream cannot be asked."""
        name = self.site.name
        try:
            yield
        except TimeoutError as error:
            raise UpstreamTimeout(f"{name} does not answer in time.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            private = refused_address(error)
            if private is not None:
                _log.warning("upstream_at_private_address", upstream=name, error=str(private))
                raise UpstreamFailed(f"{name} leads to an address that is not public.") from error
            _log.info("upstream_failed", upstream=name, error=str(error) or type(error).__name__)
            raise UpstreamFailed(f"{name} cannot be reached, or its answer broke off; try again later.") from error


def message_of(body: bytes) -> str:
    """Return what an error document says, in a VOTable or in plain text."""
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser) if body.lstrip()[:1] == b"<" else None
    except etree.XMLSyntaxError:
        root = None
    if root is not None:
        for info in root.iter("{*}INFO"):
            if info.get("name") == "QUERY_STATUS" and info.get("value") == "ERROR":
                return _shortened("".join(str(text) for text in info.itertext()))
    return _shortened(_TAG.sub(" ", body.decode("utf-8", "replace")))


def _shortened(text: str) -> str:
    words = " ".join("".join(c if c.isprintable() or c.isspace() else "?" for c in text).split())
    return words if len(words) <= _MOST_MESSAGE else words[:_MOST_MESSAGE] + "…"


def shown(url: str) -> str:
    """Return a URL without what may be secret in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()[:200]


@lru_cache(_CACHED_FORMS)
def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
