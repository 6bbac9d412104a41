"""The tables of requirements."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LEVELS = ("must", "should", "may", "definition", "own")
_MEMBERS = {"level", "clause", "text", "checks", "untested"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement; `untested` says why no test proves it, where none does. The level ``own`` is a rule of ours."""

    number: str
    level: str
    clause: str
    text: str
    checks: tuple[str, ...] = ()
    untested: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The requirements of one subject."""

    name: str
    title: str
    requirements: tuple[Requirement, ...]


def read_tables(folder: Path = FOLDER) -> tuple[Table, ...]:
    """Read all tables, in the order of their file names.

    Raises
    ------
    ValueError
        A requirement lacks what it needs, or has a number that another has.
    """
    tables = tuple(_read_table(path) for path in sorted(folder.glob("*.toml")))
    numbers = [requirement.number for table in tables for requirement in table.requirements]
    if twice := {number for number in numbers if numbers.count(number) > 1}:
        raise ValueError(f"numbers of two requirements: {sorted(twice)}")
    return tables


def _read_table(path: Path) -> Table:
    data = tomllib.loads(path.read_text())
    found = tuple(_requirement(number, members) for number, members in data["requirements"].items())
    return Table(name=path.stem, title=data["title"], requirements=found)


def _requirement(number: str, members: dict[str, Any]) -> Requirement:
    if unknown := members.keys() - _MEMBERS:
        raise ValueError(f"{number} has {sorted(unknown)}, which means nothing")
    if members.get("level") not in LEVELS or not members.get("clause") or not members.get("text"):
        raise ValueError(f"{number} needs a level, a clause and a text")
    return Requirement(number=number, **{**members, "checks": tuple(members.get("checks", ()))})
