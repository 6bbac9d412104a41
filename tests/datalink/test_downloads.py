"""Files as they come through this service, whatever their storage does."""

from __future__ import annotations

import asyncio
import email
import io
import random
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient
from aiohttp.test_utils import TestServer as Listening

from datalink.plugin import datalink as service
from datalink.ports import UnreadableReplica
from datalink.settings import StorageHost
from datalink.storage import LakeStorage
from penstock.lake.port import Did, DidType, Entry, Medium, Replica
from tests.datalink import storages
from tests.datalink.builders import NOW, MemoryLake, a_file, mounted, resources
from tests.datalink.storages import Behave, StubStorage, replica_at
from tests.uws.waiting import eventually

CONTENT = random.Random(5).randbytes(3_000_000)  # several pieces, so that something is out before a fault shows
SMALL = b"a file of one piece"
TARGET = "/datalink/data/demo/a.fits"
STALLING = {storages.stalls_midway, storages.never_answers}
Behind = Callable[..., Awaitable[TestClient]]


@pytest.fixture
async def stubs() -> AsyncIterator[list[tuple[StubStorage, Listening]]]:
    started: list[tuple[StubStorage, Listening]] = []
    yield started
    for stub, server in started:
        stub.released.set()
        await server.close()


@pytest.fixture
def behind(aiohttp_client: Any, stubs: list[tuple[StubStorage, Listening]]) -> Behind:
    """Give a client of the service whose only file lies at storages that behave so, the nearest first."""

    async def open_service(*behaviours: Behave, content: bytes = CONTENT, **more: Any) -> TestClient:
        for behave in behaviours:
            stub = StubStorage(content, behave)
            server = Listening(stub.app())
            await server.start_server()
            stubs.append((stub, server))
        given = [replica_at(f"site{n}", server.port or 0) for n, (_, server) in enumerate(stubs)]
        lake, entry = MemoryLake(), more.pop("entry", {})
        lake.add(a_file("a.fits", content=content, **{"replicas": tuple(given), **entry}))
        hosts = [{"host": f"127.0.0.1:{server.port}"} for _, server in stubs]
        settings = {"storage": hosts, "storage_idle_s": 1.5 if STALLING & set(behaviours) else 60, **more}
        client: TestClient = await aiohttp_client(await mounted(service, resources(service, lake, **settings)))
        return client

    return open_service


async def fetched(client: TestClient, target: str = TARGET, **headers: str) -> tuple[int, bytes]:
    async with client.get(target, headers={name.replace("_", "-"): value for name, value in headers.items()}) as answer:
        return answer.status, await answer.read()


async def test_a_file_comes_from_its_storage_with_all_that_a_client_can_check(behind: Behind) -> None:
    client = await behind(storages.good)
    async with client.get(TARGET) as answer:
        assert (answer.status, await answer.read()) == (200, CONTENT)
        assert answer.headers["Content-Length"] == str(len(CONTENT))
        assert answer.headers["Content-Type"] == "application/fits"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="a.fits"'
        assert answer.headers["ETag"].strip('"') in answer.headers["ETag"]
    async with client.head(TARGET) as head:
        assert (head.headers["Content-Length"], head.headers["ETag"]) == (str(len(CONTENT)), answer.headers["ETag"])
        assert await head.read() == b""


@pytest.mark.parametrize(
    "fault",
    [
        storages.dies_midway,
        storages.stalls_midway,
        storages.never_answers,
        storages.says_it_is_shorter,
        storages.says_it_is_longer,
        storages.tells_no_length,
        storages.knows_another_checksum,
        storages.encodes,
        storages.refuses(401),
        storages.refuses(404),
        storages.refuses(500),
        storages.leads_to("ftp://127.0.0.1/a.fits"),
    ],
)
async def test_the_next_replica_takes_over_and_the_file_is_whole(behind: Behind, fault: Behave) -> None:
    client = await behind(fault, storages.good)
    assert await fetched(client) == (200, CONTENT)


