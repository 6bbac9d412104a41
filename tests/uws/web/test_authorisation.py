"""Who may do what: every caller, every resource, every method (UWS 1.1 s3, SSO 3).

The resources are those that the router knows: one that is new must be in one of the tables here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from penstock.auth.challenges import bearer, ivoa_bearer
from penstock.auth.principal import Principal
from tests.uws.hosting import Tokens, serving
from tests.uws.house import open_idle
from uws.core.job import ErrorSummary, Job, JobResult
from uws.core.tokens import HEADER
from uws.ports import Dispatch
from uws.service.access import Access
from uws.service.jobs import Given, JobService, NewJob

pytestmark = pytest.mark.asyncio(loop_scope="module")
Client = TestClient[Any, Any]
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
LISTS = {"/uws/jobs": "echo", "/async": "copy"}
OWNER = Access(caller=Principal(subject="alice"))
ISSUER = "https://iam.example.org/"

OF_A_JOB = {"": 401, "bob": 403, "alice": 0, "admin": 0, "wrong": 401}
"""The status for each caller of a resource of alice's job; 0 is what the request deserves."""

FORMS: Mapping[str, Mapping[str, str]] = {
    "": {"PHASE": "ABORT"},
    "/phase": {"PHASE": "RUN"},
    "/executionduration": {"EXECUTIONDURATION": "5"},
    "/destruction": {"DESTRUCTION": "2030"},
    "/parameters": {"MESSAGE": "new"},
}
"""What is posted to the resources of a job."""

PUBLIC = {
    "/uws",
    "/uws/capabilities",
    "/uws/availability",
    "/uws/jobtypes",
    "/uws/jobtypes/{name}",
    "/uws/schema/{name}.json",
}
"""What everybody may read."""

WORKERS = "/uws/worker/{job_id}/{attempt}/"
"""Resources for workers, who show the token of their attempt: nobody has them for what they are themselves."""


class Challenging(Tokens):
    challenges = (bearer("penstock.example"), ivoa_bearer("ivo://ivoa.net/sso#OpenID", ISSUER))


@dataclass
class World:
    client: Client
    service: JobService
    routes: dict[str, set[str]]

    async def ask(self, method: str, path: str, who: str, **more: Any) -> tuple[int, Mapping[str, Any]]:
        headers = {"Authorization": f"Test {who}"} if who else {}
        async with self.client.request(method, path, headers=headers, allow_redirects=False, **more) as answer:
            told = {"status": answer.status, "as": answer.headers.get("X-VO-Authenticated")}
            challenges = answer.headers.getall("WWW-Authenticate", [])
            await answer.read()
            return answer.status, told | {"challenges": challenges}


def resources(app: web.Application) -> dict[str, set[str]]:
    """Return the methods of each resource, but for those that are there a second time with a slash at the end."""
    found: dict[str, set[str]] = {}
    for route in app.router.routes():
        if route.resource is not None and not route.resource.canonical.endswith("/"):
            found.setdefault(route.resource.canonical, set()).add(route.method)
    return found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("authorisation")
    async with (
        serving(folder, authenticator=Challenging(), open_executor=open_idle) as (app, service),
        TestClient(TestServer(app, handler_cancellation=True)) as client,
    ):
        yield World(client, service, resources(app))


NUMBERS = count()


async def a_job(world: World, job_type: str, resource: str, access: Access = OWNER) -> Job:
    """Return a job that has what a resource shows: PENDING, or over with a result or an error."""
    jobs, given = world.service, Given(parameters=(("MESSAGE", "x"),))
    over = resource.startswith(("/results", "/events", "/error"))
    job = await jobs.create(NewJob(job_type=job_type, given=given, run=over), access)
    if not over:
        return job
    dispatch = Dispatch(job_id=job.id, attempt=1)
    assert await jobs.reports.claim(dispatch, f"w{next(NUMBERS)}")
    if resource == "/error":
        await jobs.reports.fail(dispatch, ErrorSummary(type="fatal", message="no"), ())
    else:
        await jobs.results.prepare(job.id, 1)
        blob, file = jobs.results.create(job.id, 1, 1)
        with file:
            file.write(b"bytes")
        result = JobResult(id="r", blob=blob, size_bytes=5, media_type="text/plain")
        await jobs.reports.complete(dispatch, (result,))
    return await jobs.get(job.id, access)


