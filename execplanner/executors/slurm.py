"""Works as batch jobs of Slurm, in a sandbox of bubblewrap on the node.

The folders of sessions, the programs named by the options and bubblewrap must be on the nodes. A job's name tells its
session, so whoever starts the same session again finds it in the queue; a note in the folder tells when it is no longer
there. Jobs run as the user of the service, hence the sandbox: nothing else keeps them from its files.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from execplanner.executors.commands import Said, demand, run
from execplanner.executors.folders import Folder
from execplanner.executors.programs import Programs, binds, command, fetch, require_program, sandbox
from execplanner.ports import Estimate, State, Step, Stream, Work
from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.sandbox import bubblewrap_options, limited
from penstock.service import Resources

_UTC = {"TZ": "UTC", "SLURM_TIME_FORMAT": "standard"}
_SCRIPT = """\
#!/bin/sh
notes=$1
shift
echo "$SLURM_JOB_ID" > "$notes/job"
"$@" 3< "$notes/arguments"
code=$?
echo "$code" > "$notes/exit.new" && mv "$notes/exit.new" "$notes/exit"
exit "$code"
"""
_STARTS = re.compile(r"to start at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", re.ASCII)
_WAITING = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"}
_PREPARING = {"CONFIGURING", "STAGE_IN"}
_RUNNING = {"RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING"}
_NO_FAULT_OF_OURS = ("not available", "exceeds", "invalid", "violates", "limit", "more processors")


class SlurmOptions(Programs):
    """Options of the executor; `submit` are more options for sbatch: ``--partition=…``, ``--account=…``."""

    submit: tuple[str, ...] = ()
    configuration: Path | None = None


class SlurmExecutor:
    """An `execplanner.ports.Executor` for programs and notebooks; a handle is the path of the session's folder.

    Parameters
    ----------
    options
        See `SlurmOptions`.
    """

    def __init__(self, options: SlurmOptions) -> None:
        self._options = options
        own = {"SLURM_CONF": str(options.configuration)} if options.configuration else {}
        self._environment = {**_UTC, **own}

    @classmethod
    async def open(cls, options: Mapping[str, Any], resources: Resources) -> SlurmExecutor:
        """Open the executor."""
        return cls(SlurmOptions.read_in(resources.settings, options))

    async def probe(self) -> str | None:
        """Return why Slurm takes no jobs, None if it does."""
        try:
            told = await self._demand("scontrol", "ping")
        except ServiceUnavailable as error:
            return error.message
        return None if "is UP" in told else told.strip()

    async def estimate(self, work: Work, *, earliest: datetime) -> Estimate:
        """Return when Slurm would start the job, as the present queue stands."""
        require_program(work, self._options)
        begin = max(earliest, datetime.now(UTC)).astimezone(UTC)
        wanted = [*self._asked(work), f"--begin={begin:%Y-%m-%dT%H:%M:%S}"]
        said = await self._run("sbatch", "--test-only", *wanted, "--wrap=true")
        found = _STARTS.search(said.err)
        if said.status or found is None:
            raise _refused(said)
        start = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
        return Estimate(start=max(start, earliest), message=said.last_line.removeprefix("sbatch: "))

    async def prepare(self, work: Work) -> None:
        """Fetch the program or notebook."""
        require_program(work, self._options)
        await fetch(work, self._options)

    def handle(self, work: Work) -> str:
        """Return the path of the session's folder."""
        return str(work.folder)

    async def start(self, work: Work) -> str:
        """Submit the job unless it was submitted or cancelled."""
        argv = command(work, self._options)
        program = await fetch(work, self._options)
        folder = Folder(work.folder)
        async with folder.alone() as lock:
            folder.note("name", _name(work))
            if not folder.cancelled and await self._job(folder) is None:
                await self._submit(work, folder, program, argv, lock)
        return self.handle(work)

    async def _submit(self, work: Work, folder: Folder, program: Path, argv: Sequence[str], lock: int) -> None:
        """Submit the job; sbatch holds the lock too, since it goes on when we are killed."""
        own = sandbox(work, self._options)
        folder.note("arguments", "".join(f"{each}\0" for each in bubblewrap_options(own, binds(work, program))))
        script = folder.note("script", _SCRIPT)
        told = [f"--output={folder.path / 'stdout'}", f"--error={folder.path / 'stderr'}", f"--chdir={folder.path}"]
        around = [str(folder.notes), *limited(own), "bwrap", "--args", "3", "--", *argv]
        said = await self._run(
            *("sbatch", "--parsable", "--no-requeue", "--export=NIL", "--open-mode=append"),
            *self._asked(work),
            *told,
            f"--comment={work.session_id}",
            *(str(script), *around),
            pass_fds=(lock,),
        )
        if said.status:
            raise _refused(said)
        folder.note("job", said.out.partition(";")[0].strip())

    def _asked(self, work: Work) -> Iterator[str]:
        yield from (f"--job-name={_name(work)}", "--nodes=1", "--ntasks=1", f"--cpus-per-task={work.cores}")
        yield from (f"--mem={math.ceil(work.memory_bytes / 2**20)}M", f"--time={math.ceil(work.duration_s / 60)}")
        if work.gpus:
            yield f"--gpus={work.gpus}"
        yield from self._options.submit

    async def poll(self, handle: str) -> State:
        """Return how the job is."""
        return await self._state(Folder(Path(handle)))

    async def _state(self, folder: Folder) -> State:
        job = await self._job(folder)
        if job is None:
            return State(step=Step.CANCELLED if folder.cancelled else Step.WAITING)
        queued = await self._queued(job)
        if queued is None:
            return _ended(folder, "It was stopped: its time is up, or it was killed.")
        state, reason = queued
        if state in _WAITING:
            return State(step=Step.WAITING, message=None if reason == "None" else reason)
        if state in _PREPARING:
            return State(step=Step.PREPARING, message=state)
        if state in _RUNNING:
            return State(step=Step.RUNNING)
        return _ended(folder, f"Slurm says {state}: {reason}.")

    async def _job(self, folder: Folder) -> str | None:
        """Return the id of the session's job, None where it was not submitted."""
        noted, name = folder.noted("job"), folder.noted("name")
        if noted or name is None:
            return (noted or "").strip() or None
        found = await self._demand("squeue", "--noheader", "--format=%i", f"--name={name}", "--states=all")
        return found.split()[0] if found.split() else None

    async def _queued(self, job: str) -> tuple[str, str] | None:
        """Return the state and its reason, None where Slurm has forgotten the job."""
        said = await self._run("squeue", "--noheader", "--format=%T|%r", f"--jobs={job}", "--states=all")
        if said.status and "Invalid job id" not in said.err:
            raise ServiceUnavailable(f"squeue: {said.last_line}")
        state, bar, reason = said.out.strip().partition("|")
        return (state, reason) if bar and not said.status else None

    async def logs(self, handle: str, stream: Stream, *, offset: int, limit: int) -> bytes:
        """Return part of what the job has printed."""
        return await Folder(Path(handle)).read(stream, offset=offset, limit=limit)

    async def cancel(self, handle: str) -> None:
        """Cancel the job: Slurm kills it on its node, where all that it has started ends with the sandbox."""
        folder = Folder(Path(handle))
        async with folder.alone():
            if (await self._state(folder)).step.ended:
                return
            folder.cancel()
            job = await self._job(folder)
            if job is not None:
                said = await self._run("scancel", "--full", job)
                if said.status and "Invalid job id" not in said.err:
                    raise ServiceUnavailable(f"scancel: {said.last_line}")

    async def release(self, handle: str) -> None:
        """Cancel the job and remove its working directory; what it has left as results stays."""
        await self.cancel(handle)
        folder = Folder(Path(handle))
        (folder.notes / "arguments").unlink(missing_ok=True)  # the environment is in it
        await folder.clear()

    async def _run(self, *argv: str, pass_fds: Sequence[int] = ()) -> Said:
        return await run(argv, environment=self._environment, pass_fds=pass_fds)

    async def _demand(self, *argv: str) -> str:
        return await demand(argv, environment=self._environment)


def _name(work: Work) -> str:
    return f"penstock-{work.session_id}"


def _refused(said: Said) -> UsageError | ServiceUnavailable:
    """Return what it means that sbatch refuses a job: that it asks for what there is not, or that Slurm is away."""
    if any(words in said.err.lower() for words in _NO_FAULT_OF_OURS):
        return UsageError(f"Slurm does not take the work: {said.last_line}")
    return ServiceUnavailable(f"Slurm does not take the work now: {said.last_line}")


def _ended(folder: Folder, otherwise: str) -> State:
    with suppress(ValueError):
        status = int(folder.noted("exit") or "")
        if status == 0:
            return State(step=Step.COMPLETED, exit_code=0)
        if not folder.cancelled:
            told = f"Its exit status is {status}. {folder.tail('stderr')}"
            return State(step=Step.FAILED, exit_code=status, message=told.strip())
    if folder.cancelled:
        return State(step=Step.CANCELLED)
    return State(step=Step.FAILED, message=f"{otherwise} {folder.tail('stderr')}".strip())
