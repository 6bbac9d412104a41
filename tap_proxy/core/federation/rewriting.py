"""Edits of a query's own text, so that it says to an upstream what it said to us.

The text is never written anew: only the names of tables are replaced, where they stand. Comments, spelling and layout
stay as the caller wrote them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from penstock.identifiers import query_ready
from tap_proxy.adql import ast
from tap_proxy.core.federation.catalogue import Place
from tap_proxy.core.federation.walking import of_type


@dataclass(frozen=True, slots=True)
class Edit:
    """A run of a text, and what stands there instead."""

    start: int
    end: int
    text: str


Located = Callable[[ast.TableName], Place | None]
"""Tells where the table of a name is, None where it is here or a common table."""


def edited(text: str, edits: Iterable[Edit], *, start: int = 0, end: int | None = None) -> str:
    """Return a run of a text with the edits that fall into it."""
    pieces, position = [], start
    stop = len(text) if end is None else end
    for edit in sorted(set(edits), key=lambda edit: edit.start):
        if start <= edit.start and edit.end <= stop:
            pieces += [text[position : edit.start], edit.text]
            position = edit.end
    return "".join([*pieces, text[position:stop]])


def for_upstream(query: ast.Query, located: Located) -> str:
    """Return the text of a query as the upstream of all its tables understands it.

    A table without alias gets its name here as an alias where the rest of the query knows it by that, or could take it
    for another. Columns are qualified by it as it is spelt there: services in use tell letter case and quotes apart.
    """
    found = [(table, place) for table in of_type(ast.TableName, query) if (place := located(table)) is not None]
    used = {names[-1].name.lower() for names, _ in _qualified(query) if names} | _aliases(query)
    times = Counter(_name_there(place).lower() for _, place in found)
    edits: list[Edit] = []
    qualifiers: dict[tuple[str, ...], str] = {}
    for table, place in found:
        here, there, alias = place.remote.table.name.lower(), _name_there(place), ""
        if table.alias is None and table.names[-1].name.lower() == here:
            if there.lower() != here and (times[there.lower()] > 1 or used & {here, there.lower()}):
                alias, there = f" AS {place.remote.table.name}", place.remote.table.name
            qualifiers[here,] = qualifiers[place.mount.name.lower(), here] = there
        edits.append(Edit(table.name_span.start, table.name_span.end, place.remote.written + alias))
    edits += _qualified_anew(query, qualifiers)
    return edited(query.text, edits)


def _name_there(place: Place) -> str:
    return place.remote.written.rpartition(".")[2]


def _aliases(query: ast.Query) -> set[str]:
    aliases = [table.alias for table in of_type(ast.TableName, query)]
    aliases += [table.alias for table in of_type(ast.DerivedTable, query)]
    return {alias.name.lower() for alias in aliases if alias is not None}


def _qualified_anew(query: ast.Query, qualifiers: Mapping[tuple[str, ...], str]) -> Iterable[Edit]:
    """Write names of mounted tables before columns as the query to the upstream does: ``cadc.ivoa_obscore.s_ra``."""
    for names, span in _qualified(query):
        qualifier = qualifiers.get(tuple(each.name.lower() for each in names))
        if qualifier is not None:
            yield Edit(span.start, names[-1].span.end, qualifier)


def _qualified(query: ast.Query) -> Iterable[tuple[tuple[ast.Identifier, ...], ast.Span]]:
    for reference in of_type(ast.ColumnReference, query):
        yield reference.names[:-1], reference.span
    for star in of_type(ast.Asterisk, query):
        yield star.qualifier, star.span


def without_qualifiers(text: str, condition: ast.Condition, names: dict[ast.Span, str]) -> str:
    """Return a condition as it is said of one table alone.

    Parameters
    ----------
    names
        The columns that the references in the condition mean, by where they stand.
    """
    edits = [Edit(span.start, span.end, query_ready(name)) for span, name in names.items()]
    return edited(text, edits, start=condition.span.start, end=condition.span.end)
