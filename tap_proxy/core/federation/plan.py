"""How a query will be answered: the plan as a value, and in the words of people and of programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from penstock.identifiers import query_ready


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """All tables are here."""

    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PassThrough:
    """One upstream answers the whole query, whose text is `text` there."""

    archive: str
    url: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Only rows are wanted whose `column` has a value that some other table has.

    Parameters
    ----------
    table, column_there
        The other table, as (schema, table), and its column.
    fetched
        Whether that table was fetched before; else `query` finds the values here.
    """

    column: str
    table: tuple[str, str]
    column_there: str
    fetched: bool
    query: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Rows of one table of one upstream.

    Parameters
    ----------
    archive
        The upstream.
    table
        The table as (schema, table) that the query here reads; several archives may add to one.
    written
        The table as the upstream calls it.
    columns
        What is fetched.
    absent
        What the query reads, too, and the upstream has not.
    conditions
        What the rows must fulfil, as the upstream is asked; all of them.
    kept_here
        Conditions of the query that the upstream cannot judge, or must not.
    keys
        What other tables say of the rows.
    limit
        How many rows are wanted, where fewer than are allowed do.
    """

    archive: str
    table: tuple[str, str]
    written: str
    columns: tuple[str, ...]
    absent: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    kept_here: tuple[str, ...] = ()
    keys: tuple[Keys, ...] = ()
    limit: int | None = None

    def text(self, *more: str) -> str:
        """Return the query to the upstream, with more conditions."""
        columns = ", ".join(map(query_ready, self.columns))
        conditions = (*self.conditions, *more)
        where = f" WHERE {' AND '.join(f'({each})' for each in conditions)}" if conditions else ""
        return f"SELECT {columns} FROM {self.written}{where}"  # noqa: S608  # names that the upstream told

    def capped(self, limit: int) -> Fetch:
        """Return the same with a limit of rows that is no higher."""
        return replace(self, limit=limit if self.limit is None else min(self.limit, limit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """Rows are fetched from several places and the query is answered here.

    Parameters
    ----------
    steps
        Fetches that are made at the same time, one step after the other.
    tolerant
        Whether the result is right, if not whole, where rows are missing: a list of rows is, a count is not.
    narrowed
        Whether no more rows are needed of the one table than the result has.
    skipped
        Archives of ``ivoa.obscore`` that the query itself rules out.
    why
        Why no upstream can answer the query as it stands.
    """

    steps: tuple[tuple[Fetch, ...], ...]
    tolerant: bool
    narrowed: bool = False
    skipped: tuple[str, ...] = ()
    why: str = ""

    @property
    def fetches(self) -> tuple[Fetch, ...]:
        """All fetches."""
        return tuple(fetch for step in self.steps for fetch in step)


Plan: TypeAlias = Local | PassThrough | Gather


def as_json(plan: Plan) -> Mapping[str, Any]:
    """Return a plan for programs."""
    match plan:
        case Local(tables=tables):
            return {"kind": "local", "tables": list(tables)}
        case PassThrough():
            return {"kind": "pass-through", "archive": plan.archive, "url": plan.url, "query": plan.text}
        case Gather():
            return {
                "kind": "gather",
                "why": plan.why,
                "steps": [[_fetch(fetch) for fetch in step] for step in plan.steps],
                "skipped_archives": list(plan.skipped),
                "missing_rows": "told" if plan.tolerant else "refused",
            }


def _fetch(fetch: Fetch) -> Mapping[str, Any]:
    return {
        "archive": fetch.archive,
        "table": ".".join(fetch.table),
        "query": fetch.text(),
        "columns": list(fetch.columns),
        "columns_that_it_has_not": list(fetch.absent),
        "conditions": list(fetch.conditions),
        "conditions_kept_here": list(fetch.kept_here),
        "keys": [
            {"column": each.column, "from": f"{'.'.join(each.table)}.{each.column_there}", "query": each.query}
            for each in fetch.keys
        ],
        "row_limit": fetch.limit,
    }


def as_text(plan: Plan) -> str:
    """Return a plan for people."""
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    match plan:
        case Local(tables=tables):
            yield f"LOCAL: the database of this service answers ({', '.join(tables)})."
        case PassThrough():
            yield f"PASS THROUGH to {plan.archive} ({plan.url}), which is asked:"
            yield from (f"    {line}" for line in plan.text.splitlines())
        case Gather():
            yield f"GATHER: {plan.why}"
            for number, step in enumerate(plan.steps, 1):
                yield f"step {number}, at the same time:" if len(step) > 1 else f"step {number}:"
                for fetch in step:
                    yield from _fetch_lines(fetch)
            for archive in plan.skipped:
                yield f"    {archive}: not asked, the query rules it out"
            yield "last: the database of this service answers the query from these rows and its own."
            missing = "the result tells it" if plan.tolerant else "the query fails, since its result would be wrong"
            yield f"If an archive has more rows than may be fetched, {missing}."


def _fetch_lines(fetch: Fetch) -> Iterator[str]:
    limit = "" if fetch.limit is None else f" [at most {fetch.limit} rows]"
    yield f"    {fetch.archive}: {fetch.text()}{limit}"
    for keys in fetch.keys:
        where = "the rows fetched from" if keys.fetched else "our"
        source = f"{'.'.join(keys.table)}.{keys.column_there}"
        yield f"        and {keys.column} among those of {where} {source}, if these are few"
    for condition in fetch.kept_here:
        yield f"        judged here: {condition}"
