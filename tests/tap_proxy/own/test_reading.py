"""How tables in files are read, apart from what is in them."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from penstock.dali.errors import UsageError
from tap_proxy.own.reading import open_file

ROWS, GROUPS = 100_000, 12
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def column(path: Path) -> list[Any]:
    reading = open_file(path)
    return [value for batch in reading.batches for value in batch.column(0).to_pylist()]


@pytest.mark.parametrize(
    ("values", "text", "xtype"),
    [
        (pa.array([1577836800123456789, None], pa.timestamp("ns")), "2020-01-01T00:00:00.123456789", "timestamp"),
        (pa.array([NOON, None], pa.timestamp("ms", "Europe/Paris")), "2026-07-01T12:00:00", "timestamp"),
        (pa.array([date(2026, 7, 1), None]), "2026-07-01", "timestamp"),
        (pa.array([time(1, 2), None], pa.time32("ms")), "01:02:00.000", None),
    ],
    ids=["nanoseconds", "with a zone", "a day", "a time of day"],
)
def test_instants_of_parquet_are_read_in_utc_with_every_digit(
    tmp_path: Path, values: pa.Array[Any], text: str, xtype: str | None
) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"when": values}), path)
    assert open_file(path).fields[0].xtype == xtype
    assert column(path) == [text, None]


def fits_of(path: Path, column: fits.Column, **cards: Any) -> Path:
    unit = fits.BinTableHDU.from_columns([column])
    unit.header.update(cards)
    unit.writeto(path)
    return path


@pytest.mark.parametrize(
    ("given", "cards", "values"),
    [
        (fits.Column("n", "K", bzero=1 << 63, array=np.array([7, 2**62 + 1], np.uint64)), {}, [7, 2**62 + 1]),
        (
            fits.Column("n", "I", bzero=32768, array=np.array([0, 9], np.uint16)),
            {"TNULL1": -32768},
            [None, 9],
        ),
        (fits.Column("n", "I", array=np.array([-99, 4])), {"TNULL1": -99, "TSCAL1": 0.5, "TZERO1": 5.0}, [None, 7.0]),
        (fits.Column("n", "1E", dim="(1)", array=np.array([[1.5], [2.5]])), {}, [1.5, 2.5]),
        (fits.Column("n", "6A", dim="(3,2)", array=np.array([["ab", "c"], ["", "d"]])), {}, ["ab c", " d"]),
    ],
    ids=["unsigned 64 bits", "null of an unsigned column", "null of a scaled column", "arrays of one", "several texts"],
)
def test_columns_of_fits_keep_their_values(
    tmp_path: Path, given: fits.Column, cards: dict[str, Any], values: list[Any]
) -> None:
    assert column(fits_of(tmp_path / "t.fits", given, **cards)) == values


def test_a_fits_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = fits_of(tmp_path / "t.fits", fits.Column("n", "K", array=np.arange(10_000)))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(UsageError, match=r"t\.fits cannot be read"):
        open_file(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_of_csv_are_separated_by_what_separates_their_names(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"name{separator}mag\nM 13{separator}5.8\n")
    assert [field.name for field in open_file(path).fields] == ["name", "mag"]


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (gzip.compress(b"a,b\n1,2\n"), "compressed"),
        ("name\nMéchain\n".encode("latin1"), "not UTF-8"),
        ("Médaillon\n1\n".encode("latin1"), "not UTF-8"),
    ],
    ids=["gzip", "values in latin-1", "names in latin-1"],
)
def test_a_file_that_must_be_converted_first_is_refused_with_advice(
    tmp_path: Path, content: bytes, advice: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=advice):
        open_file(path)


def test_of_a_parquet_file_no_more_is_kept_however_long_it_is(tmp_path: Path) -> None:
    path, random = tmp_path / "large.parquet", np.random.default_rng(1)
    with pq.ParquetWriter(path, pa.schema([("x", pa.float64())]), compression="none") as writer:
        for _ in range(GROUPS):
            writer.write_table(pa.table({"x": random.uniform(size=ROWS)}))
    before, grown = pa.total_allocated_bytes(), 0
    for _ in open_file(path).batches:
        grown = max(grown, pa.total_allocated_bytes() - before)
    assert grown < path.stat().st_size / 2
