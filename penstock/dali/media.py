"""Media types and the Accept header, read leniently.

Clients send broken Accept headers (``*; q=.2`` comes from Java), so reading one never fails: what cannot be read is
left out. Which document a reader wants is decided by `negotiate_document`; the rule is deliberately not a sort by q,
because Java names ``text/html`` before ``*/*; q=0.2`` and means "anything that I can parse".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from penstock.dali.errors import UsageError

_TCHARS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(
    rf"(?P<type>{_TCHARS})/(?P<subtype>{_TCHARS})"
    rf"""(?P<params>(?:[ \t]*;[ \t]*{_TCHARS}=(?:{_TCHARS}|"[^"\\\x00-\x1f\x7f-\U0010ffff]*"))*)""",
)
_PARAM = re.compile(rf'({_TCHARS})=(?:({_TCHARS})|"([^"]*)")')
_MAX_RANGES = 64

Document = Literal["xml", "text-xml", "json", "html", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType:
    """A media type: lower-case essence and parameters, values as given (RFC 9110 s8.3.1)."""

    essence: str
    params: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def parse(cls, text: str) -> MediaType | None:
        """Read one media type, or return None where the text is not one."""
        match = _MEDIA_TYPE.fullmatch(text.strip(" \t"))
        if match is None:
            return None
        found = _PARAM.findall(match["params"])
        params = frozenset((name.lower(), token or quoted) for name, token, quoted in found)
        return cls(essence=f"{match['type']}/{match['subtype']}".lower(), params=params)


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRange:
    """One wish of an Accept header: a lower-case type, perhaps with wildcards, and its weight from 0 to 1."""

    essence: str
    q: float


@lru_cache(maxsize=256)  # clients have few
def parse_accept(header: str | None) -> tuple[MediaRange, ...]:
    """Read an Accept header; unreadable members are left out and nothing is raised."""
    members = (header or "").split(",", _MAX_RANGES)[:_MAX_RANGES]
    return tuple(found for found in map(_range, members) if found is not None)


def _range(member: str) -> MediaRange | None:
    essence, *params = (piece.strip() for piece in member.split(";"))
    essence = "*/*" if essence == "*" else essence.lower()
    if not re.fullmatch(rf"{_TCHARS}/{_TCHARS}", essence):
        return None
    weights = [value for name, _, value in (p.partition("=") for p in params) if name.strip().lower() == "q"]
    return MediaRange(essence=essence, q=_weight(weights[0].strip()) if weights else 1.0)


def _weight(text: str) -> float:
    if not re.fullmatch(r"[0-9]*\.?[0-9]*", text, re.ASCII) or not text.strip("."):
        return 1.0
    return min(1.0, float(text))


def quality(ranges: Iterable[MediaRange], *essences: str) -> float:
    """Return the largest weight with which one of the types is named, 0 where none is."""
    return max((r.q for r in ranges if r.essence in essences), default=0.0)


def accepts_json(ranges: Iterable[MediaRange]) -> bool:
    """Tell whether JSON is named outright, and with no less weight than XML or a wildcard."""
    ranges = tuple(ranges)
    json = max((r.q for r in ranges if _is_json(r.essence)), default=0.0)
    rivals = max((r.q for r in ranges if _is_xml(r.essence) or r.essence in {"*/*", "application/*"}), default=0.0)
    return json > 0 and json >= rivals


def _is_json(essence: str) -> bool:
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _is_xml(essence: str) -> bool:
    if essence == "application/xhtml+xml":
        return False
    return essence in {"application/xml", "text/xml"} or essence.endswith("+xml")


NEGOTIATED_BY = "Accept, Sec-Fetch-Dest"
"""The headers on which the choice of `negotiate_document` depends, for Vary (RFC 9110 s12.5.5)."""

_CONTAINER: dict[str, Document] = {
    "json": "json",
    "application/json": "json",
    "xml": "xml",
    "application/xml": "xml",
    "text/xml": "text-xml",
}
_ATOM: dict[str, Document] = {"json": "json", "application/json": "json", "text": "text", "text/plain": "text"}


def negotiate_document(
    accept: str | None, sec_fetch_dest: str | None, responseformat: str | None, *, atom: bool
) -> Document:
    """Choose the form of a UWS document.

    Parameters
    ----------
    accept, sec_fetch_dest
        The request headers, None where absent.
    responseformat
        RESPONSEFORMAT of a GET; None on POST, where it describes the result of a job (DALI 1.2 s4.3.3).
    atom
        The resource is a single value, whose default is text/plain rather than XML (UWS 1.1 s2.2.2).

    Raises
    ------
    UsageError
        RESPONSEFORMAT asks for what this resource cannot be.
    """
    if responseformat:
        table = _ATOM if atom else _CONTAINER
        chosen = table.get(responseformat.strip().lower())
        if chosen is None:
            raise UsageError(f"RESPONSEFORMAT={responseformat} is not offered here; use one of {', '.join(table)}.")
        return chosen
    return _negotiated(accept, sec_fetch_dest, atom=atom)


@lru_cache(maxsize=256)
def _negotiated(accept: str | None, sec_fetch_dest: str | None, *, atom: bool) -> Document:
    ranges = parse_accept(accept)
    return _negotiate_atom(ranges) if atom else _negotiate_container(ranges, sec_fetch_dest)


def _negotiate_atom(ranges: tuple[MediaRange, ...]) -> Document:
    return "json" if accepts_json(ranges) and _json_over(ranges, quality(ranges, "text/plain")) else "text"


def _json_over(ranges: tuple[MediaRange, ...], weight: float) -> bool:
    return max(r.q for r in ranges if _is_json(r.essence)) >= weight


def _negotiate_container(ranges: tuple[MediaRange, ...], sec_fetch_dest: str | None) -> Document:
    html = quality(ranges, "text/html", "application/xhtml+xml")
    from_browser = quality(ranges, "application/xhtml+xml") > 0 or sec_fetch_dest == "document"
    application_xml, text_xml = quality(ranges, "application/xml"), quality(ranges, "text/xml")
    if accepts_json(ranges) and _json_over(ranges, html if from_browser else 0.0):
        return "json"
    if from_browser and quality(ranges, "text/html") > 0 and html >= max(application_xml, text_xml):
        return "html"
    return "text-xml" if text_xml > application_xml else "xml"


def content_coding(accept_encoding: str | None) -> Literal["gzip", "deflate"] | None:
    """Choose a content coding that the caller asks for by name, or None (RFC 9110 s12.5.3)."""
    weights: dict[str, float] = {}
    for member in (accept_encoding or "").lower().split(",", _MAX_RANGES)[:_MAX_RANGES]:
        name, _, rest = member.partition(";")
        parameter, _, value = rest.partition("=")
        weights[name.strip()] = _weight(value.strip()) if parameter.strip() == "q" else 1.0
    if max(gzip := weights.get("gzip", weights.get("x-gzip", 0.0)), weights.get("deflate", 0.0)) == 0:
        return None
    return "gzip" if gzip >= weights.get("deflate", 0.0) else "deflate"
