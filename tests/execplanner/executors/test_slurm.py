from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from execplanner.core.kinds import write_kind
from execplanner.executors.contract import ExecutorContract, at_work, settled
from execplanner.executors.folders import Folder
from execplanner.executors.slurm import SlurmExecutor, SlurmOptions
from execplanner.ports import Executor, Step, Work
from penstock.dali.errors import ServiceUnavailable, UsageError
from tests.execplanner.executors.test_process import ENDLESS, FAMILY, HELLO, sleepers
from tests.execplanner.executors.works import notebook_of, program
from tests.execplanner.story import (
    DID,
    FAR,
    Story,
    facility_of,
    location_of,
    metrics_of,
    require_near_first,
    story,
    wait_until,
)
from tests.support.jupyter import jupyter
from tests.support.redis import free_port
from tests.support.slurm import CORES, slurm
from tests.support.systems import ROOT
from tests.uws.job_types.context import require_sandbox
from tests.uws.waiting import eventually

__all__ = ["jupyter"]
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


CODE = """
import os, pathlib, time
with open(os.environ["PENSTOCK_RESULTS"] + "/begun", "a") as begun:
    begun.write("once ")
while not pathlib.Path(os.environ["PENSTOCK_RESULTS"] + "/gate").exists():
    time.sleep(0.1)
print("bytes", pathlib.Path("/data/1/m13.fits").stat().st_size)
"""


@pytest.fixture(scope="module")
def told(configuration: Path, jupyter: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    visible = [str(jupyter), sys.base_prefix]
    programs = {"jupyter_execute": f"{jupyter}/bin/jupyter-execute", "read_only": visible}
    near = {"plugin": "slurm", "options": {**programs, "configuration": str(configuration)}}
    far = {"plugin": "process", "options": programs}
    folder = tmp_path_factory.mktemp("story")
    with story(folder, {"executors": {"batch": near}}, {"executors": {"here": far}}) as running:
        yield running


def test_a_notebook_next_to_its_data_runs_on_slurm_once_though_its_worker_is_killed(told: Story) -> None:
    (told.files / "sky.ipynb").write_bytes(notebook_of(CODE))
    wishes = ("--data", DID, "--memory", "3Gi", "--duration", "20m")
    offer = require_near_first(told.plan(f"{told.files_url}/sky.ipynb", *wishes))
    url, folder, request = offer["meta"]["url"], told.folder_of(offer), {"executable": offer["executable"]}
    assert told.set_phase(url, "ACCEPTED")["phase"] == "ACCEPTED"
    told.follow(url, lambda found: found["phase"] == "RUNNING")
    wait_until((folder / "results" / "begun").exists)
    job = Folder(folder).noted("job")
    assert not told.has_room(request)
    told.kill_workers()
    wait_until(lambda: told.attempt(offer) == 2)
    (folder / "results" / "gate").touch()
    session, seen = told.follow(url, lambda found: found["phase"] == "COMPLETED")
    assert set(seen) <= {"PREPARING", "RUNNING", "RELEASING", "COMPLETED"}
    assert Folder(folder).noted("job") == job
    assert (folder / "results" / "begun").read_text() == "once "
    results = location_of(session, "results")
    executed = json.loads(told.read(f"{results}/notebook.ipynb"))
    assert executed["cells"][0]["outputs"][0]["text"] == [f"bytes {metrics_of(offer)['bytes-local']:.0f}\n"]
    assert "Traceback" not in told.read(location_of(session, "stderr"))
    wait_until(lambda: told.has_room(request))  # what Slurm estimated is believed for some seconds


def test_a_process_whose_worker_is_killed_goes_on_in_a_session_that_can_be_cancelled(told: Story) -> None:
    mark = f"94{os.getpid()}"
    (told.files / "restless.py").write_text(FAMILY)
    kind = {"kind": write_kind("executable", "python-program"), "location": f"{told.files_url}/restless.py"}
    request = {"executable": {**kind, "arguments": [mark]}}
    offer = next(one for one in told.ask(request)["offers"] if facility_of(one) == FAR)
    url = offer["meta"]["url"]
    told.set_phase(url, "ACCEPTED")
    told.follow(url, lambda found: found["phase"] == "RUNNING")
    wait_until(lambda: len(sleepers(mark)) == 2)
    told.kill_workers()
    wait_until(lambda: told.attempt(offer) == 2)
    told.follow(url, lambda found: found["phase"] == "RUNNING")
    wait_until(lambda: len(sleepers(mark)) == 2)
    assert told.set_phase(url, "CANCELLED")["phase"] == "CANCELLED"
    wait_until(lambda: sleepers(mark) == [])
