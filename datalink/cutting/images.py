"""The images of a FITS file, cut and written, a piece at a time: never is a whole cube in memory.

What is copied are the stored numbers, not their meaning: BSCALE, BZERO and BLANK stay true, and so does every bit.
Only the tiles of compressed images are decompressed that the box touches; the cut-out itself is not compressed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from astropy.io import fits

from datalink.core.soda import Cut
from datalink.cutting.axes import Box, NoSuchAxis, box_of
from datalink.cutting.header import (
    LOOKUP_TABLES,
    coordinate_tables,
    cut_header,
    lookup_tables,
    move_lookup_table,
    without_image,
)
from penstock.lake.fits.cards import Cards, read_cards
from penstock.lake.fits.walk import BLOCK, MAX_UNITS, Unit

PIECE_BYTES = 32 * 2**20
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


class CannotCut(Exception):
    """The file cannot be cut so; the message completes a sentence about it."""


class TooMuch(Exception):
    """The cut-out would be larger than it may be.

    Parameters
    ----------
    size_bytes
        How large.
    """

    def __init__(self, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self.size_bytes = size_bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """What is kept of an HDU: a box of its image, with its new header; all of it where `box` is None."""

    index: int
    hdu: Any
    header: fits.Header
    box: Box | None

    @property
    def size_bytes(self) -> int:
        """How many bytes the data take."""
        if self.box is None:
            return int(self.hdu.fileinfo()["datSpan"])
        return math.prod(high - low for low, high in self.box) * abs(int(self.header["BITPIX"])) // 8


def plan(opened: fits.HDUList, cut: Cut) -> list[Piece]:
    """Return what is kept of a file, nothing where the cut meets none of its images.

    Images to which a filter does not apply are left out where it applies to others; so are tables to which no image
    refers.

    Raises
    ------
    CannotCut
        There is no image, or none that has the axes that the filters are about.
    """
    pieces: list[Piece] = []
    missing: set[str] = set()
    applied = False
    for index, hdu in _images(opened):
        try:
            box = box_of(_cards(hdu), cut)
        except NoSuchAxis as error:
            missing.add(str(error))
            continue
        except ValueError:  # of wcslib, about one image of perhaps many
            missing.add("coordinates that make sense")
            continue
        applied = True
        if box is not None:
            pieces.append(Piece(index, hdu, cut_header(hdu.header, box), box))
    if not applied:
        raise CannotCut(f"no image of it has {' or '.join(sorted(missing))}" if missing else "it has no image")
    return [*pieces, *_tables_of(opened, pieces)]


def _images(opened: fits.HDUList) -> Iterator[tuple[int, Any]]:
    for index, hdu in enumerate(opened):
        if index >= MAX_UNITS:
            return
        is_image = hdu.is_image and not isinstance(hdu, fits.GroupsHDU) and hdu.name not in LOOKUP_TABLES
        if is_image and hdu.shape and all(hdu.shape):
            yield index, hdu


def _cards(hdu: Any) -> Cards:
    return read_cards((Unit(header=_written(hdu.header), data_bytes=1),))[0]


def _tables_of(opened: fits.HDUList, pieces: list[Piece]) -> Iterator[Piece]:
    """Yield the tables of distortions, and of coordinates, that the images which are kept refer to.

    Distortions that several images share are moved with the first: the standard has no place for two of them.
    Coordinates are looked up by what follows from CRPIX, so that their tables stay as they are.
    """
    boxes: dict[tuple[str, int], Box] = {}
    stay: set[tuple[str, int]] = set()
    for piece in pieces:
        if piece.box is not None:
            boxes |= {key: piece.box for key in lookup_tables(piece.header) if key not in boxes}
            stay |= coordinate_tables(piece.header)
    if not boxes and not stay:  # a file may have thousands of units, each read when it is looked at
        return
    for index, hdu in enumerate(opened):
        key = (hdu.name, hdu.ver)
        if key in boxes:
            yield Piece(index, hdu, move_lookup_table(hdu.header, boxes[key]), None)
        elif key in stay:
            yield Piece(index, hdu, hdu.header.copy(), None)


def write(opened: fits.HDUList, pieces: list[Piece], target: IO[bytes], *, max_bytes: int) -> None:
    """Write what is kept, below a primary header of the file's own.

    Raises
    ------
    TooMuch
        It would be more than `max_bytes`.
    CannotCut
        The file is shorter than its headers say.
    """
    headers = [_written(piece.header) for piece in pieces]
    primary = b"" if pieces[0].index == 0 else _primary(opened[0].header)
    size = len(primary) + sum(map(len, headers)) + sum(_padded(piece.size_bytes) for piece in pieces)
    if size > max_bytes:
        raise TooMuch(size)
    target.write(primary)
    for header, piece in zip(headers, pieces, strict=True):
        target.write(header)
        written = sum(target.write(part) for part in _data(piece))
        filling = _padded(piece.size_bytes) - written
        if filling < 0 or filling >= BLOCK:
            raise CannotCut(f"the data of HDU {piece.index} are not what its header says")
        target.write(b"\0" * filling)


def _primary(header: fits.Header) -> bytes:
    return _written(fits.PrimaryHDU(header=without_image(header)).header)


def _written(header: fits.Header) -> bytes:
    text: str = header.tostring()
    return text.encode("ascii", "replace")


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _data(piece: Piece) -> Iterator[bytes]:
    kind = np.dtype(_TYPES[int(piece.header["BITPIX"])])
    if isinstance(piece.hdu, fits.CompImageHDU) and piece.box is not None:
        spans = tuple(reversed(piece.box))
        for part in _slabs(spans, kind.itemsize):
            stored: np.ndarray[Any, Any] = np.asarray(piece.hdu.section[part], dtype=kind)
            yield stored.tobytes()
        return
    place = piece.hdu.fileinfo()
    path, offset = place["file"].name, int(place["datLoc"])
    if piece.box is None:
        yield from _whole(path, offset, int(place["datSpan"]))
    else:
        yield from _windows(path, kind, offset, tuple(reversed(piece.box)), piece.hdu.shape)


def _slabs(spans: Box, item_bytes: int) -> Iterator[tuple[slice, ...]]:
    """Yield boxes of a size that fits into memory, which make up a box, slowest axis first."""
    (low, high), inner = spans[0], spans[1:]
    plane = math.prod(stop - start for start, stop in inner) * item_bytes
    if plane > PIECE_BYTES and inner:
        for index in range(low, high):
            yield from ((slice(index, index + 1), *rest) for rest in _slabs(inner, item_bytes))
        return
    step = max(1, PIECE_BYTES // plane)
    for start in range(low, high, step):
        yield (slice(start, min(high, start + step)), *(slice(*span) for span in inner))


def _windows(path: str, kind: np.dtype[Any], offset: int, spans: Box, shape: tuple[int, ...]) -> Iterator[bytes]:
    """Yield the bytes of a box of an array in a file, of which a small part at a time is mapped into memory."""
    (low, high), inner = spans[0], spans[1:]
    plane = math.prod(shape[1:]) * kind.itemsize
    if plane > PIECE_BYTES and inner:
        for index in range(low, high):
            yield from _windows(path, kind, offset + index * plane, inner, shape[1:])
        return
    step = max(1, PIECE_BYTES // plane)
    for start in range(low, high, step):
        count = min(high, start + step) - start
        window = np.memmap(path, kind, mode="r", offset=offset + start * plane, shape=(count, *shape[1:]))
        box: np.ndarray[Any, Any] = window[(slice(None), *(slice(*span) for span in inner))]
        yield box.tobytes()


def _whole(path: str, offset: int, size: int) -> Iterator[bytes]:
    with Path(path).open("rb") as file:
        file.seek(offset)
        while size > 0 and (part := file.read(min(size, PIECE_BYTES))):
            yield part
            size -= len(part)
