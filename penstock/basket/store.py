"""Where baskets are kept.

An owner is a subject, or the empty text for everybody who is anonymous: the names of anonymous baskets are made by
chance and known to nobody else. A change of a basket locks its row, so that its version and its number of items hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.basket.model import Basket, Item, Kind, NewItem
from penstock.dali.errors import NotFound, PreconditionFailed, TooManyRequests
from penstock.dali.values import format_timestamp
from penstock.db import Database, Dialect, Namespace

SCHEMA = "basket"
_LOCK = 0x42534B54  # any constant: one creation of a basket at a time in a PostgreSQL database


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables in one dialect."""

    metadata: sa.MetaData
    basket: sa.Table
    item: sa.Table

    @classmethod
    @cache
    def of(cls, dialect: Dialect) -> Tables:
        """Declare the tables for a dialect."""
        ns = Namespace.of(dialect, SCHEMA)
        basket = ns.table(
            "basket",
            sa.Column("owner", sa.Text, primary_key=True),
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("version", sa.BigInteger, nullable=False),
            sa.Column("items", sa.BigInteger, nullable=False),
            sa.Column("created", sa.Text, nullable=False),
            sa.Column("changed", sa.Text, nullable=False),
        )
        sa.Index("basket_basket_changed", basket.c.owner, basket.c.changed)
        item = ns.table(
            "item",
            sa.Column("owner", sa.Text, primary_key=True),
            sa.Column("name", sa.Text, primary_key=True),
            sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
            sa.Column("reference", sa.Text, nullable=False),
            sa.Column("kind", sa.Text, nullable=False),
            sa.Column("label", sa.Text),
            sa.Column("media_type", sa.Text),
            sa.Column("size_bytes", sa.BigInteger),
            sa.Column("job", sa.Text),
            sa.Column("created", sa.Text, nullable=False),
        )
        sa.Index("basket_item_reference", item.c.owner, item.c.name, item.c.reference, unique=True)
        return cls(ns.metadata, basket, item)


