"""The conformance suite judges the running services, as it would judge anybody's, on both engines."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import fresh_database
from tests.support.server import Server, serve

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


@pytest.mark.parametrize("path", ["tap", "uws", "datalink", "registry", "execplanner"])
def test_no_check_fails_or_warns(server: Server, tmp_path: Path, path: str) -> None:
    report, profile = tmp_path / "report.json", tmp_path / "profile.toml"
    profile.write_text(PROFILE)
    command = [sys.executable, "-m", "conformance", f"{server.base}/{path}", "--rate", "200", "--quiet"]
    done = subprocess.run([*command, "--profile", profile, "--json", report], capture_output=True, text=True)
    findings = json.loads(report.read_text())["findings"]
    assert [finding for finding in findings if finding["verdict"] in ("fail", "warning")] == []
    assert done.returncode == 0, done.stderr
    assert len(findings) >= 10
