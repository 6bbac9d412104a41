"""Staging in the local lake, and the contract of lakes for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.auth.principal import ANONYMOUS, Principal
from penstock.clock import Clock, utc_now
from penstock.dali.errors import NotFound, UsageError
from penstock.lake.copies import Copies, CopySettings
from penstock.lake.local import LocalLake
from penstock.lake.port import Did, Medium, Site, StagingState
from penstock.lake.read import read_file
from penstock.lake.record import Candidate, Found
from penstock.lake.store import LakeStore
from penstock.lake.tree import Tree, walk
from tests.penstock.lake.builders import HERE, open_store, write
from tests.penstock.lake.contract import HOUR, SOMEBODY, SOMEBODY_ELSE, Case, LakeContract, staged

NAMES = ("a.fits", "b.fits", "c.fits", "d.fits", "sub/e.fits")


def found(tree: Path) -> list[Found]:
    """Return what a scan would find, without processes of its own."""
    candidates = [one for one in walk(Tree(path=tree, collection="col")) if isinstance(one, Candidate)]
    return [one for one in map(read_file, candidates) if isinstance(one, Found)]


@asynccontextmanager
async def opened(
    url: str, folder: Path, *, limit: int = 10**9, clock: Clock = utc_now
) -> AsyncIterator[tuple[LocalLake, LakeStore]]:
    for name in NAMES:
        embargo = {"RELEASE": "2099-01-01T00:00:00"} if name == "b.fits" else {}
        write(folder / "tree" / name, OBJECT=name, **embargo)
    async with open_store(url) as store:
        for site in (HERE, Site(name="there")):
            await store.put_site(site)
        await store.record("here", found(folder / "tree"))
        copies = Copies(store, CopySettings(folder=folder / "staged", limit_bytes=limit), clock)
        yield LocalLake(store, copies), store


class TestLocalLake(LakeContract):
    @pytest.fixture
    async def case(self, database_url: str, tmp_path: Path) -> AsyncIterator[Case]:
        async with opened(database_url, tmp_path) as (lake, _):
            yield Case(
                lake=lake,
                dataset=Did("col", "/"),
                files=tuple(Did("col", name) for name in NAMES),
                content=lambda did: (tmp_path / "tree" / did.name).read_bytes(),
                embargoed=Did("col", "b.fits"),
                site="there",
            )


def files_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "staged").rglob("*") if path.is_file()]


async def test_a_copy_has_the_bytes_and_goes_with_its_last_rule(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (lake, _):
        did = Did("col", "a.fits")
        mine = await lake.stage([did], site="there", lifetime=HOUR, caller=SOMEBODY)
        theirs = await lake.stage([did], site="there", lifetime=HOUR, caller=SOMEBODY_ELSE)
        assert mine.id != theirs.id
        await staged(lake, mine)
        [copy] = files_in(tmp_path)
        assert copy.read_bytes() == (tmp_path / "tree" / "a.fits").read_bytes()
        assert (await lake.staging(theirs.id, caller=SOMEBODY_ELSE)).state is StagingState.OK
        await lake.unstage(mine.id, caller=SOMEBODY)
        assert files_in(tmp_path) == [copy]
        await lake.unstage(theirs.id, caller=SOMEBODY_ELSE)
        assert files_in(tmp_path) == []
        assert {one.site for one in (await lake.resolve([did], caller=ANONYMOUS))[did].replicas} == {"here"}


async def test_ending_a_rule_leaves_files_that_were_there_before(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (lake, _):
        did = Did("col", "a.fits")
        rule = await lake.stage([did], site="here", lifetime=HOUR, caller=SOMEBODY)
        await staged(lake, rule)
        await lake.unstage(rule.id, caller=SOMEBODY)
        assert (await lake.resolve([did], caller=ANONYMOUS))[did].replicas[0].online


async def test_a_rule_is_its_owner_s(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (lake, _):
        rule = await lake.stage([Did("col", "a.fits")], site="there", lifetime=HOUR, caller=SOMEBODY)
        for other in (SOMEBODY_ELSE, ANONYMOUS):
            with pytest.raises(NotFound):
                await lake.staging(rule.id, caller=other)
            await lake.unstage(rule.id, caller=other)
        admin = Principal(subject="root", admin=True)
        assert (await lake.staging(rule.id, caller=admin)).total == 1


async def test_a_rule_that_expires_takes_its_copies_along(database_url: str, tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    async with opened(database_url, tmp_path, clock=lambda: now) as (lake, _):
        rule = await lake.stage([Did("col", "/")], site="there", lifetime=HOUR, caller=SOMEBODY)
        await staged(lake, rule)
        assert len(files_in(tmp_path)) == len(NAMES)
        now += timedelta(hours=1)
        with pytest.raises(NotFound):
            await lake.staging(rule.id, caller=SOMEBODY)
        assert files_in(tmp_path) == []


async def test_a_source_with_other_bytes_is_not_copied(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (lake, _):
        path = tmp_path / "tree" / "a.fits"
        path.write_bytes(bytes(path.stat().st_size))
        rule = await lake.stage([Did("col", "/")], site="there", lifetime=None, caller=SOMEBODY)
        state = await lake.staging(rule.id, caller=SOMEBODY)
        assert (state.state, state.done, state.stuck, state.expires) == (StagingState.STUCK, 4, 1, None)
        assert state.reason == "the checksum of col:a.fits is not what the lake says"
        assert len(files_in(tmp_path)) == 4


async def test_a_file_that_is_forgotten_meanwhile_is_stuck(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (lake, store):
        rule = await lake.stage([Did("col", "a.fits")], site="there", lifetime=None, caller=SOMEBODY)
        await store.remove("col")
        state = await lake.staging(rule.id, caller=SOMEBODY)
        assert (state.state, state.reason) == (StagingState.STUCK, "the lake knows no col:a.fits")


async def test_one_caller_has_a_limit(database_url: str, tmp_path: Path) -> None:
    size = write(tmp_path / "tree" / "a.fits", OBJECT="a.fits").stat().st_size
    async with opened(database_url, tmp_path, limit=2 * size) as (lake, _):
        with pytest.raises(UsageError, match="stage less"):
            await lake.stage([Did("col", "/")], site="there", lifetime=HOUR, caller=SOMEBODY)
        rule = await lake.stage(
            [Did("col", "a.fits"), Did("col", "c.fits")], site="there", lifetime=HOUR, caller=SOMEBODY
        )
        with pytest.raises(UsageError, match=f"and {2 * size} of {2 * size} are staged already"):
            await lake.stage([Did("col", "d.fits")], site="there", lifetime=HOUR, caller=SOMEBODY)
        await lake.stage([Did("col", "d.fits")], site="there", lifetime=HOUR, caller=SOMEBODY_ELSE)
        quotas = {quota.site: (quota.used_bytes, quota.limit_bytes) for quota in await lake.quotas(SOMEBODY)}
        assert quotas == {"here": (0, 2 * size), "there": (2 * size, 2 * size), "scratch": (0, 2 * size)}
        await lake.unstage(rule.id, caller=SOMEBODY)
        await lake.stage([Did("col", "d.fits")], site="there", lifetime=HOUR, caller=SOMEBODY)


async def test_a_lake_has_a_site_of_its_own_for_copies_and_none_on_tape(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (lake, store):
        rule = await lake.stage([Did("col", "a.fits")], site="scratch", lifetime=HOUR, caller=ANONYMOUS)
        assert (await lake.staging(rule.id, caller=ANONYMOUS)).state is StagingState.OK
        assert "scratch" in {site.name for site in await lake.sites()}
        await store.put_site(Site(name="tape", medium=Medium.TAPE))
        with pytest.raises(UsageError, match="stores on tape"):
            await lake.stage([Did("col", "a.fits")], site="tape", lifetime=HOUR, caller=SOMEBODY)


async def test_a_disk_that_is_full_is_told_and_loses_nothing(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (lake, _):
        (tmp_path / "staged").write_text("in the way of the folder")
        rule = await lake.stage([Did("col", "a.fits")], site="there", lifetime=HOUR, caller=SOMEBODY)
        state = await lake.staging(rule.id, caller=SOMEBODY)
        assert (state.state, state.stuck) == (StagingState.STUCK, 1)
        assert state.reason


async def test_what_was_said_of_files_is_known_of_thousands_in_one_question(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as (_, store):
        known = await store.metadata([f"col:{number}'" for number in range(3000)] + ["col:b.fits", "col:a.fits"])
        assert {did: (row["media_type"], row["public_from"], row["metadata"]) for did, row in known.items()} == {
            "col:a.fits": ("application/fits", None, None),
            "col:b.fits": ("application/fits", "2099-01-01T00:00:00.000", None),
        }
        assert await store.metadata([]) == {}
