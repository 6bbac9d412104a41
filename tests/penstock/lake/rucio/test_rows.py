from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.lake.port import Did, Medium, ReplicaState, Site, StagingState
from penstock.lake.rucio.cache import EntryCache
from penstock.lake.rucio.rows import (
    ReplicaReader,
    did_path,
    file_entry,
    guessed_type,
    instant,
    quota_of,
    site_of,
    staging_of,
)

URL = "http://se.example/data/ska/a.fits"
READER = ReplicaReader(("https", "http", "root"), {}, {"A": Site(name="A"), "T": Site(name="T", medium=Medium.TAPE)})


def row(*pfns: tuple[str, str], **states: str) -> dict[str, Any]:
    found = {pfn: {"rse": rse, "type": "DISK", "domain": "wan"} for pfn, rse in pfns}
    return {"scope": "ska", "name": "a.fits", "bytes": 5, "adler32": "ABCDEF01", "pfns": found, "states": states}


def test_webdav_over_tls_is_https_and_told_once() -> None:
    replicas = READER.replicas(row(("davs://se/a", "A"), ("https://se/a", "A"), ("root://se//a", "A"), A="AVAILABLE"))
    assert [replica.url for replica in replicas] == ["https://se/a", "root://se//a"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("AVAILABLE", ReplicaState.AVAILABLE),
        ("UNAVAILABLE", ReplicaState.UNAVAILABLE),
        ("COPYING", ReplicaState.UNAVAILABLE),
        ("TEMPORARY_UNAVAILABLE", ReplicaState.UNAVAILABLE),
        ("BEING_DELETED", None),
        ("BAD", None),
    ],
)
def test_states_of_replicas(state: str, expected: ReplicaState | None) -> None:
    assert [replica.state for replica in READER.replicas(row((URL, "A"), A=state))] == ([expected] if expected else [])
    assert [replica.state for replica in READER.replicas(row(A=state))] == ([expected] if expected else [])


def test_a_site_that_nobody_may_read_now_has_nothing_to_be_read() -> None:
    closed = Site(name="A", attributes={"availability_read": "false"})
    [replica] = ReplicaReader((), {}, {"A": closed}).replicas(row((URL, "A"), A="AVAILABLE"))
    assert replica.state is ReplicaState.UNAVAILABLE


def test_tape_is_told_by_the_site_and_by_the_replica() -> None:
    assert READER.replicas(row((URL, "T")))[0].medium is Medium.TAPE
    given = row((URL, "A"))
    given["pfns"][URL]["type"] = "TAPE"
    assert READER.replicas(given)[0].medium is Medium.TAPE


@pytest.mark.parametrize(
    ("pfn", "path"),
    [
        (URL, Path("/mnt/ska/a.fits")),
        ("http://se.example/data/ska/a%20b.fits", Path("/mnt/ska/a b.fits")),
        ("http://se.example/data/../../etc/passwd", None),
        ("http://se.example/data/%2e%2e/%2e%2e/etc/passwd", None),
        ("http://se.example/data//etc/passwd", Path("/mnt/etc/passwd")),
        ("http://se.example/data/a%00b", None),
        ("http://other.example/data/a", None),
    ],
)
def test_a_mounted_path_never_leads_out_of_its_folder(pfn: str, path: Path | None) -> None:
    reader = ReplicaReader(("http",), {"http://se.example/data/": Path("/mnt")}, {})
    assert [replica.path for replica in reader.replicas(row((pfn, "A")))] == [path]


def test_a_row_that_says_nothing_is_a_file_without_replicas() -> None:
    entry = file_entry({"scope": "s", "name": "n.txt"}, READER.replicas({}), {}, None)
    assert (entry.did, entry.size_bytes, entry.md5, entry.replicas) == (Did("s", "n.txt"), None, None, ())
    assert entry.media_type == "text/plain"
    assert file_entry(row(), (), {"media_type": "x/y", "a": True, "b": None}, None).metadata == {
        "media_type": "x/y",
        "a": "true",
    }


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("a.FITS.gz", "application/fits"), ("a.h5", "application/x-hdf5"), ("a", "application/octet-stream")],
)
def test_media_types_are_guessed_from_names(name: str, media_type: str) -> None:
    assert guessed_type(name) == media_type or name == "a.h5"


def test_coordinates_come_as_text_and_nonsense_is_none() -> None:
    site = site_of({"rse": "X", "rse_type": "TAPE"}, {"latitude": "51.57", "longitude": "east", "X": True})
    assert (site.latitude_deg, site.longitude_deg, site.medium) == (51.57, None, Medium.TAPE)
    assert "X" not in site.attributes
    assert site_of({"rse": "X", "latitude": 95}, {}).latitude_deg is None


def rule(state: str, ok: int = 0, replicating: int = 0, stuck: int = 0, **more: Any) -> dict[str, Any]:
    counts = {"locks_ok_cnt": ok, "locks_replicating_cnt": replicating, "locks_stuck_cnt": stuck}
    return {"state": state, "error": None, "expires_at": None} | counts | more


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("INJECT", StagingState.WAITING),
        ("WAITING_APPROVAL", StagingState.WAITING),
        ("REPLICATING", StagingState.REPLICATING),
        ("STUCK", StagingState.STUCK),
        ("SUSPENDED", StagingState.STUCK),
        ("OK", StagingState.OK),
        ("ONE OF THE FUTURE", StagingState.WAITING),
    ],
)
def test_states_of_rules(state: str, expected: StagingState) -> None:
    staging = staging_of(rule(state, 3, 2, 1, error="a\nb" * 1000, expires_at="Mon, 30 Nov 2026 04:10:45 UTC"))
    assert (staging.state, staging.done, staging.total, staging.stuck) == (expected, 3, 6, 1)
    assert staging.reason
    assert len(staging.reason) == 300
    assert staging.expires == datetime(2026, 11, 30, 4, 10, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon, 30 Nov 2026 04:10:45 UTC", datetime(2026, 11, 30, 4, 10, 45, tzinfo=UTC)),
        ("2026-11-30 04:10:45", datetime(2026, 11, 30, 4, 10, 45, tzinfo=UTC)),
        ("soon", None),
        (None, None),
    ],
)
def test_instants_are_read_in_both_forms(text: str | None, expected: datetime | None) -> None:
    assert instant(text) == expected


@pytest.mark.parametrize(
    ("limit", "expected"), [(10, 10), (None, None), (float("inf"), None), (-1, None), (2**70, None)]
)
def test_a_limit_that_is_none_is_told_as_none(limit: float | None, expected: int | None) -> None:
    assert quota_of({"rse": "A", "bytes": 1, "bytes_limit": limit}).limit_bytes == expected


def test_names_with_slashes_stay_paths_and_other_letters_do_not() -> None:
    assert did_path(Did("a/b", "/c d?#")) == "a%2Fb//c%20d%3F%23"


def test_the_cache_believes_for_a_while_keeps_the_newest_and_tells_callers_apart() -> None:
    now = 0.0
    cache = EntryCache(10, 2, lambda: now)
    dids = [Did("s", str(number)) for number in range(3)]
    entries = {did: file_entry({"scope": "s", "name": did.name}, (), {}, None) for did in dids}
    cache.keep(None, entries)
    assert cache.find(None, dids) == ({did: entries[did] for did in dids[1:]}, dids[:1])
    assert cache.find("alice", dids) == ({}, dids)
    cache.forget(dids[:2])
    assert cache.find(None, dids) == ({dids[2]: entries[dids[2]]}, dids[:2])
    now = 10.0
    assert cache.find(None, dids) == ({}, dids)
