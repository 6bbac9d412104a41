from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from penstock.auth.principal import ANONYMOUS
from penstock.lake.local import LocalLake
from penstock.lake.port import DataLake, Did
from penstock.lake.sample import COLLECTION, FILES, SITES
from penstock.lake.store import LakeStore
from penstock.settings import Settings
from tests.penstock.lake.builders import AUTHORITY, open_store, scan, write


def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", authority=AUTHORITY)


async def opened(tmp_path: Path, store: LakeStore) -> DataLake:
    return await LocalLake.open(settings(tmp_path), store.db)


async def members(lake: DataLake) -> list[Did]:
    return [member.did async for member in lake.content(Did(COLLECTION, "/"), caller=ANONYMOUS)]


async def test_every_file_of_the_sample_has_two_replicas(database_url: str, tmp_path: Path) -> None:
    async with open_store(database_url) as store:
        lake = await opened(tmp_path, store)
        entries = await lake.resolve(await members(lake), caller=ANONYMOUS)
        assert len(entries) == len(FILES)
        for entry in entries.values():
            assert [copy.site for copy in entry.replicas] == [site.name for site in SITES]
            assert all(copy.online and copy.path for copy in entry.replicas)
        assert [site.latitude_deg for site in await lake.sites()] == [52.812, 28.3]


async def test_a_sample_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/x.db") as store:
        await store.set_mark("sample", "begun")
        folder = tmp_path / "data" / "lake" / SITES[0].name / COLLECTION
        folder.mkdir(parents=True)
        (folder / "m13.fits.part").write_bytes(b"half")
        lake = await opened(tmp_path, store)
        assert len(await members(lake)) == len(FILES)


async def test_a_sample_that_was_removed_does_not_come_back(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/x.db") as store:
        await opened(tmp_path, store)
        await store.remove(COLLECTION)
        shutil.rmtree(tmp_path / "data")
        assert await members(await opened(tmp_path, store)) == []
        assert not (tmp_path / "data").exists()


async def test_a_lake_that_has_files_gets_no_sample(tmp_path: Path) -> None:
    write(tmp_path / "t" / "a.fits")
    async with open_store(f"sqlite:///{tmp_path}/x.db") as store:
        await scan(store, tmp_path / "t")
        assert await members(await opened(tmp_path, store)) == []
        await store.remove("col")
        assert await members(await opened(tmp_path, store)) == []


async def test_a_lake_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    async with open_store(f"sqlite:///{tmp_path}/x.db") as store:
        with pytest.raises(OSError, match="data"):
            await opened(tmp_path, store)
