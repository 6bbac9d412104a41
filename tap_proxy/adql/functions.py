"""User-defined functions that queries may call, with their signatures (Catalogue of ADQL UDFs 1.2; RegTAP 1.2 s9.2).

How each is written in SQL is the dialect's knowledge, by the function's name.
"""

from __future__ import annotations

from dataclasses import dataclass

from penstock.votable.model import Field
from tap_proxy.adql.kinds import Kind, number, string


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """An argument: its name, its ADQL type as declared in capabilities, the family it must belong to (None: any)."""

    name: str
    type: str
    kind: Kind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A user-defined function (ADQL 2.1 s4.3)."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: Field
    return_type: str
    description: str
    aggregate: bool = False

    @property
    def signature(self) -> str:
        """The form that TAPRegExt wants in capabilities (TAPRegExt 1.0 s2.3)."""
        parameters = ", ".join(f"{parameter.name} {parameter.type}" for parameter in self.parameters)
        return f"{self.name}({parameters}) -> {self.return_type}"


def _text(name: str) -> Parameter:
    return Parameter(name=name, type="VARCHAR(*)", kind=Kind.STRING)


def _number(name: str) -> Parameter:
    return Parameter(name=name, type="DOUBLE PRECISION", kind=Kind.NUMBER)


FUNCTIONS: tuple[Function, ...] = (
    Function(
        name="ivo_hasword",
        parameters=(_text("haystack"), _text("needle")),
        returns=number("int"),
        return_type="INTEGER",
        description="1 if every word of needle is a word of haystack, whatever the case, else 0.",
    ),
    Function(
        name="ivo_nocasematch",
        parameters=(_text("value"), _text("pattern")),
        returns=number("int"),
        return_type="INTEGER",
        description="1 if value fits the LIKE pattern, whatever the case, else 0. New queries should use ILIKE.",
    ),
    Function(
        name="ivo_hashlist_has",
        parameters=(_text("hashlist"), _text("item")),
        returns=number("int"),
        return_type="INTEGER",
        description="1 if item is one of the words of hashlist, which stand between #, whatever the case, else 0.",
    ),
    Function(
        name="ivo_string_agg",
        parameters=(_text("expression"), _text("delimiter")),
        returns=string(),
        return_type="VARCHAR(*)",
        description="All values of expression in the group that are not NULL, with delimiter between them.",
        aggregate=True,
    ),
    Function(
        name="ivo_interval_overlaps",
        parameters=(_number("l1"), _number("h1"), _number("l2"), _number("h2")),
        returns=number("int"),
        return_type="INTEGER",
        description="1 if the intervals l1 to h1 and l2 to h2 touch or overlap, else 0; bounds may come in any order.",
    ),
    Function(
        name="ivo_to_jd",
        parameters=(Parameter(name="d", type="TIMESTAMP", kind=Kind.TIMESTAMP),),
        returns=number("double", unit="d", ucd="time.epoch"),
        return_type="DOUBLE PRECISION",
        description="The Julian Date of a timestamp; no corrections for time scales.",
    ),
    Function(
        name="ivo_to_mjd",
        parameters=(Parameter(name="d", type="TIMESTAMP", kind=Kind.TIMESTAMP),),
        returns=number("double", unit="d", ucd="time.epoch"),
        return_type="DOUBLE PRECISION",
        description="The Modified Julian Date of a timestamp; no corrections for time scales.",
    ),
)
