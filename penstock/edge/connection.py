"""The connection that a request came on."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError


class ResponseBroken(ConnectionResetError):
    """An answer failed after its first byte was out; the connection is cut so that the client sees it is not whole."""


class NotHttp(logging.Filter):
    """Keeps out of the log what aiohttp says of bytes that are no HTTP.

    Any stranger can send them, with a secret among them, and the access log has a line for them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may pass."""
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


def client_left(request: web.BaseRequest) -> bool:
    """Tell whether nobody can receive an answer any more."""
    return request.transport is None or request.transport.is_closing()


def cut_connection(request: web.Request, why: str) -> ResponseBroken:
    """Drop the connection of a response that cannot be completed, and return what to raise."""
    if request.transport is not None:
        request.transport.abort()
    return ResponseBroken(why)
