"""Resolves FROM: tables, derived tables and joins (ADQL 2.1 s2.2.2; SQL-92 s7.5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

from penstock.votable.model import Field
from tap_proxy.adql import ast
from tap_proxy.adql.ast import JoinType
from tap_proxy.adql.bound import (
    Bound,
    BoundCondition,
    BoundQuery,
    BoundSource,
    Call,
    ColumnValue,
    CommonSource,
    Compared,
    JoinSource,
    Junction,
    QuerySource,
    TableSource,
)
from tap_proxy.adql.catalogue import CatalogueTable, same
from tap_proxy.adql.checks import alike, describe
from tap_proxy.adql.conditions import bind_condition
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import wider
from tap_proxy.adql.scope import Member, Relation, Scope, named_as
from tap_proxy.adql.session import Place, Session
from tap_proxy.adql.values import comparable

Item: TypeAlias = tuple[BoundSource, Relation]


def bind_sources(tables: Sequence[ast.TableReference], session: Session, outer: Scope | None) -> list[Item]:
    """Return the items of FROM.

    Raises
    ------
    AdqlSemanticError
        A table or column is unknown or ambiguous, or two tables have one name.
    """
    items = [bind_source(table, session, outer) for table in tables]
    members = [member for _, relation in items for member in relation.members]
    seen: set[tuple[str, ...]] = set()
    tables_seen: set[str] = set()
    for member in members:
        names = tuple(name.lower() for name in member.names)
        # An alias may not be the name of another table either, whatever its schema (SQL-92 s6.3).
        if names in seen or names[-1:] in seen or (len(names) == 1 and names[0] in tables_seen):
            problem = f"two tables are called {named_as(member.written)}: give one of them an alias"
            raise AdqlSemanticError(problem, member.written[0].span)
        seen.add(names)
        if len(names) > 1:
            tables_seen.add(names[-1])
    return items


def bind_source(table: ast.TableReference, session: Session, outer: Scope | None) -> Item:
    """Return one item of FROM with the columns that it offers."""
    match table:
        case ast.TableName():
            return _table(table, session)
        case ast.DerivedTable():
            query = session.subquery(session, table.query, outer)
            alias = session.alias(table.span)
            return QuerySource(alias, query), Relation([_query_member(alias, table.alias, query)])
        case ast.Join():
            return _join(table, session, outer)


def _table(table: ast.TableName, session: Session) -> Item:
    alias = session.alias(table.span)
    if len(table.names) == 1:
        for common in reversed(session.common_tables):
            if same(table.names[0], common.label):
                member = _query_member(alias, table.alias or table.names[0], common.query)
                return CommonSource(alias, common.name), Relation([member])
    entry = _published(table, session)
    name = entry.table.name
    session.tables[entry.schema, name] = None
    names = (table.alias.name,) if table.alias else (entry.schema, name)
    written = (table.alias,) if table.alias else table.names
    member = Member(alias, names, written, entry.index, entry.columns)
    return TableSource(alias, entry.schema, name), Relation([member])


def _published(table: ast.TableName, session: Session) -> CatalogueTable:
    found = session.catalogue.find(table.names)
    if len(found) == 1:
        return found[0]
    written = named_as(table.names)
    if found:
        choice = ", ".join(f"{entry.schema}.{entry.table.name}" for entry in found)
        raise AdqlSemanticError(f"several tables are called {written}: {choice}", table.name_span)
    near = session.catalogue.suggest_table(table.names[-1])
    advice = f"; did you mean {near}?" if near else ""
    raise AdqlSemanticError(f"there is no table {written}{advice}", table.name_span)


def _query_member(alias: str, name: ast.Identifier, query: BoundQuery) -> Member:
    columns = list(zip(query.labels, query.fields, strict=True))
    index: dict[str, list[tuple[str, Field]]] = defaultdict(list)
    for label, field in columns:
        index[label.lower()].append((label, field))
    return Member(alias, (name.name,), (name,), index, columns)


def _join(join: ast.Join, session: Session, outer: Scope | None) -> Item:
    if join.natural and (join.on is not None or join.using):
        where = join.using[0].span if join.on is None else join.on.span
        raise AdqlSemanticError("a NATURAL JOIN takes neither ON nor USING", where)
    left, left_relation = bind_source(join.left, session, outer)
    right, right_relation = bind_source(join.right, session, outer)
    # In the condition both sides have a row; only behind the join one of them may be missing.
    left_after = left_relation.optional() if join.type in {JoinType.RIGHT, JoinType.FULL} else left_relation
    right_after = right_relation.optional() if join.type in {JoinType.LEFT, JoinType.FULL} else right_relation
    condition: BoundCondition | None = None
    both = _side_by_side(left_after, right_after)
    if join.on is not None:
        scope = Scope([_side_by_side(left_relation, right_relation)], outer)
        condition = bind_condition(join.on, Place(session, scope, "ON"))
    elif join.natural or join.using:
        pairs = _using(join, left_relation, right_relation) if join.using else _natural(left_relation, right_relation)
        condition = _equal(pairs, join)
        both = _merge(pairs, join.type, left_after, right_after)
    return JoinSource(left, right, join.type, condition), both


def _side_by_side(left: Relation, right: Relation) -> Relation:
    return Relation(left.members + right.members, {**left.merged, **right.merged}, left.hidden | right.hidden)


Pairs: TypeAlias = list[tuple[str, Bound, Bound]]


def _natural(left: Relation, right: Relation) -> Pairs:
    """Return the columns that both sides have."""
    theirs = {label.lower(): value for label, value in right.columns()}
    return [(label, value, theirs[label.lower()]) for label, value in left.columns() if label.lower() in theirs]


def _using(join: ast.Join, left: Relation, right: Relation) -> Pairs:
    pairs: Pairs = []
    for name in join.using:
        if any(name.name.lower() == label.lower() for label, _, _ in pairs):
            raise AdqlSemanticError(f"the column {name} stands twice in USING", name.span)
        values: list[Bound] = []
        for side, relation in (("left", left), ("right", right)):
            found = relation.find(name)
            if len(found) != 1:
                problem = "is ambiguous" if found else "does not exist"
                raise AdqlSemanticError(f"the column {name} of USING {problem} on the {side} of the JOIN", name.span)
            values.append(found[0])
        label = values[0].name if isinstance(values[0], ColumnValue) and not name.delimited else name.name
        pairs.append((label, values[0], values[1]))
    return pairs


def _equal(pairs: Pairs, join: ast.Join) -> BoundCondition | None:
    for label, left, right in pairs:
        if not comparable(left.field, right.field):
            problem = (
                f"the column {label} is {describe(left.field)} on the left and {describe(right.field)} on the right"
            )
            raise AdqlSemanticError(problem, join.span)
    conditions = tuple(Compared("=", *alike(values)) for _, *values in pairs)
    if len(conditions) > 1:
        return Junction("AND", conditions)
    return conditions[0] if conditions else None


def _merge(pairs: Pairs, type_: JoinType, left: Relation, right: Relation) -> Relation:
    """Return both sides with each pair made one column: that of the side that has all rows (SQL-92 s7.5)."""
    merged: dict[str, Bound] = {}
    hidden = set(left.hidden | right.hidden)
    gone = {label.lower() for label, _, _ in pairs}
    for label, ours, theirs in pairs:
        match type_:
            case JoinType.INNER | JoinType.LEFT:
                merged[label] = ours
            case JoinType.RIGHT:
                merged[label] = theirs
            case JoinType.FULL:
                merged[label] = Call("COALESCE", (ours, theirs), wider(ours.field, theirs.field))
        hidden |= {(value.source, value.name) for value in (ours, theirs) if isinstance(value, ColumnValue)}
    for relation in (left, right):
        merged |= {label: value for label, value in relation.merged.items() if label.lower() not in gone}
    return Relation(left.members + right.members, merged, frozenset(hidden))
