"""Every request has an id: in the log, in the response, and in what a caller is told when the service fails."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.typedefs import Handler

_REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)
_SANE = re.compile(r"[A-Za-z0-9._:-]{8,64}")
_CLIENT_CLOSED_REQUEST = 499
_access = structlog.get_logger("penstock.access")


def request_id_of(request: web.BaseRequest) -> str:
    """Return the id of the request, a new one where no middleware gave it any."""
    known = request.get(_REQUEST_ID)
    if known is None:
        known = request[_REQUEST_ID] = os.urandom(16).hex()
    return str(known)


def install_request_ids(app: web.Application) -> None:
    """Give every request of the host, and of the applications below it, an id, and bind it to the log.

    A caller's X-Request-ID is taken where it is harmless to log, so that a trace goes on through a proxy.
    """
    app.middlewares.insert(0, _bind_request_id)
    app.on_response_prepare.append(_announce)


@web.middleware
async def _bind_request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    given = request.headers.get("X-Request-ID", "")
    if _SANE.fullmatch(given):
        request[_REQUEST_ID] = given
    started = time.monotonic()
    # Bound for good: every request binds its own, and what is logged after its handler is of it too.
    structlog.contextvars.bind_contextvars(request_id=request_id_of(request), path=request.rel_url.raw_path)
    try:
        return await handler(request)
    except asyncio.CancelledError:
        # aiohttp writes no access log for a request whose client left.
        _write_line(request, _CLIENT_CLOSED_REQUEST, 0, time.monotonic() - started)
        raise


async def _announce(request: web.BaseRequest, response: web.StreamResponse) -> None:
    response.headers["X-Request-ID"] = request_id_of(request)


class AccessLogger(AbstractAccessLogger):
    """Writes one line per request, for ``AppRunner(access_log_class=AccessLogger)``.

    It runs when the last byte is out, so `bytes` counts what a streamed answer really sent.
    The query string is left out: it may hold what is nobody's business.
    """

    @property
    def enabled(self) -> bool:
        """Whether anybody reads the lines."""
        return bool(_access.is_enabled_for(logging.INFO))

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line; `time` is in seconds."""
        _write_line(request, response.status, response.body_length, time)


def _write_line(request: web.BaseRequest, status: int, sent_bytes: int, seconds: float) -> None:
    _access.info(
        "request",
        request_id=request_id_of(request),
        method=request.method,
        path=request.rel_url.raw_path,
        status=status,
        bytes=sent_bytes,
        duration_ms=round(seconds * 1000, 1),
    )
