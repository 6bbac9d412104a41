"""Writes an analysed query as SQL.

Nothing of the query's text reaches the SQL but numbers that were read and written again and strings that go as
parameters; all names are those of the catalogue, quoted here. So there is nothing to inject into.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from penstock.tables import Column
from penstock.votable.model import Field
from tap_proxy.adql import geometry_sql, word_sql
from tap_proxy.adql.bound import (
    AggregateCall,
    Among,
    AmongRows,
    Bound,
    BoundCondition,
    Calculation,
    Call,
    ColumnValue,
    Compared,
    HasRows,
    Junction,
    Matches,
    Missing,
    Negated,
    Shape,
    UserCall,
    Value,
    Within,
)
from tap_proxy.adql.checks import is_null
from tap_proxy.adql.constants import constant
from tap_proxy.adql.dialect import Dialect, quoted
from tap_proxy.adql.kinds import RANKS, Kind, kind_of, number, string

MAX_PARAMETERS = 1000
"""More strings than this are written into the SQL, quoted: databases take no more than some tens of thousands."""

_MARKER = re.compile("\0([0-9]+)\0")
_FUNCTION = re.compile(r"\bpenstock_[a-z0-9_]+(?=\()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """SQL with its parameters, and what its result will be.

    Attributes
    ----------
    limit
        The TOP of the outermost SELECT.
    functions
        Helper functions that the SQL calls; without any, every client of the database can run it.
    tables
        Published tables that are read, as (schema, table).
    """

    sql: str
    params: tuple[str, ...]
    fields: tuple[Field, ...]
    limit: int | None
    functions: frozenset[str]
    tables: tuple[tuple[str, str], ...]
    deprecations: tuple[str, ...]


class ValueWriter:
    """Writes values and conditions; queries within conditions are left to a subclass."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.grouped = False
        self._strings: list[str] = []
        self._numbers: dict[str, int] = {}

    # Parameters stand as numbered marks until the whole SQL is written, since parts of it may be written twice.

    def parameter(self, text: str) -> str:
        """Return a string as SQL."""
        index = self._numbers.get(text)
        if index is None:
            index = self._numbers[text] = len(self._strings)
            self._strings.append(text)
        return self.dialect.text(f"\0{index}\0")

    def finish(self, sql: str) -> tuple[str, tuple[str, ...]]:
        """Return SQL with placeholders, and the parameters in their order."""
        found = [int(match) for match in _MARKER.findall(sql)]
        if len(found) > MAX_PARAMETERS:
            return _MARKER.sub(lambda match: _quote(self._strings[int(match[1])]), sql), ()
        if self.dialect.numbered:
            order = {index: number for number, index in enumerate(dict.fromkeys(found), start=1)}
            written = _MARKER.sub(lambda match: self.dialect.placeholder(order[int(match[1])]), sql)
            return written, tuple(self._strings[index] for index in order)
        return _MARKER.sub(self.dialect.placeholder(0), sql), tuple(self._strings[index] for index in found)

    # Values

    def value(self, bound: Bound) -> str:
        """Return a value as SQL."""
        match bound:
            case Value():
                return self._constant(bound)
            case ColumnValue():
                return self._column(bound)
            case Calculation():
                operands = [(self.value(each), each.field) for each in bound.operands]
                return self.dialect.calculate(operands, bound.operators)
            case Call():
                return self._call(bound)
            case UserCall():
                return self._user_call(bound)
            case AggregateCall():
                return self._aggregate(bound)
            case Shape():
                return geometry_sql.as_result(self, bound)
            case _:
                assert_never(bound)

    def _column(self, bound: ColumnValue) -> str:
        sql = f"{bound.source}.{quoted(bound.name)}"
        if isinstance(bound.field, Column) and bound.field.url_path:
            return f"CASE WHEN {sql} LIKE '/%' THEN '{self.dialect.base}' || {sql} ELSE {sql} END"
        return sql

    def _constant(self, bound: Value) -> str:
        if bound.value is None:
            return "NULL"
        if isinstance(bound.value, str):
            return self.parameter(bound.value)
        return self.dialect.number(bound.value)

    def _call(self, call: Call) -> str:
        if call.name in geometry_sql.CALLS:
            return geometry_sql.CALLS[call.name](self, call)
        if call.name == "COALESCE":
            # NULL stands behind because SQLite wants two values.
            return f"coalesce({', '.join(self.as_type(each, call.field) for each in call.arguments)}, NULL)"
        arguments = [self.value(argument) for argument in call.arguments]
        fields = [argument.field for argument in call.arguments]
        match call.name:
            case "CONCAT":
                return f"({' || '.join(map(self.dialect.to_text, arguments, fields))})"
            case "TRUTH":
                return self.dialect.as_integer(arguments[0], fields[0])
            case "CAST_NUMBER":
                return self.dialect.cast(arguments[0], fields[0], call.field.datatype)
            case "CAST_TEXT":
                text = self.dialect.to_text(arguments[0], fields[0])
                return text if call.detail is None else f"substr({text}, 1, {int(call.detail)})"
            case "SCALE":
                factor = (self.dialect.number(float(call.detail or 1.0)), number("double"))
                return self.dialect.calculate([(arguments[0], fields[0]), factor], ("*",))
            case "ROUND" | "TRUNCATE":
                return self.dialect.rounded(call, arguments[0])
            case _:
                return self.dialect.call(call, arguments)

    def as_type(self, bound: Bound, field: Field) -> str:
        """Return a value as one of a wider type."""
        sql = self.value(bound)
        if is_null(bound):
            return sql
        if field.datatype in RANKS and kind_of(bound.field) in {Kind.NUMBER, Kind.BOOLEAN}:
            return self.dialect.widened(sql, bound.field, field.datatype)
        return sql

    def _user_call(self, call: UserCall) -> str:
        arguments = []
        for bound, parameter in zip(call.arguments, call.function.parameters, strict=True):
            if isinstance(bound, Shape):
                arguments.append(geometry_sql.as_text(self, bound))
            elif is_null(bound):
                type_ = number("double") if parameter.kind is Kind.NUMBER else string()
                arguments.append(self.dialect.null(type_))
            else:
                arguments.append(self.value(bound))
        return self.dialect.user_functions[call.function.name].format(*arguments)

    def _aggregate(self, call: AggregateCall) -> str:
        if call.argument is None:
            return "count(*)"
        return self.dialect.aggregate(call.name, self.value(call.argument), call.argument.field, distinct=call.distinct)

    # Conditions

    def condition(self, condition: BoundCondition) -> str:
        """Return a condition as SQL, in parentheses where it is more than one."""
        match condition:
            case Junction():
                return _joined(list(map(self.condition, condition.operands)), condition.operator)
            case Negated():
                return f"NOT ({self.unbounded(condition.operand)})"
            case Compared():
                return self._compared(condition, bounded=True)
            case Within():
                operand, low, high = map(self._by_size, (condition.operand, condition.low, condition.high))
                return f"{operand} {_not(condition.negated)}BETWEEN {low} AND {high}"
            case Among():
                values = ", ".join(map(self.value, condition.values))
                return f"{self.value(condition.operand)} {_not(condition.negated)}IN ({values})"
            case AmongRows():
                return f"{self.value(condition.operand)} {_not(condition.negated)}IN ({self.rows(condition)})"
            case Matches():
                return self._matches(condition)
            case Missing():
                return f"{self.value(condition.operand)} IS {_not(condition.negated)}NULL"
            case HasRows():
                return f"EXISTS ({self.rows(condition)})"
            case _:
                assert_never(condition)

    def unbounded(self, condition: BoundCondition) -> str:
        """Return a condition whose NULL is told from its falsehood, as within NOT."""
        match condition:
            case Compared():
                return self._compared(condition, bounded=False)
            case Junction():
                return _joined(list(map(self.unbounded, condition.operands)), condition.operator)
            case Negated():
                return f"NOT ({self.unbounded(condition.operand)})"
            case _:
                return self.condition(condition)

    def rows(self, condition: AmongRows | HasRows) -> str:
        """Return the subquery of a condition."""
        raise NotImplementedError

    def _compared(self, condition: Compared, *, bounded: bool) -> str:
        left, right, operator = condition.left, condition.right, condition.operator
        found = word_sql.indexed(self, left, right) if bounded and operator == "=" else None
        if found is not None:
            return found
        if isinstance(right, Call) and right.name in _GEOMETRIC:
            left, right, operator = right, left, geometry_sql.MIRRORED[operator]
        if isinstance(left, Call) and left.name in _GEOMETRIC:
            written = self._geometric(left, operator, right, bounded=bounded)
            if written is not None:
                return written
        if operator in {"=", "<>"}:
            return f"{self.value(left)} {operator} {self.value(right)}"
        return f"{self._by_size(left)} {operator} {self._by_size(right)}"

    def _geometric(self, call: Call, operator: str, other: Bound, *, bounded: bool) -> str | None:
        """Return a comparison of a geometry function that needs no value of it."""
        if call.name == "DISTANCE":
            size = constant(other)
            return None if size is None else geometry_sql.near(self, call, operator, size, bounded=bounded)
        truth = geometry_sql.is_truth(other)
        if truth is None or operator not in {"=", "<>"}:
            return None
        if truth is (operator == "="):
            return geometry_sql.relation(self, call, bounded=bounded)
        return f"NOT ({geometry_sql.relation(self, call, bounded=False)})"

    def _by_size(self, bound: Bound) -> str:
        """Return a value that is compared by size with another."""
        return self.dialect.collated(self.value(bound), bound.field)

    def _matches(self, condition: Matches) -> str:
        operand = self.value(condition.operand)
        fixed = condition.pattern.value if isinstance(condition.pattern, Value) else None
        if isinstance(fixed, str):
            pattern = self.parameter(self.dialect.pattern(fixed, folded=condition.folded))
        else:
            pattern = self.value(condition.pattern)
        sql = self.dialect.like(operand, pattern, constant=isinstance(fixed, str), folded=condition.folded)
        return f"NOT ({sql})" if condition.negated else sql


_GEOMETRIC = frozenset({"CONTAINS", "INTERSECTS", "DISTANCE"})


MAX_CHAIN = 100
"""Conditions in a row; SQLite counts each as a level of depth."""


def _joined(conditions: Sequence[str], operator: str) -> str:
    """Return conditions in parentheses, many of them as a tree."""
    if len(conditions) > MAX_CHAIN:
        half = len(conditions) // 2
        conditions = [_joined(conditions[:half], operator), _joined(conditions[half:], operator)]
    return f"({f' {operator} '.join(conditions)})"


def _not(negated: object) -> str:
    return "NOT " if negated else ""


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def called_functions(sql: str) -> frozenset[str]:
    """Return the helper functions that SQL calls."""
    return frozenset(_FUNCTION.findall(sql))
