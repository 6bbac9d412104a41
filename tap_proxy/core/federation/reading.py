"""What a query says of each of its tables: the columns that it reads, the conditions on its rows, what it is joined to.

A condition may be judged where the rows come from only if that can never lose a row of the result. Of a SELECT, these
are the conditions that WHERE joins by AND, on tables that no outer join fills up with NULL (here: solid ones), and
those of ON, on the sides whose rows are only looked for (SQL-92 s7.5). All are judged here again, with all rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tap_proxy.adql import Analysed, Catalogue, ast
from tap_proxy.adql.analyse import bind_query
from tap_proxy.adql.ast import JoinType
from tap_proxy.adql.bound import BoundSource, ColumnValue, Compared, JoinSource, TableSource
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.scope import Scope
from tap_proxy.adql.session import CommonTable, Session
from tap_proxy.adql.sources import bind_sources
from tap_proxy.core.federation.walking import bound_conjuncts, conjuncts, nodes, of_type

TableKey: TypeAlias = tuple[str, str]
"""The schema and the name of a table."""


@dataclass(frozen=True, slots=True)
class Said:
    """A condition on one table alone; `names` are the columns that its references mean, by where they stand."""

    condition: ast.Condition
    names: Mapping[ast.Span, str]


@dataclass(frozen=True, slots=True)
class Equated:
    """Rows of `table` are wanted only where `column` equals a column of another table, which is one of `source`."""

    table: TableKey
    column: ColumnValue
    source: Occurrence
    column_there: ColumnValue


@dataclass(slots=True, eq=False)
class Occurrence:
    """One mention of a table in FROM, with the conditions on it."""

    table: TableKey
    said: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Reading:
    """What a query says of its tables."""

    columns: dict[TableKey, set[str]] = field(default_factory=lambda: defaultdict(set))
    occurrences: dict[TableKey, list[Occurrence]] = field(default_factory=lambda: defaultdict(list))
    equated: list[Equated] = field(default_factory=list)


def read(query: ast.Query, analysed: Analysed, catalogue: Catalogue) -> Reading:
    """Return what a query says of its tables."""
    reading = Reading()
    _read_columns(analysed, reading)
    common: list[CommonTable] = []
    for each in query.common_tables:
        _read_selects(each.query, catalogue, common, reading)
        bound = bind_query(_session(catalogue, common), each.query, None)
        common.append(CommonTable(each.name.name, f"c{len(common) + 1}", bound))
    _read_selects(query.expression, catalogue, common, reading)
    return reading


def _read_columns(analysed: Analysed, reading: Reading) -> None:
    parts = list(nodes((analysed.query, analysed.common_tables)))
    tables = {part.alias: (part.schema, part.table) for part in parts if isinstance(part, TableSource)}
    for part in parts:
        if isinstance(part, ColumnValue) and part.source in tables:
            reading.columns[tables[part.source]].add(part.name)


def _session(catalogue: Catalogue, common: Iterable[CommonTable]) -> Session:
    return Session(catalogue, bind_query, common_tables=list(common))


def _read_selects(
    expression: ast.SelectExpression, catalogue: Catalogue, common: list[CommonTable], reading: Reading
) -> None:
    for select in of_type(ast.Select, expression):
        session = _session(catalogue, common)
        try:
            items = bind_sources(select.tables, session, None)
        except AdqlSemanticError:
            # A derived table that refers to a query around it cannot be read alone: its tables are fetched whole.
            _note_tables(select, session, reading)
            continue
        scope = Scope([relation for _, relation in items], None)
        _Select(scope, reading).read(select, [source for source, _ in items])


def _note_tables(select: ast.Select, session: Session, reading: Reading) -> None:
    for table in of_type(ast.TableName, select.tables):
        for entry in session.catalogue.find(table.names):
            key = (entry.schema, entry.table.name)
            reading.occurrences[key].append(Occurrence(key))


class _Select:
    """Reads one SELECT."""

    def __init__(self, scope: Scope, reading: Reading) -> None:
        self._scope = scope
        self._reading = reading
        self._by_alias: dict[str, Occurrence] = {}

    def read(self, select: ast.Select, sources: list[BoundSource]) -> None:
        solid: set[str] = set()
        for source in sources:
            self._note(source)
        for table, source in zip(select.tables, sources, strict=True):
            solid |= self._join(table, source)
        for condition in conjuncts(select.where):
            self._say(condition, solid)
            self._equate_written(condition, solid)

    def _note(self, source: BoundSource) -> None:
        match source:
            case TableSource():
                key = (source.schema, source.table)
                self._by_alias[source.alias] = Occurrence(key)
                self._reading.occurrences[key].append(self._by_alias[source.alias])
            case JoinSource():
                self._note(source.left)
                self._note(source.right)

    def _join(self, table: ast.TableReference, source: BoundSource) -> set[str]:
        """Read the conditions of ON within one item of FROM; return the aliases of its solid tables."""
        if not isinstance(source, JoinSource) or not isinstance(table, ast.Join):
            return {source.alias} if isinstance(source, TableSource) else set()
        left, right = self._join(table.left, source.left), self._join(table.right, source.right)
        looked_for = {
            JoinType.INNER: left | right,
            JoinType.LEFT: right,
            JoinType.RIGHT: left,
            JoinType.FULL: set[str](),
        }[source.type]
        for condition in conjuncts(table.on):
            self._say(condition, looked_for)
        for bound in bound_conjuncts(source.condition):
            if isinstance(bound, Compared):
                self._equate(bound.operator, bound.left, bound.right, looked_for)
        return {
            JoinType.INNER: left | right,
            JoinType.LEFT: left,
            JoinType.RIGHT: right,
            JoinType.FULL: set[str](),
        }[source.type]

    def _say(self, condition: ast.Condition, allowed: set[str]) -> None:
        """Note a condition with the table that it is on, if that is one alone."""
        found = dict(self._resolved(condition))
        aliases = {value.source if value else None for value in found.values()}
        if len(aliases) != 1 or _is_uncertain(condition):
            return
        alias = aliases.pop()
        if alias in allowed and alias in self._by_alias:
            names = {span: value.name for span, value in found.items() if value}
            self._by_alias[alias].said.append(Said(condition, names))

    def _resolved(self, condition: ast.Condition) -> Iterator[tuple[ast.Span, ColumnValue | None]]:
        for reference in of_type(ast.ColumnReference, condition):
            try:
                value = self._scope.resolve(reference)
            except AdqlSemanticError:
                value = None  # a column of a query around this one
            yield reference.span, value if isinstance(value, ColumnValue) else None

    def _equate_written(self, condition: ast.Condition, allowed: set[str]) -> None:
        if not isinstance(condition, ast.Comparison):
            return
        sides = (condition.left, condition.right)
        if all(isinstance(side, ast.ColumnReference) for side in sides):
            left, right = (value for _, value in self._resolved(condition))
            self._equate(condition.operator, left, right, allowed)

    def _equate(self, operator: str, left: object, right: object, allowed: set[str]) -> None:
        if operator != "=" or not isinstance(left, ColumnValue) or not isinstance(right, ColumnValue):
            return
        for ours, theirs in ((left, right), (right, left)):
            table, source = self._by_alias.get(ours.source), self._by_alias.get(theirs.source)
            if table and source and table is not source and ours.source in allowed:
                self._reading.equated.append(Equated(table.table, ours, source, theirs))


def _is_uncertain(condition: ast.Condition) -> bool:
    """Tell whether services may judge a condition differently: it holds a query, chance, a quotient or a cast."""
    for node in nodes(condition):
        match node:
            case ast.SelectExpression() | ast.Cast():
                return True
            case ast.FunctionCall(name="RAND"):
                return True
            case ast.Arithmetic(operators=operators) if "/" in operators:
                return True
    return False
