from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from execplanner.executors.contract import ExecutorContract, at_work, settled
from execplanner.executors.folders import Folder
from execplanner.executors.slurm import SlurmExecutor, SlurmOptions
from execplanner.ports import Executor, Step, Work
from penstock.dali.errors import ServiceUnavailable, UsageError
from tests.execplanner.executors.test_process import ENDLESS, FAMILY, HELLO, sleepers
from tests.execplanner.executors.works import program
from tests.support.redis import free_port
from tests.support.slurm import CORES, slurm
from tests.support.systems import ROOT
from tests.uws.job_types.context import require_sandbox
from tests.uws.waiting import eventually

STARTER = """
import asyncio, sys
from pathlib import Path
from execplanner.executors.slurm import SlurmExecutor, SlurmOptions
from tests.execplanner.executors.works import program

async def main():
    executor = SlurmExecutor(SlurmOptions(configuration=Path(sys.argv[1])))
    print(await executor.start(program(Path(sys.argv[2]), sys.argv[3], sys.argv[4])), flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    require_sandbox()
    with slurm(tmp_path_factory.mktemp("slurm") / "own") as path:
        yield path


@pytest.fixture
def executor(configuration: Path) -> Executor:
    return SlurmExecutor(SlurmOptions(configuration=configuration))


class TestSlurm(ExecutorContract):
    @pytest.fixture
    def brief(self, tmp_path: Path) -> Work:
        return program(tmp_path, HELLO)

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Work:
        return program(tmp_path, "raise SystemExit('no luck')")

    @pytest.fixture
    def endless(self, tmp_path: Path) -> Work:
        return program(tmp_path, ENDLESS)

    def reopened(self, executor: Executor) -> Executor:
        assert isinstance(executor, SlurmExecutor)
        return SlurmExecutor(executor._options)


async def test_a_full_cluster_moves_the_estimated_start_and_says_why_a_work_waits(
    executor: Executor, tmp_path: Path
) -> None:
    first = program(tmp_path, ENDLESS, cores=CORES, duration_s=1200)
    handle = await executor.start(first)
    await settled(executor, handle, at_work)
    second = program(tmp_path, HELLO, cores=CORES)
    now = datetime.now(UTC)
    estimate = await executor.estimate(second, earliest=now)
    assert timedelta(minutes=15) < estimate.start - now < timedelta(minutes=25)
    waiting = await executor.start(second)
    await settled(executor, waiting, lambda state: state.message in ("Resources", "Priority"))
    assert (await executor.poll(waiting)).step is Step.WAITING
    await executor.release(handle)
    assert (await settled(executor, waiting, lambda state: state.step.ended)).step is Step.COMPLETED
    await executor.release(waiting)


@pytest.mark.parametrize("ask", [{"cores": 1000}, {"memory_bytes": 2**50}, {"duration_s": 10**6}, {"gpus": 1}])
async def test_what_the_cluster_does_not_have_is_refused(
    executor: Executor, tmp_path: Path, ask: dict[str, int]
) -> None:
    work = replace(program(tmp_path, HELLO), **ask)
    with pytest.raises(UsageError, match="Slurm does not take the work"):
        await executor.estimate(work, earliest=datetime.now(UTC))


async def test_results_logs_and_the_sandbox_are_those_of_a_process(executor: Executor, tmp_path: Path) -> None:
    text = (
        "import os, pathlib\n"
        "open(os.environ['PENSTOCK_RESULTS'] + '/out', 'w').write(os.environ['WORD'])\n"
        "print(pathlib.Path('/etc/passwd').exists(), 'SLURM_JOB_ID' in os.environ)"
    )
    work = program(tmp_path, text, executable={"environment": {"WORD": "42; $(id)"}})
    handle = await executor.start(work)
    assert (await settled(executor, handle, lambda state: state.step.ended)).step is Step.COMPLETED
    await executor.release(handle)
    assert (work.folder / "results" / "out").read_text() == "42; $(id)"
    assert await executor.logs(handle, "stdout", offset=0, limit=100) == b"False False\n"
    assert not any("42; $(id)" in path.read_text() for path in (work.folder / ".executor").iterdir())


async def test_many_starts_at_once_submit_one_job(executor: SlurmExecutor, tmp_path: Path) -> None:
    work = program(tmp_path, ENDLESS)
    await asyncio.gather(*(SlurmExecutor(executor._options).start(work) for _ in range(5)))
    jobs = await executor._demand("squeue", "--noheader", "--format=%i", f"--name=penstock-{work.session_id}")
    assert len(jobs.split()) == 1
    await executor.release(str(work.folder))


async def test_a_job_that_was_submitted_and_not_noted_is_found_by_its_name(executor: Executor, tmp_path: Path) -> None:
    blocker = program(tmp_path, ENDLESS, cores=CORES)
    blocking = await executor.start(blocker)
    work = program(tmp_path, ENDLESS, cores=CORES)
    handle = await executor.start(work)
    job = Folder(work.folder).noted("job")
    (work.folder / ".executor" / "job").unlink()  # as if the starter had been killed in between
    assert await executor.start(work) == handle
    assert Folder(work.folder).noted("job") is None
    assert await executor._job(Folder(work.folder)) == job  # type: ignore[attr-defined]
    await executor.release(handle)
    await executor.release(blocking)


async def test_a_killed_starter_leaves_a_job_that_the_next_one_cancels_whole(
    executor: Executor, configuration: Path, tmp_path: Path
) -> None:
    mark = f"93{os.getpid()}"
    arguments = (str(configuration), str(tmp_path), FAMILY, mark)
    starter = await create_subprocess_exec(sys.executable, "-c", STARTER, *arguments, stdout=PIPE, cwd=ROOT)
    assert starter.stdout is not None
    handle = (await starter.stdout.readline()).decode().strip()
    assert handle
    await eventually(lambda: len(sleepers(mark)) == 2)
    starter.send_signal(signal.SIGKILL)
    await starter.wait()
    assert (await executor.poll(handle)).step is Step.RUNNING
    await executor.cancel(handle)
    assert (await settled(executor, handle, lambda state: state.step.ended)).step is Step.CANCELLED
    await eventually(lambda: sleepers(mark) == [])
    await executor.release(handle)


async def test_a_cluster_that_is_away_is_not_the_works_fault(tmp_path: Path) -> None:
    away = tmp_path / "slurm.conf"
    away.write_text(f"ClusterName=x\nSlurmctldHost=localhost\nSlurmctldPort={free_port()}\nMessageTimeout=2\n")
    executor = SlurmExecutor(SlurmOptions(configuration=away))
    assert await executor.probe() is not None
    with pytest.raises(ServiceUnavailable):
        await executor.start(program(tmp_path, HELLO))