async def test_a_transfer_goes_on_where_it_broke_off_through_several_replicas(
    behind: Behind, stubs: list[tuple[StubStorage, Listening]]
) -> None:
    client = await behind(storages.dies_midway, storages.stalls_midway, storages.dies_midway, storages.good)
    assert await fetched(client) == (200, CONTENT)
    starts = [int(stub.asked[0].get("Range", "bytes=0-")[6:].partition("-")[0]) for stub, _ in stubs]
    assert starts == sorted(set(starts)), "each began where the one before it had ended"
    assert starts[-1] > len(CONTENT) // 2


async def test_a_storage_without_ranges_can_take_over_too(behind: Behind) -> None:
    client = await behind(storages.dies_midway, storages.without_ranges)
    assert await fetched(client) == (200, CONTENT)
    assert await fetched(client, Range="bytes=100-199") == (206, CONTENT[100:200])


async def test_a_storage_that_sends_another_part_is_passed_over(behind: Behind) -> None:
    client = await behind(storages.sends_another_part, storages.good)
    assert await fetched(client, Range="bytes=100-199") == (206, CONTENT[100:200])


async def test_wrong_bytes_never_come_to_a_good_end(behind: Behind) -> None:
    client = await behind(storages.sends_wrong_bytes, storages.good)
    with pytest.raises(ClientError):
        await fetched(client)
    assert await fetched(client) == (200, CONTENT), "the site that was wrong is tried after the others"


async def test_wrong_bytes_of_a_small_file_are_replaced_before_anything_is_sent(behind: Behind) -> None:
    client = await behind(storages.sends_wrong_bytes, storages.good, content=SMALL)
    assert await fetched(client) == (200, SMALL)


async def test_md5_alone_serves_to_check(behind: Behind) -> None:
    client = await behind(storages.sends_wrong_bytes, storages.good, content=SMALL, entry={"adler32": None})
    assert await fetched(client) == (200, SMALL)


async def test_when_no_replica_can_be_read_the_answer_says_so_and_no_secret(behind: Behind, tmp_path: Path) -> None:
    client = await behind(storages.refuses(401), storages.never_answers)
    status, body = await fetched(client)
    assert status == 503
    assert body.startswith(b"ServiceUnavailable: No replica of demo:a.fits can be read now: at site0 ")
    assert b"its storage answers 401" in body
    assert b"expired" not in body


async def test_a_break_that_nobody_mends_cuts_the_connection(behind: Behind) -> None:
    client = await behind(storages.dies_midway)
    with pytest.raises(ClientError):
        await fetched(client)


async def test_a_size_that_the_lake_does_not_know_is_that_of_the_storage(behind: Behind) -> None:
    client = await behind(storages.tells_no_length, storages.good, entry={"size_bytes": None})
    assert await fetched(client) == (200, CONTENT)
    assert await fetched(client, Range="bytes=-10") == (206, CONTENT[-10:])


@pytest.mark.parametrize("size", [0, 1])
async def test_tiny_files_come_too(behind: Behind, size: int) -> None:
    client = await behind(storages.good, content=b"x" * size)
    assert await fetched(client) == (200, b"x" * size)


async def test_ranges_are_fetched_alone_and_conditions_hold(
    behind: Behind, stubs: list[tuple[StubStorage, Listening]]
) -> None:
    client = await behind(storages.good)
    async with client.head(TARGET) as head:
        etag = head.headers["ETag"]
    assert await fetched(client, Range="bytes=10-19", If_Range=etag) == (206, CONTENT[10:20])
    assert stubs[0][0].asked[-1]["Range"] == "bytes=10-19"
    assert await fetched(client, Range="bytes=10-19", If_Range='"other"') == (200, CONTENT)
    assert await fetched(client, If_None_Match=etag) == (304, b"")
    assert (await fetched(client, If_Match='"other"'))[0] == 412
    assert (await fetched(client, Range=f"bytes={len(CONTENT)}-"))[0] == 416


async def test_several_ranges_come_in_one_body(behind: Behind) -> None:
    client = await behind(storages.good)
    async with client.get(TARGET, headers={"Range": "bytes=0-9,2000000-2000009"}) as answer:
        body = await answer.read()
        message = email.message_from_bytes(f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode() + body)
    assert [part["Content-Range"] for part in message.get_payload()] == [
        f"bytes 0-9/{len(CONTENT)}",
        f"bytes 2000000-2000009/{len(CONTENT)}",
    ]
    assert CONTENT[:10] in body
    assert CONTENT[2_000_000:2_000_010] in body


