"""The zygote by itself: which process runs an attempt."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.systems import ROOT
from uws.ports import Dispatch
from uws.worker.place import OpenRun, Place, RunAttempt, WarmedUp
from uws.worker.processes import children

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="processes are used once where there is no /proc"
)


def preload(payload: str, _desk: str) -> OpenRun:
    """Return what runs an attempt: it notes its process, and does what the id of its job says."""

    opened: list[int] = []

    async def run(dispatch: Dispatch, warmed_up: WarmedUp) -> None:
        _note(Path(payload), f"{dispatch.job_id} {os.getpid()} {os.getsid(0)}\n")
        warm, _, name = dispatch.job_id.rstrip("0123456789").rpartition("-")
        if warm:
            opened[:] = opened or [os.open(os.devnull, os.O_RDONLY)]
            await asyncio.to_thread(time.sleep, 0)  # its thread is not what stays
            await warmed_up()
        if name == "wait":
            await asyncio.sleep(600)
        DEEDS[name]()

    @asynccontextmanager
    async def open_run() -> AsyncIterator[RunAttempt]:
        _note(Path(payload), "opened\n")
        yield run
        while opened:
            os.close(opened.pop())

    return open_run


def _note(path: Path, line: str) -> None:
    with path.open("a") as notes:
        notes.write(line)


def _leave_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def _leave_a_child() -> None:
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)


def _fail() -> None:
    raise RuntimeError("on purpose")


def _hang() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


async def _end_the_process_soon() -> None:
    await asyncio.sleep(0)
    os.abort()


TASKS: list[asyncio.Task[None]] = []
DEEDS: dict[str, Callable[[], object]] = {
    "clean": lambda: None,
    "thread": _leave_a_thread,
    "child": _leave_a_child,
    "file": lambda: os.open(os.devnull, os.O_RDONLY),
    "directory": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(LEFT="1"),
    "fail": _fail,
    "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": _hang,
    "task": lambda: TASKS.append(asyncio.get_running_loop().create_task(_end_the_process_soon())),
    "pool": lambda: asyncio.get_running_loop().run_in_executor(None, time.sleep, 0),
    "orphan": lambda: subprocess.run(["setsid", "--fork", "true"], check=True),
}


class Running:
    """A zygote that runs."""

    def __init__(self, process: subprocess.Popen[str], notes: Path) -> None:
        self.process = process
        self._notes = notes

    def tell(self, **command: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def start(self, job_id: str, *, light: bool = False) -> None:
        self.tell(start=[job_id, 1], light=light)

    def run(self, job_id: str, *, light: bool = False) -> tuple[int, int]:
        """Run an attempt to its end; return the status and its process."""
        self.start(job_id, light=light)
        name, _, status = self.answer()["ended"]
        assert name == job_id
        return status, self.process_of(job_id)

    def begun(self, job_id: str) -> None:
        """Wait until an attempt has begun."""
        while f"{job_id} " not in self._notes.read_text():
            time.sleep(0.01)

    def process_of(self, job_id: str) -> int:
        """Return the process that ran an attempt, which led a session of its own."""
        notes = [line.split() for line in self._notes.read_text().splitlines()]
        [(pid, session)] = [note[1:] for note in notes if note[0] == job_id]
        assert pid == session
        return int(pid)

    @property
    def openings(self) -> int:
        """How often what runs attempts was opened."""
        return self._notes.read_text().splitlines().count("opened")


@contextmanager
def zygote(folder: Path, attempts: int = 100) -> Iterator[Running]:
    """Run a zygote."""
    notes = folder / "notes"
    process = subprocess.Popen(
        [sys.executable, "-m", "uws.worker.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with process:
        running = Running(process, notes)
        running.tell(preload=f"{__name__}:preload", payload=str(notes), desk="", kill_after_s=0.2, attempts=attempts)
        assert running.answer() == {"ready": True}
        yield running
        running.tell(close=0)
        assert process.wait(30) == 0


def test_a_process_that_was_left_clean_runs_the_next_attempt(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        assert len({running.run(f"clean{number}") for number in range(5)}) == 1


def test_a_process_runs_no_more_attempts_than_it_may(tmp_path: Path) -> None:
    with zygote(tmp_path, attempts=2) as running:
        pids = [running.run(f"clean{number}")[1] for number in range(6)]
    assert pids[0::2] == pids[1::2]
    assert len(set(pids)) == 3


@pytest.mark.parametrize("deed", ["thread", "child", "file", "directory", "environment", "fail", "die"])
def test_a_process_in_which_anything_is_left_runs_no_other_attempt(tmp_path: Path, deed: str) -> None:
    with zygote(tmp_path) as running:
        status, first = running.run(f"{deed}1")
        assert bool(status) == (deed in {"fail", "die"})
        assert running.run("clean1")[1] != first
        assert not Path(f"/proc/{first}").exists()


def test_what_is_opened_before_an_attempt_stays_open_for_the_next(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        assert len({running.run(f"warm-{deed}{n}") for n in range(3) for deed in ("clean", "task", "pool")}) == 1
        assert running.openings == 1


def test_what_stayed_open_is_closed_after_an_attempt_of_another_kind(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        assert len({running.run(name) for name in ("warm-clean1", "clean1", "warm-clean2", "warm-clean3")}) == 1
        assert running.openings == 2


def test_nothing_else_may_be_left_where_something_stays_open(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        for number, deed in enumerate(("thread", "child", "file", "directory", "environment", "fail", "die")):
            first = running.run(f"warm-clean{number}")[1]
            assert running.run(f"warm-{deed}1")[1] == first
            assert not Path(f"/proc/{first}").exists()


def test_what_is_open_is_closed_when_no_attempt_comes() -> None:
    closed = threading.Event()

    async def run(_dispatch: Dispatch, warmed_up: WarmedUp) -> None:
        await warmed_up()

    @asynccontextmanager
    async def open_run() -> AsyncIterator[RunAttempt]:
        yield run
        closed.set()

    link, other = socket.socketpair()
    with link, other, closing(Place(open_run, open_for_s=0)) as place:
        assert place.run(Dispatch(job_id="clean1", attempt=1)) == 0
        place.await_order(link)
        assert closed.is_set()


def test_attempts_at_the_same_time_have_processes_of_their_own(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        _, spare = running.run("clean1")
        for number in range(3):
            running.start(f"clean2{number}")
        assert {running.answer()["ended"][0] for _ in range(3)} == {"clean20", "clean21", "clean22"}
        assert running.process_of("clean20") == spare


def test_an_attempt_in_a_used_process_is_killed_like_any_other(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        _, spare = running.run("clean1")
        running.start("hang1")
        running.tell(stop="hang1")
        assert running.answer()["ended"][:2] == ["hang1", 1]
        assert running.run("clean2")[1] != spare
        assert not Path(f"/proc/{spare}").exists()


def test_a_waiting_process_that_is_killed_harms_nobody(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        _, spare = running.run("clean1")
        os.kill(spare, signal.SIGKILL)
        while Path(f"/proc/{spare}").exists():
            time.sleep(0.01)
        status, successor = running.run("clean2")
        assert status == 0
        assert successor != spare


def test_light_attempts_share_a_process_and_each_is_stopped_alone(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        running.start("wait1", light=True)
        running.start("wait2", light=True)
        _, shared = running.run("clean1", light=True)
        running.tell(stop="wait1")
        assert running.answer()["ended"][0] == "wait1"
        status, failing = running.run("fail1", light=True)
        assert status
        assert {failing, running.process_of("wait1"), running.process_of("wait2")} == {shared}
        assert running.run("clean2")[1] != shared


def test_dead_processes_that_light_attempts_have_left_are_buried(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        _, shared = running.run("orphan1", light=True)
        number = 0
        while children(shared):
            number += 1
            assert running.run(f"clean{number}", light=True)[1] == shared


def test_a_light_attempt_that_does_not_stop_is_killed_with_its_process(tmp_path: Path) -> None:
    with zygote(tmp_path) as running:
        running.start("wait1", light=True)
        _, shared = running.run("clean1", light=True)
        running.start("hang1", light=True)
        running.begun("hang1")
        running.tell(stop="hang1")
        ended = [running.answer()["ended"] for _ in range(2)]
        assert {(name, status) for name, _, status in ended} == {("wait1", -9), ("hang1", -9)}
        assert running.run("clean2", light=True)[1] != shared


def test_a_process_takes_no_more_light_attempts_than_it_may_and_ends_after_them(tmp_path: Path) -> None:
    with zygote(tmp_path, attempts=2) as running:
        running.start("wait1", light=True)
        _, first = running.run("clean1", light=True)
        assert running.run("clean2", light=True)[1] != first
        running.tell(stop="wait1")
        assert running.answer()["ended"][0] == "wait1"
        while Path(f"/proc/{first}").exists():
            time.sleep(0.01)
