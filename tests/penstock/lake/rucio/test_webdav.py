"""WebDAV storages as servers tell of them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from aiohttp import web

from penstock.lake.rucio.webdav import Remote, WebDav

FILES = 50


async def listing(request: web.Request) -> web.StreamResponse:
    """List a folder piece by piece, by the address that a server behind a proxy takes for its own."""
    entries = "".join(
        f"<D:response><D:href>http://inside:8080/store/{number}.fits</D:href>"
        f"<D:propstat><D:prop><D:getcontentlength>{number}</D:getcontentlength></D:prop></D:propstat></D:response>"
        for number in range(FILES)
    )
    document = f'<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">{entries}</D:multistatus>'.encode()
    response = web.StreamResponse(status=207)
    await response.prepare(request)
    for start in range(0, len(document), 2000):
        await response.write(document[start : start + 2000])
        await asyncio.sleep(0.01)
    return response


async def test_a_folder_is_listed_to_its_end_and_read_where_it_was_named(aiohttp_server: Any) -> None:
    app = web.Application()
    app.router.add_route("PROPFIND", "/store/", listing)
    server = await aiohttp_server(app)
    async with aiohttp.ClientSession() as session:
        found = [one async for one in WebDav(session).walk(str(server.make_url("/store")), "scope")]
    assert sorted(one.size_bytes for one in found if isinstance(one, Remote)) == list(range(FILES))
    assert {str(server.make_url(f"/store/{number}.fits")) for number in range(FILES)} == {
        one.url for one in found if isinstance(one, Remote)
    }
