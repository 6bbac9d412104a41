"""A Rucio that is away, slow, broken or hostile: a stub that does what the real one cannot be asked to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from penstock.auth.principal import ANONYMOUS, Principal
from penstock.dali.errors import AuthenticationRequired, Forbidden, NotFound, ServiceUnavailable, UsageError
from penstock.lake.mapping import load_mapping
from penstock.lake.port import Did, Entry, Rule
from penstock.lake.rucio.client import Refusal, RucioClient, UnknownCaller, open_client
from penstock.lake.rucio.lake import RucioLake
from penstock.lake.rucio.settings import RucioSettings
from penstock.lake.rucio.staging import RuleDesk
from penstock.settings import FOR_JOBS
from tests.penstock.lake.builders import open_store

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class StubRucio:
    """Signs everybody in and answers /x as it is told; remembers what came."""

    def __init__(self, handler: Handler, *, lasts: timedelta = timedelta(hours=1)) -> None:
        self._handler = handler
        self._lasts = lasts
        self.signed_in = 0
        self.tokens: list[str | None] = []

    async def sign_in(self, request: web.Request) -> web.Response:
        self.signed_in += 1
        ends = (NOW + self._lasts).strftime("%a, %d %b %Y %H:%M:%S UTC")
        token = f"token-{self.signed_in}"
        return web.Response(headers={"X-Rucio-Auth-Token": token, "X-Rucio-Auth-Token-Expires": ends})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers.get("X-Rucio-Auth-Token"))
        return await self._handler(request)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/auth/userpass", self.sign_in)
        app.router.add_route("*", "/{rest:.*}", self.answer)
        return app


@asynccontextmanager
async def client_of(stub: StubRucio, **more: Any) -> AsyncIterator[RucioClient]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(TestServer(stub.app()))
        url = str(server.make_url("/")).rstrip("/")
        settings = RucioSettings(**{"url": url, "account": "a", "username": "a", "password": "p"} | more)
        yield await open_client(settings, lambda: NOW, stack)


def fails(status: int, kind: str | None = None, text: str = "") -> Handler:
    async def handler(_request: web.Request) -> web.Response:
        if kind is None:
            return web.Response(status=status, text=text)
        return web.json_response({"ExceptionClass": kind, "ExceptionMessage": text}, status=status)

    return handler


def streams(*pieces: bytes, broken: bool = False) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        if broken:
            assert request.transport
            request.transport.abort()
        return response

    return handler


async def rows(client: RucioClient) -> list[Any]:
    return [row async for row in client.rows("POST", "/x", {})]


@pytest.mark.parametrize(
    "pieces",
    [
        (b'{"a":1}\n{"a":2}\n{"a":3}\n',),
        (b'{"a"', b":1", b'}\n{"a":2}\n', b'{"a":3}'),
        (b'\n{"a":1}\n\n', b'{"a":2}\n', b'{"a":3}\n\n'),
        tuple(bytes([byte]) for byte in b'{"a":1}\r\n{"a":2}\n{"a":3}'),
    ],
)
async def test_lines_are_read_however_they_are_cut(pieces: tuple[bytes, ...]) -> None:
    async with client_of(StubRucio(streams(*pieces))) as client:
        assert await rows(client) == [{"a": 1}, {"a": 2}, {"a": 3}]


async def test_a_line_may_be_longer_than_any_buffer() -> None:
    text = b'"' + b"x" * 3_000_000 + b'"\n'
    async with client_of(StubRucio(streams(text, text))) as client:
        assert [len(row) for row in await rows(client)] == [3_000_000] * 2


@pytest.mark.parametrize(
    "handler",
    [
        streams(b'{"a":1}\n', broken=True),
        streams(b'{"a":1}\n<html>Internal Server Error'),
        fails(500, "Traceback", "secret innards"),
        fails(502, None, "<html>Bad Gateway</html>"),
        fails(429, "TooMany"),
        fails(302, None),
        fails(400, None, "no JSON"),
    ],
    ids=["broken off", "html inside", "traceback", "gateway", "busy", "redirect", "strange"],
)
async def test_whatever_is_no_answer_means_that_the_lake_is_away(handler: Handler) -> None:
    async with client_of(StubRucio(handler)) as client:
        with pytest.raises(ServiceUnavailable) as error:
            await rows(client)
        assert "secret" not in error.value.message
        assert error.value.retry_after_s


async def test_a_connection_that_ends_before_the_answer_is_tried_again_where_nothing_is_changed() -> None:
    asked: list[str] = []

    async def drops_first(request: web.Request) -> web.Response:
        asked.append(request.path)
        if len(asked) == 1:
            assert request.transport
            request.transport.abort()
        return web.Response(text='{"a":1}\n')

    async with client_of(StubRucio(drops_first)) as client:
        assert await rows(client) == [{"a": 1}]
        assert len(asked) == 2
        asked.clear()
        with pytest.raises(ServiceUnavailable, match="cannot be reached"):
            await client.send("POST", "/rules/", {})
        assert asked == ["/rules/"]


async def test_a_server_that_never_answers_is_given_up() -> None:
    async def never(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with client_of(StubRucio(never), timeout_s=0.3) as client:
        with pytest.raises(ServiceUnavailable, match="in time"):
            await client.get("/x")
        with pytest.raises(ServiceUnavailable, match="in time"):
            await rows(client)


async def test_a_server_that_is_not_there_is_told() -> None:
    async with client_of(StubRucio(fails(500)), url="http://127.0.0.1:9") as client:
        with pytest.raises(ServiceUnavailable, match="cannot be reached"):
            await client.get("/x")


async def test_a_refusal_has_its_class_and_a_short_text() -> None:
    async with client_of(StubRucio(fails(400, "InvalidObject", "line\n" + "x" * 10_000))) as client:
        with pytest.raises(Refusal) as refused:
            await rows(client)
        assert (refused.value.kind, refused.value.text[:8]) == ("InvalidObject", "line xxx")
        assert len(refused.value.text) == 200


async def test_a_part_of_the_interface_that_is_left_out_is_refused() -> None:
    async with client_of(StubRucio(fails(404, None, "<!doctype html>"))) as client:
        with pytest.raises(Refusal) as refused:
            await client.get("/archives/x/y/files")
        assert refused.value.kind == "NoSuchResource"


async def test_the_service_signs_in_once_and_again_before_its_token_ends() -> None:
    stub = StubRucio(streams(b"1\n"))
    async with client_of(stub) as client:
        await asyncio.gather(*(client.get("/x") for _ in range(5)))
        assert (stub.signed_in, set(stub.tokens)) == (1, {"token-1"})
    stub = StubRucio(streams(b"1\n"), lasts=timedelta(seconds=30))
    async with client_of(stub) as client:
        await client.get("/x")
        await client.get("/x")
        assert stub.tokens == ["token-1", "token-2"]


async def test_a_token_that_was_forgotten_is_renewed_once() -> None:
    stub = StubRucio(fails(401, "CannotAuthenticate"))
    async with client_of(stub) as client:
        with pytest.raises(ServiceUnavailable, match="does not let this service in"):
            await client.get("/x")
        assert stub.tokens == ["token-1", "token-2"]


async def test_a_caller_s_token_goes_as_it_is_and_is_never_replaced() -> None:
    stub = StubRucio(fails(401, "CannotAuthenticate"))
    async with client_of(stub) as client:
        with pytest.raises(UnknownCaller):
            await client.get("/x", token="theirs")
        assert (stub.tokens, stub.signed_in) == (["theirs"], 0)


@asynccontextmanager
async def lake_of(handler: Handler, folder: Path) -> AsyncIterator[RucioLake]:
    async with client_of(StubRucio(handler)) as client, open_store(f"sqlite:///{folder}/lake.db") as store:
        yield RucioLake(client, RucioSettings(public_scopes=("*",)), store, load_mapping("obscore"))


async def test_a_caller_whose_token_ends_between_two_questions_is_asked_for_a_new_one(tmp_path: Path) -> None:
    async def ended(request: web.Request) -> web.StreamResponse:
        if request.path == "/accounts/whoami":
            return web.Response(status=303, headers={"Location": "/accounts/alice"})
        own = request.headers["X-Rucio-Auth-Token"] != "theirs"
        return await (streams() if own else fails(401, "CannotAuthenticate"))(request)

    async with lake_of(ended, tmp_path) as lake:
        with pytest.raises(AuthenticationRequired, match="expired"):
            await lake.resolve([Did("a", "b")], caller=Principal(subject="alice", token="theirs"))


async def test_a_question_that_rucio_refuses_is_no_fault_of_ours(tmp_path: Path) -> None:
    async def refuses(request: web.Request) -> web.StreamResponse:
        return await (streams() if request.path == "/rses/" else fails(400, "InvalidObject"))(request)

    async with lake_of(refuses, tmp_path) as lake:
        with pytest.raises(ServiceUnavailable, match="InvalidObject"):
            await lake.resolve([Did("a", "b")], caller=ANONYMOUS)


async def test_a_redirect_takes_no_token_along() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        if request.path == "/accounts/whoami":
            return web.Response(status=303, headers={"Location": "/accounts/ali%20ce"})
        return web.json_response({})

    stub = StubRucio(elsewhere)
    async with client_of(stub) as client:
        assert await client.account(token="theirs") == "ali ce"
        assert stub.tokens == ["theirs"]


@pytest.mark.parametrize("url", ["http://rucio.example.org", "ftp://x", "https://user:pw@x", "rucio.example.org"])
def test_tokens_are_sent_to_protected_servers_only(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        RucioSettings(url=url)


async def test_a_rule_is_asked_for_again_while_the_daemons_have_its_files_locked() -> None:
    asked = 0

    async def locked(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        if request.method == "GET":
            return await streams()(request)
        asked += 1
        if asked == 1:
            return web.json_response({"ExceptionClass": "DatabaseException"}, status=500)
        return web.json_response(["0" * 32], status=201)

    async with client_of(StubRucio(locked)) as client:
        desk = RuleDesk(client, RucioSettings())
        rule = await desk.stage([Entry(did=Did("a", "b"))], site="X", lifetime=None, account="a", token=None)
        assert (rule, asked) == (Rule(id="0" * 32, created=True), 2)


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("InsufficientTargetRSEs", UsageError, "choose another"),
        ("InvalidRSEExpression", UsageError, "choose another"),
        ("DataIdentifierNotFound", NotFound, "does not know all"),
        ("AccessDenied", Forbidden, "does not allow"),
        ("RSEWriteBlocked", ServiceUnavailable, "try later"),
        ("SomethingNew", UsageError, "refuses: SomethingNew"),
        ("DuplicateRule", ServiceUnavailable, "try again"),  # the other rule has gone meanwhile: none is listed
    ],
)
async def test_why_rucio_makes_no_rule_is_told_in_a_sentence(kind: str, error: type[Exception], words: str) -> None:
    async def refuses(request: web.Request) -> web.StreamResponse:
        return await (streams() if request.method == "GET" else fails(409, kind, "secret innards"))(request)

    async with client_of(StubRucio(refuses)) as client:
        desk = RuleDesk(client, RucioSettings())
        with pytest.raises(error, match=words) as told:
            await desk.stage([Entry(did=Did("a", "b"))], site="X", lifetime=None, account="a", token=None)
        assert "secret" not in str(told.value)


async def test_replicas_of_all_protocols_are_asked_for_without_rucio_s_own_order(tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    async def listens(request: web.Request) -> web.StreamResponse:
        if request.path == "/replicas/list":
            asked.update(await request.json(), accept=request.headers["Accept"])
        row = b'{"scope":"a","name":"b","did_type":"FILE"}\n'
        return await streams(row if request.path == "/dids/bulkmeta" else b"")(request)

    async with lake_of(listens, tmp_path) as lake:
        await lake.resolve([Did("a", "b")], caller=ANONYMOUS)
    assert asked["dids"] == [{"scope": "a", "name": "b"}]
    assert (asked["sort"], asked["all_states"], asked["accept"]) == ("random", True, "*/*")
    assert {"https", "davs", "root"} <= set(asked["schemes"])
    assert "client_location" not in asked  # Rucio would put the sites that it takes for near first


def test_the_password_is_written_for_the_processes_of_jobs_only() -> None:
    settings = RucioSettings(password="hush")  # type: ignore[arg-type]
    assert "hush" not in settings.model_dump_json() + str(settings.model_dump(mode="json")) + repr(settings)
    told = settings.model_dump_json(context=FOR_JOBS)
    assert RucioSettings.model_validate_json(told).password.get_secret_value() == "hush"
