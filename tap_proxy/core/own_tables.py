"""Tables that an operator adds: their names, which columns deserve an index, and the document that is kept of them.

Nothing of a file's metadata is invented but one thing: where no column says that it is a position, columns that are
called as positions are called are taken for one, since cone searches need to know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from penstock.dali.errors import UsageError
from penstock.tables import Column, Schema, Table
from penstock.votable.model import Field
from tap_proxy.core.uploads import column_of

DEFAULT_SCHEMA = "own"
DESCRIPTION = "Tables that the operator of this service has added"
MOST_COLUMNS = 1000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_MOST_NAME_BYTES = 63  # PostgreSQL's limit
_RA, _DEC, _ID = "pos.eq.ra", "pos.eq.dec", "meta.id"
_POSITIONS = (("ra", "dec"), ("ra_deg", "dec_deg"), ("raj2000", "dej2000"), ("_raj2000", "_dej2000"), ("s_ra", "s_dec"))
_ANGLES = frozenset({None, "", "deg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTable:
    """A table that was added.

    Parameters
    ----------
    schema, table
        As they are published.
    rows
        How many it had when it was added.
    added
        When that was.
    origin
        What it was made of, for people.
    in_place
        Whether it belongs to somebody else, and is only published.
    """

    schema: str
    table: Table
    rows: int
    added: datetime
    origin: str
    in_place: bool = False


def checked_name(name: str, what: str) -> str:
    """Return a name of a schema or table that every query can spell without quotes.

    Raises
    ------
    UsageError
        It is none; the message proposes one.
    """
    if _NAME.fullmatch(name) is None:
        proposed = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_")[:48]
        proposal = f", for example {proposed}" if _NAME.fullmatch(proposed) else ""
        raise UsageError(f"{name[:80]!r} cannot be the name of a {what}: lower-case letters, digits and _{proposal}.")
    return name


def described(
    name: str, fields: Sequence[Field], description: str | None, indexes: Iterable[str], *, choose: bool = True
) -> Table:
    """Return the description of a table to add; `indexes` names columns that have one, and `choose` may add others.

    Raises
    ------
    UsageError
        Columns are missing, too many, or cannot be told apart in a query; or an index is of no column.
    """
    _check_columns(fields)
    columns = _positioned([column_of(field) for field in fields])
    wanted = {name.lower() for name in indexes}
    unknown = wanted - {column.name.lower() for column in columns}
    if unknown:
        known = ", ".join(column.name for column in columns[:20])
        raise UsageError(f"there is no column {min(unknown)!r} to index; columns: {known}.")
    chosen = wanted | {column.name.lower() for column in _by_nature(columns) if choose}
    return Table(
        name=name,
        columns=tuple(replace(column, indexed=column.name.lower() in chosen) for column in columns),
        description=description,
    )


def index_columns(table: Table) -> tuple[tuple[str, ...], ...]:
    """Return the columns of each index: one for the position, others for single columns."""
    position = position_of(table.columns)
    single = [column.name for column in table.columns if column.indexed]
    if position is None:
        return tuple((name,) for name in single)
    ra, dec = position
    return ((dec, ra), *((name,) for name in single if name != dec))  # a cone is a band of declination first


def position_of(columns: Sequence[Column]) -> tuple[str, str] | None:
    """Return the names of the columns of right ascension and declination, the main ones if there are several."""
    found = []
    for word in (_RA, _DEC):
        named = [column for column in columns if _atoms(column)[:1] == [word]]
        named.sort(key=lambda column: "meta.main" not in _atoms(column))
        found.append(named[0].name if named else None)
    ra, dec = found
    return None if ra is None or dec is None else (ra, dec)


def schemas_of(tables: Iterable[OwnTable]) -> tuple[Schema, ...]:
    """Return the schemas of all added tables, by name."""
    found: dict[str, list[Table]] = {}
    for each in sorted(tables, key=lambda one: (one.schema, one.table.name)):
        found.setdefault(each.schema, []).append(each.table)
    return tuple(Schema(name=name, tables=tuple(held), description=DESCRIPTION) for name, held in found.items())


def table_document(table: Table) -> dict[str, Any]:
    """Return a description as plain values; members that are as they are by default are left out."""
    plain = Column(name="", datatype="int")
    columns = [
        {name: value for name, value in asdict(column).items() if name in _ALWAYS or value != getattr(plain, name)}
        for column in table.columns
    ]
    return {"name": table.name, "description": table.description, "utype": table.utype, "columns": columns}


def table_of(document: Mapping[str, Any]) -> Table:
    """Read a description that `table_document` has made."""
    columns = tuple(Column(**column) for column in document["columns"])
    return Table(name=document["name"], columns=columns, description=document["description"], utype=document["utype"])


_ALWAYS = frozenset({"name", "datatype"})


def _check_columns(fields: Sequence[Field]) -> None:
    if not 0 < len(fields) <= MOST_COLUMNS:
        raise UsageError(f"a table has 1 to {MOST_COLUMNS} columns; this one has {len(fields)}.")
    seen: set[str] = set()
    for field in fields:
        name = field.name
        if not name.strip() or not name.isprintable() or len(name.encode()) > _MOST_NAME_BYTES:
            raise UsageError(f"{name[:80]!r} cannot be the name of a column; rename it in the file.")
        if name.lower() in seen:
            raise UsageError(f"two columns are called {name!r}, which queries could not tell apart; rename one.")
        seen.add(name.lower())


def _positioned(columns: Sequence[Column]) -> Sequence[Column]:
    """Say which columns are the position, if their names do and no UCD does."""
    if any(_atoms(column)[:1] in ([_RA], [_DEC]) for column in columns):
        return columns
    by_name = {column.name.lower(): column for column in columns if _is_angle(column)}
    for names in _POSITIONS:
        if all(name in by_name and not by_name[name].ucd for name in names):
            ucds = {by_name[name].name: f"{ucd};meta.main" for name, ucd in zip(names, (_RA, _DEC), strict=True)}
            return [replace(one, ucd=ucds.get(one.name, one.ucd), unit=_unit(one, ucds)) for one in columns]
    return columns


def _unit(column: Column, positions: Mapping[str, str]) -> str | None:
    return "deg" if column.name in positions else column.unit


def _is_angle(column: Column) -> bool:
    return column.datatype in ("float", "double") and column.arraysize is None and column.unit in _ANGLES


def _by_nature(columns: Sequence[Column]) -> Iterable[Column]:
    """Yield the columns that queries will look for: the position's declination and the main identifier."""
    position = position_of(columns)
    for column in columns:
        atoms = _atoms(column)
        is_id = atoms[:1] == [_ID] and "meta.main" in atoms
        if is_id or (position is not None and column.name == position[1]):
            yield column


def _atoms(column: Column) -> list[str]:
    return [atom.strip().lower() for atom in (column.ucd or "").split(";") if atom.strip()]
