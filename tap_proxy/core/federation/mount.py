"""What an upstream TAP service offers, and under which names its tables are mounted here.

A table ``ivoa.obscore`` of the upstream that is called ``cadc`` here is ``cadc.ivoa_obscore``: the parts of its own
name joined by underscores, what no regular identifier can hold replaced by them, so that a query need not quote it. It
answers to its own name too, where no other table does (`catalogue`). Columns keep their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from penstock.identifiers import RESERVED_WORDS, query_ready
from penstock.tables import Column, ForeignKey, Schema, Table
from tap_proxy.core.federation.ability import Ability, OfferedFormat

_PART = r'[A-Za-z_][A-Za-z0-9_]*|"(?:[^"]|"")+"'
_NAME = re.compile(rf"(?:{_PART})(?:\.(?:{_PART}))*")
_NOT_REGULAR = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTable:
    """A table of an upstream.

    Parameters
    ----------
    written
        Its name as queries to the upstream spell it.
    own
        Its schema and its bare name at the upstream; None where the upstream names no schema.
    table
        The table as it is published here, `table.name` its name within the mount's schema.
    """

    written: str
    own: tuple[str, str] | None
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedFunction:
    """A user-defined function as an upstream declares it: its signature and what it does."""

    form: str
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What an upstream says of itself."""

    tables: tuple[RemoteTable, ...]
    ability: Ability
    functions: tuple[OfferedFunction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """An upstream whose tables are published.

    Parameters
    ----------
    name
        The schema of its tables here.
    url
        Where its TAP service is.
    metadata
        What it said when it was last asked.
    harvested
        When that was.
    in_obscore
        Whether its observations are part of our ``ivoa.obscore``.
    dids_to_links
        Beginnings of publisher DIDs whose access URLs lead to our DataLink instead.
    """

    name: str
    url: str
    metadata: Metadata
    harvested: datetime
    in_obscore: bool = False
    dids_to_links: tuple[str, ...] = ()
    _by_name: Mapping[str, RemoteTable] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name = {remote.table.name: remote for remote in self.metadata.tables}
        object.__setattr__(self, "_by_name", by_name)

    def find(self, name: str) -> RemoteTable | None:
        """Return the table that is published under a name."""
        return self._by_name.get(name)

    def obscore(self) -> RemoteTable | None:
        """Return its table of observations."""
        return next((each for each in self.metadata.tables if each.written.lower() == "ivoa.obscore"), None)

    def schema(self) -> Schema:
        """Return the schema that is published."""
        when = self.harvested.isoformat(timespec="minutes").replace("+00:00", "Z")
        described = f"Tables of the TAP service {self.url}, as it described them at {when}"
        tables = tuple(self._published(each.table) for each in self.metadata.tables)
        return Schema(name=self.name, tables=tables, description=described)

    def _published(self, table: Table) -> Table:
        """Return a table whose foreign keys name the schema of their targets."""
        if not table.foreign_keys:
            return table
        keys = (replace(key, target_table=f"{self.name}.{key.target_table}") for key in table.foreign_keys)
        return replace(table, foreign_keys=tuple(keys))


def mounted(named: Iterable[tuple[str, str, Table]]) -> tuple[RemoteTable, ...]:
    """Give names to tables, of which each is (schema, name as the upstream says it, the table).

    Of the foreign keys those stay that lead to one of the tables; they name it as it is named here.
    """
    taken: dict[str, int] = {}
    remote = []
    for schema, name, table in named:
        parts = _parts(name)
        here = _free("_".join(parts), taken)
        written = _written(name)
        own = (parts[-2], parts[-1]) if len(parts) > 1 else None
        description = table.description or ""
        source = f"Table {written} of schema {schema}" if own is None else f"Table {written}"
        described = f"{description} ({source})" if description else source
        remote.append(RemoteTable(written=written, own=own, table=replace(table, name=here, description=described)))
    targets = {each.written.lower(): each.table for each in remote}
    return tuple(replace(each, table=_with_keys(each.table, targets)) for each in remote)


def _with_keys(table: Table, targets: Mapping[str, Table]) -> Table:
    if not table.foreign_keys:
        return table
    found = ((key, targets.get(_written(key.target_table).lower())) for key in table.foreign_keys)
    keys = (
        replace(key, target_table=target.name)
        for key, target in found
        if target is not None and _pairs_columns(key, table, target)
    )
    return replace(table, foreign_keys=tuple(keys))


def _pairs_columns(key: ForeignKey, table: Table, target: Table) -> bool:
    """Tell whether a key is what it claims to be: pairs of columns that there are."""
    ours, theirs = ({column.name for column in each.columns} for each in (table, target))
    return bool(key.pairs) and all(one in ours and other in theirs for one, other in key.pairs)


def _written(name: str) -> str:
    """Return the name of a table as queries to the upstream spell it."""
    return name if _NAME.fullmatch(name) else query_ready(name)


def _parts(name: str) -> list[str]:
    if not _NAME.fullmatch(name):
        return [name]
    return [_bare(part) for part in re.findall(_PART, name)]


def _bare(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _free(wanted: str, taken: dict[str, int]) -> str:
    """Return a regular identifier that is not taken yet, and take it; `taken` tells how often each was wanted."""
    base = _NOT_REGULAR.sub("_", wanted).strip("_")
    if not base[:1].isalpha():
        base = f"t_{base}"
    if base.upper() in RESERVED_WORDS:
        base += "_"
    name = base
    while name.lower() in taken:
        taken[base.lower()] += 1
        name = f"{base}_{taken[base.lower()]}"
    taken[name.lower()] = 1
    return name


def metadata_document(metadata: Metadata) -> bytes:
    """Write metadata down, to be read by `metadata_of`."""
    return orjson.dumps(asdict(metadata), default=sorted)


def metadata_of(document: bytes) -> Metadata:
    """Read metadata that `metadata_document` wrote."""
    read = orjson.loads(document)
    return Metadata(
        tables=tuple(map(_remote, read["tables"])),
        ability=_ability(read["ability"]),
        functions=tuple(OfferedFunction(**each) for each in read.get("functions", ())),
    )


def _remote(read: dict[str, Any]) -> RemoteTable:
    table = read["table"]
    columns = tuple(Column(**column) for column in table["columns"])
    own = read["own"]
    return RemoteTable(
        written=read["written"],
        own=None if own is None else (own[0], own[1]),
        table=Table(**(table | {"columns": columns, "foreign_keys": tuple(map(_key, table["foreign_keys"]))})),
    )


def _key(read: dict[str, Any]) -> ForeignKey:
    return ForeignKey(**(read | {"pairs": tuple((one, other) for one, other in read["pairs"])}))


def _ability(read: dict[str, Any]) -> Ability:
    formats = tuple(OfferedFormat(**(each | {"aliases": tuple(each["aliases"])})) for each in read["formats"])
    sets = {name: frozenset(read[name]) for name in ("constructs", "upload_methods")}
    return Ability(**(read | sets | {"formats": formats}))
