"""Reading the tables that come with a query: from parts of the request, where URLs lead, or the caller's baskets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO

from penstock.auth.principal import Principal
from penstock.dali.errors import UsageError
from penstock.dali.params import Part
from penstock.outbound import FetchError, Outbound
from penstock.votable.conform import with_room
from penstock.votable.reader import UploadLimits, read
from tap_proxy.baskets import BasketTables
from tap_proxy.core.uploads import Basket, UploadOrder
from tap_proxy.ports import UploadedTable


class UploadReader:
    """Reads uploaded VOTables.

    Parameters
    ----------
    outbound
        How URLs are fetched.
    limits
        How much a table may hold.
    baskets
        Makes tables of baskets.
    """

    def __init__(self, outbound: Outbound, limits: UploadLimits, baskets: BasketTables) -> None:
        self._outbound = outbound
        self._limits = limits
        self._baskets = baskets

    async def __call__(self, orders: Sequence[UploadOrder], caller: Principal) -> tuple[UploadedTable, ...]:
        """Return the tables.

        Raises
        ------
        UsageError, TooLarge
            One cannot be had, is no VOTable or is too large.
        NotFound
            The caller has no such basket.
        """
        return tuple([await self._load(order, caller) for order in orders])

    async def _load(self, order: UploadOrder, caller: Principal) -> UploadedTable:
        if isinstance(order.source, Basket):
            return await self._baskets.read(order.name, order.source.name, caller)
        if isinstance(order.source, str):
            with TemporaryFile() as file:
                try:
                    await self._outbound.save(order.source, file, max_bytes=self._limits.max_bytes)
                except FetchError as error:
                    raise UsageError(f"UPLOAD {order.name!r}: {error}.") from error
                file.seek(0)
                return await asyncio.to_thread(self._read, order.name, file)
        return await asyncio.to_thread(self._open, order.name, order.source)

    def _open(self, name: str, part: Part) -> UploadedTable:
        with BytesIO(part.content) if isinstance(part.content, bytes) else part.content.open("rb") as file:
            return self._read(name, file)

    def _read(self, name: str, file: IO[bytes]) -> UploadedTable:
        try:
            table = read(file, self._limits)
            batches = tuple(table.batches)
            return UploadedTable(name=name, fields=with_room(table.fields, batches), batches=batches)
        except UsageError as error:
            raise type(error)(f"UPLOAD {name!r}: {error.message}") from error
