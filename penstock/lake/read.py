"""One file read: size, checksums and structure in one pass over its bytes, then what its headers tell."""

from __future__ import annotations

import hashlib
import os
import zlib

from penstock.lake.fits.walk import Unit, UnreadableFile, Walker
from penstock.lake.record import Candidate, Content, Found, Skipped

_PIECE = 2**20


def read_file(candidate: Candidate) -> Found | Skipped:
    """Return what a file holds, or why it is left out."""
    try:
        content, units = _digest(candidate)
    except UnreadableFile as error:
        return Skipped(path=candidate.path, reason=str(error))
    except OSError as error:
        return Skipped(path=candidate.path, reason=f"it cannot be read: {error.strerror or error}")
    from penstock.lake.fits.describe import describe  # here, since astropy takes most of a second to load

    observation, doubts = describe(units)
    return Found(candidate=candidate, content=content, observation=observation, doubts=doubts)


def _digest(candidate: Candidate) -> tuple[Content, tuple[Unit, ...]]:
    md5, adler, size, walker = hashlib.md5(usedforsecurity=False), 1, 0, Walker()
    with candidate.path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            walker.feed(piece)
            md5.update(piece)
            adler = zlib.adler32(piece, adler)
            size += len(piece)
        after = os.fstat(file.fileno())
    if (size, after.st_mtime_ns) != (candidate.size_bytes, candidate.modified_ns):
        raise UnreadableFile("it changed while it was read")
    return Content(size_bytes=size, adler32=f"{adler:08x}", md5=md5.hexdigest()), walker.finish()
