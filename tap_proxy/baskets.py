"""A basket as a table that comes with a query: ``UPLOAD=found,basket:m13`` is TAP_UPLOAD.found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.auth.principal import Principal
from penstock.basket.model import Item
from penstock.basket.service import Baskets, identifiers
from penstock.dali.errors import UsageError
from penstock.dali.values import format_timestamp
from penstock.ivoid import lake_did, publisher_did
from penstock.votable.model import Field
from penstock.votable.rows import batch_from_rows
from tap_proxy.ports import UploadedTable

FIELDS = (
    Field(name="reference", datatype="unicodeChar", arraysize="*", ucd="meta.ref", description="What was put in"),
    Field(
        name="obs_publisher_did",
        datatype="char",
        arraysize="*",
        ucd="meta.ref.ivoid",
        description="The file to which it leads, as in ivoa.obscore; null where it leads to none of this lake",
    ),
    Field(name="kind", datatype="char", arraysize="*", description="did, datalink, tap, result or url"),
    Field(name="label", datatype="unicodeChar", arraysize="*", description="What its owner says of it"),
    Field(name="media_type", datatype="char", arraysize="*", ucd="meta.code.mime", description="Its media type"),
    Field(name="size_bytes", datatype="long", unit="byte", ucd="phys.size;meta.file", description="Its size"),
    Field(name="job", datatype="char", arraysize="*", ucd="meta.id", description="The job whose result it is"),
    Field(name="created", datatype="char", arraysize="*", xtype="timestamp", description="When it was put in"),
)
"""Something that leads to several files has a row for each of them."""


class BasketTables:
    """Makes tables of baskets.

    Parameters
    ----------
    open_baskets
        Gives the baskets of the deployment.
    authority
        The naming authority of its publisher DIDs.
    """

    def __init__(self, open_baskets: Callable[[], Baskets], authority: str) -> None:
        self._open_baskets = open_baskets
        self._authority = authority

    async def read(self, table: str, basket: str, caller: Principal) -> UploadedTable:
        """Return a basket of the caller's as a table of a name (see `Baskets.page` for errors)."""
        items = self._open_baskets().items(caller, basket)
        rows = [row async for item in items for row in self._rows(item)]
        return UploadedTable(name=table, fields=FIELDS, batches=(batch_from_rows(FIELDS, rows),))

    def _rows(self, item: Item) -> Iterator[tuple[Any, ...]]:
        what = item.what
        for identifier in identifiers(what) or (None,):
            yield (
                what.reference,
                identifier and self._publisher_did(identifier),
                what.kind.value,
                what.label,
                what.media_type,
                what.size_bytes,
                what.job,
                format_timestamp(item.created),
            )

    def _publisher_did(self, identifier: str) -> str | None:
        try:
            return publisher_did(self._authority, lake_did(self._authority, identifier))
        except UsageError:
            return None
