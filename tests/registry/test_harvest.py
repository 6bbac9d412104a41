"""Harvesting, from real servers over real sockets: stubs for what no real registry does."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from penstock.db import Database
from registry.core.oai import Prefix, Selection
from registry.fetching import HttpFetch
from registry.ports import Filter, Tally, Unreachable
from registry.service.harvesting import Harvester, HarvestFailed, Limits, Report
from registry.store import RecordStore, SourceStore
from tests.datalink.builders import NOW
from tests.registry.builders import a_record, a_service, migrated, registry_app
from tests.registry.stub import DATE, Stub, envelope, error, identify, listing, record, serving

OURS = "penstock.example"


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    db = await migrated(f"sqlite:///{tmp_path / 'harvest.db'}")
    yield db
    await db.close()


class Pauses:
    """Waits for nobody, and notes how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def harvest(
    db: Database,
    url: str,
    *,
    set_name: str = "ivo_managed",
    full: bool = False,
    timeout_s: float = 10.0,
    pause: Pauses | None = None,
    private: bool = True,
    **limits: int,
) -> Report:
    async with HttpFetch(clock=lambda: NOW, timeout_s=timeout_s, allow_private=private) as fetch:
        harvester = Harvester(
            fetch=fetch,
            store=SourceStore(db),
            authority=OURS,
            clock=lambda: NOW,
            limits=replace(Limits(), **limits),
            pause=pause or Pauses(),
        )
        return await harvester.harvest(url, set_name=set_name, full=full)


async def known(db: Database) -> list[str]:
    return [one.ivoid.removeprefix("ivo://") for one in await RecordStore(db).search(Filter(), "", 1000)]


async def failure(db: Database, url: str, **options: Any) -> str:
    with pytest.raises(HarvestFailed) as caught:
        await harvest(db, url, **options)
    return str(caught.value)


async def test_pages_are_read_to_the_end_and_the_next_harvest_asks_for_what_is_new(db: Database) -> None:
    pages = {
        None: listing(record("ivo://other.org/a"), record("ivo://other.org/b"), token="t1"),
        "t1": listing(record("ivo://other.org/c"), token=""),
    }
    async with serving(Stub(lists=pages)) as stub:
        report = await harvest(db, stub.url)
        assert (report.pages, report.full, report.name) == (2, True, "Stub")
        assert report.tally == Tally(added=3)
        stub.lists = {None: listing(record("ivo://other.org/a", deleted=True), record("ivo://other.org/d"))}
        report = await harvest(db, stub.url)
        assert (report.full, report.tally) == (False, Tally(added=1, deleted=1))
    assert stub.listed[0] == {"verb": "ListRecords", "metadataPrefix": "ivo_vor", "set": "ivo_managed"}
    assert stub.listed[1] == {"verb": "ListRecords", "resumptionToken": "t1"}
    assert stub.listed[2]["from"] == "2026-11-21T09:55:00Z", "five minutes before the last one began there"
    assert await known(db) == ["other.org/b", "other.org/c", "other.org/d"]


async def test_a_registry_of_days_is_asked_for_days(db: Database) -> None:
    days = identify("other.org", granularity="YYYY-MM-DD")
    async with serving(Stub(lists={None: listing(record("ivo://other.org/a"))}, identity=days)) as stub:
        await harvest(db, stub.url)
        stub.lists = {None: error("noRecordsMatch")}
        assert (await harvest(db, stub.url)).tally == Tally()
    assert stub.listed[1]["from"] == "2026-11-21"


async def test_another_set_is_another_harvest_and_no_set_is_not_asked_for(db: Database) -> None:
    async with serving(Stub(lists={None: listing(record("ivo://other.org/a"))})) as stub:
        await harvest(db, stub.url)
        assert (await harvest(db, stub.url, set_name="")).full
    assert "set" not in stub.listed[1]


async def test_a_harvest_of_everything_deletes_what_is_not_there_any_more(db: Database) -> None:
    async with serving(Stub(lists={None: listing(record("ivo://other.org/a"), record("ivo://other.org/b"))})) as stub:
        await harvest(db, stub.url)
        stub.lists = {None: listing(record("ivo://other.org/b"))}
        report = await harvest(db, stub.url, full=True)
    assert report.tally == Tally(unchanged=1, deleted=1)
    assert await known(db) == ["other.org/b"]


