"""Which columns a name may mean at a place of the query (SQL-92 s6.3, s6.4, s7.5).

A `Member` is one table of FROM under its name; a `Relation` is one item of FROM: a member, or several that are joined,
where NATURAL and USING make one column of two; a `Scope` is the FROM of one SELECT, within the scope of the query that
it stands in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from penstock.tables import Column
from penstock.votable.model import Field
from tap_proxy.adql.ast import ColumnReference, Identifier
from tap_proxy.adql.bound import Bound, ColumnValue
from tap_proxy.adql.catalogue import exact, nearest, same
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.words import RESERVED

Index: TypeAlias = Mapping[str, Sequence[tuple[str, Field]]]
"""Lower-case label -> the columns, as (label, field), that have it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One table of FROM: what it may be called and what columns it has, by lower-case label.

    Every column is its label, which queries write, and its field, whose name SQL writes. `optional` tells whether an
    outer join may have no row of the table.
    """

    alias: str
    names: tuple[str, ...]
    written: tuple[Identifier, ...]
    index: Index
    columns: Sequence[tuple[str, Field]]
    optional: bool = False

    def is_called(self, qualifier: Sequence[Identifier]) -> bool:
        """Tell whether a qualifier means this table; a schema may be left out or put in."""
        if len(qualifier) > len(self.names):
            return False
        return all(same(ours, theirs) for ours, theirs in zip(reversed(qualifier), reversed(self.names), strict=False))

    def find(self, name: Identifier) -> list[ColumnValue]:
        """Return the columns that a name may mean."""
        found = [column for column in self.index.get(name.name.lower(), ()) if same(name, column[0])]
        return [self.value(field) for _, field in exact(found, [label for label, _ in found], name)]

    def value(self, field: Field) -> ColumnValue:
        """Return a column of this table as a value."""
        nullable = self.optional or not isinstance(field, Column) or field.nullable
        return ColumnValue(self.alias, field.name, field, nullable)


class Relation:
    """One item of FROM.

    Attributes
    ----------
    members
        Its tables from left to right.
    merged
        Columns that NATURAL or USING made of two, in order, by label.
    hidden
        Columns, as (alias, name), that stand behind a merged one.
    """

    __slots__ = ("hidden", "members", "merged")

    def __init__(
        self,
        members: Sequence[Member],
        merged: Mapping[str, Bound] | None = None,
        hidden: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        self.members = tuple(members)
        self.merged: Mapping[str, Bound] = merged or {}
        self.hidden = hidden

    def optional(self) -> Relation:
        """Return the same tables where an outer join may have no row of them."""
        members = [replace(member, optional=True) for member in self.members]
        merged = {
            label: replace(value, nullable=True) if isinstance(value, ColumnValue) else value
            for label, value in self.merged.items()
        }
        return Relation(members, merged, self.hidden)

    def find(self, name: Identifier) -> list[Bound]:
        """Return what a name without qualifier may mean."""
        found: list[Bound] = [value for label, value in self.merged.items() if same(name, label)]
        for member in self.members:
            found += [value for value in member.find(name) if (value.source, value.name) not in self.hidden]
        return found

    def columns(self) -> Iterator[tuple[str, Bound]]:
        """Return all columns with their labels, merged ones first (SQL-92 s7.5)."""
        yield from self.merged.items()
        for member in self.members:
            for label, field in member.columns:
                if (member.alias, field.name) not in self.hidden:
                    yield label, member.value(field)


class Scope:
    """The FROM of one SELECT."""

    __slots__ = ("outer", "relations")

    def __init__(self, relations: Sequence[Relation], outer: Scope | None) -> None:
        self.relations = relations
        self.outer = outer

    def resolve(self, reference: ColumnReference) -> Bound:
        """Return the column that a reference means.

        Raises
        ------
        AdqlSemanticError
            No column is called so, or several are.
        """
        *qualifier, name = reference.names
        scope: Scope | None = self
        while scope is not None:
            found = scope.find(qualifier, name)
            if len(found) == 1:
                return found[0]
            if found:
                problem = f"the column {name} is ambiguous: put the table's name before it"
                raise AdqlSemanticError(problem, reference.span)
            scope = scope.outer
        raise AdqlSemanticError(self._unknown(qualifier, name), reference.span)

    def find(self, qualifier: Sequence[Identifier], name: Identifier) -> Sequence[Bound]:
        """Return what a name may mean in this scope, leaving out those around it."""
        if not qualifier:
            return [value for relation in self.relations for value in relation.find(name)]
        return [value for member in self.members(qualifier) for value in member.find(name)]

    def members(self, qualifier: Sequence[Identifier]) -> list[Member]:
        """Return the tables that a qualifier means."""
        return [member for member in self._members() if member.is_called(qualifier)]

    def _members(self) -> Iterable[Member]:
        return (member for relation in self.relations for member in relation.members)

    def _scopes(self) -> Iterator[Scope]:
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def _unknown(self, qualifier: Sequence[Identifier], name: Identifier) -> str:
        members = [member for scope in self._scopes() for member in scope._members()]
        if qualifier:
            named = [member for member in members if member.is_called(qualifier)]
            if not named:
                return self._unknown_table(qualifier, members)
            members = named
        labels = {label.lower(): label for member in members for label, _ in member.columns}
        near = nearest(name.name, labels)
        where = f"the table {named_as(qualifier)}" if qualifier else "the tables of this query"
        advice = f"; did you mean {query_ready(labels[near])}?" if near else ""
        if name.delimited and not qualifier and not near:
            advice = f"; double quotes are for names: a string is written '{name.name}'"
        return f"there is no column {name} in {where}{advice}"

    def _unknown_table(self, qualifier: Sequence[Identifier], members: Iterable[Member]) -> str:
        names = {member.names[-1].lower(): named_as(member.written) for member in members if member.names}
        if not names:
            return "combined rows are ordered by the result's own columns, without a table before their names"
        near = nearest(qualifier[-1].name, names)
        advice = f"; did you mean {names[near]}?" if near else f"; there are: {', '.join(sorted(names.values()))}"
        if len(qualifier) > 1 or not near:
            advice += " (a table that has an alias is known by its alias only)"
        return f"no table of this query is called {named_as(qualifier)}{advice}"


def named_as(names: Sequence[Identifier]) -> str:
    """Return a name of several parts as a query writes it."""
    return ".".join(map(str, names))


def query_ready(name: str) -> str:
    """Return a published name as a query has to write it."""
    if name.replace("_", "a").isalnum() and name[:1].isalpha() and name.isascii() and name.upper() not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'
