"""One order carried out: open, plan, write. Runs in a process of its own (see `datalink.cutting.worker`)."""

from __future__ import annotations

import errno
import gzip
import warnings
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np
from astropy import log
from astropy.io import fits

from datalink.core.soda import Cut
from datalink.cutting.header import add_provenance, section_of
from datalink.cutting.images import CannotCut, Piece, TooMuch, plan, write
from datalink.cutting.wire import Answer, Outcome
from datalink.ports import Order
from penstock.lake.fits.cards import STRANGE

_GZIP = b"\x1f\x8b"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\x03\x04": "zip", b"\x1f\x9d": "compress"}
_CHUNK_BYTES = 2**20
_SOFTWARE = f"Cut out by Penstock {version('penstock')} (SODA 1.0)"
log.setLevel("ERROR")  # astropy tells of every oddity of a header


def carry_out(order: Order) -> Answer:
    """Cut, and say what came of it; nothing is left of what fails."""
    plain = order.target.with_suffix(".plain")
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return _cut(order, _plain(order, plain))
    except CannotCut as error:
        answer = Answer(outcome=Outcome.REFUSED, message=str(error))
    except TooMuch as error:
        answer = Answer(outcome=Outcome.TOO_LARGE, message=str(error.size_bytes))
    except MemoryError:
        answer = Answer(outcome=Outcome.REFUSED, message="reading it takes more memory than a cut-out may")
    except OSError as error:
        answer = _of_trouble(error)
    except STRANGE as error:
        answer = Answer(outcome=Outcome.REFUSED, message=f"it makes no sense: {_reason(error)}")
    finally:
        plain.unlink(missing_ok=True)
    order.target.unlink(missing_ok=True)
    return answer


def _of_trouble(error: OSError) -> Answer:
    """Tell a full disk and its like from a file that makes no sense: the same is raised for both."""
    if error.errno not in (None, errno.EINVAL, errno.EOVERFLOW):
        return Answer(outcome=Outcome.TROUBLE, message=str(error.strerror))
    return Answer(outcome=Outcome.REFUSED, message=f"it cannot be read as FITS: {error.strerror or _reason(error)}")


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _plain(order: Order, plain: Path) -> Path:
    """Return the file to read: one that is compressed as a whole is expanded first, within the limit."""
    with order.source.open("rb") as file:
        head = file.read(6)
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise CannotCut(f"it is compressed by {name}; only gzip is read")
    if not head.startswith(_GZIP):
        return order.source
    try:
        with gzip.open(order.source) as packed, plain.open("wb") as file:
            _expand(packed, file, order.max_bytes)  # type: ignore[arg-type]  # which reads as any file does
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise CannotCut("its gzip compression is damaged") from error
    return plain


def _expand(packed: IO[bytes], file: IO[bytes], most: int) -> None:
    size = 0
    while chunk := packed.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > most:
            raise CannotCut(f"it expands to more than {most} bytes")
        file.write(chunk)


def _cut(order: Order, source: Path) -> Answer:
    with fits.open(source, memmap=True, lazy_load_hdus=True, do_not_scale_image_data=True) as opened:
        pieces = plan(opened, order.cut)
        if not pieces:
            return Answer(outcome=Outcome.EMPTY)
        for piece in pieces:
            _tell_source(piece, order.did, order.cut)
        with order.target.open("wb") as target:
            write(opened, pieces, target, max_bytes=order.max_bytes)
    return Answer(outcome=Outcome.DONE)


def _tell_source(piece: Piece, did: str, cut: Cut) -> None:
    if piece.box is None:
        return
    cards = (
        ("CUTSRC", did, "what this was cut out of"),
        ("CUTPIX", section_of(piece.box), "its pixels, counted from 1"),
    )
    history = [_SOFTWARE, *(f"{name}={text}" for name, text in cut.words)]
    add_provenance(piece.header, cards, history)
