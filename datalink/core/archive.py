"""All files of a dataset or container in one tar archive, whose size is known before any of it is read."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Sequence

from penstock.lake.port import Did

LEFT_OUT = "LEFT-OUT.txt"
_BLOCK = tarfile.BLOCKSIZE
_RECORD = tarfile.RECORDSIZE


def header_of(name: str, size_bytes: int, modified_s: int) -> bytes:
    """Return what stands before the bytes of a file."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size_bytes, modified_s, 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def padding(size_bytes: int) -> bytes:
    """Return what stands after the bytes of a file."""
    return bytes(-size_bytes % _BLOCK)


def end(size_bytes: int) -> bytes:
    """Return the end of an archive that has so many bytes before it."""
    with_end = size_bytes + 2 * _BLOCK
    return bytes(2 * _BLOCK + -with_end % _RECORD)


def name_of(did: Did) -> str:
    """Return the path of a file in an archive, which leads nowhere else when it is unpacked."""
    steps = [did.scope, *did.name.split("/")]
    return "/".join("_" if step == ".." else step for step in steps if step)


def left_out_text(dids: Iterable[tuple[Did, str]]) -> bytes:
    """Return the text that names the files which the archive does not hold, and why."""
    return "".join(f"{did}: {reason}\n" for did, reason in dids).encode()


def total_size(sizes: Sequence[tuple[bytes, int]]) -> int:
    """Return the size of an archive of files with these headers and sizes."""
    before = sum(len(header) + size + len(padding(size)) for header, size in sizes)
    return before + len(end(before))
