"""The parser's tables, which are kept in a file from one process to the next."""

from __future__ import annotations

from pathlib import Path

from tap_proxy.adql.lexer import tokenize
from tap_proxy.adql.parser import make_parser

QUERY = "SELECT TOP 3 a.b, COUNT(*) FROM s.t AS a WHERE a.c BETWEEN 1 AND 2 GROUP BY a.b"


def read(kept: Path | None) -> object:
    return make_parser(kept).parse(tokenize(QUERY))  # type: ignore[arg-type]


def test_tables_that_were_kept_read_the_same(tmp_path: Path) -> None:
    kept = tmp_path / "tables"
    built = read(None)
    assert read(kept) == built
    assert kept.is_file()
    assert read(kept) == built


def test_a_file_that_is_cut_off_is_replaced(tmp_path: Path) -> None:
    kept = tmp_path / "tables"
    read(kept)
    whole = kept.read_bytes()
    kept.write_bytes(whole[: len(whole) // 2])
    assert read(kept) == read(None)
    assert kept.stat().st_size > len(whole) * 3 // 4


def test_a_place_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    assert read(tmp_path / "missing" / "tables") == read(None)
