"""Finds which join each ON and USING belongs to (ADQL 2.1 appendix A, qualified_join).

The grammar reads ``a JOIN b JOIN c ON x ON y`` as tables, joins and specifications in a row. Where every join that
needs a specification has one, it belongs to the last join that is still without; so the inner pair above is
``b JOIN c ON x``. Where some have none (the grammar lets them go without), joins are read from the left.
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
    if not tails:
        return first
    wanting = sum(operator[0] is None for operator, *_ in tails)
    nested = sum(len(tail) - 2 for tail in tails) >= wanting
    tables, operators = [first], list[Any]()
    for operator, table, *specifications in tails:
        if operators and (not nested or operators[-1][0] is not None):
            _join(tables, operators, None)
        tables.append(table)
        operators.append(operator)
        for specification in specifications:
            if nested and len(operators) > 1 and operators[-1][0] is not None:
                _join(tables, operators, None)
            if not operators:
                raise AdqlSyntaxError("there is no join left that this could belong to", span_of(specification[0]))
            _join(tables, operators, specification)
    while operators:
        _join(tables, operators, None)
    return tables[0]


def _join(tables: list[ast.TableReference], operators: list[Any], specification: Any) -> None:
    right, left = tables.pop(), tables.pop()
    natural, kind, _ = operators.pop()
    span = left.span.to(right.span)
    on: ast.Condition | None = None
    using: tuple[ast.Identifier, ...] = ()
    if specification is not None:
        if natural is not None:
            raise AdqlSyntaxError("a NATURAL JOIN takes neither ON nor USING", span_of(specification[0]))
        on, using, last = _specified(specification)
        span = left.span.to(last)
    type_ = ast.JoinType.INNER if kind is None else ast.JoinType(kind.upper())
    tables.append(ast.Join(left, right, type_, natural is not None, on, using, span))


def _specified(specification: list[Any]) -> tuple[ast.Condition | None, tuple[ast.Identifier, ...], ast.Span]:
    word: Token = specification[0]
    if word.type == "ON":
        return specification[1], (), specification[1].span
    return None, tuple(specification[2:-1:2]), span_of(specification[-1])
