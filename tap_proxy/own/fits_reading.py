"""The tables of FITS files, by astropy, some rows at a time from a memory map.

VOTable has no null inside an array, but NaN. So arrays of integers whose column declares a null (TNULL) become arrays
of real numbers that hold each of them exactly; there are none for 64 bits, of which an array with a null is null.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from penstock.dali.errors import UsageError
from penstock.votable.datatypes import PRIMITIVES, arrow_type
from penstock.votable.model import Datatype, Field
from tap_proxy.own.reading import BATCH_ROWS, Reading, Unfit, fitting, kept

_FORMAT = re.compile(r"\s*(?P<repeat>\d*)(?P<code>[LXBIJKAEDCMPQ])(?P<rest>.*)", re.DOTALL)
_CODES: dict[str, Datatype] = {
    "L": "boolean",
    "B": "unsignedByte",
    "I": "short",
    "J": "int",
    "K": "long",
    "E": "float",
    "D": "double",
    "C": "floatComplex",
    "M": "doubleComplex",
    "X": "boolean",
}
_REAL: dict[Datatype, Datatype] = {"unsignedByte": "float", "short": "float", "int": "double"}
_UNSIGNED_LONG = 1 << 63  # TZERO of unsigned 64-bit integers (FITS 4.0 s7.3.2); identifiers, most often, which fit


def open_fits(path: Path, hdu: str | None, without: Collection[str]) -> Reading:
    """Open a table of a FITS file (see `tap_proxy.own.reading.open_file`)."""
    warnings.simplefilter("ignore", AstropyWarning)
    try:
        units = fits.open(path, memmap=True, lazy_load_hdus=True)
        unit = _unit(path, units, hdu)
        columns = kept(unit.columns.names, without)
        fields = fitting(_field(unit, number) for number in columns)
        rows = len(unit.data)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        raise UsageError(f"{path.name} cannot be read as FITS: {error}.") from error
    seen = [0]
    title = str(unit.header.get("OBJECT", "") or unit.name or "")
    units.close()

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, rows, BATCH_ROWS):
            # Opened anew for each batch: what was read of a mapped file stays in memory until it is closed.
            try:
                with fits.open(path, memmap=True, lazy_load_hdus=True) as units:
                    data = _unit(path, units, hdu).data[start : start + BATCH_ROWS]
                    batch = _batch(path, data, dict(zip(columns, fields, strict=True)))
            except OSError as error:
                raise UsageError(f"{path.name} cannot be read any more: {error}.") from error
            seen[0] = min(start + BATCH_ROWS, rows)
            yield batch

    return Reading(fields=fields, batches=batches(), done=lambda: seen[0] / max(rows, 1), description=title or None)


def _unit(path: Path, units: fits.HDUList, wanted: str | None) -> fits.BinTableHDU:
    if wanted is not None:
        unit = units[int(wanted) if wanted.isdigit() else wanted]
        if not isinstance(unit, fits.BinTableHDU | fits.TableHDU):
            raise UsageError(f"the extension {wanted} of {path.name} is no table.")
        return unit
    for unit in units:
        if isinstance(unit, fits.BinTableHDU | fits.TableHDU) and not isinstance(unit, fits.CompImageHDU):
            return unit
    raise UsageError(f"{path.name} is FITS without a table.")


def _field(unit: Any, number: int) -> Field | Unfit:
    column, header = unit.columns[number], unit.header
    found = _type(unit, column, number)
    if found is None:
        return Unfit(name=column.name, kind=str(column.format))
    datatype, arraysize = found
    told = {"ucd": f"TUCD{number + 1}", "description": f"TCOMM{number + 1}", "utype": f"TUTYP{number + 1}"}
    known = {name: str(header[key]).strip() for name, key in told.items() if header.get(key)}
    return Field(name=column.name, datatype=datatype, arraysize=arraysize, unit=column.unit or None, **known)


def _type(unit: Any, column: Any, number: int) -> tuple[Datatype, str | None] | None:
    """Return the datatype and arraysize of a column, None if VOTable has none: arrays of no element (``0J``)."""
    if isinstance(unit, fits.TableHDU):
        kind = unit.data.field(number).dtype
        return ("unicodeChar", "*") if kind.kind in "SU" else (("long", None) if kind.kind == "i" else ("double", None))
    match = _FORMAT.fullmatch(str(column.format))
    if match is None:
        return None
    code, repeat, variable = match["code"], int(match["repeat"] or 1), match["code"] in "PQ"
    if variable:
        code = match["rest"][:1]
    if code == "A":
        return "unicodeChar", "*"
    if repeat == 0 or code not in _CODES:
        return None
    single = repeat == 1 and not variable and code != "X"
    datatype = _scaled(column, _CODES[code])
    if not single and column.null not in (None, "") and datatype != "double":
        datatype = _REAL.get(_CODES[code], datatype)
    return datatype, None if single else "*" if variable else _shape(column, repeat)


def _shape(column: Any, repeat: int) -> str:
    """Return the arraysize of a column: its TDIM, which counts dimensions as VOTable does (FITS 4.0 s7.3.2)."""
    sizes = [int(size) for size in re.findall(r"[0-9]+", str(column.dim or ""))]
    return "x".join(map(str, sizes)) if math.prod(sizes) == repeat and 0 not in sizes and sizes else str(repeat)


def _scaled(column: Any, stored: Datatype) -> Datatype:
    """Return what a scaled column holds: unsigned integers by their offset, else real numbers."""
    scale, zero = column.bscale, column.bzero
    if scale in (None, "", 1) and zero in (None, "", 0):
        return stored
    if scale not in (None, "", 1) or zero % 1:
        return "double"
    if stored == "long":
        return "long" if zero == _UNSIGNED_LONG else "double"
    wider: dict[Datatype, Datatype] = {"unsignedByte": "short", "short": "int", "int": "long"}
    return wider.get(stored, stored)


def _batch(path: Path, rows: Any, fields: Mapping[int, Field]) -> pa.RecordBatch:
    """Return rows; `fields` are by the places of their columns."""
    arrays = []
    for number, field in fields.items():
        try:
            values = rows.field(number)
            arrays.append(_array(values, field, _nulls(rows, number, values)))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise UsageError(f"{path.name}: the column {field.name!r} cannot be read: {error}.") from error
    return pa.RecordBatch.from_arrays(arrays, names=[field.name for field in fields.values()])


def _nulls(rows: Any, number: int, values: Any) -> Any:
    """Return row by row where a column is null; None if it declares no null.

    TNULL is among the stored numbers, before scaling (FITS 4.0 s7.3.2), or the text that is stored (FITS 4.0 s7.2.2).
    """
    column, stored = rows.columns[number], np.recarray.field(rows, number)
    if column.null in (None, ""):
        return None
    if _varies(values):
        null = column.null * (column.bscale or 1) + (column.bzero or 0)  # as its values, which are scaled already
        return [np.asarray(one) == null for one in values]
    if stored.dtype.kind == "S":
        return np.char.strip(stored) == str(column.null).strip().encode()
    return stored == column.null


def _array(values: Any, field: Field, nulls: Any) -> pa.Array[Any]:
    if field.datatype == "unicodeChar":
        texts = map(_joined if _varies(values) else _text, values)
        return pa.array([text or None for text in texts], pa.string(), mask=nulls)
    kind: Any = arrow_type(field)
    if field.arraysize is not None or PRIMITIVES[field.datatype].parts > 1:
        return _lists(values, kind, nulls)
    native = np.ascontiguousarray(values).ravel().astype(values.dtype.newbyteorder("="), copy=False)
    array: pa.Array[Any] = pa.array(native, mask=None if nulls is None else np.ravel(nulls)).cast(kind)
    return array


def _lists(values: Any, kind: Any, nulls: Any) -> pa.Array[Any]:
    lists = [_numbers(one, kind.value_type) for one in values]
    if nulls is not None:
        lists = [
            [None if null else value for value, null in zip(one, np.ravel(where), strict=True)]
            for one, where in zip(lists, nulls, strict=True)
        ]
    array: pa.Array[Any] = pa.array(lists, kind)
    return array


def _varies(values: Any) -> bool:
    """Tell whether a column has arrays of variable length (FITS 4.0 s7.3.5), each an array of its own."""
    return bool(values.dtype == object)


def _text(value: Any) -> str:
    """Return a text; of an array of texts, one after the other with a blank between."""
    texts = value.ravel().tolist() if isinstance(value, np.ndarray) else [value]
    return " ".join(str(text).rstrip(" \0") for text in texts)


def _joined(letters: Any) -> str:
    return "".join(np.asarray(letters).ravel().tolist()).rstrip(" \0")


def _numbers(value: Any, kind: pa.DataType) -> list[Any]:
    flat = np.asarray(value).ravel()
    if np.iscomplexobj(flat):
        flat = flat.view(flat.real.dtype)
    numbers: list[Any] = flat.astype(bool).tolist() if kind == pa.bool_() else flat.tolist()
    return numbers
