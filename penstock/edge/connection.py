"""The connection that a request came on."""

from __future__ import annotations

from aiohttp import web


class ResponseBroken(ConnectionResetError):
    """An answer failed after its first byte was out; the connection is cut so that the client sees it is not whole."""


def client_left(request: web.BaseRequest) -> bool:
    """Tell whether nobody can receive an answer any more."""
    return request.transport is None or request.transport.is_closing()


def cut_connection(request: web.Request, why: str) -> ResponseBroken:
    """Drop the connection of a response that cannot be completed, and return what to raise."""
    if request.transport is not None:
        request.transport.abort()
    return ResponseBroken(why)
