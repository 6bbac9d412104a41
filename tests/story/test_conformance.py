"""The conformance suite judges the running services, as it would judge anybody's, on both engines and with Celery."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import fresh_database
from tests.support.redis import running_redis
from tests.support.server import Server, serve
from tests.uws.worker_process import COMMAND, worker

PROFILE = """
[succeed]
JOBTYPE = "echo"
MESSAGE = "x"
[fail]
JOBTYPE = "fail"
[datalink]
id = "sample:m13.fits"
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {} if request.param == "sqlite" else {"PENSTOCK_DATABASE_URL": fresh_database()}
    with serve(tmp_path_factory.mktemp("data"), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def with_celery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service on PostgreSQL whose jobs a worker in a process of its own runs; Redis is between them."""
    data = tmp_path_factory.mktemp("data")
    with running_redis(tmp_path_factory.mktemp("redis")) as redis:
        settings = {
            "PENSTOCK_DATABASE_URL": fresh_database(),
            "PENSTOCK_EXECUTOR": "celery",
            "PENSTOCK_BROKER_URL": redis.url,
        }
        with (
            worker({**settings, "PENSTOCK_DATA_DIR": str(data)}, COMMAND),
            serve(data, "uws", "tap", **settings) as running,
        ):
            yield running


@pytest.mark.parametrize("path", ["tap", "uws", "datalink", "registry", "execplanner"])
def test_no_check_fails_or_warns(server: Server, tmp_path: Path, path: str) -> None:
    assert_good(server, tmp_path, path)


@pytest.mark.parametrize(("path", "checks"), [("uws", "uws.*"), ("tap", "tap.async* uws.comp* uws.res* uws.fail*")])
def test_no_check_of_jobs_fails_or_warns_where_workers_run_them(
    with_celery: Server, tmp_path: Path, path: str, checks: str
) -> None:
    assert_good(with_celery, tmp_path, path, "--only", checks)


def assert_good(server: Server, folder: Path, path: str, *options: str) -> None:
    report, profile = folder / "report.json", folder / "profile.toml"
    profile.write_text(PROFILE)
    command = [sys.executable, "-m", "conformance", f"{server.base}/{path}", "--rate", "200", "--quiet"]
    done = subprocess.run([*command, *options, "--profile", profile, "--json", report], capture_output=True, text=True)
    findings = json.loads(report.read_text())["findings"]
    assert [finding for finding in findings if finding["verdict"] in ("fail", "warning")] == []
    assert done.returncode == 0, done.stderr
    assert len(findings) >= 10