@pytest.mark.parametrize("keeps", ["no", "transient"])
async def test_a_registry_that_does_not_keep_what_is_gone_is_read_whole_each_time(db: Database, keeps: str) -> None:
    forgets = identify("other.org", keeps=keeps)
    both = listing(record("ivo://other.org/a"), record("ivo://other.org/b"))
    async with serving(Stub(lists={None: both}, identity=forgets)) as stub:
        await harvest(db, stub.url)
        stub.lists = {None: listing(record("ivo://other.org/b"))}
        assert (await harvest(db, stub.url)).tally == Tally(unchanged=1, deleted=1)
    assert "from" not in stub.listed[1]


async def test_a_registry_that_suddenly_has_nothing_deletes_nothing(db: Database) -> None:
    async with serving(Stub(lists={None: listing(record("ivo://other.org/a"))})) as stub:
        await harvest(db, stub.url)
        stub.lists = {None: error("noRecordsMatch")}
        assert "no records" in await failure(db, stub.url, full=True)
    assert await known(db) == ["other.org/a"]


async def test_an_interrupted_harvest_goes_on_where_it_was(db: Database) -> None:
    pages = {
        None: listing(record("ivo://other.org/a"), token="t1"),
        "t1": lambda _request: web.Response(status=404),
    }
    async with serving(Stub(lists=pages)) as stub:
        with pytest.raises(HarvestFailed) as caught:
            await harvest(db, stub.url)
        assert caught.value.resumable
        assert await known(db) == ["other.org/a"]
        stub.lists["t1"] = listing(record("ivo://other.org/b"), date="2026-11-21T11:00:00Z")
        report = await harvest(db, stub.url)
    assert report.resumed
    assert [one.get("resumptionToken") for one in stub.listed] == [None, "t1", "t1"]
    assert await known(db) == ["other.org/a", "other.org/b"]
    (source,) = await SourceStore(db).sources()
    assert (source.watermark, source.token, source.error) == (DATE, None, None), "of the first answer"


async def test_a_token_that_expired_meanwhile_begins_the_list_again(db: Database) -> None:
    pages = {
        None: listing(record("ivo://other.org/a"), token="t1"),
        "t1": lambda _request: web.Response(status=404),
    }
    async with serving(Stub(lists=pages)) as stub:
        await failure(db, stub.url)
        stub.lists = {
            None: listing(record("ivo://other.org/b"), token="t2"),
            "t1": error("badResumptionToken"),
            "t2": listing(record("ivo://other.org/c")),
        }
        report = await harvest(db, stub.url)
    assert (report.resumed, report.full) == (False, True)
    assert await known(db) == ["other.org/b", "other.org/c"], "what is not in the whole list is gone"


async def test_a_harvest_that_is_cancelled_leaves_whole_pages_and_goes_on(db: Database) -> None:
    reached = asyncio.Event()

    async def never() -> web.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    pages = {None: listing(record("ivo://other.org/a"), token="t1"), "t1": lambda _request: never()}
    async with serving(Stub(lists=pages)) as stub:
        task = asyncio.create_task(harvest(db, stub.url))
        await reached.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stub.lists["t1"] = listing(record("ivo://other.org/b"))
        assert (await harvest(db, stub.url)).resumed
    assert await known(db) == ["other.org/a", "other.org/b"]


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(8))
    + "]>"
)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("<html><head><title>Welcome</title></head><body><br></body></html>", "OAI-PMH"),
        ("<html xmlns='http://www.w3.org/1999/xhtml'/>", "no OAI-PMH"),
        ("", "no XML"),
        (b"\x00\xff\xfe" * 100, "no XML"),
        (listing(record("ivo://other.org/a"))[:-30], "breaks off"),
        (listing(record("ivo://other.org/a")) + "<more/>", "well-formed"),
        (BOMB + listing(record("ivo://other.org/a&i;")), "document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd">' + listing(), "document type"),
        (listing(record("ivo://other.org/a")).replace("OAI/2.0", "OAI/1.1"), "no OAI-PMH"),
        (listing(record("ivo://other.org/a")).replace(f"<responseDate>{DATE}</responseDate>", ""), "responseDate"),
        (listing(record("ivo://other.org/a"), date="yesterday"), "yesterday"),
        (error("badArgument", "set unknown"), "badArgument: set unknown"),
        (error("cannotDisseminateFormat"), "cannotDisseminateFormat"),
        (listing(record("ivo://other.org/a")).replace("</ListRecords>", "&nbsp;</ListRecords>"), "not well-formed"),
    ],
)
async def test_an_answer_that_is_none_is_a_reason_and_writes_nothing(
    db: Database, answer: str | bytes, told: str
) -> None:
    async with serving(Stub(lists={None: answer})) as stub:
        assert told in await failure(db, stub.url)
    assert await known(db) == []


