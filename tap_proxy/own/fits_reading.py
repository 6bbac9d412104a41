"""The tables of FITS files, by astropy, some rows at a time from a memory map."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from penstock.dali.errors import UsageError
from penstock.votable.datatypes import PRIMITIVES, arrow_type
from penstock.votable.model import Datatype, Field
from tap_proxy.own.reading import BATCH_ROWS, Reading

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
_UNSIGNED_LONG = 1 << 63  # TZERO of unsigned 64-bit integers (FITS 4.0 s7.3.2); identifiers, most often, which fit


def open_fits(path: Path, hdu: str | None) -> Reading:
    """Open a table of a FITS file (see `tap_proxy.own.reading.open_file`)."""
    warnings.simplefilter("ignore", AstropyWarning)
    try:
        units = fits.open(path, memmap=True, lazy_load_hdus=True)
        unit = _unit(path, units, hdu)
        fields = tuple(_field(unit, number) for number in range(len(unit.columns)))
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
                    batch = _batch(path, _unit(path, units, hdu).data[start : start + BATCH_ROWS], fields)
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


def _field(unit: Any, number: int) -> Field:
    column, header = unit.columns[number], unit.header
    datatype, arraysize = _type(unit, column, number)
    told = {"ucd": f"TUCD{number + 1}", "description": f"TCOMM{number + 1}", "utype": f"TUTYP{number + 1}"}
    known = {name: str(header[key]).strip() for name, key in told.items() if header.get(key)}
    return Field(name=column.name, datatype=datatype, arraysize=arraysize, unit=column.unit or None, **known)


def _type(unit: Any, column: Any, number: int) -> tuple[Datatype, str | None]:
    if isinstance(unit, fits.TableHDU):
        kind = unit.data.field(number).dtype
        return ("unicodeChar", "*") if kind.kind in "SU" else (("long", None) if kind.kind == "i" else ("double", None))
    match = _FORMAT.fullmatch(str(column.format))
    if match is None:
        raise UsageError(f"the column {column.name!r} has the format {column.format!r}, which FITS does not have.")
    code, repeat = match["code"], int(match["repeat"] or 1)
    if code == "A":
        return "unicodeChar", "*"
    if code in "PQ":
        return _CODES.get(match["rest"][:1], "double"), "*"
    datatype = _scaled(column, _CODES[code])
    return datatype, None if repeat == 1 and code != "X" else str(repeat)


def _scaled(column: Any, stored: Datatype) -> Datatype:
    """Return what a scaled column holds: unsigned integers by their offset, else real numbers."""
    scale, zero = column.bscale, column.bzero
    if scale in (None, "", 1) and zero in (None, "", 0):
        return stored
    if scale not in (None, "", 1):
        return "double"
    if stored == "long":
        return "long" if zero == _UNSIGNED_LONG else "double"
    wider: dict[Datatype, Datatype] = {"unsignedByte": "short", "short": "int", "int": "long"}
    return wider.get(stored, stored)


def _batch(path: Path, rows: Any, fields: tuple[Field, ...]) -> pa.RecordBatch:
    arrays = []
    for number, field in enumerate(fields):
        try:
            arrays.append(_array(rows.field(number), field, _nulls(rows, number)))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise UsageError(f"{path.name}: the column {field.name!r} cannot be read: {error}.") from error
    return pa.RecordBatch.from_arrays(arrays, names=[field.name for field in fields])


def _nulls(rows: Any, number: int) -> Any:
    """Return where a column is null, or None: TNULL is among the stored numbers, before scaling (FITS 4.0 s7.3.2)."""
    stored, null = np.recarray.field(rows, number), rows.columns[number].null
    return (stored == null).ravel() if null not in (None, "") and stored.dtype.kind in "iu" else None


def _array(values: Any, field: Field, nulls: Any) -> pa.Array[Any]:
    if field.datatype == "unicodeChar":
        return pa.array([_text(one) or None for one in values], pa.string())
    kind: Any = arrow_type(field)
    if field.arraysize is not None or PRIMITIVES[field.datatype].parts > 1:
        many: pa.Array[Any] = pa.array([_numbers(one, kind.value_type) for one in values], kind)
        return many
    native = np.ascontiguousarray(values).ravel().astype(values.dtype.newbyteorder("="), copy=False)
    array: pa.Array[Any] = pa.array(native, mask=nulls).cast(kind)
    return array


def _text(value: Any) -> str:
    """Return a text; of an array of texts, one after the other with a blank between."""
    texts = value.ravel().tolist() if isinstance(value, np.ndarray) else [value]
    return " ".join(str(text).rstrip(" \0") for text in texts)


def _numbers(value: Any, kind: pa.DataType) -> list[Any]:
    flat = np.asarray(value).ravel()
    if np.iscomplexobj(flat):
        flat = flat.view(flat.real.dtype)
    numbers: list[Any] = flat.astype(bool).tolist() if kind == pa.bool_() else flat.tolist()
    return numbers
