"""A service behind the middleware, as its callers see it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
import structlog
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer

from penstock.auth.challenges import OPENID, bearer, ivoa_bearer
from penstock.auth.middleware import install_authentication, principal_of
from penstock.auth.principal import ANONYMOUS, AnonymousOnly, Authenticator, Principal, refusal
from penstock.dali.errors import AuthenticationRequired, ServiceUnavailable
from penstock.edge.app import new_service_app
from penstock.edge.errors import text_error, votable_error

ALICE = {"Authorization": "Bearer alice"}
CHALLENGES = (bearer("penstock.example"), ivoa_bearer(OPENID, "https://iam.example.org/"))
TOLD = [str(challenge) for challenge in CHALLENGES]


class Doorman:
    """Knows people by name."""

    security_methods = ("ivo://ivoa.net/sso#OAuth",)
    challenges = CHALLENGES

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        name = headers.get("Authorization", "").removeprefix("Bearer ")
        if name == "away":
            raise ServiceUnavailable("The issuer is away.", retry_after_s=7)
        if name == "mallory":
            raise AuthenticationRequired("The token is not signed by its issuer.")
        return Principal(subject=f"{name}@iam.example.org") if name else ANONYMOUS


async def who(request: web.Request) -> web.Response:
    bound = structlog.contextvars.get_contextvars().get("subject")
    return web.json_response([principal_of(request).subject, bound])


async def private(request: web.Request) -> web.Response:
    if principal_of(request).subject != "alice@iam.example.org":
        raise refusal(principal_of(request), "It belongs to somebody else.")
    return web.Response(text="hers")


async def capabilities(request: web.Request) -> web.Response:
    return web.Response(text="<capabilities/>")


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"rows")
    return response


@asynccontextmanager
async def service(
    authenticator: Authenticator | None = None,
) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    app = new_service_app(votable_error)
    for path, handler in (("/who", who), ("/private", private), ("/capabilities", capabilities), ("/stream", stream)):
        app.router.add_get(path, handler)
    app.router.add_post("/capabilities", capabilities)
    install_authentication(app, authenticator or Doorman())
    root = new_service_app(text_error)
    root.router.add_get("/health", who)
    root.add_subapp("/tap", app)
    async with TestClient(TestServer(root)) as client:
        yield client


def told(response: ClientResponse) -> list[str]:
    return response.headers.getall("WWW-Authenticate", [])


async def test_the_handler_and_the_log_know_the_caller() -> None:
    async with service() as client:
        assert await (await client.get("/tap/who", headers=ALICE)).json() == ["alice@iam.example.org"] * 2
        assert await (await client.get("/tap/who")).json() == [None, None]


@pytest.mark.requirement("SS-04")
@pytest.mark.parametrize("path", ["/tap/who", "/tap/private", "/tap/capabilities", "/tap/stream", "/tap/nosuch"])
async def test_every_answer_to_somebody_known_names_them(path: str) -> None:
    async with service() as client:
        response = await client.get(path, headers=ALICE)
        assert response.headers["X-VO-Authenticated"] == "alice@iam.example.org"
        assert told(response) == []
        assert "X-VO-Authenticated" not in (await client.get(path)).headers


@pytest.mark.requirement("SS-01", "SS-02", "VO-05")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_capabilities_tell_the_anonymous_that_they_may_authenticate(method: str) -> None:
    async with service() as client:
        response = await client.request(method, "/tap/capabilities")
        assert (response.status, told(response)) == (200, TOLD)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/tap/who"), ("POST", "/tap/capabilities"), ("GET", "/tap/nosuch")]
)
async def test_other_answers_carry_no_challenge(method: str, path: str) -> None:
    async with service() as client:
        assert told(await client.request(method, path)) == []


@pytest.mark.requirement("DA-14", "U-150", "U-152")
async def test_who_may_not_is_told_to_authenticate_or_that_it_is_not_theirs() -> None:
    async with service() as client:
        anonymous = await client.get("/tap/private")
        assert (anonymous.status, told(anonymous)) == (401, TOLD)
        other = await client.get("/tap/private", headers={"Authorization": "Bearer bob"})
        assert (other.status, told(other)) == (403, [])
        assert (await client.get("/tap/private", headers=ALICE)).status == 200


@pytest.mark.parametrize("path", ["/tap/who", "/tap/capabilities", "/tap/nosuch"])
async def test_a_token_that_is_not_valid_is_the_service_s_own_401(path: str) -> None:
    async with service() as client:
        response = await client.get(path, headers={"Authorization": "Bearer mallory"})
        assert response.status == 401
        assert response.content_type == "application/x-votable+xml"
        assert told(response) == ['Bearer realm="penstock.example", error="invalid_token"', TOLD[1]]
        assert "mallory" not in await response.text()


async def test_a_service_that_challenges_for_itself_is_not_talked_over() -> None:
    async def refuse(_request: web.Request) -> web.Response:
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Own"})

    app = new_service_app(votable_error)
    app.router.add_get("/private", refuse)
    install_authentication(app, Doorman())
    async with TestClient(TestServer(app)) as client:
        assert told(await client.get("/private")) == ["Own"]


async def test_an_issuer_that_is_away_is_a_503() -> None:
    async with service() as client:
        response = await client.get("/tap/who", headers={"Authorization": "Bearer away"})
        assert (response.status, response.headers["Retry-After"], told(response)) == (503, "7", [])


async def test_what_is_outside_the_service_asks_nobody() -> None:
    async with service() as client:
        response = await client.get("/health", headers={"Authorization": "Bearer mallory"})
        assert (response.status, await response.json()) == (200, [None, None])


async def test_where_nobody_can_authenticate_there_is_no_challenge() -> None:
    async with service(AnonymousOnly()) as client:
        assert told(await client.get("/tap/capabilities", headers=ALICE)) == []
        assert (await client.get("/tap/private", headers=ALICE)).status == 401
