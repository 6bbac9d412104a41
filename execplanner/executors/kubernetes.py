"""Works as jobs of Kubernetes (batch/v1), over its REST API."""

from __future__ import annotations

from typing import Any

from execplanner.executors.containers import image
from execplanner.executors.folders import Folder
from execplanner.executors.http import word
from execplanner.executors.programs import text_of, texts_of, variables
from execplanner.executors.remote import Remote, RemoteExecutor, RemoteOptions, name_of
from execplanner.ports import State, Step, Stream, Work
from penstock.dali.errors import UsageError

_KEPT_S = 86400


class KubernetesOptions(RemoteOptions):
    """Options of the executor; `gpu_resource` is what the cluster calls its GPUs."""

    namespace: str = "default"
    gpu_resource: str = "nvidia.com/gpu"


class KubernetesExecutor(RemoteExecutor[KubernetesOptions]):
    """An executor for containers: one pod for each work, which is never tried again."""

    kinds = ("docker-container",)
    reads = KubernetesOptions
    health = "/apis/batch/v1"

    @property
    def _jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{word(self.options.namespace)}/jobs"

    @property
    def _pods(self) -> str:
        return f"/api/v1/namespaces/{word(self.options.namespace)}/pods"

    def meant(self, work: Work) -> Remote:
        """Return the name of the job."""
        return {"name": name_of(work)}

    async def find(self, meant: Remote) -> Remote | None:
        """Look the job up by its name."""
        return meant if await self.api.exists(f"{self._jobs}/{word(meant['name'])}") else None

    async def submit(self, work: Work) -> Remote:
        """Create the job."""
        job, meant = self._job(work), self.meant(work)
        try:
            await self.api.call("POST", self._jobs, json=job)
        except UsageError:
            if await self.find(meant) is None:  # else somebody was quicker
                raise
        return meant

    def _job(self, work: Work) -> dict[str, Any]:
        limits = {"cpu": str(work.cores), "memory": str(work.memory_bytes)}
        if work.gpus:
            limits[self.options.gpu_resource] = str(work.gpus)
        container: dict[str, Any] = {
            "name": "work",
            "image": image(work),
            "env": [{"name": name, "value": value} for name, value in variables(work.executable).items()],
            "resources": {"requests": limits, "limits": limits},
            "securityContext": {
                "privileged": False,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
        entrypoint = text_of(work.executable, "entrypoint")
        if entrypoint:
            container["command"] = [entrypoint]
        arguments = texts_of(work.executable, "command")
        if arguments:
            container["args"] = arguments
        labels = {"app.kubernetes.io/managed-by": "penstock", "penstock/session": work.session_id}
        pod = {"restartPolicy": "Never", "automountServiceAccountToken": False, "containers": [container]}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name_of(work), "labels": labels},
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": max(1, round(work.duration_s)),
                "ttlSecondsAfterFinished": _KEPT_S,
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        }

    async def look(self, remote: Remote, folder: Folder) -> State:
        """Read the job, and the pod while there is no end."""
        job = await self.api.get(f"{self._jobs}/{word(remote['name'])}")
        true = {one["type"]: one for one in job.get("status", {}).get("conditions") or () if one["status"] == "True"}
        if "Complete" in true:
            return State(step=Step.COMPLETED, exit_code=0)
        if "Failed" in true:
            pod = await self._pod(remote)
            return State(step=Step.FAILED, exit_code=_exit_code(pod), message=_told(true["Failed"]))
        return _pod_state(await self._pod(remote))

    async def _pod(self, remote: Remote) -> dict[str, Any] | None:
        pods = await self.api.get(self._pods, params={"labelSelector": f"job-name={remote['name']}"})
        items: list[dict[str, Any]] = pods.get("items") or []
        return items[-1] if items else None

    async def printed(self, remote: Remote, stream: Stream) -> bytes:
        """Return the log of the pod as stdout: Kubernetes does not tell the streams apart."""
        pod = await self._pod(remote)
        if stream == "stderr" or pod is None:
            return b""
        path = f"{self._pods}/{word(pod['metadata']['name'])}/log"
        try:
            return await self.api.read("GET", path, params={"container": "work"}, headers={"Accept": "*/*"})
        except UsageError:  # the container has not started
            return b""

    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Delete the job, and with it its pod."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
        await self.api.delete(f"{self._jobs}/{word(remote['name'])}", json=options)

    async def forget(self, remote: Remote, folder: Folder) -> None:
        """Delete the job."""
        await self.stop(remote, folder)


def _pod_state(pod: dict[str, Any] | None) -> State:
    if pod is None:
        return State(step=Step.WAITING)
    status = pod.get("status", {})
    waiting = [one["state"]["waiting"] for one in status.get("containerStatuses") or () if "waiting" in one["state"]]
    if status.get("phase") == "Running":
        return State(step=Step.RUNNING)
    if waiting:
        return State(step=Step.PREPARING, message=_told(waiting[0]))
    unscheduled = [one for one in status.get("conditions") or () if one.get("reason") == "Unschedulable"]
    return State(step=Step.WAITING, message=_told(unscheduled[0]) if unscheduled else None)


def _exit_code(pod: dict[str, Any] | None) -> int | None:
    for one in (pod or {}).get("status", {}).get("containerStatuses") or ():
        code = one.get("state", {}).get("terminated", {}).get("exitCode")
        if code is not None:
            return int(code)
    return None


def _told(condition: dict[str, Any]) -> str:
    return ": ".join(str(condition[name]) for name in ("reason", "message") if condition.get(name))