def of_jobs(routes: dict[str, set[str]]) -> list[tuple[str, str, str]]:
    """Return list, resource below the job, and method, of everything that belongs to a job."""
    return [
        (path, resource.removeprefix(f"{path}/{{job_id}}"), method)
        for resource, methods in routes.items()
        for path in LISTS
        if resource.startswith(f"{path}/{{job_id}}")
        for method in sorted(methods)
    ]


def request_of(method: str, resource: str) -> dict[str, Any]:
    match method:
        case "POST":
            return {"data": FORMS[resource]}
        case "PUT":
            return {"data": b"new"}
        case _:
            return {}


def deserved(method: str) -> int:
    return 200 if method in ("GET", "HEAD") else 303


def place(path: str, job: Job, resource: str) -> str:
    return f"{path}/{job.id}{resource.format(result_id='r', name='MESSAGE')}"


async def test_every_resource_is_in_a_table(world: World) -> None:
    of_a_job = {f"{path}/{{job_id}}{resource}" for path, resource, _ in of_jobs(world.routes)}
    others = set(world.routes) - of_a_job - PUBLIC - set(LISTS)
    assert {resource for resource in others if not resource.startswith(WORKERS)} == set()
    assert len(of_a_job) >= len(LISTS) * 12


@pytest.mark.requirement("U-152", "DA-14")
@pytest.mark.parametrize("who", OF_A_JOB)
async def test_what_belongs_to_a_job_is_its_owners_alone(world: World, who: str) -> None:
    found, expected = {}, {}
    for path, resource, method in of_jobs(world.routes):
        job = await a_job(world, LISTS[path], resource)
        case = f"{method} {path} {resource}"
        _, found[case] = await world.ask(method, place(path, job, resource), who, **request_of(method, resource))
        status = OF_A_JOB[who] or deserved(method)
        expected[case] = {
            "status": status,
            "as": who if status != 401 else None,
            "challenges": challenges(refused_token=who == "wrong") if status == 401 else [],
        }
        if OF_A_JOB[who]:
            assert await world.service.get(job.id, OWNER) == job
    assert found == expected


def challenges(*, refused_token: bool) -> list[str]:
    error = ', error="invalid_token"' if refused_token else ""
    return [
        f'Bearer realm="penstock.example"{error}',
        f'ivoa_bearer standard_id="ivo://ivoa.net/sso#OpenID", access_url="{ISSUER}"',
    ]


@pytest.mark.parametrize("who", OF_A_JOB)
async def test_what_is_for_everybody_is_for_everybody_but_with_a_bad_token(world: World, who: str) -> None:
    for resource in sorted(PUBLIC):
        path = resource.format(name="job" if "schema" in resource else "echo")
        for method in sorted(world.routes[resource]):
            status, told = await world.ask(method, path, who)
            assert status == (401 if who == "wrong" else 200), (method, path)
            bootstraps = resource.endswith("capabilities") and who == ""
            assert bool(told["challenges"]) == (bootstraps or who == "wrong")


@pytest.mark.parametrize("who", OF_A_JOB)
async def test_nobody_is_a_worker_for_what_they_are(world: World, who: str) -> None:
    job = await a_job(world, "echo", "")
    await world.service.run(job.id, OWNER)
    before = await world.service.get(job.id, OWNER)
    routes = {path: methods for path, methods in world.routes.items() if path.startswith(WORKERS)}
    assert routes
    for resource, methods in routes.items():
        path = resource.format(job_id=job.id, attempt=1, number=1)
        for method in sorted(methods):
            for token in ({}, {HEADER: "0" * 64}):
                headers = token | ({"Authorization": f"Test {who}"} if who else {})
                async with world.client.request(method, path, headers=headers, json={}) as answer:
                    assert answer.status == (401 if who == "wrong" else 403), (method, path)
    assert await world.service.get(job.id, OWNER) == before


