"""Fetching what others name: only from public addresses, following redirects only to such, within limits.

A caller who names a URL must not reach through us what he cannot reach himself: the host's own services, its network,
the metadata of its cloud. So every address that a name stands for is judged when the connection is made (which leaves
a name that changes its address no chance), at every redirect anew. Operators who want to fetch from their own network
say so (setting ``allow_private_addresses``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_address
from socket import AddressFamily
from urllib.parse import urljoin, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchError(Exception):
    """Something cannot be fetched; the message says what and why, for whoever named it."""


class _RefusedAddress(OSError):
    """A name stands for an address that is not public."""


class Outbound:
    """Fetches over HTTP.

    Parameters
    ----------
    allow_private
        Whether addresses of this host and of private networks may be used.
    timeout_s
        How long one fetch may take in all, in seconds.
    idle_s
        How long nothing may come, in seconds.
    """

    def __init__(self, *, allow_private: bool = False, timeout_s: float = 60.0, idle_s: float = 20.0) -> None:
        self._allow_private = allow_private
        self._timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=idle_s, sock_read=idle_s)

    @asynccontextmanager
    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the response to a GET, whatever its status, after redirects; its body is read by the caller.

        Raises
        ------
        FetchError
            It cannot be had, or must not be: the same while the body is read within the block.
        """
        resolver = None if self._allow_private else PublicResolver()
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=self._timeout,
                ) as session,
                await self._followed(session, url, headers) as response,
            ):
                yield response
        except TimeoutError as error:
            raise FetchError(f"{_shown(url)} does not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f"{_shown(url)} cannot be read: {_reason(error)}") from error

    async def read(self, url: str, *, max_bytes: int) -> bytes:
        """Return what is at a URL.

        Raises
        ------
        FetchError
            It cannot be had, or is larger than `max_bytes`.
        """
        async with self.get(url) as response:
            if response.status != 200:
                raise FetchError(f"{_shown(url)} answers {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > max_bytes:
                    raise FetchError(f"{_shown(url)} gives more than {max_bytes} bytes")
            return bytes(body)

    async def _followed(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None
    ) -> aiohttp.ClientResponse:
        for _ in range(_MOST_REDIRECTS + 1):
            self._check(url)
            response = await session.get(url, headers=headers, allow_redirects=False)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return response
            response.close()
            url = urljoin(url, location)
        raise FetchError(f"{_shown(url)} is reached by more than {_MOST_REDIRECTS} redirects")

    def _check(self, url: str) -> None:
        """Judge what no resolver sees: the scheme, and addresses that stand in the URL themselves."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise FetchError(f"{_shown(url)} is no http:// or https:// URL")
        if self._allow_private:
            return
        try:
            public = is_public(parts.hostname)
        except ValueError:
            return  # a name, which the resolver judges
        if not public:
            raise FetchError(f"{_shown(url)} is not a public address")


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: AddressFamily = AddressFamily.AF_INET
    ) -> list[ResolveResult]:
        """Return the public addresses of a name.

        Raises
        ------
        OSError
            It has none.
        """
        found = await self._resolver.resolve(host, port, family)
        public = [address for address in found if is_public(address["host"])]
        if not public:
            raise _RefusedAddress(f"{host} is not a public address")
        return public

    async def close(self) -> None:
        """Do nothing: nothing is held."""


def is_public(address: str) -> bool:
    """Tell whether an IP address can be reached from everywhere.

    Raises
    ------
    ValueError
        It is no IP address.
    """
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None) or ip
    return bool(mapped.is_global and ip.is_global and not ip.is_multicast)


def _shown(url: str) -> str:
    """Return a URL without what may be secret in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()[:200]


def _reason(error: Exception) -> str:
    cause = error.__cause__ or getattr(error, "os_error", None)
    if isinstance(cause, _RefusedAddress):
        return str(cause)
    return (str(error) or type(error).__name__).splitlines()[0][:200]
