from __future__ import annotations

import email
import gzip
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientPayloadError, web

from penstock.dali.errors import NotFound
from penstock.edge.files import ServedFile, resolve_within, serve_file
from tests.penstock.edge.builders import serving

CONTENT = bytes(range(256)) * 4


@asynccontextmanager
async def offering(path: Path, **options):
    options = {"media_type": "application/fits", "checksum": "md5:abc", **options}

    async def handler(request: web.Request) -> web.StreamResponse:
        return await serve_file(request, ServedFile(path=path, **options))

    async with serving(handler) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.fits"
    path.write_bytes(CONTENT)
    (tmp_path / "a.fits.gz").write_bytes(b"not these bytes")
    return path


async def answer_to(path: Path, headers: dict[str, str] | None = None, *, method: str = "GET", **options):
    async with (
        offering(path, **options) as server,
        server.session.request(method, server.url("/s/"), headers=headers) as a,
    ):
        return a.status, a.headers, await a.read()


@pytest.mark.requirement("DA-19")
async def test_the_whole_file_comes_with_all_that_a_client_can_check(path) -> None:
    status, headers, body = await answer_to(path, {"Accept-Encoding": "gzip"}, filename="a b.fits")
    assert (status, body) == (200, CONTENT)
    assert headers["ETag"] == '"md5:abc"'
    assert headers["Content-Length"] == "1024"
    assert headers["Content-Type"] == "application/fits"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Last-Modified"].endswith(" GMT")
    assert headers["Content-Disposition"] == 'attachment; filename="a_b.fits"'
    assert "Content-Encoding" not in headers


LONG = b"a line of text\n" * 2000
GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    text = tmp_path / "a.csv"
    text.write_bytes(LONG)
    return text


async def text_to(path: Path, asked: dict[str, str]):
    options = {"media_type": "text/csv", "compressible": True, "headers": {"Repr-Digest": "sha-256=:a:"}}
    async with offering(path, **options) as server, server.get("/s/", headers=asked) as a:
        return a.status, a.headers, await a.read()


async def test_text_is_compressed_when_that_is_asked_for_and_is_another_representation_then(text) -> None:
    status, headers, body = await text_to(text, GZIP)
    assert (status, gzip.decompress(body)) == (200, LONG)
    assert (headers["Content-Encoding"], headers["ETag"]) == ("gzip", '"md5:abc-gzip"')
    assert (headers["Vary"], "Repr-Digest" in headers) == ("Accept-Encoding", False)


async def test_a_client_that_has_the_compressed_text_is_not_sent_it_again(text) -> None:
    status, headers, _ = await text_to(text, GZIP | {"If-None-Match": '"md5:abc-gzip"'})
    assert (status, headers["ETag"]) == (304, '"md5:abc-gzip"')


@pytest.mark.parametrize("asked", [{}, {"Accept-Encoding": "identity"}, GZIP | {"Range": "bytes=0-13"}])
async def test_who_asks_for_parts_or_for_no_coding_gets_the_bytes_as_they_are(text, asked) -> None:
    status, answered, body = await text_to(text, asked)
    assert (status, body) == ((206, LONG[:14]) if "Range" in asked else (200, LONG))
    assert (answered["ETag"], answered["Repr-Digest"]) == ('"md5:abc"', "sha-256=:a:")


async def test_head_tells_the_length_and_sends_nothing(path) -> None:
    status, headers, body = await answer_to(path, method="HEAD")
    assert (status, headers["Content-Length"], body) == (200, "1024", b"")


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=1000-", 1000, 1024),
        ("bytes=-24", 1000, 1024),
        ("bytes=-5000", 0, 1024),
        ("bytes=1000-99999", 1000, 1024),
        ("bytes=0-1023", 0, 1024),
    ],
)
async def test_one_range_is_sent_alone(path, asked, start, stop) -> None:
    status, headers, body = await answer_to(path, {"Range": asked})
    assert (status, body) == (206, CONTENT[start:stop])
    assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/1024"
    assert headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=1024-", "bytes=9999-10000", "bytes=-0"])
async def test_a_range_beyond_the_end_is_416_with_the_length(path, asked) -> None:
    status, headers, body = await answer_to(path, {"Range": asked})
    assert (status, headers["Content-Range"]) == (416, "bytes */1024")
    assert body.startswith(b"UsageError: ")


