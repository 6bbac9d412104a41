"""Works as workflow runs of REANA (its REST API, as of reana-server 0.9).

REANA takes its token as the parameter ``access_token`` of the URL only; it is sent to REANA alone and in no message.
"""

from __future__ import annotations

from typing import Any

import orjson

from execplanner.executors.folders import Folder
from execplanner.executors.http import word
from execplanner.executors.remote import Remote, RemoteExecutor, RemoteOptions, name_of
from execplanner.ports import State, Step, Stream, Work
from penstock.dali.errors import NotFound, UsageError

_STEPS = {
    "created": Step.WAITING,
    "queued": Step.WAITING,
    "pending": Step.PREPARING,
    "running": Step.RUNNING,
    "finished": Step.COMPLETED,
    "failed": Step.FAILED,
    "stopped": Step.CANCELLED,
    "deleted": Step.CANCELLED,
}


class ReanaExecutor(RemoteExecutor[RemoteOptions]):
    """An executor for workflows."""

    kinds = ("reana-workflow",)
    health = "/api/ping"

    def require(self, work: Work) -> None:
        """Demand a specification."""
        super().require(work)
        if not isinstance(work.executable.get("specification"), dict):
            raise UsageError("The workflow has no specification: what its reana.yaml holds.")

    def meant(self, work: Work) -> Remote:
        """Return the name of the workflow."""
        return {"name": name_of(work)}

    async def find(self, meant: Remote) -> Remote | None:
        """Look the workflow up by its name."""
        try:
            return {"id": (await self._status(meant["name"]))["id"]}
        except NotFound:
            return None

    async def submit(self, work: Work) -> Remote:
        """Create the workflow."""
        specification = work.executable["specification"]
        params = self._with_token(workflow_name=name_of(work))
        created = await self.api.call("POST", "/api/workflows", params=params, json=specification)
        return {"id": created["workflow_id"]}

    async def begin(self, remote: Remote, work: Work) -> Remote:
        """Start the workflow, unless it was started before."""
        if (await self._status(remote["id"]))["status"] == "created":
            body = {"operational_options": {}, "input_parameters": work.executable.get("parameters") or {}}
            path = f"/api/workflows/{word(remote['id'])}/start"
            await self.api.call("POST", path, params=self._with_token(), json=body)
        return remote

    async def _status(self, workflow: str) -> dict[str, Any]:
        path = f"/api/workflows/{word(workflow)}/status"
        status: dict[str, Any] = await self.api.get(path, params=self._with_token())
        return status

    async def look(self, remote: Remote, folder: Folder) -> State:
        """Read the status, and how many steps are done."""
        status = await self._status(remote["id"])
        step = _STEPS.get(status["status"], Step.WAITING)
        progress = status.get("progress") or {}
        done, total = (progress.get(name, {}).get("total") for name in ("finished", "total"))
        message = f"{done or 0} of {total} steps have finished." if total and step is not Step.COMPLETED else None
        return State(step=step, message=message or ("The workflow failed." if step is Step.FAILED else None))

    async def printed(self, remote: Remote, stream: Stream) -> bytes:
        """Return the logs of the engine and of the steps as stdout."""
        if stream == "stderr":
            return b""
        path = f"/api/workflows/{word(remote['id'])}/logs"
        logs = orjson.loads((await self.api.get(path, params=self._with_token())).get("logs") or "{}")
        steps = (logs.get("job_logs") or {}).values()
        return "".join([*(each.get("logs") or "" for each in steps), logs.get("workflow_logs") or ""]).encode()

    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Stop the workflow; one that has not begun is deleted."""
        begun = (await self._status(remote["id"]))["status"] == "running"
        await self._set_status(remote, "stop" if begun else "deleted")

    async def forget(self, remote: Remote, folder: Folder) -> None:
        """Delete the workflow with its workspace."""
        await self._set_status(remote, "deleted")

    async def _set_status(self, remote: Remote, status: str) -> None:
        path = f"/api/workflows/{word(remote['id'])}/status"
        body = {"all_runs": False, "workspace": True} if status == "deleted" else {}
        await self.api.call("PUT", path, params=self._with_token(status=status), json=body)

    def _with_token(self, **params: str) -> dict[str, str]:
        token = self.options.token()
        return {**params, "access_token": token} if token else params
