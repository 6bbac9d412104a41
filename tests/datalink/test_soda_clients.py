"""What pyvo makes of SODA, of its jobs and of baskets, against the real command with the sample collection."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvo
import requests
from astropy import units as u
from astropy.io import fits
from pyvo.dal.adhoc import DatalinkResults, SodaQuery

from tests.support.server import Server, serve

ID = "sample:m13.fits"
PATIENCE_S = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def place(server: Server) -> tuple[float, float]:
    """The middle of an image of the sample, as ICRS degrees."""
    query = f"SELECT s_ra, s_dec FROM ivoa.obscore WHERE lake_did = '{ID}'"
    (row,) = pyvo.dal.TAPService(f"{server.base}/tap").search(query)
    return float(row["s_ra"]), float(row["s_dec"])


def test_pyvo_cuts_a_circle_out(server: Server, place: tuple[float, float]) -> None:
    query = SodaQuery(f"{server.base}/datalink/soda/sync", circle=(*place, 0.01) * u.deg, ID=ID)
    with fits.open(io.BytesIO(query.execute_stream().read())) as cut:
        assert cut[0].header["CUTSRC"].endswith(ID)
        assert 1 < cut[0].data.size < 300 * 300


def test_pyvo_follows_our_descriptor_to_a_cut_out(server: Server, place: tuple[float, float]) -> None:
    results = DatalinkResults.from_result_url(f"{server.base}/datalink/links?ID={ID}")
    stream = results.get_first_proc().process(circle=(*place, 0.01) * u.deg)
    with fits.open(io.BytesIO(stream.read())) as cut:
        assert cut[0].header["HISTORY"][1].startswith("CIRCLE=")


def test_cut_outs_of_a_basket_are_found_in_another(server: Server, place: tuple[float, float]) -> None:
    for did in (ID, "sample:m13_rice.fits"):
        answer = requests.post(f"{server.base}/basket/m13", json={"reference": did}, timeout=30)
        assert answer.status_code == 201, answer.text
    given = [
        ("ID", "basket:m13"), ("CIRCLE", f"{place[0]} {place[1]} 0.01"), ("CIRCLE", "10 10 1"), ("BASKET", "cuts"),
        ("PHASE", "RUN"),
    ]  # fmt: skip
    url = requests.post(f"{server.base}/datalink/soda/async", data=given, timeout=30).url
    job = pyvo.dal.AsyncTAPJob(url)
    job.wait(timeout=PATIENCE_S)
    assert job.phase == "COMPLETED", requests.get(f"{url}/error", timeout=30).text
    assert [result.id_ for result in job.results] == ["cutout-1", "cutout-2", "cutout-3", "cutout-4"]
    none = requests.get(job.results[1].href, timeout=30)
    assert none.headers["Content-Type"].startswith("text/plain")
    assert none.text.startswith("UsageError: ")
    basket = requests.get(f"{server.base}/basket/cuts", timeout=30).json()
    assert [item["reference"] for item in basket["items"]] == [job.results[0].href, job.results[2].href]
    first, second = (fits.getdata(item["reference"], -1) for item in basket["items"])
    assert (first == second).all(), "one is compressed, and both are the same image"


def test_a_job_that_makes_no_sense_has_an_error_of_soda(server: Server) -> None:
    given = {"ID": ID, "CIRCLE": "1 2", "PHASE": "RUN"}
    url = requests.post(f"{server.base}/datalink/soda/async", data=given, timeout=30).url
    job = pyvo.dal.AsyncTAPJob(url)
    job.wait(timeout=PATIENCE_S)
    assert job.phase == "ERROR"
    error = requests.get(f"{url}/error", timeout=30)
    assert error.headers["Content-Type"].startswith("text/plain")
    assert error.text.startswith("UsageError: CIRCLE=")


@pytest.mark.parametrize("path", ["/datalink/soda", "/hips", "/basket"])
def test_people_find_a_page(server: Server, path: str) -> None:
    for ending in ("", "/"):
        page = requests.get(
            server.base + path + ending, headers={"Accept": "text/html,application/xhtml+xml"}, timeout=30
        )
        assert page.status_code == 200
        assert "<h1>" in page.text


def test_the_registry_knows_them(server: Server) -> None:
    for name, standard in (("soda", "SODA#sync-1.0"), ("hips", "hips#hipslist-1.0"), ("basket", "vr:WebBrowser")):
        record = requests.get(
            f"{server.base}/registry/records/penstock.example/{name}", headers={"Accept": "application/xml"}, timeout=30
        )
        assert record.status_code == 200
        assert standard in record.text


def test_conformance_finds_nothing_wrong(server: Server, place: tuple[float, float], tmp_path: Path) -> None:
    profile, report = tmp_path / "profile.toml", tmp_path / "report.json"
    profile.write_text(
        f'[succeed]\nID = "{ID}"\nPIXELS = "1 2 1 2"\n[fail]\nID = "sample:none"\n'
        f'[soda]\nid = "{ID}"\ninside = "{place[0]} {place[1]} 0.01"\noutside = "10 10 1"\n'
    )
    command = [sys.executable, "-m", "conformance", f"{server.base}/datalink/soda", "--rate", "200", "--quiet"]
    done = subprocess.run([*command, "--profile", profile, "--json", report], capture_output=True, text=True)
    findings = json.loads(report.read_text())["findings"]
    assert [finding for finding in findings if finding["verdict"] in ("fail", "warning")] == []
    assert done.returncode == 0, done.stderr
    assert {finding["check"] for finding in findings} >= {"soda.cutout", "soda.no-overlap", "soda.post"}
