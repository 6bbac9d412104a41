"""Requests that mean harm: whatever they hold, the answer is the protocol's own, and nothing else happens."""

from __future__ import annotations

import asyncio
import json as plain_json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from lxml import etree

from tests.support.server import serve
from tests.uws.house import open_idle
from tests.uws.web.client import Client, client_of, create, get
from uws.core import json, xml

pytestmark = pytest.mark.asyncio(loop_scope="module")
MILLION = "\u20ac" * (2**20 // 3)
EVIL = "X-Evil: 1"
BREAKS = ("\r\n", "\n", "\r", "\u2028", "\x85")
NAMES = ("__proto__", "constructor", "toString", "hasOwnProperty", "then", "id", "%s%n", "{{7*7}}", "..", "a/b", "a b")
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with client_of(tmp_path_factory.mktemp("hostile"), open_executor=open_idle) as (client, _):
        yield client


async def raw(client: Client, *lines: str | bytes, body: bytes = b"") -> bytes:
    """Send a request as it is and return everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    head = [line if isinstance(line, bytes) else line.encode() for line in lines]
    writer.write(b"\r\n".join([*head, b"Host: x", b"Connection: close", b"Content-Length: %d" % len(body), b"", body]))
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


def header_lines(answer: bytes) -> list[bytes]:
    return answer.partition(b"\r\n\r\n")[0].split(b"\r\n")


@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize(
    "path",
    [
        "/uws/jobs/{}",
        "/uws/jobs/{}/phase",
        "/uws/jobs?PHASE={}",
        "/uws/jobs?RESPONSEFORMAT={}",
        "/uws/jobs?AFTER={}",
        "/uws/jobtypes/{}",
        "/async/{}/results/{}",
        "/{}",
    ],
)
async def test_a_line_break_in_a_url_adds_no_header(client: Client, path: str, line_break: str) -> None:
    part = quote(f"x{line_break}{EVIL}", safe="")
    answer = await raw(client, f"GET {path.replace('{}', part)} HTTP/1.1")
    assert answer.split()[1] in (b"400", b"404")
    assert EVIL.encode() not in header_lines(answer)


@pytest.mark.parametrize("line_break", BREAKS)
@pytest.mark.parametrize(
    "fields",
    [
        {"JOBTYPE": "echo{}"},
        {"JOBTYPE": "echo", "RUNID": "{}"},
        {"JOBTYPE": "echo", "PHASE": "RUN{}"},
        {"JOBTYPE": "echo", "DESTRUCTION": "2030{}"},
        {"JOBTYPE": "copy", "a{}": "b"},
        {"JOBTYPE": "copy", "a": "b{}"},
    ],
)
async def test_a_line_break_in_a_form_adds_no_header(client: Client, fields: dict[str, str], line_break: str) -> None:
    injected = {name.format(line_break + EVIL): value.format(line_break + EVIL) for name, value in fields.items()}
    async with client.post("/uws/jobs", data=urlencode(injected), headers=FORM, allow_redirects=False) as answer:
        assert answer.status in (303, 400, 403)
        assert "X-Evil" not in answer.headers
        location = answer.headers.get("Location")
    if location:
        for path in ("", "/parameters", "/parameters/a"):
            async with client.session.get(location + path) as answer:
                assert answer.status in (200, 404)
                assert "X-Evil" not in answer.headers


async def test_a_line_break_in_the_name_or_type_of_a_file_adds_no_header(client: Client) -> None:
    for disposition in (b'filename="a%0d%0aX-Evil: 1"', b"filename*=UTF-8''a%0d%0aX-Evil%3A%201", b'filename="a\tb;c"'):
        for media_type in (b"text/x", b"text/x; a=%0d%0aX-Evil: 1", b'text/x; a="\t"', b"\xff\xfe", b""):
            body = (
                b"--b\r\nContent-Disposition: form-data; name=part1; " + disposition
                + b"\r\nContent-Type: " + media_type + b"\r\n\r\nbytes\r\n--b--\r\n"
            )  # fmt: skip
            answer = await raw(
                client, "POST /async HTTP/1.1", "Content-Type: multipart/form-data; boundary=b", body=body
            )
            assert answer.split()[1] in (b"303", b"400", b"415")
            if answer.split()[1] == b"303":
                [location] = [line for line in header_lines(answer) if line.startswith(b"Location: ")]
                path = "/async/" + location.decode().rpartition("/")[2] + "/parameters/part1"
                sent = await raw(client, f"GET {path} HTTP/1.1")
                assert sent.endswith(b"bytes")
                assert not any(line.lower().startswith(b"x-evil") for line in header_lines(sent))


@pytest.mark.parametrize("header", ["Accept", "Idempotency-Key", "X-Request-ID", "Authorization", "X-Forwarded-Host"])
async def test_a_header_of_any_bytes_is_no_fault(client: Client, header: str) -> None:
    for value in (b"\xff\xfe", b"," * 5000, b";q=" * 1000, b'"' * 999, b"\x01", b"a" * 7000, "\u20ac".encode()):
        answer = await raw(client, "POST /uws/jobs?JOBTYPE=echo HTTP/1.1", header.encode() + b": " + value)
        assert answer.split()[1] in (b"303", b"400", b"401"), value[:10]
        answer = await raw(client, "GET /uws/jobs HTTP/1.1", header.encode() + b": " + value)
        assert answer.split()[1] in (b"200", b"400", b"401"), value[:10]


@pytest.mark.parametrize("code", [*range(1, 32), 0x7F, 0x85, 0x2028, 0xFFFE, 0xFFFF, 0x1F600, 0x10FFFF])
async def test_any_character_comes_back_as_it_was_and_documents_stay_xml(client: Client, code: int) -> None:
    value = f"a{chr(code)}b"
    path = await create(client, "/async", X=value)
    async with client.get(path) as answer:
        [parameter] = etree.fromstring(await answer.read()).iter("{*}parameter")
    if parameter.get("byReference") == "true":
        async with client.session.get(parameter.text) as answer:
            assert await answer.text() == value
    else:
        assert parameter.text == value
    _, _, text = await get(client, path, "application/json")
    assert plain_json.loads(text)["parameters"][0]["value"] == parameter.text


async def test_a_value_of_a_megabyte_comes_back_and_does_not_swell_the_document(client: Client) -> None:
    path = await create(client, "/async", X=MILLION)
    status, _, text = await get(client, path)
    assert (status, len(text) < 10_000) == (200, True)
    assert (await get(client, f"{path}/parameters/X"))[2] == MILLION
    assert len((await get(client, path, "text/html"))[2]) < 100_000


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_a_name_whatever_it_means_elsewhere(client: Client, name: str) -> None:
    for data, headers in (
        ({name: "1"}, {}),
        (plain_json.dumps({"parameters": [{"id": name, "value": "1"}]}), JSON),
    ):
        async with client.post("/async", data=data, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 303
            path = answer.headers["Location"].removeprefix(f"http://127.0.0.1:{client.port}")
        document = plain_json.loads((await get(client, path, "application/json"))[2])
        assert [(each["id"], each["value"]) for each in document["parameters"]] == [(name, "1")]
        async with client.get(path) as answer:
            assert json.job_to_json(xml.job_from_xml(await answer.read()))["parameters"] == document["parameters"]


@pytest.mark.parametrize(
    "name", ["__proto__", "constructor", "..", ".", "null", "undefined", "NaN", "*", "%", "0" * 26]
)
async def test_no_such_name_is_a_job_a_type_or_a_part(client: Client, name: str) -> None:
    job = await create(client)
    part = quote(name, safe="")
    for path in (f"/uws/jobs/{part}", f"/uws/jobtypes/{part}", f"{job}/results/{part}", f"{job}/parameters/{part}"):
        answer = await raw(client, f"GET {path} HTTP/1.1")
        assert answer.split()[1] in (b"404", b"200" if name in {".", ".."} else b"404")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'"x"',
        b"[" * 100_000,
        b'{"parameters":' * 20_000,
        b'{"jobType": "echo", "parameters": {"__proto__": "x"}, "__proto__": {"jobType": "sleep"}}',
        b'{"jobType": "echo", "parameters": [{"id": "MESSAGE", "value": "\\ud800"}]}',
        b'{"jobType": "echo", "executionDuration": 1e400}',
        b'{"jobType": "echo", "executionDuration": 99999999999999999999999999999999999999}',
        b'{"jobType": "echo", "executionDuration": NaN}',
        b'{"jobType": "echo", "destruction": "9999-99-99"}',
        b'{"jobType": ["echo"]}',
        b'{"jobType": "echo", "phase": {"$ne": null}}',
        '{"jobType": "echo"}'.encode("utf-16"),
    ],
)
async def test_json_of_any_kind_is_refused_or_taken_but_breaks_nothing(client: Client, body: bytes) -> None:
    async with client.post("/uws/jobs", data=body, headers=JSON, allow_redirects=False) as answer:
        assert answer.status in ((303, 400, 403) if b"99999" in body else (400, 403)), await answer.text()
        assert len(await answer.read()) < 2000


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"JOBTYPE=%ff%fe", FORM),
        (b"JOBTYPE=%00", FORM),
        (b"JOBTYPE=echo&" * 2, FORM),
        (b"&" * 100_000, FORM),
        (b"a&" * 100_000, FORM),
        (b"JOBTYPE=" + b"x" * 5_000_000, FORM),
        (b"x", {"Content-Type": "multipart/form-data"}),
        (b"x", {"Content-Type": "multipart/form-data; boundary="}),
        (b"x", {"Content-Type": 'multipart/form-data; boundary="' + "b" * 5000 + '"'}),
        (b"<x/>", {"Content-Type": "application/xml"}),
        (b"x", {"Content-Type": "%%%"}),
        (b"\x1f\x8b broken", {**FORM, "Content-Encoding": "gzip"}),
    ],
)
async def test_a_body_that_is_no_order_is_refused_in_a_sentence(
    client: Client, body: bytes, headers: dict[str, str]
) -> None:
    async with client.post("/uws/jobs", data=body, headers=headers, allow_redirects=False) as answer:
        assert answer.status in (400, 403, 413, 415)
        assert 10 < len(await answer.text()) < 1000


async def test_what_a_caller_names_by_reference_is_not_fetched_by_us(tmp_path: Path) -> None:
    asked: list[str] = []

    async def trap(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(text="inside")

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", trap)
    async with TestServer(app) as inside, client_of(tmp_path) as (client, _):
        url = str(inside.make_url("/secret"))
        orders: list[dict[str, Any]] = [
            {"UPLOAD": f"t,{url}", "X": url, "PHASE": "RUN"},
            {"UPLOAD": f"t,{url};u,http://[::1]:{inside.port}/u", "PHASE": "RUN"},
            {"UPLOAD": "t,file:///etc/passwd", "PHASE": "RUN"},
        ]
        for order in orders:
            path = await create(client, "/async", **order)
            for accept in ("*/*", "application/json", "text/html"):
                assert "root:" not in (await get(client, f"{path}?WAIT=60", accept))[2]
            assert (await get(client, f"{path}/parameters/UPLOAD"))[2] == order["UPLOAD"]
        xxe = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{url}">]><x>&e;</x>'.encode()
        async with client.post("/uws/jobs", data=xxe, headers={"Content-Type": "text/xml"}) as answer:
            assert answer.status == 415
    assert asked == []


async def stalled(port: int, head: str, sent: bytes) -> bytes:
    """Send a part of a request and return all until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + b"\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + sent)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    return answer


async def test_bodies_that_stop_are_given_up_by_a_real_server(tmp_path: Path) -> None:
    form, multipart = "Content-Type: application/x-www-form-urlencoded", "Content-Type: multipart/form-data; boundary=b"
    part = b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\nhalf'
    with serve(tmp_path, "uws", PENSTOCK_BODY_IDLE_S="0.5") as server:
        port = int(server.base.rpartition(":")[2])
        async with aiohttp.ClientSession() as session:
            async with session.post(
                f"{server.base}/uws/jobs", data={"JOBTYPE": "sleep"}, allow_redirects=False
            ) as answer:
                job = answer.headers["Location"].removeprefix(server.base)
            answers = await asyncio.gather(
                stalled(port, f"POST /uws/jobs HTTP/1.1\r\n{form}", b"JOBTYPE=sle"),
                stalled(port, f"POST /uws/jobs HTTP/1.1\r\n{multipart}", part),
                stalled(port, "POST /uws/jobs HTTP/1.1\r\nContent-Type: application/json", b'{"jobType"'),
                stalled(port, f"POST {job}/phase HTTP/1.1\r\n{form}", b""),
                stalled(port, f"PUT {job}/parameters/DURATION HTTP/1.1", b"1"),
                stalled(port, f"GET {job} HTTP/1.1", b""),
            )
            async with session.get(f"{server.base}{job}/phase") as answer:
                assert await answer.text() == "PENDING"
    assert [answer.split()[1] for answer in answers] == [b"408"] * 6
    assert all(b"Connection: close" in answer for answer in answers)
    assert "Traceback" not in server.output
    assert list((tmp_path / "results").rglob("penstock-upload-*")) == []
