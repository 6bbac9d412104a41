"""What the store of baskets must do, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import inspect

from penstock.basket.model import Item, Kind, NewItem
from penstock.basket.store import SCHEMA, BasketStore, Tables
from penstock.dali.errors import NotFound, PreconditionFailed, TooManyRequests
from penstock.db import Database
from penstock.migrations import upgrade

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
ALICE, BOB = "alice@example.org", "bob@example.org"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = Database(database_url)
    await upgrade(db, {SCHEMA: "penstock.basket.migrations"})
    yield db
    await db.close()


@pytest.fixture
def store(db: Database) -> BasketStore:
    return BasketStore(db, max_items=5)


def things(*names: str) -> list[NewItem]:
    return [NewItem(reference=f"demo:{name}", kind=Kind.DID) for name in names]


def names(items: list[Item]) -> list[str]:
    return [item.what.reference.removeprefix("demo:") for item in items]


async def test_tables_are_those_of_the_migrations(db: Database) -> None:
    async with db.read() as connection:
        for table in (Tables.of(db.dialect).basket, Tables.of(db.dialect).item):
            found = await connection.run_sync(
                lambda sync, table=table: inspect(sync).get_columns(table.name, schema=table.schema)
            )
            assert [column["name"] for column in found] == [column.name for column in table.columns]


async def test_a_basket_is_its_owners(store: BasketStore) -> None:
    assert await store.create(ALICE, "mine", NOW, most=None)
    assert not await store.create(ALICE, "mine", LATER, most=None)
    assert await store.create(BOB, "mine", NOW, most=None)
    await store.add(ALICE, "mine", things("a"), LATER)
    assert [(one.name, one.items, one.created, one.changed) for one in await store.baskets(ALICE)] == [
        ("mine", 1, NOW, LATER)
    ]
    assert (await store.basket(BOB, "mine")).items == 0
    with pytest.raises(NotFound):
        await store.basket(None, "mine")


async def test_items_are_kept_as_they_are_and_in_order(store: BasketStore) -> None:
    whole = NewItem(
        reference="https://x.org/results/1",
        kind=Kind.RESULT,
        label="ein Schild",
        media_type="text/csv",
        size_bytes=2**40,
        job="job-1",
    )
    await store.create(ALICE, "mine", NOW, most=None)
    await store.add(ALICE, "mine", [*things("b", "a"), whole], LATER)
    _, items = await store.items(ALICE, "mine", limit=10)
    assert [item.what for item in items] == [*things("b", "a"), whole]
    assert {item.created for item in items} == {LATER}


async def test_pages_go_on_after_what_was_removed(store: BasketStore) -> None:
    await store.create(ALICE, "mine", NOW, most=None)
    await store.add(ALICE, "mine", things("a", "b", "c", "d", "e"), NOW)
    _, first = await store.items(ALICE, "mine", limit=2)
    await store.remove(ALICE, "mine", first[-1].id, LATER)
    await store.add(ALICE, "mine", things("f"), LATER)
    _, rest = await store.items(ALICE, "mine", after=first[-1].id, limit=10)
    assert names(first) + names(rest) == ["a", "b", "c", "d", "e", "f"]


async def test_what_is_there_already_stays_as_it_is(store: BasketStore) -> None:
    await store.create(ALICE, "mine", NOW, most=None)
    first = await store.add(ALICE, "mine", things("a"), NOW)
    before = await store.basket(ALICE, "mine")
    again = await store.add(ALICE, "mine", things("a", "a"), LATER)
    assert again == first * 2
    assert await store.basket(ALICE, "mine") == before


async def test_every_change_is_a_version(store: BasketStore) -> None:
    await store.create(ALICE, "mine", NOW, most=None)
    versions = [(await store.basket(ALICE, "mine")).version]
    for change in ("add", "more", "remove"):
        if change == "remove":
            await store.remove(ALICE, "mine", 1, NOW)
        else:
            await store.add(ALICE, "mine", things(change), NOW)
        versions.append((await store.basket(ALICE, "mine")).version)
    assert versions == sorted(set(versions))


async def test_a_basket_and_an_owner_may_be_full(store: BasketStore) -> None:
    await store.create(ALICE, "one", NOW, most=2)
    await store.create(ALICE, "two", NOW, most=2)
    assert not await store.create(ALICE, "two", NOW, most=2)
    with pytest.raises(TooManyRequests):
        await store.create(ALICE, "three", NOW, most=2)
    await store.add(ALICE, "one", things("a", "b", "c", "d"), NOW)
    with pytest.raises(TooManyRequests):
        await store.add(ALICE, "one", things("e", "f"), NOW)
    assert (await store.basket(ALICE, "one")).items == 4, "all or nothing"
    await store.add(ALICE, "one", things("e"), NOW)


async def test_limits_hold_however_many_come_at_once(store: BasketStore) -> None:
    await store.create(ALICE, "one", NOW, most=3)
    adding = [store.add(ALICE, "one", things(str(n)), NOW) for n in range(8)]
    making = [store.create(ALICE, f"basket-{n}", NOW, most=3) for n in range(6)]
    outcomes = await asyncio.gather(*adding, *making, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert {type(one) for one in refused} == {TooManyRequests}
    basket, items = await store.items(ALICE, "one", limit=100)
    assert (basket.items, len(items), len({item.id for item in items})) == (5, 5, 5)
    assert len(await store.baskets(ALICE)) == 3


async def test_a_basket_goes_with_all_that_is_in_it(store: BasketStore) -> None:
    await store.create(ALICE, "mine", NOW, most=None)
    await store.add(ALICE, "mine", things("a"), NOW)
    version = (await store.basket(ALICE, "mine")).version
    with pytest.raises(PreconditionFailed):
        await store.discard(ALICE, "mine", version=version - 1)
    await store.discard(ALICE, "mine", version=version)
    await store.create(ALICE, "mine", NOW, most=None)
    assert (await store.items(ALICE, "mine", limit=10))[1] == []


async def test_what_is_not_there_is_not_found(store: BasketStore) -> None:
    await store.create(ALICE, "mine", NOW, most=None)
    for attempt in (
        store.items(ALICE, "none", limit=1),
        store.add(ALICE, "none", things("a"), NOW),
        store.remove(ALICE, "none", 1, NOW),
        store.remove(ALICE, "mine", 1, NOW),
        store.discard(ALICE, "none"),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_old_anonymous_baskets_are_forgotten(store: BasketStore) -> None:
    for owner, name, then in ((None, "old", NOW), (None, "new", LATER), (ALICE, "old", NOW)):
        await store.create(owner, name, then, most=None)
        await store.add(owner, name, things("a"), then)
    await store.forget_anonymous(LATER)
    assert [one.name for one in await store.baskets(None)] == ["new"]
    assert len((await store.items(ALICE, "old", limit=10))[1]) == 1
