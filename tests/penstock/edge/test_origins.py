from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from penstock.dali.errors import UsageError
from penstock.edge.origins import install_origins
from tests.penstock.edge.builders import app_with, running

PORTAL = "https://portal.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@asynccontextmanager
async def admitting(*origins: str):
    async def handler(request: web.Request) -> web.StreamResponse:
        if "wrong" in request.query:
            raise UsageError("wrong")
        return web.Response(text="rows")

    app = app_with(handler)
    install_origins(app, origins)
    async with running(app) as server:
        yield server


@pytest.mark.parametrize(
    ("admitted", "origin", "told"),
    [
        ((PORTAL,), PORTAL, PORTAL),
        ((PORTAL,), "https://portal.example.evil.example", None),
        ((PORTAL,), "null", None),
        ((PORTAL,), None, None),
        (("*",), "https://anybody.example", "*"),
        (("*",), None, None),
        ((), PORTAL, None),
    ],
)
@pytest.mark.parametrize("path", ["/s/", "/s/?wrong"])
async def test_pages_of_admitted_origins_may_read_answers_and_errors(path, admitted, origin, told) -> None:
    headers = {"Origin": origin} if origin else {}
    async with admitting(*admitted) as server, server.get(path, headers=headers) as answer:
        assert answer.headers.get("Access-Control-Allow-Origin") == told
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert ("Origin" in answer.headers.getall("Vary", [])) == (admitted == (PORTAL,))


async def test_an_admitted_page_may_send_a_token() -> None:
    async with admitting(PORTAL) as server:
        headers = PREFLIGHT | {"Origin": PORTAL}
        async with server.session.options(server.url("/s/"), headers=headers) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, PORTAL)
            assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
            assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("headers", [PREFLIGHT | {"Origin": "https://evil.example"}, PREFLIGHT, {"Origin": PORTAL}])
async def test_what_is_no_preflight_of_an_admitted_page_is_405(headers) -> None:
    async with admitting(PORTAL) as server, server.session.options(server.url("/s/"), headers=headers) as answer:
        assert answer.status == 405
        assert "Access-Control-Allow-Methods" not in answer.headers
