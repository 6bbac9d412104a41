"""The plugin of pytest, in a process and a project of its own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.conformance.faults import Fault, service, status

PROJECT = '''
import pytest
from aiohttp import web

from conformance.profile import Profile

JOBS = """<uws:jobs version="1.1" xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"/>"""

async def jobs(request):
    return web.Response(text=JOBS, content_type="text/xml")

@pytest.mark.vo("uws.list-document", "uws.unknown-job", "oai.post")
async def test_my_service(vo_check, aiohttp_server):
    app = web.Application()
    app.router.add_get("/jobs", jobs)
    app.router.add_put("/jobs/{id}", jobs)
    server = await aiohttp_server(app)
    await vo_check(str(server.make_url("/jobs")), standard="uws", profile=Profile(succeed={"A": "1"}))

def test_of_another_kind(vo_url):
    assert vo_url.startswith("http")
'''


async def pytest_run(folder: Path, *arguments: object) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-c", "pytest.ini", "-p", "no:cacheprovider", *map(str, arguments)]
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nvo_rate = 500\n")
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


async def test_every_check_of_a_service_is_an_item(aiohttp_server, tmp_path) -> None:
    url = (await aiohttp_server(service(Fault("/oai.*", status(405), "POST")))).make_url("/oai")
    options = ("--vo-url", url, "--vo-only", "oai.post oai.sets oai.identify", "-k", "not sets", "-v")
    code, out = await pytest_run(tmp_path, *options)
    assert code == 1, out
    assert "1 failed, 1 passed, 1 deselected" in out
    assert f"::{url}::oai.post FAILED" in out
    assert "curl -sS -i" in out
    assert "Traceback" not in out


async def test_an_application_is_judged_by_a_test_of_its_project(tmp_path) -> None:
    (tmp_path / "test_mine.py").write_text(PROJECT)
    code, out = await pytest_run(tmp_path, "-v", "-rs")
    assert code == 0, out
    assert "test_my_service[uws.unknown-job] PASSED" in out
    assert "VOWarning: a job that does not exist is answered by 405" in out
    assert "test_my_service[uws.list-document] SKIPPED" in out
    assert "no job could be made" in out
    assert "test_my_service[oai.post] SKIPPED" in out
    assert "there is no --vo-url" in out


async def test_what_cannot_be_judged_is_bad_usage(tmp_path) -> None:
    code, out = await pytest_run(tmp_path, "--vo-url", "http://127.0.0.1:1/")
    assert code == 4, out
    assert "nothing can be judged at http://127.0.0.1:1/" in out
    assert "Traceback" not in out
