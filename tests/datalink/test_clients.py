"""What real clients make of it."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from pyvo.dal.adhoc import DatalinkResults
from yarl import URL

from datalink.app import service
from penstock.lake.port import Did, DidType, Entry, Medium, Replica
from tests.datalink.builders import NOW, MemoryLake, a_file, mounted, resources
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
# STILTS 3.4.7 has the vocabulary of DataLink 1.0 built in, which lacks what 1.1 added.
OUTDATED = re.compile(r"E-SMCO-\d+ Unknown predicate 'package' from core DataLink vocabulary")


@pytest.fixture
async def url(aiohttp_client: Any, tmp_path: Path) -> URL:
    """The links of one ID of every kind."""
    lake = MemoryLake()
    lake.add(a_file("a.fits", content=b"bytes", at=tmp_path, metadata={"dataproduct_type": "image"}))
    lake.add(a_file("b.fits"))
    lake.add(a_file("tape", replicas=(Replica(site="vault", medium=Medium.TAPE),)))
    lake.add(replace(a_file("later"), public_from=NOW + timedelta(days=1)))
    lake.add(Entry(did=Did("demo", "set"), type=DidType.DATASET))
    lake.members[Did("demo", "set")] = (Did("demo", "a.fits"),)
    client = await aiohttp_client(await mounted(service, resources(service, lake)))
    return client.make_url("/datalink/links").with_query([("ID", one) for one in IDS])


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


async def test_every_document_is_valid(aiohttp_client: Any, url: URL) -> None:
    for path in ("capabilities", "availability"):
        assert official.findings(await fetch(url.with_path(f"/datalink/{path}")), record=False) == []
    for target in (url, url.with_query({}), url.with_query({"MAXREC": "-1"})):
        assert official.findings(await fetch(target), record=False) == []


async def fetch(url: URL) -> bytes:
    async with ClientSession() as session, session.get(url) as response:
        return await response.read()
