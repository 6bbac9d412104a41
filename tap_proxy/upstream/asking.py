"""Runs a query at an upstream and gives its answer: at once by /sync, or as a job of the upstream by /async.

A job there is the shadow of a job here: its phase is told as our progress, and when ours is aborted or runs out of
time, so does it. It is left to the upstream to destroy it. It is noted here before it may run, and an attempt that
finds one from an attempt before takes it up, so that nothing is computed twice.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin

import aiohttp
import structlog
from lxml import etree

from penstock.dali.errors import ServiceError, UsageError
from tap_proxy.core.federation.ability import safe_parser
from tap_proxy.upstream.client import Request, UpstreamClient, UpstreamFailed

Report = Callable[[str], Awaitable[None]]
"""Tells how a job is doing."""

_WAIT_S = 20
_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_ABORT_PATIENCE_S = 3.0
_MOST_JOB_BYTES = 1 << 20
_FINAL = frozenset({"COMPLETED", "ERROR", "ABORTED", "ARCHIVED"})
_ENDED = _FINAL | {"HELD", "SUSPENDED", "UNKNOWN"}
_OF_USE = frozenset({"PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR"})
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a job document says (UWS 1.1 s2.2.2.2)."""

    phase: str
    result: str | None
    message: str | None


class Here(Protocol):
    """The job of ours for which a job there works."""

    report: Report

    async def begun(self, client: UpstreamClient, request: Request) -> str | None:
        """Return the job there that an earlier attempt made for the same request."""
        ...

    async def keep(self, client: UpstreamClient, request: Request, url: str, limit_s: float) -> None:
        """Note the job there, which may run for `limit_s` seconds."""
        ...

    async def forget(self, url: str) -> None:
        """Forget the job there, since it is over."""
        ...

    async def is_wanted(self) -> bool:
        """Tell whether our job runs, or will in another attempt."""
        ...


@asynccontextmanager
async def ask(
    client: UpstreamClient, request: Request, *, deadline: float, here: Here | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Run a query and give the answer with its rows; as a job where it is for one of ours, else at once.

    Raises
    ------
    UsageError
        The upstream refuses the query.
    UpstreamFailed
        It cannot answer.
    """
    answer = _synchronous(client, request, deadline) if here is None else _job(client, request, deadline, here)
    async with answer as response:
        if response.status != 200:
            raise await client.refused(response, deadline=deadline)
        yield response


def _synchronous(
    client: UpstreamClient, request: Request, deadline: float
) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
    url, query = f"{client.site.url}/sync", request.query_string()
    if query is not None:
        return client.answer("GET", f"{url}?{query}", deadline=deadline)
    return client.answer("POST", url, deadline=deadline, request=request, again=True)


@asynccontextmanager
async def _job(
    client: UpstreamClient, request: Request, deadline: float, here: Here
) -> AsyncIterator[aiohttp.ClientResponse]:
    url = await _taken_up(client, request, deadline, here) or await _created(client, request, deadline, here)
    finished = cancelled = False
    try:
        state = await _followed(client, url, deadline, here.report)
        finished = state.phase in _FINAL
        if state.phase != "COMPLETED":
            raise await _failure(client, url, state, deadline)
        result = urljoin(url, state.result or f"{url}/results/result")
        async with client.answer("GET", result, deadline=deadline) as response:
            yield response
    except asyncio.CancelledError:
        cancelled = True
        raise
    finally:
        await asyncio.shield(_left(client, url, here, finished=finished, cancelled=cancelled))


async def _left(client: UpstreamClient, url: str, here: Here, *, finished: bool, cancelled: bool) -> None:
    """Forget a job that is over, end one that nobody wants; another attempt finds it where there will be one."""
    with suppress(ServiceError):  # the database is away: what is noted is tidied later
        if cancelled and await here.is_wanted():
            return
        if finished or await abort(client, url):
            await here.forget(url)


async def _taken_up(client: UpstreamClient, request: Request, deadline: float, here: Here) -> str | None:
    """Return the job that an attempt before this one made, if it is still there and of use."""
    url = await here.begun(client, request)
    if url is None:
        return None
    try:
        phase = (await _state(client, url, deadline)).phase
        if phase == "PENDING":
            await _run(client, url, deadline)
    except UsageError:  # there is no such job any more
        return None
    _log.info("upstream_job_taken_up", upstream=client.site.name, phase=phase)
    return url if phase in _OF_USE else None


async def _created(client: UpstreamClient, request: Request, deadline: float, here: Here) -> str:
    """Make a job that runs, and return its URL; it is noted before it runs, so that it cannot be lost."""
    left_s = max(1, math.ceil(deadline - asyncio.get_running_loop().time()))
    made = Request(params={**request.params, "EXECUTIONDURATION": str(left_s)}, parts=request.parts)
    target = f"{client.site.url}/async"
    async with client.answer("POST", target, deadline=deadline, request=made, follow=False) as response:
        location = response.headers.get("Location")
        if response.status not in (302, 303) or location is None:
            raise await client.refused(response, deadline=deadline)
    url = urljoin(target, location).rstrip("/")
    if not client.is_ours(url):
        raise UpstreamFailed(f"{client.site.name} makes its jobs at another host, which is not followed.")
    await here.keep(client, request, url, left_s)
    await _run(client, url, deadline)
    return url


async def _run(client: UpstreamClient, url: str, deadline: float) -> None:
    request = Request(params={"PHASE": "RUN"})
    async with client.answer("POST", f"{url}/phase", deadline=deadline, request=request, follow=False) as response:
        if response.status not in (200, 302, 303):
            raise await client.refused(response, deadline=deadline)


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


async def abort(client: UpstreamClient, url: str) -> bool:
    """Abort a job that nobody waits for, and tell whether the upstream heard of it; if not, its time limit ends it."""
    deadline = asyncio.get_running_loop().time() + _ABORT_PATIENCE_S
    request = Request(params={"PHASE": "ABORT"})
    try:
        async with client.answer("POST", f"{url}/phase", deadline=deadline, request=request, follow=False) as response:
            _log.info("upstream_job_aborted", upstream=client.site.name, status=response.status)
            return response.status < 500 and response.status != 429
    except ServiceError:
        return False
