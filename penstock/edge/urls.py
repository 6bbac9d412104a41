"""Absolute URLs of the service as its callers reach it.

They never come from the Host header, which any caller may forge (UWS and DALI put them into documents and redirects
that clients follow). They come from the configured base URL; else, where the request came through a trusted proxy,
from what that proxy says; else from the address of the socket that the caller reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")


class Urls:
    """Where callers find this host.

    Parameters
    ----------
    base
        The configured base URL, None where the deployment names none.
    trusted_proxies
        Networks whose X-Forwarded-Proto, -Host and -Prefix are believed.
    """

    def __init__(self, base: str | None, trusted_proxies: Iterable[IPv4Network | IPv6Network] = ()) -> None:
        self._base = base.rstrip("/") if base else None
        self._trusted_proxies = tuple(trusted_proxies)

    def base(self, request: web.Request) -> str:
        """Return the base URL of the host, without a slash at its end."""
        return self._base or self._forwarded(request) or _socket_url(request)

    def absolute(self, request: web.Request, path: str) -> str:
        """Return the absolute URL of a path of the host; the path begins with a slash."""
        return self.base(request) + path

    def client_address(self, request: web.Request) -> str | None:
        """Return the IP address of the caller; behind a trusted proxy, the one that the proxy tells."""
        peer = _peer(request)
        if peer is None or not self._from_trusted_proxy(request):
            return peer
        forwarded = _last(request, "X-Forwarded-For")
        return forwarded if _is_address(forwarded) else peer

    def _forwarded(self, request: web.Request) -> str | None:
        if "X-Forwarded-Host" not in request.headers or not self._from_trusted_proxy(request):
            return None
        host = _last(request, "X-Forwarded-Host")
        if not _HOST.fullmatch(host):
            return None
        scheme = _last(request, "X-Forwarded-Proto").lower()
        prefix = _last(request, "X-Forwarded-Prefix")
        if not _PREFIX.fullmatch(prefix):
            prefix = ""
        return f"{scheme if scheme in {'http', 'https'} else request.scheme}://{host}{prefix.rstrip('/')}"

    def _from_trusted_proxy(self, request: web.Request) -> bool:
        peer = _peer(request)
        if peer is None:
            return False
        address = ip_address(peer)
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._trusted_proxies)


def _peer(request: web.Request) -> str | None:
    """Return the IP address at the other end of the connection; None if it is no network's."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return str(peer[0]).partition("%")[0] if isinstance(peer, (tuple, list)) else None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _last(request: web.Request, header: str) -> str:
    """Return what the nearest proxy wrote: those before it are not known to be trusted."""
    values = request.headers.getall(header, [""])
    return values[-1].rpartition(",")[2].strip()


def _socket_url(request: web.Request) -> str:
    address = request.transport.get_extra_info("sockname") if request.transport else None
    if not isinstance(address, (tuple, list)):
        return f"{request.scheme}://localhost"
    host, port = address[0].partition("%")[0], address[1]
    return f"{request.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
