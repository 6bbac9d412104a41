"""Checks a query against a catalogue: names, scopes, types, groups, set operations (ADQL 2.1 s2.2, s4.5, s4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.votable.model import Field
from tap_proxy.adql import ast
from tap_proxy.adql.bound import (
    Analysed,
    Bound,
    BoundQuery,
    BoundSelect,
    BoundSetOperation,
    BoundSource,
    Output,
    aliases_of,
    has_aggregate,
    values_of,
)
from tap_proxy.adql.catalogue import Catalogue, same
from tap_proxy.adql.checks import describe, is_null_column
from tap_proxy.adql.conditions import bind_condition
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.grouping import check_grouped
from tap_proxy.adql.kinds import wider
from tap_proxy.adql.ordering import bind_keys, bind_keys_of_rows
from tap_proxy.adql.outputs import bind_outputs, fields_of
from tap_proxy.adql.scope import Scope
from tap_proxy.adql.session import CommonTable, Place, Session
from tap_proxy.adql.sources import bind_sources
from tap_proxy.adql.values import bind, comparable


def analyse(query: ast.Query, catalogue: Catalogue) -> Analysed:
    """Return a query with every name resolved and every value typed.

    Raises
    ------
    AdqlSemanticError
        The query does not fit the catalogue or itself.
    """
    session = Session(catalogue, bind_query)
    for common in query.common_tables:
        _define(common, session)
    bound = bind_query(session, query.expression, None)
    common_tables = tuple((each.name, each.query) for each in session.common_tables)
    return Analysed(query.span, bound, common_tables, tuple(session.tables), tuple(session.deprecations))


def _define(common: ast.WithQuery, session: Session) -> None:
    """Add a common table; what follows sees it, it does not see itself (ADQL 2.1 s4.5.1)."""
    if any(same(common.name, other.label) for other in session.common_tables):
        raise AdqlSemanticError(f"two common tables are called {common.name}", common.name.span)
    query = bind_query(session, common.query, None)
    session.common_tables.append(CommonTable(common.name.name, f"c{len(session.common_tables) + 1}", query))


def bind_query(session: Session, expression: ast.SelectExpression, outer: Scope | None) -> BoundQuery:
    """Return a query body with its order."""
    session.depth += 1
    session.check_depth(expression.span)
    body = expression.body
    if isinstance(body, ast.Select):
        bound = _select_query(session, body, expression, outer)
    else:
        bound = _rows_query(session, body, expression, outer)
    session.depth -= 1
    return bound


def _rows_query(
    session: Session,
    body: ast.SetOperation | ast.SelectExpression,
    expression: ast.SelectExpression,
    outer: Scope | None,
) -> BoundQuery:
    """Return a set operation, or a query in parentheses, that is ordered or shortened as a whole."""
    if isinstance(body, ast.SelectExpression):
        inner = bind_query(session, body, outer)
        bound: BoundSetOperation | BoundQuery = inner
        fields, labels = inner.fields, inner.labels
    else:
        bound, fields, labels = _set_operation(session, body, outer)
    alias = session.alias(body.span)
    keys = bind_keys_of_rows(expression.order_by, session, alias, (fields, labels), outer)
    return BoundQuery(bound, keys, expression.offset, fields, labels, alias)


def _set_operation(
    session: Session, operation: ast.SetOperation, outer: Scope | None
) -> tuple[BoundSetOperation, tuple[Field, ...], tuple[str, ...]]:
    operands = tuple(_operand(session, operand, outer) for operand in operation.operands)
    first = operands[0]
    fields = list(first.fields)
    for operand, written in zip(operands[1:], operation.operands[1:], strict=True):
        if len(operand.fields) != len(fields):
            problem = f"the queries of a set operation have {len(fields)} and {len(operand.fields)} columns"
            raise AdqlSemanticError(problem, written.span)
        for position, (ours, theirs) in enumerate(zip(fields, operand.fields, strict=True)):
            fields[position] = _common(ours, theirs, position, first, operand, written.span)
    operators = tuple((operator.name, operator.keep_duplicates) for operator in operation.operators)
    return BoundSetOperation(operands, operators), tuple(fields), first.labels


def _common(ours: Field, theirs: Field, position: int, left: BoundQuery, right: BoundQuery, span: ast.Span) -> Field:
    """Return the type of a column that two queries share (ADQL 2.1 s4.6)."""
    if is_null_column(right, position):
        return ours
    if is_null_column(left, position):
        return replace(theirs, name=ours.name)
    if not comparable(ours, theirs):
        types = f"{describe(ours)} in one query and {describe(theirs)} in another"
        problem = f"column {position + 1} of a set operation is {types}"
        raise AdqlSemanticError(problem, span)
    return wider(ours, theirs)


def _operand(session: Session, operand: ast.QueryBody, outer: Scope | None) -> BoundQuery:
    if isinstance(operand, ast.SelectExpression):
        return bind_query(session, operand, outer)
    return bind_query(session, ast.SelectExpression(operand, (), None, operand.span), outer)


def _select_query(
    session: Session, select: ast.Select, expression: ast.SelectExpression, outer: Scope | None
) -> BoundQuery:
    items = bind_sources(select.tables, session, outer)
    scope = Scope([relation for _, relation in items], outer)
    outputs, spans = bind_outputs(select.items, Place(session, scope, "SELECT", aggregates=True))
    sources = tuple(source for source, _ in items)
    bound = _select(session, select, scope, tuple(outputs), sources)
    place = Place(session, scope, "ORDER BY", aggregates=True, outputs=tuple(outputs), outputs_first=True)
    alias = session.alias(select.span) if bound.distinct and expression.order_by else ""
    keys, key_spans = bind_keys(expression.order_by, place, bound, alias)
    _check_groups(bound, sources, spans, select, [(key.value, span) for key, span in zip(keys, key_spans, strict=True)])
    labels = tuple(output.label for output in outputs)
    return BoundQuery(bound, keys, expression.offset, fields_of(outputs), labels, alias)


def _select(
    session: Session, select: ast.Select, scope: Scope, outputs: tuple[Output, ...], sources: tuple[BoundSource, ...]
) -> BoundSelect:
    where = having = None
    if select.where is not None:
        labels = tuple(output.label for output in outputs)
        where = bind_condition(select.where, Place(session, scope, "WHERE", result_labels=labels))
    place = Place(session, scope, "GROUP BY", outputs=outputs)
    group_by = tuple(_group_term(term, place, outputs) for term in select.group_by)
    if select.having is not None:
        having = bind_condition(select.having, Place(session, scope, "HAVING", aggregates=True))
    return BoundSelect(select.quantifier == "DISTINCT", outputs, sources, where, group_by, having, select.top)


def _group_term(term: ast.ValueExpression, place: Place, outputs: Sequence[Output]) -> Bound:
    """Return a term of GROUP BY; a bare integer counts columns of the result, as both databases have it."""
    if isinstance(term, ast.NumericLiteral) and term.is_integer:
        position = int(term.text[:9])
        if not 1 <= position <= len(outputs):
            raise AdqlSemanticError(f"the result has no column {term.text}", term.span)
        value = outputs[position - 1].value
    else:
        value = bind(term, place)
    if has_aggregate(value):
        raise AdqlSemanticError("a set function cannot stand in GROUP BY", term.span)
    return value


def _check_groups(
    select: BoundSelect,
    sources: Sequence[BoundSource],
    spans: Sequence[ast.Span],
    written: ast.Select,
    keys: Sequence[tuple[Bound, ast.Span]],
) -> None:
    values = [(output.value, span) for output, span in zip(select.outputs, spans, strict=True)] + list(keys)
    having = values_of(select.having) if select.having is not None else ()
    grouped = select.group_by or select.having is not None
    if not grouped and not any(has_aggregate(value) for value, _ in values):
        return
    local = frozenset[str]().union(*map(aliases_of, sources))
    if written.having is not None:
        values += [(value, written.having.span) for value in having]
    for value, span in values:
        check_grouped(value, select.group_by, local, span)
