"""A package of somebody else's, installed beside Penstock: its job types as clients see them."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from astropy.io.votable import validate
from pyvo.dal.tap import AsyncTAPJob

from tests.support.server import Server, serve
from tests.uws.job_types.context import require_sandbox

EXAMPLE = Path(__file__).parent / "example"
JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--target", target, EXAMPLE], check=True)
    path = os.pathsep.join([str(target), *filter(None, [os.environ.get("PYTHONPATH")])])
    with serve(tmp_path_factory.mktemp("data"), "uws", PYTHONPATH=path) as running:
        yield running


def run(server: Server, **request: Any) -> AsyncTAPJob:
    """Create a job and run it to its end."""
    created = requests.post(f"{server.base}/uws/jobs", allow_redirects=False, timeout=60, **request)
    assert created.status_code == 303, created.text
    return AsyncTAPJob(created.headers["Location"]).run().wait(timeout=60)


def result(job: AsyncTAPJob) -> requests.Response:
    job.raise_if_error()
    assert job.phase == "COMPLETED"
    (uri,) = job.result_uris
    return requests.get(uri, timeout=60)


def test_a_plain_function(server: Server) -> None:
    files = [("spectra", ("a.txt", "1\n2\n3\n")), ("spectra", ("b.txt", "3\n2\n5\n"))]
    job = run(server, data={"JOBTYPE": "example.stack"}, files=files)
    assert result(job).json() == {"combined": [2.0, 2.0, 4.0], "used": [2, 2, 2]}
    document = requests.get(job.url, headers=JSON, timeout=60).json()
    assert document["jobInfo"]["message"] == "2 of 2 spectra"
    assert document["jobInfo"]["jobType"] == {"name": "example.stack", "version": "1.0"}


def test_an_async_function(server: Server) -> None:
    answer = result(run(server, json={"jobType": "example.countdown", "parameters": {"start": 5}}))
    assert (answer.text, answer.headers["Content-Type"]) == ("5 4 3 2 1", "text/plain")


def test_a_command_line(server: Server) -> None:
    require_sandbox()
    files = {"TABLE": ("t.txt", "a 10\nb 9\nc -1\n")}
    answer = result(run(server, data={"JOBTYPE": "example.sort", "KEY": "2"}, files=files))
    assert answer.text == "c -1\nb 9\na 10\n"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (
            {"jobType": "example.stack", "parameters": {"sigma": -1, "combine": "sum", "x": 1}},
            ["x", "spectra", "sigma", "combine"],
        ),
        ({"jobType": "example.countdown", "parameters": {"start": "many"}}, ["start"]),
        ({"jobType": "example.countdown", "parameters": {"start": [1, 2]}}, ["start"]),
    ],
)
def test_everything_that_is_wrong_is_told_at_once(server: Server, body: Any, fields: list[str]) -> None:
    answer = requests.post(f"{server.base}/uws/jobs", json=body, headers=JSON, timeout=60)
    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == fields


def test_files_over_the_limit_of_the_type_are_refused(server: Server) -> None:
    files = [("spectra", ("a.txt", b"1\n" * 3_000_000)), ("spectra", ("b.txt", b"1\n" * 3_000_000))]
    answer = requests.post(f"{server.base}/uws/jobs", data={"JOBTYPE": "example.stack"}, files=files, timeout=60)
    assert answer.status_code == 413
    assert "10000000 bytes" in answer.text


def test_the_types_describe_themselves(server: Server) -> None:
    described = requests.get(f"{server.base}/uws/jobtypes/example.stack", headers=JSON, timeout=60).json()
    assert described["title"] == "Stack spectra"
    spectra, sigma, combine = described["parameters"]
    assert (spectra["type"], spectra["multiple"], spectra["mimeTypes"]) == ("file", True, ["text/plain"])
    assert (sigma["unit"], sigma["default"], combine["options"]) == ("sigma", "3.0", ["mean", "median"])
    assert described["limits"]["uploadBytes"] == {"maximum": 10_000_000}
    document = requests.get(f"{server.base}/uws/jobtypes", timeout=60).content
    assert b'name="example.sort"' in document
    assert validate(io.BytesIO(document), output=io.StringIO())
