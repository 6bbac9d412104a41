from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy

import pytest
import sqlalchemy as sa
from lxml import etree
from sqlalchemy import inspect

from bench.records import records
from penstock.db import Database
from registry.core.regtap.tables import FILLED
from registry.regtap_store import RegtapTables, refill, write_many
from tests.registry.builders import migrated
from tests.registry.regtap.corpus import fill, identifier, record, texts


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = await migrated(database_url)
    yield db
    await db.close()


async def counts(db: Database) -> dict[str, int]:
    tables = RegtapTables.of(db.dialect).filled
    async with db.read() as connection:
        return {
            name: await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for name, table in tables.items()
        }


async def rows(db: Database, query: str) -> list[tuple[object, ...]]:
    prefix = "rr." if db.dialect == "postgresql" else "rr__"
    async with db.read() as connection:
        return [tuple(row) for row in await connection.execute(sa.text(query.replace("rr.", prefix)))]


async def test_every_table_is_filled(db: Database) -> None:
    await fill(db)
    found = await counts(db)
    assert found["resource"] == len(texts()) - 2, "all but the two that are not active"
    assert min(found.values()) > 0


async def test_writing_again_changes_nothing(db: Database) -> None:
    await fill(db)
    before = await counts(db)
    await fill(db)
    assert await counts(db) == before


async def test_a_record_replaces_what_was_said_before(db: Database) -> None:
    await fill(db)
    changed = record("plates")
    changed.remove(changed.find("tableset"))
    changed.find("title").text = "Other plates"
    async with db.write() as connection:
        await write_many(connection, {"IVO://obs.example/PLATES": changed})
    assert await rows(db, "SELECT res_title FROM rr.resource WHERE ivoid = 'ivo://obs.example/plates'") == [
        ("Other plates",)
    ]
    assert await rows(db, "SELECT * FROM rr.res_table WHERE ivoid = 'ivo://obs.example/plates'") == []


async def test_a_record_that_goes_takes_everything_along(db: Database) -> None:
    await fill(db)
    async with db.write() as connection:
        await write_many(connection, dict.fromkeys(map(identifier, texts())))
    assert set((await counts(db)).values()) == {0}


async def test_a_record_that_becomes_inactive_goes(db: Database) -> None:
    await fill(db)
    retired = record("plates")
    retired.set("status", "inactive")
    async with db.write() as connection:
        await write_many(connection, {identifier("plates"): retired})
    assert await rows(db, "SELECT * FROM rr.resource WHERE ivoid = 'ivo://obs.example/plates'") == []


async def test_what_is_not_committed_leaves_no_trace(db: Database) -> None:
    class Stopped(Exception):
        pass

    with pytest.raises(Stopped):
        async with db.write() as connection:
            await write_many(connection, {identifier("plates"): record("plates")})
            raise Stopped
    assert set((await counts(db)).values()) == {0}


async def test_of_identifiers_that_differ_by_case_the_last_counts(db: Database) -> None:
    first, second = record("plates"), record("plates")
    second.find("title").text = "Second"
    async with db.write() as connection:
        await write_many(connection, {"ivo://obs.example/plates": first, "ivo://obs.example/PLATES": second})
    assert await rows(db, "SELECT ivoid, res_title FROM rr.resource") == [("ivo://obs.example/plates", "Second")]


async def test_writers_of_the_same_resource_wait_for_one_another(db: Database) -> None:
    async def write(number: int) -> None:
        changed = record("plates")
        changed.find("title").text = f"Title {number}"
        async with db.write() as connection:
            await write_many(connection, {identifier("plates"): changed})

    await asyncio.gather(*map(write, range(8)))
    assert len(await rows(db, "SELECT res_title FROM rr.resource")) == 1


async def test_long_values_are_kept(db: Database) -> None:
    odd = record("several")
    for path in ("title", "content/description", "content/subject", "curation/creator/name", "capability/description"):
        odd.find(path).text = "天" * 20_000
    for path in (".//column/ucd", ".//column/name", ".//table/name", ".//accessURL"):
        odd.find(path).text = "x" * 20_000
    async with db.write() as connection:
        await write_many(connection, {identifier("several"): odd})
    assert len(await rows(db, "SELECT * FROM rr.resource")) == 1


async def test_a_moc_of_many_cells_is_kept(db: Database) -> None:
    odd = record("plates")
    odd.find("coverage/spatial").text = "8/" + " ".join(map(str, range(0, 200_000, 2)))
    async with db.write() as connection:
        await write_many(connection, {identifier("plates"): odd})
    assert len(await rows(db, "SELECT coverage FROM rr.stc_spatial")) == 1


async def test_more_records_than_a_statement_takes_are_written(db: Database) -> None:
    many = {f"ivo://many.example/{number}": deepcopy(element) for number, (_, element) in enumerate(records(1200))}
    async with db.write() as connection:
        await write_many(connection, many)
    assert (await counts(db))["resource"] == 1200
    async with db.write() as connection:
        await write_many(connection, {**dict.fromkeys(many), "ivo://obs.example/plates": record("plates")})
    assert (await counts(db))["resource"] == 1


async def test_tables_of_tap_services_are_listed_once_with_who_knows_them_best(db: Database) -> None:
    await fill(db)
    assert await rows(db, "SELECT svcid, table_name, resid, table_title FROM rr.tap_table ORDER BY 1, 2") == [
        ("ivo://obs.example/tap", "ivoa.obscore", "ivo://obs.example/obscore-slice", "Observations"),
        ("ivo://obs.example/tap", "plates.main", "ivo://obs.example/plates", "Plates"),
        ("ivo://second.example/planets/tap", "moons.epn_core", "ivo://second.example/moons", "Moons"),
        ("ivo://second.example/planets/tap", "planets.epn_core", "ivo://second.example/planets/tap", "Planetary data"),
    ]


async def test_the_migrated_tables_are_the_declared_ones(db: Database) -> None:
    declared = RegtapTables.of(db.dialect)
    async with db.engine.connect() as connection:
        for table in (*declared.filled.values(), declared.mapping):
            columns = await connection.run_sync(
                lambda c, table=table: inspect(c).get_columns(table.name, schema=table.schema)
            )
            described = {column["name"]: column["nullable"] for column in columns}
            assert described == {column.name: column.nullable for column in table.columns}, table.name
    assert set(declared.filled) == {table.name for table in FILLED}


def stored(element: etree._Element) -> dict[str, object]:
    return {"xml": etree.tostring(element).decode(), "digest": "", "created": "", "updated": ""}


async def test_a_database_of_before_is_filled_from_its_records(db: Database) -> None:
    schema, name = ("registry", "record") if db.dialect == "postgresql" else (None, "registry__record")
    columns = ("ivoid", "digest", "created", "updated", "deleted", "xml", "key", "managed")
    table = sa.table(name, *map(sa.column, columns), schema=schema)
    async with db.write() as connection:
        for number, name in enumerate(texts()):
            values = {"ivoid": identifier(name), "deleted": name == "plates", "key": identifier(name).lower()}
            await connection.execute(sa.insert(table).values(**values, managed=number % 2 == 0, **stored(record(name))))
    await refill(db)
    found = await counts(db)
    assert found["resource"] == len(texts()) - 3
    async with db.write() as connection:
        await write_many(connection, {identifier("tap"): None})
    await refill(db)
    assert (await counts(db))["resource"] == found["resource"] - 1, "what was filled in the present way is left alone"
