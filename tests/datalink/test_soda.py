"""SODA as a caller meets it: {sync} over HTTP, and the job."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from astropy.io import fits

from datalink.compose import link_service
from datalink.core.soda_description import capabilities
from datalink.courier import Courier
from datalink.cutouts import Cutouts
from datalink.plugin import datalink
from datalink.plugin import soda as service
from datalink.settings import SodaSettings
from datalink.soda_app import LINKS_PATH, PATH, SODA_CUTOUT
from datalink.soda_jobs import soda_job
from datalink.soda_web import SodaHandlers
from datalink.storage import LakeStorage
from penstock.auth.principal import Principal
from penstock.basket.model import read_item
from penstock.basket.plugin import service as basket
from penstock.basket.store import BasketStore
from penstock.context import LAKE_MIGRATIONS
from penstock.dali.errors import Forbidden, NotFound, ServiceUnavailable, UsageError
from penstock.dali.params import Parameters
from penstock.db import Database
from penstock.edge.app import new_service_app
from penstock.edge.errors import text_error
from penstock.lake.port import Did, DidType, Entry, Medium, Replica
from penstock.migrations import upgrade
from penstock.service import Resources
from penstock.vosi import capabilities_document
from tests.datalink.builders import NOW, MemoryLake, a_file, resources
from tests.datalink.cutting.builders import CutterHere, primary, sky, written
from tests.support import official
from tests.uws.job_types.context import MemoryContext

IN, OUT = "150 20 0.1", "10 10 1"
SYNC = f"{PATH}/sync"


def lake_in(folder: Path) -> MemoryLake:
    lake = MemoryLake()
    for name, at in (("a.fits", (150.0, 20.0)), ("b.fits", (150.1, 20.0)), ("run/c.fits", (10.0, 10.0))):
        path = folder / name.replace("/", "-")
        written(path, primary(sky(at=at)))
        lake.add(a_file(name, content=path.read_bytes(), at=folder / "sites"))
    lake.add(a_file("words.txt", content=b"words", at=folder / "sites", media_type="text/plain"))
    lake.add(
        replace(lake.entries[Did("demo", "a.fits")], did=Did("demo", "later"), public_from=NOW + timedelta(days=1))
    )
    lake.add(a_file("tape", replicas=(Replica(site="vault", medium=Medium.TAPE),)))
    lake.add(a_file("lost", replicas=()))
    lake.add(a_file("xrootd", replicas=(Replica(site="far", url="root://far.example.org/x"),)))
    lake.add(Entry(did=Did("demo", "set"), type=DidType.DATASET))
    return lake


def cutouts(given: Resources, folder: Path, **settings: Any) -> Cutouts:
    return Cutouts(
        link_service(given),
        CutterHere(),
        Courier(LakeStorage(allow_private=True)),
        settings=SodaSettings(**settings),
        authority="penstock.example",
        scratch_root=folder / "scratch",
    )


def opened(lake: MemoryLake, db: Database | None = None) -> Resources:
    return resources(service, lake, db, beside=(datalink, basket))


def app_of(lake: MemoryLake, folder: Path, **settings: Any) -> web.Application:
    given = opened(lake)
    handlers = SodaHandlers(
        given, cutouts(given, folder, **settings), SodaSettings(**settings), path=PATH, links_path=LINKS_PATH
    )
    app, inner = web.Application(), new_service_app(text_error)
    handlers.add_routes(inner)
    app.add_subapp(PATH, inner)
    return app


@pytest.fixture
def lake(tmp_path: Path) -> MemoryLake:
    return lake_in(tmp_path)


@pytest.fixture
async def client(aiohttp_client: Any, lake: MemoryLake, tmp_path: Path) -> TestClient:
    return await aiohttp_client(app_of(lake, tmp_path))


async def ask(client: TestClient, *, post: bool = False, **given: str) -> tuple[int, bytes, Any]:
    sending = client.post(SYNC, data=given) if post else client.get(SYNC, params=given)
    async with sending as response:
        return response.status, await response.read(), response.headers


@pytest.mark.parametrize("identifier", ["demo:a.fits", "ivo://penstock.example/lake?demo:a.fits"])
@pytest.mark.parametrize("post", [False, True])
async def test_a_part_is_sent_as_fits(client: TestClient, identifier: str, post: bool) -> None:
    status, body, headers = await ask(client, ID=identifier, CIRCLE=IN, post=post)
    assert (status, headers["Content-Type"]) == (200, "application/fits")
    assert headers["Content-Disposition"] == 'attachment; filename="a-cutout.fits"'
    assert int(headers["Content-Length"]) == len(body)
    with fits.open(io.BytesIO(body)) as cut:
        assert cut[0].header["CUTSRC"] == "ivo://penstock.example/lake?demo:a.fits"


async def test_nothing_there_is_204(client: TestClient) -> None:
    assert (await ask(client, ID="demo:a.fits", CIRCLE=OUT))[:2] == (204, b"")


async def test_nothing_to_leave_out_is_the_file_itself(client: TestClient, lake: MemoryLake) -> None:
    status, body, headers = await ask(client, ID="demo:words.txt")
    assert (status, body, headers["Content-Type"]) == (200, b"words", "text/plain")


async def test_an_interrupted_transfer_goes_on(client: TestClient) -> None:
    _, body, headers = await ask(client, ID="demo:a.fits", CIRCLE=IN)
    again = {"Range": "bytes=2880-", "If-Range": headers["ETag"]}
    async with client.get(SYNC, params={"ID": "demo:a.fits", "CIRCLE": IN}, headers=again) as rest:
        assert rest.status == 206
        assert await rest.read() == body[2880:]
    _, _, other = await ask(client, ID="demo:a.fits", CIRCLE="150 20 0.2")
    assert other["ETag"] != headers["ETag"]


@pytest.mark.parametrize(
    ("given", "status", "begins"),
    [
        ({}, 400, "UsageError: ID is missing"),
        ({"ID": "demo:none", "CIRCLE": IN}, 404, "UsageError: The lake knows no demo:none"),
        ({"ID": "ivo://else.where/x?y", "CIRCLE": IN}, 404, "UsageError: "),
        ({"ID": "no did", "CIRCLE": IN}, 400, "UsageError: "),
        ({"ID": "demo:a\nb", "CIRCLE": IN}, 400, "UsageError: "),
        ({"ID": "demo:set", "CIRCLE": IN}, 404, "UsageError: "),
        ({"ID": "demo:later", "CIRCLE": IN}, 403, "AuthorizationError: "),
        ({"ID": "demo:tape", "CIRCLE": IN}, 503, "ServiceUnavailable: demo:tape is on tape"),
        ({"ID": "demo:lost", "CIRCLE": IN}, 404, "UsageError: demo:lost is known, but no site"),
        ({"ID": "demo:xrootd", "CIRCLE": IN}, 503, "ServiceUnavailable: demo:xrootd can only be had over root"),
        ({"ID": "demo:a.fits", "CIRCLE": "1 2"}, 400, "UsageError: CIRCLE="),
        ({"ID": "demo:a.fits", "BAND": "NaN 2"}, 400, "UsageError: BAND="),
        ({"ID": "demo:a.fits", "BAND": "1 2"}, 400, "UsageError: "),
        ({"ID": "demo:words.txt", "CIRCLE": IN}, 400, "UsageError: ivo://penstock.example/lake?demo:words.txt cannot"),
    ],
)
async def test_errors_are_texts_that_begin_with_their_word(
    client: TestClient, given: dict[str, str], status: int, begins: str
) -> None:
    found, body, headers = await ask(client, **given)
    assert (found, headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert body.decode().startswith(begins)


async def test_several_values_are_refused(client: TestClient) -> None:
    pairs = [("ID", "demo:a.fits"), ("CIRCLE", IN), ("CIRCLE", OUT)]
    async with client.get(SYNC, params=pairs) as response:
        assert response.status == 400
        assert (await response.text()).startswith("MultiValuedParamNotSupported: ")


async def test_what_is_too_large_is_refused(aiohttp_client: Any, lake: MemoryLake, tmp_path: Path) -> None:
    client = await aiohttp_client(app_of(lake, tmp_path, max_output_bytes=3000))
    status, body, _ = await ask(client, ID="demo:a.fits", CIRCLE=IN)
    assert (status, body[:12]) == (413, b"UsageError: ")


async def test_a_lake_that_is_away_is_a_transient_error(client: TestClient, lake: MemoryLake) -> None:
    lake.away = True
    status, body, _ = await ask(client, ID="demo:a.fits", CIRCLE=IN)
    assert (status, body.partition(b":")[0]) == (503, b"ServiceUnavailable")


async def test_nothing_stays_behind(client: TestClient, tmp_path: Path) -> None:
    for given in ({"CIRCLE": IN}, {"CIRCLE": OUT}, {"BAND": "1 2"}):
        await ask(client, ID="demo:a.fits", **given)
    assert [path.name for path in (tmp_path / "scratch").iterdir()] == [".lock"]


@pytest.fixture
async def elsewhere(lake: MemoryLake) -> AsyncIterator[TestServer]:
    """A site whose files can be had over HTTP only."""
    path = lake.entries[Did("demo", "a.fits")].replicas[0].path
    assert path is not None

    async def send(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(path)

    app = web.Application()
    app.router.add_get("/a.fits", send)
    async with TestServer(app) as server:
        yield server


async def test_a_file_without_a_replica_here_is_fetched(
    aiohttp_client: Any, lake: MemoryLake, elsewhere: TestServer, tmp_path: Path
) -> None:
    url = str(elsewhere.make_url("/a.fits"))
    lake.add(a_file("far.fits", replicas=(Replica(site="far", url=url),), size_bytes=46080))
    lake.add(a_file("gone.fits", replicas=(Replica(site="far", url=f"{url}.gone"),)))
    lake.add(a_file("wrong.fits", replicas=(Replica(site="far", url=url),), size_bytes=46080, md5="0" * 32))
    client = await aiohttp_client(app_of(lake, tmp_path))
    assert (await ask(client, ID="demo:far.fits", CIRCLE=IN))[0] == 200
    assert (await ask(client, ID="demo:gone.fits", CIRCLE=IN))[0] == 503
    assert (await ask(client, ID="demo:wrong.fits", CIRCLE=IN))[0] == 503
    small = await aiohttp_client(app_of(lake, tmp_path, max_fetch_bytes=10_000))
    assert (await ask(small, ID="demo:far.fits", CIRCLE=IN))[0] == 400


def test_capabilities_are_valid() -> None:
    assert official.findings(capabilities_document(capabilities("https://x.org/datalink/soda")), record=False) == []


class Context(MemoryContext):
    def __init__(self, given: Resources, owner: Principal, *pairs: tuple[str, str]) -> None:
        super().__init__(Parameters(pairs))
        self.owner = owner
        self._given = given

    async def resources(self) -> Resources:
        return self._given


ALICE = Principal(subject="alice@example.org")


class TestJob:
    @pytest.fixture
    async def given(self, lake: MemoryLake, tmp_path: Path) -> AsyncIterator[Resources]:
        db = Database(f"sqlite:///{tmp_path / 'penstock.db'}")
        await upgrade(db, LAKE_MIGRATIONS | {"basket": "penstock.basket.migrations"})
        yield opened(lake, db)
        await db.close()

    async def run(
        self, given: Resources, folder: Path, *pairs: tuple[str, str], owner: Principal = ALICE
    ) -> MemoryContext:
        @asynccontextmanager
        async def open_here(resources: Resources) -> AsyncIterator[Cutouts]:
            yield cutouts(resources, folder)

        context = Context(given, owner, *pairs)
        await soda_job(open_here, path=PATH, links_path=LINKS_PATH).run(context)
        return context

    async def test_every_combination_is_a_result(self, given: Resources, tmp_path: Path) -> None:
        context = await self.run(
            given, tmp_path, ("ID", "demo:a.fits"), ("ID", "demo:run/c.fits"), ("CIRCLE", IN), ("CIRCLE", OUT)
        )
        assert [name for name, _ in context.results.items()] == ["cutout-1", "cutout-2", "cutout-3", "cutout-4"]
        kinds = [media_type for media_type, _ in context.results.values()]
        text = "text/plain; charset=UTF-8"
        assert kinds == ["application/fits", text, text, "application/fits"]
        assert context.results["cutout-2"][1] == b"UsageError: demo:a.fits has no pixel in CIRCLE=10 10 1.\n"
        assert context.said[-1] == (1.0, "4 of 4 cut-outs")

    async def test_an_id_that_fails_does_not_spoil_the_others(self, given: Resources, tmp_path: Path) -> None:
        context = await self.run(
            given, tmp_path, ("ID", "demo:none"), ("ID", "demo:later"), ("ID", "demo:a.fits"), ("CIRCLE", IN)
        )
        contents = [content for _, content in context.results.values()]
        assert contents[0].startswith(b"UsageError: The lake knows no demo:none")
        assert contents[1].startswith(b"AuthorizationError: ")
        assert contents[2].startswith(b"SIMPLE  =")

    @pytest.mark.parametrize(
        ("pairs", "error"),
        [
            ([("ID", "demo:none"), ("CIRCLE", IN)], NotFound),
            ([("ID", "demo:later"), ("CIRCLE", IN)], Forbidden),
            ([("ID", "demo:tape"), ("CIRCLE", IN)], ServiceUnavailable),
            ([("CIRCLE", IN)], UsageError),
            ([("ID", "demo:a.fits"), ("CIRCLE", "NaN")], UsageError),
            ([("ID", "basket:none"), ("CIRCLE", IN)], NotFound),
        ],
    )
    async def test_nothing_but_errors_fails_the_job(
        self, given: Resources, tmp_path: Path, pairs: list[tuple[str, str]], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            await self.run(given, tmp_path, *pairs)

    async def test_a_basket_gives_its_files_and_takes_the_results(self, given: Resources, tmp_path: Path) -> None:
        store = BasketStore(given.db, max_items=100)
        await store.create("alice@example.org", "mine", NOW, most=None)
        references = [
            "demo:a.fits", "ivo://penstock.example/lake?demo:b.fits", "https://x.org/links?ID=demo:run/c.fits",
            "https://x.org/other",
        ]  # fmt: skip
        await store.add("alice@example.org", "mine", [read_item({"reference": one}) for one in references], NOW)
        context = await self.run(given, tmp_path, ("ID", "basket:mine"), ("CIRCLE", IN), ("BASKET", "cuts"))
        assert len(context.results) == 3
        _, items = await store.items("alice@example.org", "cuts", limit=10)
        url = f"{given.settings.own_url}/datalink/soda/async/{context.job_id}/results"
        assert [item.what.reference for item in items] == [f"{url}/cutout-1", f"{url}/cutout-2"]
        assert {item.what.job for item in items} == {context.job_id}
        with pytest.raises(NotFound):
            await self.run(given, tmp_path, ("ID", "basket:mine"), owner=Principal(subject="bob"))


def test_the_job_type_says_what_it_takes() -> None:
    names = [spec.name for spec in SODA_CUTOUT.parameters]
    assert names == ["ID", "CIRCLE", "POLYGON", "POS", "BAND", "TIME", "POL", "PIXELS", "BASKET", "RESPONSEFORMAT"]
    assert SODA_CUTOUT.name == "soda.cutout"
