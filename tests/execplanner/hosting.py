"""The planner on a database of its own, mounted where the host mounts it; its jobs run in this process."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from execplanner.app import open_for
from execplanner.jobs import EXECUTION_SESSION, run_with
from execplanner.plugin import service
from execplanner.ports import Estimate, Executor, ExecutorOpener, State, Step, Stream, Work
from execplanner.settings import ExecPlannerSettings
from penstock.auth.middleware import install_authentication
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.edge.health import Readiness
from penstock.edge.urls import Urls
from penstock.lake.port import DataLake
from penstock.migrations import upgrade
from penstock.service import Resources
from penstock.settings import settings_type
from tests.datalink.builders import MemoryLake
from uws.app import JOBS, open_jobs
from uws.plugin import service as uws_service
from uws.ports import AttemptEnded, Dispatch, JobContext, JobReports, JobType
from uws.settings import UwsSettings
from uws.worker.runtime import run_attempt
from uws.worker_app import make_worker

K = "https://www.purl.org/ivoa.net/Calycopis-openapi/schema/v1.0/kinds"
MIGRATIONS = {"uws": "uws.migrations", "execplanner": "execplanner.migrations"}
NOTEBOOK = {
    "kind": f"{K}/executable/jupyter-notebook.yaml",
    "meta": {"name": "a-notebook"},
    "location": "https://example.org/a.ipynb",
}


def compute(cores: Any = 1, memory: Any = 1, **more: Any) -> dict[str, Any]:
    """Return a compute resource of so many cores and GiB, or of what else is given."""
    return {
        "kind": f"{K}/compute/simple-compute-resource.yaml",
        "cores": {"min": cores} if isinstance(cores, int) else cores,
        "memory": {"min": memory} if isinstance(memory, int) else memory,
        **more,
    }


def request_for(**parts: Any) -> dict[str, Any]:
    """Return a request for a notebook."""
    return {"executable": NOTEBOOK, "compute": compute(), **parts}


def record(name: str = "one", **parts: Any) -> dict[str, Any]:
    """Return the record of a facility that runs notebooks, programs and containers."""
    return {
        "id": f"ivo://penstock.example/{name}",
        "title": f"Facility {name}",
        "kinds": {"jupyter-notebook": {}, "docker-container": {}, "python-program": {}},
        "executors": {"main": {"plugin": "memory"}},
        "capacity": {"cores": 8, "memory": "32Gi", "store": "100Gi", "duration": "8h"},
        **parts,
    }


@dataclass
class MemoryExecutor:
    """Runs works by the script that a test gives: for each session the steps that polls see, one after the other."""

    steps: tuple[Step, ...] = (Step.RUNNING, Step.COMPLETED)
    estimated: Estimate | None = None
    away: bool = False
    works: dict[str, Work] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)

    async def probe(self) -> str | None:
        return None

    async def estimate(self, work: Work, *, earliest: datetime) -> Estimate:
        if self.away:
            raise ServiceUnavailable("The facility is away.")
        return self.estimated or Estimate(start=earliest)

    async def prepare(self, work: Work) -> None:
        self.calls.append("prepare")

    def handle(self, work: Work) -> str:
        return f"memory:{work.session_id}"

    async def start(self, work: Work) -> str:
        self.calls.append("start")
        self.works.setdefault(work.session_id, work)
        (work.folder / "results").mkdir(parents=True, exist_ok=True)
        (work.folder / "results" / "plot.png").write_bytes(b"a plot")
        return self.handle(work)

    async def poll(self, handle: str) -> State:
        session = handle.partition(":")[2]
        number = self.polls.get(session, 0)
        self.polls[session] = number + 1
        step = self.steps[min(number, len(self.steps) - 1)]
        failed = "it went wrong" if step is Step.FAILED else None
        return State(step=step, exit_code=0 if step is Step.COMPLETED else None, message=failed)

    async def logs(self, handle: str, stream: Stream, *, offset: int, limit: int) -> bytes:
        return f"this is {stream}\n".encode()[offset : offset + limit]

    async def cancel(self, handle: str) -> None:
        self.calls.append("cancel")
        self.stopped.add(handle)

    async def release(self, handle: str) -> None:
        self.calls.append("release")


class InlineExecutor:
    """Runs attempts in this very process."""

    def __init__(self, resources: Resources, reports: JobReports, job_type: JobType) -> None:
        self._resources = resources
        self._reports = reports
        self._job_type = job_type
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def capacity(self, *, light: bool = False) -> int:
        return 100

    async def waiting(self) -> int:
        return 0

    async def start(self, dispatch: Dispatch) -> None:
        async def opened() -> Resources:
            return self._resources

        worker = make_worker(self._resources.settings, self._reports, {self._job_type.name: self._job_type}, opened)
        self._tasks[dispatch.job_id] = asyncio.create_task(run_attempt(dispatch, worker))

    async def stop(self, job_id: str) -> None:
        task = self._tasks.pop(job_id, None)
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def close(self) -> None:
        for job_id in list(self._tasks):
            await self.stop(job_id)


class NamedCallers:
    """Believes a header: tests are whom they say they are."""

    security_methods: Sequence[str] = ("ivo://ivoa.net/sso#token",)
    challenges: Sequence[Any] = ()

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        name = headers.get("X-Test-User")
        if name is None:
            return ANONYMOUS
        groups = frozenset(headers.get("X-Test-Groups", "").split()) if "X-Test-Groups" in headers else frozenset()
        return Principal(subject=name, groups=groups, admin=name == "admin")


@dataclass
class Clock:
    """Shows what a test wants: the present, moved."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Site:
    """A running planner."""

    client: TestClient[Any, Any]
    executor: MemoryExecutor
    clock: Clock
    resources: Resources

    async def json(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        """Send a request; return status and document."""
        more.setdefault("allow_redirects", False)
        async with self.client.request(method, f"/execplanner{path}", **more) as response:
            return response.status, await response.json(content_type=None)

    async def ask(self, request: Any = None, path: str = "/requests", **more: Any) -> dict[str, Any]:
        """Ask for offers, and return the answer."""
        status, document = await self.json("POST", path, json=request or request_for(), **more)
        assert status == 303, document
        found: dict[str, Any] = document
        return found

    async def set_phase(self, session: str, value: str, **more: Any) -> tuple[int, Any]:
        """Set the phase of a session."""
        update = {"kind": "uri:enum-value-update", "path": "phase", "value": value}
        return await self.json("POST", f"/sessions/{session}", json=update, **more)


def write_records(folder: Path, records: Sequence[Mapping[str, Any]]) -> Path:
    """Write records of facilities into a directory and return it."""
    import json

    place = folder / "facilities"
    place.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(records):
        (place / f"{number:04}.yaml").write_text(json.dumps(one))
    return place


@asynccontextmanager
async def serving(
    folder: Path,
    url: str | None = None,
    *,
    records: Sequence[Mapping[str, Any]] = (record(),),
    lake: DataLake | None = None,
    executor: MemoryExecutor | None = None,
    job_types: Mapping[str, JobType] | None = None,
    plugins: Mapping[str, ExecutorOpener] | None = None,
    wrap: Callable[[web.Application], web.Application] | None = None,
    **own: Any,
) -> AsyncIterator[Site]:
    """Run a planner while the block lasts; `own` are values of its settings.

    Works are run by `executor`, but for facilities whose executor is one of `plugins`.
    """
    clock, running = Clock(), executor or MemoryExecutor()
    if records:
        own.setdefault("facility_dir", write_records(folder, records))
    own.setdefault("tend_every_s", 0.05)
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(_resources(folder, url, clock, lake or MemoryLake(), own))

        async def memory(_options: Mapping[str, Any], _resources: Resources) -> Executor:
            return running

        def find(name: str) -> ExecutorOpener:
            return (plugins or {}).get(name, memory)

        async def run(context: JobContext) -> None:
            await run_with(context, find)

        job_type = replace(EXECUTION_SESSION, run=run)

        async def inline(shared: Resources, reports: JobReports, _ended: AttemptEnded) -> InlineExecutor:
            return InlineExecutor(shared, reports, job_type)

        resources._shared[JOBS.name] = await open_jobs(
            resources, job_types={job_type.name: job_type}, open_executor=inline
        )
        app = web.Application()
        planner = await open_for(resources, job_types or {}, (), find)
        install_authentication(planner, resources.authenticator)
        app.add_subapp(service.path, planner)
        jobs = await uws_service.open(resources)
        install_authentication(jobs, resources.authenticator)
        app.add_subapp(uws_service.path, jobs)
        client: TestClient[Any, Any] = TestClient(TestServer(wrap(app) if wrap else app))
        await stack.enter_async_context(client)
        yield Site(client=client, executor=running, clock=clock, resources=resources)


@asynccontextmanager
async def _resources(
    folder: Path, url: str | None, clock: Clock, lake: DataLake, own: dict[str, Any]
) -> AsyncIterator[Resources]:
    kind = settings_type({"execplanner": ExecPlannerSettings, "uws": UwsSettings})
    url = url or f"sqlite:///{folder / 'test.db'}"
    settings = kind(
        data_dir=folder,
        database_url=url,
        authority="penstock.example",
        allow_private_addresses=own.pop("allow_private", False),
        execplanner=ExecPlannerSettings(**own),  # type: ignore[call-arg]
    )
    async with AsyncExitStack() as stack:
        if url.startswith("sqlite"):
            await _copy_of_migrated(Path(url.removeprefix("sqlite:///")))
        db = Database(url)
        stack.push_async_callback(db.close)
        if not url.startswith("sqlite"):
            await upgrade(db, MIGRATIONS)
        inner = await stack.enter_async_context(AsyncExitStack())
        yield Resources(
            settings=settings,
            db=db,
            lake=lake,
            urls=Urls(None),
            clock=clock,
            authenticator=NamedCallers(),
            readiness=Readiness(),
            stack=inner,
            schemas=(),
        )


_migrated: list[bytes] = []


async def _copy_of_migrated(path: Path) -> None:
    """Make an SQLite database with the tables; they are created once in a process, which takes longest."""
    if path.exists():  # noqa: ASYNC240  # a small file of the test
        return
    if not _migrated:
        db = Database(f"sqlite:///{path}")
        await upgrade(db, MIGRATIONS)
        async with db.write() as connection:
            await connection.exec_driver_sql("SELECT 1")
        await db.close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        _migrated.append(path.read_bytes())  # noqa: ASYNC240
        return
    path.write_bytes(_migrated[0])  # noqa: ASYNC240
