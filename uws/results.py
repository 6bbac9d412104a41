"""Results and uploads as files: ``{root}/{job}/{attempt}/{number}`` and ``{root}/{job}/parameters/{name}``.

Names on disk are ours, never the client's, so that no name can lead out of the folder. An attempt that was fenced
writes into a folder that no published result points to. A result that a worker sends over HTTP is
``{number}.{sha256}``: the name says that its content was verified, and sending it again changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from penstock.dali.errors import NotFound, ServiceUnavailable, UsageError
from penstock.dali.params import Part
from uws.core.job import is_job_id
from uws.ports import Dispatch, Held

_UPLOADS = "parameters"
_SPOOL = "spool"
_SWEPT_AT_ONCE = 500


class FileResults:
    """A `ResultStore` in a directory.

    Parameters
    ----------
    root
        The directory; made when first needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def spool(self) -> Path:
        """Return a directory for files on their way here, on the same disk; it need not exist."""
        return self._root / _SPOOL

    async def keep(self, job_id: str, part: Part) -> str:
        """Keep an uploaded file with the job and return its blob.

        Raises
        ------
        ServiceUnavailable
            It cannot be stored.
        """
        blob = f"{job_id}/{_UPLOADS}/{uuid.uuid4().hex}"
        try:
            await asyncio.to_thread(_keep, self._root / blob, part.content)
        except OSError as error:
            raise ServiceUnavailable("The file cannot be stored: the disk may be full.") from error
        return blob

    async def prepare(self, job_id: str, attempt: int) -> None:
        """Make room for the results of an attempt and remove those of earlier ones.

        What the attempt itself has stored stays: a worker that did not hear the answer claims again.

        Raises
        ------
        ServiceUnavailable
            There is none.
        """
        if attempt > 1:
            await asyncio.to_thread(self._remove_attempts, job_id, attempt)
        try:
            (self._root / job_id / str(attempt)).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceUnavailable("The results of the job cannot be stored: the disk may be full.") from error

    def create(self, job_id: str, attempt: int, number: int) -> tuple[str, BinaryIO]:
        """Open the `number`-th result of an attempt for writing; return its blob and the file."""
        blob = f"{job_id}/{attempt}/{number}"
        return blob, (self._root / blob).open("wb")

    async def receive(self, dispatch: Dispatch, number: int, chunks: AsyncIterator[bytes], *, sha256: str) -> None:
        """Keep the `number`-th result of an attempt as a worker sends it, if its digest is right.

        Raises
        ------
        UsageError
            Something else was sent than the digest says.
        NotFound
            Nothing is kept for the attempt.
        ServiceUnavailable
            It cannot be stored.
        """
        path = self._root / _received(dispatch, number, sha256)
        partial = path.with_name(f"{number}.{uuid.uuid4().hex}.partial")
        try:
            digest = await _receive(partial, chunks)
            if digest != sha256:
                raise UsageError(f"The SHA-256 of what was sent is {digest}, not {sha256}.")
            await asyncio.to_thread(partial.replace, path)
        except FileNotFoundError as error:
            raise NotFound("Nothing is kept for this attempt.") from error
        except OSError as error:
            raise ServiceUnavailable("The result cannot be stored: the disk may be full.") from error
        finally:
            partial.unlink(missing_ok=True)

    def received(self, dispatch: Dispatch, number: int, *, sha256: str) -> tuple[str, int]:
        """Return the blob and the size in bytes of a result that was received.

        Raises
        ------
        NotFound
            It was not.
        """
        blob = _received(dispatch, number, sha256)
        try:
            return blob, (self._root / blob).stat().st_size
        except OSError as error:
            raise NotFound(f"Result {number} was not received with that digest.") from error

    async def held(self, dispatch: Dispatch, number: int, *, sha256: str) -> Held:
        """Return what was received of an attempt, and what is arriving, apart from that very result."""
        return await asyncio.to_thread(_held, self._root / _received(dispatch, number, sha256))

    def path(self, blob: str) -> Path:
        """Return where the bytes are.

        Raises
        ------
        NotFound
            The blob is not one of this store.
        """
        path = self._root / blob
        if ".." in path.parts or not path.is_relative_to(self._root):
            raise NotFound("There is no such file.")
        return path

    async def discard_results(self, job_id: str, attempts: frozenset[int] | None = None) -> None:
        """Remove all results of the job, or those of some attempts, and keep its uploads."""
        if attempts is None:
            await asyncio.to_thread(self._remove_attempts, job_id, None)
        for attempt in attempts or ():
            await asyncio.to_thread(shutil.rmtree, self._root / job_id / str(attempt), ignore_errors=True)

    async def discard(self, job_id: str) -> None:
        """Remove everything of the job."""
        await asyncio.to_thread(shutil.rmtree, self._root / job_id, ignore_errors=True)

    async def at_rest(self, before: datetime) -> AsyncIterator[Mapping[str, frozenset[int]]]:
        """Yield jobs that have had files since `before`, some at a time, with the attempts that have results.

        Uploads that were given up by then are removed on the way.
        """
        await asyncio.to_thread(_remove_old_files, self._root / _SPOOL, before.timestamp())
        with suppress(FileNotFoundError), os.scandir(self._root) as entries:
            while (found := await asyncio.to_thread(_next_jobs, entries, before.timestamp())) is not None:
                yield found

    def _remove_attempts(self, job_id: str, before: int | None) -> None:
        """Remove results of attempts before one, of all where it is None: a late one must not harm its successor."""
        for folder in (self._root / job_id).glob("[0-9]*"):
            if before is None or int(folder.name) < before:
                shutil.rmtree(folder, ignore_errors=True)


