"""Walks over trees of dataclasses: queries as they were written, and as they were understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from tap_proxy.adql import ast
from tap_proxy.adql.bound import Bound, BoundCondition, Junction

T = TypeVar("T")


def nodes(tree: object) -> Iterator[Any]:
    """Yield a tree and all that is in it, each before its parts."""
    if isinstance(tree, tuple) and not isinstance(tree, ast.Span):
        for part in tree:
            yield from nodes(part)
    elif is_dataclass(tree):
        yield tree
        for each in fields(tree):
            yield from nodes(getattr(tree, each.name))


def of_type(kind: type[T], tree: object) -> Iterator[T]:
    """Yield what in a tree is of a type."""
    return (node for node in nodes(tree) if isinstance(node, kind))


def conjuncts(condition: ast.Condition | None) -> Iterator[ast.Condition]:
    """Yield the conditions of which all must hold."""
    if isinstance(condition, ast.Logical) and condition.operator == "AND":
        for operand in condition.operands:
            yield from conjuncts(operand)
    elif condition is not None:
        yield condition


def bound_conjuncts(condition: BoundCondition | None) -> Iterator[BoundCondition | Bound]:
    """Yield the bound conditions of which all must hold."""
    if isinstance(condition, Junction) and condition.operator == "AND":
        for operand in condition.operands:
            yield from bound_conjuncts(operand)
    elif condition is not None:
        yield condition
