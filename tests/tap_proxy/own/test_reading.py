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
from tap_proxy.own.databases import open_sqlite
from tap_proxy.own.reading import open_file
from tests.tap_proxy.own.files import RA, SOURCES

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
        (fits.Column("n", "PA()", array=np.array(["ab  c ", "", "d"], object)), {}, ["ab  c", None, "d"]),
        (fits.Column("n", "J", array=np.array([1, 2])), {"TZERO1": 0.5}, [1.5, 2.5]),
    ],
    ids=[
        "unsigned 64 bits",
        "null of an unsigned column",
        "null of a scaled column",
        "arrays of one",
        "several texts",
        "texts of variable length",
        "an offset that is not whole",
    ],
)
def test_columns_of_fits_keep_their_values(
    tmp_path: Path, given: fits.Column, cards: dict[str, Any], values: list[Any]
) -> None:
    assert column(fits_of(tmp_path / "t.fits", given, **cards)) == values


@pytest.mark.parametrize(
    ("given", "cards", "datatype", "values"),
    [
        (fits.Column("n", "2J", array=np.array([[1, -99], [2**31 - 1, 5]])), {}, "double", [[1, None], [2**31 - 1, 5]]),
        (fits.Column("n", "2B", array=np.array([[1, 255]], np.uint8)), {"TNULL1": 255}, "float", [[1, None]]),
        (
            fits.Column("n", "2I", bzero=32768, array=np.array([[0, 65535]], np.uint16)),
            {"TNULL1": -32768},
            "float",
            [[None, 65535]],
        ),
        (fits.Column("n", "2I", array=np.array([[-99, 4]])), {"TSCAL1": 0.1, "TZERO1": 5.0}, "double", [[None, 5.4]]),
        (fits.Column("n", "PJ()", array=np.array([[1, -99], [], [3]], object)), {}, "double", [[1, None], [], [3]]),
        (fits.Column("n", "2K", array=np.array([[2**53 + 1, 1], [-99, 1]])), {}, "long", [[2**53 + 1, 1], [None, 1]]),
    ],
    ids=["32 bits", "bytes", "unsigned", "scaled", "of variable length", "64 bits"],
)
def test_nulls_in_arrays_of_fits_are_none_of_the_numbers(
    tmp_path: Path, given: fits.Column, cards: dict[str, Any], datatype: str, values: list[Any]
) -> None:
    path = fits_of(tmp_path / "t.fits", given, **({"TNULL1": -99} | cards))
    assert (open_file(path).fields[0].datatype, column(path)) == (datatype, values)


def test_dimensions_of_fits_columns_are_kept(tmp_path: Path) -> None:
    given = fits.Column("n", "6J", dim="(3,2)", array=np.arange(12).reshape(2, 2, 3))
    path = fits_of(tmp_path / "t.fits", given)
    assert (open_file(path).fields[0].arraysize, column(path)) == ("3x2", [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]])


def test_nulls_of_fits_tables_in_ascii_are_null(tmp_path: Path) -> None:
    given = [fits.Column("n", "I5", array=np.array([1, 2])), fits.Column("t", "A3", array=["a", "-"])]
    unit = fits.TableHDU.from_columns(given)
    unit.header.update(TNULL1="2", TNULL2="-")
    unit.writeto(tmp_path / "t.fits")
    (batch,) = open_file(tmp_path / "t.fits").batches
    assert batch.to_pydict() == {"n": [1, None], "t": ["a", None]}


def with_odd_columns(path: Path) -> Path:
    odd: dict[str, Any] = {"a b": [{"x": 1}], "n": [1], "c": [[[1]]]}
    match path.suffix:
        case ".parquet":
            pq.write_table(pa.table(odd), path)
        case ".arrow":
            with pa.ipc.new_file(path, pa.table(odd).schema) as writer:
                writer.write(pa.table(odd))
        case _:
            columns = [fits.Column(name, "J" if name == "n" else "0J", array=np.ones(1)) for name in odd]
            fits.BinTableHDU.from_columns(columns).writeto(path)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "fits"])
def test_columns_without_a_type_in_votable_are_all_named_and_can_be_left_out(tmp_path: Path, suffix: str) -> None:
    path = with_odd_columns(tmp_path / f"t.{suffix}")
    with pytest.raises(UsageError, match=r"'a b' \(.*'c' \(.*--without 'a b' --without c"):
        open_file(path)
    reading = open_file(path, without=("a b", "c"))
    assert [field.name for field in reading.fields] == ["n"]
    assert [batch.to_pydict() for batch in reading.batches] == [{"n": [1]}]


@pytest.mark.parametrize("kind", ["csv", "votable", "sqlite"])
def test_any_column_can_be_left_out(tmp_path: Path, kind: str) -> None:
    path = SOURCES[kind](tmp_path)
    if kind == "sqlite":
        file, _, table = str(path).removeprefix("sqlite:///").partition("#")
        reading = open_sqlite(Path(file), table, ("mag", "dec"))
    else:
        reading = open_file(Path(path), without=("mag", "dec"))
    assert [field.name for field in reading.fields][:3] == ["id", "ra", "name"]
    assert next(iter(reading.batches)).column(1).to_pylist() == RA


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
