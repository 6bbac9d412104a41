"""Writes whole queries: SELECTs, set operations, orders, common tables.

All names in the SQL are the catalogue's or made here, and are quoted; see sql.py on why nothing can be injected,
which ruff's rule S608 cannot know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from penstock.votable.model import Field
from tap_proxy.adql.ast import JoinType
from tap_proxy.adql.bound import (
    AmongRows,
    Analysed,
    Bound,
    BoundCondition,
    BoundKey,
    BoundQuery,
    BoundSelect,
    BoundSetOperation,
    BoundSource,
    ColumnValue,
    CommonSource,
    Compared,
    HasRows,
    JoinSource,
    Junction,
    Output,
    QuerySource,
    TableSource,
    Value,
    aliases_of,
    sources_of,
)
from tap_proxy.adql.dialect import Dialect, is_text, quoted
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import is_integer
from tap_proxy.adql.magnitudes import MAX_BITS, bits_of
from tap_proxy.adql.sql import Translation, ValueWriter, called_functions


def translate(analysed: Analysed, dialect: Dialect, *, row_limit: int | None = None) -> Translation:
    """Return the SQL of an analysed query.

    Parameters
    ----------
    row_limit
        Rows beyond which none are wanted, such as MAXREC and one; the query's own TOP holds if it is less.

    Raises
    ------
    AdqlSemanticError
        The query nests too deep for the database's own parser.
    """
    writer = QueryWriter(dialect)
    common = [f"{name} AS ({writer.query(query, query.fields)})" for name, query in analysed.common_tables]
    body = writer.query(analysed.query, analysed.query.fields, row_limit=row_limit)
    sql, params = writer.finish(f"WITH {', '.join(common)} {body}" if common else body)
    if dialect.parser_depth and _pending(sql) > dialect.parser_depth:
        raise AdqlSemanticError("the query nests deeper than the database can read", analysed.span)
    top = analysed.query.body.limit if isinstance(analysed.query.body, BoundSelect) else None
    return Translation(
        sql=sql,
        params=params,
        fields=analysed.query.fields,
        limit=top,
        functions=called_functions(sql),
        tables=analysed.tables,
        deprecations=analysed.deprecations,
    )


class QueryWriter(ValueWriter):
    """Writes queries and all that is in them."""

    def query(self, query: BoundQuery, fields: Sequence[Field], *, row_limit: int | None = None) -> str:
        """Return a query whose columns have the types of `fields`."""
        body = query.body
        if isinstance(body, BoundSelect) and not (body.distinct and query.order_by):
            limit = _least(body.limit, row_limit)
            with self._within(grouped=bool(body.group_by)):
                order = self._order(query.order_by, ordinals=True)
            return f"{self._select(body, fields)}{order}{self.dialect.limited(limit, query.offset)}"
        limit = _least(body.limit, row_limit) if isinstance(body, BoundSelect) else row_limit
        end = f"{self._order(query.order_by, ordinals=False)}{self.dialect.limited(limit, query.offset)}"
        if not end:
            return self._body(body, fields)
        # The keys of the order know the rows by the query's own names, which may not be those that are wanted.
        own = [replace(field, name=ours.name) for field, ours in zip(fields, query.fields, strict=True)]
        return f"{_wrapped(self._body(body, own), query.alias or 'q', own, fields)}{end}"

    def _body(self, body: BoundSelect | BoundSetOperation | BoundQuery, fields: Sequence[Field]) -> str:
        match body:
            case BoundSelect():
                return self._select(body, fields)
            case BoundSetOperation():
                return self._combined(body, fields)
            case BoundQuery():
                return self.query(body, fields)

    def rows(self, condition: AmongRows | HasRows) -> str:
        """Return the subquery of a condition."""
        return self.query(condition.query, condition.query.fields)

    def _select(self, select: BoundSelect, fields: Sequence[Field]) -> str:
        with self._within(grouped=bool(select.group_by)):
            # HAVING alone makes one group of all rows (SQL-92 s7.8), which SQLite learns from a set function only.
            ungrouped = select.having is not None and not select.group_by
            first = self._output(select.outputs[0], fields[0], counted=ungrouped)
            columns = ", ".join([first, *map(self._output, select.outputs[1:], fields[1:])])
            having = f"HAVING {self.condition(select.having)}" if select.having is not None else ""
        with self._within(grouped=False):
            return self._assembled(select, columns, having)

    @contextmanager
    def _within(self, *, grouped: bool) -> Iterator[None]:
        around, self.grouped = self.grouped, grouped
        yield
        self.grouped = around

    def _assembled(self, select: BoundSelect, columns: str, having: str) -> str:
        distinct = "DISTINCT " if select.distinct else ""
        pieces = [f"SELECT {distinct}{columns} FROM {self._from(select.sources)}"]  # noqa: S608
        if select.where is not None:
            pieces.append(f"WHERE {self.condition(select.where)}")
        if select.group_by:
            pieces.append(f"GROUP BY {', '.join(map(self._term, select.group_by))}")
        return " ".join([*pieces, having] if having else pieces)

    def _output(self, output: Output, field: Field, *, counted: bool = False) -> str:
        if isinstance(output.value, Value) and output.value.value is None:
            sql = self.dialect.null(field)
        else:
            sql = self.as_type(output.value, field)
        if is_integer(field) and bits_of(output.value) > MAX_BITS:
            sql = self.dialect.exact(sql)
        return f"{f'CASE WHEN count(*) >= 0 THEN {sql} END' if counted else sql} AS {quoted(field.name)}"

    def _term(self, term: Bound) -> str:
        """Return a term of GROUP BY; a constant is dressed up, or databases would take it for a column's number."""
        sql = self.value(term)
        return f"coalesce({sql}, NULL)" if isinstance(term, Value) else sql

    def _order(self, keys: Sequence[BoundKey], *, ordinals: bool) -> str:
        written = [self._key(key, ordinals=ordinals) for key in keys if not isinstance(key.value, Value)]
        return f" ORDER BY {', '.join(written)}" if written else ""

    def _key(self, key: BoundKey, *, ordinals: bool) -> str:
        value = key.value
        by_position = ordinals and key.position is not None and not is_text(value.field)
        sql = str((key.position or 0) + 1) if by_position else self.value(value)
        nullable = not isinstance(value, ColumnValue) or value.nullable
        return self.dialect.ordered(sql, value.field, descending=key.descending, nullable=nullable)

    def _from(self, sources: Sequence[BoundSource]) -> str:
        if len(sources) == 1:
            return self._source(sources[0])
        return ", ".join(f"({self._source(each)})" if _is_lopsided(each) else self._source(each) for each in sources)

    def _source(self, source: BoundSource) -> str:
        match source:
            case TableSource():
                return f"{self.dialect.physical(source.schema, source.table)} AS {source.alias}"
            case CommonSource():
                return f"{source.name} AS {source.alias}"
            case QuerySource():
                return f"({self.query(source.query, source.query.fields)}) AS {source.alias}"
            case JoinSource():
                right = self._source(source.right)
                if isinstance(source.right, JoinSource):
                    right = f"({right})"
                return f"{self._source(source.left)} {source.type.value} JOIN {right} ON {self._on(source)}"

    def _on(self, join: JoinSource) -> str:
        if join.condition is None:
            return "1 = 1"
        condition = self.condition(join.condition)
        left, right = aliases_of(join.left), aliases_of(join.right)
        if join.type is not JoinType.FULL or _equates(join.condition, left, right):
            return condition
        return self.dialect.matched(condition, min(left), min(right))

    def _combined(self, operation: BoundSetOperation, fields: Sequence[Field]) -> str:
        first, *others = (self._operand(operand, fields) for operand in operation.operands)
        combined = first
        for (name, keep), other in zip(operation.operators, others, strict=True):
            if keep and name != "UNION" and not self.dialect.counts_duplicates:
                columns = ", ".join(quoted(field.name) for field in fields)
                rows = f"{_counted(combined, columns)} {name} {_counted(other, columns)}"
                combined = f"SELECT {columns} FROM ({rows}) AS q"  # noqa: S608
            else:
                combined = f"{combined} {name}{' ALL' if keep else ''} {other}"
        return combined

    def _operand(self, operand: BoundQuery, fields: Sequence[Field]) -> str:
        """Return an operand as one SELECT: no order, limit or other operation may stand in it."""
        sql = self.query(operand, fields)
        simple = isinstance(operand.body, BoundSelect) and operand.body.limit is None
        if simple and not operand.order_by and operand.offset is None:
            return sql
        return _wrapped(sql, "q", fields, fields)


