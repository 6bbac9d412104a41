"""TAP 1.1: the formats of results that the capabilities declare."""

from __future__ import annotations

import io
from typing import Final

from conformance.bench import Bench
from conformance.checks.tap_service import tap_capability
from conformance.checks.tap_sync import ALL_COLUMNS, query
from conformance.documents import succeeded
from conformance.model import Level, NotApplicable, Violation, require
from conformance.registry import check

NEED_POSITIONS: Final = ("application/geo+json",)  # cannot be written for every table
FITS: Final = ("application/fits", "image/fits", "application/x-fits")


async def _offered(bench: Bench) -> list[tuple[str, list[str]]]:
    """Return the media type and the aliases of each format."""
    found = await tap_capability(bench)
    return [
        ((one.findtext("{*}mime") or "").strip(), [(alias.text or "").strip() for alias in one.iterfind("{*}alias")])
        for one in found.element.iterfind("{*}outputFormat")
    ]


@check("tap.formats-declared", "2.7.3")
async def formats_declared(bench: Bench) -> None:
    """Every format that is declared is written, by its media type and by its aliases (TAP 1.1 s2.7.3)."""
    for media, aliases in await _offered(bench):
        for value in () if media in NEED_POSITIONS else (media, *aliases):
            reply = succeeded(await query(bench, parameters={"RESPONSEFORMAT": value}))
            wanted = {one.partition(";")[0].strip().lower() for one in (media, value)}  # (DALI 1.2 s4.3.3)
            require(reply.media_type in wanted, f"RESPONSEFORMAT={value} is answered by {reply.media_type}")


@check("tap.fits", "3.2", Level.SHOULD)
async def fits(bench: Bench) -> None:
    """A FITS result can be read, and has the rows and the columns of the query (TAP 1.1 s3.2)."""
    offered = [media for media, _ in await _offered(bench) if media.partition(";")[0] in FITS]
    if not offered:
        raise NotApplicable("the service does not declare FITS")
    reply = succeeded(await query(bench, ALL_COLUMNS, {"RESPONSEFORMAT": offered[0], "MAXREC": "3"}))
    names, rows = _read(reply.body)
    require(rows == 3, f"MAXREC=3 gives {rows} rows of FITS")
    require([one.lower() for one in names] == ["table_name", "column_name"], f"the columns of FITS are {names}")


def _read(content: bytes) -> tuple[list[str], int]:
    """Read the first table through astropy, which is slow to import and rarely needed."""
    from astropy.io import fits as reader

    try:
        with reader.open(io.BytesIO(content)) as units:
            return list(units[1].columns.names), len(units[1].data)
    except Exception as error:
        raise Violation(f"the FITS cannot be read: {type(error).__name__}: {error}") from error
