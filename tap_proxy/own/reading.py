"""The tables in files: FITS, VOTable, Parquet, Arrow and CSV, batch by batch, in constant memory.

Units, UCDs and descriptions come along where the format has a place for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A column that VOTable has no type for; `kind` is what its source calls the type."""

    name: str
    kind: str


def kept(names: Sequence[str], without: Collection[str]) -> list[int]:
    """Return the places of the columns that are not left out.

    Raises
    ------
    UsageError
        A column that shall be left out is not there.
    """
    unknown = sorted(set(without).difference(names))
    if unknown:
        raise UsageError(f"there is no column {unknown[0]!r} to leave out; columns: {', '.join(names[:20])}.")
    return [number for number, name in enumerate(names) if name not in without]


def fitting(columns: Iterable[Field | Unfit]) -> tuple[Field, ...]:
    """Return the columns, all of which can be published.

    Raises
    ------
    UsageError
        Some cannot; the message names them all, and how to do without them.
    """
    known = tuple(columns)
    unfit = [column for column in known if isinstance(column, Unfit)]
    if unfit:
        held = ", ".join(f"{column.name!r} ({column.kind})" for column in unfit)
        options = " ".join(f"--without {quote(column.name)}" for column in unfit)
        raise UsageError(f"VOTable has no type for what these columns hold: {held}. Leave them out with {options}.")
    return tuple(column for column in known if not isinstance(column, Unfit))


def open_file(path: Path, *, hdu: str | None = None, without: Collection[str] = ()) -> Reading:
    """Open the table in a file, whose format is told by how it begins, else by its name.

    Parameters
    ----------
    path
        The file.
    hdu
        Name or number of the extension, if the first table of a FITS file is not the one that is wanted.
    without
        Names of columns to leave out.

    Raises
    ------
    UsageError
        It holds no table that can be read, or columns that cannot be published.
    OSError
        It cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(_SNIFFED_BYTES)
    if head.startswith(b"SIMPLE  "):
        from tap_proxy.own.fits_reading import open_fits  # astropy takes a while to import

        return open_fits(path, hdu, without)
    if head.startswith(_COMPRESSED):
        raise UsageError(f"{path.name} is compressed; uncompress it first, with gunzip for example.")
    try:
        if head.startswith(b"PAR1"):
            return _open_parquet(path, without)
        if head.startswith(b"ARROW1"):
            return _open_arrow(path, without)
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            return _chosen(_open_votable(path), without)
        return _chosen(_open_csv(path), without)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except pa.ArrowException as error:
        raise _wrong(path, error) from error


def _not_utf8(path: Path) -> UsageError:
    return UsageError(f"{path.name} is not UTF-8; convert it first, with iconv -f latin1 -t utf-8 for example.")


def _wrong(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path.name} cannot be read: {error}.")


def _chosen(reading: Reading, without: Collection[str]) -> Reading:
    places = kept([field.name for field in reading.fields], without)
    return replace(
        reading,
        fields=tuple(reading.fields[place] for place in places),
        batches=(batch.select(places) for batch in reading.batches),
    )


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


def _open_parquet(path: Path, without: Collection[str]) -> Reading:
    file = pq.ParquetFile(path, pre_buffer=False, buffer_size=_PARQUET_BUFFER_BYTES)  # else all that was read is kept
    known = file.schema_arrow
    columns = [known.field(place) for place in kept(known.names, without)]
    batches = file.iter_batches(batch_size=BATCH_ROWS, columns=[column.name for column in columns])
    return _of_arrow(path, columns, batches, file.metadata.num_rows)


def _open_arrow(path: Path, without: Collection[str]) -> Reading:
    file = pa.ipc.open_file(pa.memory_map(str(path)))
    places = kept(file.schema.names, without)
    batches = (file.get_batch(number).select(places) for number in range(file.num_record_batches))
    rows = sum(file.get_batch(number).num_rows for number in range(file.num_record_batches))
    return _of_arrow(path, [file.schema.field(place) for place in places], batches, rows)


def _of_arrow(path: Path, columns: Iterable[pa.Field[Any]], batches: Iterator[pa.RecordBatch], rows: int) -> Reading:
    """Read columns of Arrow; what our own writers keep of VOTable in the metadata of fields is found there."""
    fields = fitting(map(_field, columns))
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


def _field(found: pa.Field[Any]) -> Field | Unfit:
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
        return Unfit(name=found.name, kind=str(kind))
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
    fields = fitting(map(_field, reader.schema))

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
