"""The official schemas: fetched from a mirror of the test's own, verified, and used."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiohttp import web

from conformance.client import Limits
from conformance.official import fetch, main, validate
from tests.xsd import official
from xsd import catalogue

KNOWN = {entry.official_url: entry for entry in catalogue().values() if entry.official_sha256}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the official files under the names that they have at their official places."""
    folder = tmp_path_factory.mktemp("mirror")
    for url, entry in KNOWN.items():
        (folder / url.rpartition("/")[2]).write_bytes(official.file_of(entry).read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@official.needed
def test_the_schemas_of_the_catalogue_are_fetched_verified_and_used(mirror: str, tmp_path: Path) -> None:
    results = fetch(tmp_path / "kept", mirror=mirror)
    assert [(entry.official_url, trouble) for entry, trouble in results if trouble] == []
    assert len(results) == len(KNOWN)
    document = b'<uws:job xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" version="1.1"><uws:nonsense/></uws:job>'
    assert all("(by the official schema)" in one.message for one in validate(document, tmp_path / "kept"))
    assert validate(document, tmp_path / "kept")
    assert not validate(b'<uws:jobs xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" version="1.1"/>', tmp_path / "kept")


@official.needed
def test_what_is_kept_is_not_fetched_again(mirror: str, tmp_path: Path) -> None:
    fetch(tmp_path, mirror=mirror)
    assert not any(trouble for _, trouble in fetch(tmp_path, mirror="http://127.0.0.1:1"))


@official.needed
def test_a_kept_file_that_was_changed_is_not_used_and_fetched_anew(mirror: str, tmp_path: Path) -> None:
    fetch(tmp_path, mirror=mirror)
    file = next(tmp_path.glob("uws-*.xsd"))
    genuine = file.read_bytes()
    file.write_bytes(genuine + b" ")
    assert validate(b'<job xmlns="http://www.ivoa.net/xml/UWS/v1.0"/>', tmp_path) == []
    fetch(tmp_path, mirror=mirror)
    assert file.read_bytes() == genuine


def test_nothing_is_found_without_the_schemas(tmp_path: Path) -> None:
    assert validate(b'<job xmlns="http://www.ivoa.net/xml/UWS/v1.0"/>', tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (web.Response(text="<html/>"), "its sha256 is another"),
        (web.Response(status=404), "answered 404"),
        (web.Response(body=b" " * 10_000), "longer than"),
    ],
    ids=["forged", "missing", "huge"],
)
async def test_what_is_not_genuine_is_not_kept(aiohttp_server, tmp_path: Path, answer: web.Response, says: str) -> None:
    async def serve(request: web.Request) -> web.Response:
        return web.Response(status=answer.status, body=answer.body)

    app = web.Application()
    app.router.add_get("/{name}", serve)
    url = str((await aiohttp_server(app)).make_url("/"))
    limits = Limits(timeout_s=2, body_bytes=5000, per_second=2000)
    results = await asyncio.to_thread(fetch, tmp_path, mirror=url, limits=limits)
    assert all(says in trouble for _, trouble in results)
    assert not await asyncio.to_thread(lambda: list(tmp_path.iterdir()))


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["fetch", "--folder", str(tmp_path / "file" / "x"), "--mirror", "http://127.0.0.1:1"]) == 2
    assert "cannot be kept" in capsys.readouterr().err


@official.needed
def test_the_command_says_what_became_of_each(mirror: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", "--folder", str(tmp_path), "--mirror", mirror]) == 0
    assert capsys.readouterr().out.count("OK ") == len(KNOWN)
