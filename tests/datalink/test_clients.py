"""What real clients make of it."""

from __future__ import annotations

import asyncio
import io
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import ClientSession, web
from astropy import units as u
from astropy.io import votable
from pyvo.dal import DALResults
from pyvo.dal.adhoc import DatalinkResults, DatalinkResultsMixin, SodaQuery
from yarl import URL

from datalink.app import open_for
from datalink.core.services import Offered, Offers
from datalink.plugin import datalink as service
from penstock.lake.port import Did, DidType, Entry, Medium, Replica
from tests.datalink.builders import NOW, MemoryLake, a_file, empty_catalogue, ending, mounted, observe, resources
from tests.support import official
from tests.support.systems import require_stilts

IDS = [
    "demo:a.fits",
    "ivo://penstock.example/lake?demo:b.fits",
    "demo:tape",
    "demo:later",
    "demo:set",
    "demo:no",
    "x y",
]
SODA = "ivo://ivoa.net/std/SODA#sync-1.0"
# STILTS 3.4.7 has the vocabulary of DataLink 1.0 built in, which lacks what 1.1 added.
OUTDATED = re.compile(r"E-SMCO-\d+ Unknown predicate '(package|documentation)' from core DataLink vocabulary")


@pytest.fixture
async def url(aiohttp_client: Any, tmp_path: Path) -> URL:
    """The links of one ID of every kind."""
    lake = MemoryLake()
    image = {"dataproduct_type": "image", "link_preview": "demo:a.png", "link_documentation": "https://x.org/doc.html"}
    lake.add(a_file("a.fits", content=b"bytes", at=tmp_path, metadata=image))
    lake.add(a_file("b.fits"))
    lake.add(a_file("tape", replicas=(Replica(site="vault", medium=Medium.TAPE),)))
    lake.add(replace(a_file("later"), public_from=NOW + timedelta(days=1)))
    lake.add(Entry(did=Did("demo", "set"), type=DidType.DATASET))
    lake.members[Did("demo", "set")] = (Did("demo", "a.fits"),)
    db = empty_catalogue()
    observe(db, Did("demo", "a.fits"), dataproduct_type="image", s_ra=10.0, s_dec=20.0, s_fov=1.0, em_min=1e-7)
    given = resources(service, lake, db)
    app = ending(await open_for(given, offers_at), "/datalink", given)
    app.router.add_get("/soda", echo)
    client = await aiohttp_client(app)
    return client.make_url("/datalink/links").with_query([("ID", one) for one in IDS])


def offers_at(base_url: str) -> Offers:
    return Offers(
        cutouts=Offered(url=f"{base_url}/soda", standard_id="ivo://ivoa.net/std/SODA#sync-1.0"),
        jobs=Offered(url=f"{base_url}/uws/jobs", standard_id="ivo://ivoa.net/std/UWS#rest-1.1"),
        planner=Offered(url=f"{base_url}/accepts", standard_id="ivo://x.org/std/e#accepts-1.0"),
    )


async def echo(request: web.Request) -> web.Response:
    """Stand for cut-outs: say what was asked for."""
    return web.Response(text=request.rel_url.raw_query_string)


