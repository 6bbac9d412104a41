"""Fetching what others name: only from public addresses, following redirects only to such, within limits.

A caller who names a URL must not reach through us what he cannot reach himself: the host's own services, its network,
the metadata of its cloud. So every address is judged where the socket to it is made: neither a name that stands for
another address the second time nor a redirect gets past that. Operators who want to fetch from their own network
say so (setting ``allow_private_addresses``).
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import IO, Any
from urllib.parse import urljoin, urlsplit

import aiohttp

_MOST_REDIRECTS = 5
_NAT64 = IPv6Network("64:ff9b::/96")  # IPv4 addresses for networks without IPv4 (RFC 6052 s2.1)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class FetchError(Exception):
    """Something cannot be fetched; the message says what and why, for whoever named it."""


class PrivateAddress(OSError):
    """A connection would lead to an address that is not public."""


Ask = Callable[[str], Awaitable[aiohttp.ClientResponse]]
"""Sends a GET for a URL and returns the answer, a redirect included."""

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""An address as `socket.getaddrinfo` tells it."""


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

    async def save(self, url: str, file: IO[bytes], *, max_bytes: int) -> None:
        """Write what is at a URL into a file.

        Raises
        ------
        FetchError
            It cannot be had, must not be, or is larger than `max_bytes`.
        """
        try:
            async with self._session() as session, await get_following(_asking(session), url) as response:
                if response.status != 200:
                    raise FetchError(f"{_shown(url)} answers {response.status}")
                size = 0
                async for chunk in response.content.iter_any():
                    size += len(chunk)
                    if size > max_bytes:
                        raise FetchError(f"{_shown(url)} gives more than {max_bytes} bytes")
                    file.write(chunk)
        except TimeoutError as error:
            raise FetchError(f"{_shown(url)} does not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FetchError(f"{_shown(url)} cannot be read: {reason_of(error)}") from error

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=None if self._allow_private else public_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeout,
        )


def _asking(session: aiohttp.ClientSession) -> Ask:
    async def ask(url: str) -> aiohttp.ClientResponse:
        return await session.get(url, allow_redirects=False)

    return ask


async def get_following(ask: Ask, url: str) -> aiohttp.ClientResponse:
    """Return the answer at a URL, or where it leads.

    `ask` sends one request without following it, for each URL that has been found to be one of HTTP.

    Raises
    ------
    FetchError
        A URL is none of HTTP, or there are too many.
    """
    for _ in range(_MOST_REDIRECTS + 1):
        _check(url)
        response = await ask(url)
        location = response.headers.get("Location")
        if response.status not in _REDIRECTS or location is None:
            return response
        response.close()
        url = urljoin(url, location)
    raise FetchError(f"{_shown(url)} is reached by more than {_MOST_REDIRECTS} redirects")


def _check(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise FetchError(f"{_shown(url)} is no http:// or https:// URL")
    if "@" in parts.netloc:
        raise FetchError(f"{_shown(url)} was given with a user or password, which must not stand in a URL")
    try:
        _ = parts.port
    except ValueError as error:
        raise FetchError(f"{_shown(url)} has a port that is none") from error


def public_socket(info: AddressInfo) -> socket.socket:
    """Make a socket for a connection to a public address: a ``socket_factory`` of aiohttp's connector.

    Raises
    ------
    PrivateAddress
        The address is another.
    """
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise PrivateAddress(f"{address[0]} is not a public address")
    return socket.socket(family=family, type=kind, proto=protocol)


def refused_address(error: BaseException) -> PrivateAddress | None:
    """Return why `public_socket` refused the connection whose failure is `error`, None if it did not."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, PrivateAddress):
        cause = getattr(cause, "os_error", None) or cause.__cause__ or cause.__context__
    return cause


def is_public(address: str) -> bool:
    """Tell whether an IP address can be reached from everywhere.

    Raises
    ------
    ValueError
        It is no IP address.
    """
    ip = ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None) or ip
    if ip in _NAT64:
        mapped = IPv4Address(int(ip) & 0xFFFFFFFF)
    return bool(mapped.is_global and ip.is_global and not ip.is_multicast)


async def whole_body(response: aiohttp.ClientResponse, most_bytes: int) -> bytes | None:
    """Return the body of an answer, None where it is longer than that."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most_bytes:
            return None
    return bytes(body)


def _shown(url: str) -> str:
    """Return a URL without what may be secret in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()[:200]


def reason_of(error: Exception) -> str:
    """Return why something could not be fetched, in one line; not to which address of ours a name would have led."""
    if refused_address(error) is not None:
        return "that is not a public address"
    return (str(error) or type(error).__name__).splitlines()[0][:200]
