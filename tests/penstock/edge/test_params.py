from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest
from aiohttp import FormData, web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.edge.params import ParameterLimits, read_parameters
from tests.penstock.edge.builders import Server, serving

FORM = "application/x-www-form-urlencoded"
BOUNDARY = "<<<--------------MULTIPART-BOUNDARY------->>>"
VOTABLE = b'<?xml version="1.0"?>\n<VOTABLE version="1.2"/>\n'
SMALL = ParameterLimits(max_form_bytes=1000, max_file_bytes=2000, max_body_bytes=3000, max_parts=5)


@asynccontextmanager
async def echoing(limits: ParameterLimits = SMALL) -> AsyncIterator[Server]:
    """Serve a handler that tells what it read, with the path of the first file."""

    async def handler(request: web.Request) -> web.Response:
        params = await read_parameters(request, limits)
        files = {
            part.name: [part.filename, part.media_type, part.size_bytes, base64.b64encode(part.read()).decode()]
            for part in params.parts
        }
        paths = [str(part.content) for part in params.parts]
        return web.Response(body=orjson.dumps({"pairs": params.items(), "files": files, "paths": paths}))

    async with serving(handler) as server:
        yield server


async def told(answer) -> dict:
    assert answer.status == 200, await answer.text()
    return orjson.loads(await answer.read())


def multipart(*parts: bytes, boundary: str = "B", end: bytes | None = None) -> tuple[bytes, dict[str, str]]:
    lines = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
    body = lines + (b"--" + boundary.encode() + b"--\r\n" if end is None else end)
    return body, {"Content-Type": f'multipart/form-data; boundary="{boundary}"'}


def field(name: str, value: bytes, extra: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="' + name.encode() + b'"\r\n' + extra + b"\r\n" + value


@pytest.mark.requirement("DA-01", "U-140")
async def test_query_string_and_form_are_read_together_in_order() -> None:
    async with (
        echoing() as server,
        server.post("/s/?LANG=ADQL&x=%2B+", data={"QUERY": "SELECT 'é' + 1", "empty": ""}) as answer,
    ):
        assert (await told(answer))["pairs"] == [
            ["LANG", "ADQL"],
            ["x", "+ "],
            ["QUERY", "SELECT 'é' + 1"],
            ["empty", ""],
        ]


async def test_a_get_has_its_query_string_alone() -> None:
    async with echoing() as server, server.get("/s/?ID=a&ID=b&id=c") as answer:
        assert (await told(answer))["pairs"] == [["ID", "a"], ["ID", "b"], ["id", "c"]]


async def test_a_post_without_a_body_has_no_parameters() -> None:
    async with echoing() as server, server.post("/s/") as answer:
        assert (await told(answer))["pairs"] == []


async def test_stilts_upload_with_its_odd_boundary_in_odd_chunks() -> None:
    body = (
        f"\r\n--{BOUNDARY}\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        'Content-Disposition: form-data; name="QUERY"\r\n\r\nSELECT * FROM TAP_UPLOAD.t1'
        f"\r\n--{BOUNDARY}\r\nContent-Type: text/plain; charset=UTF-8\r\n"
        'Content-Disposition: form-data; name="UPLOAD"\r\n\r\nt1,param:upload_t1'
        f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="upload_t1"; filename="upload_t1"\r\n'
        "Content-Type: application/x-votable+xml\r\n\r\n"
    ).encode()
    body += VOTABLE + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = (
        f'POST /s/ HTTP/1.1\r\nContent-Type: multipart/form-data; boundary="{BOUNDARY}"\r\n'
        "Host: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    ).encode()
    for size in (1, 7, 70, 1182):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        async with echoing() as server:
            answer = await server.raw(head + chunked)
        read = orjson.loads(answer.partition(b"\r\n\r\n")[2])
        assert read["pairs"] == [["QUERY", "SELECT * FROM TAP_UPLOAD.t1"], ["UPLOAD", "t1,param:upload_t1"]]
        assert read["files"] == {
            "upload_t1": ["upload_t1", "application/x-votable+xml", len(VOTABLE), base64.b64encode(VOTABLE).decode()]
        }


async def test_a_part_as_pyvo_sends_it_has_a_file_name_and_no_type() -> None:
    body, headers = multipart(
        b'Content-Disposition: form-data; name="t1"; filename="t1"\r\n\r\n' + VOTABLE, field("LANG", b"ADQL")
    )
    async with echoing() as server, server.post("/s/", data=body, headers=headers) as answer:
        read = await told(answer)
    assert read["pairs"] == [["LANG", "ADQL"]]
    assert read["files"]["t1"][:3] == ["t1", None, len(VOTABLE)]


async def test_files_are_gone_when_the_request_is_over(tmp_path) -> None:
    form = FormData({"a": "b"})
    form.add_field("t", VOTABLE, filename="t.vot", content_type="application/x-votable+xml")
    async with echoing(ParameterLimits(spool_directory=tmp_path)) as server, server.post("/s/", data=form) as answer:
        (path,) = (await told(answer))["paths"]
    assert Path(path).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


async def test_files_are_gone_when_the_request_is_refused(tmp_path) -> None:
    limits = ParameterLimits(max_file_bytes=10, spool_directory=tmp_path)
    form = FormData()
    form.add_field("t", VOTABLE, filename="t.vot")
    async with echoing(limits) as server, server.post("/s/", data=form) as answer:
        assert answer.status == 413
        await answer.read()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("text/xml", b"<a/>"),
        ("multipart/mixed; boundary=B", b"--B--\r\n"),
        ("nonsense", b"x"),
        ("", b"x"),
    ],
)
async def test_a_body_that_is_no_form_is_415(content_type, body) -> None:
    async with (
        echoing() as server,
        server.post("/s/", data=body, headers={"Content-Type": content_type}) as answer,
    ):
        assert answer.status == 415
        assert "multipart/form-data" in await answer.text()


