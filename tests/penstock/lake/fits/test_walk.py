from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.lake.fits.walk import BLOCK, UnreadableFile, Walker
from tests.penstock.lake.fits.builders import TAN, extension, image, table, to_bytes

FILE = to_bytes(image(), extension({"EXTNAME": "SCI"}, (7, 5, 3)), table({"TIME": "s"}))


def walk(data: bytes, *pieces: int) -> list[tuple[int, int]]:
    walker, start = Walker(), 0
    for piece in pieces:
        walker.feed(data[start : start + piece])
        start += piece
    walker.feed(data[start:])
    return [(len(unit.header), unit.data_bytes) for unit in walker.finish()]


def block(*cards: str) -> bytes:
    return "".join(card.ljust(80) for card in (*cards, "END")).encode().ljust(BLOCK)


def test_units_are_found_with_the_sizes_of_their_data() -> None:
    assert [size for _, size in walk(FILE)] == [200, 210, 24]


@given(st.lists(st.integers(0, 4000), max_size=8))
def test_pieces_do_not_matter(pieces: list[int]) -> None:
    assert walk(FILE, *pieces) == walk(FILE)


@given(st.integers(0, len(FILE) - 1))
def test_a_file_cut_short_anywhere_gives_whole_units_or_is_told(length: int) -> None:
    try:
        units = walk(FILE[:length])
    except UnreadableFile as error:
        assert "cut short" in str(error) or "empty" in str(error)  # noqa: PT017  # either will do
    else:
        assert units == walk(FILE)[: len(units)]


@given(st.integers(1, 3000))
def test_a_cut_inside_the_last_data_is_told(lost: int) -> None:
    whole = to_bytes(image(TAN, (100, 100)))
    padding = len(whole) - (walk(whole)[0][0] // BLOCK + 1) * BLOCK - 20_000
    with pytest.raises(UnreadableFile, match="bytes are missing from HDU 0"):
        walk(whole[: -padding - lost])


def test_missing_padding_is_forgiven() -> None:
    whole = to_bytes(image(TAN, (10, 10)))
    assert walk(whole[: BLOCK + 200]) == walk(whole)


def test_what_follows_the_last_unit_is_ignored() -> None:
    assert walk(FILE + b"special records".ljust(BLOCK)) == walk(FILE)


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: gzip.compress(data[:5000]) + gzip.compress(data[5000:])])
def test_gzip_is_undone(pack: Callable[[bytes], bytes]) -> None:
    assert walk(pack(FILE)) == walk(FILE)
    assert walk(pack(FILE) + bytes(100), 10, 100) == walk(FILE)


@pytest.mark.parametrize("length", [2, 9, 30, 200])
def test_gzip_cut_short_is_told(length: int) -> None:
    with pytest.raises(UnreadableFile, match="cut short"):
        walk(gzip.compress(FILE)[:length])


def test_damaged_gzip_is_told() -> None:
    packed = bytearray(gzip.compress(FILE))
    packed[100:120] = bytes(20)
    with pytest.raises(UnreadableFile, match=r"damaged|cut short|not FITS"):
        walk(bytes(packed))


def test_a_bomb_is_refused_before_it_has_expanded() -> None:
    bomb = gzip.compress(block("SIMPLE  =  T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 20000000") + bytes(20_000_000))
    walker = Walker(suspicious_bytes=2**20)
    with pytest.raises(UnreadableFile, match="expands to more than"):
        walker.feed(bomb)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n" + bytes(100), "it is not FITS"),
        (b"SIMPLER = " + bytes(100), "it is not FITS"),
        (b"S", "cut short in its first header"),
        (gzip.compress(b"", mtime=0), "cut short in its first header"),
        (gzip.compress(b"hello" * 100, mtime=0), "it is not FITS"),
        (bz2.compress(FILE), "compressed by bzip2; only gzip is read"),
        (b"\x1f\x9d" + bytes(10), "compressed by compress"),
        (block("SIMPLE  =                    F", "NAXIS   = 0"), "SIMPLE is not T"),
        (block("SIMPLE  = T", "BITPIX  = 8"), "lacks BITPIX, NAXIS"),
        (block("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 1"), "lacks BITPIX, NAXIS"),
        (block("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = -5"), "negative size"),
        (block("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 1", "NAXIS1  = 'x'"), "lacks BITPIX, NAXIS"),
        (block("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 999999", "NAXIS1  = 1"), "lacks BITPIX, NAXIS"),
        (b"SIMPLE  = T".ljust(80) + b" " * BLOCK * 3, "cut short in its first header"),
    ],
)
def test_what_is_not_fits_is_told(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        walk(data)


@given(st.binary(max_size=400))
def test_any_bytes_end_in_units_or_the_one_error(noise: bytes) -> None:
    for data in (noise, block("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0") + b"XTENSION=" + noise):
        try:
            walk(data)
        except UnreadableFile:
            continue
