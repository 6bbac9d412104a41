"""A query as it was written: frozen, typed, and knowing where every part stands in the text.

The names of the nodes are the terms of the grammar (ADQL 2.1 appendix A). Parentheses leave no node. Chains of one
precedence (`a + b - c`, `x AND y AND z`) are one node with many operands, so that long queries do not make deep trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, TypeAlias


class Span(NamedTuple):
    """A run of the query's text: offsets from 0 (`end` excluded), line and column of its start from 1."""

    start: int
    end: int
    line: int
    column: int

    def to(self, last: Span) -> Span:
        """Return the run from the start of this one to the end of `last`."""
        return Span(self.start, last.end, self.line, self.column)


class Enclosed(Span):
    """A run of text in parentheses, which make a primary of any value (ADQL 2.1 appendix A)."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name; a delimited one is case-sensitive (ADQL 2.1 s2.1.6)."""

    name: str
    delimited: bool
    span: Span

    def __str__(self) -> str:
        if self.delimited:
            return '"' + self.name.replace('"', '""') + '"'
        return self.name


@dataclass(frozen=True, slots=True)
class NullLiteral:
    """The word NULL as a value."""

    span: Span


@dataclass(frozen=True, slots=True)
class StringLiteral:
    """A quoted text; `value` has its quotes undone."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class NumericLiteral:
    """An unsigned number as it was written."""

    text: str
    span: Span

    @property
    def is_integer(self) -> bool:
        """Whether it was written without point or exponent."""
        return self.text.isdigit()


@dataclass(frozen=True, slots=True)
class ColumnReference:
    """A column, qualified by a table or an alias or not: one to four names."""

    names: tuple[Identifier, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Signed:
    """A value under a sign."""

    sign: Literal["+", "-"]
    operand: ValueExpression
    span: Span


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A chain of one precedence, read from the left: `operators[i]` stands before ``operands[i + 1]``."""

    operands: tuple[ValueExpression, ...]
    operators: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Strings joined by ``||``."""

    operands: tuple[ValueExpression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function of the language: mathematical, string, conditional, IN_UNIT; `name` is upper-case."""

    name: str
    arguments: tuple[ValueExpression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class GeometryCall:
    """A geometry function or constructor (ADQL 2.1 s4.2); `coordsys` is the deprecated first argument."""

    name: str
    arguments: tuple[ValueExpression, ...]
    coordsys: StringLiteral | None
    span: Span


@dataclass(frozen=True, slots=True)
class UserFunctionCall:
    """A user-defined function (ADQL 2.1 s4.3)."""

    name: Identifier
    arguments: tuple[ValueExpression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SetFunction:
    """An aggregate; `argument` is None for ``COUNT(*)``."""

    name: str
    quantifier: Literal["ALL", "DISTINCT"] | None
    argument: ValueExpression | None
    span: Span


@dataclass(frozen=True, slots=True)
class CastTarget:
    """The type that a CAST makes (ADQL 2.1 s4.7.1)."""

    name: str
    length: int | None
    span: Span


@dataclass(frozen=True, slots=True)
class Cast:
    """A value made another type."""

    operand: ValueExpression
    target: CastTarget
    span: Span


ValueExpression: TypeAlias = (
    NullLiteral
    | StringLiteral
    | NumericLiteral
    | ColumnReference
    | Signed
    | Arithmetic
    | Concatenation
    | FunctionCall
    | GeometryCall
    | UserFunctionCall
    | SetFunction
    | Cast
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared; `operator` is one of ``= <> < > <= >=``."""

    left: ValueExpression
    operator: str
    right: ValueExpression
    span: Span


@dataclass(frozen=True, slots=True)
class Between:
    """A value within bounds, both included."""

    operand: ValueExpression
    low: ValueExpression
    high: ValueExpression
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True)
class InList:
    """A value among others."""

    operand: ValueExpression
    values: tuple[ValueExpression, ...]
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True)
class InQuery:
    """A value among the rows of a subquery."""

    operand: ValueExpression
    query: SelectExpression
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Like:
    """A string that fits a pattern of ``%`` and ``_``; `folded` for ILIKE."""

    operand: ValueExpression
    pattern: ValueExpression
    negated: bool
    folded: bool
    span: Span


@dataclass(frozen=True, slots=True)
class IsNull:
    """A column that has no value."""

    column: ColumnReference
    negated: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Exists:
    """A subquery that has rows."""

    query: SelectExpression
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    """A condition that must not hold."""

    operand: Condition
    span: Span


@dataclass(frozen=True, slots=True)
class Logical:
    """Conditions joined by AND or by OR."""

    operator: Literal["AND", "OR"]
    operands: tuple[Condition, ...]
    span: Span


Condition: TypeAlias = Comparison | Between | InList | InQuery | Like | IsNull | Exists | Not | Logical


class JoinType(Enum):
    """How rows without a partner are treated."""

    INNER = "INNER"
    LEFT = "LEFT"
    RIGHT = "RIGHT"
    FULL = "FULL"


@dataclass(frozen=True, slots=True)
class TableName:
    """A table, a view or a common table: one to three names, with or without an alias."""

    names: tuple[Identifier, ...]
    alias: Identifier | None
    span: Span
    name_span: Span


@dataclass(frozen=True, slots=True)
class DerivedTable:
    """A subquery that stands for a table; its alias is mandatory."""

    query: SelectExpression
    alias: Identifier
    span: Span


@dataclass(frozen=True, slots=True)
class Join:
    """Two tables joined; without `on`, `using` and `natural` every row meets every row."""

    left: TableReference
    right: TableReference
    type: JoinType
    natural: bool
    on: Condition | None
    using: tuple[Identifier, ...]
    span: Span


TableReference: TypeAlias = TableName | DerivedTable | Join


@dataclass(frozen=True, slots=True)
class Asterisk:
    """All columns, or with a qualifier all columns of one table."""

    qualifier: tuple[Identifier, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class DerivedColumn:
    """A column of the result."""

    expression: ValueExpression
    alias: Identifier | None
    span: Span


SelectItem: TypeAlias = Asterisk | DerivedColumn


@dataclass(frozen=True, slots=True)
class SortKey:
    """What the rows are ordered by; a bare integer counts columns of the result from 1."""

    expression: ValueExpression
    descending: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Select:
    """One SELECT; `head_span` covers the word SELECT with quantifier and TOP, for who edits the text."""

    quantifier: Literal["ALL", "DISTINCT"] | None
    top: int | None
    items: tuple[SelectItem, ...]
    tables: tuple[TableReference, ...]
    where: Condition | None
    group_by: tuple[ValueExpression, ...]
    having: Condition | None
    span: Span
    head_span: Span
    top_span: Span | None


@dataclass(frozen=True, slots=True)
class SetOperator:
    """UNION, EXCEPT or INTERSECT, with ALL or not."""

    name: Literal["UNION", "EXCEPT", "INTERSECT"]
    keep_duplicates: bool
    span: Span


@dataclass(frozen=True, slots=True)
class SetOperation:
    """Operands of one precedence, joined from the left; INTERSECT binds tighter (ADQL 2.1 s4.6.6)."""

    operands: tuple[QueryBody, ...]
    operators: tuple[SetOperator, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class SelectExpression:
    """A query body with its order and offset; also what stands within parentheses."""

    body: QueryBody
    order_by: tuple[SortKey, ...]
    offset: int | None
    span: Span


QueryBody: TypeAlias = Select | SetOperation | SelectExpression


@dataclass(frozen=True, slots=True)
class WithQuery:
    """A named result, usable as a table in what follows (ADQL 2.1 s4.5.1)."""

    name: Identifier
    query: SelectExpression
    span: Span


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query with its text."""

    text: str
    common_tables: tuple[WithQuery, ...]
    expression: SelectExpression
    span: Span
