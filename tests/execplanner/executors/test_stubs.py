"""Executors whose services cannot run here, against stubs of their published APIs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from aiohttp.test_utils import TestServer

from execplanner.executors.binderhub import BinderHubExecutor, BinderHubOptions
from execplanner.executors.contract import ExecutorContract, at_work, settled
from execplanner.executors.dask_gateway import DaskGatewayExecutor, DaskGatewayOptions
from execplanner.executors.dirac import DiracExecutor, DiracOptions
from execplanner.executors.folders import Folder
from execplanner.executors.kubernetes import KubernetesExecutor, KubernetesOptions
from execplanner.executors.reana import ReanaExecutor
from execplanner.executors.remote import RemoteExecutor, RemoteOptions
from execplanner.executors.tes import TesExecutor
from execplanner.ports import Executor, Mount, Step, Work
from penstock.dali.errors import NotFound, ServiceUnavailable, UsageError
from tests.execplanner.executors.stubs import (
    TOKEN,
    Stub,
    StubBinderHub,
    StubDaskGateway,
    StubDirac,
    StubKubernetes,
    StubReana,
    StubTes,
)
from tests.execplanner.executors.works import work
from tests.support.redis import free_port

IMAGE = {"locations": ["registry.example.org/sky:1"], "digest": f"sha256:{64 * 'a'}"}


def container(folder: Path, word: str, **more: Any) -> Work:
    return work(folder, "docker-container", {"image": IMAGE, "command": [word], **more})


@asynccontextmanager
async def served(stub: Stub) -> AsyncIterator[str]:
    async with TestServer(stub.app()) as server:
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


class StubContract(ExecutorContract):
    """The contract, and what holds of every service that is asked over HTTP."""

    stub_type: ClassVar[type[Stub]]
    executor_type: ClassVar[type[RemoteExecutor[Any]]]
    options_type: ClassVar[type[RemoteOptions]] = RemoteOptions
    more: ClassVar[dict[str, Any]] = {}

    def work(self, folder: Path, word: str) -> Work:
        return container(folder, word)

    def opened(self, url: str, token_file: Path | None) -> RemoteExecutor[Any]:
        return self.executor_type(self.options_type(url=url, token_file=token_file, **self.more))

    @pytest.fixture
    def stub(self) -> Stub:
        return self.stub_type()

    @pytest.fixture
    async def executor(self, stub: Stub, token_file: Path) -> AsyncIterator[Executor]:
        async with served(stub) as url:
            if isinstance(stub, StubBinderHub):
                stub.base = url
            yield self.opened(url, token_file)

    def reopened(self, executor: Executor) -> Executor:
        assert isinstance(executor, RemoteExecutor)
        return self.executor_type(executor.options)

    @pytest.fixture
    def brief(self, tmp_path: Path) -> Work:
        return self.work(tmp_path, "hello")

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Work:
        return self.work(tmp_path, "fail")

    @pytest.fixture
    def endless(self, tmp_path: Path) -> Work:
        return self.work(tmp_path, "endless")

    async def test_a_service_that_is_away_is_not_the_works_fault(
        self, executor: Executor, stub: Stub, endless: Work, token_file: Path
    ) -> None:
        handle = await executor.start(endless)
        stub.down = True
        assert "503" in str(await executor.probe())
        with pytest.raises(ServiceUnavailable) as caught:
            await executor.poll(handle)
        assert caught.value.retry_after_s == 7
        assert TOKEN not in caught.value.message
        stub.down = False
        assert not (await executor.poll(handle)).step.ended
        nowhere = self.opened(f"http://127.0.0.1:{free_port()}", token_file)
        assert "does not answer" in str(await nowhere.probe())

    @pytest.mark.parametrize("odd", [{}, [], [1], [{}], "text", 7, {"state": {}, "status": []}])
    async def test_an_odd_answer_is_not_the_works_fault(
        self, executor: Executor, stub: Stub, endless: Work, brief: Work, odd: object
    ) -> None:
        handle = await executor.start(endless)
        stub.odd = odd
        for asking in (
            lambda: executor.poll(handle),
            lambda: executor.logs(handle, "stdout", offset=0, limit=9),
            lambda: executor.start(brief),
            lambda: executor.cancel(handle),
            lambda: executor.release(handle),
        ):
            with suppress(ServiceUnavailable):
                await asking()

    async def test_a_service_that_refuses_our_token_is_not_the_works_fault(
        self, executor: Executor, stub: Stub, endless: Work
    ) -> None:
        assert isinstance(executor, RemoteExecutor)
        stranger = self.opened(executor.options.url, None)
        with pytest.raises(ServiceUnavailable, match="401"):
            handle = await stranger.start(endless)
            await settled(stranger, handle, lambda state: state.step.ended)


class NamedContract(StubContract):
    """Services that know works by what we call them."""

    async def test_a_work_whose_id_was_not_noted_is_found_and_not_started_twice(
        self, executor: Executor, stub: Stub, endless: Work
    ) -> None:
        handle = await executor.start(endless)
        (endless.folder / ".executor" / "remote").unlink()  # as if the process had been killed before it wrote it
        assert (await executor.poll(handle)).step is Step.WAITING
        assert await executor.start(endless) == handle
        assert at_work(await executor.poll(handle))
        assert stub.created == 1

    async def test_a_work_whose_id_was_not_noted_is_stopped(
        self, executor: Executor, stub: Stub, endless: Work
    ) -> None:
        assert isinstance(executor, RemoteExecutor)
        handle = await executor.start(endless)
        folder = Folder(endless.folder)
        remote = orjson.loads((folder.notes / "remote").read_text())
        (folder.notes / "remote").unlink()  # as if the process had been killed before it wrote it
        await executor.cancel(handle)
        try:
            assert (await executor.look(remote, folder)).step.ended
        except NotFound:
            assert isinstance(stub, StubKubernetes)  # where to stop a job is to delete it
        await executor.release(handle)
        assert (await executor.poll(handle)).step is Step.CANCELLED


class TestTes(NamedContract):
    stub_type = StubTes
    executor_type = TesExecutor


class TestKubernetes(NamedContract):
    stub_type = StubKubernetes
    executor_type = KubernetesExecutor
    options_type = KubernetesOptions
    more: ClassVar[dict[str, Any]] = {"namespace": "work"}


class TestReana(NamedContract):
    stub_type = StubReana
    executor_type = ReanaExecutor

    def work(self, folder: Path, word: str) -> Work:
        return work(folder, "reana-workflow", {"specification": {"workflow": {"type": word}}})

    async def test_a_workflow_that_was_made_and_not_started_is_started(
        self, executor: Executor, stub: Stub, endless: Work
    ) -> None:
        assert isinstance(executor, ReanaExecutor)
        await executor.submit(endless)
        folder = Folder(endless.folder)
        folder.make()
        folder.note("meant", orjson.dumps(executor.meant(endless)).decode())
        handle = await executor.start(endless)
        assert (await executor.poll(handle)).step is Step.RUNNING
        assert stub.created == 1


class TestDirac(NamedContract):
    stub_type = StubDirac
    executor_type = DiracExecutor
    options_type = DiracOptions
    prints = False


class TestDaskGateway(StubContract):
    stub_type = StubDaskGateway
    executor_type = DaskGatewayExecutor
    options_type = DaskGatewayOptions
    interactive = True
    prints = False

    def work(self, folder: Path, word: str) -> Work:
        return work(folder, "dask-cluster", {"workers": 2}, cores=4, memory_bytes=2**33)

    async def test_a_cluster_gets_its_workers_and_tells_where_it_is(
        self, executor: Executor, stub: Stub, endless: Work
    ) -> None:
        handle = await executor.start(endless)
        state = await settled(executor, handle, at_work)
        (cluster,) = stub.things.values()
        assert cluster["count"] == 2
        assert cluster["options"] == {"worker_cores": 2, "worker_memory": 4.0}
        assert [each.kind for each in state.connectors] == ["dask-scheduler", "dask-dashboard"]
        cluster["status"] = "FAILED"
        assert (await executor.poll(handle)).step is Step.FAILED


class TestBinderHub(StubContract):
    stub_type = StubBinderHub
    executor_type = BinderHubExecutor
    options_type = BinderHubOptions
    interactive = True
    prints = False

    def work(self, folder: Path, word: str) -> Work:
        location = f"https://github.com/sky/{word}"
        return work(folder, "git-repository", {"location": location, "path": "index.ipynb"})

    async def test_a_service_that_refuses_our_token_is_not_the_works_fault(
        self, executor: Executor, stub: Stub, endless: Work
    ) -> None:
        pytest.skip("a BinderHub without users takes no token")

    async def test_the_events_of_the_build_are_told_until_the_server_is_there(
        self, executor: Executor, stub: Stub, endless: Work
    ) -> None:
        handle = await executor.start(endless)
        told = [await executor.poll(handle) for _ in range(4)]
        assert [each.message for each in told[:3]] == ["It is fetching", "It is building", "It is launching"]
        assert {each.step for each in told[:3]} == {Step.PREPARING}
        assert told[3].step is Step.AVAILABLE
        location = told[3].connectors[0].location
        assert location.endswith("/user/server-1/lab/tree/index.ipynb")
        del stub.things["server-1"]
        assert (await executor.poll(handle)).step is Step.COMPLETED

    async def test_a_build_that_fails_says_why(self, executor: Executor, tmp_path: Path) -> None:
        handle = await executor.start(self.work(tmp_path, "broken"))
        state = await executor.poll(handle)
        assert (state.step, state.message) == (Step.FAILED, "No such reference")

    async def test_a_token_is_in_the_location_only_if_the_operator_says_so(self, stub: Stub, tmp_path: Path) -> None:
        assert isinstance(stub, StubBinderHub)
        async with served(stub) as url:
            stub.base = url
            for secret in (False, True):
                executor = BinderHubExecutor(BinderHubOptions(url=url, token_in_location=secret))
                handle = await executor.start(self.work(tmp_path, f"repository-{secret}"))
                state = await settled(executor, handle, at_work)
                assert (TOKEN in state.connectors[0].location) == secret

    @pytest.mark.parametrize(
        "executable",
        [
            {},
            {"location": "https://github.com/"},
            {"location": "ssh://git@example.org/x"},
            {"location": "https://me:secret@example.org/x"},
            {"location": "https://github.com/a/b", "provider": "nosuch"},
        ],
    )
    async def test_what_is_no_repository_is_refused(
        self, executor: Executor, tmp_path: Path, executable: dict[str, str]
    ) -> None:
        with pytest.raises(UsageError, match="no repository"):
            await executor.prepare(work(tmp_path, "git-repository", executable))

    @pytest.mark.parametrize(
        ("executable", "spec"),
        [
            ({"location": "https://gitlab.com/a/b/c.git", "ref": "v/1"}, "gl/a%2Fb%2Fc/v%2F1"),
            ({"location": "https://git.example.org/a/b.git"}, "git/https%3A%2F%2Fgit.example.org%2Fa%2Fb.git/HEAD"),
            ({"location": "https://github.com/a/b.git", "ref": "main"}, "gh/a/b/main"),
        ],
    )
    async def test_providers_have_their_own_forms(
        self, executor: Executor, stub: Stub, tmp_path: Path, executable: dict[str, str], spec: str
    ) -> None:
        await executor.poll(await executor.start(work(tmp_path, "git-repository", executable)))
        assert spec in stub.things


@pytest.mark.parametrize(
    "command", [["sh", "-c", 'echo "a"; id'], ["printf", "a;b\\n"], ["--privileged", "$(id)", "'"]], ids=str
)
async def test_the_words_of_a_command_reach_dirac_as_they_are(
    tmp_path: Path, token_file: Path, command: list[str]
) -> None:
    import shlex

    stub = StubDirac()
    async with served(stub) as url:
        executor = DiracExecutor(DiracOptions(url=url, token_file=token_file))
        await executor.start(work(tmp_path, "docker-container", {"image": IMAGE, "command": command}))
    (job,) = stub.things.values()
    assert shlex.split(job["jdl"]["Arguments"])[-len(command) :] == command
    assert set(job["jdl"]) >= {"CPUTime", "NumberOfProcessors"}


async def test_kubernetes_says_why_a_pod_waits(tmp_path: Path, token_file: Path) -> None:
    stub = StubKubernetes()
    async with served(stub) as url:
        executor = KubernetesExecutor(KubernetesOptions(url=url, token_file=token_file, namespace="work"))
        handle = await executor.start(container(tmp_path, "endless"))
        (job,) = stub.things.values()
        job["pod"]["status"] = {
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "no node has 9 cpus"}],
        }
        state = await executor.poll(handle)
        assert (state.step, state.message) == (Step.WAITING, "Unschedulable: no node has 9 cpus")
        waiting = {"reason": "ImagePullBackOff"}
        job["pod"]["status"] = {"phase": "Pending", "containerStatuses": [{"state": {"waiting": waiting}}]}
        state = await executor.poll(handle)
        assert (state.step, state.message) == (Step.PREPARING, "ImagePullBackOff")


@pytest.mark.parametrize("change", [{"privileged": True}, {"image": {"locations": ["a b"]}}, {"image": None}])
async def test_containers_that_no_service_should_run_are_refused(
    tmp_path: Path, token_file: Path, change: dict[str, Any]
) -> None:
    stub = StubTes()
    async with served(stub) as url:
        executor = TesExecutor(RemoteOptions(url=url, token_file=token_file))
        with pytest.raises(UsageError):
            await executor.start(container(tmp_path, "hello", **change))
    assert stub.created == 0


async def test_data_that_cannot_be_mounted_is_refused_and_not_left_out(tmp_path: Path) -> None:
    executor = TesExecutor(RemoteOptions(url="http://tes.example.org"))
    given = replace(container(tmp_path, "hello"), mounts=(Mount(path="/data", source=tmp_path),))
    with pytest.raises(UsageError, match="cannot be mounted"):
        await executor.prepare(given)


async def test_an_estimate_tells_how_long_preparing_takes(tmp_path: Path) -> None:
    executor = TesExecutor(RemoteOptions(url="http://tes.example.org", start_s=42))
    now = datetime.now(UTC)
    estimate = await executor.estimate(container(tmp_path, "hello"), earliest=now)
    assert (estimate.start, estimate.preparing_s) == (now, 42)


async def test_a_token_file_that_is_gone_is_not_the_works_fault(tmp_path: Path) -> None:
    executor = TesExecutor(RemoteOptions(url="http://127.0.0.1:1", token_file=tmp_path / "none"))
    with pytest.raises(ServiceUnavailable, match="token"):
        await executor.start(replace(container(tmp_path, "hello")))
