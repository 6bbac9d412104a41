from __future__ import annotations

import asyncio

import orjson
import pytest
from aiohttp import web
from lxml import etree
from structlog.testing import capture_logs

from penstock.dali.errors import (
    AuthenticationRequired,
    Forbidden,
    InternalError,
    NotFound,
    ServiceError,
    ServiceUnavailable,
    TooManyRequests,
    UsageError,
)
from penstock.edge.app import new_service_app
from penstock.edge.errors import negotiated_error, problem_error, text_error, votable_error
from tests.penstock.edge.builders import running, serving


def raising(error: BaseException):
    async def handler(request: web.Request) -> web.Response:
        raise error

    return handler


@pytest.mark.requirement("DA-17")
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("no"), 400),
        (AuthenticationRequired("no"), 401),
        (Forbidden("no"), 403),
        (NotFound("no"), 404),
        (ServiceUnavailable("no"), 503),
        (InternalError("no"), 500),
    ],
)
async def test_an_error_of_the_tree_leaves_with_its_status_and_label(error: ServiceError, status: int) -> None:
    async with serving(raising(error)) as server, server.get("/s/") as answer:
        assert answer.status == status
        assert answer.content_type == "text/plain"
        assert (await answer.text()).startswith(f"{error.label}: no")


async def test_retry_after_says_when_to_come_back() -> None:
    async with serving(raising(TooManyRequests("slow down", retry_after_s=7))) as server, server.get("/s/") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


async def test_no_route_and_a_wrong_method_are_told_by_the_service_and_keep_allow() -> None:
    async with serving(raising(NotFound("x")), render_error=votable_error) as server:
        async with server.get("/s/nothing%00here") as answer:
            assert answer.status == 404
            assert b"/s/nothing%00here" in await answer.read()
        async with server.session.delete(server.url("/s/")) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET,HEAD,POST"
            assert "use GET, HEAD, POST" in await answer.text()


@pytest.mark.parametrize(("path", "status"), [("/s/x%00", 404), ("/s/?q=%00", 400), ("/s/?%00=q", 400)])
async def test_a_nul_in_a_url_reaches_no_handler_whose_database_would_fail_at_it(path: str, status: int) -> None:
    async with serving(raising(AssertionError("never"))) as server, server.get(path) as answer:
        assert answer.status == status


async def test_a_redirect_is_no_error() -> None:
    async with (
        serving(raising(web.HTTPSeeOther("/elsewhere"))) as server,
        server.get("/s/", allow_redirects=False) as answer,
    ):
        assert (answer.status, answer.headers["Location"]) == (303, "/elsewhere")


@pytest.mark.parametrize(
    ("error", "status", "label"),
    [
        (web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2), 413, "UsageError"),
        (web.HTTPBadRequest(text="odd"), 400, "UsageError"),
        (web.HTTPBadGateway(), 502, "Error"),
    ],
)
async def test_an_http_exception_is_rendered_as_the_service_renders_errors(error, status, label) -> None:
    async with serving(raising(error)) as server, server.get("/s/") as answer:
        assert answer.status == status
        assert (await answer.text()).startswith(f"{label}: ")


@pytest.mark.requirement("U-033")
async def test_a_fault_is_logged_once_and_told_by_its_request_id_alone() -> None:
    with capture_logs() as lines:
        async with (
            serving(raising(RuntimeError("secret innards"))) as server,
            server.get("/s/", headers={"X-Request-ID": "trace-12345"}) as answer,
        ):
            assert answer.status == 500
            text = await answer.text()
    assert "trace-12345" in text
    assert "secret" not in text
    assert "Traceback" not in text
    faults = [line for line in lines if line["event"] == "unhandled_error"]
    assert [str(line["exc_info"]) for line in faults] == ["secret innards"]


@pytest.mark.parametrize("fault", [ConnectionRefusedError("the database is away"), TimeoutError()])
async def test_a_lost_connection_of_ours_is_a_fault_not_a_client_that_left(fault) -> None:
    async with serving(raising(fault)) as server, server.get("/s/") as answer:
        assert answer.status == 500


