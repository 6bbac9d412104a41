"""What a composition root of UWS puts together, whatever the process is for."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from penstock.service import Resources
from penstock.settings import Settings
from uws.results import FileResults
from uws.service.policy import Policy
from uws.settings import UwsSettings


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
        max_attempts=own.max_attempts,
        lease=timedelta(seconds=own.lease_s),
    )


def results_of(settings: Settings) -> FileResults:
    """Return where results are kept."""
    return FileResults(settings.data_dir / "results")


def notify_directory(settings: Settings) -> Path:
    """Return where the sockets for news are, on SQLite."""
    return settings.data_dir.absolute() / "notify"
