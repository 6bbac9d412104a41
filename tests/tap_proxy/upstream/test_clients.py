"""Clients in use reach other archives through a Penstock, at once and by jobs; all three are processes of their own."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import pyvo
import requests

from tests.docs.test_examples import DEFAULT, blocks
from tests.support.server import Server, serve
from tests.support.systems import ROOT, require_stilts
from tests.uws.waiting import eventually

QUERY = "SELECT TOP 5 obs_id, s_ra, s_dec FROM east.ivoa_obscore WHERE s_ra > 0 ORDER BY obs_id"
UNION = "SELECT archive, COUNT(*) AS n FROM ivoa.obscore GROUP BY archive ORDER BY archive"


@dataclass(frozen=True, slots=True)
class Sites:
    """A Penstock, and one of the two before which it stands."""

    home: Server
    east: Server


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """Run a Penstock before two others."""
    folder = tmp_path_factory.mktemp("three")
    with (
        serve(folder / "east", "tap", "uws", PENSTOCK_AUTHORITY="east.example") as east,
        serve(folder / "west", "tap", "uws", PENSTOCK_AUTHORITY="west.example") as west,
    ):
        upstreams = {
            name: {"url": f"{each.base}/tap", "obscore": True} for name, each in (("east", east), ("west", west))
        }
        own = {"PENSTOCK_TAP__UPSTREAMS": json.dumps(upstreams), "PENSTOCK_UWS__KILL_AFTER_S": "0.1"}
        with serve(folder / "home", "tap", "uws", **own) as home:
            asyncio.run(eventually(lambda: {"east", "west"} <= _schemas(home.base)))
            yield Sites(home, east)


@pytest.fixture(scope="module")
def server(sites: Sites) -> Server:
    return sites.home


def _schemas(base: str) -> set[str]:
    document = requests.get(f"{base}/tap/tables?detail=min", timeout=60).text
    return {name for name in ("east", "west") if f"<name>{name}</name>" in document}


@pytest.fixture(scope="module")
def service(server: Server) -> pyvo.dal.TAPService:
    return pyvo.dal.TAPService(f"{server.base}/tap")


@pytest.mark.parametrize("how", ["run_sync", "run_async"])
def test_pyvo_asks_an_archive(service: pyvo.dal.TAPService, how: str) -> None:
    found = getattr(service, how)(QUERY).to_table()
    assert len(found) == 5
    assert found.colnames == ["obs_id", "s_ra", "s_dec"]
    assert found["s_ra"].unit == "deg"


@pytest.mark.parametrize("how", ["run_sync", "run_async"])
def test_pyvo_asks_all_archives(service: pyvo.dal.TAPService, how: str) -> None:
    found = getattr(service, how)(UNION).to_table()
    assert list(found["archive"]) == ["east", "here", "west"]
    assert len(set(found["n"])) == 1


def test_pyvo_knows_the_tables_of_archives(service: pyvo.dal.TAPService) -> None:
    table = service.tables["east.ivoa_obscore"]
    assert "s_ra" in [column.name for column in table.columns]


def test_pyvo_uploads_a_table_for_an_archive(service: pyvo.dal.TAPService) -> None:
    mine = service.run_sync(QUERY).to_table()
    query = "SELECT m.obs_id FROM TAP_UPLOAD.mine AS m JOIN east.ivoa_obscore AS o ON o.obs_id = m.obs_id"
    assert len(service.run_sync(query, uploads={"mine": mine})) >= 5


def test_pyvo_is_told_of_an_error(service: pyvo.dal.TAPService) -> None:
    with pytest.raises(pyvo.dal.DALQueryError, match="did you mean"):
        service.run_sync("SELECT s_raa FROM east.ivoa_obscore")


@pytest.mark.parametrize("sync", ["true", "false"])
@pytest.mark.parametrize("query", [QUERY, UNION])
def test_stilts_asks_archives(server: Server, tmp_path: Path, sync: str, query: str) -> None:
    out = tmp_path / "out.csv"
    command = [require_stilts(), "tapquery", f"tapurl={server.base}/tap", f"adql={query}", f"sync={sync}"]
    done = subprocess.run([*command, f"out={out}", "ofmt=csv"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(out.read_text().splitlines()) == (6 if query == QUERY else 4)


PAGE = ROOT / "docs/other-archives.md"


def test_python_examples_of_the_page_run(server: Server) -> None:
    code = "\n".join(blocks(PAGE, "python")).replace(DEFAULT, server.base)
    exec(compile(code, str(PAGE), "exec"), {})


def test_the_plan_on_the_page_is_what_the_server_says(server: Server) -> None:
    (text,) = blocks(PAGE, "sh")
    command = ["bash", "-euo", "pipefail", "-c", text.replace(DEFAULT, server.base)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("GATHER")
    assert done.stdout in PAGE.read_text()


def test_taplint_finds_nothing_wrong(server: Server) -> None:
    command = [require_stilts(), "taplint", f"tapurl={server.base}/tap", "report=EWF"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    complaints = [line for line in done.stdout.splitlines() if line[:2] in ("E-", "W-", "F-")]
    # It misses a table of plans, which is not about archives.
    assert [line for line in complaints if not line.startswith("F-LOC-NOTP")] == [], done.stdout
    assert "Totals: Errors: 0" in done.stdout


ENDLESS = "SELECT COUNT(*) AS n FROM {} WHERE {} < -1".format(
    ", ".join(f"east.ivoa_obscore AS o{n}" for n in range(12)), " + ".join(f"o{n}.s_ra" for n in range(12))
)


def _begun(sites: Sites) -> tuple[str, str]:
    """Run a job that does not end; return it, and the job at the archive."""
    before = set(_jobs(sites.east.base))
    data = {"LANG": "ADQL", "QUERY": ENDLESS, "PHASE": "RUN"}
    response = requests.post(f"{sites.home.base}/tap/async", data=data, timeout=60, allow_redirects=False)
    job = response.headers["Location"]
    asyncio.run(eventually(lambda: "east: EXECUTING" in requests.get(job, timeout=60).text))
    (theirs,) = set(_jobs(sites.east.base)) - before
    return job, theirs


def _jobs(base: str) -> list[str]:
    found = requests.get(f"{base}/tap/async", timeout=60, headers={"Accept": "application/json"}).json()
    return [job["href"] for job in found["jobs"]]


def _says(url: str, *words: str) -> bool:
    text = requests.get(url, timeout=60, headers={"Accept": "application/json"}).text
    return all(word in text for word in words)


def _signal_attempts(server: Server, what: signal.Signals) -> None:
    """Send a signal to the processes that run jobs: what the zygote has forked, which has a keeper above."""
    process = psutil.Process(server.process.pid)
    for _ in ("keeper", "zygote"):
        (process,) = (each for each in process.children() if "uws.worker.zygote" in each.cmdline())
    for attempt in process.children():
        attempt.send_signal(what)


def _end(sites: Sites, job: str, theirs: str) -> None:
    requests.post(f"{job}/phase", data={"PHASE": "ABORT"}, timeout=60)
    asyncio.run(eventually(lambda: _says(theirs, '"ABORTED"')))


def test_an_attempt_after_a_killed_one_takes_up_its_job_at_the_archive(sites: Sites) -> None:
    job, theirs = _begun(sites)
    known = set(_jobs(sites.east.base))
    _signal_attempts(sites.home, signal.SIGKILL)
    asyncio.run(eventually(lambda: _says(job, '"attempt":2', "east: EXECUTING")))
    assert set(_jobs(sites.east.base)) == known
    assert _says(theirs, '"EXECUTING"')
    _end(sites, job, theirs)


def test_a_job_that_is_aborted_while_it_cannot_say_so_ends_at_the_archive(sites: Sites) -> None:
    job, theirs = _begun(sites)
    _signal_attempts(sites.home, signal.SIGSTOP)  # so that only SIGKILL ends it
    _end(sites, job, theirs)
