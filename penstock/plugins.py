"""Plugins: every kind comes through entry points, those of this distribution too.

`Group` lists all entry point groups; `Registry` loads one of them; `later` names what a plugin loads when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Group(StrEnum):
    """The entry point groups that Penstock loads."""

    SERVICES = "penstock.services"
    JOB_TYPES = "penstock.job_types"
    EXECUTORS = "penstock.executors"
    LAKES = "penstock.lakes"
    TAP_TABLES = "penstock.tap_tables"
    AUTHENTICATORS = "penstock.authenticators"
    COMMANDS = "penstock.commands"
    FACILITIES = "penstock.facilities"


class PluginError(Exception):
    """A plugin is not there, or is not what its group holds."""


class Registry(Generic[T]):
    """The plugins of one group by name, loaded when first asked for.

    Parameters
    ----------
    group
        The entry point group.
    kind
        What every plugin of the group must be an instance of.
    """

    def __init__(self, group: Group, kind: type[T]) -> None:
        self.group = group
        self.kind = kind
        self._loaded: dict[str, T] = {}

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in _installed().select(group=self.group)}

    def names(self) -> tuple[str, ...]:
        """Return the names of all plugins of the group, sorted, without loading any."""
        return tuple(sorted(self._entries))

    def get(self, name: str) -> T:
        """Return the plugin called `name`.

        Raises
        ------
        PluginError
            No such plugin is installed, or it cannot be imported, or it is of another kind.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def all(self) -> dict[str, T]:
        """Return every plugin of the group by name."""
        return {name: self.get(name) for name in self.names()}

    def _load(self, name: str) -> T:
        entry = self._entries.get(name)
        if entry is None:
            raise PluginError(f"{self.group} has no plugin {name!r}; installed: {', '.join(self.names()) or 'none'}")
        try:
            plugin = entry.load()
        except (ImportError, AttributeError) as error:
            raise PluginError(f"{self.group} plugin {name!r} ({entry.value}) cannot be loaded: {error}") from error
        if not isinstance(plugin, self.kind):
            raise PluginError(f"{self.group} plugin {name!r} ({entry.value}) is not a {self.kind.__name__}")
        return plugin


@cache
def _installed() -> Any:  # the type of which is another in Python 3.12
    """Return the entry points of everything that is installed, for which the files of every package are read."""
    return entry_points()


def later(place: str) -> Callable[..., Any]:
    """Return a function that calls the one at `place`, ``package.module:name``, and loads its module only then.

    Every command knows all plugins, and should not pay for what it does not use.
    """

    def call(*arguments: Any, **named: Any) -> Any:
        return resolve_name(place)(*arguments, **named)

    return call
