from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from execplanner.executors.contract import ExecutorContract, at_work, settled
from execplanner.executors.process import ProcessExecutor
from execplanner.executors.programs import Programs
from execplanner.ports import Executor, Mount, Step, Work
from penstock.dali.errors import UsageError
from penstock.settings import load_settings
from tests.execplanner.executors.works import program
from tests.support.systems import ROOT
from tests.uws.job_types.context import require_sandbox
from tests.uws.waiting import eventually

HELLO = "print('hello')"
ENDLESS = "import time\nwhile True: time.sleep(1)"
FAMILY = """
import os, subprocess, sys, time
subprocess.Popen(["setsid", "sleep", sys.argv[1]])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", sys.argv[1]])
time.sleep(3600)
"""
STARTER = """
import asyncio, os, sys
from pathlib import Path
from execplanner.executors.process import ProcessExecutor
from execplanner.executors.programs import Programs
from tests.execplanner.executors.works import program

async def main():
    work = program(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    print(await ProcessExecutor(Programs()).start(work), flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.fixture(autouse=True)
async def sandbox(tmp_path: Path) -> AsyncIterator[None]:
    require_sandbox()
    yield
    for folder in sorted(tmp_path.glob("*/.executor")):  # noqa: ASYNC240  # also of a test that failed
        await ProcessExecutor(Programs()).release(str(folder.parent))


@pytest.fixture
def executor() -> Executor:
    return ProcessExecutor(Programs())


class TestProcess(ExecutorContract):
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
        del executor
        return ProcessExecutor(Programs())


async def _ended(executor: Executor, work: Work) -> Step:
    handle = await executor.start(work)
    state = await settled(executor, handle, lambda state: state.step.ended)
    await executor.release(handle)
    return state.step


async def test_results_and_both_streams_stay_in_the_folder(executor: Executor, tmp_path: Path) -> None:
    text = (
        "import os, sys\nopen(os.environ['PENSTOCK_RESULTS'] + '/out', 'w').write('42')\nprint('no', file=sys.stderr)"
    )
    work = program(tmp_path, text)
    assert await _ended(executor, work) is Step.COMPLETED
    assert (work.folder / "results" / "out").read_text() == "42"
    assert await executor.logs(str(work.folder), "stderr", offset=0, limit=100) == b"no\n"


async def test_mounts_are_seen_and_written_as_agreed(executor: Executor, tmp_path: Path) -> None:
    kept, shown = tmp_path / "kept", tmp_path / "shown"
    kept.mkdir()
    shown.mkdir()
    text = "open('/data/kept/x', 'w').write('1')\ntry: open('/data/shown/x', 'w')\nexcept OSError: print('read-only')"
    mounts = (Mount(path="/data/kept", source=kept, writable=True), Mount(path="/data/shown", source=shown))
    work = program(tmp_path, text, mounts=mounts)
    assert await _ended(executor, work) is Step.COMPLETED
    assert (kept / "x").read_text() == "1"
    assert (work.folder / "stdout").read_text() == "read-only\n"


async def test_the_environment_is_the_works_own_and_in_no_command_line(executor: Executor, tmp_path: Path) -> None:
    text = "import os, time\nprint(sorted(os.environ), os.environ['SECRET'], flush=True)\ntime.sleep(3600)"
    work = program(tmp_path, text, executable={"environment": {"SECRET": "d1n0saur"}})
    handle = await executor.start(work)
    await eventually(lambda: "d1n0saur" in (work.folder / "stdout").read_text())
    assert "PENSTOCK_RESULTS" in (work.folder / "stdout").read_text()
    assert "PYTEST_CURRENT_TEST" not in (work.folder / "stdout").read_text()
    shown = [" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])]
    assert not any("d1n0saur" in line for line in shown)
    await executor.release(handle)
    assert not any("d1n0saur" in path.read_text() for path in (work.folder / ".executor").iterdir())


async def test_time_that_is_up_ends_the_work(executor: Executor, tmp_path: Path) -> None:
    work = program(tmp_path, ENDLESS, duration_s=0.5)
    handle = await executor.start(work)
    state = await settled(executor, handle, lambda state: state.step.ended)
    assert state.step is Step.FAILED
    assert state.message == "Its time is up."
    assert await executor.start(work) == handle
    assert (await executor.poll(handle)).step is Step.FAILED


async def test_a_work_that_was_killed_from_outside_fails_and_begins_once_more_when_it_is_started_again(
    executor: Executor, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    duration_s = 600 + os.getpid() / 1000  # by which the processes around this very work are known
    text = (
        "import os, pathlib, time\n"
        "again = pathlib.Path('/data/begun').exists()\n"
        "pathlib.Path('/data/begun').touch()\n"
        "pathlib.Path(os.environ['PENSTOCK_RESULTS'], str(again)).touch()\n"
        "print('begun', flush=True)\n"
        "while not again: time.sleep(1)\n"
    )
    work = program(tmp_path, text, mounts=(Mount(path="/data", source=kept, writable=True),), duration_s=duration_s)
    handle = await executor.start(work)
    await eventually(lambda: (work.folder / "stdout").read_text() == "begun\n")
    lines = {each: each.info["cmdline"] or () for each in psutil.process_iter(["cmdline"])}
    (around,) = (each for each, line in lines.items() if f"{duration_s:.3f}" in line)
    around.kill()
    state = await settled(executor, handle, lambda state: state.step.ended)
    assert (state.step, state.exit_code) == (Step.FAILED, None)
    assert await executor.start(work) == handle
    state = await settled(executor, handle, lambda state: state.step.ended)
    assert state.step is Step.COMPLETED
    assert [path.name for path in (work.folder / "results").iterdir()] == ["True"]
    assert (work.folder / "stdout").read_text() == "begun\n"


async def test_many_starts_at_once_start_one_process(executor: Executor, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    text = "import uuid\nopen(f'/data/{uuid.uuid4()}', 'w')"
    work = program(tmp_path, text, mounts=(Mount(path="/data", source=kept, writable=True),))
    handles = await asyncio.gather(*(ProcessExecutor(Programs()).start(work) for _ in range(10)))
    assert len(set(handles)) == 1
    await settled(executor, handles[0], lambda state: state.step.ended)
    assert len(list(kept.iterdir())) == 1


async def test_a_killed_starter_leaves_a_work_that_the_next_one_cancels_whole(
    executor: Executor, tmp_path: Path
) -> None:
    mark = f"91{os.getpid()}"
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTER, str(tmp_path), FAMILY, mark, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert starter.stdout is not None
    handle = (await starter.stdout.readline()).decode().strip()
    assert handle
    await settled(executor, handle, at_work)
    await eventually(lambda: len(sleepers(mark)) == 2)
    starter.send_signal(signal.SIGKILL)
    await starter.wait()
    assert (await executor.poll(handle)).step is Step.RUNNING
    await executor.cancel(handle)
    assert (await executor.poll(handle)).step is Step.CANCELLED
    assert sleepers(mark) == []


def sleepers(mark: str) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["cmdline"] == ["sleep", mark] and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


async def test_looking_at_a_work_while_it_is_cancelled_harms_nobody(executor: Executor, tmp_path: Path) -> None:
    work = program(tmp_path, ENDLESS)
    handle = await executor.start(work)
    await settled(executor, handle, at_work)
    looks = [asyncio.create_task(executor.poll(handle)) for _ in range(50)]
    await executor.cancel(handle)
    steps = {(await look).step for look in looks}
    assert steps <= {Step.RUNNING, Step.CANCELLED}
    assert (await executor.poll(handle)).step is Step.CANCELLED


@pytest.mark.parametrize("path", ["relative", "/", "/usr/lib", "/etc", "/data/../etc", "/work", "/a\nb"])
async def test_a_mount_that_hides_the_system_is_refused(executor: Executor, tmp_path: Path, path: str) -> None:
    work = program(tmp_path, HELLO, mounts=(Mount(path=path, source=tmp_path),))
    with pytest.raises(UsageError, match="no path for a mount"):
        await executor.start(work)


@pytest.mark.parametrize(
    "executable",
    [
        {"location": "/code/none.py"},
        {"location": "/code/../../etc/passwd"},
        {"location": "/etc/passwd"},
        {"location": 3},
        {"location": "http://127.0.0.1:9/program.py"},
        {"location": "file:///etc/passwd"},
        {"environment": {"A B": "1"}},
        {"environment": {"A": "1\n2"}},
        {"environment": [1]},
        {"arguments": "x"},
        {"arguments": ["\0"]},
        {"arguments": [{}]},
    ],
)
async def test_what_cannot_be_run_is_the_works_own_fault(
    executor: Executor, tmp_path: Path, executable: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        await executor.start(program(tmp_path, HELLO, executable=executable))


@pytest.mark.parametrize(("own", "allowed"), [({}, True), ({"allow_private_addresses": False}, False)])
def test_private_addresses_may_be_fetched_from_where_the_deployment_allows_it_unless_the_options_do_not(
    own: dict[str, bool], allowed: bool
) -> None:
    settings = load_settings({}, allow_private_addresses=True)
    assert Programs.read_in(settings, own).allow_private_addresses is allowed


async def test_a_program_that_the_work_replaced_by_a_link_is_not_read_as_a_log(
    executor: Executor, tmp_path: Path
) -> None:
    work = program(tmp_path, HELLO)
    (work.folder / "stdout").symlink_to("/etc/passwd")
    assert await executor.logs(str(work.folder), "stdout", offset=0, limit=100) == b""
