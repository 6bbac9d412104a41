"""What the parts of one analysis share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tap_proxy.adql.ast import Identifier, SelectExpression, Span
from tap_proxy.adql.bound import Bound, BoundQuery, Output
from tap_proxy.adql.catalogue import Catalogue, same
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.scope import Scope

MAX_DEPTH = 40
"""Expressions within expressions, as far as the databases' own parsers go with certainty."""

MAX_COPIES = 20_000
"""How often the SQL may repeat one argument."""

MAX_TABLES = 60
"""Tables of one query, as many as SQLite joins."""


@dataclass(slots=True)
class CommonTable:
    """A common table that is in sight."""

    label: str
    name: str
    query: BoundQuery


@dataclass(slots=True)
class Session:
    """The state of one analysis; `subquery` analyses a query within a scope."""

    catalogue: Catalogue
    subquery: Callable[[Session, SelectExpression, Scope | None], BoundQuery]
    common_tables: list[CommonTable] = field(default_factory=list)
    tables: dict[tuple[str, str], None] = field(default_factory=dict)
    deprecations: list[str] = field(default_factory=list)
    aliases: int = 0
    depth: int = 0
    copies: int = 1

    def alias(self, span: Span) -> str:
        """Return a name that nothing else in the query has."""
        self.aliases += 1
        if self.aliases > MAX_TABLES:
            raise AdqlSemanticError(f"the query has more than {MAX_TABLES} tables and subqueries", span)
        return f"t{self.aliases}"

    def check_depth(self, span: Span) -> None:
        """Stop at expressions that nest too deep for the databases' parsers."""
        if self.depth > MAX_DEPTH:
            raise AdqlSemanticError(f"expressions nest deeper than {MAX_DEPTH} levels", span)

    @contextmanager
    def copied(self, times: int, span: Span) -> Iterator[None]:
        """Count how often the SQL repeats the arguments that are bound within; repeated in turn, that multiplies."""
        self.copies *= times
        if self.copies > MAX_COPIES:
            raise AdqlSemanticError("geometry and user-defined functions nest too deep here", span)
        yield
        self.copies //= times

    def deprecate(self, message: str, span: Span) -> None:
        """Note a construct that a later ADQL will not have."""
        self.deprecations.append(f"Line {span.line}, column {span.column}: {message}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands.

    `clause` names it for messages; `aggregates` tells whether set functions may stand here; `outputs` are the result's
    own columns where they are in sight, by label, and `outputs_first` tells whether they hide those of the tables.
    `result_labels` are their labels where they are not, for messages.
    """

    session: Session
    scope: Scope
    clause: str
    aggregates: bool = False
    outputs: tuple[Output, ...] = ()
    outputs_first: bool = False
    result_labels: tuple[str, ...] = ()

    def outputs_called(self, name: Identifier) -> Bound | None:
        """Return the result's column of a name, if there is exactly one."""
        found = [output for output in self.outputs if same(name, output.label)]
        return found[0].value if len(found) == 1 else None

    def within_aggregate(self, name: str, span: Span) -> Place:
        """Return the place within a set function that stands here."""
        if not self.aggregates:
            raise AdqlSemanticError(f"{name} cannot stand in {self.clause}", span)
        return Place(self.session, self.scope, "another set function")
