"""Tables that a service offers to queries, described as TAP_SCHEMA and VOSI describe them.

One description serves four readers: VOSI /tables, TAP_SCHEMA, the ADQL analyser and the code that creates the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from penstock.votable.model import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Field):
    """A column of a published table (TAP 1.1 s4.3).

    `name` is the bare name; a reader that needs a query-ready one quotes it where ADQL demands.
    `url_path` says that a stored value that begins with a slash is a path under the host's base URL: a reader puts the
    base before it, since the URL that clients reach the host by is not known when the row is written.
    `word_index` names the index that finds rows by words of the column (`penstock.words`), as ``schema.table``.
    `moc_bounds` names a private column that holds the MOC of this one in the engine's own form (`penstock.moc`).
    """

    indexed: bool = False
    principal: bool = False
    std: bool = False
    nullable: bool = True
    url_path: bool = False
    word_index: str | None = None
    moc_bounds: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A link between two published tables (TAP 1.1 s4.4); `pairs` are (from_column, target_column)."""

    target_table: str
    pairs: tuple[tuple[str, str], ...]
    description: str | None = None
    utype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A published table; `name` is its bare name within its schema (TAP 1.1 s4.2)."""

    name: str
    columns: tuple[Column, ...]
    description: str | None = None
    utype: str | None = None
    table_type: Literal["table", "view"] = "table"
    foreign_keys: tuple[ForeignKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A published schema (TAP 1.1 s4.1); an entry point in ``penstock.tap_tables`` is a tuple of these."""

    name: str
    tables: tuple[Table, ...]
    description: str | None = None
    utype: str | None = None
