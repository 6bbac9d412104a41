from __future__ import annotations

import os
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
import pytest

from execplanner.executors.contract import ExecutorContract, at_work, settled
from execplanner.executors.podman import PodmanExecutor, PodmanOptions
from execplanner.ports import Executor, Mount, Step, Work
from penstock.dali.errors import UsageError
from tests.execplanner.executors.works import work
from tests.support.podman import NAME, Podman, podman
from tests.support.processes import alive
from tests.support.systems import ROOT
from tests.uws.waiting import eventually

STARTER = """
import asyncio, sys
from pathlib import Path
import orjson
from execplanner.executors.podman import PodmanExecutor, PodmanOptions
from tests.execplanner.executors.works import work

async def main():
    executor = PodmanExecutor(PodmanOptions.read(orjson.loads(sys.argv[1])))
    mine = work(Path(sys.argv[2]), "docker-container", orjson.loads(sys.argv[3]))
    print(await executor.start(mine), flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    with podman(tmp_path_factory.mktemp("podman") / "own") as running:
        yield running
        assert running.containers() == []


def options(system: Podman, **more: Any) -> dict[str, Any]:
    return {"command": list(system.command), "create": list(system.create), "stop_s": 1, **more}


@pytest.fixture
def executor(system: Podman) -> Executor:
    return PodmanExecutor(PodmanOptions.read(options(system)))


class Boxes:
    """Makes works that run a line of shell in the image."""

    def __init__(self, system: Podman, folder: Path) -> None:
        self.image = {"locations": [f"{NAME}:1"], "digest": system.digest}
        self.folder = folder

    def executable(self, line: str, **more: Any) -> dict[str, Any]:
        return {"image": self.image, "command": ["/bin/sh", "-c", line]} | more

    def work(self, line: str, mounts: tuple[Mount, ...] = (), memory_bytes: int = 2**28, **more: Any) -> Work:
        executable = self.executable(line, **more)
        return work(self.folder, "docker-container", executable, mounts=mounts, memory_bytes=memory_bytes)


@pytest.fixture
def boxes(system: Podman, tmp_path: Path) -> Boxes:
    return Boxes(system, tmp_path)


class TestPodman(ExecutorContract):
    @pytest.fixture
    def brief(self, boxes: Boxes) -> Work:
        return boxes.work("echo hello")

    @pytest.fixture
    def broken(self, boxes: Boxes) -> Work:
        return boxes.work("exit 3")

    @pytest.fixture
    def endless(self, boxes: Boxes) -> Work:
        return boxes.work("sleep 3600")

    def reopened(self, executor: Executor) -> Executor:
        assert isinstance(executor, PodmanExecutor)
        return PodmanExecutor(executor._options)


async def test_results_logs_and_the_exit_code_outlive_the_container(
    executor: Executor, boxes: Boxes, system: Podman
) -> None:
    given = boxes.work("echo 42 > $PENSTOCK_RESULTS/out; echo out; echo $WORD >&2; exit 3", environment={"WORD": "err"})
    handle = await executor.start(given)
    assert (await settled(executor, handle, lambda state: state.step.ended)).exit_code == 3
    assert await executor.logs(handle, "stderr", offset=0, limit=100) == b"err\n"
    await executor.release(handle)
    assert system.containers() == []
    state = await executor.poll(handle)
    assert (state.step, state.exit_code) == (Step.FAILED, 3)
    assert await executor.logs(handle, "stdout", offset=0, limit=100) == b"out\n"
    assert (given.folder / "results" / "out").read_text() == "42\n"
    assert await executor.start(given) == handle
    assert system.containers() == []


async def test_limits_hold_and_there_is_no_network(executor: Executor, boxes: Boxes) -> None:
    handle = await executor.start(boxes.work("cat /proc/self/status /proc/net/dev"))
    await settled(executor, handle, lambda state: state.step.ended)
    printed = (await executor.logs(handle, "stdout", offset=0, limit=10_000)).decode()
    assert "CapEff:\t0000000000000000" in printed
    assert "NoNewPrivs:\t1" in printed
    assert "eth0" not in printed
    assert "tap0" not in printed
    await executor.release(handle)


async def test_too_much_memory_is_the_end(executor: Executor, boxes: Boxes) -> None:
    handle = await executor.start(boxes.work("x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done", memory_bytes=2**25))
    state = await settled(executor, handle, lambda state: state.step.ended)
    assert state.step is Step.FAILED
    await executor.release(handle)


async def test_a_port_is_a_connector_that_answers(system: Podman, boxes: Boxes) -> None:
    own = options(system, network="slirp4netns:port_handler=slirp4netns")
    executor = PodmanExecutor(PodmanOptions.read(own))
    port = {"access": True, "internal": {"port": 8000}, "protocol": "HTTP"}
    line = "echo hello > /www/index.html; httpd -f -p 8000 -h /www"
    handle = await executor.start(boxes.work(line, network={"ports": [port]}))
    state = await settled(executor, handle, at_work)
    assert state.step is Step.AVAILABLE
    (connector,) = state.connectors
    assert connector.protocol == "HTTP"
    async with aiohttp.ClientSession() as session:

        async def answers() -> bool:
            try:
                async with session.get(connector.location) as response:
                    return await response.text() == "hello\n"
            except aiohttp.ClientError:
                return False

        await eventually(answers)
    await executor.release(handle)


async def test_a_container_is_stopped_whole_after_its_starter_was_killed(
    executor: Executor, system: Podman, boxes: Boxes, tmp_path: Path
) -> None:
    mark = f"92{os.getpid()}"
    executable = boxes.executable(f"setsid sleep {mark} & sleep {mark}")
    arguments = (orjson.dumps(options(system)).decode(), str(tmp_path), orjson.dumps(executable).decode())
    starter = await create_subprocess_exec(sys.executable, "-c", STARTER, *arguments, stdout=PIPE, cwd=ROOT)
    assert starter.stdout is not None
    handle = (await starter.stdout.readline()).decode().strip()
    assert handle
    await eventually(lambda: len(_sleepers(mark)) == 2)
    starter.send_signal(signal.SIGKILL)
    await starter.wait()
    assert (await executor.poll(handle)).step is Step.RUNNING
    await executor.cancel(handle)
    assert (await executor.poll(handle)).step is Step.CANCELLED
    assert _sleepers(mark) == []
    await executor.release(handle)


async def test_a_container_whose_monitor_was_killed_is_not_taken_for_running_and_can_begin_once_more(
    executor: Executor, boxes: Boxes, tmp_path: Path
) -> None:
    assert isinstance(executor, PodmanExecutor)
    line = "echo begun; test -e /data/begun || { touch /data/begun; sleep 3600; }"
    given = boxes.work(line, mounts=(Mount(path="/data", source=tmp_path, writable=True),))
    handle = await executor.start(given)
    await eventually((tmp_path / "begun").exists)
    found = await executor._inspect(f"penstock-{given.session_id}")
    assert found is not None
    for name in ("ConmonPid", "Pid"):
        os.kill(found["State"][name], signal.SIGKILL)
    state = await settled(executor, handle, lambda state: state.step.ended)
    assert (state.step, state.exit_code) == (Step.FAILED, None)
    assert await PodmanExecutor(executor._options).start(given) == handle
    assert (await settled(executor, handle, lambda state: state.step.ended)).step is Step.COMPLETED
    assert await executor.logs(handle, "stdout", offset=0, limit=100) == b"begun\n"
    await executor.release(handle)


async def test_a_container_whose_monitor_was_killed_can_be_released_and_has_failed(
    executor: Executor, boxes: Boxes, system: Podman
) -> None:
    assert isinstance(executor, PodmanExecutor)
    given = boxes.work("sleep 3600")
    handle = await executor.start(given)
    found = await executor._inspect(f"penstock-{given.session_id}")
    assert found is not None
    os.kill(found["State"]["ConmonPid"], signal.SIGKILL)
    await settled(executor, handle, lambda state: state.step.ended)
    await executor.release(handle)
    assert system.containers() == []
    assert (await executor.poll(handle)).step is Step.FAILED
    await eventually(lambda: not alive(found["State"]["Pid"]))


def _sleepers(mark: str) -> list[int]:
    found = psutil.process_iter(["cmdline", "status"])
    return [each.pid for each in found if (each.info["cmdline"] or ())[-2:] == ["sleep", mark]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"image": {}}, "no location"),
        ({"image": {"locations": ["--privileged"]}}, "no name of an image"),
        ({"image": {"locations": ["docker.io/a b"]}}, "no name of an image"),
        ({"image": {"locations": [f"{NAME}:1"], "digest": "sha256:1"}}, "64 hexadecimal"),
        ({"image": {"locations": [f"{NAME}:1"], "digest": f"sha256:{64 * '0'}"}}, "not on this host"),
        ({"image": {"locations": ["localhost/penstock/nosuch:1"]}}, "not on this host"),
        ({"privileged": True}, "never privileged"),
        ({"network": {"ports": [{"access": True, "internal": {"port": 80}}]}}, "no network"),
        ({"network": {"ports": [{"access": True, "internal": {"port": 0}}]}}, "no port"),
        ({"environment": {"A*": "1"}}, "variable"),
        ({"network": {"ports": [1]}}, "not a list of ports"),
        ({"command": "sh"}, "list of texts"),
    ],
)
async def test_what_policy_or_sense_forbid_is_refused(
    executor: Executor, boxes: Boxes, system: Podman, change: dict[str, Any], why: str
) -> None:
    given = boxes.work("echo hello", **change)
    with pytest.raises(UsageError, match=why):
        await executor.prepare(given)
        await executor.start(given)
    assert system.containers() == []


async def test_a_mount_cannot_carry_options(executor: Executor, boxes: Boxes, tmp_path: Path) -> None:
    for mount in (Mount(path="/a,readonly=false", source=tmp_path), Mount(path="/proc", source=tmp_path)):
        with pytest.raises(UsageError):
            await executor.start(boxes.work("true", mounts=(mount,)))
