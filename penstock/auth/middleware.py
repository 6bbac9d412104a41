"""Authentication at the edge: every request of an application has a caller before its handler runs."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from penstock.auth.challenges import AUTHENTICATED_HEADER, after_invalid_token
from penstock.auth.principal import ANONYMOUS, Authenticator, Principal
from penstock.dali.errors import AuthenticationRequired

_CALLER: web.RequestKey[Principal] = web.RequestKey("caller", Principal)
_TOKEN_REFUSED: web.RequestKey[bool] = web.RequestKey("token_refused", bool)


def principal_of(request: web.BaseRequest) -> Principal:
    """Return who sent the request; nobody that is known where the application does not authenticate."""
    caller: Principal = request.get(_CALLER, ANONYMOUS)
    return caller


def install_authentication(app: web.Application, authenticator: Authenticator) -> None:
    """Authenticate every request of a service, and say so in its answers.

    Install it after the service's own middlewares: credentials that are not valid then leave as the protocol's error.
    An authenticated answer names the caller in X-VO-Authenticated; one to anybody else carries challenges where it is
    a 401, or the capabilities, whose challenges tell that authentication is optional (SSO 3, bootstrapping).
    """

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            caller = request[_CALLER] = await authenticator.authenticate(request.headers)
        except AuthenticationRequired:
            request[_TOKEN_REFUSED] = True
            raise
        if caller.subject is None:
            return await handler(request)
        with structlog.contextvars.bound_contextvars(subject=caller.subject):
            return await handler(request)

    async def announce(request: web.BaseRequest, response: web.StreamResponse) -> None:
        caller = principal_of(request)
        if caller.subject is not None:
            response.headers[AUTHENTICATED_HEADER] = caller.subject
        elif response.status == 401 or _bootstraps(request, response):
            _challenge(request, response)

    def _challenge(request: web.BaseRequest, response: web.StreamResponse) -> None:
        if "WWW-Authenticate" in response.headers:
            return
        for challenge in authenticator.challenges:
            fitting = after_invalid_token(challenge) if request.get(_TOKEN_REFUSED) else challenge
            response.headers.add("WWW-Authenticate", str(fitting))

    app.middlewares.append(authenticate)
    app.on_response_prepare.append(announce)


def _bootstraps(request: web.BaseRequest, response: web.StreamResponse) -> bool:
    """Tell whether clients look here first to see if they can authenticate (SSO 3, bootstrapping)."""
    return (
        response.status == 200
        and request.method in ("GET", "HEAD")
        and request.path.rstrip("/").rpartition("/")[2] == "capabilities"
    )
