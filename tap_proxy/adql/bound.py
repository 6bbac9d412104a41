"""A query whose names are resolved and whose values have types: what the analyser makes and the SQL writer reads.

Nothing here knows the text of the query, so two expressions that mean the same are equal; GROUP BY is checked by that.
Columns are named by the alias of their source (unique in the whole query) and their own name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from penstock.votable.model import Field
from tap_proxy.adql.ast import JoinType, Span
from tap_proxy.adql.functions import Function


@dataclass(frozen=True, slots=True)
class Value:
    """A constant: a string, a number, or None for NULL."""

    value: str | int | float | None
    field: Field


@dataclass(frozen=True, slots=True)
class ColumnValue:
    """A column of a source."""

    source: str
    name: str
    field: Field
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Calculation:
    """A chain of operators read from the left."""

    operands: tuple[Bound, ...]
    operators: tuple[str, ...]
    field: Field


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator by its name; `detail` is what is no value: a type's length, a number of digits."""

    name: str
    arguments: tuple[Bound, ...]
    field: Field
    detail: int | float | None = None


@dataclass(frozen=True, slots=True)
class UserCall:
    """A user-defined function."""

    function: Function
    arguments: tuple[Bound, ...]
    field: Field


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """An aggregate; `argument` is None for ``COUNT(*)``."""

    name: str
    distinct: bool
    argument: Bound | None
    field: Field


ShapeName = Literal["POINT", "CIRCLE", "POLYGON", "BOX"]

SHAPE_NAMES: Mapping[str, ShapeName] = {"POINT": "POINT", "CIRCLE": "CIRCLE", "POLYGON": "POLYGON", "BOX": "BOX"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A geometry made of numbers: positions and sizes in degrees."""

    name: ShapeName
    numbers: tuple[Bound, ...]
    field: Field


Bound: TypeAlias = Value | ColumnValue | Calculation | Call | UserCall | AggregateCall | Shape


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison: ``= <> < > <= >=``."""

    operator: str
    left: Bound
    right: Bound


@dataclass(frozen=True, slots=True)
class Within:
    """BETWEEN."""

    operand: Bound
    low: Bound
    high: Bound
    negated: bool


@dataclass(frozen=True, slots=True)
class Among:
    """IN with a list."""

    operand: Bound
    values: tuple[Bound, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AmongRows:
    """IN with a subquery."""

    operand: Bound
    query: BoundQuery
    negated: bool


@dataclass(frozen=True, slots=True)
class Matches:
    """LIKE and ILIKE."""

    operand: Bound
    pattern: Bound
    folded: bool
    negated: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """IS NULL."""

    operand: Bound
    negated: bool


@dataclass(frozen=True, slots=True)
class HasRows:
    """EXISTS."""

    query: BoundQuery


@dataclass(frozen=True, slots=True)
class Negated:
    """NOT."""

    operand: BoundCondition


@dataclass(frozen=True, slots=True)
class Junction:
    """AND, OR."""

    operator: Literal["AND", "OR"]
    operands: tuple[BoundCondition, ...]


BoundCondition: TypeAlias = Compared | Within | Among | AmongRows | Matches | Missing | HasRows | Negated | Junction


@dataclass(frozen=True, slots=True)
class TableSource:
    """A published table under an alias."""

    alias: str
    schema: str
    table: str


@dataclass(frozen=True, slots=True)
class CommonSource:
    """A common table under an alias."""

    alias: str
    name: str


@dataclass(frozen=True, slots=True)
class QuerySource:
    """A derived table under an alias."""

    alias: str
    query: BoundQuery


@dataclass(frozen=True, slots=True)
class JoinSource:
    """A join; without condition every row meets every row."""

    left: BoundSource
    right: BoundSource
    type: JoinType
    condition: BoundCondition | None


BoundSource: TypeAlias = TableSource | CommonSource | QuerySource | JoinSource


@dataclass(frozen=True, slots=True)
class Output:
    """A column of a query's result: `label` as the query names it, `name` unique among its columns."""

    name: str
    label: str
    value: Bound


@dataclass(frozen=True, slots=True)
class BoundKey:
    """A key of ORDER BY; `position` counts outputs from 0 where the key is one of them."""

    value: Bound
    position: int | None
    descending: bool


@dataclass(frozen=True, slots=True)
class BoundSelect:
    """One SELECT."""

    distinct: bool
    outputs: tuple[Output, ...]
    sources: tuple[BoundSource, ...]
    where: BoundCondition | None
    group_by: tuple[Bound, ...]
    having: BoundCondition | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class BoundSetOperation:
    """Queries of one precedence joined from the left; `operators` are (name, whether duplicates stay)."""

    operands: tuple[BoundQuery, ...]
    operators: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class BoundQuery:
    """A query body with its order and offset; `fields` describe its columns, names unique, `labels` as written.

    `alias` names the body's rows where keys of the order are calculated from its outputs (DISTINCT, set operations).
    """

    body: BoundSelect | BoundSetOperation | BoundQuery
    order_by: tuple[BoundKey, ...]
    offset: int | None
    fields: tuple[Field, ...]
    labels: tuple[str, ...]
    alias: str


@dataclass(frozen=True, slots=True)
class Analysed:
    """A query that fits its catalogue, ready to be written as SQL; `deprecations` are messages with positions."""

    span: Span

    query: BoundQuery
    common_tables: tuple[tuple[str, BoundQuery], ...]
    tables: tuple[tuple[str, str], ...]
    deprecations: tuple[str, ...]


def parts(value: Bound) -> tuple[Bound, ...]:
    """Return the values that a value is made of."""
    match value:
        case Calculation():
            return value.operands
        case Call() | UserCall():
            return value.arguments
        case AggregateCall():
            return () if value.argument is None else (value.argument,)
        case Shape():
            return value.numbers
        case _:
            return ()


def aliases_of(source: BoundSource) -> frozenset[str]:
    """Return the aliases of an item of FROM."""
    if isinstance(source, JoinSource):
        return aliases_of(source.left) | aliases_of(source.right)
    return frozenset({source.alias})


def sources_of(value: Bound) -> frozenset[str]:
    """Return the aliases of the tables whose columns a value is made of."""
    if isinstance(value, ColumnValue):
        return frozenset({value.source})
    return frozenset().union(*map(sources_of, parts(value)))


def values_of(condition: BoundCondition) -> tuple[Bound, ...]:
    """Return the values that a condition compares, but those within subqueries."""
    match condition:
        case Compared():
            return (condition.left, condition.right)
        case Within():
            return (condition.operand, condition.low, condition.high)
        case Among():
            return (condition.operand, *condition.values)
        case AmongRows() | Missing():
            return (condition.operand,)
        case Matches():
            return (condition.operand, condition.pattern)
        case Negated():
            return values_of(condition.operand)
        case Junction():
            return tuple(value for operand in condition.operands for value in values_of(operand))
        case HasRows():
            return ()


def is_aggregate(value: Bound) -> bool:
    """Tell whether a value is a set function itself."""
    return isinstance(value, AggregateCall) or (isinstance(value, UserCall) and value.function.aggregate)


def has_aggregate(value: Bound) -> bool:
    """Tell whether a value holds a set function."""
    return is_aggregate(value) or any(map(has_aggregate, parts(value)))
