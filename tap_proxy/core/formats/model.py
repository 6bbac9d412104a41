"""What every format's writer does, and how a result ends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import pyarrow as pa

from penstock.votable.document import QueryStatus, ServiceDescriptor
from penstock.votable.model import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a query ended, known only after its last row."""

    status: QueryStatus
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultHead:
    """What a writer needs before the first row.

    Parameters
    ----------
    fields
        The columns.
    infos
        (name, value) of what should be told about the query beside its rows (DALI 1.2 s5.4.3).
    links_url
        The {links} resource to which columns of publisher DIDs refer, None where there is none.
    this
        Describes the service that was asked, None where the result does not tell.
    """

    fields: tuple[Field, ...]
    infos: tuple[tuple[str, str], ...] = ()
    links_url: str | None = None
    this: ServiceDescriptor | None = None


class ResultWriter(Protocol):
    """Writes one result, piece by piece; every method returns the bytes that can be sent by now.

    `tells_failure` says whether `end` can tell that rows are missing because the query failed on its way; in a
    format that cannot, the only honest sign is a broken connection or a failed job.
    """

    tells_failure: ClassVar[bool]

    def begin(self) -> bytes:
        """Return what precedes the rows."""
        ...

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return the rows of a batch."""
        ...

    def end(self, outcome: Outcome) -> Iterable[bytes]:
        """Return what follows the rows: at least one piece."""
        ...
