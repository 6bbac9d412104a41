"""Reads JSON and YAML from strangers into trees of text (see `execplanner.core.question`).

YAML is read event by event: an alias is refused, because a few of them can stand for gigabytes; so are keys given
twice, tags and more than one document. Nothing is resolved: ``2026-01-01``, ``1:30`` and ``no`` stay what was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import yaml

from execplanner.core.question import Tree
from penstock.dali.errors import UnsupportedMediaType, UsageError

JSON_TYPES = frozenset({"application/json", "text/json"})
YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "application/yml", "text/yaml", "text/x-yaml"})
ACCEPTED = "application/json, application/yaml, application/x-www-form-urlencoded, multipart/form-data"
MAX_DEPTH = 32


def is_document(media_type: str) -> bool:
    """Tell whether a media type is read here."""
    return media_type in JSON_TYPES | YAML_TYPES or media_type.endswith(("+json", "+yaml"))


def read_document(body: bytes, media_type: str) -> Tree:
    """Read a document of a media type.

    Raises
    ------
    UsageError
        The body is not what it says it is, or is not safe to read.
    UnsupportedMediaType
        It is neither JSON nor YAML.
    """
    if not is_document(media_type):
        raise UnsupportedMediaType(f"A question is read from {ACCEPTED}, not from {media_type[:80]}.")
    text = _decoded(body)
    return _json(text) if media_type in JSON_TYPES or media_type.endswith("+json") else _yaml(text)


def read_object(body: bytes, media_type: str) -> dict[str, Tree]:
    """Read a document whose top is a group of named values (see `read_document`)."""
    tree = read_document(body, media_type)
    if not isinstance(tree, dict):
        raise UsageError("The document is not a group of named values at its top.")
    return tree


def read_values(body: bytes, media_type: str) -> tuple[Any, bool]:
    """Read a document of a media type; return its values, and whether they have types: those of YAML are text.

    Raises
    ------
    UsageError
        The body is not what it says it is, or is not safe to read.
    UnsupportedMediaType
        It is neither JSON nor YAML.
    """
    if not is_document(media_type):
        raise UnsupportedMediaType(f"A document is read from JSON, YAML or XML, not from {media_type[:80]}.")
    text = _decoded(body)
    if media_type not in JSON_TYPES and not media_type.endswith("+json"):
        return _yaml(text), False
    values = _json_values(text)
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _require_shallow(values, 0)
    return values, True


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("The document is not UTF-8.") from error


def _json(text: str) -> Tree:
    return texts_of(_json_values(text))


def _json_values(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        raise UsageError(f"The document is not JSON: {error}.") from error


def _require_shallow(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise too_deep()
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            _require_shallow(one, depth + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise UsageError("A name occurs twice in one group of the document.")
    return found


def _no_constant(name: str) -> NoReturn:
    raise UsageError(f"{name} is not a number of JSON.")


def texts_of(value: Any, depth: int = 0) -> Tree:
    """Return plain values with each scalar as the text that it has in JSON.

    Raises
    ------
    UsageError
        They are nested too deep.
    """
    if depth > MAX_DEPTH:
        raise too_deep()
    if isinstance(value, dict):
        return {name: texts_of(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [texts_of(one, depth + 1) for one in value]
    return value if isinstance(value, str) else json.dumps(value)


def _yaml(text: str) -> Tree:
    try:
        return _YamlReader(text).read()
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"The document is not YAML: {' '.join(str(error).split())[:200]}.") from error


class _YamlReader:
    """Builds the tree of one document from its events, which are drawn one at a time."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CBaseLoader)

    def read(self) -> Tree:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise UsageError("The document is empty.")
        tree = self._node(next(self._events), 0)
        next(self._events)  # the end of the document
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise UsageError("One document is expected, and there are more.")
        return tree

    def _node(self, event: yaml.Event, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise too_deep()
        match event:
            case yaml.SequenceStartEvent(anchor=None, tag=None):
                return self._items(depth)
            case yaml.MappingStartEvent(anchor=None, tag=None):
                return self._members(depth)
            case yaml.ScalarEvent(anchor=None, tag=None):
                return str(event.value)
            case _:
                raise UsageError("Anchors, aliases and tags are not read in a YAML document.")

    def _items(self, depth: int) -> list[Tree]:
        items: list[Tree] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _members(self, depth: int) -> dict[str, Tree]:
        members: dict[str, Tree] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            name = self._node(event, depth + 1)
            if not isinstance(name, str):
                raise UsageError("A name in the document is not text.")
            if name in members:
                raise UsageError(f"The name {name[:40]!r} occurs twice in one group of the document.")
            members[name] = self._node(next(self._events), depth + 1)
        return members


def too_deep() -> UsageError:
    """Return the error for a document that could exhaust a stack."""
    return UsageError(f"The document is nested more than {MAX_DEPTH} deep.")
