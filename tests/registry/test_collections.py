"""Records of what the lake holds, and what the service does in the background."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from penstock.context import LAKE_MIGRATIONS
from penstock.db import Database
from penstock.lake.catalogue import Catalogue
from penstock.migrations import upgrade
from registry.collections import collections_of
from registry.core.curation import CurationFile, read_curation
from registry.core.record import Coverage
from registry.core.voresource import rebase, resource_element, stamp
from registry.ports import Filter
from registry.service.making import Collection, RecordMaker
from registry.store import RecordStore
from tests.registry.builders import a_service, migrated, registry_app
from tests.registry.stub import Stub, listing, record, serving
from tests.support import official
from xsd.validation import validate

STAMP = "2026-01-01T00:00:00Z"
ROWS: tuple[dict[str, Any], ...] = (
    {
        "obs_collection": "deep",
        "t_min": 59000.0,
        "t_max": 59001.0,
        "em_min": 4e-7,
        "em_max": 5e-7,
        "facility_name": "T1",
    },
    {
        "obs_collection": "deep",
        "t_min": 58000.5,
        "t_max": 58001.0,
        "em_min": 8e-7,
        "em_max": 2e-6,
        "facility_name": "T2",
    },
    {"obs_collection": "bare"},
    {"obs_collection": "no name for a path?"},
)


async def filled(url: str) -> Database:
    db = await migrated(url)
    await upgrade(db, LAKE_MIGRATIONS)
    table = Catalogue.of(db.dialect).obscore
    fixed = {"calib_level": 2, "obs_id": "o"}
    async with db.write() as connection:
        for number, row in enumerate(ROWS):
            own = {"obs_publisher_did": f"ivo://a.b.c/lake?x:{number}", "lake_did": f"x:{number}"}
            await connection.execute(table.insert().values(**fixed, **own, **row))
    return db


async def test_collections_are_known_by_what_their_files_cover(database_url: str) -> None:
    db = await filled(database_url)
    found = await collections_of(db)
    await db.close()
    assert found is not None
    bare, deep = found
    assert (bare.name, bare.files, bare.coverage.temporal, bare.coverage.wavebands) == ("bare", 1, (), ())
    assert (deep.name, deep.files, deep.facilities) == ("deep", 2, ("T1", "T2"))
    assert deep.coverage.temporal == ((58000.5, 59001.0),)
    assert deep.coverage.wavebands == ("Optical", "Infrared")
    ((low_j, high_j),) = deep.coverage.spectral
    assert low_j == pytest.approx(9.93e-20, rel=1e-3)
    assert high_j == pytest.approx(4.97e-19, rel=1e-3)


async def test_a_catalogue_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'never-migrated.db'}")
    assert await collections_of(db) is None
    await db.close()


async def test_records_of_the_lake_and_of_all_else_are_valid(database_url: str) -> None:
    db = await filled(database_url)
    held = await collections_of(db)
    await db.close()
    assert held is not None
    curation = read_curation(
        'rights = [{ text = "CC-BY", uri = "https://spdx.org/licenses/CC-BY-4.0" }]\ncreators = [{ name = "D", '
        'logo = "https://example.org/l.png" }]\ncontributors = [{ name = "C", ivoid = "ivo://a.b.c/c" }]\n'
        '[collections.deep]\ninstruments = ["I"]\ncoverage = { spatial = "4/0-9" }\n'
        "[collections.bare]\npublish = false\n"
    )
    records = RecordMaker("a.b.c", curation).of_lake(held, "/tap")
    assert [one.ivoid for one in records] == ["ivo://a.b.c/lake", "ivo://a.b.c/lake/deep"]
    for one in records:
        element = resource_element(one)
        rebase(element, "https://example.org")
        document = stamp(element, created=STAMP, updated=STAMP)
        assert validate(document) == []
        assert official.findings(document, record=True) == []


def test_a_lake_without_collections_has_no_records() -> None:
    maker = RecordMaker("a.b.c", CurationFile())
    assert maker.of_lake((), "/tap") == ()
    many = [Collection(name=f"c{n}", files=1, coverage=Coverage()) for n in range(30)]
    assert "and 10 more" in maker.of_lake(many, "/tap")[0].text


async def test_the_service_publishes_the_lake_and_harvests_whom_the_settings_name(
    aiohttp_client: Any, tmp_path: Path
) -> None:
    db = await filled(f"sqlite:///{tmp_path / 'test.db'}")
    async with serving(Stub(lists={None: listing(record("ivo://other.org/a"))})) as stub:
        app = await registry_app(db, [a_service("tap")], harvest=(stub.url,), allow_private=True)
        await aiohttp_client(app)
        store = RecordStore(db)
        async with asyncio.timeout(20):
            while await store.get("ivo://other.org/a") is None:  # noqa: ASYNC110  # it is written by another task
                await asyncio.sleep(0.02)
    found = {one.ivoid: one.origin for one in await store.search(Filter(), "", 99)}
    assert found["ivo://penstock.example/lake/deep"] == "lake"
    assert found["ivo://other.org/a"] == stub.url
    await db.close()