@pytest.mark.parametrize("status", [400, 401, 404, 410])
async def test_a_status_that_says_no_is_told_at_once(db: Database, status: int) -> None:
    pause = Pauses()
    async with serving(Stub(lists={None: lambda _request: web.Response(status=status)})) as stub:
        assert str(status) in await failure(db, stub.url, pause=pause)
    assert pause.seconds == []


async def test_a_registry_that_is_busy_is_waited_for_as_long_as_it_asks(db: Database) -> None:
    answers = iter([web.Response(status=503, headers={"Retry-After": "17"}), web.Response(status=500)])

    def answer(_request: web.Request) -> Any:
        return next(answers, listing(record("ivo://other.org/a")))

    pause = Pauses()
    async with serving(Stub(lists={None: answer})) as stub:
        await harvest(db, stub.url, pause=pause)
    assert pause.seconds == [17.0, 10.0]


async def test_a_registry_that_asks_to_come_back_tomorrow_is_left(db: Database) -> None:
    busy = {"Retry-After": "Sun, 22 Nov 2026 12:00:00 GMT"}
    async with serving(Stub(lists={None: lambda _request: web.Response(status=503, headers=busy)})) as stub:
        assert "86400 s" in await failure(db, stub.url)


async def test_a_registry_that_never_answers_is_left_and_nothing_is_known_of_it(db: Database) -> None:
    async def never() -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with serving(Stub(identity=lambda _request: never())) as stub:
        assert "no whole answer within 0.3 s" in await failure(db, stub.url, timeout_s=0.3)
    assert await SourceStore(db).sources() == ()


async def test_an_answer_that_never_ends_is_cut(db: Database) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"<OAI-PMH xmlns='http://www.openarchives.org/OAI/2.0/'>" + b" " * 65536)

    async with serving(Stub(identity=lambda request: endless(request))) as stub:
        assert "more than 300000 bytes" in await failure(db, stub.url, answer_bytes=300_000)


async def test_a_compressed_answer_counts_by_what_is_in_it(db: Database) -> None:
    bomb = gzip.compress(listing().encode().replace(b"<ListRecords>", b"<ListRecords>" + b" " * 30_000_000))
    packed = gzip.compress(listing(record("ivo://other.org/a")).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/xml"}
    async with serving(Stub(lists={None: lambda _request: web.Response(body=bomb, headers=headers)})) as stub:
        assert "more than 1000000 bytes" in await failure(db, stub.url, answer_bytes=1_000_000)
        stub.lists = {None: lambda _request: web.Response(body=packed, headers=headers)}
        assert (await harvest(db, stub.url)).tally == Tally(added=1)


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        (
            {
                None: listing(record("ivo://other.org/a"), token="t"),
                "t": listing(record("ivo://other.org/b"), token="t"),
            },
            "twice",
        ),
        (
            {
                None: listing(record("ivo://other.org/a"), token="t"),
                "t": listing(record("ivo://other.org/b"), token="u"),
                "u": listing(record("ivo://other.org/c"), token="t"),
            },
            "twice",
        ),
        ({None: listing(token="1"), "1": listing(token="2"), "2": listing(token="3")}, "no records"),
    ],
)
async def test_a_list_without_end_is_ended_and_begun_anew_the_next_time(
    db: Database, pages: dict[str | None, str], told: str
) -> None:
    async with serving(Stub(lists=dict(pages))) as stub:
        assert told in await failure(db, stub.url)
        stub.lists = {None: listing(record("ivo://other.org/z"))}
        assert not (await harvest(db, stub.url)).resumed
    assert await known(db) == ["other.org/z"]


async def test_a_list_that_is_too_long_is_left(db: Database) -> None:
    def page(request: web.Request) -> str:
        number = int(request.query.get("resumptionToken", "0"))
        return listing(record(f"ivo://other.org/{number}"), token=str(number + 1))

    async with serving(Stub(lists={None: page, **{str(n): page for n in range(1, 9)}})) as stub:
        assert "more than 5 records" in await failure(db, stub.url, records=5)


