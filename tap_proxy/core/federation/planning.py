"""Decides how a query on tables of several places is answered; pure, so that a plan can be shown and not be run.

1. No table is elsewhere: the database answers.
2. All tables are those of one upstream, which declares all that the query needs: it answers, its bytes pass through.
3. Else the rows of each table are fetched, as few as the conditions allow, and the database answers from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from penstock.identifiers import qualified_name, query_ready
from tap_proxy.adql import Analysed, Catalogue, analyse, ast, parse
from tap_proxy.adql.kinds import Kind, is_integer, kind_of
from tap_proxy.core.federation.ability import Ability
from tap_proxy.core.federation.batches import DID
from tap_proxy.core.federation.catalogue import ARCHIVE, Federation, Place
from tap_proxy.core.federation.functions import first_call, only_there
from tap_proxy.core.federation.mount import Mount, RemoteTable
from tap_proxy.core.federation.needs import missing
from tap_proxy.core.federation.plan import Fetch, Gather, Keys, Local, PassThrough, Plan
from tap_proxy.core.federation.reading import Equated, Occurrence, Reading, Said, TableKey, read
from tap_proxy.core.federation.rewriting import for_upstream, without_qualifiers
from tap_proxy.core.federation.walking import conjuncts, nodes, of_type
from tap_proxy.core.uploads import TAP_UPLOAD


def plan_query(text: str, federation: Federation, catalogue: Catalogue | None = None) -> Plan:
    """Return how a query will be answered.

    Parameters
    ----------
    catalogue
        That of the federation with the tables that come with the query, if there are any.

    Raises
    ------
    AdqlSyntaxError, AdqlSemanticError
        The query is wrong.
    """
    known = catalogue or federation.catalogue
    query = parse(text)
    analysed = analyse(query, known)
    call = first_call(query, federation.archives_by_function)
    if not any(federation.is_elsewhere(*table) for table in analysed.tables):
        if call is not None:
            raise only_there(call, federation.archives_by_function, "its tables are those of this service")
        return Local(tables=tuple(qualified_name(*table) for table in analysed.tables))
    mount, why = _sole_upstream(query, analysed, federation)
    if mount is not None:
        names = {each.name.name.lower() for each in query.common_tables}
        edited = for_upstream(query, lambda table: _located(table, names, known, federation))
        return PassThrough(archive=mount.name, url=mount.url, text=edited)
    if call is not None:
        raise only_there(call, federation.archives_by_function, why)
    return _Planner(query, analysed, federation, read(query, analysed, known)).gather(why)


def _sole_upstream(query: ast.Query, analysed: Analysed, federation: Federation) -> tuple[Mount | None, str]:
    """Return the upstream that can answer the whole query, or why there is none."""
    own: list[str] = []
    mounts: dict[str, Mount] = {}
    there: set[str] = set()
    uploads = False
    for schema, table in analysed.tables:
        place = federation.place(schema, table)
        if place is not None:
            mounts[place.mount.name] = place.mount
            there.add(place.remote.written.lower())
        elif schema == TAP_UPLOAD:
            uploads = True
        else:
            own.append(qualified_name(schema, table))
    if own or len(mounts) != 1:
        return None, f"the tables are at {_listed([*sorted(mounts), *(own and ['this service'])])}"
    (mount,) = mounts.values()
    lacking = missing(query, mount.metadata.ability)
    if lacking:
        return None, f"{mount.name} does not declare {_listed(lacking)}"
    if uploads and "inline" not in mount.metadata.ability.upload_methods:
        return None, f"{mount.name} takes no uploads"
    if any(each.name.name.lower() in there for each in query.common_tables):
        return None, f"a common table has the name of one at {mount.name}"
    return mount, ""


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _located(table: ast.TableName, common: set[str], catalogue: Catalogue, federation: Federation) -> Place | None:
    if len(table.names) == 1 and table.names[0].name.lower() in common:
        return None
    found = catalogue.find(table.names)
    return federation.place(found[0].schema, found[0].table.name) if len(found) == 1 else None


@dataclass(slots=True)
class _Group:
    """All that is fetched for one table of the query, and what may narrow it."""

    table: TableKey
    fetches: list[Fetch]
    skipped: list[str] = field(default_factory=list)
    here: list[Keys] = field(default_factory=list)
    there: list[Equated] = field(default_factory=list)


class _Planner:
    """Makes the plan of one query on several places."""

    def __init__(self, query: ast.Query, analysed: Analysed, federation: Federation, reading: Reading) -> None:
        self._query = query
        self._federation = federation
        self._reading = reading
        self._tolerant = _is_list(query)
        self._tables = [table for table in analysed.tables if federation.is_elsewhere(*table)]

    def gather(self, why: str) -> Gather:
        """Return the plan."""
        groups = [self._group(table) for table in self._tables]
        limit = self._limit(groups)
        if limit is not None:
            for group in groups:
                group.fetches = [fetch.capped(limit) for fetch in group.fetches]
        if any(self._federation.is_union(*table) for table in self._tables):
            why = "ivoa.obscore is this service's and that of other archives together"
        steps = tuple(tuple(step) for step in _ordered(groups))
        return Gather(
            steps=steps,
            tolerant=self._tolerant,
            narrowed=self._narrowed(groups),
            skipped=tuple(archive for group in groups for archive in group.skipped),
            why=why,
        )

    def _group(self, table: TableKey) -> _Group:
        occurrences = self._reading.occurrences[table]
        columns = self._reading.columns[table]
        group = _Group(table, [])
        for mount, remote in self._sources(table):
            if self._is_ruled_out(mount, occurrences):
                group.skipped.append(mount.name)
            else:
                group.fetches.append(self._fetch(table, mount, remote, occurrences, columns))
        if len(occurrences) == 1:
            for equated in self._reading.equated:
                if equated.table == table and _are_keys(equated):
                    self._narrow(group, equated)
        return group

    def _sources(self, table: TableKey) -> Iterator[tuple[Mount, RemoteTable]]:
        place = self._federation.place(*table)
        if place is not None:
            yield place.mount, place.remote
            return
        for mount in self._federation.archives:
            remote = mount.obscore()
            if remote is not None:
                yield mount, remote

    def _fetch(
        self,
        table: TableKey,
        mount: Mount,
        remote: RemoteTable,
        occurrences: Sequence[Occurrence],
        wanted: Iterable[str],
    ) -> Fetch:
        there = {column.name.lower(): column.name for column in remote.table.columns}
        names = {name.lower() for name in wanted}
        if self._federation.is_union(*table):
            names.add(DID)
        columns = tuple(name for folded, name in there.items() if folded in names)
        conditions, kept = self._conditions(occurrences, there, mount.metadata.ability)
        return Fetch(
            archive=mount.name,
            table=table,
            written=remote.written,
            columns=columns or tuple(there.values())[:1],  # of rows that are only counted, any column will do
            absent=tuple(sorted(name for name in names if name not in there and name != ARCHIVE.name)),
            conditions=conditions,
            kept_here=kept,
        )

    def _conditions(
        self, occurrences: Sequence[Occurrence], there: dict[str, str], ability: Ability
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what the upstream can be asked to judge, and what it cannot."""
        asked: list[list[str]] = []
        kept: list[str] = []
        for occurrence in occurrences:
            asked.append([])
            for said in occurrence.said:
                written = self._written(said, there, ability)
                if written is None:
                    start, end, *_ = said.condition.span
                    kept.append(self._query.text[start:end])
                else:
                    asked[-1].append(written)
        if not all(asked):
            return (), tuple(kept)
        if len(asked) == 1:
            return tuple(asked[0]), tuple(kept)
        # The rows serve all mentions of the table: what one of them wants is fetched.
        return (" OR ".join(f"({' AND '.join(f'({one})' for one in each)})" for each in asked),), tuple(kept)

    def _written(self, said: Said, there: dict[str, str], ability: Ability) -> str | None:
        names = {span: there.get(name.lower()) for span, name in said.names.items()}
        if None in names.values() or missing(said.condition, ability):
            return None
        known = {span: name for span, name in names.items() if name is not None}
        return without_qualifiers(self._query.text, said.condition, known)

    def _is_ruled_out(self, mount: Mount, occurrences: Sequence[Occurrence]) -> bool:
        """Tell whether the query wants other archives than this one: ``archive = 'cadc'``, ``archive NOT IN (...)``."""
        return len(occurrences) == 1 and any(_rules_out(said, mount.name) for said in occurrences[0].said)

    def _narrow(self, group: _Group, equated: Equated) -> None:
        source = equated.source
        if self._federation.is_elsewhere(*source.table):
            if source.table != group.table:
                group.there.append(equated)
        else:
            query = self._keys_query(source, equated.column_there.name)
            group.here.append(_keys(equated, fetched=False, query=query))

    def _keys_query(self, source: Occurrence, column: str) -> str:
        """Return the query that finds the values of a column of ours."""
        conditions = [without_qualifiers(self._query.text, said.condition, dict(said.names)) for said in source.said]
        where = f" WHERE {' AND '.join(f'({each})' for each in conditions)}" if conditions else ""
        table = qualified_name(*source.table)
        return f"SELECT DISTINCT {query_ready(column)} FROM {table}{where}"  # noqa: S608  # ADQL of published names

    def _narrowed(self, groups: Sequence[_Group]) -> bool:
        """Tell whether no more rows of a table are needed than the result has: all is judged there, nothing joined."""
        select = self._query.expression.body
        if not self._tolerant or len(groups) != 1 or not isinstance(select, ast.Select):
            return False
        alone = len(select.tables) == 1 and isinstance(select.tables[0], ast.TableName)
        said = sum(len(each.said) for each in self._reading.occurrences[groups[0].table])
        kept = any(fetch.kept_here for fetch in groups[0].fetches)
        return alone and not kept and said == sum(1 for _ in conjuncts(select.where))

    def _limit(self, groups: Sequence[_Group]) -> int | None:
        select = self._query.expression.body
        return select.top if isinstance(select, ast.Select) and self._narrowed(groups) else None


