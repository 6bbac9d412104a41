from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from penstock.db import Database
from penstock.discovery import Endpoint, endpoints
from penstock.migrations import upgrade
from tests.registry.regtap.corpus import fill


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url)
    await upgrade(db, {"registry": "registry.migrations"})
    yield db
    await db.close()


async def test_services_are_found_by_their_standard_whatever_its_case(db: Database) -> None:
    await fill(db)
    (broker,) = await endpoints(db, "ivo://IVOA.net/std/ExecutionBroker#1.0")
    assert broker == Endpoint(
        ivoid="ivo://obs.example/broker",
        title="Execution broker of the Example Observatory",
        access_url="https://obs.example/broker",
        version=None,
        authenticated_only=False,
    )


async def test_auxiliary_capabilities_and_pages_are_no_services(db: Database) -> None:
    await fill(db)
    found = await endpoints(db, "ivo://ivoa.net/std/TAP")
    assert [one.access_url for one in found] == [
        "https://obs.example/private/tap",
        "https://obs.example/tap",
        "https://second.example/planets/tap",
        "https://second.example/tap",
    ]
    assert [one.authenticated_only for one in found] == [True, False, False, False]


async def test_nothing_is_found_where_nothing_is_known(db: Database) -> None:
    assert await endpoints(db, "ivo://ivoa.net/std/TAP'; DROP TABLE rr.resource --") == ()
