"""A stub of a TAP service that misbehaves as the first column of the query says; it describes itself correctly."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from weakref import WeakSet

from aiohttp import web

CAPABILITIES = """<c:capabilities xmlns:c="http://www.ivoa.net/xml/VOSICapabilities/v1.0"
    xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0">
  <capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">
    <interface role="std" version="1.1"><accessURL use="base">x</accessURL></interface>
    <language><name>ADQL</name><version>2.0</version>
      <languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-udf">
        <feature><form>stub_twice(a INTEGER) -> INTEGER</form><description>Twice a.</description></feature>
        <feature><form>stub_twice(a INTEGER, b INTEGER) -> INTEGER</form></feature>
        <feature><form>ivo_hasword(a TEXT, b TEXT) -> INTEGER</form></feature>
        <feature><form>is this a signature?</form></feature>
      </languageFeatures>
    </language>
    <outputFormat><mime>application/x-votable+xml</mime></outputFormat>
    <outputFormat><mime>text/csv;header=present</mime><alias>csv</alias></outputFormat>
    <outputFormat><mime>application/fits</mime><alias>fits</alias></outputFormat>
    <uploadMethod ivo-id="ivo://ivoa.net/std/TAPRegExt#upload-inline"/>
  </capability>
</c:capabilities>"""
HEAD = """<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE><FIELD name="a" datatype="int"/><DATA><TABLEDATA>"""
ROW = "<TR><TD>1</TD></TR>"
TAIL = "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
OVERFLOW = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>'
ERROR = """<VOTABLE version="1.4"><RESOURCE type="results"><INFO name="QUERY_STATUS" value="ERROR">{}</INFO>
</RESOURCE></VOTABLE>"""
DATASET = {"access_url": "http://x/", "obs_publisher_did": "ivo://x/1"}
_FIRST_COLUMN = re.compile(r"SELECT\s+(?:TOP\s+\d+\s+)?(\w+)")
BEHAVIOURS = (
    "good", "garbage", "html", "cut", "endless", "slow", "silent", "hangup", "loop", "inward", "bomb", "refused",
    "refused_with_200", "broken_inside", "busy", "wrong_columns", "huge_number", "overflow", "comments",
    "late_error", "long_text", "access_url", "weary",
)  # fmt: skip
TYPES = {"long_text": ' arraysize="3*">char', "access_url": ' arraysize="9*">char', "obs_publisher_did": ">char"}


def tableset() -> str:
    """Describe a table whose columns are the behaviours."""
    columns = "".join(
        f'<column><name>{name}</name><dataType xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:type="vs:VOTableType"{TYPES.get(name, ">int")}</dataType></column>'
        for name in (*BEHAVIOURS, "obs_publisher_did")
    )
    return (
        '<v:tableset xmlns:v="http://www.ivoa.net/xml/VOSITables/v1.0" xmlns:vs="x"><schema><name>stub</name>'
        f"<table><name>stub.things</name>{columns}</table></schema></v:tableset>"
    )


@cache
def bomb() -> bytes:
    """Return a table of 190 MB in less than half a megabyte."""
    return gzip.compress(HEAD.encode() + ROW.encode() * 10_000_000, 6)


class Stub:
    """The stub; `gone` counts clients that left before the end, `methods` and `asked` keep what came to /sync."""

    def __init__(self) -> None:
        self.methods: list[str] = []
        self._seen: WeakSet[object] = WeakSet()
        self._wearied = False
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.gone = 0

    @asynccontextmanager
    async def serving(self, _base: str) -> AsyncIterator[web.Application]:
        app = web.Application()
        app.router.add_get("/tap/capabilities", self._document(CAPABILITIES))
        app.router.add_get("/tap/tables", self._document(tableset()))
        app.router.add_route("*", "/tap/sync", self._sync)
        yield app

    def _document(self, text: str):
        async def show(request: web.Request) -> web.Response:
            self.headers.append(dict(request.headers))
            return web.Response(text=text, content_type="text/xml")

        return show

    async def _sync(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        given = {**request.query, **await request.post()}
        form = {name: value for name, value in given.items() if isinstance(value, str)}
        self.methods.append(request.method)
        self._kept = request.transport in self._seen
        self._seen.add(request.transport)
        self.asked.append(form)
        found = _FIRST_COLUMN.search(form.get("QUERY", ""))
        behaviour = getattr(self, f"_{found[1]}" if found else "_loop")
        try:
            return await behaviour(request)
        except (asyncio.CancelledError, ConnectionError):
            self.gone += 1
            raise

    async def _good(self, _request: web.Request) -> web.StreamResponse:
        return _votable(HEAD + ROW + TAIL)

    async def _comments(self, _request: web.Request) -> web.StreamResponse:
        return _votable(f"<?xml version='1.0'?><!-- {'x' * 5000} -->" + HEAD + ROW + TAIL + "\n<!-- by a stub -->\n")

    async def _garbage(self, _request: web.Request) -> web.StreamResponse:
        return _votable("\x00\x01\x02 this is no XML " * 1000)

    async def _html(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html><body>Welcome to our archive</body></html>", content_type="text/html")

    async def _cut(self, _request: web.Request) -> web.StreamResponse:
        return _votable(HEAD + ROW * 100)

    async def _endless(self, request: web.Request) -> web.StreamResponse:
        response = await _begun(request)
        while True:
            await response.write((ROW * 1000).encode())
            await asyncio.sleep(0)

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        response = await _begun(request)
        while True:
            await response.write(ROW.encode())
            await asyncio.sleep(0.05)

    async def _silent(self, _request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def _hangup(self, request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        raise ConnectionResetError

    async def _loop(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(str(request.rel_url))

    async def _inward(self, _request: web.Request) -> web.StreamResponse:
        raise web.HTTPSeeOther("http://127.0.0.2:9/secret")

    async def _bomb(self, _request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-votable+xml"}
        return web.Response(body=bomb(), headers=headers)

    async def _refused(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text=ERROR.format("no such <b>thing</b>"), content_type="application/xml")

    async def _refused_with_200(self, _request: web.Request) -> web.StreamResponse:
        return _votable(ERROR.format("too complicated"))

    async def _broken_inside(self, _request: web.Request) -> web.StreamResponse:
        return _votable(HEAD + ROW + "<TR><TD>one</TD></TR>" + TAIL)

    async def _busy(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text="come back later")

    async def _wrong_columns(self, _request: web.Request) -> web.StreamResponse:
        return _votable(HEAD.replace("<DATA>", '<FIELD name="b" datatype="int"/><DATA>') + TAIL)

    async def _huge_number(self, _request: web.Request) -> web.StreamResponse:
        return _votable(HEAD.replace('"int"', '"long"') + "<TR><TD>99999999999</TD></TR>" + TAIL)

    async def _long_text(self, _request: web.Request) -> web.StreamResponse:
        return _votable(HEAD.replace('"int"', '"char" arraysize="*"') + "<TR><TD>long text</TD></TR>" + TAIL)

    async def _access_url(self, _request: web.Request) -> web.StreamResponse:
        fields = "".join(f'<FIELD name="{name}" datatype="char" arraysize="9*"/>' for name in DATASET)
        cells = "".join(f"<TD>{value}</TD>" for value in DATASET.values())
        return _votable(HEAD.replace('<FIELD name="a" datatype="int"/>', fields) + f"<TR>{cells}</TR>" + TAIL)

    async def _weary(self, request: web.Request) -> web.StreamResponse:
        self._wearied = self._kept and not self._wearied
        return await (self._hangup if self._wearied else self._good)(request)

    async def _late_error(self, _request: web.Request) -> web.StreamResponse:
        late = '<INFO name="QUERY_STATUS" value="ERROR">disk is full</INFO></RESOURCE>'
        return _votable(HEAD + ROW + TAIL.replace("</RESOURCE>", late))

    async def _overflow(self, _request: web.Request) -> web.StreamResponse:
        return _votable(
            HEAD + ROW + TAIL.replace("</RESOURCE>", '<INFO name="QUERY_STATUS" value="OVERFLOW"/></RESOURCE>')
        )


async def _begun(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/x-votable+xml"})
    await response.prepare(request)
    await response.write(HEAD.encode())
    return response


def _votable(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/x-votable+xml")
