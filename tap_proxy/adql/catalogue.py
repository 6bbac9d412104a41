"""The tables and functions that a query may name.

Regular identifiers find names whatever their case, delimited ones exactly (ADQL 2.1 s2.1.6). A table may be named
without its schema where only one schema has it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from penstock.tables import Column, Schema, Table
from tap_proxy.adql.ast import Identifier
from tap_proxy.adql.functions import FUNCTIONS, Function
from tap_proxy.adql.words import FOREIGN, LANGUAGE


class CatalogueTable:
    """A published table with an index of its columns."""

    __slots__ = ("columns", "index", "schema", "table")

    def __init__(self, schema: str, table: Table) -> None:
        self.schema = schema
        self.table = table
        self.columns: Sequence[tuple[str, Column]] = [(column.name, column) for column in table.columns]
        index: dict[str, list[tuple[str, Column]]] = defaultdict(list)
        for name, column in self.columns:
            index[name.lower()].append((name, column))
        self.index: Mapping[str, Sequence[tuple[str, Column]]] = dict(index)


class Catalogue:
    """Tables by name, functions by name.

    Parameters
    ----------
    schemas
        What is published; nothing of it is copied.
    functions
        The user-defined functions that queries may call.
    """

    def __init__(self, schemas: Iterable[Schema], *, functions: Iterable[Function] = FUNCTIONS) -> None:
        self._tables: dict[str, tuple[CatalogueTable, ...]] = {}
        self._functions: dict[str, tuple[Function, ...]] = {}
        for function in functions:
            name = function.name.lower()
            self._functions[name] = (*self._functions.get(name, ()), function)
        self._add(schemas)

    def extended(self, schemas: Iterable[Schema]) -> Catalogue:
        """Return a catalogue with more tables, such as those uploaded with a query (TAP 1.1 s2.7.6)."""
        extended = Catalogue((), functions=self.functions())
        extended._tables = dict(self._tables)
        extended._add(schemas)
        return extended

    def find(self, names: Sequence[Identifier]) -> Sequence[CatalogueTable]:
        """Return the tables that a name of one or two parts may mean."""
        *qualifier, name = names
        found = [entry for entry in self._tables.get(name.name.lower(), ()) if same(name, entry.table.name)]
        if qualifier:
            found = [entry for entry in found if len(qualifier) == 1 and same(qualifier[0], entry.schema)]
        return exact(found, [entry.table.name for entry in found], name)

    def function(self, name: Identifier, arguments: int) -> Function | None:
        """Return a user-defined function: of several forms that which takes so many arguments, else the first."""
        forms = self._functions.get(name.name.lower(), ())
        return next((form for form in forms if len(form.parameters) == arguments), forms[0] if forms else None)

    def functions(self) -> tuple[Function, ...]:
        """Return all user-defined functions, each form of them."""
        return tuple(form for forms in self._functions.values() for form in forms)

    def suggest_table(self, name: Identifier) -> str | None:
        """Return the published table whose name is nearest to a misspelt one, query-ready."""
        near = nearest(name.name, self._tables)
        if near is None:
            return None
        entry = self._tables[near.lower()][0]
        return f"{entry.schema}.{entry.table.name}"

    def suggest_function(self, name: Identifier) -> str | None:
        """Return what to call instead of an unknown function: that of another dialect, or a misspelt one."""
        if name.name.upper() in FOREIGN:
            return FOREIGN[name.name.upper()]
        language = {word.lower(): word for word in LANGUAGE}
        near = nearest(name.name, [*self._functions, *language])
        if near is None:
            return None
        return f"did you mean {language.get(near) or self._functions[near][0].name}?"

    def _add(self, schemas: Iterable[Schema]) -> None:
        for schema in schemas:
            for table in schema.tables:
                key = table.name.lower()
                self._tables[key] = (*self._tables.get(key, ()), CatalogueTable(schema.name, table))


def same(identifier: Identifier, name: str) -> bool:
    """Tell whether an identifier of a query may mean a published name."""
    if identifier.delimited:
        return identifier.name == name
    return identifier.name.lower() == name.lower()


T = TypeVar("T")

MAX_COMPARED = 100
"""Longer names are not compared with others: that takes the square of their length."""


def exact(found: Sequence[T], names: Sequence[str], identifier: Identifier) -> Sequence[T]:
    """Of names that differ in case only, prefer the one that is spelt as the query spells it."""
    if len(found) < 2:
        return found
    spelt = [item for item, name in zip(found, names, strict=True) if name == identifier.name]
    return spelt if len(spelt) == 1 else found


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return what a misspelt name may have meant."""
    if len(name) > MAX_COMPARED:
        return None
    found = get_close_matches(name.lower(), list(names), n=1, cutoff=0.7)
    return found[0] if found else None