@pytest.mark.parametrize("who", OF_A_JOB)
async def test_a_method_that_a_resource_does_not_have_is_refused_to_all(world: World, who: str) -> None:
    job = await a_job(world, "echo", "")
    for resource, methods in world.routes.items():
        path = resource.format(job_id=job.id, result_id="r", name="echo", attempt=1, number=1)
        for method in sorted(set(METHODS) - methods):
            status, _ = await world.ask(method, path, who)
            assert status == (401 if who == "wrong" else 405), (method, path)


@pytest.mark.requirement("U-151")
@pytest.mark.parametrize(
    ("who", "sees"), [("", set()), ("alice", {"alice"}), ("bob", {"bob"}), ("admin", {"alice", "bob", None})]
)
@pytest.mark.parametrize("path", LISTS)
async def test_a_list_shows_the_callers_jobs(world: World, path: str, who: str, sees: set[str | None]) -> None:
    bob = Access(caller=Principal(subject="bob"))
    jobs = [await a_job(world, LISTS[path], "", access) for access in (OWNER, bob, Access())]
    headers = {"Accept": "application/json"} | ({"Authorization": f"Test {who}"} if who else {})
    async with world.client.get(path, headers=headers) as answer:
        listed = {entry["jobId"] for entry in (await answer.json())["jobs"]}
    assert {job.owner for job in jobs if job.id in listed} == sees


@pytest.mark.requirement("U-025", "U-153")
@pytest.mark.parametrize(("who", "owner"), [("", ""), ("alice", "alice"), ("bob", "bob"), ("admin", "admin")])
async def test_a_job_belongs_to_who_creates_it(world: World, who: str, owner: str) -> None:
    headers = {"Authorization": f"Test {who}"} if who else {}
    async with world.client.post("/uws/jobs", data={"JOBTYPE": "echo"}, headers=headers) as answer:
        assert answer.status == 200
        url = answer.url
    async with world.client.session.get(f"{url}/owner", headers=headers) as answer:
        assert (answer.status, await answer.text()) == (200, owner)


@pytest.mark.parametrize("who", ["", "alice", "bob", "admin"])
async def test_a_job_of_nobody_is_a_capability(world: World, who: str) -> None:
    for path, resource, method in of_jobs(world.routes):
        job = await a_job(world, LISTS[path], resource, Access())
        status, _ = await world.ask(method, place(path, job, resource), who, **request_of(method, resource))
        assert status == deserved(method), (method, path, resource)


@pytest.mark.parametrize("who", ["", "bob", "alice", "admin"])
async def test_a_job_of_another_list_is_not_there_whoever_asks(world: World, who: str) -> None:
    job = await a_job(world, "echo", "")
    assert (await world.ask("GET", f"/async/{job.id}", who))[0] == 404


@asynccontextmanager
async def without_authentication(folder: Path) -> AsyncIterator[Client]:
    async with (
        serving(folder, open_executor=open_idle) as (app, _),
        TestClient(TestServer(app, handler_cancellation=True)) as client,
    ):
        yield client


async def test_where_nobody_can_authenticate_the_list_shows_every_job(tmp_path: Path) -> None:
    async with without_authentication(tmp_path) as client:
        async with client.post("/uws/jobs", data={"JOBTYPE": "echo"}) as answer:
            job_id = answer.url.name
        async with client.get("/uws/jobs", headers={"Accept": "application/json"}) as answer:
            assert [entry["jobId"] for entry in (await answer.json())["jobs"]] == [job_id]
            assert "WWW-Authenticate" not in answer.headers
        async with client.get("/uws/capabilities") as answer:
            assert "WWW-Authenticate" not in answer.headers
