"""User-defined functions of upstreams, as their capabilities declare them (TAPRegExt 1.0 s2.3).

They are run by the upstream, never here. What is known of one here, its name, how many arguments it takes and what it
returns, is enough to judge a query that calls it; the types of its arguments are judged where it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from penstock.votable.model import Field
from tap_proxy.adql import FUNCTIONS, Function, Parameter, ast
from tap_proxy.adql.errors import AdqlSemanticError
from tap_proxy.adql.words import RESERVED
from tap_proxy.core.federation.ability import declared_features
from tap_proxy.core.federation.mount import Mount, OfferedFunction
from tap_proxy.core.federation.tableset import known_type
from tap_proxy.core.federation.walking import of_type

_MOST_FUNCTIONS = 1000
_MOST_PARAMETERS = 50
_SIGNATURE = re.compile(
    r"(?P<name>[A-Za-z]\w{0,99})\s*\((?P<parameters>.{0,2000})\)\s*->\s*(?P<returns>\w.{0,99})", re.ASCII
)
_COMMA = re.compile(r",(?![^()]*\))")
_PARAMETER = re.compile(r"(?P<name>\w+)\s+(?P<type>\S.*)", re.ASCII)
_LENGTH = re.compile(r"\s*\([^()]*\)$")
_OTHER_WORDS = {
    **dict.fromkeys(("numeric", "decimal", "float", "number"), "double"),
    "int": "integer",
    "geometry": "region",
}
_NOT_THEIRS = frozenset({*(each.name.lower() for each in FUNCTIONS), *map(str.lower, RESERVED), "moc"})


def read_functions(source: IO[bytes]) -> tuple[OfferedFunction, ...]:
    """Read the user-defined functions that a TAP service declares and that we have not ourselves.

    Raises
    ------
    Unreadable
        The document is no capabilities, or describes no TAP service.
    """
    found: dict[str, OfferedFunction] = {}
    for kind, form, description in declared_features(source):
        written = " ".join(form.split())
        if kind.lower().endswith("#features-udf") and function_of(written) is not None:
            found.setdefault(written, OfferedFunction(form=written, description=description))
        if len(found) == _MOST_FUNCTIONS:
            break
    return tuple(found.values())


def function_of(form: str) -> Function | None:
    """Return a function by its signature; None if it cannot be read, or a query cannot mean it here."""
    match = _SIGNATURE.fullmatch(form)
    if match is None or match["name"].lower() in _NOT_THEIRS:
        return None
    written = [each.strip() for each in _COMMA.split(match["parameters"])] if match["parameters"].strip() else []
    parameters = [_PARAMETER.fullmatch(each) for each in written]
    if len(written) > _MOST_PARAMETERS or not all(parameters):
        return None
    return Function(
        name=match["name"],
        parameters=tuple(Parameter(name=each["name"], type=each["type"], kind=None) for each in parameters if each),
        returns=_field(match["returns"]),
        return_type=match["returns"],
        description="",
    )


def _field(written: str) -> Field:
    """Return what a function returns; what nobody knows is taken for text."""
    word = _LENGTH.sub("", written.strip()).lower()
    array = word.endswith("[]")
    word = word.removesuffix("[]")
    datatype, arraysize, xtype = known_type(_OTHER_WORDS.get(word, word), "*" if array else None, None)
    return Field(name="", datatype=datatype, arraysize=arraysize, xtype=xtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFunction:
    """A form of a function that only archives have, and which have it."""

    function: Function
    description: str | None
    archives: tuple[str, ...]


def functions_of(mounts: Iterable[Mount]) -> tuple[ArchiveFunction, ...]:
    """Return the functions of mounts, each form once."""
    found: dict[str, ArchiveFunction] = {}
    for mount in mounts:
        for offered in mount.metadata.functions:
            function = function_of(offered.form)
            if function is None:
                continue
            known = found.get(function.signature)
            archives = (*known.archives, mount.name) if known else (mount.name,)
            description = (known.description if known else None) or offered.description
            found[function.signature] = ArchiveFunction(function=function, description=description, archives=archives)
    return tuple(found.values())


def first_call(query: ast.Query, functions: Mapping[str, frozenset[str]]) -> ast.UserFunctionCall | None:
    """Return the first call of one of some functions, which are given by lower-case name."""
    if not functions:
        return None
    calls = (call for call in of_type(ast.UserFunctionCall, query) if call.name.name.lower() in functions)
    return next(calls, None)


def only_there(call: ast.UserFunctionCall, functions: Mapping[str, frozenset[str]], why: str) -> AdqlSemanticError:
    """Return the error of a query that calls such a function and is not answered by one archive alone."""
    names = sorted(functions[call.name.name.lower()])
    whose = f"the archive {names[0]}" if len(names) == 1 else f"the archives {' and '.join(names)}"
    problem = (
        f"{call.name} is a function of {whose} and runs only there, where a whole query passes through to one archive;"
        f" this one does not: {why}"
    )
    return AdqlSemanticError(problem, call.name.span)


def by_name(functions: Iterable[ArchiveFunction]) -> Mapping[str, frozenset[str]]:
    """Return which archives have functions of a lower-case name."""
    found: dict[str, set[str]] = {}
    for each in functions:
        found.setdefault(each.function.name.lower(), set()).update(each.archives)
    return {name: frozenset(archives) for name, archives in found.items()}


def forms(functions: Iterable[ArchiveFunction]) -> Iterator[tuple[str, str]]:
    """Yield signatures and descriptions for the capabilities."""
    for each in functions:
        where = f"Only where the whole query is on tables of {' or of '.join(each.archives)}."
        yield each.function.signature, f"{each.description} ({where})" if each.description else where
