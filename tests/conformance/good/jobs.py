"""A small job list that does what UWS 1.1 asks: the base that faults are put into."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from xml.sax.saxutils import escape, quoteattr

from aiohttp import web

NS = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
PHASES = ["PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED", "UNKNOWN", "HELD", "SUSPENDED", "ARCHIVED"]
ACTIVE = {"PENDING", "QUEUED", "EXECUTING"}
USER = web.RequestKey("user", str)
CONTROL = {"PHASE", "RUNID", "DESTRUCTION", "EXECUTIONDURATION", "ACTION"}
Execute = Callable[[dict[str, str]], tuple[bool, bytes]]


def stamp(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


_MADE = count()


def created_now() -> datetime:
    """Return the present time, a few milliseconds later for every job, so that no two are made at once."""
    return now() + timedelta(milliseconds=2 * next(_MADE))


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Job:
    id: str
    form: list[tuple[str, str]]
    run_id: str | None = None
    owner: str = ""
    phase: str = "PENDING"
    created: datetime = field(default_factory=created_now)
    started: datetime | None = None
    ended: datetime | None = None
    duration: int = 3600
    destruction: datetime = field(default_factory=lambda: now() + timedelta(days=1))
    answer: bytes = b""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def move(self, phase: str) -> None:
        self.phase = phase
        self.changed.set()
        self.changed = asyncio.Event()


class JobList:
    """The resources of a job list under `prefix`; `execute` does the work and says whether it succeeded."""

    def __init__(self, prefix: str, execute: Execute, answer_type: str = "text/plain") -> None:
        self.prefix, self.execute, self.answer_type = prefix, execute, answer_type
        self.jobs: dict[str, Job] = {}
        self.ids = count(1)
        self.tasks: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        job = f"{self.prefix}/{{id}}"
        return [
            web.get(self.prefix, self.list),
            web.post(self.prefix, self.create),
            web.get(job, self.read),
            web.post(job, self.act),
            web.delete(job, self.delete),
            web.get(f"{job}/phase", self.text("phase")),
            web.get(f"{job}/executionduration", self.text("executionduration")),
            web.get(f"{job}/destruction", self.text("destruction")),
            web.get(f"{job}/quote", self.text("quote")),
            web.get(f"{job}/owner", self.text("owner")),
            web.get(f"{job}/parameters", self.parameters),
            web.get(f"{job}/results", self.results),
            web.get(f"{job}/results/result", self.result),
            web.get(f"{job}/error", self.error),
            *(web.post(f"{job}/{name}", self.control) for name in ("phase", "executionduration", "destruction")),
            web.post(f"{job}/parameters", self.update),
        ]

    def _job(self, request: web.Request) -> Job:
        try:
            job = self.jobs[request.match_info["id"]]
        except KeyError:
            raise web.HTTPNotFound from None
        if job.owner and job.owner != request.get(USER, ""):
            raise web.HTTPForbidden if request.get(USER) else web.HTTPUnauthorized
        return job

    def _url(self, request: web.Request, job: Job | None = None) -> str:
        base = f"{request.url.origin()}{self.prefix}"
        return f"{base}/{job.id}" if job else base

    async def list(self, request: web.Request) -> web.Response:
        query = {name.upper(): request.query.getall(name) for name in request.query}
        jobs = sorted(self.jobs.values(), key=lambda job: job.created, reverse=True)
        jobs = [job for job in jobs if job.owner == request.get(USER, "")]
        phases = query.get("PHASE", [])
        try:
            after = [datetime.fromisoformat(value) for value in query.get("AFTER", [])]
            last = [int(value) for value in query.get("LAST", [])]
        except ValueError:
            raise web.HTTPBadRequest from None
        if set(phases) - set(PHASES) or any(value < 1 for value in last):
            raise web.HTTPBadRequest
        jobs = [job for job in jobs if job.phase in phases or (not phases and job.phase != "ARCHIVED")]
        jobs = [job for job in jobs if all(job.created > (t if t.tzinfo else t.replace(tzinfo=UTC)) for t in after)]
        jobs = jobs[: last[0]] if last else jobs
        references = "".join(
            f'<uws:jobref id="{job.id}" xlink:href="{self._url(request, job)}"><uws:phase>{job.phase}</uws:phase>'
            f"<uws:creationTime>{stamp(job.created)}</uws:creationTime></uws:jobref>"
            for job in jobs
        )
        return xml(f'<uws:jobs version="1.1" {NS}>{references}</uws:jobs>')

    async def create(self, request: web.Request) -> web.Response:
        form = [(name, str(value)) for name, value in [*request.query.items(), *(await request.post()).items()]]
        given = {name.upper(): value for name, value in form}
        job = Job(id=f"job{next(self.ids)}", form=[], run_id=given.get("RUNID"), owner=request.get(USER, ""))
        job.form = [(name, value) for name, value in form if name.upper() not in CONTROL]
        self.jobs[job.id] = job
        if given.get("PHASE") == "RUN":
            self._run(job)
        return see(self._url(request, job))

    async def read(self, request: web.Request) -> web.Response:
        job = self._job(request)
        query = {name.upper(): value for name, value in request.query.items()}
        waits = job.phase in ACTIVE and query.get("PHASE", job.phase) == job.phase
        if waits and int(query.get("WAIT", "0")):
            with suppress(TimeoutError):
                await asyncio.wait_for(job.changed.wait(), int(query["WAIT"]))
        return xml(self._document(request, job))

    def _document(self, request: web.Request, job: Job) -> str:
        def optional(name: str, value: str) -> str:
            return f"<uws:{name}>{value}</uws:{name}>" if value else f'<uws:{name} xsi:nil="true"/>'

        run_id = f"<uws:runId>{escape(job.run_id)}</uws:runId>" if job.run_id is not None else ""
        error = (
            '<uws:errorSummary type="fatal" hasDetail="true"><uws:message>it failed</uws:message></uws:errorSummary>'
            if job.phase == "ERROR"
            else ""
        )
        return (
            f'<uws:job version="1.1" {NS}><uws:jobId>{job.id}</uws:jobId>{run_id}'
            f"{optional('ownerId', job.owner)}"
            f'<uws:phase>{job.phase}</uws:phase><uws:quote xsi:nil="true"/>'
            f"<uws:creationTime>{stamp(job.created)}</uws:creationTime>"
            f"{optional('startTime', stamp(job.started))}{optional('endTime', stamp(job.ended))}"
            f"<uws:executionDuration>{job.duration}</uws:executionDuration>"
            f"<uws:destruction>{stamp(job.destruction)}</uws:destruction>"
            f"{self._parameters(job)}{self._results(request, job)}{error}</uws:job>"
        )

    def _parameters(self, job: Job, ns: str = "") -> str:
        inside = "".join(
            f"<uws:parameter id={quoteattr(name)}>{escape(value)}</uws:parameter>" for name, value in job.form
        )
        return f"<uws:parameters {ns}>{inside}</uws:parameters>"

    def _results(self, request: web.Request, job: Job, ns: str = "") -> str:
        href = f"{self._url(request, job)}/results/result"
        done = f'<uws:result id="result" xlink:href="{href}"/>' if job.phase == "COMPLETED" else ""
        return f"<uws:results {ns}>{done}</uws:results>"

    def text(self, name: str):
        async def handler(request: web.Request) -> web.Response:
            job = self._job(request)
            said = {"phase": job.phase, "executionduration": str(job.duration), "quote": "", "owner": job.owner}
            return web.Response(text=said.get(name, stamp(job.destruction)))

        return handler

    async def parameters(self, request: web.Request) -> web.Response:
        return xml(self._parameters(self._job(request), NS))

    async def results(self, request: web.Request) -> web.Response:
        return xml(self._results(request, self._job(request), NS))

    async def result(self, request: web.Request) -> web.Response:
        return self._answer(self._job(request), "COMPLETED")

    async def error(self, request: web.Request) -> web.Response:
        return self._answer(self._job(request), "ERROR")

    def _answer(self, job: Job, phase: str) -> web.Response:
        if job.phase != phase:
            raise web.HTTPNotFound
        return web.Response(body=job.answer, content_type=self.answer_type)

    async def act(self, request: web.Request) -> web.Response:
        if (await request.post()).get("ACTION") != "DELETE":
            raise web.HTTPBadRequest
        return await self.delete(request)

    async def delete(self, request: web.Request) -> web.Response:
        job = self._job(request)
        del self.jobs[job.id]
        job.changed.set()
        return see(self._url(request))

    async def control(self, request: web.Request) -> web.Response:
        job = self._job(request)
        for name, value in (await request.post()).items():
            self._control(job, name.upper(), str(value))
        return see(self._url(request, job))

    def _control(self, job: Job, name: str, value: str) -> None:
        match name, value:
            case "PHASE", "RUN":
                self._run(job)
            case "PHASE", "ABORT":
                job.ended = now()
                job.move("ABORTED")
            case "EXECUTIONDURATION", number if number.isdigit():
                job.duration = int(number)
            case "DESTRUCTION", moment:
                try:
                    job.destruction = datetime.fromisoformat(moment)
                except ValueError:
                    raise web.HTTPBadRequest from None
            case _:
                raise web.HTTPBadRequest

    async def update(self, request: web.Request) -> web.Response:
        job = self._job(request)
        if job.phase != "PENDING":
            raise web.HTTPForbidden
        for name, value in (await request.post()).items():
            if name.upper() == "RUNID":
                job.run_id = str(value)
                continue
            job.form = [*(pair for pair in job.form if pair[0].upper() != name.upper()), (name, str(value))]
        return see(self._url(request, job))

    def _run(self, job: Job) -> None:
        if job.phase not in {"PENDING", "HELD"}:
            raise web.HTTPForbidden
        job.move("QUEUED")
        task = asyncio.get_running_loop().create_task(self._work(job))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _work(self, job: Job) -> None:
        await asyncio.sleep(0.02)
        if job.phase == "QUEUED":
            job.started = now()
            job.move("EXECUTING")
            succeeded, job.answer = self.execute({name.upper(): value for name, value in job.form})
            job.ended = now()
            job.move("COMPLETED" if succeeded else "ERROR")


def xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml")


def see(url: str) -> web.Response:
    return web.Response(status=303, headers={"Location": url})
