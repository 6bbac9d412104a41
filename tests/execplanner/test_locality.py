"""Offers know where the data are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.lake.port import Did, DidType, Entry, Medium, Replica, ReplicaState
from tests.datalink.builders import MemoryLake, a_file
from tests.execplanner.hosting import K, Site, record, request_for, serving

GB = 10**9
RECORDS = [
    record("far", storage_sites=["perth"], bandwidth="10M"),
    record("near", storage_sites=["paris"], bandwidth="10M"),
]


def lake(**parts: Any) -> MemoryLake:
    found = MemoryLake(**parts)
    found.add(a_file("a.fits", "paris", size_bytes=GB))
    return found


def rucio(name: str = "a.fits", scope: str = "demo") -> dict[str, Any]:
    return {"kind": f"{K}/data/rucio-data-resource.yaml", "rucio": {"scope": scope, "object": name}}


def metrics(offer: dict[str, Any]) -> dict[str, float]:
    return {one["type"].rpartition(":")[2]: one["min"] for one in offer["metrics"]}


async def facilities(site: Site, query: str = "", **parts: Any) -> list[str]:
    document = await site.ask(request_for(**parts), f"/requests{query}")
    return [one["meta"]["messages"][0]["values"]["facility"].rpartition("/")[2] for one in document["offers"]]


async def test_what_is_near_the_data_is_offered_first_with_the_numbers(tmp_path: Path) -> None:
    async with serving(tmp_path, records=RECORDS, lake=lake()) as site:
        document = await site.ask(request_for(data=[rucio()]))
        near, far = document["offers"]
        assert metrics(near) == {"bytes-local": GB, "bytes-to-move": 0, "transfer-time": 0}
        assert metrics(far) == {"bytes-local": 0, "bytes-to-move": GB, "transfer-time": 100}
        assert near["schedule"]["preparing"]["duration"] == "PT0S"
        assert far["schedule"]["preparing"]["duration"] == "PT1M40S"
        assert far["schedule"]["available"]["start"] > near["schedule"]["available"]["start"]
        assert await facilities(site) == ["far", "near"]


async def test_a_transfer_that_takes_too_long_for_the_wanted_start_is_a_no_there(tmp_path: Path) -> None:
    async with serving(tmp_path, records=RECORDS, lake=lake()) as site:
        start = site.clock().strftime("%Y-%m-%dT%H:%M:%SZ/PT1M")
        found = await facilities(site, data=[rucio()], schedule={"requested": {"start": start}})
        assert found == ["near"]


async def test_data_on_tape_are_recalled_first(tmp_path: Path) -> None:
    there = MemoryLake()
    replica = Replica(site="paris", medium=Medium.TAPE)
    there.add(Entry(did=Did("demo", "t"), size_bytes=GB, replicas=(replica,)))
    async with serving(tmp_path, records=RECORDS, lake=there) as site:
        document = await site.ask(request_for(data=[rucio("t")]))
        near, far = (metrics(one) for one in document["offers"])
        assert near["transfer-time"] == 1800
        assert far["transfer-time"] == 1900


async def test_a_dataset_counts_by_its_files(tmp_path: Path) -> None:
    there = lake()
    there.add(a_file("b.fits", "perth", size_bytes=2 * GB))
    whole = there.add(Entry(did=Did("demo", "all"), type=DidType.DATASET))
    there.members[whole.did] = (Did("demo", "a.fits"), Did("demo", "b.fits"))
    async with serving(tmp_path, records=RECORDS, lake=there) as site:
        document = await site.ask(request_for(data=[rucio("all")]), "/requests?RANK=bytes")
        assert [metrics(one)["bytes-to-move"] for one in document["offers"]] == [GB, 2 * GB]


async def test_data_that_nobody_knows_are_a_no(tmp_path: Path) -> None:
    async with serving(tmp_path, records=RECORDS, lake=lake()) as site:
        document = await site.ask(request_for(data=[rucio("nothing")]))
        assert document["result"] == "NO"
        [message] = document["meta"]["messages"]
        assert (message["kind"], message["values"]["path"]) == ("urn:resource-not-found", "/data/0/rucio")


async def test_data_of_which_no_copy_can_be_read_are_a_no(tmp_path: Path) -> None:
    there = MemoryLake()
    gone = Replica(site="paris", state=ReplicaState.UNAVAILABLE)
    there.add(Entry(did=Did("demo", "x"), size_bytes=1, replicas=(gone,)))
    async with serving(tmp_path, records=RECORDS, lake=there) as site:
        document = await site.ask(request_for(data=[rucio("x")]))
        assert document["result"] == "NO"
        assert {one["kind"] for one in document["meta"]["messages"]} == {"urn:resource-not-found"}


async def test_a_lake_that_is_away_is_a_warning(tmp_path: Path) -> None:
    async with serving(tmp_path, records=RECORDS, lake=lake(away=True)) as site:
        document = await site.ask(request_for(data=[rucio()]))
        assert document["result"] == "YES"
        assert "urn:locality-unknown" in [one["kind"] for one in document["meta"]["messages"]]


async def test_what_the_request_says_of_its_data_needs_no_lake(tmp_path: Path) -> None:
    skao = {
        "kind": f"{K}/data/skao-data-resource.yaml",
        "skao": {"namespace": "n", "objectname": "o", "datasize": 3 * GB, "replicas": [{"rsename": "perth"}]},
    }
    there = lake(away=True)
    async with serving(tmp_path, records=RECORDS, lake=there) as site:
        assert await facilities(site, data=[skao]) == ["far", "near"]
        assert there.calls == 0
        link = {"access_url": "https://x.example.org/a.fits", "content_length": 20_000_000}
        ivoa = {"kind": f"{K}/data/ivoa-data-resource.yaml", "ivoa": {"datalink": link}}
        document = await site.ask(request_for(data=[ivoa]))
        assert [metrics(one)["transfer-time"] for one in document["offers"]] == [2, 2]


async def test_the_lake_is_asked_once_a_minute_for_the_same_data(tmp_path: Path) -> None:
    there = lake()
    async with serving(tmp_path, records=RECORDS, lake=there) as site:
        for _ in range(3):
            await site.ask(request_for(data=[rucio()]))
        assert there.calls == 1
        site.clock.ahead = timedelta(seconds=61)
        await site.ask(request_for(data=[rucio()]))
        assert there.calls == 2


@pytest.mark.parametrize(("did", "expected"), [("demo:a.fits", ["near", "far"]), ("demo:none", None)])
async def test_facilities_are_found_by_data(tmp_path: Path, did: str, expected: list[str] | None) -> None:
    async with serving(tmp_path, records=RECORDS, lake=lake()) as site:
        status, document = await site.json("GET", f"/facilities?DATA={did}")
        if expected is None:
            assert status == 404
            return
        assert [one["id"].rpartition("/")[2] for one in document["facilities"]] == expected
        assert document["facilities"][1]["data"]["bytes_to_move"] == GB
