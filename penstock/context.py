"""What every command begins with: the installed services, the settings and a migrated database."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.dali.errors import ServiceUnavailable
from penstock.lake.rucio.settings import RucioSettings
from penstock.plugins import Group, Registry
from penstock.service import Service
from penstock.settings import Settings, SettingsError, load_settings, settings_type
from penstock.tables import Schema

if TYPE_CHECKING:
    from penstock.db import Database

T = TypeVar("T")
SERVICES: Registry[Service] = Registry(Group.SERVICES, Service)
LAKE_SECTIONS = {"rucio": RucioSettings}
LAKE_MIGRATIONS = {"ivoa": "penstock.lake.migrations.ivoa", "lake": "penstock.lake.migrations.lake"}


def load(**given: Any) -> Settings:
    """Read the settings of all installed services; `given` comes from the command line.

    Raises
    ------
    SettingsError
        A setting is wrong.
    """
    return load_settings(_sections(), **given)


def complete_settings_type() -> type[Settings]:
    """Return the settings record with the sections of all installed services."""
    return settings_type(_sections())


def _sections() -> dict[str, Any]:
    services = {name: service.settings for name, service in SERVICES.all().items() if service.settings is not None}
    return LAKE_SECTIONS | services


def migrations() -> dict[str, str]:
    """Return the packages of revisions of all installed services and the lake, by namespace."""
    owned = {
        service.schema: service.migrations
        for service in SERVICES.all().values()
        if service.schema and service.migrations
    }
    return LAKE_MIGRATIONS | owned


def published_schemas() -> tuple[Schema, ...]:
    """Return the tables that installed packages offer to TAP, in the order of their plugins."""
    plugins: Registry[tuple[Schema, ...]] = Registry(Group.TAP_TABLES, tuple)
    return tuple(schema for schemas in plugins.all().values() for schema in schemas)


def prepare_data_dir(path: Path) -> None:
    """Make the data directory if it is missing, and see that it can be written.

    Raises
    ------
    SettingsError
        It cannot be.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingsError(
            f"the data directory {path} cannot be written ({reason}): give another with --data or PENSTOCK_DATA_DIR"
        ) from error


@asynccontextmanager
async def database(settings: Settings, *, migrate: bool = True) -> AsyncIterator[Database]:
    """Open the database, brought to its newest revision unless `migrate` is False: a job finds it so.

    Raises
    ------
    SettingsError
        The URL is wrong, or the database cannot be reached or was made by a newer version.
    """
    from penstock.db import Database  # here, since many commands only read settings

    prepare_data_dir(settings.data_dir)
    try:
        db = Database(settings.database)
    except ValueError as error:
        raise SettingsError(f"setting database_url: {error}") from error
    try:
        if migrate:
            await _prepare(db)
        yield db
    finally:
        await db.close()


def on_database(settings: Settings, use: Callable[[Database], Awaitable[T]]) -> T:
    """Run `use` on the migrated database in an event loop of its own, for a command; raises as `database` does."""
    import asyncio  # here, since many commands only read settings

    async def run() -> T:
        async with database(settings) as db:
            return await use(db)

    return asyncio.run(run())


async def _prepare(db: Database) -> None:
    # here, since Alembic takes a while to load, and jobs, workers and most commands do without
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from penstock.migrations import upgrade

    shown = db.url.render_as_string(hide_password=True)
    try:
        async with db.read():
            pass
    except TypeError as error:  # all that a driver says of a parameter of the URL that it does not know
        raise SettingsError(f"setting database_url: {shown} has a parameter that is not known: {error}") from error
    except (SQLAlchemyError, OSError, ServiceUnavailable) as error:
        raise SettingsError(f"the database {shown} cannot be used: {_reason(error)}") from error
    try:
        await upgrade(db, migrations())
    except CommandError as error:
        raise SettingsError(f"the database {shown} was made by a newer version: {error}") from error
    except (SQLAlchemyError, OSError, ServiceUnavailable) as error:
        raise SettingsError(f"the database {shown} cannot be used: {_reason(error)}") from error


def _reason(error: BaseException) -> BaseException:
    """Return what the engine itself said."""
    cause = error.__cause__ if isinstance(error, ServiceUnavailable) and error.__cause__ else error
    return getattr(cause, "orig", None) or cause