def _keep(path: Path, content: Path | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            shutil.move(content, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _received(dispatch: Dispatch, number: int, sha256: str) -> str:
    return f"{dispatch.job_id}/{dispatch.attempt}/{number}.{sha256}"


def _held(besides: Path) -> Held:
    """Return what lies beside a file."""
    sizes = []
    with suppress(FileNotFoundError), os.scandir(besides.parent) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # what was arriving may be gone, or have another name by now
                sizes += [entry.stat().st_size] if entry.name != besides.name else []
    return Held(files=len(sizes), size_bytes=sum(sizes))


async def _receive(path: Path, chunks: AsyncIterator[bytes]) -> str:
    """Write the chunks and return their SHA-256."""
    digest = hashlib.sha256()

    def take(chunk: bytes) -> None:
        file.write(chunk)
        digest.update(chunk)

    with path.open("xb") as file:
        async for chunk in chunks:
            await asyncio.to_thread(take, chunk)
    return digest.hexdigest()


def _next_jobs(entries: Iterator[os.DirEntry[str]], before_s: float) -> dict[str, frozenset[int]] | None:
    """Return the next folders of jobs that are older, None at the end."""
    some = list(islice(entries, _SWEPT_AT_ONCE))
    old = [Path(entry) for entry in some if is_job_id(entry.name) and _is_older(entry, before_s)]
    return {folder.name: _old_attempts(folder, before_s) for folder in old} if some else None


def _old_attempts(folder: Path, before_s: float) -> frozenset[int]:
    try:
        with os.scandir(folder) as entries:
            old = [entry.name for entry in entries if _is_older(entry, before_s)]
    except FileNotFoundError:
        return frozenset()
    return frozenset(int(name) for name in old if name.isdigit())


def _remove_old_files(folder: Path, before_s: float) -> None:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if _is_older(entry, before_s):
                Path(entry).unlink(missing_ok=True)


def _is_older(entry: os.DirEntry[str], before_s: float) -> bool:
    try:
        return entry.stat().st_mtime < before_s
    except FileNotFoundError:
        return False
