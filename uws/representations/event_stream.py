"""A job as server-sent events (HTML Standard s9.2), for pages and programs that follow it.

::

    retry: 3000

    id: 4
    event: phase
    data: {"jobId": "...", "phase": "EXECUTING", "jobInfo": {"progress": 0.5}, ...}

The first event, ``phase``, is the present state; then comes one ``phase`` per change of phase, one ``update`` per
other change (progress, a result, a new destruction time), and ``deleted`` when the job is forgotten. `data` is the JSON
form of the job without parameters and results, which may be long. Comments keep the connection alive.

The stream ends when the job is over, and a client comes back by itself, as the protocol has it: one that names in
Last-Event-ID the state in which the job ended is told to stop with 204. Every stream begins with the whole present
state, so that nothing needs to be repeated to a client that was away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import orjson
import structlog
from aiohttp import web

from penstock.dali.errors import NotFound
from penstock.edge.connection import client_left, cut_connection
from uws.core import json
from uws.core.document import JobDocument
from uws.core.job import FINAL, Job

_log = structlog.get_logger(__name__)
RETRY_MS = 3000
PATIENCE_S = 60.0  # a reader that takes nothing for so long is gone
_LONG = ("parameters", "results")
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back
}

Describe = Callable[[Job], JobDocument]


async def send_events(request: web.Request, news: AsyncGenerator[Job | None], describe: Describe) -> web.StreamResponse:
    """Send what `news` gives until it ends or the client leaves.

    Only the newest state is ever held: while a slow client takes an event, no other is made.

    Parameters
    ----------
    request
        The request to answer.
    news
        The states of a job, None for a sign of life.
    describe
        Makes the document of a state.

    Raises
    ------
    ServiceError
        What goes wrong before the first event.
    ResponseBroken
        The client takes nothing any more.
    """
    job = await anext(news)
    if job is None:
        raise ValueError("the first state of a job is no sign of life")
    if job.phase in FINAL and request.headers.get("Last-Event-ID") == str(job.version):
        return web.Response(status=204, headers=_HEADERS)
    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await _send(request, response, f"retry: {RETRY_MS}\n\n".encode() + _event("phase", job, describe))
    try:
        async for event in _events(news, job, describe):
            await _send(request, response, event)
    except Exception as error:  # the edge: the status line is out, cutting the connection is all that is left
        if client_left(request):
            raise ConnectionResetError("the client left") from error
        _log.exception("event_stream_broken", job_id=job.id)
        raise cut_connection(request, "the events broke off") from error
    await response.write_eof()
    return response


async def _events(news: AsyncGenerator[Job | None], job: Job, describe: Describe) -> AsyncIterator[bytes]:
    phase = job.phase
    try:
        async for now in news:
            if now is None:
                yield b":\n\n"
            else:
                yield _event("update" if now.phase is phase else "phase", now, describe)
                phase = now.phase
    except NotFound:
        yield b"event: deleted\ndata: %s\n\n" % orjson.dumps({"jobId": job.id})


def _event(name: str, job: Job, describe: Describe) -> bytes:
    members = json.job_to_json(describe(job))
    data = orjson.dumps({name: value for name, value in members.items() if name not in _LONG})
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (job.version, name.encode(), data)


async def _send(request: web.Request, response: web.StreamResponse, event: bytes) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await response.write(event)
    except TimeoutError as error:
        raise cut_connection(request, "nobody takes the events of the job") from error
