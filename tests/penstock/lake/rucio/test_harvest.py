"""Harvesting a real Rucio, attaching a storage to it, staging, and a user's whole way through such a lake.

Commands and services run as an operator runs them. All that needs a harvest is in one file, for one Rucio.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pyvo
import requests
from astropy.io import fits
from pyvo.dal.adhoc import DatalinkResults

from penstock.auth.principal import ANONYMOUS
from penstock.lake.port import Did
from penstock.lake.rucio.rows import instant
from tests.penstock.lake.builders import write
from tests.penstock.lake.contract import LOOK_EVERY_S, PATIENCE_S
from tests.penstock.lake.rucio.test_lake import opened
from tests.support.rucio import sample
from tests.support.rucio.server import Rucio
from tests.support.server import environment, serve

FILES = sample.DATASETS * sample.FILES_PER_DATASET
REJECTED = 10  # every tenth dataset has a file without calib_level


def settings(rucio: Rucio) -> dict[str, str]:
    given = {key: value if isinstance(value, str) else json.dumps(value) for key, value in rucio.settings().items()}
    own = {f"PENSTOCK_RUCIO__{key.upper()}": value for key, value in given.items()}
    return own | {"PENSTOCK_LAKE": "rucio", "PENSTOCK_AUTHORITY": "lake.example", "PENSTOCK_RUCIO__TIMEOUT_S": "120"}


def start(rucio: Rucio, data: Path, *arguments: str, **own: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "penstock", "lake", *arguments, "--data", str(data), "--json"]
    return subprocess.Popen(
        command, env=environment(**settings(rucio) | own), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(rucio: Rucio, data: Path, *arguments: str, status: int = 0) -> Any:
    process = start(rucio, data, *arguments)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status, err
    return json.loads(out) if out else err


def rows(data: Path, what: str) -> list[sqlite3.Row]:
    """Ask the database of a data directory."""
    with closing(sqlite3.connect(f"file:{data}/penstock.db?mode=ro", uri=True, timeout=PATIENCE_S)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(what).fetchall()


def count(data: Path, what: str) -> int:
    return int(rows(data, f"SELECT count(*) FROM {what}")[0][0])


def rucio_does(rucio: Rucio, statement: str) -> None:
    rucio.run("python", "-c", f"from rucio.client import Client\nc = Client()\n{statement}")


@pytest.fixture(scope="module")
def harvested(rucio: Rucio, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory into which everything was harvested, after a pass that was killed half-way."""
    data = tmp_path_factory.mktemp("harvested")
    process = start(rucio, data, "harvest", sample.SCOPE)
    try:
        _await_files(data, process, 1)
    finally:
        process.kill()
        process.communicate()
    before = count(data, "lake__files")
    report = run(rucio, data, "harvest", sample.SCOPE, status=3)
    assert report["listed"] == FILES
    assert report["written"] <= FILES - before + REJECTED  # what had been written was not asked about again
    return data


