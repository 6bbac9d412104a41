"""Finds which join each ON and USING belongs to (ADQL 2.1 appendix A, qualified_join).

The grammar reads ``a JOIN b JOIN c ON x ON y`` as tables, joins and specifications in a row. A specification belongs to
the last join that is still without, so the inner pair above is ``b JOIN c ON x``. Joins may go without (the grammar
lets them); those that no later specification needs are read from the left. NATURAL joins go without wherever the others
suffice.
"""

from __future__ import annotations

from typing import Any

from lark import Token

from tap_proxy.adql import ast
from tap_proxy.adql.errors import AdqlSyntaxError
from tap_proxy.adql.lexer import span_of


def arrange_joins(first: ast.TableReference, tails: list[Any]) -> ast.TableReference:
    """Return one table reference for a chain of joins.

    Parameters
    ----------
    tails
        Per join: the words of its operator, the table, and any specifications that follow the table.
    """
    takes = _takers(tails)
    needed = _needed(tails, takes)
    tables, pending, waiting = [first], list[int](), 0
    for place, (_, table, *specifications) in enumerate(tails):
        while pending and (waiting > needed[place] or not takes[pending[-1]]):
            waiting -= takes[pending[-1]]
            _join(tables, tails[pending.pop()], None)
        tables.append(table)
        pending.append(place)
        waiting += takes[place]
        for specification in specifications:
            while pending and not takes[pending[-1]]:
                _join(tables, tails[pending.pop()], None)
            if not pending:
                raise AdqlSyntaxError("there is no join left that this could belong to", span_of(specification[0]))
            _join(tables, tails[pending.pop()], specification)
            waiting -= 1
    while pending:
        _join(tables, tails[pending.pop()], None)
    return tables[0]


def _takers(tails: list[Any]) -> list[bool]:
    """Tell of each join whether it may take a specification: NATURAL ones only if the others are not enough."""
    takes = [operator[0] is None for operator, *_ in tails]
    left = 0
    for taking, tail in zip(takes, tails, strict=True):
        left += taking - _specifications(tail)
        if left < 0:
            return [True] * len(tails)
    return takes


def _needed(tails: list[Any], takes: list[bool]) -> list[int]:
    """Return before each join how many earlier ones are needed for specifications that come later."""
    needed, later = [0] * len(tails), 0
    for place in range(len(tails) - 1, -1, -1):
        later = max(0, later + _specifications(tails[place]) - takes[place])
        needed[place] = later
    return needed


def _specifications(tail: list[Any]) -> int:
    return len(tail) - 2


def _join(tables: list[ast.TableReference], tail: list[Any], specification: Any) -> None:
    right, left = tables.pop(), tables.pop()
    natural, kind, _ = tail[0]
    span = left.span.to(right.span)
    on: ast.Condition | None = None
    using: tuple[ast.Identifier, ...] = ()
    if specification is not None:
        on, using, last = _specified(specification)
        span = left.span.to(last)
    type_ = ast.JoinType.INNER if kind is None else ast.JoinType(kind.upper())
    tables.append(ast.Join(left, right, type_, natural is not None, on, using, span))


def _specified(specification: list[Any]) -> tuple[ast.Condition | None, tuple[ast.Identifier, ...], ast.Span]:
    word: Token = specification[0]
    if word.type == "ON":
        return specification[1], (), specification[1].span
    return None, tuple(specification[2:-1:2]), span_of(specification[-1])
