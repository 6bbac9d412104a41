"""The columns of a result: what they are called and what is said of them (TAP 1.1 s3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.votable.model import Field
from tap_proxy.adql import ast
from tap_proxy.adql.bound import Bound, Output
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.kinds import plain
from tap_proxy.adql.scope import Relation, Scope, named_as
from tap_proxy.adql.session import Place
from tap_proxy.adql.values import bind

MAX_COLUMNS = 1600
"""Columns of a result, as many as PostgreSQL has in one."""


def bind_outputs(items: Iterable[ast.SelectItem], place: Place) -> tuple[list[Output], list[ast.Span]]:
    """Return the columns of a SELECT, an asterisk taken apart, and where each was written."""
    named: list[tuple[str, Bound]] = []
    spans: list[ast.Span] = []
    for item in items:
        if isinstance(item, ast.Asterisk):
            columns = list(_starred(item, place.scope))
        else:
            value = bind(item.expression, place)
            columns = [(_label(item, len(named) + 1), value)]
        named += columns
        spans += [item.span] * len(columns)
        if len(named) > MAX_COLUMNS:
            raise AdqlSemanticError(f"the result has more than {MAX_COLUMNS} columns", item.span)
    return _unique(named), spans


def fields_of(outputs: Iterable[Output]) -> tuple[Field, ...]:
    """Return what a result says of its columns."""
    return tuple(plain(output.value.field, output.name) for output in outputs)


def _starred(star: ast.Asterisk, scope: Scope) -> Iterable[tuple[str, Bound]]:
    if not star.qualifier:
        return (column for relation in scope.relations for column in relation.columns())
    members = scope.members(star.qualifier)
    if len(members) != 1:
        problem = "means several tables" if members else "is no table of this FROM"
        raise AdqlSemanticError(f"{named_as(star.qualifier)} {problem}", star.span)
    return Relation(members).columns()


def _label(item: ast.DerivedColumn, position: int) -> str:
    """Return the name of a column; a nameless expression is called after its function and its place."""
    if item.alias is not None:
        return item.alias.name
    match item.expression:
        case ast.ColumnReference(names=names):
            return names[-1].name
        case ast.UserFunctionCall(name=name):
            return f"{name.name.lower()}_{position}"
        case ast.FunctionCall(name=name) | ast.GeometryCall(name=name) | ast.SetFunction(name=name):
            return f"{name.lower()}_{position}"
        case _:
            return f"column_{position}"


def _unique(named: Iterable[tuple[str, Bound]]) -> list[Output]:
    outputs: list[Output] = []
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for label, value in named:
        name, count = label, counts.get(label.lower(), 1)
        while name.lower() in taken:
            count += 1
            name = f"{label}_{count}"
        taken.add(name.lower())
        counts[label.lower()] = count
        outputs.append(Output(name, label, value))
    return outputs
