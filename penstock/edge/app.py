"""The sub-application that every service starts from: whatever goes wrong in it leaves as the protocol's own error."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware

from penstock.dali.errors import InternalError, NotFound, RequestTimeout, ServiceError, TooLarge, UsageError
from penstock.edge.body import BodyStalled
from penstock.edge.connection import client_left
from penstock.edge.errors import ErrorRenderer
from penstock.edge.request_id import request_id_of
from penstock.edge.spool import discard_spool

_log = structlog.get_logger(__name__)
_KEPT_HEADERS = ("Allow", "WWW-Authenticate", "Retry-After", "Content-Range")


def new_service_app(render_error: ErrorRenderer) -> web.Application:
    """Return an empty application whose errors are rendered as the service's protocol demands.

    Parameters
    ----------
    render_error
        Renders every error that a handler raises or the router finds.
    """
    return web.Application(middlewares=[_error_middleware(render_error)])


def _error_middleware(render_error: ErrorRenderer) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.app is request.match_info.apps[-1]:  # the service's own protocol tells of it
                _require_no_nul(request)
            return await handler(request)
        except Exception as caught:  # the edge: whatever it is leaves as the protocol's error
            if isinstance(caught, web.HTTPException) and caught.status < 400:
                raise
            if isinstance(caught, ConnectionError) and client_left(request):
                return _nobody_listens()
            error, status = _as_error(request, caught)
            response = render_error(request, error, status)
            _add_headers(response, caught)
            return response
        finally:
            discard_spool(request)

    return middleware


def _require_no_nul(request: web.Request) -> None:
    """See that the URL has no NUL character: none of ours has, and databases fail at it."""
    if "\0" in request.path:
        raise web.HTTPNotFound
    if "\0" in request.query_string:
        raise UsageError("The query of the URL contains a NUL character.")


def _as_error(request: web.Request, caught: Exception) -> tuple[ServiceError, int]:
    """Return what to tell the caller, and the status; log what the operator must see."""
    match caught:
        case ServiceError():
            if caught.status_hint >= 500:
                _log.warning(
                    "service_error", error=caught.message, status=caught.status_hint, cause=repr(caught.__cause__)
                )
            return caught, caught.status_hint
        case web.HTTPException():
            return _from_http(request, caught), caught.status
        case BodyStalled():
            return RequestTimeout("The body of the request does not arrive any more."), RequestTimeout.status_hint
        case HttpProcessingError() | web.RequestPayloadError():
            return UsageError("The body of the request cannot be read."), 400
        case _:
            _log.error("unhandled_error", method=request.method, path=request.rel_url.raw_path, exc_info=caught)
            reference = request_id_of(request)
            return InternalError(f"The service failed; please report the request id {reference}."), 500


def _from_http(request: web.Request, http: web.HTTPException) -> ServiceError:
    path = request.rel_url.raw_path
    match http:
        case web.HTTPNotFound():
            return NotFound(f"There is nothing at {path}.")
        case web.HTTPMethodNotAllowed():
            return UsageError(
                f"{request.method} is not allowed at {path}; use {', '.join(sorted(http.allowed_methods))}."
            )
        case web.HTTPRequestEntityTooLarge():
            return TooLarge("The body of the request is larger than the service takes.")
        case _ if http.status < 500:
            return UsageError(http.text or http.reason)
        case _:
            return InternalError(http.text or http.reason)


def _add_headers(response: web.Response, caught: Exception) -> None:
    if isinstance(caught, ServiceError) and caught.retry_after_s is not None:
        response.headers["Retry-After"] = str(caught.retry_after_s)
    if isinstance(caught, web.HTTPException):
        for name in _KEPT_HEADERS:
            response.headers.extend([(name, value) for value in caught.headers.getall(name, ())])


def _nobody_listens() -> web.Response:
    """Return what the access log shows of a request whose client left; raising would be logged as a fault."""
    return web.Response(status=499, reason="Client Closed Request")
