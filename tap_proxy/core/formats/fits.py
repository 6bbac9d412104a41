"""FITS binary tables (FITS 4.0 s7.3), in constant memory.

A FITS header says how many rows follow and how wide each column is, which is known only at the end. So rows wait in a
spool as they came, and what the header must say of them is counted meanwhile; then header, rows and heap are written
from it. A query that fails on its way has sent nothing yet, so that its error can still be told properly.

==================================  ===============================================================================
VOTable                             FITS
==================================  ===============================================================================
char, unicodeChar                   ``nA``; ``PA`` in the heap where few long values would make all rows long. FITS
                                    holds printable ASCII: every other character becomes ``?``
boolean, bit                        ``L``
unsignedByte, short, int, long      ``B I J K``; where there are nulls, TNULL is the lowest number, and the column is of
                                    the next wider kind if that number occurs, or cannot be told (``B``)
floating point, complex             ``E D C M``, null is NaN
variable arrays                     ``P`` descriptors into the heap, ``Q`` where the heap exceeds 2 GiB
==================================  ===============================================================================

Units, UCDs, utypes, xtypes and descriptions are kept as TUNIT, TUCD, TUTYP, TXTYP and TCOMM, as STILTS does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from io import IOBase
from typing import Any, ClassVar

import pyarrow as pa
from astropy.io import fits

from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.votable.conform import conform
from penstock.votable.datatypes import TEXT_TYPES, arrow_type
from penstock.votable.model import Field
from tap_proxy.core.formats.fits_columns import Census, Column, ascii_column, ascii_text, block, column_of, tails
from tap_proxy.core.formats.model import Outcome, ResultHead

OpenSpool = Callable[[], IOBase]
"""Opens an empty file that is gone when it is closed."""

_BLOCK = 2880
_MOST_COLUMNS = 999  # FITS 4.0 s7.3.1
_SHORT_HEAP = 2**31


class FitsWriter:
    """Writes a FITS file with one binary table.

    Parameters
    ----------
    head
        The columns, and what should be told beside them.
    open_spool
        Where rows wait.

    Raises
    ------
    UsageError
        The result has more columns than FITS can hold.
    """

    tells_failure: ClassVar[bool] = False

    def __init__(self, head: ResultHead, open_spool: OpenSpool) -> None:
        if len(head.fields) > _MOST_COLUMNS:
            raise UsageError(f"A FITS table has at most {_MOST_COLUMNS} columns; this result has {len(head.fields)}.")
        self._head = head
        self._schema = pa.schema([(str(number), arrow_type(field)) for number, field in enumerate(head.fields)])
        self._censuses = [Census(field) for field in head.fields]
        self._rows = 0
        self._spool = open_spool()
        self._spooler = pa.ipc.new_stream(pa.PythonFile(self._spool, "w"), self._schema)

    def begin(self) -> bytes:
        """Return nothing yet."""
        return b""

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Keep the rows for later.

        Raises
        ------
        ServiceUnavailable
            There is no room for them.
        """
        arrays = [_plain(array, field) for array, field in zip(batch.columns, self._head.fields, strict=True)]
        for array, census in zip(arrays, self._censuses, strict=True):
            census.count(array)
        self._rows += batch.num_rows
        try:
            self._spooler.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        except OSError as error:
            raise ServiceUnavailable("There is no room to put the FITS file together; try again later.") from error
        return b""

    def end(self, outcome: Outcome) -> Iterator[bytes]:
        """Yield the file: headers, rows, heap."""
        self._spooler.close()
        heap_bytes = sum(census.heap_bytes for census in self._censuses)
        long_heap = heap_bytes >= _SHORT_HEAP
        columns = [column_of(census, rows=self._rows, long_heap=long_heap) for census in self._censuses]
        heap_bytes = sum(column.heap_bytes for column in columns)
        width = sum(column.width for column in columns)
        with self._spool:
            yield _primary() + self._header(columns, width, heap_bytes, outcome)
            yield from self._table(columns)
            yield from self._heap(columns)
            yield b"\0" * (-(width * self._rows + heap_bytes) % _BLOCK)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        self._spool.seek(0)
        with pa.ipc.open_stream(pa.PythonFile(self._spool, "r")) as reader:
            yield from reader

    def _table(self, columns: list[Column]) -> Iterator[bytes]:
        used = 0
        for batch in self._batches():
            data, used = block(batch, columns, heap_offset=used)
            yield data

    def _heap(self, columns: list[Column]) -> Iterator[bytes]:
        if any(column.in_heap for column in columns):
            for batch in self._batches():
                yield tails(batch, columns)

    def _header(self, columns: list[Column], width: int, heap_bytes: int, outcome: Outcome) -> bytes:
        header = fits.Header(
            [
                ("XTENSION", "BINTABLE", "binary table extension"),
                ("BITPIX", 8, "array data type"),
                ("NAXIS", 2, "number of array dimensions"),
                ("NAXIS1", width, "bytes in a row"),
                ("NAXIS2", self._rows, "number of rows"),
                ("PCOUNT", heap_bytes, "bytes in the heap"),
                ("GCOUNT", 1, "number of groups"),
                ("TFIELDS", len(columns), "number of columns"),
            ]
        )
        for number, column in enumerate(columns, 1):
            header.extend(_cards(number, column), end=True)
        header["QSTATUS"] = (outcome.status.value, "OVERFLOW where rows are missing")
        if outcome.message:
            header["QMESSAGE"] = ascii_text(outcome.message)
        for name, value in self._head.infos:
            header.add_history(ascii_text(f"{name}: {value}"))
        return _as_bytes(header)


def _plain(array: pa.Array[Any], field: Field) -> pa.Array[Any]:
    column = conform(array, field)
    return ascii_column(column) if field.datatype in TEXT_TYPES else column


def _primary() -> bytes:
    return _as_bytes(fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)]))


def _as_bytes(header: fits.Header) -> bytes:
    text: str = header.tostring(sep="", endcard=True, padding=True)
    return text.encode("ascii")


def _cards(number: int, column: Column) -> Iterable[tuple[str, Any]]:
    field = column.field
    said = {
        "TTYPE": field.name,
        "TFORM": column.tform,
        "TNULL": column.null,
        "TUNIT": field.unit,
        "TUCD": field.ucd,
        "TUTYP": field.utype,
        "TXTYP": field.xtype,
        "TCOMM": field.description,
    }
    for keyword, value in said.items():
        if value is not None:
            yield f"{keyword}{number}", ascii_text(value) if isinstance(value, str) else value
