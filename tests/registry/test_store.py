"""What every store of records must do, on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from lxml import etree
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.db import Database
from registry.core.envelope import Stored
from registry.core.harvesting import Judged, Verdict
from registry.core.oai import Prefix, Selection
from registry.core.reading import facts_of
from registry.ports import AnotherAtWork, Filter, Origin, Source, Tally
from registry.store import RecordStore, RegistryTables, SourceStore
from tests.registry.builders import a_record, an_element, migrated

ALL = Selection(prefix=Prefix.IVO_VOR)
T1, T2, T3 = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z"
OURS, THEIRS = "ivo://a.b.c", "ivo://other.org"
URL = "https://other.org/oai"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    db = await migrated(database_url)
    yield db
    await db.close()


class Seen:
    """Another view of records, which notes what it was told."""

    def __init__(self, *unwelcome: str) -> None:
        self.told: dict[str, bool] = {}
        self._unwelcome = unwelcome

    async def index(self, connection: AsyncConnection, records: Mapping[str, etree._Element | None]) -> None:
        for ivoid, element in records.items():
            if ivoid in self._unwelcome:
                await connection.execute(sa.text("INSERT INTO registry__record (ivoid) VALUES (NULL)"))
            self.told[ivoid] = element is not None


def records(**texts: str) -> dict[str, etree._Element]:
    return {f"{OURS}/{name}": an_element(f"{OURS}/{name}", text) for name, text in texts.items()}


async def publish(store: RecordStore, now: str, *, base_url: str = "", **texts: str) -> None:
    await store.publish(Origin.DEPLOYMENT, records(**texts), now, base_url=base_url)


async def listed(store: RecordStore, selection: Selection = ALL) -> list[tuple[str, str, bool]]:
    found = await store.select(selection, None, 100)
    return [(one.ivoid.rpartition("/")[2], one.updated[:10], one.deleted) for one in found]


class TestRecords:
    async def test_dates_change_only_with_the_content(self, db: Database) -> None:
        store = RecordStore(db)
        await publish(store, T1, x="1", y="1")
        await publish(store, T2, x="1", y="2")
        assert await listed(store) == [("x", "2026-01-01", False), ("y", "2026-01-02", False)]
        changed = await store.get(f"{OURS}/y")
        assert changed is not None
        root = etree.fromstring(changed.xml)
        assert (root.get("created"), root.get("updated")) == (T1, T2)

    async def test_another_base_url_is_another_content(self, db: Database) -> None:
        store = RecordStore(db)
        await publish(store, T1, x="1")
        await publish(store, T2, x="1", base_url="https://one.example.org")
        await publish(store, T3, x="1", base_url="https://one.example.org")
        assert await listed(store) == [("x", "2026-01-02", False)]

    async def test_what_disappears_is_kept_as_deleted_and_may_come_back(self, db: Database) -> None:
        store = RecordStore(db)
        await publish(store, T1, x="1", y="1")
        await publish(store, T2, x="1")
        await publish(store, T3, x="1")
        assert await listed(store) == [("x", "2026-01-01", False), ("y", "2026-01-02", True)]
        await publish(store, T3, x="1", y="1")
        assert await listed(store) == [("x", "2026-01-01", False), ("y", "2026-01-03", False)]
        back = await store.get(f"{OURS}/y")
        assert back is not None
        assert etree.fromstring(back.xml).get("created") == T1

    async def test_each_origin_has_records_of_its_own(self, db: Database) -> None:
        store = RecordStore(db)
        await publish(store, T1, x="1")
        await store.publish(Origin.LAKE, records(y="1"), T1, base_url="")
        await store.publish(Origin.LAKE, {}, T2, base_url="")
        assert await listed(store) == [("x", "2026-01-01", False), ("y", "2026-01-02", True)]

    async def test_the_other_view_is_told_of_changes_only(self, db: Database) -> None:
        seen = Seen()
        store = RecordStore(db, seen.index)
        await publish(store, T1, x="1", y="1")
        assert seen.told == {f"{OURS}/x": True, f"{OURS}/y": True}
        seen.told.clear()
        await publish(store, T2, x="2")
        assert seen.told == {f"{OURS}/x": True, f"{OURS}/y": False}

    async def test_selection_is_inclusive_at_both_ends(self, db: Database) -> None:
        store = RecordStore(db)
        for stamp, texts in ((T1, {"x": "1"}), (T2, {"x": "1", "y": "2"}), (T3, {"x": "1", "y": "2", "z": "2"})):
            await publish(store, stamp, **texts)
        selection = Selection(prefix=Prefix.IVO_VOR, since=T2, until=T3)
        assert await listed(store, selection) == [("y", "2026-01-02", False), ("z", "2026-01-03", False)]
        assert await store.count(selection) == 2
        assert await store.count(Selection(prefix=Prefix.IVO_VOR, since="2027-01-01T00:00:00Z")) == 0
        assert await store.earliest() == T1

    async def test_pages_are_keyed_by_date_and_identifier(self, db: Database) -> None:
        store = RecordStore(db)
        await publish(store, T1, **{f"r{n:02d}": "1" for n in range(25)})
        seen: list[str] = []
        after = None
        while page := await store.select(ALL, after, 4):
            seen += [one.ivoid for one in page]
            after = (page[-1].updated, page[-1].ivoid)
        assert seen == sorted(set(seen))
        assert len(seen) == 25

    async def test_the_case_of_an_identifier_does_not_count_and_its_spelling_stays(self, db: Database) -> None:
        store = RecordStore(db)
        await publish(store, T1, x="1")
        await store.publish(Origin.DEPLOYMENT, {f"{OURS}/X": an_element(f"{OURS}/X", "2")}, T2, base_url="")
        found = await store.get(f"{OURS.upper().replace('IVO', 'ivo')}/X")
        assert found is not None
        assert (found.ivoid, found.updated) == (f"{OURS}/x", T2)

    async def test_words_of_title_and_identifier_are_found_page_by_page(self, db: Database) -> None:
        store = RecordStore(db)
        await publish(store, T1, alpha="1", beta="1", gamma_100="1")
        assert [one.ivoid for one in await store.search(Filter(words=("BY", "alp")), "", 9)] == [f"{OURS}/alpha"]
        assert await store.search(Filter(words=("%",)), "", 9) == ()
        assert [one.ivoid for one in await store.search(Filter(words=("a_1",)), "", 9)] == [f"{OURS}/gamma_100"]
        assert await store.search(Filter(type="vr:Service"), "", 9) == ()
        (first,) = await store.search(Filter(), "", 1)
        assert len(await store.search(Filter(), first.ivoid, 9)) == 2

    async def test_an_edit_sees_what_is_there_and_leaves_all_as_it_is_when_it_raises(self, db: Database) -> None:
        store = RecordStore(db)
        ivoid, given = f"{OURS}/hand", list[Stored | None]()

        def write(known: Stored | None) -> etree._Element:
            given.append(known)
            return an_element(ivoid, str(len(given)))

        def refuse(known: Stored | None) -> etree._Element:
            raise LookupError

        first = await store.edit(ivoid, write, T1)
        second = await store.edit(ivoid, write, T2)
        assert given == [None, first]
        assert (second.origin, second.updated, second.deleted) == (Origin.OPERATOR, T2, False)
        with pytest.raises(LookupError):
            await store.edit(ivoid, refuse, T3)
        assert await store.get(ivoid) == second
        assert (await store.edit(ivoid, lambda _known: None, T3)).deleted

    async def test_an_unknown_record_is_none(self, db: Database) -> None:
        assert await RecordStore(db).get(f"{OURS}/'; DROP TABLE record --") is None
        assert await RecordStore(db).earliest() is None

    async def test_the_migrated_tables_are_the_declared_ones(self, db: Database) -> None:
        tables = RegistryTables.of(db.dialect)
        for declared in (tables.record, tables.source, tables.quarantine):
            async with db.engine.connect() as connection:
                inspected = await connection.run_sync(
                    lambda c, t=declared: sa.inspect(c).get_columns(t.name, schema=t.schema)
                )
            assert [(c["name"], c["nullable"]) for c in inspected] == [(c.name, c.nullable) for c in declared.columns]


def judged(name: str, *, text: str = "What it is.", verdict: Verdict = Verdict.TAKE, at: str = T1) -> Judged:
    ivoid = f"{THEIRS}/{name}"
    xml = a_record(ivoid, text=text)
    if verdict is not Verdict.TAKE:
        reason = "no good" if verdict is Verdict.REFUSE else ""
        return Judged(ivoid=ivoid, verdict=verdict, datestamp=at, reason=reason)
    resource = etree.fromstring(xml)
    return Judged(ivoid=ivoid, verdict=verdict, datestamp=at, resource=resource, facts=facts_of(resource), xml=xml)


class TestSources:
    async def test_a_page_is_counted_by_what_became_of_its_records(self, db: Database) -> None:
        store = SourceStore(db)
        source, tally = await store.take(Source(url=URL), [judged("a"), judged("b")], T1)
        assert tally == Tally(added=2)
        page = [
            judged("a"),
            judged("b", text="other"),
            judged("c", verdict=Verdict.REFUSE),
            judged("d", verdict=Verdict.OWN),
            judged("e", verdict=Verdict.DELETE),
        ]
        source, tally = await store.take(source, page, T2)
        assert tally == Tally(updated=1, unchanged=2, quarantined=1, own=1)
        source, tally = await store.take(source, [judged("a", verdict=Verdict.DELETE, at=T3)], T3)
        assert tally == Tally(deleted=1)
        gone = await RecordStore(db).get(f"{THEIRS}/a")
        assert gone is not None
        assert (gone.deleted, gone.updated) == (True, T3)

    async def test_harvested_records_are_not_published_as_our_own(self, db: Database) -> None:
        await SourceStore(db).take(Source(url=URL), [judged("a")], T1)
        store = RecordStore(db)
        assert await store.count(ALL) == 0
        assert [one.origin for one in await store.search(Filter(), "", 9)] == [URL]

    async def test_a_record_of_another_source_is_left_and_the_newcomer_refused(self, db: Database) -> None:
        store = SourceStore(db)
        await store.take(Source(url="https://first.org/oai"), [judged("a")], T1)
        _, tally = await store.take(Source(url=URL), [judged("a", text="other")], T2)
        assert tally == Tally(quarantined=1)
        (row,) = await store.quarantined()
        assert "https://first.org/oai" in row.reason
        assert (row.source, row.ivoid, row.seen) == (URL, f"{THEIRS}/a", T2)

    async def test_a_record_leaves_the_quarantine_when_a_better_one_comes(self, db: Database) -> None:
        store = SourceStore(db)
        source, _ = await store.take(Source(url=URL), [judged("a", verdict=Verdict.REFUSE)], T1)
        assert [one.reason for one in await store.quarantined(URL)] == ["no good"]
        await store.take(source, [judged("a")], T2)
        assert await store.quarantined() == ()

    async def test_the_slower_of_two_harvests_is_told_and_writes_nothing(self, db: Database) -> None:
        store = SourceStore(db)
        before = await store.source(URL)
        await store.take(replace(before, token="next"), [judged("a")], T1)
        with pytest.raises(AnotherAtWork, match="at work"):
            await store.take(before, [judged("b")], T1)
        assert await RecordStore(db).get(f"{THEIRS}/b") is None
        assert (await store.source(URL)).token == "next"

    async def test_a_sweep_deletes_what_a_new_generation_did_not_meet(self, db: Database) -> None:
        seen = Seen()
        store = SourceStore(db, seen.index)
        source, _ = await store.take(Source(url=URL, generation=1), [judged("a"), judged("b"), judged("c")], T1)
        source, tally = await store.take(replace(source, generation=2), [judged("b"), judged("c", text="new")], T2)
        assert tally == Tally(unchanged=1, updated=1)
        source, gone = await store.sweep(source, T3)
        assert gone == 1
        assert [one.ivoid for one in await RecordStore(db).search(Filter(), "", 9)] == [f"{THEIRS}/b", f"{THEIRS}/c"]
        assert seen.told[f"{THEIRS}/a"] is False

    async def test_what_the_other_view_cannot_hold_stops_nothing_else(self, tmp_path: Path) -> None:
        db = await migrated(f"sqlite:///{tmp_path / 'test.db'}")
        seen = Seen(f"{THEIRS}/b")
        store = SourceStore(db, seen.index)
        _, tally = await store.take(Source(url=URL), [judged(name) for name in "abcd"], T1)
        assert tally == Tally(added=4)
        assert sorted(seen.told) == [f"{THEIRS}/{name}" for name in "acd"]
        assert [(one.ivoid, "RegTAP" in one.reason) for one in await store.quarantined()] == [(f"{THEIRS}/b", True)]
        await db.close()

    async def test_a_source_that_is_forgotten_leaves_nothing(self, db: Database) -> None:
        store = SourceStore(db)
        await store.take(Source(url=URL), [judged("a"), judged("b", verdict=Verdict.REFUSE)], T1)
        assert [one.url for one in await store.sources()] == [URL]
        assert await store.forget(URL) == 1
        assert await store.sources() == await store.quarantined() == ()
        assert await RecordStore(db).get(f"{THEIRS}/a") is None


async def test_a_database_that_cannot_be_read_is_a_problem_in_words(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'never-migrated.db'}")
    assert await RecordStore(db).problem() == "The database of the registry does not answer."
    await db.close()
