"""Makes the tree while lark reduces: one method per rule or alias of grammar.lark, called from the leaves up.

Nothing here recurses, so depth of nesting costs no stack.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lark import Token, Transformer

from tap_proxy.adql import ast
from tap_proxy.adql.ast import Span
from tap_proxy.adql.coordinates import box, circle, distance, point, polygon
from tap_proxy.adql.errors import AdqlSyntaxError
from tap_proxy.adql.joins import arrange_joins
from tap_proxy.adql.lexer import span_of

Children = list[Any]

MAX_TABLE_NAMES = 3
MAX_STRING_LENGTH = 2**31 - 1
MAX_ROWS = 2**63 - 1
"""What databases can count; no table has so many rows, so that more are the same."""

MAX_COLUMN_NAMES = 4


def _span(children: Children) -> Span:
    return _place(children[0]).to(_place(children[-1]))


def _whole(children: Children) -> Span:
    """Return the span of children of which some are absent."""
    present = [child for child in children if child is not None and child != []]
    return _span(present)


def _place(child: Any) -> Span:
    if isinstance(child, Token):
        return span_of(child)
    if isinstance(child, list):
        return _span(child)
    span: Span = child.span
    return span


def _unquote(token: Token, quote: str) -> str:
    return str(token)[1:-1].replace(quote * 2, quote)


class _Builder(Transformer[Token, Any]):
    """Turns reductions into nodes of the tree; holds nothing, so that threads may share it."""

    # Names

    def regular(self, children: Children) -> ast.Identifier:
        token = children[0]
        return ast.Identifier(str(token), False, span_of(token))

    def delimited(self, children: Children) -> ast.Identifier:
        token = children[0]
        return ast.Identifier(_unquote(token, '"'), True, span_of(token))

    def chain(self, children: Children) -> Children:
        return children

    def longer_chain(self, children: Children) -> Children:
        names, _, name = children
        return [*names, name]

    def column_reference(self, children: Children) -> ast.ColumnReference:
        names = children[0]
        if len(names) > MAX_COLUMN_NAMES:
            raise AdqlSyntaxError("a column has at most four names: catalog.schema.table.column", _span(names))
        return ast.ColumnReference(tuple(names), _span(names))

    # Values

    def null(self, children: Children) -> ast.NullLiteral:
        return ast.NullLiteral(_span(children))

    def string(self, children: Children) -> ast.StringLiteral:
        return ast.StringLiteral(_unquote(children[0], "'"), span_of(children[0]))

    def number(self, children: Children) -> ast.NumericLiteral:
        return ast.NumericLiteral(str(children[0]), span_of(children[0]))

    def numeric_expression(self, children: Children) -> ast.Arithmetic:
        return ast.Arithmetic(tuple(children[::2]), tuple(map(str, children[1::2])), _span(children))

    term = numeric_expression

    def signed(self, children: Children) -> ast.Signed:
        sign = str(children[0])
        return ast.Signed("-" if sign == "-" else "+", children[1], _span(children))

    def concatenation(self, children: Children) -> ast.Concatenation:
        return ast.Concatenation(tuple(children[::2]), _span(children))

    def function(self, children: Children) -> ast.FunctionCall:
        return ast.FunctionCall(children[0].upper(), _arguments(children), _span(children))

    def user_defined_function(self, children: Children) -> ast.UserFunctionCall:
        return ast.UserFunctionCall(self.regular(children), _arguments(children), _span(children))

    def count_all(self, children: Children) -> ast.SetFunction:
        return ast.SetFunction("COUNT", None, None, _span(children))

    def set_function(self, children: Children) -> ast.SetFunction:
        name, _, quantifier, argument, _ = children
        return ast.SetFunction(name.upper(), _quantifier(quantifier), argument, _span(children))

    def cast(self, children: Children) -> ast.Cast:
        return ast.Cast(children[2], children[4], _span(children))

    def cast_target(self, children: Children) -> ast.CastTarget:
        return ast.CastTarget(" ".join(children).upper(), None, _span(children))

    def character_type(self, children: Children) -> ast.CastTarget:
        name, _, length, _ = children
        return ast.CastTarget(name.upper(), None if length is None else _length(length), _whole(children))

    def parenthesised(self, children: Children) -> Any:
        _, inner, _ = children
        return replace(inner, span=ast.Enclosed(*_span(children)))

    # Geometry

    def geometry_function(self, children: Children) -> ast.GeometryCall:
        return ast.GeometryCall(children[0].upper(), _arguments(children), None, _span(children))

    def distance(self, children: Children) -> ast.GeometryCall:
        return distance(_arguments(children), _span(children))

    def point(self, children: Children) -> ast.GeometryCall:
        return point(_arguments(children), _span(children))

    def circle(self, children: Children) -> ast.GeometryCall:
        return circle(_arguments(children), _span(children))

    def polygon(self, children: Children) -> ast.GeometryCall:
        return polygon(_arguments(children), _span(children))

    def box(self, children: Children) -> ast.GeometryCall:
        return box(_arguments(children), _span(children))

    def region(self, children: Children) -> ast.GeometryCall:
        return ast.GeometryCall("REGION", _arguments(children), None, _span(children))

    # Conditions

    def comparison(self, children: Children) -> ast.Comparison:
        left, operator, right = children
        written = "<>" if operator == "!=" else str(operator)
        return ast.Comparison(left, written, right, _span(children))

    def between(self, children: Children) -> ast.Between:
        operand, negated, _, low, _, high = children
        return ast.Between(operand, low, high, negated is not None, _span(children))

    def in_list(self, children: Children) -> ast.InList:
        operand, negated = children[:2]
        return ast.InList(operand, tuple(children[4:-1:2]), negated is not None, _span(children))

    def in_query(self, children: Children) -> ast.InQuery:
        operand, negated, _, query = children
        return ast.InQuery(operand, query, negated is not None, _span(children))

    def like(self, children: Children) -> ast.Like:
        operand, negated, word, pattern = children
        if not _may_be_character(operand):
            raise AdqlSyntaxError(f"{word.upper()} compares strings, and this is none", operand.span)
        return ast.Like(operand, pattern, negated is not None, word.type == "ILIKE", _span(children))

    def null_predicate(self, children: Children) -> ast.IsNull:
        column, _, negated, _ = children
        return ast.IsNull(column, negated is not None, _span(children))

    def exists(self, children: Children) -> ast.Exists:
        return ast.Exists(children[1], _span(children))

    def negation(self, children: Children) -> ast.Not:
        return ast.Not(children[1], _span(children))

    def boolean_term(self, children: Children) -> ast.Logical:
        return ast.Logical("AND", tuple(children[::2]), _span(children))

    def search_condition(self, children: Children) -> ast.Logical:
        return ast.Logical("OR", tuple(children[::2]), _span(children))

    # Tables

    def as_name(self, children: Children) -> ast.Identifier:
        name: ast.Identifier = children[1]
        return name

    def table_name(self, children: Children) -> ast.TableName:
        names, alias = children
        if len(names) > MAX_TABLE_NAMES:
            raise AdqlSyntaxError("a table has at most three names: catalog.schema.table", _span(names))
        return ast.TableName(tuple(names), alias, _whole(children), _span(names))

    def derived_table(self, children: Children) -> ast.DerivedTable:
        query, alias = children
        return ast.DerivedTable(query, alias, _span(children))

    def subquery(self, children: Children) -> ast.SelectExpression:
        _, inner, _ = children
        span = _span(children)
        if isinstance(inner, ast.SelectExpression):
            return ast.SelectExpression(inner.body, inner.order_by, inner.offset, span)
        # A joined table in parentheses may stand for a query (ADQL 2.1 appendix A, query_expression): all its columns.
        select = ast.Select(None, None, (ast.Asterisk((), span),), (inner,), None, (), None, span, span, None)
        return ast.SelectExpression(select, (), None, span)

    def outer(self, children: Children) -> Token:
        kind: Token = children[0]
        return kind

    def join_operator(self, children: Children) -> Children:
        return children

    def join_tail(self, children: Children) -> Children:
        return children

    def join_condition(self, children: Children) -> Children:
        return children

    def named_columns(self, children: Children) -> Children:
        return children

    def from_item(self, children: Children) -> ast.TableReference:
        return arrange_joins(children[0], children[1:])

    # Queries

    def all_columns(self, children: Children) -> Children:
        return [ast.Asterisk((), _span(children))]

    def all_columns_of(self, children: Children) -> ast.Asterisk:
        return ast.Asterisk(tuple(children[0]), _span(children))

    def derived_column(self, children: Children) -> ast.DerivedColumn:
        expression, alias = children
        return ast.DerivedColumn(expression, alias, _whole(children))

    def select_list(self, children: Children) -> Children:
        return children[::2]

    def from_clause(self, children: Children) -> Children:
        return children

    def where_clause(self, children: Children) -> ast.Condition:
        condition: ast.Condition = children[1]
        return condition

    having_clause = where_clause

    def group_by_clause(self, children: Children) -> Children:
        return children[2::2]

    order_by_clause = group_by_clause

    def set_limit(self, children: Children) -> Children:
        return children

    def select_query(self, children: Children) -> ast.Select:
        word, quantifier, limit, items, tables, where, group_by, having = children
        return ast.Select(
            _quantifier(quantifier),
            None if limit is None else _rows(limit[1]),
            tuple(items),
            tuple(tables[1::2]),
            where,
            tuple(group_by or ()),
            having,
            _whole(children),
            _whole([word, quantifier, limit]),
            None if limit is None else _span(limit),
        )

    def set_operator(self, children: Children) -> ast.SetOperator:
        word, keep = children
        return ast.SetOperator(word.upper(), keep is not None, _whole(children))

    intersect_operator = set_operator

    def query_set_expression(self, children: Children) -> ast.QueryBody:
        if len(children) == 1:
            body: ast.QueryBody = children[0]
            return body
        return ast.SetOperation(tuple(children[::2]), tuple(children[1::2]), _span(children))

    query_set_term = query_set_expression

    def parenthesised_query(self, children: Children) -> ast.SelectExpression:
        query: ast.SelectExpression = replace(children[1], span=_span(children))
        return query

    def sort_key(self, children: Children) -> ast.SortKey:
        expression, direction = children
        return ast.SortKey(expression, direction is not None and direction.type == "DESC", _whole(children))

    def offset_clause(self, children: Children) -> Children:
        return children

    def select_expression(self, children: Children) -> ast.SelectExpression:
        body, order_by, offset = children
        if isinstance(body, ast.SelectExpression) and not order_by and offset is None:
            return body
        rows = None if offset is None else _rows(offset[1])
        return ast.SelectExpression(body, tuple(order_by or ()), rows, _whole(children))

    def with_query(self, children: Children) -> ast.WithQuery:
        name, _, _, query, _ = children
        return ast.WithQuery(name, query, _span(children))

    def with_clause(self, children: Children) -> Children:
        return children[1::2]

    def start(self, children: Children) -> Children:
        return children


def _arguments(children: Children) -> tuple[Any, ...]:
    """Return what stands between the parentheses, without commas."""
    return tuple(children[2:-1:2])


def _quantifier(token: Token | None) -> Any:
    return None if token is None else token.upper()


def _length(token: Token) -> int:
    length = _rows(token)
    if length > MAX_STRING_LENGTH:
        raise AdqlSyntaxError("this number is too large", span_of(token))
    return length


def _rows(token: Token) -> int:
    digits = str(token).lstrip("0") or "0"
    return MAX_ROWS if len(digits) > len(str(MAX_ROWS)) else min(int(digits), MAX_ROWS)


def _may_be_character(value: ast.ValueExpression) -> bool:
    """Tell whether the grammar lets a value stand where a string is wanted (ADQL 2.1 appendix A, match_value)."""
    if isinstance(value.span, ast.Enclosed):
        return True
    match value:
        case ast.Arithmetic() | ast.Signed() | ast.NullLiteral():
            return False
        case ast.FunctionCall():
            return value.name in STRING_FUNCTIONS
        case ast.GeometryCall():
            return value.name == "COORDSYS"
        case _:
            return True


STRING_FUNCTIONS = frozenset({"LOWER", "UPPER", "COALESCE"})


def builder() -> Transformer[Token, Any]:
    """Return what lark calls for every reduction."""
    return _Builder()
