"""Whatever is at the URL, the run ends with a clear verdict."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from conformance.client import Limits
from conformance.model import CHECKED, Standard, Verdict
from conformance.profile import Profile
from conformance.registry import all_checks
from conformance.reports.machine import as_json, as_junit
from conformance.reports.page import page
from conformance.reports.text import text
from conformance.runner import Options, Report, judge

LIMITS = Limits(timeout_s=0.5, body_bytes=100_000, per_second=2000)
MENACE = "<x>\x00\x07\ud800</x>".encode("utf-8", "surrogatepass")


async def html(request: web.Request) -> web.Response:
    return web.Response(text="<html><body><p>Welcome<br></body></html>", content_type="text/html")


async def broken_xml(request: web.Request) -> web.Response:
    return web.Response(text="<capabilities><capability>", content_type="text/xml")


async def wrong_xml(request: web.Request) -> web.Response:
    return web.Response(text="<capabilities/>", content_type="text/xml")


async def binary(request: web.Request) -> web.Response:
    return web.Response(body=MENACE, headers={"Content-Type": "text/xml", "Location": "\\\\:0/["})


async def circle(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": request.path_qs})


async def corridor(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": f"{request.path}x"})


async def elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": "file:///etc/passwd"})


async def nowhere(request: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": "http://[::bad"})


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


async def huge(request: web.Request) -> web.Response:
    return web.Response(body=b"<a>" + b" " * 10_000_000)


async def bomb(request: web.Request) -> web.Response:
    body = gzip.compress(b" " * 50_000_000)
    return web.Response(body=body, headers={"Content-Encoding": "gzip", "Content-Type": "text/xml"})


async def entities(request: web.Request) -> web.Response:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 15))
    text = f'<!DOCTYPE a [<!ENTITY e0 "x">{levels}]><jobs>&e14;</jobs>'
    return web.Response(text=text, content_type="text/xml")


async def silent(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def failing(request: web.Request) -> web.Response:
    return web.Response(status=500, text="Traceback (most recent call last)")


HANDLERS = [
    html,
    broken_xml,
    wrong_xml,
    binary,
    circle,
    corridor,
    elsewhere,
    nowhere,
    endless,
    huge,
    bomb,
    entities,
    silent,
    failing,
]


def everywhere(handler) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app


def readable(report: Report) -> None:
    """Every form of the report can be written, whatever was seen."""
    assert text(report).strip()
    assert as_json(report)
    assert as_junit(report)
    assert page(report)


@pytest.mark.parametrize("handler", HANDLERS)
async def test_a_strange_host_is_not_a_service(aiohttp_server, handler) -> None:
    server = await aiohttp_server(everywhere(handler))
    report = await judge(str(server.make_url("/tap")), Options(limits=LIMITS))
    assert report.trouble or report.count(Verdict.FAIL)
    assert not report.passed
    readable(report)


# what only costs time is tried with one standard
QUICK = [html, broken_xml, wrong_xml, binary, nowhere, elsewhere, failing]
PAIRS = [
    *((handler, standard) for handler in QUICK for standard in CHECKED),
    *((handler, Standard.OAI) for handler in HANDLERS if handler not in QUICK),
]


@pytest.mark.parametrize(("handler", "standard"), PAIRS)
async def test_no_check_passes_or_breaks_on_a_strange_host(aiohttp_server, handler, standard: Standard) -> None:
    server = await aiohttp_server(everywhere(handler))
    options = Options(standard=standard, limits=LIMITS, only=(f"{standard}.*",), profile=Profile(succeed={"A": "1"}))
    report = await judge(str(server.make_url("/x")), options)
    wanted = {check.id for check in all_checks() if check.standard is standard}
    assert {finding.check.id for finding in report.findings} == wanted
    assert not [finding.message for finding in report.findings if "the check broke" in finding.message]
    assert not report.passed
    readable(report)


@asynccontextmanager
async def raw(answer: bytes) -> AsyncIterator[int]:
    """Answer every connection with the same bytes, then close."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00" * 100,
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_said_so(answer: bytes) -> None:
    async with raw(answer) as port:
        report = await judge(f"http://127.0.0.1:{port}/tap", Options(limits=LIMITS))
    assert report.trouble.startswith("GET http://127.0.0.1")
    readable(report)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1:1/", "cannot connect"),
        ("http://no-such-host.invalid/", "cannot connect"),
        ("https://127.0.0.1:1/", "cannot connect"),
        ("file:///etc/passwd", "not an http or https URL"),
        ("nonsense", "not an http or https URL"),
        ("http://", "not an http or https URL"),
        ("http://[::bad/", "not an http or https URL"),
        ("http://a.example:99999/", ""),
        ("", "not an http or https URL"),
    ],
)
async def test_a_url_that_leads_nowhere_is_said_so(url: str, says: str) -> None:
    report = await judge(url, Options(limits=LIMITS))
    assert says in report.trouble
    assert report.trouble
    readable(report)


async def test_a_host_without_a_certificate_is_not_trusted() -> None:
    async with raw(b"HTTP/1.1 200 OK\r\n\r\n") as port:
        report = await judge(f"https://127.0.0.1:{port}/", Options(limits=LIMITS))
    assert "TLS" in report.trouble


async def test_a_service_that_stops_answering_is_given_up(aiohttp_server) -> None:
    server = await aiohttp_server(everywhere(silent))
    report = await judge(str(server.make_url("/oai")), Options(standard=Standard.OAI, limits=LIMITS))
    skipped = [one for one in report.findings if one.message == "the service stopped answering"]
    assert len(skipped) == len(report.findings) - 3
