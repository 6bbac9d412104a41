"""Tokens of those on whose behalf the suite asks, read from where the command line does not show them.

A token is named by its place, `env:NAME` or `file:PATH`, so that it is in no list of processes. It is sent to the
host that is judged and to no other, and whatever that host sends back is cleared of it before anything else sees it:
so it can be in no message, no report, and no line for curl, which names a variable of the shell instead.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, assert_never
from urllib.parse import quote, urlsplit

HIDDEN: Final = "TOKEN-LEFT-OUT"
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 s2.1
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Identity(StrEnum):
    """On whose behalf a request is sent."""

    OWN = "own"
    OTHER = "other"
    NOBODY = "nobody"

    @property
    def variable(self) -> str:
        """The variable that holds the token in a line for curl; empty for nobody."""
        match self:
            case Identity.OWN:
                return "VO_TOKEN"
            case Identity.OTHER:
                return "VO_TOKEN_OTHER"
            case Identity.NOBODY:
                return ""
            case _:
                assert_never(self)


class BadToken(ValueError):
    """A token that is not where it was said to be, or is none; the message does not repeat it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The tokens of a run; empty where there are none."""

    own: str = field(default="", repr=False)
    other: str = field(default="", repr=False)

    def token(self, identity: Identity) -> str:
        """Return the token of an identity."""
        match identity:
            case Identity.OWN:
                return self.own
            case Identity.OTHER:
                return self.other
            case Identity.NOBODY:
                return ""
            case _:
                assert_never(identity)

    def hidden(self, text: str) -> str:
        """Return a text without the tokens."""
        for token in self._spellings():
            text = text.replace(token, HIDDEN)
        return text

    def hidden_bytes(self, content: bytes) -> bytes:
        """Return a content without the tokens."""
        for token in self._spellings():
            content = content.replace(token.encode(), HIDDEN.encode())
        return content

    def _spellings(self) -> list[str]:
        """Return the tokens as they may be written; what contains another comes first."""
        given = [token for token in (self.own, self.other) if token]
        return sorted({spelt for token in given for spelt in (token, quote(token, safe=""))}, key=len, reverse=True)


def read_token(place: str) -> str:
    """Return the token at `env:NAME` or `file:PATH`.

    Raises
    ------
    BadToken
        If there is none.
    """
    kind, _, name = place.partition(":")
    match kind:
        case "env":
            text = os.environ.get(name, "")
        case "file":
            try:
                text = Path(name).read_text(encoding="ascii")
            except (OSError, ValueError) as error:
                raise BadToken(f"the token cannot be read: {name}: {type(error).__name__}") from error
        case _:
            raise BadToken("say where the token is, env:NAME or file:PATH; the token itself must not be seen here")
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise BadToken(f"there is no bearer token in {place}")
    return token


def is_safe(url: str) -> bool:
    """Say whether a token may be sent to a URL: over TLS, or to this machine (RFC 6750 s5.3)."""
    place = urlsplit(url)
    return place.scheme == "https" or place.hostname in _LOCAL


def origin(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, the host and the port of a URL.

    Raises
    ------
    ValueError
        If it is not a URL.
    """
    place = urlsplit(url)
    return place.scheme, place.hostname or "", place.port or {"http": 80, "https": 443}.get(place.scheme)