async def test_redirects_are_followed_and_a_loop_is_left(db: Database) -> None:
    async with serving(Stub(lists={None: listing(record("ivo://other.org/a"))})) as stub:
        moved = Stub()
        moved.identity = lambda request: web.Response(
            status=302, headers={"Location": f"{stub.url}?{request.query_string}"}
        )
        moved.lists = {None: moved.identity}
        async with serving(moved):
            assert (await harvest(db, moved.url)).tally == Tally(added=1)
        circle = Stub(identity=lambda request: web.Response(status=302, headers={"Location": str(request.url)}))
        async with serving(circle):
            assert "redirects more than 5 times" in await failure(db, circle.url)


@pytest.mark.parametrize(
    "location", ["ftp://example.org/", "file:///etc/passwd", "http://[", "http://a:b@example.org/"]
)
async def test_a_redirect_to_anywhere_else_is_not_followed(db: Database, location: str) -> None:
    stub = Stub(identity=lambda _request: web.Response(status=301, headers={"Location": location}))
    async with serving(stub):
        message = await failure(db, stub.url)
    assert "URL" in message
    assert "a:b@" not in message


async def test_addresses_of_this_machine_are_not_asked_unless_allowed(db: Database) -> None:
    async with serving(Stub()) as stub:
        assert "not a public address" in await failure(db, stub.url, private=False)
        by_name = stub.url.replace("127.0.0.1", "localhost")
        assert "not a public address" in await failure(db, by_name, private=False)
    assert stub.asked == []


@pytest.mark.parametrize("url", ["", "other.org", "ftp://other.org/oai", "http://u:p@other.org/oai", "http://[::1"])
async def test_what_is_no_address_is_not_asked(db: Database, url: str) -> None:
    assert "URL" in await failure(db, url)


async def test_an_address_that_nobody_listens_at_is_told_at_once(db: Database) -> None:
    pause = Pauses()
    assert "cannot be read" in await failure(db, "http://127.0.0.1:1/oai", pause=pause)
    assert pause.seconds == []


def other(text: str, new: str) -> bytes:
    return a_record("ivo://other.org/bad").replace(text.encode(), new.encode())


RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (
            record("ivo://other.org/bad", content=other("ivo://other.org/bad", "ivo://other.org/b2")),
            "its header of another",
        ),
        (record("ivo://third.org/bad"), "does not manage the authority third.org"),
        (record("http://other.org/bad"), "no identifier"),
        (record(""), "no identifier"),
        (record("ivo://other.org/bad?x"), "no identifier"),
        (record("ivo://other.org/bad", content=other(RI, "urn:x")), "of the namespace urn:x"),
        (record("ivo://other.org/bad", content=b"<ri:Resource />".replace(b"ri:", b"")), "not ri:Resource"),
        (record("ivo://other.org/bad", content=a_record("ivo://other.org/bad") * 2), "2 elements"),
        (record("ivo://other.org/bad", content=b""), "0 elements"),
        (record("ivo://other.org/bad", content=other("vs:CatalogService", "zz:Thing")), "xsi:type"),
        (record("ivo://other.org/bad", content=other("By hand", " ")), "no title"),
        (record("ivo://other.org/bad", content=other('status="active"', 'status="fine"')), "its status"),
        (record("ivo://other.org/bad", content=other('created="2020-01-01T00:00:00Z"', "")), "created"),
        (record("ivo://other.org/bad", content=other("2021-01-01T00:00:00Z", "2021-02-30T00:00:00Z")), "updated"),
        (record("ivo://other.org/bad", stamp="now"), "datestamp"),
        (record("ivo://other.org/good"), "twice"),
    ],
)
async def test_a_malformed_record_is_quarantined_and_the_others_are_taken(db: Database, bad: str, told: str) -> None:
    async with serving(Stub(lists={None: listing(record("ivo://other.org/good"), bad)})) as stub:
        assert (await harvest(db, stub.url)).tally == Tally(added=1, quarantined=1)
    (row,) = await SourceStore(db).quarantined()
    assert told in row.reason
    assert await known(db) == ["other.org/good"]


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (record("ivo://other.org/odd", stamp="2026-11-21T10:00:00"), "no zone"),
        (record("ivo://other.org/odd", stamp="2026-11-21"), None),
        (record("ivo://other.org/odd", stamp="2026-11-21T12:00:00+02:00"), "not in UTC"),
        (record("ivo://other.org/odd", stamp="2030-01-01T00:00:00Z"), "in the future"),
        (
            record(
                "ivo://other.org/odd",
                content=a_record("ivo://other.org/odd").replace(b"2021-01-01T00:00:00Z", b"2021-01-01T00:00:00"),
            ),
            "no zone",
        ),
        (record("ivo://other.org/odd", content=a_record("ivo://other.org/ODD")), "spelt"),
    ],
)
async def test_what_is_written_badly_is_taken_and_noted(db: Database, odd: str, told: str | None) -> None:
    async with serving(Stub(lists={None: listing(odd)})) as stub:
        report = await harvest(db, stub.url)
    assert report.tally == Tally(added=1)
    assert [about for about, note in report.notes if told and told in note] == (["ivo://other.org/odd"] if told else [])


