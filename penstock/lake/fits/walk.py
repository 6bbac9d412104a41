"""The structure of a FITS file, read from a stream of bytes in one pass (FITS 4.0 s3).

A file is a row of header-data units. A header is 2880-byte blocks of 80-byte cards up to the card END; the data after
it take as many blocks as the header says. `Walker` is fed bytes, keeps the headers and passes over the data: so a scan
reads a file once, whatever else it does with the bytes, and knows at the end whether it is whole.

gzip is undone on the way. What comes after the last unit (special records, padding) is ignored; padding that is missing
at the very end is forgiven, missing data are not.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass

BLOCK = 2880
CARD = 80
MAX_HEADER_BYTES = 32 * 2**20
MAX_UNITS = 20_000
PIECE = 2**20
MAX_EXPANSION = 500  # times; zlib reaches 1030 for zeros
_OTHER_COMPRESSIONS = {b"BZh": "bzip2", b"\x1f\x9d": "compress", b"\xfd7z": "xz", b"\x28\xb5\x2f": "Zstandard"}
_VALUE = re.compile(rb"([A-Z0-9_-]{1,8}) *= +([^/' ]+) *(?:/.*)?")
_FIRST = b"SIMPLE  ="
_GZIP = b"\x1f\x8b"
_END = b"END".ljust(CARD)


class UnreadableFile(Exception):
    """A file is not FITS, or is cut short; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A header-data unit: the bytes of its header up to END, and the size of its data."""

    header: bytes
    data_bytes: int


class Walker:
    """Takes the bytes of a file in pieces and gives its units at the end.

    Parameters
    ----------
    suspicious_bytes
        How much a compressed file may expand to before its rate of compression is looked at.
    """

    def __init__(self, *, suspicious_bytes: int = 2**30) -> None:
        self._suspicious_bytes = suspicious_bytes
        self._units: list[Unit] = []
        self._buffer = bytearray()
        self._skip = 0
        self._ended = False  # what follows is no unit
        self._gzip: zlib._Decompress | None = None
        self._begun = False
        self._read = 0
        self._expanded = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece.

        Raises
        ------
        UnreadableFile
            The file cannot be FITS.
        """
        if not self._begun and data:
            self._begin(data)
        self._read += len(data)
        if self._gzip is None:
            self._walk(data)
        else:
            self._inflate(self._gzip, data)

    def _begin(self, data: bytes) -> None:
        self._begun = True
        for magic, name in _OTHER_COMPRESSIONS.items():
            if data.startswith(magic):
                raise UnreadableFile(f"it is compressed by {name}; only gzip is read")
        if data.startswith(_GZIP):
            self._gzip = zlib.decompressobj(wbits=31)

    def _inflate(self, stream: zlib._Decompress, data: bytes) -> None:
        while data and not self._ended:
            try:
                piece = stream.decompress(data, PIECE)
            except zlib.error as error:
                raise UnreadableFile(f"its gzip compression is damaged: {error}") from error
            self._expanded += len(piece)
            if self._expanded > max(self._suspicious_bytes, MAX_EXPANSION * self._read):
                raise UnreadableFile(f"it expands to more than {MAX_EXPANSION} times its size")
            self._walk(piece)
            data = stream.unconsumed_tail
            if stream.eof:
                data = stream.unused_data.lstrip(b"\0")
                if not data.startswith(_GZIP):
                    return
                self._gzip = stream = zlib.decompressobj(wbits=31)

    def _walk(self, data: bytes) -> None:
        if self._ended:
            return
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        view = memoryview(data)[self._skip :]
        self._skip = 0
        self._buffer += view
        self._take_headers()

    def _take_headers(self) -> None:
        """Move whole headers out of the buffer, and the data that follow each."""
        while not self._ended:
            if not self._starts_unit():
                return
            end = _end_of_header(self._buffer)
            if end is None:
                if len(self._buffer) > MAX_HEADER_BYTES:
                    raise UnreadableFile(f"the header of HDU {len(self._units)} has no END card")
                return
            unit = Unit(header=bytes(self._buffer[:end]), data_bytes=_data_bytes(self._buffer[:end], len(self._units)))
            self._units.append(unit)
            taken = _padded(end + CARD) + _padded(unit.data_bytes)
            self._skip = max(0, taken - len(self._buffer))
            del self._buffer[:taken]
            self._ended = len(self._units) >= MAX_UNITS

    def _starts_unit(self) -> bool:
        """Whether the buffer begins a header; what begins otherwise ends the file, or is no FITS at all."""
        if len(self._buffer) < CARD:
            return False
        if self._units:
            self._ended = not self._buffer.startswith(b"XTENSION=")
            return not self._ended
        if not self._buffer.startswith(_FIRST):
            raise UnreadableFile("it is not FITS: it does not begin with SIMPLE  =")
        if not re.match(rb"SIMPLE  = *T[ /]", self._buffer):
            raise UnreadableFile("it says of itself that it is not standard FITS (SIMPLE is not T)")
        return True

    def finish(self) -> tuple[Unit, ...]:
        """Return the units, at the end of the file.

        Raises
        ------
        UnreadableFile
            The file is empty, no FITS, or cut short.
        """
        if not self._begun:
            raise UnreadableFile("it is empty")
        if self._gzip is not None and not self._gzip.eof and not self._ended:
            raise UnreadableFile("its gzip compression is cut short")
        if not self._units:
            if _FIRST.startswith(self._buffer[: len(_FIRST)]):
                raise UnreadableFile("it is cut short in its first header")
            raise UnreadableFile("it is not FITS: it does not begin with SIMPLE  =")
        if self._buffer and not self._ended and self._buffer.startswith(b"XTENSION="):
            raise UnreadableFile(f"it is cut short in the header of HDU {len(self._units)}")
        last = self._units[-1].data_bytes
        lost = self._skip - (_padded(last) - last)
        if lost > 0:
            raise UnreadableFile(f"it is cut short: {lost} bytes are missing from HDU {len(self._units) - 1}")
        return tuple(self._units)


