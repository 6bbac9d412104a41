from __future__ import annotations

from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from aiohttp import web

from penstock.edge.urls import Urls
from tests.penstock.edge.builders import serving

LOCAL = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
ELSEWHERE = (ip_network("192.0.2.0/24"),)
FORWARDED = {"X-Forwarded-Host": "vo.example.org", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/penstock/"}


@asynccontextmanager
async def telling(urls: Urls):
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=urls.absolute(request, "/tap/sync"))

    async with serving(handler) as server:
        yield server


async def told(urls: Urls, headers) -> tuple[str, int]:
    async with telling(urls) as server, server.get("/s/", headers=headers) as answer:
        return await answer.text(), server.port


async def test_the_configured_base_wins_over_everything() -> None:
    url, _ = await told(Urls("https://penstock.example/vo/", LOCAL), {**FORWARDED, "Host": "evil.example"})
    assert url == "https://penstock.example/vo/tap/sync"


async def test_a_trusted_proxy_is_believed() -> None:
    assert (await told(Urls(None, LOCAL), FORWARDED))[0] == "https://vo.example.org/penstock/tap/sync"


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "evil.example", **FORWARDED}, {"Forwarded": "host=evil.example"}],
)
async def test_anybody_else_gets_the_address_that_the_socket_has(headers) -> None:
    url, port = await told(Urls(None, ELSEWHERE), headers)
    assert url == f"http://127.0.0.1:{port}/tap/sync"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example/path",
        "a b",
        "a@b",
        "a\tb",
        "",
        "http://a",
        "a:port",
        "-a",
        "a?x",
        "[::1",
        "a" * 300,
        "a#b",
        "é.example",
    ],
)
async def test_a_proxy_that_passes_on_no_host_name_is_not_believed(host) -> None:
    url, port = await told(Urls(None, LOCAL), {"X-Forwarded-Host": host})
    assert url == f"http://127.0.0.1:{port}/tap/sync"


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({"X-Forwarded-Host": "vo.example.org:8443"}, "http://vo.example.org:8443"),
        ({"X-Forwarded-Host": "[2001:db8::1]:80"}, "http://[2001:db8::1]:80"),
        ({"X-Forwarded-Host": "evil.example, vo.example.org"}, "http://vo.example.org"),
        ({"X-Forwarded-Host": "a.example", "X-Forwarded-Proto": "javascript"}, "http://a.example"),
        ({"X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "//evil.example"}, "http://a.example"),
        ({"X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "/a/b"}, "http://a.example/a/b"),
        ({"X-Forwarded-Host": "a.example", "X-Forwarded-Prefix": "no-slash"}, "http://a.example"),
    ],
)
async def test_what_the_nearest_proxy_wrote_is_taken_as_far_as_it_is_sane(headers, base) -> None:
    assert (await told(Urls(None, LOCAL), headers))[0] == base + "/tap/sync"


async def test_two_header_lines_count_as_a_list() -> None:
    async with telling(Urls(None, LOCAL)) as server:
        answer = await server.raw(
            b"GET /s/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Host: vo.example.org\r\n\r\n"
        )
    assert answer.endswith(b"http://vo.example.org/tap/sync")


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        (LOCAL, "192.0.2.7", "192.0.2.7"),
        (LOCAL, "6.6.6.6, 2001:db8::1", "2001:db8::1"),
        (LOCAL, "nonsense", "127.0.0.1"),
        (LOCAL, None, "127.0.0.1"),
        (ELSEWHERE, "192.0.2.7", "127.0.0.1"),
        ((), "192.0.2.7", "127.0.0.1"),
    ],
)
async def test_the_address_of_a_caller_is_told_by_trusted_proxies_only(trusted, forwarded, address) -> None:
    urls = Urls(None, trusted)

    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=str(urls.client_address(request)))

    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    async with serving(handler) as server, server.get("/s/", headers=headers) as answer:
        assert await answer.text() == address
