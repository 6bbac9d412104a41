"""Asks upstreams what they offer: where one is (from the Registry), its capabilities and its tables."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from tempfile import TemporaryFile

import structlog

from penstock.clock import Clock
from penstock.dali.errors import ServiceError
from penstock.db import Database
from penstock.discovery import endpoints
from penstock.votable.text import text_column
from penstock.votable.upload import UploadLimits
from tap_proxy.core.federation.ability import Ability, Unreadable, read_capabilities
from tap_proxy.core.federation.functions import read_functions
from tap_proxy.core.federation.mount import Metadata, RemoteTable
from tap_proxy.core.federation.tableset import MAX_COLUMNS, DescribedTables, described_tables, read_tables
from tap_proxy.core.request import TAP_STANDARD_ID
from tap_proxy.settings import TapSettings, UpstreamSettings
from tap_proxy.upstream.answers import Rows, checked
from tap_proxy.upstream.asking import ask
from tap_proxy.upstream.client import Request, Site, UpstreamClient, UpstreamFailed
from tap_proxy.upstream.gathering import parameters
from tap_proxy.upstream.store import Known, UpstreamStore

_TIME_LIMIT_S = 300.0
_log = structlog.get_logger(__name__)


def source_of(settings: UpstreamSettings) -> str:
    """Return the URL or the identifier by which the operator names an upstream."""
    return settings.url or settings.registry or ""


def site_of(name: str, settings: UpstreamSettings, url: str) -> Site:
    """Return an upstream as its client needs it."""
    return Site(
        name=name,
        url=url.rstrip("/"),
        trusted=settings.url is not None,
        token=settings.token.get_secret_value() if settings.token else None,
        compressed=settings.compressed,
        connect_s=settings.connect_s,
        idle_s=settings.idle_s,
    )


class Harvester:
    """Keeps what is known of the upstreams fresh.

    Parameters
    ----------
    db
        Where it is kept, and where the tables of our registry are.
    settings
        The upstreams and how often they are asked.
    allow_private
        Whether upstreams that the Registry names may have private addresses.
    clock
        Tells the time.
    """

    def __init__(self, db: Database, settings: TapSettings, *, allow_private: bool, clock: Clock) -> None:
        self._db = db
        self._store = UpstreamStore(db)
        self._settings = settings
        self._allow_private = allow_private
        self._clock = clock

    async def refresh(self) -> None:
        """Ask, all at the same time, the upstreams that were not asked for a while."""
        known = await self._store.all()
        due = [name for name, upstream in self._settings.upstreams.items() if self._is_due(upstream, known.get(name))]
        await asyncio.gather(*map(self._harvest, due))

    def _is_due(self, upstream: UpstreamSettings, known: Known | None) -> bool:
        if known is None or known.source != source_of(upstream):
            return True
        # One that was away is asked again sooner, the sooner the less is known of it.
        pause_s = self._settings.upstream_refresh_s / (1 if known.problem is None else 24)
        return (self._clock() - known.tried).total_seconds() >= pause_s

    async def _harvest(self, name: str) -> None:
        upstream = self._settings.upstreams[name]
        url: str | None = None
        metadata, problem = None, None
        try:
            url = upstream.url or await self._registered(upstream)
            metadata = await self._metadata(name, upstream, url)
        except (ServiceError, Unreadable) as error:
            problem = error.message if isinstance(error, ServiceError) else str(error)
            _log.warning("upstream_not_harvested", upstream=name, reason=problem)
        now = self._clock()
        known = Known(
            source=source_of(upstream),
            url=url,
            metadata=metadata,
            harvested=None if metadata is None else now,
            tried=now,
            problem=problem,
        )
        await self._store.keep(name, known)

    async def _registered(self, upstream: UpstreamSettings) -> str:
        found = await endpoints(self._db, TAP_STANDARD_ID)
        wanted = (upstream.registry or "").lower()
        urls = [each.access_url for each in found if each.ivoid.lower() == wanted and not each.authenticated_only]
        if not urls or urls[0].startswith("/"):
            raise UpstreamFailed(f"our registry knows no TAP service {upstream.registry}")
        return urls[0]

    async def _metadata(self, name: str, upstream: UpstreamSettings, url: str) -> Metadata:
        client = UpstreamClient(site_of(name, upstream, url), allow_private=self._allow_private)
        deadline = asyncio.get_running_loop().time() + _TIME_LIMIT_S
        most = self._settings.upstream_metadata_bytes
        try:
            with TemporaryFile() as file:
                await client.save(f"{client.site.url}/capabilities", file, max_bytes=most, deadline=deadline)
                file.seek(0)
                ability = await asyncio.to_thread(read_capabilities, file)
                file.seek(0)
                functions = await asyncio.to_thread(read_functions, file)
            schemas = frozenset(upstream.schemas)
            try:
                with TemporaryFile() as file:
                    await client.save(f"{client.site.url}/tables?detail=max", file, max_bytes=most, deadline=deadline)
                    file.seek(0)
                    found = await asyncio.to_thread(read_tables, file, schemas)
            except (UpstreamFailed, Unreadable) as error:
                _log.info("upstream_without_tables", upstream=name, reason=str(error))
                found = await self._described(client, ability, schemas, deadline)
        finally:
            await client.close()
        if not found:
            raise Unreadable("it describes no tables, or none of the schemas that are wanted")
        return Metadata(tables=found, ability=ability, functions=functions)

    async def _described(
        self, client: UpstreamClient, ability: Ability, schemas: frozenset[str], deadline: float
    ) -> tuple[RemoteTable, ...]:
        """Return the tables as TAP_SCHEMA tells them, where /tables does not."""
        rows = {name: await self._rows(client, name, ability, deadline) for name in ("tables", "columns")}
        try:
            rows |= {name: await self._rows(client, name, ability, deadline) for name in ("keys", "key_columns")}
        except ServiceError as error:  # tables are of use without their keys
            _log.info("upstream_without_keys", upstream=client.site.name, reason=error.message)
        return await asyncio.to_thread(described_tables, DescribedTables(**rows), schemas)

    async def _rows(
        self, client: UpstreamClient, name: str, ability: Ability, deadline: float
    ) -> list[dict[str, str | None]]:
        """Return the rows of a table of TAP_SCHEMA."""
        query = f"SELECT * FROM TAP_SCHEMA.{name}"  # noqa: S608  # ADQL, of our own names
        request = Request(params=parameters(query, ability.quickest(), MAX_COLUMNS, ability.version))
        limits = UploadLimits(max_bytes=self._settings.upstream_metadata_bytes, max_rows=MAX_COLUMNS)
        found: list[dict[str, str | None]] = []
        async with ask(client, request, deadline=deadline) as response:
            chunks = checked(client, client.chunks(response, deadline=deadline), votable=True)
            async with aclosing(chunks):
                rows = Rows(client, chunks, limits)
                await rows.begin()
                names = [field.name.lower() for field in rows.fields]
                async for batch in rows.batches():
                    texts = [text_column(*each).to_pylist() for each in zip(batch.columns, rows.fields, strict=True)]
                    found += [dict(zip(names, row, strict=True)) for row in zip(*texts, strict=True)]
        return found