def _end_of_header(buffer: bytearray) -> int | None:
    """Return where the END card begins, if the last block of the header is there."""
    at = buffer.find(_END)
    while at != -1 and at % CARD:
        at = buffer.find(_END, at + 1)
    return at if at != -1 else None


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _data_bytes(header: bytes | bytearray, index: int) -> int:
    """Return the size of the data that a header announces (FITS 4.0 s4.4.1, eq. 2 and 4)."""
    values = _structure(header)
    try:
        axes = [int(values[b"NAXIS%d" % (axis + 1)]) for axis in range(min(int(values[b"NAXIS"]), 999))]
        bits = abs(int(values[b"BITPIX"]))
        groups, parameters = int(values.get(b"GCOUNT", 1)), int(values.get(b"PCOUNT", 0))
    except (KeyError, ValueError) as error:
        raise UnreadableFile(f"the header of HDU {index} lacks BITPIX, NAXIS or one of the NAXISn") from error
    if not axes:
        return 0
    if axes[0] == 0 and values.get(b"GROUPS") == b"T":
        axes = axes[1:]
    size = bits // 8 * groups * (parameters + math.prod(axes))
    if size < 0 or min(axes, default=0) < 0:
        raise UnreadableFile(f"the header of HDU {index} announces data of negative size")
    return size


def _structure(header: bytes | bytearray) -> dict[bytes, bytes]:
    """Return the first value of each structural keyword, as it is written."""
    values: dict[bytes, bytes] = {}
    for start in range(0, len(header), CARD):
        card = header[start : start + CARD]
        if card.startswith((b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT", b"GROUPS")):
            found = _VALUE.match(card)
            if found:
                values.setdefault(bytes(found[1]), bytes(found[2]))
    return values
