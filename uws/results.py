"""Results and uploads as files: ``{root}/{job}/{attempt}/{number}`` and ``{root}/{job}/parameters/{name}``.

Names on disk are ours, never the client's, so that no name can lead out of the folder. An attempt that was fenced
writes into a folder that no published result points to.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path
from typing import BinaryIO

from penstock.dali.errors import NotFound
from penstock.dali.params import Part

_UPLOADS = "parameters"


class FileResults:
    """A `ResultStore` in a directory.

    Parameters
    ----------
    root
        The directory; made when first needed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    async def keep(self, job_id: str, part: Part) -> str:
        """Keep an uploaded file with the job and return its blob."""
        blob = f"{job_id}/{_UPLOADS}/{uuid.uuid4().hex}"
        await asyncio.to_thread(_keep, self._root / blob, part.content)
        return blob

    async def prepare(self, job_id: str, attempt: int) -> None:
        """Make room for the results of an attempt and remove those of earlier ones."""
        await asyncio.to_thread(self._remove_attempts, job_id)
        (self._root / job_id / str(attempt)).mkdir(parents=True)

    def create(self, job_id: str, attempt: int, number: int) -> tuple[str, BinaryIO]:
        """Open the `number`-th result of an attempt for writing; return its blob and the file."""
        blob = f"{job_id}/{attempt}/{number}"
        return blob, (self._root / blob).open("xb")

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

    async def discard_results(self, job_id: str) -> None:
        """Remove all results of the job and keep its uploads."""
        await asyncio.to_thread(self._remove_attempts, job_id)

    async def discard(self, job_id: str) -> None:
        """Remove everything of the job."""
        await asyncio.to_thread(shutil.rmtree, self._root / job_id, ignore_errors=True)

    def _remove_attempts(self, job_id: str) -> None:
        for folder in (self._root / job_id).glob("[0-9]*"):
            shutil.rmtree(folder, ignore_errors=True)


def _keep(path: Path, content: Path | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        shutil.move(content, path)
