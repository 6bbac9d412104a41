"""Services to be described, and a registry of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import web

from penstock.db import Database
from penstock.migrations import upgrade
from penstock.regext import Capability, Interface
from penstock.service import Description, Resources, Service
from penstock.settings import Settings
from penstock.tables import Column, Schema, Table
from penstock.vosi import vosi_capabilities
from registry.app import open_for, service
from tests.datalink.builders import NOW, MemoryLake, resources

TABLES = Schema(
    name="demo",
    tables=(Table(name="main", columns=(Column(name="ra", datatype="double", unit="deg"),), description="Positions"),),
)


async def never_opened(_resources: Resources) -> web.Application:
    raise NotImplementedError


def a_service(name: str, *, text: str = "What it does & <more>.", kind: str = "vs:CatalogService") -> Service:
    def describe(_settings: Settings, base_url: str) -> Description:
        interface = Interface(
            access_url=f"{base_url}/q", use="base", role="std", security_methods=(None, "ivo://ivoa.net/sso#BasicAA")
        )
        return Description(
            title=f"{name} service",
            text=text,
            capabilities=(*vosi_capabilities(base_url), Capability(standard_id="ivo://x.y/z", interfaces=(interface,))),
            resource_type=kind,
            tables=(TABLES,) if kind == "vs:CatalogService" else (),
        )

    return Service(name=name, path=f"/{name}", open=never_opened, describe=describe)


async def migrated(database_url: str) -> Database:
    db = Database(database_url)
    await upgrade(db, {"registry": "registry.migrations"})
    return db


async def registry_app(
    db: Database, services: Iterable[Service] = (), *, now: datetime = NOW, **settings: Any
) -> web.Application:
    """Return a host with a registry of itself and `services`, opened at `now`."""
    given = replace(resources(service, MemoryLake(), db, **settings), clock=lambda: now)
    app = web.Application()
    app.add_subapp(service.path, await open_for(given, [service, *services]))
    return app
