"""A little HiPS made of an image, served from a directory and from the lake, and read by the rules of HiPS 1.0."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from astropy.io import fits
from mocpy import MOC

from datalink.core.hips import read_properties
from datalink.hips_app import describe
from datalink.plugin import datalink
from datalink.plugin import hips as service
from penstock.lake.port import Did, Replica
from penstock.settings import SettingsError
from penstock.vosi import capabilities_document
from tests.datalink.builders import NOW, MemoryLake, a_file, mounted, resources
from tests.datalink.core.test_hips import GOOD
from tests.support import official

ORDER, WIDTH, PNG = 1, 8, b"\x89PNG and what follows"
CELLS = (4, 17)  # of the order


def survey_in(folder: Path) -> Path:
    """Write a survey of two cells: a tile of FITS and one of PNG for each, and for the cells above."""
    for order in range(ORDER + 1):
        for cell in {cell >> 2 * (ORDER - order) for cell in CELLS}:
            directory = folder / f"Norder{order}" / "Dir0"
            directory.mkdir(parents=True, exist_ok=True)
            fits.PrimaryHDU(np.full((WIDTH, WIDTH), cell, "f4")).writeto(directory / f"Npix{cell}.fits")
            (directory / f"Npix{cell}.png").write_bytes(PNG + bytes([cell]))
    (folder / "Norder1" / "Allsky.png").write_bytes(PNG)
    moc = MOC.from_healpix_cells(np.array(CELLS, dtype=np.uint64), np.full(2, ORDER, np.uint8), max_depth=ORDER)
    moc.save(folder / "Moc.fits", format="fits")
    (folder / "properties").write_text(GOOD.replace("hips_order           = 3", f"hips_order           = {ORDER}"))
    (folder / "index.html").write_text("<script>alert(1)</script>")
    (folder / "secret.txt").write_text("not of the survey")
    return folder


def files_of(folder: Path) -> Mapping[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def lake(tmp_path: Path) -> MemoryLake:
    lake = MemoryLake()
    for name, content in files_of(survey_in(tmp_path / "survey")).items():
        lake.add(a_file(f"hips/demo/{name}", "paris", content=content, at=tmp_path / "sites"))
    return lake


async def client_of(aiohttp_client: Any, held: MemoryLake, **trees: str) -> TestClient:
    given = resources(service, held, beside=(datalink,), trees=trees)
    settings = given.settings.model_copy(update={"allow_private_addresses": True})
    return await aiohttp_client(await mounted(service, replace(given, settings=settings)))


@pytest.fixture
async def client(aiohttp_client: Any, lake: MemoryLake, tmp_path: Path) -> TestClient:
    return await client_of(aiohttp_client, lake, folder=str(tmp_path / "survey"), lake="demo:hips/demo")


async def get(client: TestClient, path: str, **headers: str) -> tuple[int, bytes, Any]:
    async with client.get(path, headers=headers, allow_redirects=False) as response:
        return response.status, await response.read(), response.headers


async def properties_of(client: TestClient, root: str) -> Mapping[str, str]:
    status, body, headers = await get(client, f"{root}/properties")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    survey = read_properties(body.decode())
    assert survey.problems == ()
    return survey.values


async def test_a_client_goes_from_the_list_to_every_tile(client: TestClient) -> None:
    _, listed, headers = await get(client, "/hips/list")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    roots = [read_properties(record).values["hips_service_url"] for record in listed.decode().split("\n\n")]
    assert roots == [str(client.make_url(f"/hips/{name}")) for name in ("folder", "lake")]
    for root in (url.removeprefix(str(client.make_url("/")).rstrip("/")) for url in roots):
        properties = await properties_of(client, root)
        assert properties["hips_service_url"] == str(client.make_url(root))
        _, body, headers = await get(client, f"{root}/Moc.fits")
        assert headers["Content-Type"] == "application/fits"
        moc = MOC.from_fits(io.BytesIO(body))
        assert moc.flatten().tolist() == list(CELLS)
        for order in range(int(properties["hips_order"]) + 1):
            for cell in moc.degrade_to_order(order).flatten().tolist():
                tile = f"{root}/Norder{order}/Dir{cell - cell % 10000}/Npix{cell}"
                status, body, headers = await get(client, f"{tile}.fits")
                assert (status, headers["Content-Type"]) == (200, "application/fits")
                assert (fits.getdata(io.BytesIO(body)) == cell).all()
                assert (await get(client, f"{tile}.png"))[1] == PNG + bytes([cell])


@pytest.mark.parametrize("name", ["folder", "lake"])
async def test_tiles_can_be_kept_and_asked_for_in_parts(client: TestClient, name: str) -> None:
    tile = f"/hips/{name}/Norder1/Dir0/Npix4.png"
    _, body, headers = await get(client, tile)
    assert headers["Cache-Control"] == "public, max-age=86400"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert (await get(client, tile, **{"If-None-Match": headers["ETag"]}))[0] == 304
    status, part, _ = await get(client, tile, Range="bytes=1-3", Origin="https://aladin.example.org")
    assert (status, part) == (206, body[1:4])


@pytest.mark.parametrize("name", ["folder", "lake", "none"])
@pytest.mark.parametrize(
    "path",
    [
        "index.html", "secret.txt", "Norder1/Dir0/Npix5.png", "Norder1/Dir0/Npix48.png", "%2e%2e/survey/properties",
        "Norder1/Dir0", "metadata.xml", "Norder1%2fDir0%2f..%2fAllsky.png",
    ],
)  # fmt: skip
async def test_nothing_else_is_served(client: TestClient, name: str, path: str) -> None:
    status, body, headers = await get(client, f"/hips/{name}/{path}")
    assert (status, headers["Content-Type"]) == (404, "text/plain; charset=utf-8")
    assert body.startswith(b"UsageError: ")
    assert headers["Access-Control-Allow-Origin"] == "*", "so that a page can tell why"


async def test_a_link_out_of_the_directory_is_not_followed(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(b"secret")
    (tmp_path / "survey" / "Norder1" / "Dir0" / "Npix5.png").symlink_to(tmp_path / "outside.png")
    assert (await get(client, "/hips/folder/Norder1/Dir0/Npix5.png"))[0] == 404


async def test_an_embargo_holds_for_tiles(client: TestClient, lake: MemoryLake) -> None:
    did = Did("demo", "hips/demo/Norder1/Dir0/Npix4.png")
    lake.entries[did] = replace(lake.entries[did], public_from=NOW + timedelta(days=1))
    assert (await get(client, "/hips/lake/Norder1/Dir0/Npix4.png"))[0] == 403


async def test_a_survey_with_bad_properties_is_not_listed_but_says_why(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "survey" / "properties").write_text("obs_title = Half\n")
    assert str(client.make_url("/hips/folder")) not in (await get(client, "/hips/list"))[1].decode()
    assert b"creator_did is missing" in (await get(client, "/hips/folder/"))[1]


async def test_a_survey_that_cannot_be_read_is_told_by_availability(client: TestClient, lake: MemoryLake) -> None:
    lake.away = True
    _, body, _ = await get(client, "/hips/availability")
    assert b"false" in body
    assert b": lake." in body
    lake.away = False
    assert b"true" in (await get(client, "/hips/availability"))[1]


async def test_tiles_elsewhere_are_redirected_to(aiohttp_client: Any, tmp_path: Path) -> None:
    folder = survey_in(tmp_path / "far")
    app = web.Application()
    app.router.add_static("/far", folder)
    async with TestServer(app) as far:
        lake = MemoryLake()
        for name in files_of(folder):
            replica = Replica(site="far", url=str(far.make_url(f"/far/{name}")))
            lake.add(a_file(f"hips/demo/{name}", replicas=(replica,)))
        client = await client_of(aiohttp_client, lake, far="demo:hips/demo")
        status, _, headers = await get(client, "/hips/far/Norder1/Dir0/Npix4.png")
        assert (status, headers["Location"]) == (302, str(far.make_url("/far/Norder1/Dir0/Npix4.png")))
        properties = await properties_of(client, "/hips/far")
        assert properties["hips_service_url"] == str(client.make_url("/hips/far"))


@pytest.mark.parametrize(
    ("name", "place"), [("list", "/data"), ("a/b", "/data"), ("demo", "relative/path"), ("demo", "")]
)
async def test_what_cannot_be_a_survey_is_told_at_the_start(name: str, place: str) -> None:
    with pytest.raises(SettingsError, match=r"hips\.trees"):
        await service.open(resources(service, MemoryLake(), beside=(datalink,), trees={name: place}))


def test_its_capabilities_are_valid_and_name_every_survey() -> None:
    given = resources(service, MemoryLake(), beside=(datalink,), trees={"demo": "/data"})
    offered = describe(given.settings, "https://x.org/hips").capabilities
    urls = {one.standard_id: one.interfaces[0].access_url for one in offered}
    assert urls["ivo://ivoa.net/std/hips#hips-1.0"] == "https://x.org/hips/demo/"
    assert urls["ivo://ivoa.net/std/hips#hipslist-1.0"] == "https://x.org/hips/list"
    assert official.findings(capabilities_document(offered), record=False) == []
