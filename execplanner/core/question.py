"""A question to the planner: what kind of task, what is special about it, what it needs (note s2, s4).

All three ways to ask (query string, form with documents as parts, one document) come down to one tree whose leaves
are text; a number or truth value of JSON is the text that it was. ``taskinfo.languages={md,python}`` in a query string
is the list that ``{"taskinfo": {"languages": ["md", "python"]}}`` is in a document (note s2.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from execplanner.core.quantity import parse_count, parse_duration, parse_size
from penstock.dali.errors import UsageError

Tree = str | list["Tree"] | dict[str, "Tree"]

MEMBERS: Final = ("tasktype", "taskinfo", "resources")
_MAX_DEPTH = 16
_PARSERS = {
    "cores": parse_count,
    "memory": parse_size,
    "store": parse_size,
    "startup": parse_duration,
    "duration": parse_duration,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The least and the most that is wanted of a resource: a count, bytes or seconds."""

    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that could be read.

    `resources` are by name: cores, memory and store (bytes), startup and duration (seconds). `unknown` are pointers
    to what was asked for besides.
    """

    tasktype: str
    taskinfo: Mapping[str, Tree] = field(default_factory=dict)
    resources: Mapping[str, Wish] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def tree_of(pairs: Iterable[tuple[str, Tree]]) -> dict[str, Tree]:
    """Return the tree of parameters whose names are paths with dots; the same name twice makes a list.

    Raises
    ------
    UsageError
        A name is too deep, or is both a leaf and a branch.
    """
    root: dict[str, Tree] = {}
    for name, value in pairs:
        *branches, leaf = name.split(".")
        if len(branches) >= _MAX_DEPTH or not all((*branches, leaf)):
            raise UsageError(f"{name[:80]!r} is not a path of names with dots between them.")
        place = root
        for branch in branches:
            below = place.setdefault(branch, {})
            if not isinstance(below, dict):
                raise UsageError(f"{name[:80]!r} lies below a value.")
            place = below
        _put(place, leaf, value, name)
    return root


def _put(place: dict[str, Tree], leaf: str, value: Tree, name: str) -> None:
    value = _listed(value) if isinstance(value, str) else value
    there = place.get(leaf)
    if there is None:
        place[leaf] = value
    elif isinstance(there, dict) or isinstance(value, dict):
        raise UsageError(f"{name[:80]!r} is given as a value and as a group of values.")
    else:
        place[leaf] = [*_items(there), *_items(value)]


def _items(value: Tree) -> list[Tree]:
    return value if isinstance(value, list) else [value]


def _listed(text: str) -> Tree:
    stripped = text.strip()
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return text
    return [item.strip() for item in stripped[1:-1].split(",") if item.strip()]


def read_question(tree: Mapping[str, Tree]) -> Question:
    """Read a question from its tree.

    Raises
    ------
    UsageError
        There is no task type, a member is not of the form that the note gives it, or a name cannot be printed.
    """
    tasktype = tree.get("tasktype")
    if isinstance(tasktype, list):
        raise UsageError("/tasktype: one task at a time; several were given.")
    if not isinstance(tasktype, str) or not tasktype.strip():
        raise UsageError("/tasktype: say what kind of task it is, as in tasktype=sleep; /facilities lists the kinds.")
    taskinfo, resources = (_mapping(tree, name) for name in ("taskinfo", "resources"))
    unprintable = next((name for name in (*tree, *taskinfo, *resources) if not name.isprintable()), None)
    if unprintable is not None:  # names come back in the answer, and XML cannot hold all of them
        raise UsageError(f"The name {unprintable[:40]!r} has characters that cannot be printed.")
    wishes, unknown = _wishes(resources)
    return Question(
        tasktype=tasktype.strip(),
        taskinfo=taskinfo,
        resources=wishes,
        unknown=(*(f"/{name}" for name in tree if name not in MEMBERS), *unknown),
    )


def _mapping(tree: Mapping[str, Tree], name: str) -> Mapping[str, Tree]:
    value = tree.get(name, {})
    if not isinstance(value, dict):
        raise UsageError(f"/{name}: a group of named values is expected, as in {name}.NAME=VALUE.")
    return value


def _wishes(resources: Mapping[str, Tree]) -> tuple[dict[str, Wish], list[str]]:
    limits: dict[str, dict[str, float]] = {}
    unknown = []
    for key, value in resources.items():
        bound, name = key[:3].lower(), key[3:].lower()
        pointer = f"/resources/{key}"
        if bound not in {"min", "max"} or name not in _PARSERS:
            unknown.append(pointer)
        elif not isinstance(value, str):
            raise UsageError(f"{pointer}: one value is expected.")
        else:
            limits.setdefault(name, {})[bound] = _PARSERS[name](pointer, value)
    wishes = {name: Wish(minimum=both.get("min"), maximum=both.get("max")) for name, both in limits.items()}
    return wishes, unknown
