"""FITS results, read back by astropy."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.votable.document import QueryStatus
from penstock.votable.model import Field
from penstock.votable.rows import batch_from_rows
from tap_proxy.core.formats.fits import FitsWriter
from tap_proxy.core.formats.model import Outcome, ResultHead

OK = Outcome(status=QueryStatus.OK)


def written(fields: tuple[Field, ...], rows: list[tuple[Any, ...]], outcome: Outcome = OK, **infos: str) -> bytes:
    writer = FitsWriter(ResultHead(fields=fields, infos=tuple(infos.items())), TemporaryFile)
    assert writer.begin() == b""
    for row in rows:
        assert writer.rows(batch_from_rows(fields, [row])) == b""
    return b"".join(writer.end(outcome))


def opened(data: bytes) -> fits.BinTableHDU:
    assert len(data) % 2880 == 0
    hdus = fits.open(io.BytesIO(data))
    hdus.verify("exception")
    return hdus[1]


def column(field: Field, values: list[Any]) -> tuple[fits.BinTableHDU, Any]:
    hdu = opened(written((field,), [(value,) for value in values]))
    return hdu, Table.read(hdu)[field.name]


@pytest.mark.parametrize(
    ("datatype", "values", "tform"),
    [
        ("boolean", [True, False], "L"),
        ("bit", [True, False], "L"),
        ("unsignedByte", [0, 255], "B"),
        ("short", [-(2**15), 2**15 - 1], "I"),
        ("int", [-(2**31), 2**31 - 1], "J"),
        ("long", [-(2**63), 2**63 - 1], "K"),
        ("float", [1.5, -0.25], "E"),
        ("double", [1e300, -0.1], "D"),
    ],
)
def test_scalars_come_back(datatype: Any, values: list[Any], tform: str) -> None:
    hdu, read = column(Field(name="c", datatype=datatype), values)
    assert hdu.header["TFORM1"] == tform
    assert "TNULL1" not in hdu.header
    assert list(read) == values


@pytest.mark.parametrize(
    ("datatype", "values", "tform"),
    [
        ("unsignedByte", [255, None, 0], "I"),
        ("short", [5, None, -3], "I"),
        ("short", [-(2**15), None], "J"),
        ("int", [-(2**31), None], "K"),
        ("long", [2**63 - 1, None], "K"),
    ],
)
def test_a_null_is_told_from_every_number(datatype: Any, values: list[Any], tform: str) -> None:
    hdu, read = column(Field(name="c", datatype=datatype), values)
    assert hdu.header["TFORM1"] == tform
    assert [None if value is np.ma.masked else int(value) for value in read] == values


def test_other_nulls_are_nan_or_empty() -> None:
    fields = (
        Field(name="x", datatype="double"),
        Field(name="t", datatype="char", arraysize="*"),
        Field(name="b", datatype="boolean"),
        Field(name="p", datatype="double", arraysize="2"),
    )
    hdu = opened(written(fields, [(1.0, "a", True, [1.0, 2.0]), (None, None, None, None)]))
    assert np.isnan(hdu.data["x"][1])
    assert hdu.data["t"][1] == ""
    assert hdu.data.field("b").tolist() == [True, False]
    assert hdu.data.tobytes()[-17:-16] == b"\0"  # neither T nor F
    assert np.isnan(hdu.data["p"][1]).all()


def test_arrays_of_changing_length_are_in_the_heap() -> None:
    fields = (
        Field(name="n", datatype="int"),
        Field(name="a", datatype="double", arraysize="*"),
        Field(name="b", datatype="short", arraysize="*"),
        Field(name="z", datatype="doubleComplex", arraysize="*"),
    )
    rows = [
        (1, [1.0, 2.0, 3.0], [7], [1.0, 2.0]),
        (2, [], None, []),
        (3, [4.5], [8, 9], [1.0, 2.0, 3.0, 4.0]),
    ]
    hdu = opened(written(fields, rows))
    assert [list(cell) for cell in hdu.data["a"]] == [[1.0, 2.0, 3.0], [], [4.5]]
    assert [list(cell) for cell in hdu.data["b"]] == [[7], [], [8, 9]]
    assert [list(cell) for cell in hdu.data["z"]] == [[1 + 2j], [], [1 + 2j, 3 + 4j]]


def test_one_long_text_does_not_make_all_rows_long() -> None:
    field = Field(name="t", datatype="char", arraysize="*")
    hdu = opened(written((field,), [("x" * 5_000,), *(("short",) for _ in range(500))]))
    assert hdu.header["NAXIS1"] == 8
    assert ["".join(cell) for cell in hdu.data["t"][:2]] == ["x" * 5_000, "short"]


def test_text_that_makes_rows_a_little_longer_is_text_to_astropy() -> None:
    _, read = column(Field(name="t", datatype="char", arraysize="*"), ["x" * 400, *["short"] * 20])
    assert list(read[:2]) == ["x" * 400, "short"]


def test_text_is_printable_ascii() -> None:
    _, read = column(Field(name="t", datatype="unicodeChar", arraysize="*"), ["Käse\n1", "plain"])
    assert list(read) == ["K?se?1", "plain"]


def test_what_is_known_of_columns_and_the_query_is_in_the_header() -> None:
    field = Field(
        name="ra",
        datatype="double",
        unit="deg",
        ucd="pos.eq.ra",
        utype="a:b",
        xtype="point",
        description="Right ascension,\nlong " + "x" * 100,
    )
    outcome = Outcome(status=QueryStatus.OVERFLOW, message="cut")
    header = opened(written((field,), [(1.0,)], outcome, QUERY="SELECT 'ü'\n" + "y" * 200)).header
    said = [header[keyword] for keyword in ("TUNIT1", "TUCD1", "TUTYP1", "TXTYP1")]
    assert said == ["deg", "pos.eq.ra", "a:b", "point"]
    assert header["TCOMM1"] == "Right ascension, long " + "x" * 100
    assert (header["QSTATUS"], header["QMESSAGE"]) == ("OVERFLOW", "cut")
    assert "SELECT '?' yyy" in "".join(header["HISTORY"])


def test_no_rows_are_a_table_too() -> None:
    fields = (Field(name="a", datatype="int"), Field(name="t", datatype="char", arraysize="*"))
    assert len(opened(written(fields, [])).data) == 0


@given(
    st.lists(st.tuples(st.none() | st.integers(-(2**31), 2**31 - 1), st.none() | st.text(max_size=200)), max_size=30)
)
def test_any_rows_make_a_file_that_reads_back(rows: list[tuple[Any, ...]]) -> None:
    fields = (Field(name="n", datatype="int"), Field(name="t", datatype="unicodeChar", arraysize="*"))
    read = Table.read(opened(written(fields, rows))) if rows else []
    numbers = [None if row["n"] is np.ma.masked else int(row["n"]) for row in read]
    assert numbers == [number for number, _ in rows]


def test_too_many_columns_are_refused() -> None:
    fields = tuple(Field(name=f"c{n}", datatype="int") for n in range(1000))
    with pytest.raises(UsageError, match="999"):
        FitsWriter(ResultHead(fields=fields), TemporaryFile)


def test_a_full_disk_is_told() -> None:
    def full() -> Any:
        return Path("/dev/full").open("wb", buffering=0)

    field = Field(name="n", datatype="int")
    with pytest.raises(ServiceUnavailable, match="no room"):
        FitsWriter(ResultHead(fields=(field,)), full).rows(batch_from_rows((field,), [(1,)]))
