"""The composition root of a process that runs one attempt."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from penstock.context import complete_settings_type
from penstock.db import Database
from penstock.host import open_resources
from penstock.log import configure_logging
from penstock.service import Resources
from uws.compose import notify_directory, policy_of, results_of
from uws.events import open_announcer
from uws.job_types import installed_job_types
from uws.ports import Dispatch, JobType
from uws.service.changes import Changes
from uws.service.reports import Reports
from uws.store import SqlStore
from uws.worker.runtime import Worker, run_attempt


def preload(payload: str) -> Callable[[Dispatch], Coroutine[Any, Any, None]]:
    """Import what jobs need and return what runs one; `payload` holds the settings as JSON."""
    settings = complete_settings_type().model_validate_json(payload)
    job_types = installed_job_types()
    configure_logging(settings)
    SqlStore(Database(settings.database))  # connects to nothing; what it imports need not be imported in every job

    async def run(dispatch: Dispatch) -> None:
        async with open_resources(settings, migrate=False) as resources:
            await run_attempt(dispatch, make_worker(resources, job_types))

    return run


def make_worker(resources: Resources, job_types: Mapping[str, JobType]) -> Worker:
    """Put together what an attempt needs, with the database at hand."""
    settings, policy = resources.settings, policy_of(resources)
    announcer = open_announcer(resources.db, notify_directory(settings), resources.stack)
    changes = Changes(SqlStore(resources.db), announcer, resources.clock)
    return Worker(
        name=f"{socket.gethostname()}:{os.getpid()}",
        reports=Reports(changes, policy),
        results=results_of(settings),
        job_types=job_types,
        resources=resources,
        lease_s=policy.lease.total_seconds(),
    )
