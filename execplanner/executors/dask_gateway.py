"""Dask clusters of a Dask Gateway (its REST API, version 1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

from pydantic import Field

from execplanner.executors.folders import Folder
from execplanner.executors.http import word
from execplanner.executors.remote import Remote, RemoteExecutor, RemoteOptions, page
from execplanner.ports import Connector, State, Step, Work
from penstock.dali.errors import UsageError

_CLUSTERS = "/api/v1/clusters/"


class DaskGatewayOptions(RemoteOptions):
    """Options of the executor.

    `cores_option` and `memory_option` are what the gateway calls the cores and gibibytes of a worker, `cluster_options`
    go to every cluster; `public_url` is where people reach the dashboards.
    """

    cores_option: str | None = "worker_cores"
    memory_option: str | None = "worker_memory"
    cluster_options: dict[str, Any] = Field(default_factory=dict)
    public_url: str | None = None


class DaskGatewayExecutor(RemoteExecutor[DaskGatewayOptions]):
    """An executor for clusters, whose workers share what was agreed.

    The gateway gives clusters their names, so one whose name was not noted, because the process was killed just then,
    cannot be found again; the gateway's ``idle_timeout`` ends it.
    """

    kinds = ("dask-cluster",)
    reads = DaskGatewayOptions
    health = "/api/health"
    scheme = "jupyterhub"

    async def submit(self, work: Work) -> Remote:
        """Create a cluster."""
        workers = _workers(work)
        given = {
            self.options.cores_option: max(1, work.cores // workers),
            self.options.memory_option: work.memory_bytes / 2**30 / workers,
        }
        options = {name: value for name, value in given.items() if name} | self.options.cluster_options
        created = await self.api.call("POST", _CLUSTERS, json={"cluster_options": options})
        return {"name": created["name"], "workers": workers}

    async def look(self, remote: Remote, folder: Folder) -> State:
        """Read the cluster; one that runs gets its workers."""
        cluster = await self.api.get(f"{_CLUSTERS}{word(remote['name'])}")
        match cluster["status"]:
            case "PENDING":
                return State(step=Step.PREPARING)
            case "RUNNING":
                if folder.noted("scaled") is None:
                    path = f"{_CLUSTERS}{word(remote['name'])}/scale"
                    await self.api.call("POST", path, json={"count": remote["workers"]})
                    folder.note("scaled", "")
                return State(step=Step.AVAILABLE, connectors=tuple(self._connectors(cluster)))
            case "FAILED":
                return State(step=Step.FAILED, message="The cluster failed; the log of the gateway tells why.")
            case _:
                return State(step=Step.COMPLETED, message="The cluster was shut down.")

    def _connectors(self, cluster: dict[str, Any]) -> list[Connector]:
        found = [Connector(kind="dask-scheduler", protocol="TCP", location=cluster["scheduler_address"])]
        route = cluster.get("dashboard_route")
        if route:
            base = (self.options.public_url or self.options.url).rstrip("/") + "/"
            found.append(page("dask-dashboard", urljoin(base, route.lstrip("/"))))
        return found

    async def stop(self, remote: Remote, folder: Folder) -> None:
        """Shut the cluster down."""
        await self.api.delete(f"{_CLUSTERS}{word(remote['name'])}")

    async def forget(self, remote: Remote, folder: Folder) -> None:
        """Shut the cluster down."""
        await self.stop(remote, folder)


def _workers(work: Work) -> int:
    workers = work.executable.get("workers", 1)
    if not isinstance(workers, int) or isinstance(workers, bool) or workers < 1:
        raise UsageError("workers is not a positive number.")
    return workers
