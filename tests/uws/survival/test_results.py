"""What becomes of results when a job, its worker or the disk comes to an untimely end."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import pytest_asyncio

from penstock.dali.errors import NotFound, ServiceError, ServiceUnavailable
from penstock.dali.params import Part
from penstock.db import Database
from penstock.migrations import upgrade
from tests.support.files import files_below
from tests.uws.builders import make_job
from tests.uws.waiting import eventually
from tests.uws.web.client import Client, client_of, create, get, post
from tests.uws.worker.reports_contract import LATE, MayBeAway, World
from uws.core import json, xml
from uws.core.document import JobDocument
from uws.core.job import Phase
from uws.core.results import MOST_RESULTS
from uws.ports import Dispatch
from uws.results import FileResults
from uws.service.policy import Policy
from uws.service.upkeep import AT_REST, Upkeep
from uws.worker.context import AttemptContext

pytestmark = pytest.mark.asyncio(loop_scope="module")
DIGEST = hashlib.sha256(b"finished").hexdigest()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with client_of(tmp_path_factory.mktemp("survival"), max_attempts=1, kill_after_s=0.5) as (client, _):
        yield client


async def document(client: Client, path: str) -> JobDocument:
    async with client.get(path) as response:
        return xml.job_from_xml(await response.read())


async def run(client: Client, name: str, **fields: str) -> str:
    return await create(client, JOBTYPE=name, PHASE="RUN", **fields)


async def shown(client: Client, path: str, *ids: str) -> JobDocument:
    """Wait until the job shows results of these ids and no others."""

    async def shows() -> bool:
        return tuple(result.id for result in (await document(client, path)).results) == ids

    await eventually(shows)
    return await document(client, path)


async def over(client: Client, path: str) -> JobDocument:
    async def is_over() -> bool:
        return (await document(client, path)).phase in (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED)

    await eventually(is_over)
    return await document(client, path)


async def fetched(client: Client, path: str, result_id: str = "part") -> bytes:
    async with client.get(f"{path}/results/{result_id}") as response:
        assert response.status == 200
        return await response.read()


@pytest.mark.requirement("U-007", "U-139")
async def test_a_result_is_served_while_the_job_goes_on_and_after_an_abort(client: Client) -> None:
    """UWS 1.1 s2.1.3, s2.2.3.6: an abort stops the execution and leaves what is there."""
    path = await run(client, "part")
    assert (await shown(client, path, "part")).phase is Phase.EXECUTING
    assert await fetched(client, path) == b"finished"
    assert await post(client, f"{path}/phase", PHASE="ABORT") == 303
    job = await document(client, path)
    assert (job.phase, [result.id for result in job.results]) == (Phase.ABORTED, ["part"])
    assert await fetched(client, path) == b"finished"


@pytest.mark.requirement("U-016")
async def test_results_stay_when_executionduration_is_used_up(client: Client) -> None:
    """UWS 1.1 s2.1.4: the same effect as a manual abort."""
    path = await run(client, "part", EXECUTIONDURATION="3")
    job = await over(client, path)
    assert (job.phase, [result.id for result in job.results]) == (Phase.ABORTED, ["part"])
    assert job.error
    assert await fetched(client, path) == b"finished"


@pytest.mark.requirement("U-008")
async def test_results_stay_when_the_worker_is_killed(client: Client) -> None:
    path = await run(client, "part")
    job = await shown(client, path, "part")

    async def tells() -> bool:
        return "message" in ((await document(client, path)).info or {})

    await eventually(tells)
    job = await document(client, path)
    assert job.info
    os.kill(int(job.info["message"]), signal.SIGKILL)
    job = await over(client, path)
    assert (job.phase, [result.id for result in job.results]) == (Phase.ERROR, ["part"])
    assert await fetched(client, path) == b"finished"


async def test_a_full_disk_is_a_transient_error_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    async with client_of(tmp_path) as (client, service):
        path = await run(client, "fill")
        job = await over(client, path)
        assert job.error
        assert (job.phase, job.error.type) == (Phase.ERROR, "transient")
        assert "disk may be full" in job.error.message
        assert [result.id for result in job.results] == ["small"]
        files = [file.name for file in files_below(service.results.path(job.job_id))]
        assert files == ["1"]


@pytest.mark.requirement("U-101", "DA-19")
async def test_documents_and_downloads_tell_the_digest(client: Client) -> None:
    path = await run(client, "part")
    job = await shown(client, path, "part")
    [result] = job.results
    assert (result.size, result.custom) == (8, {"sha256": DIGEST})
    async with client.get(path, headers={"Accept": "application/json"}) as response:
        assert json.job_from_json(await response.read()).results == job.results
    digest = base64.b64encode(bytes.fromhex(DIGEST)).decode()
    ranged = {"Range": "bytes=2-4", "If-Range": f'"{DIGEST}"'}
    async with client.get(f"{path}/results/part", headers=ranged) as response:
        assert (response.status, await response.read()) == (206, b"nis")
        assert response.headers["ETag"] == f'"{DIGEST}"'
        assert response.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    async with client.get(f"{path}/results/part", headers={"If-None-Match": f'"{DIGEST}"'}) as response:
        assert response.status == 304
    await post(client, f"{path}/phase", PHASE="ABORT")


async def test_a_download_that_has_begun_ends_well_when_the_job_is_destroyed(tmp_path: Path) -> None:
    content = os.urandom(16_000_000)  # more than all buffers on the way hold
    async with client_of(tmp_path) as (client, service):
        path = await create(client, "/async", PHASE="RUN", UPLOAD="t,param:t", t=content)
        job = await over(client, path)
        folder = service.results.path(job.job_id)
        async with client.get(f"{path}/results/result") as response:
            begun = await response.content.read(1000)
            assert await post(client, f"{path}/destruction", DESTRUCTION="2000-01-01T00:00:00Z") == 303
            await eventually(lambda: not folder.exists())
            assert begun + await response.content.read() == content
        assert (await get(client, f"{path}/results/result"))[0] == 404


async def test_a_result_whose_file_is_gone_is_not_found(tmp_path: Path) -> None:
    async with client_of(tmp_path) as (client, service):
        path = await run(client, "echo", MESSAGE="x")
        job = await over(client, path)
        shutil.rmtree(service.results.path(job.job_id))
        assert (await get(client, f"{path}/results/echo"))[0] == 404


@pytest.mark.parametrize("result_id", ["", "..", ".", "a/b", "a\r\nX: y", "a\0", "\ud800", "x" * 201])
async def test_a_result_of_a_harmful_name_is_not_begun(context: AttemptContext, result_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be the id"):
        async with context.result(result_id, "text/plain"):
            pass


@pytest.mark.parametrize("media_type", ["", "text", "text/plain\r\nX: y", " text/plain", "text/\u00e9"])
async def test_a_result_of_a_harmful_media_type_is_not_begun(context: AttemptContext, media_type: str) -> None:
    with pytest.raises(ValueError, match="is no media type"):
        async with context.result("a", media_type):
            pass


async def test_a_name_is_free_again_when_its_result_was_given_up(context: AttemptContext) -> None:
    with pytest.raises(RuntimeError):
        async with context.result("a", "text/plain") as result:
            await result.write(b"x")
            raise RuntimeError
    async with context.result("a", "text/plain"):
        with pytest.raises(ValueError, match="already"):
            async with context.result("a", "text/plain"):
                pass
    assert [done.id for done in context.finished] == ["a"]


async def test_a_job_with_more_results_than_one_may_have_is_told(context: AttemptContext) -> None:
    context._taken.update(map(str, range(MOST_RESULTS - 1)))
    async with context.result("a", "text/plain"):
        pass
    with pytest.raises(ServiceError, match=f"more than {MOST_RESULTS} results"):
        async with context.result("b", "text/plain"):
            pass


class FullDisk(FileResults):
    """A store whose disk is full, which files with a buffer find out when they are closed."""

    def create(self, job_id: str, attempt: int, number: int) -> tuple[str, BinaryIO]:
        return f"{job_id}/{attempt}/{number}", Path("/dev/full").open("wb")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_disk_that_is_full_at_the_very_end_is_told(tmp_path: Path) -> None:
    context = await context_of(FullDisk(tmp_path))
    with pytest.raises(ServiceUnavailable):
        async with context.result("a", "text/plain") as result:
            await result.write(b"fits into a buffer")
    assert context.finished == []


@pytest.fixture
def results(tmp_path: Path) -> FileResults:
    return FileResults(tmp_path / "results")


async def context_of(results: FileResults) -> AttemptContext:
    job = make_job(Phase.EXECUTING)
    await results.prepare(job.id, 1)

    async def nothing() -> Any:
        raise AssertionError

    return AttemptContext(job, (), open_resources=nothing, results=results)


@pytest_asyncio.fixture(loop_scope="module")
async def context(results: FileResults) -> AttemptContext:
    return await context_of(results)


@pytest.mark.parametrize(
    "blob",
    ["../x", "/etc/passwd", "a/../../x", "a/..", "..", "a/./../../../x"],
    ids=lambda blob: blob.replace("/", "|"),
)
async def test_no_blob_leads_out_of_the_folder(results: FileResults, blob: str) -> None:
    with pytest.raises(NotFound):
        results.path(blob)


async def test_a_late_attempt_does_not_remove_the_results_of_its_successor(results: FileResults) -> None:
    job_id = make_job().id
    for attempt in (1, 2):
        await results.prepare(job_id, attempt)
    _, file = results.create(job_id, 2, 1)
    file.close()
    await results.prepare(job_id, 1)
    assert results.path(f"{job_id}/2/1").exists()


class Idle:
    """An executor that runs nothing."""

    def capacity(self, *, light: bool = False) -> int:
        return 0

    async def waiting(self) -> int:
        return 0

    async def start(self, dispatch: Dispatch) -> None:
        raise AssertionError

    async def stop(self, job_id: str) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class TestSweep:
    """What a crash between file and commit leaves behind, and attempts that were fenced."""

    @pytest_asyncio.fixture(loop_scope="module")
    async def world(self, results: FileResults, tmp_path: Path) -> AsyncIterator[World]:
        db = Database(f"sqlite:///{tmp_path}/jobs.db")
        await upgrade(db, {"uws": "uws.migrations"})
        yield World(MayBeAway(db), results)
        await db.close()

    def upkeep(self, world: World) -> Upkeep:
        return Upkeep(world.changes, world.results, Idle(), Policy())

    async def has_files(self, world: World, number: int, *attempts: int, age: timedelta = 2 * AT_REST) -> str:
        """Give a job an upload and results of attempts, all of that age."""
        job_id = make_job(id=f"0{number:025}").id
        await world.results.keep(job_id, Part(name="F", content=b"x", size_bytes=1))
        for attempt in attempts:
            world.results.path(f"{job_id}/{attempt}").mkdir()
            world.results.path(f"{job_id}/{attempt}/1").write_bytes(b"x")
        then = (LATE - age).timestamp()
        folder = world.results.path(job_id)
        for path in (*folder.iterdir(), folder):
            os.utime(path, (then, then))
        return job_id

    def left(self, world: World, job_id: str) -> list[str]:
        folder = world.results.path(job_id)
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    async def test_files_that_no_job_has_are_removed_and_no_others(self, world: World) -> None:
        kept = await self.has_files(world, 1, 1, 2, 3)
        await world.store.create(make_job(Phase.EXECUTING, id=kept, attempt=2))
        unknown, fresh = await self.has_files(world, 2, 1), await self.has_files(world, 3, 1, age=AT_REST / 2)
        (world.results.path(".") / "no-job").mkdir()
        await self.upkeep(world).sweep()
        assert self.left(world, kept) == ["2", "parameters"]
        assert self.left(world, unknown) == []
        assert self.left(world, fresh) == ["1", "parameters"]
        assert world.results.path("no-job").exists()

    async def test_a_store_that_knows_none_of_the_jobs_is_not_believed(self, world: World) -> None:
        """The wrong database_url must not cost all results."""
        unknown = await self.has_files(world, 1, 1)
        await self.upkeep(world).sweep()
        assert self.left(world, unknown) == ["1", "parameters"]

    async def test_uploads_that_were_given_up_are_removed(self, world: World) -> None:
        spool = world.results.spool()
        await self.upkeep(world).sweep()  # nothing is there at all
        spool.mkdir(parents=True)
        for name, age in (("old", 2 * AT_REST), ("fresh", AT_REST / 2)):
            (spool / name).write_bytes(b"x")
            os.utime(spool / name, ((LATE - age).timestamp(),) * 2)
        await self.upkeep(world).sweep()
        assert [path.name for path in spool.iterdir()] == ["fresh"]

    async def test_many_jobs_are_swept_in_turns(self, world: World) -> None:
        known = [await self.has_files(world, number, 1) for number in range(0, 700, 100)]
        for job_id in known:
            await world.store.create(make_job(Phase.EXECUTING, id=job_id))
        for number in range(700):
            if number % 100:
                await self.has_files(world, number)
        await self.upkeep(world).sweep()
        assert sorted(path.name for path in world.results.path(".").iterdir()) == known