def _is_list(query: ast.Query) -> bool:
    """Tell whether the result is a list of rows each of which is right by itself, whatever other rows there are."""
    select = query.expression.body
    if not isinstance(select, ast.Select) or query.common_tables:
        return False
    if query.expression.order_by or query.expression.offset is not None:
        return False
    if select.quantifier == "DISTINCT" or select.group_by or select.having is not None:
        return False
    if sum(1 for _ in of_type(ast.Select, query.expression)) > 1:
        return False
    for node in nodes(select):
        match node:
            case ast.SetFunction():
                return False
            case ast.UserFunctionCall(name=name) if name.name.lower() == "ivo_string_agg":
                return False
            case ast.Join(type=kind) if kind is not ast.JoinType.INNER:
                return False
    return True


def _are_keys(equated: Equated) -> bool:
    """Tell whether values can be written into a query without a doubt: strings and whole numbers."""
    fields = (equated.column.field, equated.column_there.field)
    texts = all(kind_of(each) is Kind.STRING for each in fields)
    return texts or all(kind_of(each) is Kind.NUMBER and is_integer(each) for each in fields)


def _keys(equated: Equated, *, fetched: bool, query: str | None = None) -> Keys:
    return Keys(
        column=equated.column.name,
        table=equated.source.table,
        column_there=equated.column_there.name,
        fetched=fetched,
        query=query,
    )


