"""A deployment whose jobs go through Celery: a service in the test's process, workers in processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp.test_utils import TestServer

from penstock.auth.middleware import install_authentication
from penstock.edge.app import new_service_app
from penstock.edge.errors import negotiated_error
from penstock.settings import Settings
from tests.uws.hosting import JOB_TYPES, SETTINGS, open_resources
from tests.uws.worker_process import OWN_COMMAND, WorkerProcess, worker
from uws.app import make_app, open_jobs
from uws.service.jobs import JobService
from uws.settings import UwsSettings
from uws.worker.celery_executor import CeleryExecutor


@dataclass(frozen=True, slots=True, kw_only=True)
class CelerySite:
    """What its processes have in common; `own` are settings of UWS."""

    folder: Path
    broker_url: str
    database_url: str | None = None
    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        """The data directory."""
        path = self.folder / "data"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def settings(self) -> Settings:
        """Return the settings for this process."""
        return SETTINGS(
            data_dir=self.data,
            database_url=self.database_url,
            broker_url=self.broker_url,
            executor="celery",
            uws=UwsSettings.model_validate(dict(self.own)),
        )

    def environment(self) -> dict[str, str]:
        """Return the same for another process."""
        names = {f"UWS__{name.upper()}": value for name, value in self.own.items()}
        names |= {"BROKER_URL": self.broker_url, "DATA_DIR": str(self.data), "EXECUTOR": "celery"}
        if self.database_url is not None:
            names["DATABASE_URL"] = self.database_url
        return {f"PENSTOCK_{name}": value for name, value in names.items()}

    @asynccontextmanager
    async def service(self) -> AsyncIterator[JobService]:
        """Open a service; several may be open at once."""
        async with open_resources(self.settings()) as resources:
            yield await open_jobs(resources, job_types=JOB_TYPES, open_executor=CeleryExecutor.open)

    @asynccontextmanager
    async def server(self) -> AsyncIterator[tuple[JobService, str]]:
        """Open a service and give also the URL at which it is served."""
        async with open_resources(self.settings()) as resources:
            service = await open_jobs(resources, job_types=JOB_TYPES, open_executor=CeleryExecutor.open)
            root = new_service_app(negotiated_error)
            root.add_subapp("/uws", make_app(resources, service))
            install_authentication(root, resources.authenticator)
            async with TestServer(root, handler_cancellation=True) as server:
                yield service, str(server.make_url("/uws"))

    def worker(self, command: tuple[str, ...] = OWN_COMMAND) -> AbstractContextManager[WorkerProcess]:
        """Run a worker."""
        return worker(self.environment(), command)
