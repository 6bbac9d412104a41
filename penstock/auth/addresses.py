"""Which addresses keys and tokens may be fetched from."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_PRINTABLE = re.compile(r"[!-~]+")


def is_protected(url: str) -> bool:
    """Tell whether nobody on the way can change what the URL gives: it is https, or on this machine itself."""
    if not _PRINTABLE.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        parts.port  # noqa: B018  # raises where it is no number
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def host_of(url: str) -> str:
    """Return the host of a URL that `is_protected`, without its port."""
    return urlsplit(url).hostname or ""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
