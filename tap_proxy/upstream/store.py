"""What upstreams said of themselves, kept in the database, so that neither a start nor a query needs them for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from penstock.db import Database
from penstock.direct import Statement
from tap_proxy.core.federation.mount import Metadata, metadata_document, metadata_of
from tap_proxy.core.tap_schema import NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of an upstream.

    Parameters
    ----------
    source
        The URL or the identifier that the operator gave.
    url
        Where the upstream was, None if it was not found yet.
    metadata, harvested
        What it said and when, None if it never did.
    tried
        When it was last asked.
    problem
        Why that failed, None if it did not.
    """

    source: str
    url: str | None
    metadata: Metadata | None
    harvested: datetime | None
    tried: datetime
    problem: str | None


class UpstreamStore:
    """The table of what upstreams said."""

    def __init__(self, db: Database) -> None:
        self._db = db
        texts = ("source", "url", "document", "harvested", "tried", "problem")
        self._table = db.namespace(NAME).table(
            "upstream", sa.Column("name", sa.Text, primary_key=True), *(sa.Column(name, sa.Text) for name in texts)
        )
        t = self._table.c
        self._versions = Statement.of(sa.select(t.name, t.harvested, t.problem), db.dialect)

    async def all(self) -> Mapping[str, Known]:
        """Return what is known, by the names of the mounts."""
        async with self._db.read() as connection:
            rows = (await connection.execute(sa.select(self._table))).all()
        return {row.name: _known(row) for row in rows}

    async def versions(self) -> Mapping[str, str]:
        """Return a mark for each upstream, which changes when something else is known of it."""
        rows = await self._db.direct.read(self._versions, {})
        return {row["name"]: f"{row['harvested']} {row['problem']}" for row in rows}

    async def keep(self, name: str, known: Known) -> None:
        """Keep what is known of an upstream; where its URL or its metadata are None, those from before stay."""
        values: dict[str, Any] = {
            "source": known.source,
            "tried": known.tried.isoformat(),
            "problem": known.problem,
        }
        if known.url is not None:
            values["url"] = known.url
        if known.metadata is not None and known.harvested is not None:
            values |= {
                "document": metadata_document(known.metadata).decode(),
                "harvested": known.harvested.isoformat(),
            }
        async with self._db.write() as connection:
            t = self._table
            done = await connection.execute(
                sa.update(t).where(t.c.name == name, t.c.source == known.source).values(values)
            )
            if done.rowcount == 0:  # a new one, or another service under the old name
                await connection.execute(sa.delete(t).where(t.c.name == name))
                await connection.execute(sa.insert(t).values(name=name, **values))


def _known(row: sa.Row[Any]) -> Known:
    return Known(
        source=row.source,
        url=row.url,
        metadata=None if row.document is None else metadata_of(row.document.encode()),
        harvested=None if row.harvested is None else datetime.fromisoformat(row.harvested),
        tried=datetime.fromisoformat(row.tried),
        problem=row.problem,
    )
