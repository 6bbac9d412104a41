"""Content codings of answers, where callers ask for one (RFC 9110 s8.4, s12.5.3)."""

from __future__ import annotations

from aiohttp import web
from aiohttp.web_response import ContentCoding

from penstock.dali.media import content_coding

_TEXTS = ("text/", "application/xml", "application/json", "application/x-votable+xml", "application/xhtml+xml")


def chosen_coding(request: web.Request) -> ContentCoding | None:
    """Return how the caller wants a body compressed; none for HEAD, where aiohttp would send the end of nothing."""
    coding = None if request.method == "HEAD" else content_coding(request.headers.get("Accept-Encoding"))
    return None if coding is None else ContentCoding(coding)


def compress(request: web.Request, response: web.StreamResponse) -> None:
    """Have the body of an answer compressed if the caller asks for it."""
    response.headers.add("Vary", "Accept-Encoding")
    coding = chosen_coding(request)
    if coding is not None:
        response.enable_compression(coding)


def is_text(media_type: str) -> bool:
    """Tell whether the bytes of a media type are text, which shrinks by compression."""
    return media_type.startswith(_TEXTS)
