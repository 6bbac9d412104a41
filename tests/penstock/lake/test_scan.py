from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from penstock.lake.port import Did, Site
from penstock.lake.read import read_file
from penstock.lake.record import Candidate, Found
from penstock.lake.store import LakeStore
from penstock.lake.tree import Tree, walk
from tests.penstock.lake.builders import AUTHORITY, HERE, counts, open_store, scan, write

THERE = Site(name="there")


async def rows(store: LakeStore, table: str) -> list[dict[str, Any]]:
    async with store.db.read() as connection:
        found = await connection.execute(sa.select(getattr(store.tables, table)))
        return sorted((dict(row._mapping) for row in found), key=str)


async def everything(store: LakeStore) -> dict[str, list[dict[str, Any]]]:
    return {name: await rows(store, name) for name in ("obscore", "files", "replicas", "sites")}


async def test_a_scan_writes_files_replicas_sites_and_observations(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "deep" / "a.fits", OBJECT="M 1", RELEASE="2030-01-01")
    async with open_store(database_url) as store:
        assert counts(await scan(store, tmp_path / "t")) == (1, 0, 0, 0, 0)
        data = path.read_bytes()
        (file,) = await rows(store, "files")
        assert file == {
            "did": "col:deep/a.fits", "scope": "col", "name": "deep/a.fits", "size_bytes": len(data),
            "adler32": f"{zlib.adler32(data):08x}", "md5": hashlib.md5(data).hexdigest(),
            "media_type": "application/fits", "public_from": "2030-01-01T00:00:00.000", "metadata": None,
        }  # fmt: skip
        (replica,) = await rows(store, "replicas")
        assert (replica["did"], replica["site"], replica["state"]) == ("col:deep/a.fits", "here", "AVAILABLE")
        (observation,) = await rows(store, "obscore")
        assert observation["obs_publisher_did"] == f"ivo://{AUTHORITY}/lake?col:deep/a.fits"
        assert observation["access_url"].startswith("/datalink/links?ID=ivo%3A%2F%2F")
        assert (observation["obs_collection"], observation["obs_id"]) == ("col", "deep/a")
        assert (observation["target_name"], observation["access_estsize"]) == ("M 1", -(-len(data) // 1000))
        assert await store.sites() == [HERE]


async def test_a_second_scan_changes_nothing(database_url: str, tmp_path: Path) -> None:
    for name in ("a.fits", "b.FIT", "c/d.fits"):
        write(tmp_path / "t" / name)
    (tmp_path / "t" / "notes.txt").write_text("not FITS")
    async with open_store(database_url) as store:
        assert counts(await scan(store, tmp_path / "t")) == (3, 0, 0, 0, 0)
        before = await everything(store)
        for verify in (False, True):
            assert counts(await scan(store, tmp_path / "t", verify=verify)) == (0, 0, 3, 0, 0)
            assert await everything(store) == before


async def test_a_changed_file_is_updated(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "a.fits", OBJECT="M 1")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        write(path, OBJECT="M 2")
        os.utime(path, ns=(1, 1))
        assert counts(await scan(store, tmp_path / "t")) == (0, 1, 0, 0, 0)
        assert [row["target_name"] for row in await rows(store, "obscore")] == ["M 2"]
        assert counts(await scan(store, tmp_path / "t")) == (0, 0, 1, 0, 0)


async def test_a_change_that_hides_is_found_by_verifying(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "a.fits", OBJECT="M 1")
    status = path.stat()
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        write(path, OBJECT="M 2")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert counts(await scan(store, tmp_path / "t")) == (0, 0, 1, 0, 0)
        assert counts(await scan(store, tmp_path / "t", verify=True)) == (0, 1, 0, 0, 0)


async def test_a_file_that_is_touched_is_unchanged(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "a.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        os.utime(path, ns=(1, 1))
        assert counts(await scan(store, tmp_path / "t")) == (0, 0, 1, 0, 0)


async def test_a_file_that_vanishes_is_noted_and_may_come_back(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "a.fits")
    data = path.read_bytes()
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        path.unlink()
        assert counts(await scan(store, tmp_path / "t")) == (0, 0, 0, 1, 0)
        assert [row["state"] for row in await rows(store, "replicas")] == ["UNAVAILABLE"]
        assert counts(await scan(store, tmp_path / "t")) == (0, 0, 0, 0, 0)
        path.write_bytes(data)
        assert counts(await scan(store, tmp_path / "t")) == (0, 1, 0, 0, 0)
        assert [row["state"] for row in await rows(store, "replicas")] == ["AVAILABLE"]


async def test_only_what_lies_below_the_tree_can_vanish(database_url: str, tmp_path: Path) -> None:
    kept = write(tmp_path / "tree" / "a.fits")
    write(tmp_path / "t" / "b.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "tree")
        kept.unlink()
        assert counts(await scan(store, tmp_path / "t")) == (1, 0, 0, 0, 0)


async def test_unreadable_files_are_reported_and_the_rest_kept(database_url: str, tmp_path: Path) -> None:
    tree = tmp_path / "t"
    whole = write(tree / "a.fits").read_bytes()
    (tree / "cut.fits").write_bytes(whole[: 2880 + 100])
    (tree / "empty.fits").touch()
    (tree / "words.fits").write_text("words")
    (tree / "packed.fits.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (tree / "other.fits.bz2").write_bytes(b"BZh9")
    (tree / "nowhere.fits").symlink_to(tree / "missing.fits")
    (tree / ("x" * 240 + ".fits")).write_bytes(whole)
    long = tree / "/".join(["y" * 200] * 3)
    long.mkdir(parents=True)
    (long / "z.fits").write_bytes(whole)
    os.mkfifo(tree / "pipe.fits")
    async with open_store(database_url) as store:
        report = await scan(store, tree)
        assert counts(report) == (2, 0, 0, 0, 8)
        reasons = {item.path.name: item.reason for item in report.skipped}
        assert reasons["cut.fits"].startswith("it is cut short: 100 bytes")
        assert reasons["empty.fits"] == "it is empty"
        assert "not FITS" in reasons["words.fits"]
        assert "gzip" in reasons["packed.fits.gz"]
        assert "bzip2" in reasons["other.fits.bz2"]
        assert "No such file" in reasons["nowhere.fits"]
        assert "526 characters" in reasons["z.fits"]
        assert reasons["pipe.fits"] == "it is not a regular file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_files_without_permission_are_reported(database_url: str, tmp_path: Path) -> None:
    write(tmp_path / "t" / "a.fits").chmod(0)
    write(tmp_path / "t" / "d" / "b.fits").parent.chmod(0)
    async with open_store(database_url) as store:
        report = await scan(store, tmp_path / "t")
        (tmp_path / "t" / "d").chmod(0o700)
        assert ["ermission" in item.reason for item in report.skipped] == [True, True]


async def test_a_copy_that_was_cut_short_is_no_longer_offered(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "a.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        path.write_bytes(path.read_bytes()[:2900])
        assert counts(await scan(store, tmp_path / "t")) == (0, 0, 0, 0, 1)
        assert [row["state"] for row in await rows(store, "replicas")] == ["UNAVAILABLE"]


async def test_links_that_lead_out_of_the_tree_are_not_followed(database_url: str, tmp_path: Path) -> None:
    outside = write(tmp_path / "outside" / "secret.fits")
    inside = write(tmp_path / "t" / "a.fits")
    (tmp_path / "t" / "out.fits").symlink_to(outside)
    (tmp_path / "t" / "in.fits").symlink_to(inside)
    (tmp_path / "t" / "dir").symlink_to(outside.parent)
    (tmp_path / "t" / "loop").symlink_to(tmp_path / "t")
    async with open_store(database_url) as store:
        report = await scan(store, tmp_path / "t")
        assert counts(report) == (2, 0, 0, 0, 1)
        assert "leads out of the tree" in report.skipped[0].reason


async def test_odd_names_are_kept_apart(database_url: str, tmp_path: Path) -> None:
    names = [b"a b.fits", b"50%.fits", b"new\nline.fits", b"\xff\xfe.fits", "été ☂.fits".encode(), b"q'u\"o;te.fits"]
    for name in names:
        write(tmp_path / "t" / os.fsdecode(name))
    async with open_store(database_url) as store:
        assert counts(await scan(store, tmp_path / "t")) == (6, 0, 0, 0, 0)
        assert counts(await scan(store, tmp_path / "t")) == (0, 0, 6, 0, 0)
        assert len({row["obs_publisher_did"] for row in await rows(store, "obscore")}) == 6


async def test_a_single_file_may_be_added(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "a.fits")
    write(tmp_path / "t" / "b.fits")
    async with open_store(database_url) as store:
        assert counts(await scan(store, path)) == (1, 0, 0, 0, 0)


async def test_two_sites_hold_replicas_of_one_file(database_url: str, tmp_path: Path) -> None:
    data = write(tmp_path / "one" / "a.fits").read_bytes()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.fits").write_bytes(data)
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "one")
        assert counts(await scan(store, tmp_path / "two", site=THERE)) == (1, 0, 0, 0, 0)
        assert len(await rows(store, "files")) == len(await rows(store, "obscore")) == 1
        assert [row["site"] for row in await rows(store, "replicas")] == ["here", "there"]


async def test_a_copy_that_differs_from_the_others_is_refused(database_url: str, tmp_path: Path) -> None:
    one, two = write(tmp_path / "one" / "a.fits", OBJECT="M 1"), write(tmp_path / "two" / "a.fits", OBJECT="M 2")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "one")
        report = await scan(store, tmp_path / "two", site=THERE)
        assert counts(report) == (0, 0, 0, 0, 1)
        assert report.skipped[0].reason == "its content differs from that of the copy at here"
        two.write_bytes(one.read_bytes())
        assert counts(await scan(store, tmp_path / "two", site=THERE)) == (1, 0, 0, 0, 0)


async def test_new_content_wins_once_every_site_has_it(database_url: str, tmp_path: Path) -> None:
    paths = [write(tmp_path / name / "a.fits", OBJECT="M 1") for name in ("one", "two")]
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "one")
        await scan(store, tmp_path / "two", site=THERE)
        for path in paths:
            write(path, OBJECT="M 2")
            os.utime(path, ns=(1, 1))
        assert counts(await scan(store, tmp_path / "one")) == (0, 0, 0, 0, 1)
        assert counts(await scan(store, tmp_path / "two", site=THERE)) == (0, 1, 0, 0, 0)
        assert counts(await scan(store, tmp_path / "one")) == (0, 1, 0, 0, 0)
        assert [row["state"] for row in await rows(store, "replicas")] == ["AVAILABLE"] * 2


async def test_a_site_has_one_file_of_a_name(database_url: str, tmp_path: Path) -> None:
    data = write(tmp_path / "one" / "a.fits").read_bytes()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "a.fits").write_bytes(data)
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "one")
        assert "has a file of this name already" in (await scan(store, tmp_path / "two")).skipped[0].reason
        (tmp_path / "one" / "a.fits").unlink()
        assert counts(await scan(store, tmp_path / "two")) == (0, 1, 0, 0, 0)


async def test_a_scan_that_is_killed_goes_on_from_its_last_batch(database_url: str, tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / "t" / f"{number}.fits")

    def killed(done: int, total: int) -> None:
        assert total == 5
        if done >= 4:
            raise asyncio.CancelledError

    async with open_store(database_url) as store:
        with pytest.raises(asyncio.CancelledError):
            await scan(store, tmp_path / "t", batch_size=2, progress=killed)
        assert len(await rows(store, "files")) == 4
        assert counts(await scan(store, tmp_path / "t", batch_size=2)) == (1, 0, 4, 0, 0)


async def test_a_batch_is_written_whole_or_not_at_all(database_url: str, tmp_path: Path) -> None:
    found = read_file(candidate(write(tmp_path / "a.fits")))
    assert isinstance(found, Found)
    async with open_store(database_url) as store:
        with pytest.raises(IntegrityError):
            await store.record("no such site", [found])
        assert not any([await rows(store, name) for name in ("files", "obscore", "replicas")])


async def test_two_scans_at_once_agree(database_url: str, tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / "t" / f"{number}.fits")
    async with open_store(database_url) as store:
        reports = await asyncio.gather(*(scan(store, tmp_path / "t", batch_size=2) for _ in range(2)))
        assert all(counts(report)[-2:] == (0, 0) for report in reports)
        assert len(await rows(store, "replicas")) == 6


async def test_many_files_are_read_by_several_processes(tmp_path: Path) -> None:
    data = write(tmp_path / "t" / "0.fits").read_bytes()
    for number in range(1, 130):
        (tmp_path / "t" / f"{number}.fits").write_bytes(data)
    (tmp_path / "t" / "bad.fits").write_bytes(b"bad")
    async with open_store(f"sqlite:///{tmp_path}/x.db") as store:
        assert counts(await scan(store, tmp_path / "t")) == (130, 0, 0, 0, 1)


async def test_a_site_keeps_what_is_not_said_again(database_url: str, tmp_path: Path) -> None:
    write(tmp_path / "t" / "a.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        await scan(store, tmp_path / "t", site=Site(name="here", title="A title"))
        assert await store.sites() == [replace(HERE, title="A title")]


async def test_a_new_authority_renames_every_file(database_url: str, tmp_path: Path) -> None:
    write(tmp_path / "t" / "a.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        await store.publish_under("new.example")
        (row,) = await rows(store, "obscore")
        assert row["obs_publisher_did"] == "ivo://new.example/lake?col:a.fits"
        assert "new.example" in row["access_url"]


async def test_a_collection_can_be_forgotten(database_url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t" / "a.fits")
    async with open_store(database_url) as store:
        await scan(store, tmp_path / "t")
        await scan(store, tmp_path / "t", collection="other")
        assert await store.remove("col") == 1
        assert path.exists()
        assert [(h.collection, h.files, h.available) for h in await store.holdings()] == [("other", 1, 1)]
        assert len(await rows(store, "obscore")) == 1


def candidate(path: Path) -> Candidate:
    status = path.stat()
    return Candidate(did=Did("col", path.name), path=path, size_bytes=status.st_size, modified_ns=status.st_mtime_ns)


def test_a_file_that_changes_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    before = candidate(write(tmp_path / "a.fits"))
    result = read_file(replace(before, size_bytes=before.size_bytes + 1))
    assert getattr(result, "reason", None) == "it changed while it was read"


def test_the_order_of_a_walk_is_that_of_names(tmp_path: Path) -> None:
    for name in ("b.fits", "a/z.fits", "a/b.fits", "c.fits.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(item.path.relative_to(tmp_path)) for item in walk(Tree(path=tmp_path, collection="c"))]
    assert found == ["a/b.fits", "a/z.fits", "b.fits", "c.fits.gz"]