async def test_a_client_that_leaves_cancels_the_handler_and_is_no_fault() -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    with capture_logs() as lines:
        async with serving(handler) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /s/ HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(entered.wait(), 5)
            writer.close()
            await asyncio.wait_for(cancelled.wait(), 5)
    assert [(line["event"], line["status"]) for line in lines] == [("request", 499)]


@pytest.mark.requirement("DA-17")
async def test_votable_errors_say_query_status_error() -> None:
    async with (
        serving(raising(UsageError("bad \x00 <QUERY>")), render_error=votable_error) as server,
        server.get("/s/") as answer,
    ):
        assert answer.content_type == "application/x-votable+xml"
        root = etree.fromstring(await answer.read())
    (info,) = root.iterfind(".//{*}INFO[@name='QUERY_STATUS']")
    assert info.get("value") == "ERROR"
    assert info.text.startswith("UsageError: bad")


@pytest.mark.parametrize(
    ("query", "accept", "content_type"),
    [
        ("", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("?RESPONSEFORMAT=html", "*/*", "text/html"),
        ("", "application/json", "application/problem+json"),
        ("?RESPONSEFORMAT=csv", "text/html,application/xhtml+xml,*/*;q=0.8", "application/x-votable+xml"),
        ("", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "application/x-votable+xml"),
    ],
    ids=["browser", "HTML is asked for", "front end", "CSV is asked for", "Java"],
)
async def test_votable_errors_are_pages_in_browsers_and_problems_for_front_ends(
    query: str, accept: str, content_type: str
) -> None:
    async with (
        serving(raising(NotFound("x")), render_error=votable_error) as server,
        server.get(f"/s/{query}", headers={"Accept": accept}) as answer,
    ):
        assert (answer.content_type, answer.headers["Vary"]) == (content_type, "Accept, Sec-Fetch-Dest")


async def test_problem_errors_are_rfc_9457() -> None:
    async with (
        serving(raising(Forbidden("not yours")), render_error=problem_error) as server,
        server.get("/s/") as answer,
    ):
        assert answer.content_type == "application/problem+json"
        assert orjson.loads(await answer.read()) == {
            "type": "about:blank",
            "title": "Forbidden",
            "status": 403,
            "detail": "not yours",
            "error": "AuthorizationError",
        }


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/problem+json"),
        ("*/*", "text/plain"),
        ("text/html, *; q=.2", "text/plain"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
    ],
)
async def test_negotiated_errors_follow_accept(accept, content_type) -> None:
    async with (
        serving(raising(NotFound("x")), render_error=negotiated_error) as server,
        server.get("/s/", headers={"Accept": accept}) as answer,
    ):
        assert (answer.content_type, answer.headers["Vary"]) == (content_type, "Accept, Sec-Fetch-Dest")


async def test_every_answer_has_a_request_id_and_one_access_line() -> None:
    with capture_logs() as lines:
        async with serving(raising(NotFound("x"))) as server:
            async with server.get("/s/?PASSWORD=secret", headers={"X-Request-ID": "given-by-proxy"}) as answer:
                assert answer.headers["X-Request-ID"] == "given-by-proxy"
            async with server.get("/s/", headers={"X-Request-ID": "a b{c}"}) as answer:
                made = answer.headers["X-Request-ID"]
    access = [line for line in lines if line["event"] == "request"]
    assert [line["request_id"] for line in access] == ["given-by-proxy", made]
    assert made != "a b{c}"
    assert all(line["status"] == 404 and line["bytes"] > 0 and line["path"] == "/s/" for line in access)
    assert "secret" not in str(lines)


async def test_an_application_within_another_renders_its_own_errors() -> None:
    outer = new_service_app(text_error)
    outer.add_subapp("/inner", new_service_app(problem_error))
    async with running(outer) as server:
        async with server.get("/s/none") as answer:
            assert answer.content_type == "text/plain"
        async with server.get("/s/inner/none") as answer:
            assert answer.content_type == "application/problem+json"