def _await_files(data: Path, process: subprocess.Popen[str], number: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while process.poll() is None:
        assert time.monotonic() < end
        with suppress(sqlite3.OperationalError):  # the database, or its tables, are being made
            if count(data, "lake__files") >= number:
                return
        time.sleep(LOOK_EVERY_S)


def test_a_harvest_that_was_killed_goes_on_and_is_whole(harvested: Path) -> None:
    assert count(harvested, "lake__files") == FILES
    assert count(harvested, "ivoa__obscore") == FILES - REJECTED
    copies = sum(len(sample.sites_of(number)) for number in range(sample.DATASETS)) * sample.FILES_PER_DATASET
    assert count(harvested, "lake__replicas WHERE site <> 'ARCHIVE_IT'") >= copies


def test_what_obscore_cannot_take_is_reported_with_the_reason(harvested: Path) -> None:
    told = rows(harvested, "SELECT did, column_name, reason, in_obscore FROM lake__rejected ORDER BY did")
    assert [tuple(row) for row in told] == [
        (f"ska:obs-{number:04d}_029.fits", "calib_level", "none of its metadata is called calib_level", 0)
        for number in range(0, sample.DATASETS, 10)
    ]


def test_an_observation_has_the_metadata_of_its_file(harvested: Path) -> None:
    [row] = rows(
        harvested,
        "SELECT o.*, f.size_bytes, f.adler32, f.public_from FROM ivoa__obscore o"
        " JOIN lake__files f ON f.did = o.lake_did WHERE f.name = 'obs-0000_001.fits'",
    )
    given = sample.obscore(0, 1)
    for name in set(given) - {"access_format"}:
        assert row[name] == given[name], name
    assert row["obs_publisher_did"] == "ivo://lake.example/lake?ska:obs-0000_001.fits"
    assert (row["size_bytes"], row["adler32"]) == (5760, sample.described(0, 1)["adler32"])
    assert row["public_from"] == "2999-01-01T00:00:00"


async def test_what_was_harvested_is_resolved_as_before_without_asking_for_metadata(
    rucio: Rucio, harvested: Path, tmp_path: Path
) -> None:
    did = Did(sample.SCOPE, sample.file_name(0, 1))
    (tmp_path / "lake.db").write_bytes((harvested / "penstock.db").read_bytes())
    async with opened(rucio, tmp_path) as (lake, _, _):
        known = (await lake.resolve([did], caller=ANONYMOUS))[did]
    (tmp_path / "fresh").mkdir()
    async with opened(rucio, tmp_path / "fresh") as (lake, _, _):
        asked = (await lake.resolve([did], caller=ANONYMOUS))[did]
    assert known.replicas == asked.replicas
    assert (known.public_from, known.size_bytes, known.md5) == (asked.public_from, asked.size_bytes, asked.md5)
    assert asked.metadata.items() <= known.metadata.items()


def test_new_files_are_added_and_rejected_ones_are_looked_at_again(rucio: Rucio, harvested: Path) -> None:
    new = "{'scope': 'ska', 'name': 'new.fits', 'bytes': 7, 'adler32': '00000007'}"
    rucio_does(rucio, f"c.add_replicas('STFC_UK', [{new}])")
    run(rucio, harvested, "harvest", sample.SCOPE, status=3)
    assert count(harvested, "lake__files WHERE name = 'new.fits'") == 1
    assert count(harvested, "lake__rejected WHERE did = 'ska:new.fits' AND in_obscore = 0") == 3
    rucio_does(
        rucio,
        "c.set_metadata_bulk('ska', 'new.fits', {'obs_id': 'n', 'obs_collection': 'c', 'calib_level': 1, 's_ra': 'x'})",
    )
    run(rucio, harvested, "harvest", sample.SCOPE, status=3)  # what was rejected is looked at again
    [flaw] = rows(harvested, "SELECT column_name, in_obscore FROM lake__rejected WHERE did = 'ska:new.fits'")
    assert tuple(flaw) == ("s_ra", 1)


def test_files_that_rucio_lists_no_more_are_removed(rucio: Rucio, harvested: Path) -> None:
    with closing(sqlite3.connect(harvested / "penstock.db", timeout=PATIENCE_S)) as connection, connection:
        values = "('ska:gone.fits', 'ska', 'gone.fits', 'application/fits')"
        connection.execute(f"INSERT INTO lake__files (did, scope, name, media_type) VALUES {values}")
        values = "('ska:gone.fits', 'STFC_UK', 'AVAILABLE')"
        connection.execute(f"INSERT INTO lake__replicas (did, site, state) VALUES {values}")
    before = count(harvested, "lake__files")
    report = run(rucio, harvested, "harvest", sample.SCOPE, status=3)
    assert report["removed"] == 1
    assert count(harvested, "lake__files") == before - 1
    assert count(harvested, "lake__replicas WHERE did = 'ska:gone.fits'") == 0


def test_a_scope_that_rucio_does_not_have_is_told_and_removes_nothing(rucio: Rucio, harvested: Path) -> None:
    before = count(harvested, "lake__files")
    assert "Rucio has no scope 'nope'" in run(rucio, harvested, "harvest", "nope", status=2)
    assert count(harvested, "lake__files") == before


def test_a_rucio_that_is_away_is_told_in_a_sentence(rucio: Rucio, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "penstock", "lake", "harvest", "ska", "--data", str(tmp_path)]
    away = settings(rucio) | {"PENSTOCK_RUCIO__URL": "http://127.0.0.1:9"}
    done = subprocess.run(
        command, env=environment(**away), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 2
    assert "The data lake cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_harvest_for_ever_brings_what_comes_and_reports_what_rucio_could_not_be_asked_about(
    rucio: Rucio, tmp_path: Path
) -> None:
    def add(*names: str) -> str:
        files = [{"scope": "nights", "name": name, "bytes": 7, "adler32": "00000007"} for name in names]
        return f"c.add_replicas('STFC_UK', {files})"

    rucio_does(rucio, f"c.add_scope('root', 'nights')\n{add('a.fits', 'b1.fits')}")
    pattern = {"PENSTOCK_RUCIO__NAME_PATTERN": "[a-z.]+"}
    process = start(rucio, tmp_path, "harvest", "nights", "--every", "1", **pattern)
    try:
        _await_files(tmp_path, process, 1)
        rucio_does(rucio, add("c.fits"))
        _await_files(tmp_path, process, 2)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    told = rows(tmp_path, "SELECT did, reason FROM lake__rejected WHERE column_name = 'obs_publisher_did'")
    assert [tuple(row) for row in told] == [
        ("nights:b1.fits", "rucio.scope_pattern or rucio.name_pattern does not fit")
    ]


def test_a_harvest_for_ever_survives_that_rucio_is_away(rucio: Rucio, tmp_path: Path) -> None:
    away = {"PENSTOCK_RUCIO__URL": "http://127.0.0.1:9"}
    process = start(rucio, tmp_path, "harvest", "nights", "--every", "1", **away)
    try:
        assert process.stderr
        for _ in range(2):
            line = process.stderr.readline()
            while line and "The data lake cannot be reached. The next pass goes on." not in line:
                line = process.stderr.readline()
            assert line, "it has ended"
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0


def archive(rucio: Rucio) -> Path:
    """Return the folder of an observatory's own storage."""
    return rucio.store / sample.ARCHIVE.share


def attached(data: Path, scope: str) -> dict[str, tuple[str, str | None]]:
    """Return address and path of the copies of a scope's files, by name."""
    query = (
        "SELECT f.name, r.url, r.path FROM lake__files f JOIN lake__replicas r ON r.did = f.did"
        f" WHERE f.scope = '{scope}' AND r.site = 'ARCHIVE_IT'"
    )
    return {row["name"]: (row["url"], row["path"]) for row in rows(data, query)}


@pytest.mark.parametrize("how", ["url", "path"])
async def test_a_storage_is_attached_where_it_is(rucio: Rucio, tmp_path: Path, how: str) -> None:
    scope, folder = f"survey{how}", archive(rucio) / how
    for name in ("a.fits", "night1/b.fits"):
        write(folder / name, OBJECT=name, TELESCOP="VST")
    (folder / "broken.fits").write_bytes(b"SIMPLE")
    write(folder / "a name.fits")
    (folder / "notes.txt").write_text("no FITS file")
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    url = f"{rucio.storage}/{sample.ARCHIVE.share}/{how}"
    place = [str(folder), "--url", url] if how == "path" else [url]
    arguments = ["attach", *place, "--site", "ARCHIVE_IT", "--scope", scope]
    report = run(rucio, tmp_path, *arguments, status=3)
    assert (report["attached"], report["unchanged"]) == (2, 0)
    skipped = sorted((item["file"].rpartition("/")[2], item["reason"]) for item in report["skipped"])
    assert [name.rpartition(":")[2] for name, _ in skipped] == ["broken.fits", "a name.fits"]
    assert skipped[1][1] == "Rucio's schema does not take its name"
    assert run(rucio, tmp_path, *arguments, status=3)["unchanged"] == 2
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == stamps
    copies = attached(tmp_path, scope)
    assert {name: copy[0] for name, copy in copies.items()} == {
        "a.fits": f"{url}/a.fits",
        "night1/b.fits": f"{url}/night1/b.fits",
    }
    assert (copies["a.fits"][1] is not None) == (how == "path")
    columns = "target_name, facility_name, obs_collection, calib_level"
    [row] = rows(tmp_path, f"SELECT {columns} FROM ivoa__obscore WHERE lake_did = '{scope}:a.fits'")
    assert tuple(row) == ("a.fits", "VST", scope, 1)
    async with opened(rucio, tmp_path) as (lake, _, _):  # Rucio knows it, too
        did = Did(scope, "night1/b.fits")
        entry = (await lake.resolve([did], caller=ANONYMOUS))[did]
        assert entry.replicas[0].url == f"{url}/night1/b.fits"
        assert entry.metadata["target_name"] == "night1/b.fits"


def test_other_bytes_under_a_name_that_rucio_knows_are_refused(rucio: Rucio, tmp_path: Path) -> None:
    folder = archive(rucio) / "conflict"
    write(folder / "c.fits", OBJECT="one")
    url = f"{rucio.storage}/{sample.ARCHIVE.share}/conflict"
    arguments = ["attach", str(folder), "--url", url, "--site", "ARCHIVE_IT", "--scope", "conflict"]
    assert run(rucio, tmp_path, *arguments)["attached"] == 1
    write(folder / "c.fits", OBJECT="two")
    report = run(rucio, tmp_path, *arguments, "--verify", status=3)
    assert report["skipped"] == [
        {"file": "conflict:c.fits", "reason": "Rucio knows other bytes by this name: adler32, md5 differ"}
    ]


def test_a_site_that_computes_paths_cannot_be_attached(rucio: Rucio, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    for site, message in (("STFC_UK", "computes where files are from their names"), ("NONE", "no storage element")):
        arguments = ["attach", str(tmp_path / "tree"), "--url", "http://x", "--site", site, "--scope", "x"]
        assert message in run(rucio, tmp_path / "data", *arguments, status=2)


def create(base: str, dataset: int, site: str) -> str:
    """Start a staging job and return its URL."""
    values = {"ID": f"{sample.SCOPE}:{sample.dataset_name(dataset)}", "SITE": site, "LIFETIME": "7200"}
    parameters = [{"id": name, "value": value} for name, value in values.items()]
    body = {"jobType": "lake.stage", "parameters": parameters, "phase": "RUN"}
    answer = requests.post(f"{base}/uws/jobs", json=body, allow_redirects=False, timeout=60)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


def until_job(job: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Wait until what a job says of itself is as it should be."""
    end = time.monotonic() + PATIENCE_S
    while True:
        told: dict[str, Any] = requests.get(job, headers={"Accept": "application/json"}, timeout=60).json()
        if holds(told):
            return told
        assert time.monotonic() < end, told
        time.sleep(LOOK_EVERY_S)


def rules_of(rucio: Rucio, dataset: int) -> list[dict[str, Any]]:
    token = {"X-Rucio-Auth-Token": rucio.token(sample.ROOT)}
    path = f"/dids/{sample.SCOPE}/{sample.dataset_name(dataset)}/rules"
    answer = requests.get(rucio.url + path, headers=token, timeout=60)
    return [json.loads(line) for line in answer.text.splitlines() if line]


def test_a_job_moves_bytes_to_a_site_and_an_aborted_one_ends_its_rule(rucio: Rucio, tmp_path: Path) -> None:
    own = settings(rucio) | {"PENSTOCK_RUCIO__ANONYMOUS_STAGING": "true"}
    with serve(tmp_path, "uws", "datalink", **own) as server:
        job = create(server.base, 10, "STFC_UK")
        told = until_job(job, lambda told: told["phase"] not in ("QUEUED", "EXECUTING"))
        assert told["phase"] == "COMPLETED", told
        document = requests.get(f"{job}/results/replicas", timeout=60).json()
        assert (document["site"], len(document["files"])) == ("STFC_UK", sample.FILES_PER_DATASET)
        first = next(row for row in document["files"] if row["did"].endswith(sample.file_name(10, 0)))
        http = next(url for url in first["urls"] if url.startswith("http"))
        assert requests.get(http, timeout=60).content == sample.content(10, 0)
        with rucio.held():
            job = create(server.base, 12, "CSIC_ES")
            until_job(job, lambda told: "0 of 30 files" in json.dumps(told))
            assert len(rules_of(rucio, 12)) == 1
            requests.post(f"{job}/phase", data={"PHASE": "ABORT"}, timeout=60)
            until_job(job, lambda told: told["phase"] == "ABORTED")
            end = time.monotonic() + PATIENCE_S
            while [rule for rule in rules_of(rucio, 12) if instant(rule["expires_at"]) > datetime.now(UTC)]:  # type: ignore[operator]
                assert time.monotonic() < end
                time.sleep(LOOK_EVERY_S)


DATASET = 17  # on tape in Australia, and on disk in Britain
HERE = "CSIC_ES"  # where the user of the story is


@contextmanager
def portal(rucio: Rucio, harvested: Path, data: Path) -> Iterator[str]:
    """Serve what was harvested to callers of one site; the storage of a test has a private address."""
    (data / "penstock.db").write_bytes((harvested / "penstock.db").read_bytes())
    own = settings(rucio) | {
        "PENSTOCK_RUCIO__ANONYMOUS_STAGING": "true",
        "PENSTOCK_RUCIO__CACHE_S": "0",
        "PENSTOCK_DATALINK__REMEMBER_S": "0",
        "PENSTOCK_DATALINK__SITE_BY_NETWORK": json.dumps({"127.0.0.0/8": HERE}),
        "PENSTOCK_DATALINK__STORAGE": json.dumps([{"host": urlsplit(rucio.storage).netloc}]),
    }
    with serve(data, "uws", "tap", "datalink", "soda", "basket", **own) as server:
        yield server.base


def finished(url: str) -> pyvo.dal.AsyncTAPJob:
    """Wait for a job with a client that people have."""
    job = pyvo.dal.AsyncTAPJob(url)
    job.wait(timeout=PATIENCE_S)
    assert job.phase == "COMPLETED", requests.get(f"{url}/error", timeout=60).text
    return job


def replica_sites(links: DatalinkResults) -> list[str]:
    """Return the sites of the replicas that can be read, in the order in which they are told."""
    return [row["site"] for row in links if row["semantics"].endswith("#replica") and not row["error_message"]]


def test_the_story_of_the_data_lake_challenge(rucio: Rucio, harvested: Path, tmp_path: Path) -> None:
    ra, dec = sample.position(DATASET, 0)
    with portal(rucio, harvested, tmp_path) as base:
        # Data of several sites are found, on the sky and by where they are.
        found = pyvo.dal.TAPService(f"{base}/tap").search(
            "SELECT obs_publisher_did, access_url, access_format, site FROM ivoa.obscore "
            "JOIN lake.replicas ON did = lake_did WHERE dataproduct_type = 'image' "
            f"AND 1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({ra}, {dec}, 0.001)) ORDER BY site"
        )
        assert list(found["site"]) == ["PAWSEY_AU", "STFC_UK"]
        identifier = found[0]["obs_publisher_did"]

        # The nearest replica that can be read is the British one, and it is whole.
        links = next(found.iter_datalinks())
        assert replica_sites(links) == ["STFC_UK", "STFC_UK"]  # over HTTP, and over XRootD
        nearest = next(row for row in links if row["semantics"].endswith("#replica") and not row["error_message"])
        assert requests.get(nearest["access_url"], timeout=60).content == sample.content(DATASET, 0)

        # What was found is put into a basket, and staged to the site of the user: bytes move.
        item = {"reference": str(identifier), "label": "of the challenge"}
        requests.post(f"{base}/basket/found", json=item, timeout=60).raise_for_status()
        values = {"ID": "basket:found", "SITE": HERE, "LIFETIME": "7200", "BASKET": "staged"}
        body = {"jobType": "lake.stage", "parameters": [{"id": name, "value": values[name]} for name in values]}
        url = requests.post(f"{base}/uws/jobs", json=body | {"phase": "RUN"}, timeout=60).url
        finished(url)
        (staged,) = requests.get(f"{base}/basket/staged", timeout=60).json()["items"]
        (copy,) = requests.get(staged["reference"], timeout=60).json()["files"]
        assert requests.get(copy["urls"][0], timeout=60).content == sample.content(DATASET, 0)
        links = DatalinkResults.from_result_url(str(found[0]["access_url"]))
        assert replica_sites(links)[0] == HERE

        # It is cut out there, though Britain has lost its copy meanwhile.
        given = {"ID": "basket:found", "CIRCLE": f"{ra} {dec} 0.0025", "BASKET": "cuts", "PHASE": "RUN"}
        with lost(rucio, "uk", sample.file_name(DATASET, 0)):
            finished(requests.post(f"{base}/datalink/soda/async", data=given, timeout=60).url)

        # The result is referenced in a basket, from which anybody reads it.
        (cut,) = requests.get(f"{base}/basket/cuts", timeout=60).json()["items"]
        with fits.open(BytesIO(requests.get(cut["reference"], timeout=60).content)) as opened:
            assert opened[0].header["CUTSRC"] == identifier
            assert opened[0].header["CUTPIX"] == "[14:19,14:19]"  # two pixels and a half to each side of 16.5
            whole = fits.getdata(BytesIO(sample.content(DATASET, 0)))
            assert (opened[0].data == whole[13:19, 13:19]).all()


@contextmanager
def lost(rucio: Rucio, share: str, name: str) -> Iterator[None]:
    """Hide the bytes of a file at a site while the block lasts."""
    path = rucio.store / share / sample.storage_path(sample.SCOPE, name)
    hidden = path.rename(path.with_suffix(".hidden"))
    try:
        yield
    finally:
        hidden.rename(path)
