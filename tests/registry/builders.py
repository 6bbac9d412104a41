"""Services to be described, a registry of them, records, and the clock of all tests here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import web
from lxml import etree

from penstock.auth.challenges import Challenge, bearer
from penstock.auth.middleware import install_authentication
from penstock.auth.principal import ANONYMOUS, Authenticator, Principal
from penstock.db import Database
from penstock.migrations import upgrade
from penstock.regext import Capability, Interface
from penstock.service import Description, Resources, Service
from penstock.settings import Settings
from penstock.tables import Column, Schema, Table
from penstock.vosi import vosi_capabilities
from registry.app import open_for
from registry.plugin import service
from tests.datalink.builders import NOW, MemoryLake, resources

RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
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


class NamedCallers:
    """An authenticator for tests: the header X-Test-Caller names the caller, who is an admin if it is ``admin``."""

    security_methods: Sequence[str] = ("ivo://ivoa.net/sso#OAuth",)
    challenges: Sequence[Challenge] = (bearer("test"),)

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        name = headers.get("X-Test-Caller")
        return ANONYMOUS if name is None else Principal(subject=name, admin=name == "admin")


async def registry_app(
    db: Database,
    services: Iterable[Service] = (),
    *,
    now: datetime = NOW,
    authenticator: Authenticator | None = None,
    port: int = 8080,
    **settings: Any,
) -> web.Application:
    """Return a host with a registry of itself and `services`, opened at `now`."""
    given = replace(resources(service, MemoryLake(), db, **settings), clock=lambda: now)
    given = replace(given, settings=given.settings.model_copy(update={"port": port}))
    if authenticator is not None:
        given = replace(given, authenticator=authenticator)
    opened = await open_for(given, [service, *services])
    install_authentication(opened, given.authenticator)
    app = web.Application()
    app.add_subapp(service.path, opened)
    app.on_cleanup.append(lambda _app: given.stack.aclose())
    return app


RECORD = """\
<ri:Resource xmlns:ri="http://www.ivoa.net/xml/RegistryInterface/v1.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0"
  xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" xsi:type="{kind}" status="{status}" {stamps}>
  <title>{title}</title>
  <identifier>{ivoid}</identifier>
  <curation>
    <publisher>Example Observatory</publisher>
    <contact><name>Help desk</name><email>vo@example.org</email></contact>
  </curation>
  <content>
    <subject>surveys</subject>
    <description>{text}</description>
    <referenceURL>https://example.org/</referenceURL>
  </content>
  <capability><interface xsi:type="vs:ParamHTTP" role="std"><accessURL use="base">https://example.org/q</accessURL>
  </interface></capability>
</ri:Resource>
"""
STAMPS = 'created="2020-01-01T00:00:00Z" updated="2021-01-01T00:00:00Z"'


def a_record(ivoid: str = "ivo://penstock.example/hand", **members: str) -> bytes:
    """Return a ``ri:Resource`` that is valid unless `members` make it wrong."""
    given = {
        "kind": "vs:CatalogService",
        "status": "active",
        "title": "By hand",
        "text": "What it is.",
        "stamps": STAMPS,
    } | members
    return RECORD.format(ivoid=ivoid, **given).encode()


def an_element(ivoid: str, text: str = "What it is.") -> etree._Element:
    """Return a record without stamps, as the publisher makes it."""
    return etree.fromstring(a_record(ivoid, text=text, stamps=""))
