"""From `start` to a work that runs, and from `cancel` to one that is stopped, with every executor that runs for real.

``python -m bench facilities [--quick]``. The floor is the bare command of each without Penstock: what is above it is
ours. The reference implementation of the Execution Broker looks after its sessions once a second, which alone is half a
second on average.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.progress import track

from bench.jobs import console, new_table
from execplanner.executors.jupyterhub import JupyterHubExecutor, JupyterHubOptions
from execplanner.executors.podman import PodmanExecutor, PodmanOptions
from execplanner.executors.process import ProcessExecutor
from execplanner.executors.programs import Programs
from execplanner.executors.slurm import SlurmExecutor, SlurmOptions
from execplanner.ports import Executor, Step, Work
from tests.execplanner.executors.works import notebook, program, work
from tests.support.jupyter import jupyterhub, virtual_environment
from tests.support.podman import NAME, podman
from tests.support.slurm import slurm

TIMES = 20
QUICK = 3
_LOOK_EVERY_S = 0.01
_ENDLESS = "import time\nwhile True: time.sleep(1)"


@dataclass(frozen=True)
class Candidate:
    """An executor, how to make a work for it, and a command that does as much without Penstock, if there is one."""

    executor: Executor
    make: Callable[[], Work]
    floor: list[str] | None


@contextmanager
def process(folder: Path) -> Iterator[Candidate]:
    """Processes in sandboxes; the floor is bubblewrap around true."""
    bare = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    yield Candidate(ProcessExecutor(Programs()), lambda: program(folder, _ENDLESS), bare)


@contextmanager
def containers(folder: Path) -> Iterator[Candidate]:
    """Containers of podman; the floor is `podman run --detach`."""
    with podman(folder / "podman") as system:
        options = PodmanOptions(command=system.command, create=system.create, stop_s=0)
        executable = {"image": {"locations": [f"{NAME}:1"]}, "command": ["sleep", "3600"]}
        bare = [*system.command, "run", "--detach", "--network", "none", *system.create, f"{NAME}:1", "sleep", "1"]
        yield Candidate(PodmanExecutor(options), lambda: work(folder, "docker-container", executable), bare)


@contextmanager
def batch(folder: Path) -> Iterator[Candidate]:
    """Jobs of Slurm; the floor is `srun true`, which waits for its end."""
    with slurm(folder / "slurm") as configuration:
        executor = SlurmExecutor(SlurmOptions(configuration=configuration))
        bare = ["env", f"SLURM_CONF={configuration}", "srun", "--mem=100", "true"]
        yield Candidate(executor, lambda: program(folder, _ENDLESS), bare)


@contextmanager
def servers(folder: Path) -> Iterator[Candidate]:
    """Named servers of JupyterHub, until their notebook can be opened."""
    with jupyterhub(folder / "hub", virtual_environment()) as hub:
        options = JupyterHubOptions(url=hub.url, token_file=hub.token_file)
        yield Candidate(JupyterHubExecutor(options), lambda: notebook(folder), None)


CANDIDATES = {"process": process, "podman": containers, "Slurm": batch, "JupyterHub": servers}


async def one(candidate: Candidate) -> tuple[float, float]:
    """Return how long a work took to run, and how long to stop, in seconds."""
    executor, given = candidate.executor, candidate.make()
    await executor.prepare(given)
    began = time.perf_counter()
    handle = await executor.start(given)
    started = await _until(executor, handle, lambda step: step in (Step.RUNNING, Step.AVAILABLE), began)
    began = time.perf_counter()
    await executor.cancel(handle)
    stopped = await _until(executor, handle, lambda step: step.ended, began)
    await executor.release(handle)
    return started, stopped


async def _until(executor: Executor, handle: str, holds: Callable[[Step], bool], began: float) -> float:
    while not holds((await executor.poll(handle)).step):  # noqa: ASYNC110  # polling is what is measured
        await asyncio.sleep(_LOOK_EVERY_S)
    return time.perf_counter() - began


def floor_s(argv: list[str], times: int) -> float:
    """Return the median of a bare command, in seconds."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    """Print the table."""
    times = QUICK if "--quick" in sys.argv else TIMES
    table = new_table(f"{times} works each, ms", "bare command", "start to RUNNING", "longest", "cancel to stopped")
    for name, opened in CANDIDATES.items():
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            candidate = stack.enter_context(opened(Path(folder)))
            bare = f"{floor_s(candidate.floor, times) * 1e3:.0f}" if candidate.floor else "-"
            found = [asyncio.run(one(candidate)) for _ in track(range(times), name, console=console, transient=True)]
        started, stopped = zip(*found, strict=True)
        middle = [f"{statistics.median(each) * 1e3:.0f}" for each in (started, stopped)]
        table.add_row(name, bare, middle[0], f"{max(started) * 1e3:.0f}", middle[1])
    console.print(table)