async def test_a_client_that_leaves_ends_the_transfer_from_the_storage(behind: Behind) -> None:
    left = asyncio.Event()

    async def endless(storage: StubStorage, request: web.Request) -> web.StreamResponse:
        response = storage.head(request, length=10**12)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1000)
                await asyncio.sleep(0)
        finally:
            left.set()

    client = await behind(endless, entry={"size_bytes": 10**12})
    answer = await client.get(TARGET)
    await answer.content.readexactly(100_000)
    answer.close()
    await eventually(left.is_set)


async def test_private_addresses_are_reached_only_where_the_deployment_says_so(behind: Behind) -> None:
    client = await behind(storages.good, storage=[])
    status, body = await fetched(client)
    assert status == 503
    assert b"that is not a public address" in body


async def test_the_token_of_a_storage_goes_to_that_storage_and_nowhere_else(
    behind: Behind, stubs: list[tuple[StubStorage, Listening]], tmp_path: Path
) -> None:
    elsewhere = StubStorage(CONTENT, storages.good)
    server = Listening(elsewhere.app())
    await server.start_server()
    token = tmp_path / "token"
    token.write_text("first\n")
    hosts: list[dict[str, str]] = [{"host": f"127.0.0.1:{server.port}"}]
    client = await behind(storages.leads_to(f"http://127.0.0.1:{server.port}/moved"), storage=hosts)
    del client
    hosts.append({"host": f"127.0.0.1:{stubs[0][1].port}", "token_file": str(token)})
    client = await behind(storage=hosts)
    assert await fetched(client) == (200, CONTENT)
    token.write_text("renewed")
    assert await fetched(client) == (200, CONTENT)
    assert [asked["Authorization"] for asked in stubs[0][0].asked] == ["Bearer first", "Bearer renewed"]
    assert all("Authorization" not in asked for asked in elsewhere.asked)
    token.unlink()
    status, body = await fetched(client)
    assert (status, b"the token for its storage cannot be read" in body) == (503, True)
    await server.close()


async def test_a_token_never_travels_in_clear(tmp_path: Path) -> None:
    host = StorageHost(host="dav.example.org", token_file=tmp_path / "token")
    replica = Replica(site="dav", url="dav://dav.example.org/a.fits")
    async with LakeStorage([host]) as storage:
        with pytest.raises(UnreadableReplica, match="over https only"):
            async with storage.open(a_file(), replica):
                pass


async def test_webdav_is_read_as_http(behind: Behind, stubs: list[tuple[StubStorage, Listening]]) -> None:
    await behind(storages.good)
    port = stubs[0][1].port or 0
    client = await behind(entry={"replicas": (replica_at("dav", port, "dav"),)})
    assert await fetched(client) == (200, CONTENT)
    rows = await (await client.get("/datalink/links?ID=demo:a.fits")).text()
    assert "Replica at dav, over dav" in rows
    client = await behind(entry={"replicas": (replica_at("dav", port, "dav"),)}, delivery="redirect")
    assert (await fetched(client))[0] == 503, "there is nothing that a plain client could be led to"


async def test_a_local_copy_that_is_not_what_the_lake_says_is_passed_over(aiohttp_client: Any, tmp_path: Path) -> None:
    lake = MemoryLake()
    entry = lake.add(a_file("a.fits", "one", "two", "three", content=CONTENT, at=tmp_path))
    paths = [replica.path for replica in entry.replicas if replica.path]
    paths[0].unlink()
    paths[1].write_bytes(b"short")
    client = await aiohttp_client(await mounted(service, resources(service, lake)))
    assert await fetched(client) == (200, CONTENT)


