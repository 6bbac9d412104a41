"""The tables in files: FITS, VOTable, Parquet, Arrow and CSV, batch by batch, in constant memory.

Units, UCDs and descriptions come along where the format has a place for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from penstock.dali.errors import UsageError
from penstock.votable.conform import timestamps_as_text
from penstock.votable.datatypes import TEXT_TYPES
from penstock.votable.model import Datatype, Field
from penstock.votable.reader import UploadLimits, read

BATCH_ROWS = 50_000
_SNIFFED_BYTES = 8
_CSV_BLOCK_BYTES = 8 << 20
_PARQUET_BUFFER_BYTES = 1 << 20
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")
_UNBOUNDED = UploadLimits(max_bytes=1 << 62, max_rows=1 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A table that is being read; `done` tells how far, from 0 to 1.

    Iterating over `batches` raises `UsageError` where the file turns out to be wrong.
    """

    fields: tuple[Field, ...]
    batches: Iterator[pa.RecordBatch]
    done: Callable[[], float]
    description: str | None = None


def open_file(path: Path, *, hdu: str | None = None) -> Reading:
    """Open the table in a file, whose format is told by how it begins, else by its name.

    Parameters
    ----------
    path
        The file.
    hdu
        Name or number of the extension, if the first table of a FITS file is not the one that is wanted.

    Raises
    ------
    UsageError
        It holds no table that can be read.
    OSError
        It cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    if head.startswith(b"SIMPLE  "):
        from tap_proxy.own.fits_reading import open_fits  # astropy takes a while to import

        return open_fits(path, hdu)
    if head.startswith(_COMPRESSED):
        raise UsageError(f"{path.name} is compressed; uncompress it first, with gunzip for example.")
    try:
        if head.startswith(b"PAR1"):
            return _open_parquet(path)
        if head.startswith(b"ARROW1"):
            return _open_arrow(path)
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            return _open_votable(path)
        return _open_csv(path)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except pa.ArrowException as error:
        raise _wrong(path, error) from error


def _not_utf8(path: Path) -> UsageError:
    return UsageError(f"{path.name} is not UTF-8; convert it first, with iconv -f latin1 -t utf-8 for example.")


def _wrong(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path.name} cannot be read: {error}.")


def _open_votable(path: Path) -> Reading:
    file, size = path.open("rb"), max(path.stat().st_size, 1)
    table = read(file, _UNBOUNDED)
    # Texts of any length: writers who count characters, where arraysize counts bytes or 16-bit units, exist.
    fields = tuple(replace(field, arraysize="*") if field.datatype in TEXT_TYPES else field for field in table.fields)
    return Reading(fields=fields, batches=_closing(table.batches, file), done=lambda: _position(file, size))


def _position(file: IO[bytes], size: int) -> float:
    return 1.0 if file.closed else file.tell() / size


def _closing(batches: Iterator[pa.RecordBatch], file: IO[bytes]) -> Iterator[pa.RecordBatch]:
    with file:
        yield from batches


def _open_parquet(path: Path) -> Reading:
    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_PARQUET_BUFFER_BYTES)  # else all that was read is kept
    return _of_arrow(path, file.schema_arrow, file.iter_batches(batch_size=BATCH_ROWS), file.metadata.num_rows)


def _open_arrow(path: Path) -> Reading:
    file = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = (file.get_batch(number) for number in range(file.num_record_batches))
    rows = sum(file.get_batch(number).num_rows for number in range(file.num_record_batches))
    return _of_arrow(path, file.schema, batches, rows)


def _of_arrow(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch], rows: int) -> Reading:
    """Read columns of Arrow; what our own writers keep of VOTable in the metadata of fields is found there."""
    fields = tuple(_field(path, one) for one in schema)
    seen = [0]

    def counted() -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                seen[0] += batch.num_rows
                yield pa.RecordBatch.from_arrays(
                    [_plain(array) for array in batch.columns], names=[field.name for field in fields]
                )
        except pa.ArrowException as error:
            raise _wrong(path, error) from error

    return Reading(fields=fields, batches=counted(), done=lambda: seen[0] / max(rows, 1))


_DATATYPES: tuple[tuple[Callable[[pa.DataType], bool], Datatype], ...] = (
    (pa.types.is_boolean, "boolean"),
    (pa.types.is_uint8, "unsignedByte"),
    (lambda kind: kind in (pa.int8(), pa.int16()), "short"),
    (lambda kind: kind in (pa.uint16(), pa.int32()), "int"),
    (pa.types.is_integer, "long"),
    (lambda kind: kind in (pa.float16(), pa.float32()), "float"),
    (pa.types.is_floating, "double"),
    (pa.types.is_decimal, "double"),
)


def _field(path: Path, found: pa.Field[Any]) -> Field:
    told = {key.decode(): value.decode(errors="replace") for key, value in (found.metadata or {}).items()}
    known = {name: told[name] for name in ("xtype", "unit", "ucd", "utype", "description") if told.get(name)}
    kind = found.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        known["xtype"] = "timestamp"
    if _is_time(kind):
        return Field(name=found.name, datatype="char", arraysize="*", **known)
    if _is_text(kind):
        return Field(name=found.name, datatype="unicodeChar", arraysize="*", **known)
    many = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    of = kind.value_type if many else kind
    datatype = next((name for fits, name in _DATATYPES if fits(of)), None)
    if datatype is None:
        raise UsageError(f"{path.name}: the column {found.name!r} holds {kind}, which VOTable has no type for.")
    return Field(name=found.name, datatype=datatype, arraysize="*" if many else None, **known)


def _is_time(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)


def _plain(array: pa.Array[Any]) -> pa.Array[Any]:
    """Return a column in the type that carries its field (`penstock.votable.datatypes`)."""
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    kind = array.type
    if pa.types.is_timestamp(kind):
        return timestamps_as_text(array)
    if _is_text(kind) or _is_time(kind):
        return array.cast(pa.string())
    if pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind):
        return array.cast(pa.list_(kind.value_type))
    return array


def _open_csv(path: Path) -> Reading:
    convert = _csv_types(path)
    size = max(path.stat().st_size, 1)
    file = path.open("rb")
    reader = _csv_reader(file, convert)
    fields = tuple(_field(path, one) for one in reader.schema)

    def batches() -> Iterator[pa.RecordBatch]:
        with file:
            try:
                for batch in reader:
                    yield pa.RecordBatch.from_arrays(
                        [_plain(array) for array in batch.columns], names=[field.name for field in fields]
                    )
            except pa.ArrowException as error:
                raise _wrong(path, error) from error

    return Reading(fields=fields, batches=batches(), done=lambda: _position(file, size))


def _csv_reader(file: IO[bytes], types: dict[str, pa.DataType]) -> pacsv.CSVStreamingReader:
    names = file.readline()
    file.seek(0)
    return pacsv.open_csv(
        file,
        read_options=pacsv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        parse_options=pacsv.ParseOptions(delimiter=next((one for one in ",\t;" if one.encode() in names), ",")),
        convert_options=pacsv.ConvertOptions(
            column_types=types, null_values=["", "null", "NULL"], strings_can_be_null=True
        ),
    )


def _csv_types(path: Path) -> dict[str, pa.DataType]:
    """Return the types that hold for the whole file: what the first block suggests may not hold for the last.

    The file is read once more for each column that must be widened, which is quick: no row leaves the reader.
    """
    types: dict[str, pa.DataType] = {}
    while True:
        with path.open("rb") as file:
            reader = _csv_reader(file, types)
            known = {one.name: one.type for one in reader.schema}
            if any(pa.types.is_binary(kind) for kind in known.values()):
                raise _not_utf8(path)
            try:
                for _ in reader:
                    pass
                return known
            except pa.ArrowInvalid as error:
                name = _named_column(str(error), list(known))
                if name is None or known[name] == pa.string():
                    raise
                wider = pa.float64() if pa.types.is_integer(known[name]) else pa.string()
                types |= known | {name: wider}


def _named_column(message: str, names: list[str]) -> str | None:
    """Return the column of which the reader complains: ``In CSV column #3: ...``."""
    _, mark, rest = message.partition("CSV column #")
    number = rest.partition(":")[0]
    return names[int(number)] if mark and number.isdigit() and int(number) < len(names) else None
