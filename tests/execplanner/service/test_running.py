"""A session's run, and the next one that finds what it has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

import pytest

from execplanner.core.phases import Event, Phase
from execplanner.joblist import job_id
from execplanner.jobs import run_with
from execplanner.keeping import Change
from execplanner.ports import Executor, ExecutorOpener, Step, Work
from execplanner.store import SqlKeeper
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.dali.errors import ServiceError, UsageError
from penstock.dali.params import Parameters
from penstock.outbound import Outbound
from penstock.service import Resources
from tests.datalink.builders import MemoryLake, a_file
from tests.execplanner.hosting import K, MemoryExecutor, Site, compute, request_for, serving
from tests.uws.waiting import eventually


@dataclass
class Sink:
    content: bytes = b""

    async def write(self, data: bytes) -> None:
        self.content += data


@dataclass
class Context:
    """The context of an attempt, which keeps what it is told."""

    job_id: str
    given: Resources
    parameters: Parameters
    attempt: int = 1
    owner: Principal = ANONYMOUS
    results: dict[str, Sink] = field(default_factory=dict)
    said: list[str | None] = field(default_factory=list)

    async def resources(self) -> Resources:
        return self.given

    async def progress(self, fraction: float | None = None, message: str | None = None) -> None:
        self.said.append(message)

    @asynccontextmanager
    async def result(self, result_id: str, media_type: str) -> AsyncIterator[Sink]:
        assert result_id not in self.results
        self.results[result_id] = Sink()
        yield self.results[result_id]


def opener(executor: MemoryExecutor) -> Any:
    async def memory(_options: Any, _resources: Resources) -> Executor:
        return executor

    def find(_name: str) -> ExecutorOpener:
        return memory

    return find


async def accepted(site: Site, **parts: Any) -> Context:
    """Return the context of the job of a session that was accepted, which nothing runs."""
    document = await site.ask(request_for(**parts))
    session = document["offers"][0]["meta"]["uuid"]
    await SqlKeeper(site.resources.db).change(session, Change(event=Event.ACCEPT), _now(site))
    return Context(job_id(session), site.resources, Parameters([("SESSION", session)]))


def _now(site: Site) -> int:
    return round(site.clock().timestamp() * 1000)


async def phase_of(site: Site, context: Context) -> Phase:
    found = await SqlKeeper(site.resources.db).session(context.parameters.single("SESSION") or "")
    assert found is not None
    return found.phase


async def test_a_run_that_was_killed_is_taken_up_by_the_next(tmp_path: Path) -> None:
    executor = MemoryExecutor(steps=(Step.RUNNING,))
    async with serving(tmp_path, tend_every_s=3600) as site:
        context = await accepted(site)
        first = asyncio.create_task(run_with(context, opener(executor)))  # type: ignore[arg-type]  # a stand-in

        async def runs() -> bool:
            return await phase_of(site, context) is Phase.RUNNING

        await eventually(runs)
        first.cancel()  # as abruptly as a process ends
        await asyncio.wait({first})
        assert await phase_of(site, context) is Phase.RUNNING
        executor.steps = (Step.COMPLETED,)
        again = replace(context, attempt=2, results={})
        await run_with(again, opener(executor))  # type: ignore[arg-type]
        assert await phase_of(site, context) is Phase.COMPLETED
        assert len(executor.works) == 1
        assert again.results["stdout"].content == b"this is stdout\n"
        assert again.results["plot.png"].content == b"a plot"


class NeverAnswers(MemoryExecutor):
    """Starts a work, and its answer does not come: whoever asked can only be killed."""

    async def start(self, work: Work) -> str:
        await super().start(work)
        await asyncio.Event().wait()
        raise AssertionError


async def test_what_was_started_by_a_run_that_was_killed_before_the_answer_is_stopped_with_the_session(
    tmp_path: Path,
) -> None:
    executor = NeverAnswers()
    async with serving(tmp_path, executor=executor, tend_every_s=0.05) as site:
        session = (await site.ask())["offers"][0]["meta"]["uuid"]
        await site.set_phase(session, "ACCEPTED")
        await eventually(lambda: session in executor.works)
        await site.set_phase(session, "CANCELLED")
        await eventually(lambda: executor.stopped == {f"memory:{session}"} and "release" in executor.calls)


async def test_a_session_that_was_cancelled_meanwhile_is_not_taken_up(tmp_path: Path) -> None:
    executor = MemoryExecutor(steps=(Step.RUNNING,))
    async with serving(tmp_path, tend_every_s=3600) as site:
        context = await accepted(site)
        run = asyncio.create_task(run_with(context, opener(executor)))  # type: ignore[arg-type]

        async def runs() -> bool:
            return await phase_of(site, context) is Phase.RUNNING

        await eventually(runs)
        session = context.parameters.single("SESSION") or ""
        await SqlKeeper(site.resources.db).change(session, Change(event=Event.CANCEL), _now(site))
        await run
        assert executor.stopped == {f"memory:{session}"}
        assert await phase_of(site, context) is Phase.CANCELLED
        await run_with(context, opener(executor))  # type: ignore[arg-type]
        assert executor.calls.count("start") == 1


async def test_a_job_of_somebody_else_does_not_run_the_session(tmp_path: Path) -> None:
    async with serving(tmp_path, tend_every_s=3600) as site:
        context = replace(await accepted(site), job_id="00000000000000000000000000")
        with pytest.raises(UsageError):
            await run_with(context, opener(MemoryExecutor()))  # type: ignore[arg-type]
        nothing = replace(context, parameters=Parameters([("SESSION", "x")]))
        with pytest.raises(UsageError):
            await run_with(nothing, opener(MemoryExecutor()))  # type: ignore[arg-type]


async def test_data_and_storage_are_mounted_where_the_volumes_say(tmp_path: Path) -> None:
    lake, executor = MemoryLake(), MemoryExecutor()
    lake.add(a_file("a.fits", "paris", content=b"pixels", at=tmp_path / "lake"))
    opened = tmp_path / "open.txt"
    opened.write_bytes(b"notes")
    data = [
        {
            "kind": f"{K}/data/rucio-data-resource.yaml",
            "meta": {"name": "image"},
            "rucio": {"scope": "demo", "object": "a.fits"},
        },
        {"kind": f"{K}/data/simple-data-resource.yaml", "meta": {"name": "notes"}, "location": opened.as_uri()},
    ]
    storage = [{"kind": f"{K}/storage/simple-storage-resource.yaml", "meta": {"name": "scratch"}}]
    volumes = [
        {"kind": f"{K}/volume/simple-volume-mount.yaml", "path": path, "mode": "READWRITE", "resource": name}
        for path, name in (("/data/a.fits", "image"), ("/notes", "notes"), ("/scratch", "scratch"))
    ]
    async with serving(tmp_path, lake=lake, file_roots=(tmp_path,), tend_every_s=3600) as site:
        context = await accepted(site, data=data, storage=storage, compute=compute(volumes=volumes))
        await run_with(context, opener(executor))  # type: ignore[arg-type]
        [work] = executor.works.values()
        image, notes, scratch = work.mounts
        assert (image.path, image.source.read_bytes(), image.writable) == ("/data/a.fits", b"pixels", False)
        assert (notes.path, notes.source.read_bytes(), notes.writable) == ("/notes", b"notes", False)
        assert (scratch.path, scratch.writable) == ("/scratch", True)
        assert scratch.source.is_dir()


async def test_two_urls_that_end_in_one_name_are_two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def save(_self: Outbound, url: str, file: IO[bytes], *, max_bytes: int) -> None:
        file.write(url.encode())

    monkeypatch.setattr(Outbound, "save", save)
    urls = {"one": "https://one.example/image.fits", "two": "https://two.example/image.fits"}
    data = [
        {"kind": f"{K}/data/simple-data-resource.yaml", "meta": {"name": name}, "location": url}
        for name, url in urls.items()
    ]
    volumes = [
        {"kind": f"{K}/volume/simple-volume-mount.yaml", "path": f"/data/{name}", "resource": name} for name in urls
    ]
    executor = MemoryExecutor()
    async with serving(tmp_path, tend_every_s=3600) as site:
        context = await accepted(site, data=data, compute=compute(volumes=volumes))
        await run_with(context, opener(executor))  # type: ignore[arg-type]
    [work] = executor.works.values()
    assert [mount.source.read_text() for mount in work.mounts] == list(urls.values())


class Prolific(MemoryExecutor):
    """Leaves files whose names cannot all be those of results."""

    async def start(self, work: Work) -> str:
        handle = await super().start(work)
        for name in ("result-3", "stdout", "\xfc"):
            (work.folder / "results" / name).write_text(name)
        return handle


async def test_every_file_that_a_work_leaves_is_a_result_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path, tend_every_s=3600) as site:
        context = await accepted(site)
        await run_with(context, opener(Prolific()))  # type: ignore[arg-type]
    assert {"plot.png", "result-3", "stdout", "stderr"} < context.results.keys()
    assert {sink.content for sink in context.results.values()} > {b"result-3", b"stdout", "\xfc".encode()}


async def test_a_file_to_which_a_link_leads_out_of_the_open_directories_is_not_read(tmp_path: Path) -> None:
    roots = tmp_path / "open"
    roots.mkdir()
    (tmp_path / "secret").write_text("s3cret")
    (roots / "link").symlink_to(tmp_path / "secret")
    data = [{"kind": f"{K}/data/simple-data-resource.yaml", "location": (roots / "link").as_uri()}]
    async with serving(tmp_path, file_roots=(roots,), tend_every_s=3600) as site:
        context = await accepted(site, data=data)
        with pytest.raises(ServiceError, match="may not be read"):
            await run_with(context, opener(MemoryExecutor()))  # type: ignore[arg-type]
        assert await phase_of(site, context) is Phase.FAILED
