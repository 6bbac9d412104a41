"""The story of the README with real clients against a running server: find, follow, fetch, compare."""

from __future__ import annotations

import hashlib
import re
import subprocess
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import pyvo
import requests
from astropy.io import fits
from astropy.table import Table

from tests.support.server import Server, serve
from tests.support.systems import require_stilts
from tests.support.topcat import running_topcat, wait_until

CONE = """
SELECT obs_publisher_did, access_url, access_format, target_name, s_ra, s_dec, access_estsize
FROM ivoa.obscore
WHERE 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({ra}, {dec}, 0.5))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def tap(server: Server) -> pyvo.dal.TAPService:
    return pyvo.dal.TAPService(f"{server.base}/tap")


@pytest.fixture(scope="module")
def cone(tap: pyvo.dal.TAPService) -> str:
    """A cone around a source of the sample collection that has a position."""
    found = tap.search("SELECT TOP 1 s_ra, s_dec FROM ivoa.obscore WHERE s_ra IS NOT NULL ORDER BY obs_publisher_did")
    return CONE.format(ra=found[0]["s_ra"], dec=found[0]["s_dec"])


def test_pyvo_finds_the_sample_in_a_cone_sync_and_async(tap: pyvo.dal.TAPService, cone: str) -> None:
    sync = tap.search(cone).to_table()
    job = tap.run_async(cone)
    assert len(sync) >= 1
    assert sorted(sync["obs_publisher_did"]) == sorted(job.to_table()["obs_publisher_did"])


def test_pyvo_walks_through_a_job(tap: pyvo.dal.TAPService, cone: str) -> None:
    job = tap.submit_job(cone)
    assert job.phase == "PENDING"
    job.run().wait()
    job.raise_if_error()
    assert job.phase == "COMPLETED"
    assert len(job.fetch_result()) >= 1
    url = job.url
    job.delete()
    assert requests.get(url, timeout=10).status_code == 404


def test_pyvo_sees_a_failed_job(tap: pyvo.dal.TAPService) -> None:
    job = tap.submit_job("SELECT nosuch FROM ivoa.obscore")
    job.run().wait()
    assert job.phase == "ERROR"
    with pytest.raises(pyvo.dal.DALQueryError, match="nosuch"):
        job.raise_if_error()
    job.delete()


def test_datalink_leads_to_the_bytes_with_the_checksum_that_it_says(tap: pyvo.dal.TAPService, cone: str) -> None:
    found = tap.search(cone)
    for links in found.iter_datalinks():
        (this,) = [row for row in links if row["semantics"] == "#this"]
        replicas = [row for row in links if row["semantics"].endswith("#replica")]
        assert len({row["site"] for row in replicas}) == 2
        main = requests.get(this["access_url"], timeout=30)
        assert main.status_code == 200
        for row in replicas:
            content = requests.get(row["access_url"], timeout=30).content
            assert content == main.content
            assert len(content) == row["content_length"]
            _check_checksums(row["checksum"], content)
        with fits.open(BytesIO(main.content)) as opened:
            opened.verify("silentfix")


def _check_checksums(text: str, content: bytes) -> None:
    known = dict(part.split(":", 1) for part in text.split())
    assert known["adler32"] == f"{zlib.adler32(content):08x}"
    assert known["md5"] == hashlib.md5(content).hexdigest()


def test_a_part_of_a_file_can_be_fetched(server: Server, tap: pyvo.dal.TAPService, cone: str) -> None:
    links = next(iter(tap.search(cone).iter_datalinks()))
    url = next(row["access_url"] for row in links if row["semantics"] == "#this")
    head = requests.head(url, allow_redirects=True, timeout=10)
    part = requests.get(url, headers={"Range": "bytes=0-79"}, timeout=10)
    assert part.status_code == 206
    assert part.content.startswith(b"SIMPLE  =")
    assert part.headers["ETag"] == head.headers["ETag"]
    assert int(head.headers["Content-Length"]) % 2880 == 0


@pytest.mark.parametrize("sync", ["true", "false"])
def test_stilts_tapquery(server: Server, cone: str, sync: str, tmp_path: Path) -> None:
    out = tmp_path / "found.fits"
    _stilts("tapquery", f"tapurl={server.base}/tap", f"adql={cone}", f"sync={sync}", f"out={out}", "ofmt=fits")
    assert len(Table.read(out)) >= 1


def test_stilts_taplint_finds_nothing_wrong(server: Server) -> None:
    done = _stilts("taplint", f"tapurl={server.base}/tap", "report=EWF", check=False)
    assert [line for line in done.splitlines() if re.match(r"[EWF]-", line)] == []
    assert "Totals: Errors: 0; Warnings: 0; Failures: 0" in done


def test_stilts_datalinklint_and_votlint_report_no_error(server: Server, tap: pyvo.dal.TAPService, cone: str) -> None:
    url = tap.search(cone)[0]["access_url"]
    linted = _stilts("datalinklint", url, check=False)
    assert [line for line in linted.splitlines() if line.startswith("E-")] == []
    for name in ("TABLEDATA", "BINARY2"):
        document = requests.get(
            f"{server.base}/tap/sync",
            params={
                "LANG": "ADQL",
                "QUERY": cone,
                "RESPONSEFORMAT": f"application/x-votable+xml;serialization={name}",
            },
            timeout=30,
        )
        assert _stilts("votlint", "-", stdin=document.content, check=False).strip() == ""


@pytest.mark.filterwarnings("ignore::pyvo.samp.SAMPWarning")  # of the hub, when TOPCAT has gone before it
def test_topcat_loads_a_result(server: Server, tap: pyvo.dal.TAPService, cone: str, tmp_path: Path) -> None:
    rows = len(tap.search(cone))
    query = {"LANG": "ADQL", "QUERY": cone}
    url = requests.Request("GET", f"{server.base}/tap/sync", params=query).prepare().url
    wrong = requests.Request("GET", f"{server.base}/tap/sync", params=query | {"QUERY": "SELECT"}).prepare().url
    assert url
    assert wrong
    with running_topcat(tmp_path) as topcat:
        assert topcat.ask("table.load.votable", url=url, table_id="found", name="found") == "samp.ok"
        wait_until(lambda: topcat.ask("table.highlight.row", table_id="found", row=str(rows - 1)) == "samp.ok")
        assert "out of range" in topcat.ask("table.highlight.row", table_id="found", row=str(rows))
        assert topcat.ask("table.load.votable", url=wrong, table_id="wrong", name="wrong") != "samp.ok"


def _stilts(*arguments: str, stdin: bytes = b"", check: bool = True) -> str:
    done = subprocess.run([require_stilts(), *arguments], input=stdin, capture_output=True, check=False, timeout=300)
    text = done.stdout.decode() + done.stderr.decode()
    assert not check or done.returncode == 0, text
    return text