async def stilts(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        require_stilts(), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return output.decode()


async def test_datalinklint_finds_no_error_and_no_warning(url: URL) -> None:
    report = await stilts("datalinklint", f"votable={url}")
    assert [line for line in report.splitlines() if re.match(r"[EWF]-", line) and not OUTDATED.match(line)] == []
    assert "I-" in report, "it did look"


@pytest.mark.parametrize("path", ["/datalink/links", "/datalink/links?ID=demo:gone", None])
async def test_votlint_finds_nothing(url: URL, path: str | None) -> None:
    target = url if path is None else url.join(URL(path))
    assert (await stilts("votlint", f"votable={target}")).strip() == ""


async def test_pyvo_reads_the_links_and_finds_the_file_itself(url: URL) -> None:
    results = await asyncio.to_thread(DatalinkResults.from_result_url, str(url))
    this = [row for row in results if row["semantics"] == "#this"]
    assert [row["ID"] for row in this] == [one for one in IDS if one != "demo:set"]
    assert [bool(row["access_url"]) for row in this] == [True, True, False, True, False, False]
    by_semantics = await asyncio.to_thread(lambda: list(results.bysemantics("#this", include_narrower=False)))
    assert len(by_semantics) == len(this)


async def test_pyvo_fetches_the_file_and_finds_what_works_on_it(url: URL) -> None:
    """pyvo asks with a blocking client, so it runs in a thread."""

    def use() -> tuple[bytes, list[str], str, str]:
        results = DatalinkResults.from_result_url(str(url.with_query(ID="demo:a.fits")))
        (this,) = results.bysemantics("#this", include_narrower=False)
        procs = list(results.iter_procs())
        cut = results.get_first_proc()
        query = SodaQuery.from_resource(cut, results.get_adhocservice_by_ivoid(SODA), circle=(10, 20, 0.1) * u.deg)
        return (
            this.getdataset().read(),
            [proc.semantics.rpartition("/")[2] for proc in procs],
            cut.process(circle=(10, 20, 0.1), BAND=(1e-7, 2e-7)).read().decode(),
            query.execute_stream().read().decode(),
        )

    content, procs, processed, asked = await asyncio.to_thread(use)
    assert content == b"bytes"
    assert procs == ["#cutout", "terms#staging", "terms#compute"]
    for text in (processed, asked):
        given = dict(parse_qsl(text))
        assert given["ID"] == "demo:a.fits"
        assert given["CIRCLE"].split() == ["10", "20", "0.1"] or given["CIRCLE"].split() == ["10.0", "20.0", "0.1"]


async def test_pyvo_shows_the_limits_of_the_file(url: URL) -> None:
    def use() -> dict[str, Any]:
        results = DatalinkResults.from_result_url(str(url.with_query(ID="demo:a.fits")))
        return {param.name: param.values for param in results.get_first_proc().input_params}

    limits = await asyncio.to_thread(use)
    assert list(limits["CIRCLE"].max) == [10.0, 20.0, 0.5]
    assert limits["BAND"].min == 1e-7


async def test_pyvo_iterates_over_the_links_of_many_ids_in_batches(aiohttp_client: Any) -> None:
    lake = MemoryLake()
    for number in range(5):
        lake.add(a_file(f"{number}.fits"))
    client = await aiohttp_client(await mounted(service, resources(service, lake, max_ids=2)))
    rows = "".join(f"<TR><TD>demo:{number}.fits</TD></TR>" for number in range(6))
    links = client.make_url("/datalink/links")
    table = f"""<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="QUERY_STATUS" value="OK"/><TABLE><FIELD ID="did" name="did" datatype="char" arraysize="*"/><DATA>
<TABLEDATA>{rows}</TABLEDATA></DATA></TABLE></RESOURCE><RESOURCE type="meta" utype="adhoc:service">
<PARAM name="standardID" datatype="char" arraysize="*" value="ivo://ivoa.net/std/DataLink#links-1.1"/>
<PARAM name="accessURL" datatype="char" arraysize="*" value="{links}"/><GROUP name="inputParams">
<PARAM name="ID" datatype="char" arraysize="*" value="" ref="did"/></GROUP></RESOURCE></VOTABLE>"""

    def use() -> list[list[str]]:
        results = DALResults(votable.parse(io.BytesIO(table.encode())))
        adhoc = type("Results", (DatalinkResultsMixin, DALResults), {})(results.votable)
        return [[row["semantics"] for row in found] for found in adhoc.iter_datalinks()]

    assert [len(found) for found in await asyncio.to_thread(use)] == [3, 3, 3, 3, 3, 1]


async def test_every_document_is_valid(aiohttp_client: Any, url: URL) -> None:
    for path in ("capabilities", "availability"):
        assert official.findings(await fetch(url.with_path(f"/datalink/{path}")), record=False) == []
    for target in (url, url.with_query({}), url.with_query({"MAXREC": "-1"})):
        assert official.findings(await fetch(target), record=False) == []


async def fetch(url: URL) -> bytes:
    async with ClientSession() as session, session.get(url) as response:
        return await response.read()
