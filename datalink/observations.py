"""What ``ivoa.obscore`` says of files: one query for any number of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime

import sqlalchemy as sa

from datalink.core.known import Observed
from penstock.dali.errors import UsageError
from penstock.dali.values import parse_timestamp
from penstock.db import Database, among
from penstock.lake.catalogue import Catalogue
from penstock.lake.port import Did

_COLUMNS = tuple(field.name for field in fields(Observed))
_NEVER = datetime.max.replace(tzinfo=UTC)


class ObsCoreTable:
    """The `Observations` of the deployment's own database.

    Parameters
    ----------
    db
        The migrated database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._table = Catalogue.of(db.dialect).obscore

    async def of(self, dids: Sequence[Did]) -> Mapping[Did, Observed]:
        """Return what is known of the observations of files; those of which nothing is known are absent."""
        asked = {str(did): did for did in dids}
        columns = self._table.c
        wanted = among(self._db.dialect, columns.lake_did, asked)
        query = sa.select(columns.lake_did, *(columns[name] for name in _COLUMNS)).where(wanted)
        async with self._db.read() as connection:
            rows = (await connection.execute(query)).all()
        return {asked[name]: _observed(values) for name, *values in rows}


def _observed(values: Sequence[object]) -> Observed:
    told = dict(zip(_COLUMNS, values, strict=True))
    return Observed(**told | {"obs_release_date": _instant(told["obs_release_date"])})  # type: ignore[arg-type]  # typed by the table


def _instant(text: object) -> datetime | None:
    """Read a date; of one that cannot be read nobody can say that it is past."""
    if not text:
        return None
    try:
        return parse_timestamp("obs_release_date", str(text))
    except UsageError:
        return _NEVER
