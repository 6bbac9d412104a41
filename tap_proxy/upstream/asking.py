"""Runs a query at an upstream and gives its answer: at once by /sync, or as a job of the upstream by /async.

A job there is the shadow of a job here: its phase is told as our progress, and when ours is aborted or runs out of
time, so does it. It is left to the upstream to destroy it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urljoin

import aiohttp
import structlog
from lxml import etree

from penstock.dali.errors import ServiceError
from tap_proxy.core.federation.ability import safe_parser
from tap_proxy.upstream.client import Request, UpstreamClient, UpstreamFailed

Report = Callable[[str], Awaitable[None]]
"""Tells how a job is doing."""

_WAIT_S = 20
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_ABORT_PATIENCE_S = 3.0
_MOST_JOB_BYTES = 1 << 20
_ENDED = frozenset({"COMPLETED", "ERROR", "ABORTED", "ARCHIVED", "HELD", "SUSPENDED", "UNKNOWN"})
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a job document says (UWS 1.1 s2.2.2.2)."""

    phase: str
    result: str | None
    message: str | None


@asynccontextmanager
async def ask(
    client: UpstreamClient, request: Request, *, deadline: float, report: Report | None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Run a query and give the answer with its rows; with `report` as a job, else at once.

    Raises
    ------
    UsageError
        The upstream refuses the query.
    UpstreamFailed
        It cannot answer.
    """
    answer = _synchronous(client, request, deadline) if report is None else _job(client, request, deadline, report)
    async with answer as response:
        if response.status != 200:
            raise await client.refused(response, deadline=deadline)
        yield response


def _synchronous(
    client: UpstreamClient, request: Request, deadline: float
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    return client.answer("POST", f"{client.site.url}/sync", deadline=deadline, request=request)


@asynccontextmanager
async def _job(
    client: UpstreamClient, request: Request, deadline: float, report: Report
) -> AsyncIterator[aiohttp.ClientResponse]:
    url = await _create(client, request, deadline)
    finished = False
    try:
        state = await _followed(client, url, deadline, report)
        finished = state.phase == "COMPLETED"
        if not finished:
            raise await _failure(client, url, state, deadline)
        result = urljoin(url, state.result or f"{url}/results/result")
        async with client.answer("GET", result, deadline=deadline) as response:
            yield response
    finally:
        if not finished:
            await asyncio.shield(_abort(client, url))


async def _create(client: UpstreamClient, request: Request, deadline: float) -> str:
    """Make a job that runs, and return its URL."""
    left_s = max(1, math.ceil(deadline - asyncio.get_running_loop().time()))
    params = {**request.params, "EXECUTIONDURATION": str(left_s), "PHASE": "RUN"}
    made = Request(params=params, parts=request.parts)
    target = f"{client.site.url}/async"
    async with client.answer("POST", target, deadline=deadline, request=made, follow=False) as response:
        location = response.headers.get("Location")
        if response.status not in (302, 303) or location is None:
            raise await client.refused(response, deadline=deadline)
    url = urljoin(target, location).rstrip("/")
    if not client.is_ours(url):
        raise UpstreamFailed(f"{client.site.name} makes its jobs at another host, which is not followed.")
    return url


async def _followed(client: UpstreamClient, url: str, deadline: float, report: Report) -> _State:
    """Wait for the end of a job: the upstream holds the answer until something happens, if it knows UWS 1.1."""
    loop, told, pause_s = asyncio.get_running_loop(), None, _FIRST_PAUSE_S
    phase, wait = "PENDING", 0
    while True:
        asked_s = loop.time()
        state = await _state(client, f"{url}?WAIT={wait}&PHASE={phase}" if wait else url, deadline)
        if state.phase != told:
            told = state.phase
            await report(f"{client.site.name}: {told}")
        if state.phase in _ENDED:
            return state
        if state.phase == phase and loop.time() - asked_s < 1:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        phase, wait = state.phase, _wait_s(client)


def _wait_s(client: UpstreamClient) -> int:
    return max(1, min(_WAIT_S, int(client.site.idle_s / 2)))


async def _state(client: UpstreamClient, url: str, deadline: float) -> _State:
    async with client.answer("GET", url, deadline=deadline) as response:
        if response.status != 200:
            raise await client.refused(response, deadline=deadline)
        document = bytearray()
        async for chunk in client.chunks(response, deadline=deadline):
            document += chunk
            if len(document) > _MOST_JOB_BYTES:
                break
    try:
        root = etree.fromstring(bytes(document), safe_parser())
    except etree.XMLSyntaxError as error:
        raise UpstreamFailed(f"{client.site.name}: what it says of the job is no XML.") from error
    results = {each.get("id"): each.get(_XLINK_HREF) for each in root.iter("{*}result")}
    return _State(
        phase=(root.findtext("{*}phase") or "UNKNOWN").strip(),
        result=results.get("result") or next(iter(results.values()), None),
        message=root.findtext("{*}errorSummary/{*}message"),
    )


async def _failure(client: UpstreamClient, url: str, state: _State, deadline: float) -> ServiceError:
    """Return why a job did not complete, in the words of its error document where there is one (TAP 1.1 s3.3)."""
    if state.phase != "ERROR":
        return UpstreamFailed(f"{client.site.name}: its job ended as {state.phase}.")
    async with client.answer("GET", f"{url}/error", deadline=deadline) as response:
        error = await client.refused(response, deadline=deadline)
        if response.status == 200:
            return error
    return client.error(200, (state.message or "its job failed").encode())


async def _abort(client: UpstreamClient, url: str) -> None:
    """Abort a job that nobody waits for; if that fails, its time limit there ends it."""
    deadline = asyncio.get_running_loop().time() + _ABORT_PATIENCE_S
    request = Request(params={"PHASE": "ABORT"})
    with suppress(ServiceError):
        async with client.answer("POST", f"{url}/phase", deadline=deadline, request=request, follow=False):
            _log.info("upstream_job_aborted", upstream=client.site.name)