def _rules_out(said: Said, archive: str) -> bool:
    """Tell whether a condition on the column ``archive`` holds for no row of one."""
    if set(said.names.values()) != {ARCHIVE.name}:
        return False
    match said.condition:
        case (
            ast.Comparison(
                left=ast.ColumnReference(), operator="=" | "<>" as operator, right=ast.StringLiteral() as one
            )
            | ast.Comparison(
                left=ast.StringLiteral() as one, operator="=" | "<>" as operator, right=ast.ColumnReference()
            )
        ):
            return (one.value == archive) is (operator == "<>")
        case ast.InList(operand=ast.ColumnReference(), values=values, negated=negated):
            named = [value.value for value in values if isinstance(value, ast.StringLiteral)]
            return len(named) == len(values) and (archive in named) is negated
    return False


def _ordered(groups: Sequence[_Group]) -> Iterator[list[Fetch]]:
    """Put the fetches into steps: first what is narrowed by itself, then what keys of rows that are here can narrow."""
    waiting = [group for group in groups if group.fetches]
    done: set[TableKey] = set()
    ready = [group for group in waiting if group.here or not group.there or _is_narrow(group)]
    while waiting:
        step = ready or waiting[:1]
        yield [_with_keys(fetch, group, done) for group in step for fetch in group.fetches]
        done |= {group.table for group in step}
        waiting = [group for group in waiting if group not in step]
        ready = [group for group in waiting if any(each.source.table in done for each in group.there)]


def _is_narrow(group: _Group) -> bool:
    return all(fetch.conditions for fetch in group.fetches)


def _with_keys(fetch: Fetch, group: _Group, done: set[TableKey]) -> Fetch:
    there = [_keys(each, fetched=True) for each in group.there if each.source.table in done]
    known = {column.lower(): column for column in fetch.columns}
    keys = [
        replace(each, column=known[each.column.lower()])
        for each in (*group.here, *there)
        if each.column.lower() in known
    ]
    return replace(fetch, keys=tuple(keys))
