from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lxml import etree
from sqlalchemy import inspect

from penstock.db import Database
from registry.core.oai import Prefix, Selection
from registry.store import RecordStore, RegistryTables
from tests.registry.builders import migrated

ALL = Selection(prefix=Prefix.IVO_VOR)
T1, T2, T3 = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = await migrated(database_url)
    yield db
    await db.close()


def records(**texts: str) -> dict[str, etree._Element]:
    found = {}
    for name, text in texts.items():
        element = etree.Element("r")
        element.text = text
        found[f"ivo://a.b.c/{name}"] = element
    return found


async def listed(store: RecordStore, selection: Selection = ALL) -> list[tuple[str, str, bool]]:
    found = await store.select(selection, None, 100)
    return [(one.ivoid.rpartition("/")[2], one.updated[:10], one.deleted) for one in found]


async def test_dates_change_only_with_the_content(db: Database) -> None:
    store = RecordStore(db)
    await store.publish(records(x="1", y="1"), T1)
    await store.publish(records(x="1", y="2"), T2)
    assert await listed(store) == [("x", "2026-01-01", False), ("y", "2026-01-02", False)]
    changed = await store.get("ivo://a.b.c/y")
    assert changed is not None
    assert changed.xml == b'<r created="2026-01-01T00:00:00Z" updated="2026-01-02T00:00:00Z">2</r>'


async def test_what_disappears_is_kept_as_deleted_and_may_come_back(db: Database) -> None:
    store = RecordStore(db)
    await store.publish(records(x="1", y="1"), T1)
    await store.publish(records(x="1"), T2)
    await store.publish(records(x="1"), T3)
    assert await listed(store) == [("x", "2026-01-01", False), ("y", "2026-01-02", True)]
    await store.publish(records(x="1", y="1"), T3)
    assert await listed(store) == [("x", "2026-01-01", False), ("y", "2026-01-03", False)]
    back = await store.get("ivo://a.b.c/y")
    assert back is not None
    assert b'created="2026-01-01T00:00:00Z"' in back.xml


async def test_selection_is_inclusive_at_both_ends(db: Database) -> None:
    store = RecordStore(db)
    for stamp, name in ((T1, "x"), (T2, "y"), (T3, "z")):
        await store.publish(records(x="1") | records(**{name: "2"}), stamp)
    selection = Selection(prefix=Prefix.IVO_VOR, since=T2, until=T3)
    assert await store.count(selection) == len(await store.select(selection, None, 9))
    assert await store.count(Selection(prefix=Prefix.IVO_VOR, since="2027-01-01T00:00:00Z")) == 0
    assert await store.earliest() == T2, "x changed at T2"


async def test_pages_are_keyed_by_date_and_identifier(db: Database) -> None:
    store = RecordStore(db)
    await store.publish(records(**{f"r{n:02d}": "1" for n in range(25)}), T1)
    seen: list[str] = []
    after = None
    while page := await store.select(ALL, after, 4):
        seen += [one.ivoid for one in page]
        after = (page[-1].updated, page[-1].ivoid)
    assert seen == sorted(set(seen))
    assert len(seen) == 25


async def test_the_migrated_table_is_the_declared_one(db: Database) -> None:
    declared = RegistryTables.of(db.dialect).record
    async with db.engine.connect() as connection:
        columns = await connection.run_sync(lambda c: inspect(c).get_columns(declared.name, schema=declared.schema))
    assert [(c["name"], c["nullable"]) for c in columns] == [(c.name, c.nullable) for c in declared.columns]


async def test_an_unknown_record_is_none(db: Database) -> None:
    assert await RecordStore(db).get("ivo://a.b.c/'; DROP TABLE record --") is None
    assert await RecordStore(db).earliest() is None


async def test_a_database_that_cannot_be_read_is_a_problem_in_words(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'never-migrated.db'}")
    assert await RecordStore(db).problem() == "The database of the registry does not answer."
    await db.close()
