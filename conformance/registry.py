"""The checks there are. A check is a function with one decorator; its docstring cites the clause."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module
from inspect import getdoc
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from conformance import checks as package
from conformance.model import Check, Level, Standard

if TYPE_CHECKING:
    from conformance.bench import Bench

_checks: dict[str, Check] = {}
Run = Callable[["Bench"], Awaitable[None]]


def check(identifier: str, section: str, level: Level = Level.MUST) -> Callable[[Run], Run]:
    """Register a function as the check `identifier`.

    The identifier starts with the word of the standard (`uws.create-redirects`). `section` is a section of that
    standard, or of another one that it builds on (`DALI 1.2 s5.2`).
    """

    def register(run: Run) -> Run:
        if identifier in _checks:
            raise ValueError(f"two checks are called {identifier}")
        standard = Standard(identifier.partition(".")[0])
        summary = (getdoc(run) or "").partition("\n")[0]
        if not summary:
            raise ValueError(f"the check {identifier} does not say what it checks")
        _checks[identifier] = Check(
            id=identifier, standard=standard, section=section, level=level, summary=summary, run=run
        )
        return run

    return register


def all_checks() -> tuple[Check, ...]:
    """Return every check, in the order of the standards and of the files."""
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    return tuple(sorted(_checks.values(), key=lambda one: list(Standard).index(one.standard)))
