"""What a query needs of the service that answers it, beside what every service of ADQL 2.0 can do (ADQL 2.1 s4)."""

from __future__ import annotations

from tap_proxy.adql import ast
from tap_proxy.core.federation.ability import Ability
from tap_proxy.core.federation.walking import nodes

_OPTIONAL_FUNCTIONS = frozenset({"LOWER", "UPPER", "COALESCE", "IN_UNIT"})
_NEWER = "the syntax of ADQL 2.1"
_NOT_GEOMETRY_ALONE = frozenset({"POINT", "CIRCLE", "POLYGON", "BOX"})


def missing(tree: object, ability: Ability) -> tuple[str, ...]:
    """Return what of a query, or of a part of one, an upstream does not declare."""
    lacking = {need for node in nodes(tree) for need in _needs(node) if not _has(ability, need)}
    return tuple(sorted(lacking))


def _has(ability: Ability, need: str) -> bool:
    return ability.adql_2_1 if need == _NEWER else need in ability.constructs


def _needs(node: object) -> set[str]:
    match node:
        case ast.FunctionCall(name=name):
            return {name} & _OPTIONAL_FUNCTIONS
        case ast.Cast():
            return {"CAST"}
        case ast.UserFunctionCall(name=name):
            return {name.name.upper()}
        case ast.GeometryCall(name=name):
            return _of_geometry(node)
        case ast.Like(folded=True):
            return {"ILIKE"}
        case ast.SetOperation(operators=operators):
            return {operator.name for operator in operators}
        case ast.Query(common_tables=tables) if tables:
            return {"WITH"}
        case ast.SelectExpression(offset=int()):
            return {"OFFSET"}
        case _:
            return set()


def _of_geometry(call: ast.GeometryCall) -> set[str]:
    """Return the needs of a geometry: ADQL 2.0 wants a coordinate system, 2.1 takes points in place of numbers."""
    needs = {call.name}
    points = any(isinstance(argument, ast.GeometryCall) for argument in call.arguments)
    if call.name in _NOT_GEOMETRY_ALONE and (call.coordsys is None or points):
        needs.add(_NEWER)
    if call.name == "DISTANCE" and not all(isinstance(each, ast.GeometryCall) for each in call.arguments):
        needs.add(_NEWER)
    return needs
