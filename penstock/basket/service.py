"""The use-cases of baskets: whose they are, what they may hold, and how jobs read and fill them.

A basket belongs to the subject that made it, by the name that it was given. Who is anonymous is given the name, with 80
random bits: as with jobs, whoever knows it may use the basket, and nobody can list such baskets. Where a deployment has
no authentication at all, everybody shares the baskets, by whatever names.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from penstock.auth.principal import Principal
from penstock.basket.model import Basket, Item, Kind, NewItem, basket_name
from penstock.basket.plugin import PATH
from penstock.basket.settings import BasketSettings
from penstock.basket.store import BasketStore
from penstock.clock import Clock
from penstock.dali.errors import NotFound, UsageError
from penstock.dali.params import Parameters

PREFIX = "basket:"
_NAME_BYTES = 10
_PAGE = 1000
Random = Callable[[int], bytes]


class Baskets:
    """The baskets of a deployment.

    Parameters
    ----------
    store
        Where they are kept.
    settings
        Limits.
    clock
        Tells the time.
    random
        Gives as many random bytes as asked for.
    shared
        Whether the deployment has no authentication at all.
    """

    def __init__(
        self, store: BasketStore, settings: BasketSettings, *, clock: Clock, random: Random, shared: bool
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._random = random
        self._shared = shared

    def is_stranger(self, caller: Principal) -> bool:
        """Tell whether the caller's baskets are known by their names alone."""
        return caller.anonymous and not self._shared

    async def all(self, caller: Principal) -> tuple[Basket, ...]:
        """Return the caller's baskets, by name; none to who is anonymous."""
        return () if self.is_stranger(caller) else await self._store.baskets(caller.subject)

    async def create(self, caller: Principal, name: str | None) -> tuple[Basket, bool]:
        """Make a basket, with a name by chance if none is given; return it, and whether it is new.

        Raises
        ------
        UsageError
            The name cannot be one, or the caller is anonymous and may not choose it.
        TooManyRequests
            The caller has as many as one may have.
        """
        if self.is_stranger(caller):
            if name is not None:
                raise UsageError("Who is anonymous is given the name of a basket: leave it out, or sign in.")
            await self._store.forget_anonymous(self._clock() - timedelta(days=self._settings.anonymous_days))
        chosen = self._by_chance() if name is None else basket_name(name)
        new = await self._create(caller, chosen)
        return await self._store.basket(caller.subject, chosen), new

    async def _create(self, caller: Principal, name: str) -> bool:
        most = None if self.is_stranger(caller) else self._settings.max_baskets
        return await self._store.create(caller.subject, name, self._clock(), most=most)

    def _by_chance(self) -> str:
        return base64.b32encode(self._random(_NAME_BYTES)).decode().rstrip("=").lower()

    async def page(self, caller: Principal, name: str, *, after: int, limit: int) -> tuple[Basket, list[Item]]:
        """Return a basket and a page of its items (see `BasketStore.items`)."""
        return await self._store.items(caller.subject, basket_name(name), after=after, limit=limit)

    async def add(self, caller: Principal, name: str, new: Sequence[NewItem]) -> list[Item]:
        """Put things into a basket; that of who is known is made if it is not there (see `BasketStore.add`)."""
        if not self.is_stranger(caller):
            await self._create(caller, basket_name(name))
        return await self._store.add(caller.subject, basket_name(name), new, self._clock())

    async def remove(self, caller: Principal, name: str, item: int) -> None:
        """Take an item out of a basket (see `BasketStore.remove`)."""
        await self._store.remove(caller.subject, basket_name(name), item, self._clock())

    async def discard(self, caller: Principal, name: str, *, version: int | None = None) -> None:
        """Remove a basket (see `BasketStore.discard`)."""
        await self._store.discard(caller.subject, basket_name(name), version=version)

    async def for_results(self, caller: Principal, params: Parameters) -> str | None:
        """Return the name of the basket that BASKET wants a job's results in, None where it wants none.

        Raises
        ------
        NotFound
            There is no such basket, and none can be made.
        UsageError
            The name cannot be one.
        """
        name = params.single("BASKET") or None
        if name is not None:
            basket_name(name)
            if self.is_stranger(caller):
                await self._store.basket(None, name)
        return name

    async def expand(self, caller: Principal, values: Iterable[str], *, base_url: str) -> list[str]:
        """Return identifiers, with those of all files that are in it in place of each basket among them.

        A basket is ``basket:NAME`` or its URL. What is in it besides files is passed over.

        Raises
        ------
        NotFound
            There is no such basket.
        UsageError
            No file is in it.
        """
        found: dict[str, None] = {}
        for value in values:
            name = _name_in(value, base_url)
            if name is None:
                found[value] = None
                continue
            files = [one async for item in self.items(caller, name) for one in identifiers(item.what)]
            if not files:
                raise UsageError(f"There is no file of the lake in the basket {name}.")
            found |= dict.fromkeys(files)
        return list(found)

    async def items(self, caller: Principal, name: str) -> AsyncIterator[Item]:
        """Yield all that is in a basket, in order (see `page` for errors)."""
        after = 0
        while True:
            _, items = await self.page(caller, name, after=after, limit=_PAGE)
            for item in items:
                yield item
            if len(items) < _PAGE:
                return
            after = items[-1].id


def _name_in(value: str, base_url: str) -> str | None:
    for prefix in (PREFIX, f"{base_url}{PATH}/"):
        if value.startswith(prefix):
            name = value.removeprefix(prefix)
            if not name:
                raise NotFound(f"{value[:80]!r} names no basket.")
            return name
    return None


def identifiers(what: NewItem) -> list[str]:
    """Return the identifiers of the files to which something leads: a DID, those of a DataLink URL, or none."""
    match what.kind:
        case Kind.DID:
            return [what.reference]
        case Kind.DATALINK:
            return [value for name, value in parse_qsl(urlsplit(what.reference).query) if name.upper() == "ID"]
        case _:
            return []