@pytest.mark.parametrize(
    "body",
    [b"a=%FF", b"\xff=a", b"a=%00", b"%00=a"],
)
async def test_a_form_that_is_no_text_is_400(body) -> None:
    async with echoing() as server, server.post("/s/", data=body, headers={"Content-Type": FORM}) as answer:
        assert answer.status == 400
        assert (await answer.text()).startswith("UsageError: ")


@pytest.mark.parametrize("query", ["a=%FF", "a=%00", "%00=a"])
async def test_a_query_string_that_is_no_text_is_400(query) -> None:
    request = f"GET /s/?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with echoing() as server:
        assert (await server.raw(request.encode())).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "request_",
    [
        {"data": b"QUERY=" + b"x" * 1001, "headers": {"Content-Type": FORM}},
        {"data": b"x" * 3001, "headers": {"Content-Type": FORM}},
        {"data": b"&".join([b"a=1"] * 6), "headers": {"Content-Type": FORM}},
        dict(zip(("data", "headers"), multipart(*[field("a", b"1")] * 6), strict=True)),
        dict(zip(("data", "headers"), multipart(field("a", b"x" * 1001)), strict=True)),
        dict(
            zip(
                ("data", "headers"),
                multipart(field("a", b"x" * 2001, b"Content-Type: application/octet-stream\r\n")),
                strict=True,
            )
        ),
    ],
    ids=["form", "body", "names", "parts", "value", "file"],
)
async def test_too_much_is_413(request_) -> None:
    async with echoing() as server, server.post("/s/", **request_) as answer:
        assert answer.status == 413
        assert "larger than" in await answer.text() or "more than" in await answer.text()


