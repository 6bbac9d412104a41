"""TAP 1.1: tables that come with a query, in every serialisation of VOTable."""

from __future__ import annotations

import base64
import struct
from typing import Final

from conformance.bench import Bench
from conformance.checks.tap_sync import answered, query, refused, sync
from conformance.client import Reply, Request
from conformance.model import Level, NotApplicable, Violation, require
from conformance.registry import check

ROWS: Final = (("1", "one"), ("2", "two"))
_FIELDS: Final = '<FIELD name="a" datatype="int"/><FIELD name="b" datatype="char" arraysize="*"/>'
_SELECT: Final = "SELECT a, b FROM TAP_UPLOAD.conf ORDER BY a"
# name, datatype, arraysize and two values that come back as they were (TAP 1.1 s2.7.6)
TYPES: Final = (
    ("s", "short", "", "-5", "7"),
    ("i", "int", "", "-70000", "70000"),
    ("l", "long", "", "-5000000000", "5000000000"),
    ("f", "float", "", "0.5", "-2.25"),
    ("d", "double", "", "0.125", "-1024.5"),
    ("t", "char", "*", "a &lt;b&gt; c", "d"),
)


def votable(data: str, fields: str = _FIELDS) -> bytes:
    """Return a table to upload."""
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        f"{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def _stream(flags: bytes) -> str:
    rows = b"".join(
        flags + struct.pack(">i", int(number)) + struct.pack(">I", len(text)) + text.encode() for number, text in ROWS
    )
    return f'<STREAM encoding="base64">{base64.b64encode(rows).decode()}</STREAM>'


TABLEDATA: Final = "<TABLEDATA>" + "".join(f"<TR><TD>{a}</TD><TD>{b}</TD></TR>" for a, b in ROWS) + "</TABLEDATA>"
UNREADABLE: Final = {
    "no XML": b"this is no table",
    "XML without an end": votable("<TABLEDATA>").partition(b"</DATA>")[0],
    "of numbers that are none": votable("<TABLEDATA><TR><TD>one</TD><TD>two</TD></TR></TABLEDATA>"),
    "of a stream that is no base64": votable('<BINARY2><STREAM encoding="base64">%%%</STREAM></BINARY2>'),
}
SERIALISATIONS: Final = {
    "TABLEDATA": TABLEDATA,
    "BINARY": f"<BINARY>{_stream(b'')}</BINARY>",
    "BINARY2": f"<BINARY2>{_stream(bytes(1))}</BINARY2>",
}


async def upload(bench: Bench, adql: str, told: tuple[str, ...], files: tuple[tuple[str, bytes], ...]) -> Reply:
    """Send a query with uploads; skip the check where the service does not declare them."""
    reply = await bench.known(f"{bench.url.rstrip('/')}/capabilities")
    if b"#upload-inline" not in reply.body:
        raise NotApplicable("the service does not declare inline uploads")
    form = (("LANG", "ADQL"), ("QUERY", adql), *(("UPLOAD", one) for one in told))
    return await bench.send(
        Request(method="POST", url=sync(bench), form=form, files=files, multipart=True, follow=True)
    )


async def _one(bench: Bench, content: bytes, *, adql: str = _SELECT) -> Reply:
    return await upload(bench, adql, ("conf,param:conf_file",), (("conf_file", content),))


@check("tap.upload", "2.7.6")
async def serialisations(bench: Bench) -> None:
    """A table sent with the query can be selected from, in each serialisation of VOTable (TAP 1.1 s2.7.6)."""
    for name, data in SERIALISATIONS.items():
        try:
            found = answered(await _one(bench, votable(data)))
        except Violation as error:
            raise Violation(f"{name}: {error.message}", error.advice) from error
        require(found.rows == ROWS, f"what was uploaded as {name} came back as {found.rows}")


@check("tap.upload-types", "2.7.6")
async def types(bench: Bench) -> None:
    """Values of the simple datatypes come back as they were uploaded (TAP 1.1 s2.7.6)."""
    fields = "".join(
        f'<FIELD name="{name}" datatype="{kind}"{f" arraysize={size!r}" if size else ""}/>'
        for name, kind, size, *_ in TYPES
    )
    cells = ["".join(f"<TD>{one[index]}</TD>" for one in TYPES) for index in (3, 4)]
    content = votable(f"<TABLEDATA>{''.join(f'<TR>{row}</TR>' for row in cells)}</TABLEDATA>", fields)
    found = answered(await _one(bench, content, adql="SELECT * FROM TAP_UPLOAD.conf ORDER BY s"))
    for name, kind, _, *values in TYPES:
        back = found.column(name)
        sent = [one.replace("&lt;", "<").replace("&gt;", ">") for one in values]
        same = back == sent if kind == "char" else [float(one or "nan") for one in back] == [float(x) for x in sent]
        require(same, f"the values {sent} of the datatype {kind} came back as {back}")


@check("tap.upload-several", "2.7.6")
async def several(bench: Bench) -> None:
    """Several tables can be uploaded with one query (TAP 1.1 s2.7.6, DALI 1.2 s4.3.5)."""
    content = votable(TABLEDATA)
    adql = "SELECT l.a, r.b FROM TAP_UPLOAD.conf AS l JOIN TAP_UPLOAD.other AS r ON l.a = r.a ORDER BY l.a"
    told, files = ("conf,param:one", "other,param:two"), (("one", content), ("two", content))
    found = answered(await upload(bench, adql, told, files))
    require(found.rows == ROWS, f"two tables joined give {found.rows}")


@check("tap.upload-missing", "DALI 1.2 s4.3.5")
async def missing(bench: Bench) -> None:
    """An upload whose part is not there is an error (DALI 1.2 s4.3.5)."""
    refused(await upload(bench, _SELECT, ("conf,param:nothing",), ()), "an upload without its part")


@check("tap.upload-unreadable", "2.7.6")
async def unreadable(bench: Bench) -> None:
    """An upload that is no VOTable is an error (TAP 1.1 s2.7.6)."""
    for name, content in UNREADABLE.items():
        refused(await _one(bench, content), f"an upload that is {name}")


@check("tap.upload-unknown", "2.7.6")
async def unknown(bench: Bench) -> None:
    """A query on an upload that was not sent is an error (TAP 1.1 s2.7.6)."""
    refused(await query(bench, "SELECT a FROM TAP_UPLOAD.never_sent"), "a query on an upload that was not sent")


@check("tap.upload-malformed", "DALI 1.2 s4.3.5", Level.SHOULD)
async def malformed(bench: Bench) -> None:
    """An UPLOAD that names no table and no place is an error (DALI 1.2 s4.3.5)."""
    for told in ("conf", ",param:conf_file", "not a name,param:conf_file", "conf,gopher://example.org/"):
        refused(await upload(bench, _SELECT, (told,), (("conf_file", votable(TABLEDATA)),)), f"UPLOAD={told}")


@check("tap.upload-forgotten", "2.7.6")
async def forgotten(bench: Bench) -> None:
    """What was uploaded with one query is not there for the next (TAP 1.1 s2.7.6)."""
    answered(await _one(bench, votable(TABLEDATA)))
    refused(await query(bench, _SELECT), "a query on what was uploaded with the one before")
