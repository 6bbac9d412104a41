"""Checksums of a file: as headers say them, and as bytes are checked against them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib

from penstock.lake.port import Entry

WANTED = "adler32, md5"
"""What a storage is asked for in Want-Digest (RFC 3230 s4.3.1): what lakes keep."""
_INSTANCE = re.compile(r"\s*(adler32|md5)\s*=\s*([^\s,]+)\s*", re.IGNORECASE)


def digest_headers(entry: Entry) -> dict[str, str]:
    """Return the checksums of a whole file as headers, of RFC 9530 s3 and of RFC 3230 s4.3.2 before it."""
    instance, representation = [], []
    if entry.adler32:
        instance.append(f"adler32={entry.adler32}")
        representation.append(f"adler=:{_base64(entry.adler32)}:")
    if entry.md5:
        instance.append(f"md5={_base64(entry.md5)}")
        representation.append(f"md5=:{_base64(entry.md5)}:")
    return {"Digest": ",".join(instance), "Repr-Digest": ", ".join(representation)} if instance else {}


def contradiction(entry: Entry, header: str) -> str | None:
    """Return the algorithm by which a Digest header tells of another content than the entry; None if it does not."""
    for member in header.split(",", 20):
        match = _INSTANCE.fullmatch(member)
        if match is None:
            continue
        algorithm, told = match[1].lower(), match[2]
        known = entry.adler32 if algorithm == "adler32" else entry.md5
        if known is not None and not _same(known, told, hexadecimal=algorithm == "adler32"):
            return algorithm
    return None


class Checked:
    """The bytes of a file as they pass, checked against the checksum that is the cheapest to have.

    Parameters
    ----------
    entry
        The file.
    """

    def __init__(self, entry: Entry) -> None:
        self._entry = entry
        self._adler = 1
        self._md5 = None if entry.adler32 or not entry.md5 else hashlib.md5(usedforsecurity=False)

    def take(self, piece: bytes) -> None:
        """Take the next bytes."""
        if self._md5 is not None:
            self._md5.update(piece)
        elif self._entry.adler32:
            self._adler = zlib.adler32(piece, self._adler)

    def right(self) -> bool:
        """Tell whether all bytes taken are those of the file, as far as it has a checksum."""
        if self._md5 is not None:
            return self._md5.hexdigest() == self._entry.md5
        return not self._entry.adler32 or f"{self._adler:08x}" == self._entry.adler32


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(binascii.unhexlify(hexadecimal)).decode()


def _same(known: str, told: str, *, hexadecimal: bool) -> bool:
    """Compare a checksum with one in a header, where MD5 is in base64; some storages write it in hexadecimal."""
    if told.lower().zfill(len(known)) == known:
        return True
    return not hexadecimal and told == _base64(known)
