"""What becomes of uploads that break off, are too large, have harmful names, or find the disk full."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from penstock.dali.errors import ServiceUnavailable
from penstock.dali.params import Part
from tests.support.files import files_below
from tests.uws.waiting import eventually
from tests.uws.web.client import Client, client_of
from uws.results import FileResults
from uws.service.jobs import JobService

pytestmark = pytest.mark.asyncio(loop_scope="module")
MOST = 12_000_000
BOUNDARY = "frontier"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Client, JobService]]:
    async with client_of(tmp_path_factory.mktemp("uploads"), max_file_bytes=MOST) as served:
        yield served


def files(service: JobService) -> list[Path]:
    """Return all that lies in the store, uploads on their way included."""
    return files_below(service.results.path("."))


def form(name: str = "t", content: bytes | AsyncIterator[bytes] = b"x", filename: str = "t.xml") -> aiohttp.FormData:
    data = aiohttp.FormData({"UPLOAD": f"t,param:{name}"}, quote_fields=False)
    data.add_field(name, content, filename=filename)
    return data


async def refusal(client: Client, data: object, **headers: str) -> tuple[int, str]:
    async with client.post("/async", data=data, headers=headers, allow_redirects=False) as response:
        return response.status, await response.text()


async def test_an_upload_that_breaks_off_leaves_nothing(served: tuple[Client, JobService]) -> None:
    client, service = served
    begun = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield bytes(300_000)
        begun.set()
        await asyncio.sleep(600)

    sending = asyncio.create_task(refusal(client, form(content=half())))
    await begun.wait()
    await eventually(lambda: len(files(service)) == 1)
    sending.cancel()
    await eventually(lambda: not files(service))


@pytest.mark.parametrize("missing", ["the last boundary", "all but the first line"])
async def test_a_form_that_is_cut_short_is_refused_and_leaves_nothing(
    served: tuple[Client, JobService], missing: str
) -> None:
    client, service = served
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="t"; filename="t"\r\n\r\nsome content'.encode()
    cut = body if missing == "the last boundary" else body[:20]
    status, text = await refusal(client, cut, **{"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
    assert (status, "UsageError" in text) == (400, True)
    assert not files(service)


async def test_a_file_over_the_limit_is_refused_and_leaves_nothing(served: tuple[Client, JobService]) -> None:
    client, service = served
    status, text = await refusal(client, form(content=bytes(MOST + 1)))
    assert (status, str(MOST) in text) == (413, True)
    assert not files(service)


async def test_a_form_of_very_many_parts_is_refused_and_leaves_nothing(served: tuple[Client, JobService]) -> None:
    client, service = served
    data = aiohttp.FormData()
    for number in range(1000):
        data.add_field(f"t{number}", b"x", filename="x")
    status, text = await refusal(client, data)
    assert (status, "parts" in text) == (413, True)
    assert not files(service)


NAMES = ["../../../evil", "/etc/evil", 'a"; filename="b', "a\nX-Evil: yes", "..\\evil", "x" * 300, "\u202e\x01", ""]


@pytest.mark.parametrize("filename", NAMES, ids=ascii)
async def test_a_file_of_a_harmful_name_stays_in_its_place_and_comes_back_as_it_was(
    served: tuple[Client, JobService], filename: str
) -> None:
    client, service = served
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="UPLOAD"\r\n\r\nt,param:t\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="t"; filename="{filename}"\r\n'
        f"Content-Type: application/xml\r\n\r\n<content/>\r\n--{BOUNDARY}--\r\n"
    ).encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    async with client.post("/async", data=body, headers=headers) as response:
        assert response.status in (200, 400)
        if response.status == 400:  # no reader of forms can make sense of it
            assert not files(service)
            return
        path = response.url.path
    async with client.get(f"{path}/parameters/t") as response:
        assert (response.status, await response.read()) == (200, b"<content/>")
        assert "evil" not in str(response.headers)
    root = service.results.path(".")
    [kept] = files(service)
    assert kept.parent == root / path.rpartition("/")[2] / "parameters"
    assert not any("evil" in found.name for found in root.parent.rglob("*"))
    await client.delete(path)
    await eventually(lambda: not files(service))


@contextmanager
def small_disk(limit: int) -> Iterator[None]:
    """Let no file of this process grow beyond the limit, as if the disk were full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_told_as_an_outage_and_leaves_nothing(served: tuple[Client, JobService]) -> None:
    client, service = served
    with small_disk(MOST - 2_000_000):
        status, text = await refusal(client, form(content=bytes(MOST - 1)))
    assert (status, "disk may be full" in text) == (503, True)
    assert not files(service)


async def test_a_disk_that_is_full_when_a_file_is_kept_leaves_nothing(tmp_path: Path) -> None:
    results = FileResults(tmp_path / "results")
    content = bytes(100_000)
    with small_disk(50_000), pytest.raises(ServiceUnavailable):
        await results.keep("job", Part(name="t", content=content, size_bytes=len(content)))
    assert files_below(results.path(".")) == []
