"""The form in which a caller wants a document."""

from __future__ import annotations

from aiohttp import web

from penstock.dali.media import Document, negotiate_document


def form_of(request: web.Request, asked: str | None = None, *, atom: bool = False) -> Document:
    """Return the form by what the caller asks for in so many words, else by the headers.

    Raises
    ------
    UsageError
        The document cannot be what is asked for.
    """
    headers = request.headers
    return negotiate_document(headers.get("Accept"), headers.get("Sec-Fetch-Dest"), asked, atom=atom)


def wants_page(request: web.Request) -> bool:
    """Tell whether the caller is a browser that shows pages."""
    return form_of(request) == "html"
