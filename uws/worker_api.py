"""What a worker outside the zone of trust needs, over HTTP: no database and no shared disk, but a token.

Every request is about one attempt and carries its token in `HEADER` (see `uws.core.tokens`)::

    POST {job}/{attempt}/claim            take the attempt; the answer is the job
    GET  {job}/{attempt}/parameters/{n}   the file of its n-th parameter
    POST {job}/{attempt}/heartbeat        extend the lease, with progress and finished results where there is news
    PUT  {job}/{attempt}/results/{n}      send its n-th result, with Content-Digest (RFC 9530)
    POST {job}/{attempt}/complete         the job is done, these are its results
    POST {job}/{attempt}/fail             it failed, for this reason
    POST {job}/{attempt}/overrun          its time was over
    POST {job}/{attempt}/ended            it no longer runs, somebody else may try

There are at most `MOST_RESULTS` results, numbered from 1, and their files have at most ``max_attempt_bytes`` together.
403 means that the token is not of this attempt, 410 that the attempt is over. Every request may be repeated: the answer
is the same and nothing happens twice. Bodies are in `uws.core.wire`, errors in problem+json.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from penstock.dali.errors import Forbidden, NotFound, TooLarge, UsageError
from penstock.edge.app import new_service_app
from penstock.edge.errors import problem_error
from penstock.edge.files import ServedFile, serve_file
from penstock.edge.params import read_body
from penstock.openapi import describe
from uws.core import wire
from uws.core.job import ErrorSummary, Job, JobResult, is_job_id
from uws.core.results import MOST_RESULTS
from uws.core.tokens import HEADER, is_attempt_token
from uws.openapi import WORKER
from uws.ports import FOREVER, Dispatch, EndOfAttempt, ResultStore
from uws.service.reports import Reports

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[web.Request, Dispatch], Awaitable[web.StreamResponse]]
_NUMBER = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_DIGEST = re.compile(r"(?:^|,)[ \t]*sha-256=:([A-Za-z0-9+/]{43}=):[ \t]*(?=$|[,;])")
_CHUNK_BYTES = 1024 * 1024
_LONGEST_REPORT = 12 * 1024 * 1024  # as many results as there may be, with the longest names
_LOOK_EVERY_S = 5.0


class AttemptLost(UsageError):
    """The attempt is over: it has ended, was aborted, or another one has taken its place."""

    status_hint = 410


class WorkerApi:
    """The resources for workers.

    Parameters
    ----------
    reports
        Where what they say goes.
    results
        Where files are kept.
    secret
        The key of the tokens.
    max_result_bytes
        How large a result may be.
    max_attempt_bytes
        How large all that is sent of an attempt may be together.
    """

    def __init__(
        self,
        reports: Reports,
        results: ResultStore,
        *,
        secret: bytes,
        max_result_bytes: int,
        max_attempt_bytes: int,
    ) -> None:
        self._reports = reports
        self._results = results
        self._secret = secret
        self._max_result_bytes = max_result_bytes
        self._max_attempt_bytes = max_attempt_bytes

    def make_app(self) -> web.Application:
        """Make the application of these resources."""
        app, attempt = new_service_app(problem_error), "/{job_id}/{attempt}"
        posts: dict[str, Handler] = {
            "claim": self._claim,
            "heartbeat": self._heartbeat,
            "complete": self._complete,
            "fail": self._fail,
            "overrun": self._overrun,
            "ended": self._ended,
        }
        for name, handler in posts.items():
            app.router.add_post(f"{attempt}/{name}", self._guarded(handler))
        app.router.add_get(f"{attempt}/parameters/{{number}}", self._guarded(self._parameter))
        app.router.add_put(f"{attempt}/results/{{number}}", self._guarded(self._receive))
        describe(app, "", WORKER)
        return app

    def _guarded(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            job_id, attempt = request.match_info["job_id"], request.match_info["attempt"]
            token = request.headers.get(HEADER, "")
            known = is_job_id(job_id) and _NUMBER.fullmatch(attempt)
            if not known or not is_attempt_token(token, self._secret, job_id=job_id, attempt=int(attempt)):
                raise Forbidden(f"{HEADER} holds no token of this attempt.")
            return await handler(request, Dispatch(job_id=job_id, attempt=int(attempt)))

        guarded.__doc__ = handler.__doc__
        return guarded

    async def _claim(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """Take the attempt."""
        said = await _read(request, wire.Claiming)
        job = await self._reports.claim(dispatch, said.worker)
        if job is None:
            raise _lost(dispatch)
        await self._results.prepare(job.id, job.attempt)
        return _answer(wire.Claimed(job=job))

    async def _heartbeat(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """Extend the lease."""
        said = await _read(request, wire.Beat)
        info = None if said.info is None else said.info.model_dump(exclude_none=True)
        results = None if said.results is None else await self._published(dispatch, said.results)
        until = await self._reports.heartbeat(dispatch, said.worker, info, results=results)
        if until is None:
            raise _lost(dispatch)
        return _answer(wire.Beaten(until=None if until == FOREVER else until))

    async def _complete(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """End the job as COMPLETED."""
        said = await _read(request, wire.Completed)
        results = await self._published(dispatch, said.results)
        return _told(dispatch, heard=await self._reports.complete(dispatch, results))

    async def _fail(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """End the job as ERROR."""
        said = await _read(request, wire.Failed)
        error = ErrorSummary(type=said.error.type, message=said.error.message)
        results = await self._published(dispatch, said.results)
        return _told(dispatch, heard=await self._reports.fail(dispatch, error, results))

    async def _overrun(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """End the job as ABORTED because its time is over."""
        said = await _read(request, wire.Completed)
        results = await self._published(dispatch, said.results)
        return _told(dispatch, heard=await self._reports.overrun(dispatch, results))

    async def _ended(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """Let another worker try."""
        said = await _read(request, wire.Ended)
        await self._reports.ended(dispatch, EndOfAttempt(said.why))
        return _told(dispatch, heard=True)

    async def _parameter(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """Send the file of a parameter."""
        job, number = await self._running(dispatch), _number(request)
        blob = job.parameters[number - 1].blob if number <= len(job.parameters) else None
        if blob is None:
            raise NotFound(f"Parameter {number} of the job is no file.")
        return await serve_file(request, ServedFile(path=self._results.path(blob)))

    async def _receive(self, request: web.Request, dispatch: Dispatch) -> web.StreamResponse:
        """Keep a result."""
        number, digest = _number(request), _digest(request)
        if number > MOST_RESULTS:
            raise NotFound(f"An attempt has at most {MOST_RESULTS} results.")
        await self._running(dispatch)
        if (request.content_length or 0) > self._max_result_bytes:
            raise self._too_large()

        async def room() -> int:
            return await self._room(dispatch, number, digest)

        await self._results.receive(dispatch, number, self._chunks(request, dispatch, room), sha256=digest)
        return _told(dispatch, heard=True)

    async def _room(self, dispatch: Dispatch, number: int, digest: str) -> int:
        """Return how many bytes the attempt may send yet."""
        held = await self._results.held(dispatch, number, sha256=digest)
        if held.files > MOST_RESULTS:  # each number once, and what is arriving
            raise TooLarge(f"More than {MOST_RESULTS} files were sent of this attempt.")
        return self._max_attempt_bytes - held.size_bytes

    async def _chunks(
        self, request: web.Request, dispatch: Dispatch, room: Callable[[], Awaitable[int]]
    ) -> AsyncIterator[bytes]:
        """Yield what is sent, for as long as somebody wants it and there is room."""
        loop, seen, left = asyncio.get_running_loop(), 0, await room()
        look_at = loop.time() + _LOOK_EVERY_S
        async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
            seen += len(chunk)
            if seen > self._max_result_bytes:
                raise self._too_large()
            if loop.time() > look_at:
                await self._running(dispatch)
                left = await room()  # others may arrive at the same time
                look_at = loop.time() + _LOOK_EVERY_S
            left -= len(chunk)
            if left < 0:
                raise TooLarge(f"The results of the attempt are larger than {self._max_attempt_bytes} bytes together.")
            yield chunk

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The result is larger than {self._max_result_bytes} bytes, the most that is taken.")

    async def _running(self, dispatch: Dispatch) -> Job:
        job = await self._reports.running(dispatch)
        if job is None:
            raise _lost(dispatch)
        return job

    async def _published(self, dispatch: Dispatch, results: tuple[wire.SentResult, ...]) -> list[JobResult]:
        """Return the results as they are stored; what was not received cannot be published."""
        return await asyncio.to_thread(self._found, dispatch, results)

    def _found(self, dispatch: Dispatch, results: tuple[wire.SentResult, ...]) -> list[JobResult]:
        found = []
        for result in results:
            blob, size = self._results.received(dispatch, result.number, sha256=result.sha256)
            found.append(
                JobResult(id=result.id, blob=blob, size_bytes=size, media_type=result.media_type, sha256=result.sha256)
            )
        return found


def _lost(dispatch: Dispatch) -> AttemptLost:
    return AttemptLost(f"Attempt {dispatch.attempt} of the job is over.")


def _told(dispatch: Dispatch, *, heard: bool) -> web.Response:
    if not heard:
        raise _lost(dispatch)
    return web.Response(status=204)


def _answer(message: BaseModel) -> web.Response:
    return web.Response(body=message.model_dump_json(), content_type="application/json")


def _number(request: web.Request) -> int:
    text = request.match_info["number"]
    if not _NUMBER.fullmatch(text):
        raise NotFound(f"{text[:40]!r} is no number.")
    return int(text)


def _digest(request: web.Request) -> str:
    """Return the SHA-256 that the sender states (RFC 9530 s2), in hexadecimal."""
    match = _DIGEST.search(request.headers.get("Content-Digest", ""))
    if match is None:
        raise UsageError("Content-Digest must state the SHA-256 of the result: sha-256=:...:.")
    return base64.b64decode(match[1]).hex()


async def _read(request: web.Request, kind: type[M]) -> M:
    body = await read_body(request, _LONGEST_REPORT, "report")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise UsageError(f"The report cannot be read: {where}: {first['msg']}.") from error