async def test_a_chunked_body_over_the_limit_is_413_though_it_never_said_its_length() -> None:
    async def chunks():
        for _ in range(10):
            yield b"a" * 500

    async with (
        echoing() as server,
        server.post("/s/", data=chunks(), headers={"Content-Type": FORM}) as answer,
    ):
        assert answer.status == 413


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        multipart(field("a", b"1"), end=b""),
        multipart(field("a", b"1"), end=b"--C--\r\n"),
        multipart(b"Content-Disposition: form-data\r\n\r\n1"),
        multipart(b"no headers at all"),
        multipart(b"Bad Header\r\n\r\n1"),
        multipart(b"\r\n1"),
        multipart(field("a", b"\xff\xfe")),
        multipart(field("a", b"1", b"Content-Type: text/plain; charset=nonesuch\r\n")),
        multipart(field("_charset_", b"nonesuch"), field("a", b"1")),
        multipart(field("_charset_", b"x" * 100), field("a", b"1")),
        multipart(field("a", b"", b"Content-Type: multipart/mixed; boundary=C\r\n")),
        multipart(field("a\0b", b"1")),
        (b"junk", {"Content-Type": "multipart/form-data"}),
        (b"junk", {"Content-Type": "multipart/form-data; boundary=B"}),
        (b"junk", {"Content-Type": "multipart/form-data; boundary=" + "B" * 100}),
    ],
)
async def test_a_broken_multipart_form_is_400(body, headers) -> None:
    async with echoing() as server, server.post("/s/", data=body, headers=headers) as answer:
        assert answer.status == 400, await answer.text()
        assert (await answer.text()).startswith("UsageError: ")


@pytest.mark.parametrize("extra", [b"Content-Transfer-Encoding: base64\r\n", b"Content-Encoding: gzip\r\n"])
async def test_an_encoded_part_is_415(extra) -> None:
    body, headers = multipart(field("a", b"MQ==", extra))
    async with echoing() as server, server.post("/s/", data=body, headers=headers) as answer:
        assert answer.status == 415


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nabc", b"-1\r\n"])
async def test_a_body_in_broken_chunks_is_never_a_fault(body) -> None:
    head = f"POST /s/ HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with echoing() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head.encode() + body)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        assert not answer.startswith(b"HTTP/1.1 5")
        async with server.get("/s/?still=there") as after:
            assert after.status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_that_is_not_compressed_as_it_says_is_400(encoding) -> None:
    headers = {"Content-Type": FORM, "Content-Encoding": encoding}
    async with echoing() as server, server.post("/s/", data=b"a=1", headers=headers, compress=False) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("encoding", ["rot13", "x-gzip", "gzip, gzip", "compress"])
@pytest.mark.parametrize("content_type", [FORM, "multipart/form-data; boundary=B"])
async def test_a_body_in_an_unknown_encoding_is_415(content_type, encoding) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": encoding}
    async with echoing() as server, server.post("/s/", data=b"a=1", headers=headers, compress=False) as answer:
        assert answer.status == 415


@pytest.mark.parametrize("encoding", ["", "identity", "Identity"])
async def test_a_body_that_is_encoded_as_itself_is_read(encoding) -> None:
    headers = {"Content-Type": FORM, "Content-Encoding": encoding}
    async with echoing() as server, server.post("/s/", data=b"a=1", headers=headers, compress=False) as answer:
        assert answer.status == 200


PIECES = st.sampled_from(
    [
        b"--B",
        b"--",
        b"\r\n",
        b"\n",
        b"Content-Disposition: form-data",
        b'; name="a"',
        b"; filename=x",
        b"\r\n\r\n",
        b":",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES | st.binary(max_size=6), max_size=14), chunk=st.integers(1, 9))
def test_no_multipart_bytes_make_a_fault(pieces, chunk) -> None:
    body = b"".join(pieces)

    async def send() -> int:
        async def chunks():
            for start in range(0, len(body), chunk):
                yield body[start : start + chunk]

        headers = {"Content-Type": "multipart/form-data; boundary=B"}
        async with echoing() as server, server.post("/s/", data=chunks(), headers=headers) as answer:
            return answer.status

    assert asyncio.run(send()) in {200, 400, 413, 415}
