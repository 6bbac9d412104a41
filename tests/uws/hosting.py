"""A host for tests: resources without a lake, jobs with few types, and what their workers preload."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from penstock.auth.challenges import Challenge
from penstock.auth.middleware import install_authentication
from penstock.auth.principal import AnonymousOnly, Authenticator, Principal
from penstock.clock import utc_now
from penstock.dali.errors import AuthenticationRequired
from penstock.db import Database
from penstock.edge.app import new_service_app
from penstock.edge.errors import votable_error
from penstock.edge.health import Readiness
from penstock.edge.urls import Urls
from penstock.migrations import upgrade
from penstock.service import Resources
from penstock.settings import Settings, settings_type
from uws.app import make_app, mount_job_list, open_jobs
from uws.ports import ExecutorOpener, JobContext, JobType, ParameterSpec
from uws.service.jobs import JobService
from uws.settings import UwsSettings
from uws.worker.jobtypes import ECHO, FAIL, SLEEP
from uws.worker.local import LocalExecutor
from uws.worker.place import OpenRun
from uws.worker.reporting import RemoteReports
from uws.worker_app import opens_run

SETTINGS: type[Settings] = settings_type({"uws": UwsSettings})
PRELOAD = "tests.uws.hosting:preload"


def make_settings(folder: Path, database_url: str | None = None, **own: Any) -> Settings:
    """Return settings for a data directory."""
    return SETTINGS(data_dir=folder, database_url=database_url, uws=UwsSettings(**own))  # type: ignore[call-arg]


@asynccontextmanager
async def open_resources(
    settings: Settings, *, authenticator: Authenticator | None = None, migrate: bool = True
) -> AsyncIterator[Resources]:
    """Open resources that have no lake."""
    async with AsyncExitStack() as stack:
        db = Database(settings.database)
        stack.push_async_callback(db.close)
        if migrate:
            await upgrade(db, {"uws": "uws.migrations"})
        yield Resources(
            settings=settings,
            db=db,
            lake=None,  # type: ignore[arg-type]
            urls=Urls(settings.base_url),
            clock=utc_now,
            authenticator=authenticator or AnonymousOnly(),
            readiness=Readiness(),
            stack=stack,
            schemas=(),
        )


IGNORE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
STUBBORN = f"{IGNORE}; print('up', flush=True); time.sleep(600)"


async def _spawn(context: JobContext) -> None:
    """Start grandchildren that ignore SIGTERM, one of them in a session of its own, and tell who they are."""
    pids = [os.getpid()]
    for detached in (False, True):
        command = [sys.executable, "-c", STUBBORN]
        process = subprocess.Popen(command, start_new_session=detached, stdout=subprocess.PIPE)  # noqa: ASYNC220
        assert process.stdout
        process.stdout.readline()
        pids.append(process.pid)
    await context.progress(0.5, " ".join(map(str, pids)))
    if "LEAVE" in context.parameters:
        async with context.result("pids", "text/plain") as result:
            await result.write(" ".join(map(str, pids)).encode())
    else:
        await asyncio.sleep(600)


async def _die(context: JobContext) -> None:
    """Die as if by the OOM killer, in attempts up to the given one."""
    if context.attempt <= int(context.parameters.single("UNTIL") or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
    async with context.result("result", "text/plain") as result:
        await result.write(f"attempt {context.attempt}".encode())


async def _crash(context: JobContext) -> None:
    """Finish one result, then fail by a fault of the program."""
    async with context.result("part", "text/plain") as result:
        await result.write(b"finished before the crash")
    raise RuntimeError("secret innards")


async def _part(context: JobContext) -> None:
    """Finish one result, begin another, tell who we are, and go on for ever."""
    async with context.result("part", "text/plain") as result:
        await result.write(b"finished")
    async with context.result("half", "text/plain") as result:
        await result.write(b"begun")
        await context.progress(0.5, str(os.getpid()))
        await asyncio.sleep(600)


async def _fill(context: JobContext) -> None:
    """Finish a small result, then write one for which there is no room."""
    async with context.result("small", "text/plain") as result:
        await result.write(b"fits")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))  # a disk of our own that is full soon
    async with context.result("large", "text/plain") as result:
        for _ in range(100):
            await result.write(bytes(10_000))


async def _copy(context: JobContext) -> None:
    """Copy an uploaded part into the result."""
    name = (context.parameters.single("UPLOAD") or "").partition("param:")[2]
    part = context.parameters.part(name)
    assert part
    async with context.result("result", "application/octet-stream") as result:
        await result.write(part.read())


async def _wait(context: JobContext) -> None:
    """Tell who we are, and wait for a file."""
    await context.resources()
    await context.progress(0.0, str(os.getpid()))
    path = Path(context.parameters.single("FILE") or "")
    while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110  # a file sets no event
        await asyncio.sleep(0.05)


def _type(name: str, run: Callable[[JobContext], Awaitable[None]], *names: str, **more: Any) -> JobType:
    specs = tuple(ParameterSpec(name=name) for name in names)
    return JobType(name=name, version="1", title=name, description="", run=run, parameters=specs, **more)


JOB_TYPES: Mapping[str, JobType] = {
    job_type.name: job_type
    for job_type in (
        ECHO,
        SLEEP,
        FAIL,
        _type("spawn", _spawn, "LEAVE"),
        _type("die", _die, "UNTIL"),
        _type("crash", _crash),
        _type("part", _part),
        _type("fill", _fill),
        _type("wait", _wait, "FILE", light=True),
        _type("copy", _copy, validate_at_creation=False),
    )
}


LIGHT = frozenset(name for name, job_type in JOB_TYPES.items() if job_type.light)


def preload(payload: str, desk: str) -> OpenRun:
    """Return what runs attempts in a worker of these tests."""
    settings = SETTINGS.model_validate_json(payload)
    return opens_run(settings, RemoteReports(Path(desk)), JOB_TYPES, lambda: open_resources(settings, migrate=False))


open_local = partial(LocalExecutor.open, preload=PRELOAD)


class Tokens:
    """An authenticator that believes the name in the header."""

    security_methods = ("https://example.org/test",)
    challenges: Sequence[Challenge] = ()

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        name = headers.get("Authorization", "").removeprefix("Test ")
        if name == "wrong":
            raise AuthenticationRequired("The token is not valid.")
        return Principal(subject=name or None, admin=name == "admin")


@asynccontextmanager
async def serving(
    folder: Path,
    database_url: str | None = None,
    *,
    authenticator: Authenticator | None = None,
    open_executor: ExecutorOpener = open_local,
    **own: Any,
) -> AsyncIterator[tuple[web.Application, JobService]]:
    """Give an application with /uws and a DALI list /tap/async of the type copy."""
    settings = make_settings(folder, database_url, **own)
    async with open_resources(settings, authenticator=authenticator) as resources:
        service = await open_jobs(resources, job_types=JOB_TYPES, open_executor=open_executor)
        root = new_service_app(votable_error)
        uws = make_app(resources, service)
        root.add_subapp("/uws", uws)
        install_authentication(root, resources.authenticator)
        mount_job_list(root, resources, service, path="/async", job_type="copy", render_error=votable_error)
        yield root, service