async def test_metalink_lists_all_places_for_those_who_ask(behind: Behind) -> None:
    client = await behind(storages.good, storages.good)
    accepted = await client.get(TARGET, headers={"Accept": "*/*, application/metalink4+xml"})
    named = await client.get("/datalink/metalink/demo/a.fits")
    assert accepted.content_type == named.content_type == "application/metalink4+xml"
    text = await named.text()
    assert text == await accepted.text()
    assert '<file name="a.fits">' in text
    assert f"<size>{len(CONTENT)}</size>" in text
    assert text.count("<url ") == 3
    assert f'<url priority="999999">{client.make_url(TARGET)}</url>' in text
    assert "Accept" in accepted.headers["Vary"]


async def test_an_embargo_holds_for_every_way_to_the_bytes(behind: Behind) -> None:
    later = {"public_from": NOW + timedelta(days=1)}
    client = await behind(storages.good, entry=later)
    for target in (TARGET, "/datalink/metalink/demo/a.fits", "/datalink/replicas/site0/demo/a.fits"):
        assert (await fetched(client, target))[0] == 403
        assert (await client.head(target)).status == 403


@pytest.fixture
def tree(tmp_path: Path) -> MemoryLake:
    """A container with a dataset, a file, and itself in it; not everything can be had."""
    lake = MemoryLake()
    for number in range(3):
        lake.add(a_file(f"run/{number}.fits", content=b"%d" % number * 1000, at=tmp_path))
    lake.add(replace(a_file("secret.fits", content=b"s", at=tmp_path), public_from=NOW + timedelta(days=1)))
    lake.add(a_file("tape.fits", replicas=(Replica(site="vault", medium=Medium.TAPE),)))
    for name, kind in (("all", DidType.CONTAINER), ("run", DidType.DATASET)):
        lake.add(Entry(did=Did("demo", name), type=kind))
    members = ("run", "all", "run/0.fits", "secret.fits", "tape.fits", "gone.fits")
    lake.members[Did("demo", "all")] = tuple(Did("demo", name) for name in members)
    run = ("run/0.fits", "run/1.fits", "run/2.fits", "all")
    lake.members[Did("demo", "run")] = tuple(Did("demo", name) for name in run)
    return lake


async def test_a_package_holds_every_file_once_and_names_what_it_lacks(aiohttp_client: Any, tree: MemoryLake) -> None:
    client = await aiohttp_client(await mounted(service, resources(service, tree)))
    async with client.get("/datalink/package/demo/all") as answer:
        body = await answer.read()
        assert answer.headers["Content-Length"] == str(len(body))
        assert answer.content_type == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(body)) as package:
        assert package.getnames() == [f"demo/run/{n}.fits" for n in range(3)] + ["LEFT-OUT.txt"]
        held = package.extractfile("demo/run/2.fits")
        note = package.extractfile("LEFT-OUT.txt")
        assert held
        assert note
        assert held.read() == b"2" * 1000
        assert note.read().decode().splitlines() == [
            "demo:secret.fits: it is under embargo",
            "demo:tape.fits: demo:tape.fits is on tape only, at vault, and must be staged first",
            "demo:gone.fits: the lake does not know it",
        ]
    head = await client.head("/datalink/package/demo/all")
    assert head.headers["Content-Length"] == str(len(body))


async def test_a_package_that_breaks_is_cut(aiohttp_client: Any, tree: MemoryLake) -> None:
    for replica in tree.entries[Did("demo", "run/1.fits")].replicas:
        assert replica.path
        replica.path.write_bytes(b"?" * 1000)
    client = await aiohttp_client(await mounted(service, resources(service, tree)))
    with pytest.raises(ClientError):
        await fetched(client, "/datalink/package/demo/run")


@pytest.mark.parametrize(("name", "status"), [("run/0.fits", 404), ("unknown", 404)])
async def test_only_collections_have_packages(aiohttp_client: Any, tree: MemoryLake, name: str, status: int) -> None:
    client = await aiohttp_client(await mounted(service, resources(service, tree)))
    assert (await fetched(client, f"/datalink/package/demo/{name}"))[0] == status


async def test_a_package_has_a_limit(aiohttp_client: Any, tree: MemoryLake) -> None:
    client = await aiohttp_client(await mounted(service, resources(service, tree, max_package_files=3)))
    assert (await fetched(client, "/datalink/package/demo/all"))[0] == 413
