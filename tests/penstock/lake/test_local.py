from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.auth.principal import ANONYMOUS
from penstock.dali.errors import ServiceUnavailable
from penstock.lake.local import LocalLake
from penstock.lake.port import DataLake, Did, DidType, ReplicaState, Site
from tests.penstock.lake.builders import HERE, open_store, scan, write

THERE = Site(name="there", title="Elsewhere")


async def test_files_are_resolved_in_one_call(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "one" / "a.fits", OBJECT="M 1", RELEASE="2030-01-02T03:04:05")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.fits").write_bytes(path.read_bytes())
    write(tmp_path / "one" / "b.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "one")
        await scan(store, tmp_path / "two", site=THERE)
        lake = LocalLake(store)
        assert isinstance(lake, DataLake)
        wanted = [Did("col", "a.fits"), Did("col", "b.fits"), Did("col", "unknown"), Did("other", "a.fits")]
        entries = await lake.resolve(wanted, caller=ANONYMOUS)
        assert set(entries) == set(wanted[:2])
        entry = entries[wanted[0]]
        assert (entry.type, entry.size_bytes, entry.media_type) == (
            DidType.FILE,
            path.stat().st_size,
            "application/fits",
        )
        assert entry.public_from == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert [(copy.site, copy.path, copy.url, copy.online) for copy in entry.replicas] == [
            ("here", path, None, True),
            ("there", tmp_path / "two" / "a.fits", None, True),
        ]
        assert dict(entry.metadata) == {"dataproduct_type": "image", "obs_id": "a", "target_name": "M 1"}
        assert entries[wanted[1]].public_from is None


async def test_a_copy_that_is_gone_or_of_another_size_is_unavailable(database_url: str, tmp_path: Path) -> None:
    gone, grown = write(tmp_path / "t" / "a.fits"), write(tmp_path / "t" / "b.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        gone.unlink()
        grown.write_bytes(grown.read_bytes() + b"more")
        entries = await LocalLake(store).resolve([Did("col", "a.fits"), Did("col", "b.fits")], caller=ANONYMOUS)
        states = [copy.state for entry in entries.values() for copy in entry.replicas]
        assert states == [ReplicaState.UNAVAILABLE] * 2


async def test_thousands_of_identifiers_are_resolved_at_once(database_url: str, tmp_path: Path) -> None:
    write(tmp_path / "t" / "a.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        wanted = [Did("col", f"{number}'\"\\.fits") for number in range(40_000)] + [Did("col", "a.fits")]
        assert list(await LocalLake(store).resolve(wanted, caller=ANONYMOUS)) == [Did("col", "a.fits")]
        assert await LocalLake(store).resolve([], caller=ANONYMOUS) == {}


async def test_collections_and_directories_are_datasets(database_url: str, tmp_path: Path) -> None:
    for name in ("a.fits", "dir/b.fits", "dir/sub/c.fits", "Dir/d.fits", "dir.fits"):
        write(tmp_path / "t" / name)
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        lake = LocalLake(store)
        datasets = {"/": 5, "dir/": 2, "dir/sub/": 1, "Dir/": 1}
        for name, files in datasets.items():
            did = Did("col", name)
            entry = (await lake.resolve([did], caller=ANONYMOUS))[did]
            members = [member.did async for member in lake.content(did, caller=ANONYMOUS)]
            assert (entry.type, entry.metadata["files"], len(members)) == (DidType.DATASET, str(files), files)
            assert set(await lake.resolve(members, caller=ANONYMOUS)) == set(members)
        for did in (Did("col", "nothing/"), Did("none", "/"), Did("col", "d/")):
            assert await lake.resolve([did], caller=ANONYMOUS) == {}
            assert [member.did async for member in lake.content(did, caller=ANONYMOUS)] == []


async def test_a_file_has_no_content(database_url: str, tmp_path: Path) -> None:
    write(tmp_path / "t" / "a.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        assert [did async for did in LocalLake(store).content(Did("col", "a.fits"), caller=ANONYMOUS)] == []


async def test_content_is_complete_and_in_order_over_many_pages(tmp_path: Path) -> None:
    data = write(tmp_path / "t" / "x.fits").read_bytes()
    async with open_store(f"sqlite:///{tmp_path}/x.db") as store:
        await scan(store, tmp_path / "t")
        async with store.db.write() as connection:
            rows = [
                {"did": f"col:{n:05}", "scope": "col", "name": f"{n:05}", "media_type": "x", "size_bytes": len(data)}
                for n in range(2500)
            ]
            await connection.execute(store.tables.files.insert(), rows)
        members = [member async for member in LocalLake(store).content(Did("col", "/"), caller=ANONYMOUS)]
        assert [member.did.name for member in members] == [*(f"{n:05}" for n in range(2500)), "x.fits"]
        assert {member.size_bytes for member in members} == {len(data)}


async def test_sites_are_listed_by_name(database_url: str) -> None:
    async with open_store(database_url) as store:
        await store.put_site(THERE)
        await store.put_site(HERE)
        assert await LocalLake(store).sites() == [HERE, THERE]


async def test_a_catalogue_that_is_away_is_told_as_such(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/x.db") as store:
        async with store.db.write() as connection:
            await connection.run_sync(store.tables.replicas.drop)
        with pytest.raises(ServiceUnavailable):
            await LocalLake(store).resolve([Did("a", "b")], caller=ANONYMOUS)
