"""What SQLite and PostgreSQL write differently, so that both give the same answers.

Rules that hold on both: whole numbers divide to whole numbers and division by zero is NULL; a function outside of its
domain is NULL; a whole number of a result that takes more than 64 bits is an error; strings compare by code point; LIKE
heeds case, ILIKE folds ASCII letters only, and neither knows an escape; NULL comes last in ascending order. Geometries
leave the database as DALI text: numbers with blanks between. One thing differs: a double that overflows in arithmetic
is an error in PostgreSQL, and infinity in SQLite.

Names that begin with ``penstock_`` are functions of this package: sqlite_functions.py, postgres_functions.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from penstock.tables import Column
from penstock.votable.model import Datatype, Field
from tap_proxy.adql.bound import Call
from tap_proxy.adql.kinds import Kind, is_integer, kind_of

Physical = Callable[[str, str], str]
"""(schema, table) -> the quoted name of the table in SQL."""


def quoted(name: str) -> str:
    """Return a name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def schema_table(schema: str, table: str) -> str:
    """Name a table within its schema, as PostgreSQL has them."""
    return f"{quoted(schema)}.{quoted(table)}"


def joined_name(schema: str, table: str) -> str:
    """Name a table where there are no schemas, as in SQLite: ``schema__table``."""
    return quoted(f"{schema}__{table}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(ABC):
    """How SQL is written for one database.

    Parameters
    ----------
    physical
        Names published tables.
    base
        What stands for the base URL before paths (`penstock.tables.Column.url_path`).
    """

    physical: Physical
    base: str = ""

    name: ClassVar[Literal["sqlite", "postgresql"]]
    numbered: ClassVar[bool]
    """Whether one parameter may stand in several places."""

    counts_duplicates: ClassVar[bool]
    """Whether EXCEPT ALL and INTERSECT ALL are known."""

    parser_depth: ClassVar[int]
    """How many symbols its parser can put off at a time, 0 for no limit that matters."""

    functions: ClassVar[Mapping[str, str]]
    user_functions: ClassVar[Mapping[str, str]]

    @abstractmethod
    def placeholder(self, number: int) -> str:
        """Return what stands for the parameter of a number, from 1."""

    @abstractmethod
    def text(self, marker: str) -> str:
        """Return a string parameter."""

    @abstractmethod
    def number(self, value: float) -> str:
        """Return a constant number."""

    @abstractmethod
    def cast(self, sql: str, field: Field, datatype: Datatype) -> str:
        """Return a number, a truth value or a string as a number of another type; it is an error if it is none."""

    @abstractmethod
    def widened(self, sql: str, field: Field, datatype: Datatype) -> str:
        """Return a number as one of a type that holds it, where the database would not do so itself."""

    @abstractmethod
    def to_text(self, sql: str, field: Field) -> str:
        """Return a value as text."""

    @abstractmethod
    def calculate(self, operands: Sequence[tuple[str, Field]], operators: Sequence[str]) -> str:
        """Return a chain of ``+ - * /`` read from the left."""

    @abstractmethod
    def rounded(self, call: Call, sql: str) -> str:
        """Return ROUND or TRUNCATE."""

    @abstractmethod
    def exact(self, sql: str) -> str:
        """Return a whole number that may not fit into 64 bits, as an error if it does not."""

    @abstractmethod
    def pattern(self, constant: str, *, folded: bool) -> str:
        """Return the parameter that stands for a constant pattern."""

    @abstractmethod
    def like(self, operand: str, pattern: str, *, constant: bool, folded: bool) -> str:
        """Return a LIKE or ILIKE; a constant pattern has gone through `pattern`."""

    @abstractmethod
    def null(self, field: Field) -> str:
        """Return a NULL of a type."""

    @abstractmethod
    def aggregate(self, name: str, argument: str, field: Field, *, distinct: bool) -> str:
        """Return a set function of one argument."""

    @abstractmethod
    def ordered(self, sql: str, field: Field, *, descending: bool, nullable: bool) -> str:
        """Return a key of ORDER BY."""

    @abstractmethod
    def collated(self, sql: str, field: Field) -> str:
        """Return a value that is compared by less and greater."""

    @abstractmethod
    def matched(self, condition: str, left: str, right: str) -> str:
        """Return the condition of a FULL JOIN of tables under two aliases that equates nothing of both."""

    @abstractmethod
    def limited(self, limit: int | None, offset: int | None) -> str:
        """Return the end of a query that shortens it, with a blank before."""

    @abstractmethod
    def integer(self, condition: str) -> str:
        """Return a condition as 1 or 0."""

    @abstractmethod
    def words_text(self, column: Column, words: Iterable[str]) -> str:
        """Return the parameter for words that a column is to hold."""

    @abstractmethod
    def has_words(self, source: str, column: Column, parameter: str) -> str:
        """Return the condition that a column holds what has gone through `words_text`, for its index to serve."""

    @abstractmethod
    def moc_text(self, text: str) -> str:
        """Return the parameter for a MOC in its ASCII form."""

    @abstractmethod
    def moc(self, parameter: str) -> str:
        """Return a MOC that has gone through `moc_text`."""

    @abstractmethod
    def as_integer(self, sql: str, field: Field) -> str:
        """Return a truth value as 1 or 0, other values as they are."""

    def call(self, call: Call, arguments: Sequence[str]) -> str:
        """Return a function of the language."""
        name = call.name
        if name in INTEGER_AWARE and is_integer(call.arguments[0].field):
            exact = all(is_integer(argument.field) for argument in call.arguments)
            name = f"{name}_EXACT" if exact else name
        return self.functions[name].format(*arguments)


INTEGER_AWARE = frozenset({"MOD", "CEILING", "FLOOR"})


def is_text(field: Field) -> bool:
    """Tell whether values are strings to the database."""
    return kind_of(field) in {Kind.STRING, Kind.TIMESTAMP} or (
        kind_of(field) is Kind.GEOMETRY and field.datatype in ("char", "unicodeChar")
    )
