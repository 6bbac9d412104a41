"""Works as tasks of a Task Execution Service (GA4GH TES 1.1)."""

from __future__ import annotations

from typing import Any

from execplanner.executors.containers import argv, image
from execplanner.executors.folders import Folder
from execplanner.executors.http import word
from execplanner.executors.programs import variables
from execplanner.executors.remote import Remote, RemoteExecutor, RemoteOptions, name_of
from execplanner.ports import State, Step, Stream, Work

_ROOT = "/ga4gh/tes/v1"
_STEPS = {
    "UNKNOWN": Step.WAITING,
    "QUEUED": Step.WAITING,
    "INITIALIZING": Step.PREPARING,
    "RUNNING": Step.RUNNING,
    "PAUSED": Step.RUNNING,
    "CANCELING": Step.RUNNING,
    "COMPLETE": Step.COMPLETED,
    "CANCELED": Step.CANCELLED,
    "EXECUTOR_ERROR": Step.FAILED,
    "SYSTEM_ERROR": Step.FAILED,
    "PREEMPTED": Step.FAILED,
}


class TesExecutor(RemoteExecutor[RemoteOptions]):
    """An executor for containers."""

    kinds = ("docker-container",)
    health = f"{_ROOT}/service-info"

    def meant(self, work: Work) -> Remote:
        """Return the tag of the task."""
        return {"tag": work.session_id}

    async def find(self, meant: Remote) -> Remote | None:
        """Look the task up by its tag."""
        params = {"tag_key": "penstock", "tag_value": meant["tag"], "view": "MINIMAL"}
        tasks = (await self.api.get(f"{_ROOT}/tasks", params=params)).get("tasks") or []
        return {"id": tasks[0]["id"]} if tasks else None

    async def submit(self, work: Work) -> Remote:
        """Create a task with one executor."""
        executor: dict[str, Any] = {"image": image(work), "command": argv(work), "env": variables(work.executable)}
        task = {
            "name": work.name or name_of(work),
            "tags": {"penstock": self.meant(work)["tag"]},
            "executors": [executor],
            "resources": {"cpu_cores": work.cores, "ram_gb": work.memory_bytes / 1e9},
        }
        created = await self.api.call("POST", f"{_ROOT}/tasks", json=task)
        return {"id": created["id"]}

    async def look(self, remote: Remote, folder: Folder) -> State:
        """Read the task."""
        task = await self._task(remote)
        step = _STEPS.get(task.get("state", "UNKNOWN"), Step.WAITING)
        codes = [log.get("exit_code") for log in _logs(task)]
        failed = step is Step.FAILED
        return State(step=step, exit_code=codes[-1] if codes else None, message=_reason(task) if failed else None)

    async def printed(self, remote: Remote, stream: Stream) -> bytes:
        """Return what the service keeps of the output, which may be its end only."""
        return "".join(log.get(stream) or "" for log in _logs(await self._task(remote))).encode()

    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Cancel the task."""
        await self.api.call("POST", f"{_ROOT}/tasks/{word(remote['id'])}:cancel")

    async def _task(self, remote: Remote) -> dict[str, Any]:
        task: dict[str, Any] = await self.api.get(f"{_ROOT}/tasks/{word(remote['id'])}", params={"view": "FULL"})
        return task


def _logs(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the logs of the executors in the task's last attempt."""
    attempts = task.get("logs") or [{}]
    return attempts[-1].get("logs") or []


def _reason(task: dict[str, Any]) -> str:
    attempts = task.get("logs") or [{}]
    told = attempts[-1].get("system_logs") or []
    return f"{task['state']}: {told[-1]}" if told else str(task["state"])
