"""What the commands share: how they reach the database, and how they tell what went wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import typer

from penstock.context import load, on_database
from penstock.dali.errors import ServiceError
from penstock.db import Database, async_url
from penstock.settings import Settings, SettingsError
from penstock.telling import tell

T = TypeVar("T")
FAILED, SOME_LEFT = 1, 3  # exit codes: nothing was done; some of it was not


def settings_of(data: Path | None, *, existing: bool = False) -> Settings:
    """Read the settings; a database that must be `existing` is not made.

    Raises
    ------
    SettingsError
        A setting is wrong, or there is no database.
    """
    settings = load(data_dir=data)
    try:
        url = async_url(settings.database)
    except ValueError as error:
        raise SettingsError(f"setting database_url: {error}") from error
    if existing and url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        folder = settings.data_dir.absolute()
        raise SettingsError(f"no registry at {folder}: give --data, or run `penstock serve` first")
    return settings


def with_database(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    """Run `use` on the migrated database; an error of it is one line, and the exit code `FAILED`."""
    try:
        return on_database(settings, use)
    except ServiceError as error:
        raise fail(error.message) from error


def fail(text: str) -> typer.Exit:
    """Tell on standard error why nothing was done, and return the exit to raise."""
    tell(f"penstock registry: {text}")
    return typer.Exit(FAILED)
