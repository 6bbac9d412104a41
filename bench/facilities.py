"""Until a work runs, and until it is stopped, with every executor that runs for real.

``python -m bench facilities [--quick]``. The floor is the bare command of each without Penstock: what is above it is
ours. `start` and `cancel` are asked of the executor itself; ACCEPT is asked of a server over HTTP, whose sessions are
looked at again and again. The reference implementation of the Execution Broker looks after its sessions once a second,
which alone is half a second on average.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import track

from bench.jobs import console, new_table
from execplanner.executors.jupyterhub import JupyterHubExecutor, JupyterHubOptions
from execplanner.executors.podman import PodmanExecutor, PodmanOptions
from execplanner.executors.process import ProcessExecutor
from execplanner.executors.programs import Programs
from execplanner.executors.slurm import SlurmExecutor, SlurmOptions
from execplanner.ports import Executor, Step, Work
from tests.execplanner.executors.works import notebook, notebook_of, program, work
from tests.execplanner.story import NEAR, Story, facility_of, story
from tests.support.jupyter import jupyterhub, virtual_environment
from tests.support.podman import NAME, podman
from tests.support.slurm import slurm

TIMES = 20
QUICK = 3
_LOOK_EVERY_S = 0.01
_SHORT_S = 2
_ENDLESS = "import time\nwhile True: time.sleep(1)"


@dataclass(frozen=True)
class Candidate:
    """An executor, how to make a work for it, and a command that does as much without Penstock, if there is one.

    `plugin` and `options` are those of a facility's record, `executable` is what a session of a short while runs.
    """

    executor: Executor
    make: Callable[[], Work]
    floor: list[str] | None
    plugin: str
    options: Mapping[str, Any]
    executable: Callable[[Story], Mapping[str, Any]]


def short_program(told: Story) -> dict[str, Any]:
    """Return an executable that is a Python program."""
    (told.files / "short.py").write_text(f"import time; time.sleep({_SHORT_S})")
    return {"kind": "urn:penstock:kind:executable:python-program", "location": f"{told.files_url}/short.py"}


def short_container(_told: Story) -> dict[str, Any]:
    """Return an executable that is a container."""
    image = {"locations": [f"{NAME}:1"]}
    return {"kind": "docker-container", "image": image, "command": ["sleep", str(_SHORT_S)]}


def opened_notebook(told: Story) -> dict[str, Any]:
    """Return an executable that is a notebook."""
    (told.files / "sky.ipynb").write_bytes(notebook_of("print(1)"))
    return {"kind": "jupyter-notebook", "location": f"{told.files_url}/sky.ipynb"}


@contextmanager
def process(folder: Path) -> Iterator[Candidate]:
    """Processes in sandboxes; the floor is bubblewrap around true."""
    bare = ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"]
    yield Candidate(ProcessExecutor(Programs()), lambda: program(folder, _ENDLESS), bare, "process", {}, short_program)


@contextmanager
def containers(folder: Path) -> Iterator[Candidate]:
    """Containers of podman; the floor is `podman run --detach`."""
    with podman(folder / "podman") as system:
        options = PodmanOptions(command=system.command, create=system.create, stop_s=0)
        executable = {"image": {"locations": [f"{NAME}:1"]}, "command": ["sleep", "3600"]}
        bare = [*system.command, "run", "--detach", "--network", "none", *system.create, f"{NAME}:1", "sleep", "1"]
        yield Candidate(
            PodmanExecutor(options),
            lambda: work(folder, "docker-container", executable),
            bare,
            "podman",
            options.model_dump(mode="json", exclude_unset=True),
            short_container,
        )


@contextmanager
def batch(folder: Path) -> Iterator[Candidate]:
    """Jobs of Slurm; the floor is `srun true`, which waits for its end."""
    with slurm(folder / "slurm") as configuration:
        options = {"configuration": str(configuration)}
        executor = SlurmExecutor(SlurmOptions(configuration=configuration))
        bare = ["env", f"SLURM_CONF={configuration}", "srun", "--mem=100", "true"]
        yield Candidate(executor, lambda: program(folder, _ENDLESS), bare, "slurm", options, short_program)


@contextmanager
def servers(folder: Path) -> Iterator[Candidate]:
    """Named servers of JupyterHub, until their notebook can be opened."""
    with jupyterhub(folder / "hub", virtual_environment()) as hub:
        options = JupyterHubOptions(url=hub.url, token_file=hub.token_file, anonymous="guest")
        told = options.model_dump(mode="json", exclude_unset=True)
        yield Candidate(
            JupyterHubExecutor(options), lambda: notebook(folder), None, "jupyterhub", told, opened_notebook
        )


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


def accepted_s(candidate: Candidate, folder: Path, times: int) -> list[float]:
    """Return how long sessions took from ACCEPT to RUNNING or AVAILABLE, in seconds; the first is left out."""
    near = {
        "executors": {"main": {"plugin": candidate.plugin, "options": candidate.options}},
        "kinds": {"docker-container": {}, "python-program": {}, "jupyter-notebook": {}},
        "capacity": {"cores": 1024, "memory": "4Ti", "duration": "1h"},
    }
    folder.mkdir()
    with story(folder, near, {"executors": {"here": {"plugin": "process"}}}) as told:
        executable = candidate.executable(told)
        return [_session_s(told, executable) for _ in range(times + 1)][1:]


def _session_s(told: Story, executable: Mapping[str, Any]) -> float:
    answer = told.ask({"executable": executable, "schedule": {"requested": {"duration": "PT10M"}}})
    url = next(offer["meta"]["url"] for offer in answer["offers"] if facility_of(offer) == NEAR)
    began = time.perf_counter()
    told.set_phase(url, "ACCEPTED")
    while (phase := json.loads(told.read(url))["phase"]) not in ("RUNNING", "AVAILABLE"):
        if phase in ("FAILED", "CANCELLED", "COMPLETED"):
            raise RuntimeError(told.read(url))
        time.sleep(_LOOK_EVERY_S)
    taken_s = time.perf_counter() - began
    if phase == "AVAILABLE":
        told.set_phase(url, "CANCELLED")
    else:
        told.follow(url, lambda session: session["phase"] == "COMPLETED")
    return taken_s


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
    table = new_table(
        f"{times} works each, ms", "bare command", "start to RUNNING", "longest", "cancel to stopped",
        "ACCEPT to RUNNING", "longest",
    )  # fmt: skip
    for name, opened in CANDIDATES.items():
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            candidate = stack.enter_context(opened(Path(folder)))
            bare = f"{floor_s(candidate.floor, times) * 1e3:.0f}" if candidate.floor else "-"
            found = [asyncio.run(one(candidate)) for _ in track(range(times), name, console=console, transient=True)]
            accepted = accepted_s(candidate, Path(folder) / "story", times)
        started, stopped = zip(*found, strict=True)
        middle = [f"{statistics.median(each) * 1e3:.0f}" for each in (started, stopped, accepted)]
        longest = [f"{max(each) * 1e3:.0f}" for each in (started, accepted)]
        table.add_row(name, bare, middle[0], longest[0], middle[1], middle[2], longest[1])
    console.print(table)
