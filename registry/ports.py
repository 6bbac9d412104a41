"""What the registry needs of whoever keeps its records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lxml import etree

from registry.core.envelope import Stored
from registry.core.oai import Selection


class Records(Protocol):
    """Keeps records and their stamps, which are UTC in whole seconds."""

    async def publish(self, resources: Mapping[str, etree._Element], now: str) -> None:
        """Make `resources`, by identifier, the records that are not deleted, in one transaction.

        A record whose content is as it was keeps its date; one that is gone is kept as deleted.
        """
        ...

    async def get(self, ivoid: str) -> Stored | None:
        """Return a record, deleted or not, or None."""
        ...

    async def earliest(self) -> str | None:
        """Return the least datestamp, None where there is no record."""
        ...

    async def count(self, selection: Selection) -> int:
        """Count what is selected."""
        ...

    async def select(self, selection: Selection, after: tuple[str, str] | None, limit: int) -> tuple[Stored, ...]:
        """Return the selected records that follow `after`, a (datestamp, identifier), in that order."""
        ...
