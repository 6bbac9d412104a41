"""The ports of DataLink's services: who cuts data, and where surveys are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from datalink.core.soda import Cut
from penstock.auth.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A part of a file to be written to another.

    Parameters
    ----------
    source, target
        The file to read, and the one to write.
    cut
        Which part.
    did
        The publisher DID of the source, for its provenance.
    max_bytes
        How large the target may be.
    """

    source: Path
    target: Path
    cut: Cut
    did: str
    max_bytes: int


class Cutter(Protocol):
    """Cuts parts out of files."""

    async def cut(self, order: Order, *, time_limit_s: float) -> bool:
        """Write the part; return False, and write nothing, where the file has nothing there.

        Raises
        ------
        UsageError
            The file cannot be cut, not so, or not within the limits; the message says why.
        ServiceUnavailable
            There is no room or no process for it now.
        """
        ...

    async def close(self) -> None:
        """End whatever still runs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HipsFile:
    """A file of a survey: `path` where this process can read it, else `url` where anybody can.

    `checksum` changes with its content, where that is known. `public` tells whether everybody may read it.
    """

    path: Path | None = None
    url: str | None = None
    checksum: str | None = None
    public: bool = True


class HipsTree(Protocol):
    """Where the files of a survey are."""

    async def find(self, path: str, *, caller: Principal, now: datetime) -> HipsFile:
        """Return a file by its path below the root of the survey.

        Raises
        ------
        NotFound
            There is no such file.
        Forbidden
            The caller may not read it.
        ServiceUnavailable
            It cannot be had now.
        """
        ...
