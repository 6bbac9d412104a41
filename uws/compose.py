"""What a composition root of UWS puts together, whatever the process is for."""

from __future__ import annotations

from collections.abc import Container
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from penstock.clock import Clock
from penstock.db import Database
from penstock.service import Resources
from penstock.settings import Settings, SettingsError
from uws.core.wait import WaitingLimits
from uws.events import Hub, open_hub
from uws.results import FileResults
from uws.service.changes import Changes
from uws.service.policy import Policy
from uws.service.quota import Quotas
from uws.settings import UwsSettings
from uws.store import SqlStore, database_clock


def policy_of(resources: Resources) -> Policy:
    """Return what the settings allow."""
    own = resources.settings.section(UwsSettings)
    listed = own.list_anonymous
    return Policy(
        default_duration_s=own.default_duration_s,
        max_duration_s=own.max_duration_s,
        default_lifetime=timedelta(days=own.default_lifetime_d),
        max_lifetime=timedelta(days=own.max_lifetime_d) if own.max_lifetime_d else None,
        archive=own.at_destruction == "archive",
        lists_anonymous=not resources.authenticator.security_methods if listed is None else listed,
        max_wait_s=own.max_wait_s,
        following=WaitingLimits(
            total=own.max_followers, per_caller=own.max_followers_per_caller, per_job=own.max_followers_per_caller
        ),
        waiting=WaitingLimits(
            total=own.max_waiting, per_caller=own.max_waiting_per_caller, per_job=own.max_waiting_per_job
        ),
        quotas=Quotas(
            owner=own.quota,
            anonymous=own.anonymous_quota,
            by_type=own.type_quotas,
            holds=own.at_quota == "hold",
        ),
        max_attempts=own.max_attempts,
        lease=timedelta(seconds=own.lease_s),
        redispatch=timedelta(seconds=own.redispatch_s),
    )


async def open_changes(
    db: Database, settings: Settings, *, clock: Clock, stack: AsyncExitStack, light: frozenset[str] = frozenset()
) -> tuple[Changes, Hub]:
    """Open the store and the news of a process; closed with `stack`.

    `light` are the names of light job types, for a process that hands attempts out.
    """
    hub = await open_hub(db, notify_directory(settings), stack)
    time = await stack.enter_async_context(database_clock(db, clock))
    return Changes(SqlStore(db, light), hub, time), hub


def require_types(policy: Policy, job_types: Container[str]) -> None:
    """See that quotas are for types that exist.

    Raises
    ------
    SettingsError
        One is not.
    """
    for name in policy.quotas.by_type:
        if name not in job_types:
            raise SettingsError(f"setting uws.type_quotas: there is no job type {name!r}")


def results_of(settings: Settings) -> FileResults:
    """Return where results are kept."""
    return FileResults(settings.data_dir / "results")


def notify_directory(settings: Settings) -> Path:
    """Return where the sockets for news are, on SQLite."""
    return settings.data_dir.absolute() / "notify"
