"""What is fuzzed: each target takes any bytes, and only our own errors may come of them."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Mapping

from penstock.dali.errors import UsageError
from penstock.votable.reader import read
from penstock.votable.upload import UploadLimits
from tap_proxy.adql import AdqlError, PostgreSQL, SQLite, analyse, parse, translate
from tests.tap_proxy.adql.catalogues import catalogue, open_sqlite

CATALOGUE = catalogue()


def adql(data: bytes) -> None:
    """Read, check and translate a query; SQLite must be able to compile the result."""
    query(data.decode("utf-8", "surrogateescape"))


def query(text: str) -> bool:
    """Return whether a text is a query, having translated it for both databases."""
    try:
        analysed = analyse(parse(text), CATALOGUE)
        translate(analysed, PostgreSQL())
        translation = translate(analysed, SQLite())
    except AdqlError as error:
        if not error.problem or not 0 <= error.offset <= len(text):
            raise
        return False
    # The database compiles the statement and does not run it.
    _database().execute(f"EXPLAIN {translation.sql}", translation.params).close()
    return True


def votable(data: bytes) -> None:
    """Read an uploaded table to its end."""
    limits = UploadLimits(max_rows=1000)
    try:
        for _ in read(io.BytesIO(data), limits).batches:
            pass
    except UsageError:
        return


def _database() -> sqlite3.Connection:
    if not _OPEN:
        _OPEN.append(open_sqlite())
    return _OPEN[0]


_OPEN: list[sqlite3.Connection] = []

TARGETS: Mapping[str, Callable[[bytes], None]] = {"adql": adql, "votable": votable}