class BasketStore:
    """The baskets of one database.

    Parameters
    ----------
    db
        The migrated database.
    max_items
        How many items one basket may have.
    """

    def __init__(self, db: Database, *, max_items: int) -> None:
        self._db = db
        self._max_items = max_items
        self._tables = Tables.of(db.dialect)

    async def baskets(self, owner: str | None) -> tuple[Basket, ...]:
        """Return the baskets of an owner, by name."""
        table = self._tables.basket
        query = sa.select(table).where(table.c.owner == (owner or "")).order_by(table.c.name)
        async with self._db.read() as connection:
            return tuple(_basket(row) for row in await connection.execute(query))

    async def basket(self, owner: str | None, name: str) -> Basket:
        """Return a basket.

        Raises
        ------
        NotFound
            There is none of that name.
        """
        async with self._db.read() as connection:
            return await self._get(connection, owner, name)

    async def create(self, owner: str | None, name: str, now: datetime, *, most: int | None) -> bool:
        """Make a basket; return False where it is there already.

        Parameters
        ----------
        owner, name, now
            Whose, which, and when.
        most
            How many baskets the owner may have; None for any number.

        Raises
        ------
        TooManyRequests
            The owner has as many as one may have.
        """
        table = self._tables.basket
        async with self._db.write(_LOCK) as connection:
            known = sa.select(sa.func.count()).where(table.c.owner == (owner or ""))
            if await connection.scalar(known.where(table.c.name == name)):
                return False
            if most is not None and (await connection.scalar(known) or 0) >= most:
                raise TooManyRequests(f"There are {most} baskets already, the most that one may have.")
            stamp = format_timestamp(now)
            row = {"owner": owner or "", "name": name, "version": 0, "items": 0, "created": stamp, "changed": stamp}
            await connection.execute(sa.insert(table).values(row))
        return True

    async def items(self, owner: str | None, name: str, *, after: int = 0, limit: int) -> tuple[Basket, list[Item]]:
        """Return a basket and a page of its items, those that come after one, in the order of their ids.

        Raises
        ------
        NotFound
            There is no such basket.
        """
        table = self._tables.item
        query = sa.select(table).where(*_key(table, owner, name), table.c.id > after).order_by(table.c.id).limit(limit)
        async with self._db.read() as connection:
            basket = await self._get(connection, owner, name)
            return basket, [_item(row) for row in await connection.execute(query)]

    async def add(self, owner: str | None, name: str, new: Sequence[NewItem], now: datetime) -> list[Item]:
        """Put things into a basket, and return them in order; what is in it already stays as it is.

        Raises
        ------
        NotFound
            There is no such basket.
        TooManyRequests
            It would have more items than a basket may have; nothing is put in.
        """
        table = self._tables.item
        async with self._db.write() as connection:
            basket = await self._get(connection, owner, name, lock=True)
            found = await self._by_reference(connection, owner, name, [one.reference for one in new])
            fresh = {one.reference: one for one in new if one.reference not in found}
            if basket.items + len(fresh) > self._max_items:
                raise TooManyRequests(f"A basket may have {self._max_items} items; {name} has {basket.items}.")
            if fresh:
                first = basket.version + 1
                made = [Item(id=first + n, created=now, what=one) for n, one in enumerate(fresh.values())]
                await connection.execute(sa.insert(table), [_row(owner, name, one) for one in made])
                await self._change(connection, basket, now, version=first + len(made), items=len(made))
                found |= {one.what.reference: one for one in made}
        return [found[one.reference] for one in new]

    async def _by_reference(
        self, connection: AsyncConnection, owner: str | None, name: str, references: Sequence[str]
    ) -> dict[str, Item]:
        table = self._tables.item
        found: dict[str, Item] = {}
        for start in range(0, len(references), 500):
            some = references[start : start + 500]
            query = sa.select(table).where(*_key(table, owner, name), table.c.reference.in_(some))
            found |= {row.reference: _item(row) for row in await connection.execute(query)}
        return found

    async def remove(self, owner: str | None, name: str, item: int, now: datetime) -> None:
        """Take an item out of a basket.

        Raises
        ------
        NotFound
            It is not there.
        """
        table = self._tables.item
        async with self._db.write() as connection:
            basket = await self._get(connection, owner, name, lock=True)
            gone = await connection.execute(sa.delete(table).where(*_key(table, owner, name), table.c.id == item))
            if not gone.rowcount:
                raise NotFound(f"There is no item {item} in the basket {name}.")
            await self._change(connection, basket, now, version=basket.version + 1, items=-1)

    async def discard(self, owner: str | None, name: str, *, version: int | None = None) -> None:
        """Remove a basket with all that is in it.

        Raises
        ------
        NotFound
            There is no such basket.
        PreconditionFailed
            It is not of that `version`.
        """
        async with self._db.write() as connection:
            basket = await self._get(connection, owner, name, lock=True)
            if version is not None and basket.version != version:
                raise PreconditionFailed(f"The basket {name} has changed since.")
            for table in (self._tables.item, self._tables.basket):
                await connection.execute(sa.delete(table).where(*_key(table, owner, name)))

    async def forget_anonymous(self, before: datetime) -> None:
        """Remove anonymous baskets that have not changed since."""
        basket, item = self._tables.basket, self._tables.item
        old = sa.and_(basket.c.owner == "", basket.c.changed < format_timestamp(before))
        async with self._db.write() as connection:
            names = sa.select(basket.c.name).where(old)
            await connection.execute(sa.delete(item).where(item.c.owner == "", item.c.name.in_(names)))
            await connection.execute(sa.delete(basket).where(old))

    async def _get(self, connection: AsyncConnection, owner: str | None, name: str, *, lock: bool = False) -> Basket:
        table = self._tables.basket
        query = sa.select(table).where(*_key(table, owner, name))
        row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no basket {name[:80]}.")
        return _basket(row)

    async def _change(
        self, connection: AsyncConnection, basket: Basket, now: datetime, *, version: int, items: int
    ) -> None:
        table = self._tables.basket
        values = {"version": version, "items": basket.items + items, "changed": format_timestamp(now)}
        await connection.execute(sa.update(table).where(*_key(table, basket.owner, basket.name)).values(values))


def _key(table: sa.Table, owner: str | None, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.owner == (owner or ""), table.c.name == name


def _basket(row: Any) -> Basket:
    return Basket(
        owner=row.owner or None,
        name=row.name,
        version=row.version,
        items=row.items,
        created=_instant(row.created),
        changed=_instant(row.changed),
    )


def _item(row: Any) -> Item:
    what = NewItem(
        reference=row.reference,
        kind=Kind(row.kind),
        label=row.label,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        job=row.job,
    )
    return Item(id=row.id, created=_instant(row.created), what=what)


def _row(owner: str | None, name: str, item: Item) -> dict[str, Any]:
    what = item.what
    return {
        "owner": owner or "",
        "name": name,
        "id": item.id,
        "reference": what.reference,
        "kind": what.kind.value,
        "label": what.label,
        "media_type": what.media_type,
        "size_bytes": what.size_bytes,
        "job": what.job,
        "created": format_timestamp(item.created),
    }


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
