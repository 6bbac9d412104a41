"""A lake in memory and what a service is opened with."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from penstock.auth.principal import AnonymousOnly, Authenticator, Principal
from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.edge.health import Readiness
from penstock.edge.urls import Urls
from penstock.lake.catalogue import Catalogue
from penstock.lake.port import DataLake, Did, Entry, Member, Replica, Site
from penstock.service import Resources, Service
from penstock.settings import load_settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PARIS = Site(name="paris", latitude_deg=48.86, longitude_deg=2.35)
PERTH = Site(name="perth", latitude_deg=-31.95, longitude_deg=115.86)
TRIESTE = Site(name="trieste", latitude_deg=45.65, longitude_deg=13.77)


@dataclass
class MemoryLake:
    """A lake that holds what it is given; it can be `away`, to who asks for `lost` too, or `stuck`."""

    entries: dict[Did, Entry] = field(default_factory=dict)
    members: dict[Did, tuple[Did, ...]] = field(default_factory=dict)
    known_sites: tuple[Site, ...] = (PARIS, PERTH, TRIESTE)
    ranks: dict[str, dict[str, int]] = field(default_factory=dict)
    away: bool = False
    stuck: bool = False
    lost: Did | None = None
    calls: int = 0

    def add(self, entry: Entry) -> Entry:
        self.entries[entry.did] = entry
        return entry

    async def resolve(self, dids: Sequence[Did], *, caller: Principal) -> Mapping[Did, Entry]:
        self.calls += 1
        await self._answer()
        if self.lost in dids:
            raise ServiceUnavailable("The lake is away.")
        return {did: self.entries[did] for did in dids if did in self.entries}

    async def sites(self) -> Sequence[Site]:
        await self._answer()
        return self.known_sites

    async def content(self, did: Did, *, caller: Principal) -> AsyncIterator[Member]:
        await self._answer()
        for member in self.members.get(did, ()):
            yield Member(did=member)

    async def distances(self, site: str) -> Mapping[str, int]:
        return self.ranks.get(site, {})

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
    service: Service,
    lake: DataLake,
    db: Database | None = None,
    *,
    beside: Sequence[Service] = (),
    authenticator: Authenticator | None = None,
    **section: Any,
) -> Resources:
    """Return what a service is opened with.

    `section` are the values of its own section of the settings; services `beside` it have theirs by default, and are
    served by the same process.
    """
    sections = {one.name: one.settings for one in (service, *beside) if one.settings}
    return Resources(
        settings=load_settings(sections, **{service.name: section} if section else {}),
        db=db or empty_catalogue(),
        lake=lake,
        urls=Urls(None),
        clock=lambda: NOW,
        authenticator=authenticator or AnonymousOnly(),
        readiness=Readiness(),
        stack=AsyncExitStack(),
        schemas=(),
        served=frozenset(one.name for one in (service, *beside)),
    )


def empty_catalogue() -> Database:
    """Return a database with the tables of a lake, in which nothing is; it lies in a file of its own."""
    handle, path = tempfile.mkstemp(suffix=".db")
    os.close(handle)
    shutil.copyfile(_template(), path)
    return Database(f"sqlite:///{path}")


@cache
def _template() -> Path:
    path = Path(tempfile.mkdtemp()) / "empty.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    for table in (Catalogue.of("sqlite").obscore, Catalogue.of("sqlite").files):
        table.metadata.create_all(engine)
    engine.dispose()
    return path


def observe(db: Database, did: Did, **columns: Any) -> None:
    """Write the row of a file into ObsCore."""
    row = {"lake_did": str(did), "obs_publisher_did": f"ivo://x/lake?{did}", "obs_id": "1", "obs_collection": "demo"}
    row |= {"calib_level": 2, **columns}
    with closing(sqlite3.connect(db.url.database or "")) as connection, connection:
        marks = ", ".join(f":{name}" for name in row)
        connection.execute(f"INSERT INTO ivoa__obscore ({', '.join(row)}) VALUES ({marks})", row)


async def mounted(service: Service, given: Resources) -> web.Application:
    """Return an application with the service where the host mounts it; what it was given is closed with it."""
    return ending(await service.open(given), service.path, given)


def ending(opened: web.Application, path: str, given: Resources) -> web.Application:
    """Return an application with a service at a path; at its end what the service was given is closed."""

    async def close(_app: web.Application) -> None:
        await given.stack.aclose()
        await given.db.close()

    app = web.Application()
    app.add_subapp(path, opened)
    app.on_cleanup.append(close)
    return app
