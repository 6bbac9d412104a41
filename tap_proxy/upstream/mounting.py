"""Keeps the upstreams of a process: their tables among those that are published, and who asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import structlog

from penstock.dali.errors import ServiceError
from penstock.db import Database
from penstock.tables import Schema
from tap_proxy.core.federation.catalogue import Federation
from tap_proxy.core.federation.functions import forms
from tap_proxy.core.federation.mount import Mount
from tap_proxy.core.federation.plan import Plan
from tap_proxy.core.own_tables import schemas_of
from tap_proxy.own.store import OwnTables
from tap_proxy.ports import UploadedTable
from tap_proxy.service import TapService
from tap_proxy.settings import TapSettings
from tap_proxy.store import publish
from tap_proxy.translation import compiler, table_names
from tap_proxy.upstream.client import UpstreamClient
from tap_proxy.upstream.federating import Federator
from tap_proxy.upstream.harvesting import Harvester, site_of, source_of
from tap_proxy.upstream.shadows import Shadows
from tap_proxy.upstream.store import Known, UpstreamStore

_ASK_EVERY_S = 30.0
_LOOK_EVERY_S = 1.0
_TIDY_EVERY_S = 2.0
_log = structlog.get_logger(__name__)


class Mounts:
    """The upstreams of a process.

    Parameters
    ----------
    db
        Where it is kept what they said of themselves.
    service
        Who answers queries; it is told of every change.
    schemas
        What we publish of our own.
    settings
        The upstreams.
    allow_private
        Whether upstreams that the Registry names may have private addresses.
    shadows
        Where it is kept which jobs of the upstreams work for which of ours.

    Attributes
    ----------
    changed
        When what is published was last found to have changed.
    """

    def __init__(
        self,
        db: Database,
        service: TapService,
        schemas: Sequence[Schema],
        settings: TapSettings,
        *,
        allow_private: bool,
        shadows: Shadows,
    ) -> None:
        self.service = service
        self.problems: tuple[str, ...] = ()
        self._db = db
        self._store = UpstreamStore(db)
        self._own = OwnTables(db)
        self._own_seen = ""
        self._lock = asyncio.Lock()
        self._published = tuple(schemas)
        self._schemas = self._published
        self._settings = settings
        self._allow_private = allow_private
        self._shadows = shadows
        self._clock = shadows.clock
        self.changed = self._clock()
        self._clients: dict[str, UpstreamClient] = {}
        self._seen: Mapping[str, str] = {}
        self._take(Federation(self._schemas, (), here=settings.archive_name))

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """All that is published."""
        return self._federation.schemas

    @property
    def functions(self) -> Iterator[tuple[str, str]]:
        """Signatures and descriptions of the functions that queries on tables of an archive may call."""
        return forms(self._federation.functions)

    def plan(self, text: str, uploads: Sequence[UploadedTable] = ()) -> Plan:
        """Return how a query will be answered; nothing is run.

        Raises
        ------
        UsageError
            The query is wrong.
        """
        return self._federator.plan(text, uploads)

    async def load(self) -> None:
        """Publish what is known by now of the upstreams and of added tables, if that is news."""
        async with self._lock:
            versions = await self._store.versions() if self._settings.upstreams else {}
            own = await self._own.version()
            if (versions, own) == (self._seen, self._own_seen):
                return
            self._schemas = (*self._published, *schemas_of(await self._own.all()))
            self.service.source.offer(table_names(self._schemas))
            self._take(await self._federation_of(await self._store.all() if versions else {}))
            await publish(self._db, self.schemas)
            self._seen, self._own_seen, self.changed = versions, own, self._clock()

    async def keep_fresh(self) -> None:
        """Ask the upstreams again and again, and publish what they, other processes or the operator have to tell."""
        looking = self._again(self.load, _LOOK_EVERY_S)
        if not self._settings.upstreams:
            await looking
            return
        harvester = Harvester(self._db, self._settings, allow_private=self._allow_private, clock=self._clock)
        asking = self._again(harvester.refresh, min(_ASK_EVERY_S, self._settings.upstream_refresh_s))
        tidying = self._again(lambda: self._shadows.tidy(self._clients), _TIDY_EVERY_S)
        await asyncio.gather(looking, asking, tidying)

    @staticmethod
    async def _again(do: Callable[[], Awaitable[object]], every_s: float) -> None:
        while True:
            try:
                await do()
            except ServiceError as error:  # the database is away
                _log.warning("tables_not_refreshed", reason=error.message)
            except Exception:  # noqa: BLE001  # like the reaper, this must go on, whatever an upstream sends
                _log.exception("tables_not_refreshed")
            await asyncio.sleep(every_s)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.close()

    async def _federation_of(self, known: Mapping[str, Known]) -> Federation:
        mounts = []
        problems = []
        for name, upstream in self._settings.upstreams.items():
            found = known.get(name)
            if found is None or found.source != source_of(upstream):
                continue
            if found.problem is not None:
                problems.append(f"The archive {name} did not say what it offers: {found.problem}")
            if found.metadata is not None and found.harvested is not None and found.url is not None:
                await self._connect(name, found.url)
                mount = Mount(
                    name=name,
                    url=found.url,
                    metadata=found.metadata,
                    harvested=found.harvested,
                    in_obscore=upstream.obscore,
                    dids_to_links=upstream.dids_to_links,
                )
                mounts.append(mount)
        self.problems = tuple(problems)
        return await asyncio.to_thread(Federation, self._schemas, mounts, here=self._settings.archive_name)

    async def _connect(self, name: str, url: str) -> None:
        """Have a client for an upstream; queries that run now keep theirs, unless the upstream has moved."""
        site, client = site_of(name, self._settings.upstreams[name], url), self._clients.get(name)
        if client is not None and client.site == site:
            return
        if client is not None:
            await client.close()
        self._clients[name] = UpstreamClient(site, allow_private=self._allow_private)

    def _take(self, federation: Federation) -> None:
        """Answer queries on these tables from now on."""
        service = self.service
        compile_query = compiler(self._schemas, service.source.dialect, federation)
        self._federation = federation
        self._federator = Federator(
            federation=federation,
            compile=compile_query,
            clients=self._clients,
            source=service.source,
            shadows=self._shadows,
            settings=self._settings,
        )
        service.elsewhere = self._federator
        service.look_again = self.load
        service.compile_with(compile_query)
