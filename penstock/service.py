"""What a service is to the host: a name, a path, settings, tables, and how to open it.

A plugin of the group ``penstock.services`` is a `Service`. Opening one needs `Resources`: what all services in a
process share. Describing one needs settings only, so that a registry can describe services that run elsewhere. The
module of a plugin loads neither what opens nor what describes it (`penstock.plugins.later`): every command knows all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from aiohttp import web

    from penstock.auth.principal import Authenticator
    from penstock.clock import Clock
    from penstock.db import Database
    from penstock.edge.health import Readiness
    from penstock.edge.urls import Urls
    from penstock.lake.port import DataLake
    from penstock.settings import Section, Settings
    from penstock.tables import Schema
    from penstock.vosi import Capability

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shared(Generic[T]):
    """The name of something that is opened once in a process, by the first service that asks for it.

    `opener` registers what must be closed on `Resources.stack`.
    """

    name: str
    opener: Callable[[Resources], Awaitable[T]]


@dataclass(slots=True, kw_only=True)
class Resources:
    """What the services of one process share; opened before any of them and closed after all.

    `schemas` are the tables that packages offer to TAP (entry points ``penstock.tap_tables``); `served` are the
    names of the services of this process, none in a worker.
    """

    settings: Settings
    db: Database
    lake: DataLake
    urls: Urls
    clock: Clock
    authenticator: Authenticator
    readiness: Readiness
    stack: AsyncExitStack
    schemas: Sequence[Schema]
    served: frozenset[str] = frozenset()
    _shared: dict[str, Any] = field(default_factory=dict)

    async def shared(self, what: Shared[T]) -> T:
        """Return the one instance of `what` in this process.

        Services are opened one after the other, so that no two tasks race to open the same thing.
        """
        if what.name not in self._shared:
            self._shared[what.name] = await what.opener(self)
        instance: T = self._shared[what.name]
        return instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a service says of itself for /capabilities, the front page and its VOResource record.

    `resource_type` is the xsi:type of the record: ``vs:CatalogService``, ``vg:Registry``, ``vr:Service``.
    """

    title: str
    text: str
    capabilities: tuple[Capability, ...]
    resource_type: str = "vr:Service"
    subjects: tuple[str, ...] = ("virtual-observatories",)
    tables: tuple[Schema, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that the host can mount.

    Parameters
    ----------
    name
        By which ``penstock serve NAME`` and settings know it.
    path
        Where the combined host mounts it: ``/tap``.
    open
        Makes the application; long-lived things are registered on ``resources.stack``.
    describe
        Says what the service offers at a base URL (host and path, no slash at the end).
    settings
        Its section of the settings, if it has one.
    migrations
        The package that holds its alembic revisions, if it has tables; the last part of `schema` names them.
    schema
        Its namespace in the database.
    """

    name: str
    path: str
    open: Callable[[Resources], Awaitable[web.Application]]
    describe: Callable[[Settings, str], Description]
    settings: type[Section] | None = None
    migrations: str | None = None
    schema: str | None = None
