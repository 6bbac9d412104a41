"""Works as jobs of DIRAC (the REST API of DiracX): containers, which sites run with Apptainer."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from execplanner.executors.containers import argv, image
from execplanner.executors.folders import Folder
from execplanner.executors.programs import text_of, texts_of, variables
from execplanner.executors.remote import Remote, RemoteExecutor, RemoteOptions, name_of
from execplanner.ports import State, Step, Work
from penstock.dali.errors import NotFound, UsageError

_STEPS = {
    "Running": Step.RUNNING,
    "Completing": Step.RUNNING,
    "Stalled": Step.RUNNING,
    "Completed": Step.RUNNING,
    "Matched": Step.PREPARING,
    "Staging": Step.PREPARING,
    "Done": Step.COMPLETED,
    "Failed": Step.FAILED,
    "Killed": Step.CANCELLED,
    "Deleted": Step.CANCELLED,
}


class DiracOptions(RemoteOptions):
    """Options of the executor; `apptainer` is the command at the sites, `jdl` are more attributes of each job."""

    apptainer: str = "apptainer"
    jdl: dict[str, str] = Field(default_factory=dict)


class DiracExecutor(RemoteExecutor[DiracOptions]):
    """An executor for containers of both kinds."""

    kinds = ("docker-container", "singularity-container")
    reads = DiracOptions
    health = "/.well-known/dirac-metadata"

    def meant(self, work: Work) -> Remote:
        """Return the name of the job."""
        return {"name": name_of(work)}

    async def find(self, meant: Remote) -> Remote | None:
        """Look the job up by its name."""
        found = await self._search("JobName", meant["name"])
        return {"id": found[0]["JobID"]} if found else None

    async def submit(self, work: Work) -> Remote:
        """Submit the job."""
        created = await self.api.call("POST", "/api/jobs/jdl", json=[self._jdl(work)])
        return {"id": created[0]["JobID"]}

    def _jdl(self, work: Work) -> str:
        attributes = {
            "JobName": name_of(work),
            "Executable": self.options.apptainer,
            "Arguments": shlex.join(_arguments(work)),
            "StdOutput": "std.out",
            "StdError": "std.err",
            "OutputSandbox": "std.out,std.err",
            "CPUTime": str(max(1, round(work.duration_s * work.cores))),
            "NumberOfProcessors": str(work.cores),
            **self.options.jdl,
        }
        return "\n".join(f"{name} = {_quoted(value)};" for name, value in attributes.items())

    async def look(self, remote: Remote, folder: Folder) -> State:
        """Read the status of the job."""
        found = await self._search("JobID", str(remote["id"]))
        if not found:
            raise NotFound("There is no such job.")
        job = found[0]
        told = ": ".join(str(job[name]) for name in ("Status", "MinorStatus", "ApplicationStatus") if job.get(name))
        step = _STEPS.get(job["Status"], Step.WAITING)
        return State(step=step, message=None if step is Step.COMPLETED else told)

    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Kill the job."""
        await self._set_status(remote, "Killed")

    async def forget(self, remote: Remote, folder: Folder) -> None:
        """Let the job be deleted."""
        await self._set_status(remote, "Deleted")

    async def _set_status(self, remote: Remote, status: str) -> None:
        now = datetime.now(UTC).isoformat()
        update = {"Status": status, "MinorStatus": "Marked by the broker", "Source": "penstock"}
        await self.api.call("PATCH", "/api/jobs/status", json={str(remote["id"]): {now: update}})

    async def _search(self, parameter: str, value: str) -> list[dict[str, Any]]:
        search = [{"parameter": parameter, "operator": "eq", "value": value}]
        wanted = ["JobID", "JobName", "Status", "MinorStatus", "ApplicationStatus"]
        body = {"parameters": wanted, "search": search, "sort": []}
        found: list[dict[str, Any]] = await self.api.call("POST", "/api/jobs/search", json=body)
        return found


def _arguments(work: Work) -> Iterator[str]:
    """Yield the arguments of Apptainer: the image's own command, unless the work has another."""
    if work.kind == "docker-container":
        location = f"docker://{image(work)}"
    else:
        location = text_of(work.executable, "location") or ""
        if "://" not in location or location.startswith("-"):
            raise UsageError("The container has no location that is a URL.")
    entrypoint = text_of(work.executable, "entrypoint")
    yield from ("exec" if entrypoint else "run", "--contain", "--cleanenv")
    for name, value in variables(work.executable).items():
        yield from ("--env", f"{name}={value}")
    yield location
    yield from argv(work) if work.kind == "docker-container" else texts_of(work.executable, "command")


def _quoted(value: str) -> str:
    """Return a string of the job description language."""
    if "\n" in value or "\0" in value:
        raise UsageError("DIRAC takes no line breaks in commands.")
    return '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