async def test_a_full_registry_may_hand_on_records_of_all_but_of_ours(db: Database) -> None:
    forged = record(f"ivo://{OURS}/tap")
    stub = Stub(lists={None: listing(record("ivo://third.org/a"), forged)}, identity=identify("other.org", full=True))
    async with serving(stub):
        assert (await harvest(db, stub.url)).tally == Tally(added=1, own=1)
    assert await known(db) == ["third.org/a"]


async def test_a_registry_that_does_not_say_what_it_manages_is_believed_and_noted(db: Database) -> None:
    nameless = envelope("<Identify><repositoryName>N</repositoryName><protocolVersion>1.1</protocolVersion></Identify>")
    async with serving(Stub(lists={None: listing(record("ivo://third.org/a"))}, identity=nameless)) as stub:
        report = await harvest(db, stub.url)
    assert [about for about, _ in report.notes] == ["Identify", "Identify"]


async def test_of_two_harvests_at_once_one_gives_way(db: Database) -> None:
    async with serving(Stub(lists={None: listing(record("ivo://other.org/a"))})) as stub:
        await harvest(db, stub.url)
        outcomes = await asyncio.gather(harvest(db, stub.url), harvest(db, stub.url), return_exceptions=True)
    assert await known(db) == ["other.org/a"]
    assert {type(one) for one in outcomes} <= {Report, HarvestFailed}
    assert any(isinstance(one, Report) for one in outcomes)


async def test_another_registry_of_ours_is_harvested_with_its_deletions(
    aiohttp_server: Any, db: Database, tmp_path: Path
) -> None:
    theirs = await migrated(f"sqlite:///{tmp_path / 'theirs.db'}")
    services = [a_service(f"s{n}") for n in range(5)]
    early = NOW - timedelta(days=2)
    await aiohttp_server(await registry_app(theirs, [*services, a_service("old")], now=early))
    server = await aiohttp_server(await registry_app(theirs, services, page_size=2))
    url = str(server.make_url("/registry/oai"))
    async with HttpFetch(clock=lambda: NOW, timeout_s=10, allow_private=True) as fetch:
        harvester = Harvester(fetch=fetch, store=SourceStore(db), authority="second.example.org", clock=lambda: NOW)
        report = await harvester.harvest(url, set_name="ivo_managed")
        assert report.tally == Tally(added=7, unchanged=1), "the deleted one was never known"
        assert (report.pages, report.size, report.notes) == (4, 8, [])
        report = await harvester.harvest(url, set_name="ivo_managed")
        assert report.tally == Tally(unchanged=2), "what changed at the last opening"
    copied = {one.ivoid: one.updated for one in await RecordStore(db).search(Filter(), "", 99)}
    originals = await RecordStore(theirs).select(Selection(prefix=Prefix.IVO_VOR), None, 99)
    assert copied == {one.ivoid: one.updated for one in originals if not one.deleted}
    await theirs.close()


async def test_a_registry_that_harvests_itself_changes_nothing(aiohttp_server: Any, db: Database) -> None:
    server = await aiohttp_server(await registry_app(db, [a_service("tap")]))
    before = await known(db)
    assert (await harvest(db, str(server.make_url("/registry/oai")))).tally == Tally(own=3)
    assert await known(db) == before


async def test_a_fetch_outside_its_context_is_a_fault_of_the_program() -> None:
    fetch = HttpFetch(clock=lambda: NOW, timeout_s=1)
    with pytest.raises(RuntimeError):
        [chunk async for chunk in fetch.chunks("http://example.org/", {})]
    with pytest.raises(Unreachable):
        [chunk async for chunk in fetch.chunks("nothing", {})]
