"""What the registry needs of whoever keeps its records, and of whoever fetches those of others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from lxml import etree

from registry.core.envelope import Stored
from registry.core.harvesting import Judged
from registry.core.oai import Selection


class Origin(StrEnum):
    """Where records of our own come from; the origin of any other is the URL that it was harvested from."""

    DEPLOYMENT = "deployment"
    LAKE = "lake"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A record in a list."""

    ivoid: str
    type: str
    title: str
    status: str
    updated: str
    deleted: bool
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which records a person wants to see: all `words` are in title or identifier; None is any."""

    words: tuple[str, ...] = ()
    type: str | None = None
    origin: str | None = None
    deleted: bool = False


Decision = Callable[[Stored | None], etree._Element | None]
"""Says what a record becomes, given what it is: an element, None to delete it; it raises to leave all as it is."""


class Records(Protocol):
    """Keeps records and their stamps, which are UTC in whole seconds."""

    async def publish(
        self, origin: Origin, resources: Mapping[str, etree._Element], now: str, *, base_url: str
    ) -> None:
        """Make `resources`, by identifier, the records of an origin that are not deleted, in one transaction.

        A record whose content and base URL are as they were keeps its date; one that is gone is kept as deleted.
        """
        ...

    async def edit(self, ivoid: str, decide: Decision, now: str) -> Stored:
        """Change one record as `decide` says, in one transaction, and return it as it is then."""
        ...

    async def get(self, ivoid: str) -> Stored | None:
        """Return a record, deleted or not, or None; the case of the identifier does not count."""
        ...

    async def earliest(self) -> str | None:
        """Return the least datestamp of our own records, None where there is none."""
        ...

    async def count(self, selection: Selection) -> int:
        """Count what is selected of our own records."""
        ...

    async def select(self, selection: Selection, after: tuple[str, str] | None, limit: int) -> tuple[Stored, ...]:
        """Return the selected records of our own that follow `after`, a (datestamp, identifier), in that order."""
        ...

    async def search(self, wanted: Filter, after: str, limit: int) -> tuple[Summary, ...]:
        """Return records of all origins whose identifiers follow `after`, in the order of identifiers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is known of a registry that is harvested.

    `watermark` is where the next incremental harvest begins. `token`, `begun` and `full` are of a harvest that has
    not come to its end: where it goes on, what will be its watermark, and whether it reads everything. Every harvest
    that reads everything has a `generation`; records of older ones are gone at its end. `version` counts changes.
    """

    url: str
    set: str = ""
    watermark: str | None = None
    token: str | None = None
    begun: str | None = None
    full: bool = False
    generation: int = 0
    attempted: str | None = None
    finished: str | None = None
    error: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A record that was harvested and not taken; `xml` is what there was of it, cut where it is long."""

    source: str
    ivoid: str
    reason: str
    seen: str
    xml: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of the records of one page, or of all."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    own: int = 0
    quarantined: int = 0

    def __add__(self, other: Tally) -> Tally:
        """Return the sum."""
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in Tally.__slots__})


class AnotherAtWork(Exception):
    """Another process harvests the same source at the same time, and was faster."""


class Sources(Protocol):
    """Keeps what is harvested; every method is one transaction.

    Those that take a `Source` expect it as it was last returned, and return it as it is now.

    Raises
    ------
    AnotherAtWork
        The source has changed since.
    """

    async def source(self, url: str) -> Source:
        """Return a source, a new one if nothing is known of it."""
        ...

    async def sources(self) -> tuple[Source, ...]:
        """Return all sources, by URL."""
        ...

    async def save(self, source: Source) -> Source:
        """Write what is known of a source."""
        ...

    async def take(self, source: Source, judged: Iterable[Judged], now: str) -> tuple[Source, Tally]:
        """Write a page of records and, with them, where the harvest goes on."""
        ...

    async def sweep(self, source: Source, now: str) -> tuple[Source, int]:
        """Delete the records of older generations, and return how many there were."""
        ...

    async def quarantined(self, url: str | None = None) -> tuple[Quarantined, ...]:
        """Return the records that were not taken, of one source or of all."""
        ...

    async def forget(self, url: str) -> int:
        """Forget a source and all that was harvested from it; return how many records there were."""
        ...


class Unreachable(Exception):
    """A registry cannot be read; the message is for the operator. `transient` says that it may help to try again."""

    def __init__(self, message: str, *, transient: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.transient = transient
        self.retry_after_s = retry_after_s


class Fetch(Protocol):
    """Fetches answers of registries."""

    def chunks(self, url: str, arguments: Mapping[str, str]) -> AsyncGenerator[bytes]:
        """Yield the body of an answer to a GET.

        Raises
        ------
        Unreachable
            There is no answer, or none that may be read.
        """
        ...