_PARENTHESIS = re.compile(r"(?:(?<!\w)(\w+))?\((SELECT)?|\)")
BASE_COST, SUBQUERY_COST = 10, 8


def _pending(sql: str) -> int:
    """Estimate, rather high, how many symbols a parser has to put off at the deepest place of SQL.

    A parenthesis is one, the name of a function and its mark two more, and so are a value and an operator, or values
    and a comma, that stand before it.
    """
    pending, deepest, costs = BASE_COST, BASE_COST, list[int]()
    for match in _PARENTHESIS.finditer(sql):
        if match[0] != ")":
            before = 0 if sql[match.start() - 1 : match.start()] == "(" else 2
            costs.append(SUBQUERY_COST if match[2] else 1 + before + (2 if match[1] else 0))
            pending += costs[-1]
            deepest = max(deepest, pending)
        elif costs:
            pending -= costs.pop()
    return deepest


def _least(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def _wrapped(sql: str, alias: str, fields: Sequence[Field], wanted: Sequence[Field]) -> str:
    """Return all columns of a query as one SELECT, under the names that are wanted."""
    pairs = zip(fields, wanted, strict=True)
    columns = ", ".join(f"{alias}.{quoted(own.name)} AS {quoted(other.name)}" for own, other in pairs)
    return f"SELECT {columns} FROM ({sql}) AS {alias}"  # noqa: S608


def _counted(sql: str, columns: str) -> str:
    """Return a query with a count of equal rows as a column more, which makes all rows different."""
    number = f"row_number() OVER (PARTITION BY {columns}) AS penstock_row"
    return f"SELECT {columns}, {number} FROM ({sql}) AS q"  # noqa: S608


def _equates(condition: BoundCondition, left: frozenset[str], right: frozenset[str]) -> bool:
    """Tell whether a condition demands that a value of one side of a join equals one of the other."""
    match condition:
        case Junction(operator="AND"):
            return any(_equates(each, left, right) for each in condition.operands)
        case Compared(operator="="):
            first, second = sources_of(condition.left), sources_of(condition.right)
            straight, crossed = first <= left and second <= right, first <= right and second <= left
            return bool(first and second) and (straight or crossed)
        case _:
            return False


def _is_lopsided(source: BoundSource) -> bool:
    """Tell whether a join keeps rows of its right side, so that it cannot stand behind a comma without parentheses."""
    if not isinstance(source, JoinSource):
        return False
    outer = source.type in {JoinType.RIGHT, JoinType.FULL}
    return outer or _is_lopsided(source.left) or _is_lopsided(source.right)
