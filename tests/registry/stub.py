"""A stub of a registry that answers as a test says: for what no real one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.registry.builders import a_record

OAI = "http://www.openarchives.org/OAI/2.0/"
DATE = "2026-11-21T10:00:00Z"
Answer = str | bytes | web.StreamResponse | Callable[[web.Request], "Answer"]


def envelope(content: str, *, date: str = DATE) -> str:
    return f'<OAI-PMH xmlns="{OAI}"><responseDate>{date}</responseDate><request/>{content}</OAI-PMH>'


def identify(
    *authorities: str, full: bool = False, granularity: str = "YYYY-MM-DDThh:mm:ssZ", keeps: str = "persistent"
) -> str:
    managed = "".join(f"<managedAuthority>{one}</managedAuthority>" for one in authorities)
    resource = (
        '<ri:Resource xmlns="" xmlns:ri="http://www.ivoa.net/xml/RegistryInterface/v1.0">'
        f"<full>{str(full).lower()}</full>{managed}</ri:Resource>"
    )
    return envelope(
        f"<Identify><repositoryName>Stub</repositoryName><protocolVersion>2.0</protocolVersion>"
        f"<deletedRecord>{keeps}</deletedRecord><granularity>{granularity}</granularity>"
        f"<description>{resource}</description></Identify>"
    )


def record(ivoid: str, *, content: bytes | None = None, stamp: str = DATE, deleted: bool = False) -> str:
    head = f"<identifier>{ivoid}</identifier><datestamp>{stamp}</datestamp>"
    if deleted:
        return f'<record><header status="deleted">{head}</header></record>'
    xml = (a_record(ivoid) if content is None else content).decode()
    xml = xml.replace("<ri:Resource ", '<ri:Resource xmlns="" ', 1)
    return f"<record><header>{head}</header><metadata>{xml}</metadata></record>"


def listing(*records: str, token: str | None = None, date: str = DATE) -> str:
    end = "" if token is None else f"<resumptionToken>{token}</resumptionToken>"
    return envelope(f"<ListRecords>{''.join(records)}{end}</ListRecords>", date=date)


def error(code: str, text: str = "No.") -> str:
    return envelope(f'<error code="{code}">{text}</error>')


@dataclass
class Stub:
    """Answers Identify, and ListRecords by token (None is the beginning); `asked` notes every request."""

    lists: dict[str | None, Answer] = field(default_factory=dict)
    identity: Answer = field(default_factory=lambda: identify("other.org"))
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if request.query.get("verb") == "Identify":
            return await self._as_response(request, self.identity)
        return await self._as_response(request, self.lists[request.query.get("resumptionToken")])

    async def _as_response(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        while callable(answer) and not isinstance(answer, web.StreamResponse):
            answer = answer(request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        body = answer.encode() if isinstance(answer, str) else answer
        return web.Response(body=body, content_type="text/xml")

    @property
    def listed(self) -> list[dict[str, str]]:
        """The arguments of every ListRecords."""
        return [one for one in self.asked if one["verb"] == "ListRecords"]


@asynccontextmanager
async def serving(stub: Stub) -> AsyncIterator[Stub]:
    """Run the stub on a free port of this machine."""
    app = web.Application()
    app.router.add_get("/oai", stub.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/oai"
    try:
        yield stub
    finally:
        await runner.cleanup()
