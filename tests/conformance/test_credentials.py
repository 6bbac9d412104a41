"""A token reaches the service that is judged, and nothing else: no report, no line for curl, no other host."""

from __future__ import annotations

import pytest
from aiohttp import web

from conformance.cli import main
from conformance.client import Limits
from conformance.credentials import HIDDEN, BadToken, Credentials, is_safe, origin, read_token
from conformance.model import CHECKED, Standard, Verdict
from conformance.reports.machine import as_json, as_junit
from conformance.reports.page import page
from conformance.reports.text import text
from conformance.runner import Options, Report, judge
from tests.conformance.faults import Fault, service, status

TOKEN, OTHER = "token-of-alice", "token-of-bob"
CREDENTIALS = Credentials(own=TOKEN, other=OTHER)
LIMITS = Limits(timeout_s=5, per_second=2000)


def options(*only: str, standard: Standard | None = None) -> Options:
    return Options(only=only, standard=standard, credentials=CREDENTIALS, limits=LIMITS)


def written(report: Report) -> bytes:
    return b"".join((text(report).encode(), as_json(report), as_junit(report), page(report)))


async def echo(request: web.Request) -> web.Response:
    """Repeat the token wherever a service could."""
    said = request.headers.get("Authorization", "")
    headers = {"X-Said": said, "Location": f"/other?access_token={said[7:]}", "X-VO-Authenticated": said}
    return web.Response(status=303 if request.path == "/x" else 200, text=f"<a>{said}{said}</a>", headers=headers)


@pytest.mark.parametrize("standard", CHECKED)
async def test_a_token_that_is_sent_back_is_in_no_report(aiohttp_server, standard: Standard) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    url = str((await aiohttp_server(app)).make_url("/x"))
    report = await judge(url, options(f"{standard}.*", standard=standard))
    content = written(report)
    assert HIDDEN.encode() in content
    assert TOKEN.encode() not in content
    assert OTHER.encode() not in content


async def test_a_line_for_curl_names_a_variable_instead_of_the_token(aiohttp_server) -> None:
    server = await aiohttp_server(service(Fault("/jobs/.*", status(500), "GET")))
    report = await judge(str(server.make_url("/jobs")), options("uws.foreign-job", standard=Standard.UWS))
    (finding,) = report.findings
    assert finding.verdict is Verdict.WARNING
    lines = [exchange.curl for exchange in finding.exchanges]
    assert lines[0].endswith(' --oauth2-bearer "$VO_TOKEN"')
    assert lines[-1].endswith(' --oauth2-bearer "$VO_TOKEN_OTHER"')
    assert TOKEN.encode() not in written(report)


async def test_another_host_does_not_get_the_token(aiohttp_server) -> None:
    seen: list[str | None] = []

    async def elsewhere(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(text="<a/>", content_type="text/xml")

    other, here = web.Application(), web.Application()
    other.router.add_route("*", "/{path:.*}", elsewhere)
    target = str((await aiohttp_server(other)).make_url("/stolen"))

    async def away(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        return web.Response(status=307, headers={"Location": target})

    here.router.add_route("*", "/{path:.*}", away)
    url = str((await aiohttp_server(here)).make_url("/x"))
    await judge(url, options("oai.identify", standard=Standard.OAI))
    assert seen
    assert set(seen) == {None}


async def test_a_token_is_not_sent_in_the_clear() -> None:
    report = await judge("http://vo.example.org/tap", options())
    assert "https only" in report.trouble
    assert not report.exchanges


@pytest.mark.parametrize(
    ("url", "safe"),
    [("https://a.example/", True), ("http://a.example/", False), ("http://127.0.0.1:8080/", True), ("ftp://a/", False)],
)
def test_https_and_this_machine_are_safe(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://a.example:443/y", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
        ("https://a.example/", "https://b.a.example/", False),
        ("https://a.example/", "https://a.example@b.example/", False),
    ],
)
def test_a_token_belongs_to_a_scheme_a_host_and_a_port(one: str, other: str, same: bool) -> None:
    assert (origin(one) == origin(other)) is same


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "file:{file}"),
        ("two words", "file:{file}"),
        ("line\nbreak", "file:{file}"),
        ("é", "file:{file}"),
        ("secret-in-the-wrong-place", "{content}"),
        ("x", "file:{file}.none"),
        ("x", "env:PENSTOCK_NO_SUCH_VARIABLE_ANYWHERE"),
    ],
)
def test_what_is_no_token_is_refused_without_repeating_it(tmp_path, content: str, place: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(BadToken) as raised:
        read_token(place.format(file=file, content=content))
    assert len(content) < 2 or content not in str(raised.value)


def test_a_token_is_read_from_a_file_or_the_environment(tmp_path, monkeypatch) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    monkeypatch.setenv("SOME_TOKEN", OTHER)
    assert read_token(f"file:{file}") == TOKEN
    assert read_token("env:SOME_TOKEN") == OTHER


def test_a_token_on_the_command_line_is_bad_usage(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["https://a.example/", "--auth", "eyJhbGciOi.J9"])
    assert "eyJ" not in capsys.readouterr().err


def test_credentials_do_not_show_themselves() -> None:
    assert TOKEN not in repr(Options(credentials=CREDENTIALS))