@pytest.mark.parametrize("asked", ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-1", "rows=0-1", "bytes=٣-٤"])
async def test_a_range_that_cannot_be_read_is_ignored(path, asked) -> None:
    assert (await answer_to(path, {"Range": asked}))[0] == 200


@pytest.mark.parametrize(
    ("asked", "spans"),
    [
        ("bytes=0-1,5-6", [(0, 2), (5, 7)]),
        ("bytes=500-,0-0", [(500, 1024), (0, 1)]),
        ("bytes=0-0, -1", [(0, 1), (1023, 1024)]),
        ("bytes=0-9,10-19,9999-", [(0, 10), (10, 20)]),
    ],
)
async def test_several_ranges_come_in_one_body_in_their_order(path, asked, spans) -> None:
    """(RFC 9110 s14.6)."""
    status, headers, body = await answer_to(path, {"Range": asked})
    assert (status, headers["Content-Length"]) == (206, str(len(body)))
    assert "Content-Range" not in headers, "it stands in the parts"
    message = email.message_from_bytes(f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode() + body)
    assert message.get_content_type() == "multipart/byteranges"
    parts = message.get_payload()
    assert [part["Content-Range"] for part in parts] == [f"bytes {start}-{stop - 1}/1024" for start, stop in spans]
    assert {part["Content-Type"] for part in parts} == {"application/fits"}
    assert all(CONTENT[start:stop] in body for start, stop in spans)


async def test_of_several_ranges_one_that_can_be_had_comes_alone(path) -> None:
    status, headers, body = await answer_to(path, {"Range": "bytes=9999-,0-9"})
    assert (status, headers["Content-Range"], body) == (206, "bytes 0-9/1024", CONTENT[:10])


@pytest.mark.parametrize("asked", ["bytes=0-9,5-14", "bytes=0-0" + ",0-0" * 1000, "bytes=0-1,x", "bytes=0-,0-"])
async def test_ranges_that_no_client_needs_are_answered_with_the_whole(path, asked) -> None:
    status, _, body = await answer_to(path, {"Range": asked})
    assert (status, body) == (200, CONTENT)


async def test_a_range_of_an_empty_file_is_416(tmp_path) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert (await answer_to(empty))[0] == 200
    assert (await answer_to(empty, {"Range": "bytes=0-"}))[0] == 416


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"md5:abc"', 206),
        ('"md5:other"', 200),
        ('W/"md5:abc"', 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
        ("junk", 200),
    ],
)
async def test_a_range_of_another_version_is_answered_with_the_whole(path, condition, status) -> None:
    assert (await answer_to(path, {"Range": "bytes=0-1", "If-Range": condition}))[0] == status


async def test_the_last_modified_time_serves_if_range(path) -> None:
    _, headers, _ = await answer_to(path)
    conditions = {"Range": "bytes=0-1", "If-Range": headers["Last-Modified"]}
    assert (await answer_to(path, conditions))[0] == 206


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": '"md5:abc"'}, 304),
        ({"If-None-Match": 'W/"md5:abc"'}, 304),
        ({"If-None-Match": '"x", "md5:abc"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "junk"}, 200),
        ({"If-Match": '"md5:abc"'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Match": 'W/"md5:abc"'}, 412),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 412),
    ],
)
async def test_conditions_are_weighed(path, headers, status) -> None:
    got, sent, body = await answer_to(path, headers)
    assert got == status
    if status == 304:
        assert (sent["ETag"], body) == ('"md5:abc"', b"")


async def test_without_a_checksum_the_etag_changes_with_the_content(path) -> None:
    _, before, _ = await answer_to(path, checksum=None)
    path.write_bytes(CONTENT + b"more")
    _, after, _ = await answer_to(path, checksum=None)
    assert before["ETag"] != after["ETag"]


async def test_a_checksum_cannot_break_out_of_its_header(path) -> None:
    _, headers, _ = await answer_to(path, checksum='a"b\r\nX-Evil: é')
    assert headers["ETag"] == '"abX-Evil:"'


async def test_a_missing_file_and_a_directory_are_404(tmp_path) -> None:
    assert (await answer_to(tmp_path / "none"))[0] == 404
    assert (await answer_to(tmp_path))[0] == 404


async def test_a_file_cut_short_while_it_is_sent_breaks_the_answer(tmp_path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 10_000_000)

    async with offering(path) as server, server.get("/s/") as answer:
        path.write_bytes(b"short")
        with pytest.raises((ClientPayloadError, ConnectionError)):
            await answer.read()


@pytest.mark.parametrize(
    "relative",
    [
        "../secret",
        "a/../../secret",
        "/../secret",
        "....//secret",
        "none",
        "",
        ".",
        "sub",
        "link-out",
        "a.fits\0",
        "x" * 5000,
        "loop",
        "a.fits/b",
    ],
)
def test_a_path_that_leads_out_or_nowhere_is_not_found(tmp_path, relative) -> None:
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.fits").write_text("fine")
    (root / "link-out").symlink_to(tmp_path / "secret")
    (root / "loop").symlink_to(root / "loop")
    with pytest.raises(NotFound):
        resolve_within(root, relative)


def test_a_path_within_is_found_through_a_linked_root_too(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.fits").write_text("fine")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert resolve_within(tmp_path / "root", "/a.fits").read_text() == "fine"
