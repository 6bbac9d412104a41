"""A lake in memory and what a service is opened with."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from penstock.auth.principal import AnonymousOnly, Principal
from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.edge.health import Readiness
from penstock.edge.urls import Urls
from penstock.lake.port import DataLake, Did, Entry, Member, Replica, Site
from penstock.service import Resources, Service
from penstock.settings import load_settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PARIS = Site(name="paris", latitude_deg=48.86, longitude_deg=2.35)
PERTH = Site(name="perth", latitude_deg=-31.95, longitude_deg=115.86)
TRIESTE = Site(name="trieste", latitude_deg=45.65, longitude_deg=13.77)


@dataclass
class MemoryLake:
    """A lake that holds what it is given; it can be `away`, or never answer when `stuck`."""

    entries: dict[Did, Entry] = field(default_factory=dict)
    members: dict[Did, tuple[Did, ...]] = field(default_factory=dict)
    known_sites: tuple[Site, ...] = (PARIS, PERTH, TRIESTE)
    away: bool = False
    stuck: bool = False
    calls: int = 0

    def add(self, entry: Entry) -> Entry:
        self.entries[entry.did] = entry
        return entry

    async def resolve(self, dids: Sequence[Did], *, caller: Principal) -> Mapping[Did, Entry]:
        self.calls += 1
        await self._answer()
        return {did: self.entries[did] for did in dids if did in self.entries}

    async def sites(self) -> Sequence[Site]:
        await self._answer()
        return self.known_sites

    async def content(self, did: Did, *, caller: Principal) -> AsyncIterator[Member]:
        await self._answer()
        for member in self.members.get(did, ()):
            yield Member(did=member)

    async def distances(self, site: str) -> Mapping[str, int]:
        return {}

    async def _answer(self) -> None:
        if self.away:
            raise ServiceUnavailable("The lake is away.")
        if self.stuck:
            await asyncio.Event().wait()


def a_file(
    name: str = "a.fits", *sites: str, content: bytes | None = None, at: Path | None = None, **more: Any
) -> Entry:
    """Return a file; with `at` its bytes are written below that directory, one copy per site."""
    did = Did("demo", name)
    values: dict[str, Any] = {"media_type": "application/fits", "size_bytes": 2880}
    if content is not None:
        values |= {
            "size_bytes": len(content),
            "adler32": f"{zlib.adler32(content):08x}",
            "md5": hashlib.md5(content).hexdigest(),
        }
    replicas = tuple(_replica(did, site, content, at) for site in sites or ("paris", "perth"))
    return Entry(**({"did": did, "replicas": replicas} | values | more))


def _replica(did: Did, site: str, content: bytes | None, at: Path | None) -> Replica:
    if at is None or content is None:
        return Replica(site=site, url=f"https://{site}.example.org/{did.name}")
    path = at / site / did.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Replica(site=site, path=path)


def resources(
    service: Service, lake: DataLake, db: Database | None = None, *, beside: Sequence[Service] = (), **section: Any
) -> Resources:
    """Return what a service is opened with.

    `section` are the values of its own section of the settings; services `beside` it have theirs by default.
    """
    sections = {one.name: one.settings for one in (service, *beside) if one.settings}
    return Resources(
        settings=load_settings(sections, **{service.name: section} if section else {}),
        db=db or Database("sqlite:////nonexistent/never-opened.db"),
        lake=lake,
        urls=Urls(None),
        clock=lambda: NOW,
        authenticator=AnonymousOnly(),
        readiness=Readiness(),
        stack=AsyncExitStack(),
        schemas=(),
    )


async def mounted(service: Service, given: Resources) -> web.Application:
    """Return an application with the service where the host mounts it."""
    app = web.Application()
    app.add_subapp(service.path, await service.open(given))
    return app
