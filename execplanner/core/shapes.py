"""What documents look like: shapes, and a reader that checks a document against one.

A shape is data: the same table reads JSON, YAML and XML, writes XML and is compared with the XML schema. Reading gives
plain values of the shape's own types. Two things are told apart: a value of the wrong type is an error of the caller's
(`Malformed`), a member that is not known is passed over with a warning.

JSON has types, and they are insisted on, except that text may be given as a number. In YAML and XML every scalar is
text until its shape says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from execplanner.core.kinds import read_kind, write_kind
from execplanner.core.messages import Message, Urn, pointer_to, printable, warning
from penstock.dali.errors import Problem, UsageError

_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_REAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_LONG = 2**63
_MOST_ITEMS = 10_000
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text; one of `options`, if there are any."""

    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole number of 64 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """True or false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Text by name; in XML each is an element called `tag`."""

    tag: str = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list; in XML each item is an element called `tag`."""

    of: Shape
    tag: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Members by name."""

    members: Mapping[str, Shape] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinded:
    """A record that its `kind` tells the members of; those of a kind that is not known are kept as they are."""

    group: str
    common: Mapping[str, Shape]
    kinds: Mapping[str, Mapping[str, Shape]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anything:
    """Whatever it is, kept as it came."""


Shape = Text | Whole | Real | Flag | Names | Items | Record | Kinded | Anything


class Malformed(UsageError):
    """A document is not of its shape."""


def malformed(pointer: str, expected: str, value: object = None) -> Malformed:
    """Return the error for a place in a document."""
    shown = None if value is None else printable(str(value))[:80]
    found = "" if shown is None else f", not {shown!r}"
    message = f"{printable(pointer) or '/'}: {expected} is expected{found}."
    return Malformed(message, problems=[Problem(field=printable(pointer) or "/", description=expected, value=shown)])


class Reader:
    """Reads one document; `warnings` tell what was passed over.

    Parameters
    ----------
    typed
        Scalars have types, as in JSON.
    """

    def __init__(self, *, typed: bool) -> None:
        self._typed = typed
        self.warnings: list[Message] = []

    def read(self, shape: Shape, value: Any, pointer: str = "") -> Any:
        """Return the value of a shape.

        Raises
        ------
        Malformed
            It is of another type.
        """
        match shape:
            case Text():
                return self._text(shape, value, pointer)
            case Whole():
                return self._whole(value, pointer)
            case Real():
                return self._real(value, pointer)
            case Flag():
                return self._flag(value, pointer)
            case Names():
                return self._names(value, pointer)
            case Items():
                return self._items(shape, value, pointer)
            case Record():
                return self._members(shape.members, value, pointer)
            case Kinded():
                return self._kinded(shape, value, pointer)
            case Anything():
                return _kept(value, 0)
            case _:
                assert_never(shape)

    def _text(self, shape: Text, value: Any, pointer: str) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise malformed(pointer, "text", value)
        if shape.options and value not in shape.options:
            raise malformed(pointer, f"one of {', '.join(shape.options)}", value)
        if "\0" in value or not _carried(value):
            raise malformed(pointer, "text without control characters")
        return value

    def _whole(self, value: Any, pointer: str) -> int:
        if not self._typed and isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not -_LONG <= value < _LONG:
            raise malformed(pointer, "a whole number of at most 64 bits", value)
        return value

    def _real(self, value: Any, pointer: str) -> float:
        if not self._typed and isinstance(value, str) and _REAL.fullmatch(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise malformed(pointer, "a number", value)
        return float(value)

    def _flag(self, value: Any, pointer: str) -> bool:
        if not self._typed and isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower(), value)
        if not isinstance(value, bool):
            raise malformed(pointer, "true or false", value)
        return value

    def _names(self, value: Any, pointer: str) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise malformed(pointer, "a group of named texts", value)
        return {name: self._text(Text(), one, pointer_to(pointer, name)) for name, one in value.items()}

    def _items(self, shape: Items, value: Any, pointer: str) -> list[Any]:
        if not isinstance(value, list):
            raise malformed(pointer, "a list", value)
        if len(value) > _MOST_ITEMS:
            raise malformed(pointer, f"a list of at most {_MOST_ITEMS} items")
        return [self.read(shape.of, one, pointer_to(pointer, number)) for number, one in enumerate(value)]

    def _members(self, members: Mapping[str, Shape], value: Any, pointer: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise malformed(pointer, "a group of named values", value)
        found = {}
        for name, one in value.items():
            place = pointer_to(pointer, name)
            if name not in members:
                text = "${path} is not known here and was passed over."
                self.warnings.append(warning(Urn.NOT_SUPPORTED, text, place))
            elif not self._nothing(one):
                found[name] = self.read(members[name], one, place)
        return found

    def _nothing(self, value: Any) -> bool:
        return value is None or (not self._typed and isinstance(value, str) and value in _NOTHING)

    def _kinded(self, shape: Kinded, value: Any, pointer: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise malformed(pointer, "a group of named values", value)
        kind = value.get("kind")
        if not isinstance(kind, str) or not kind.strip():
            raise malformed(pointer_to(pointer, "kind"), "a URI that says what kind it is", kind)
        name = read_kind(self._text(Text(), kind, pointer_to(pointer, "kind")), shape.group)
        known = shape.kinds.get(name)
        if known is None:
            common = {member: one for member, one in value.items() if member in shape.common}
            rest = {member: _kept(one, 0) for member, one in value.items() if member not in (*shape.common, "kind")}
            return {"kind": name, **self._members(shape.common, common, pointer), **rest}
        given = {member: one for member, one in value.items() if member != "kind"}
        return {"kind": name, **self._members({**shape.common, **known}, given, pointer)}


def _carried(text: str) -> bool:
    return all(one >= " " or one in "\t\n\r" for one in text) and not any(0xD800 <= ord(one) <= 0xDFFF for one in text)


def _kept(value: Any, depth: int) -> Any:
    """Return what a kind that is not known holds, as long as a document can hold it."""
    if isinstance(value, Mapping):
        return {printable(name): _kept(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_kept(one, depth + 1) for one in value]
    return "".join(one for one in value if _carried(one)) if isinstance(value, str) else value


def spell_kinds(shape: Shape, value: Any) -> Any:
    """Return a document with the URI of each kind in place of its short name."""
    match shape:
        case Items():
            return [spell_kinds(shape.of, one) for one in value]
        case Record():
            return {name: spell_kinds(shape.members.get(name, Text()), one) for name, one in value.items()}
        case Kinded():
            members = {**shape.common, **shape.kinds.get(value.get("kind", ""), {})}
            found = {name: spell_kinds(members.get(name, Text()), one) for name, one in value.items()}
            if "kind" in found:
                found["kind"] = write_kind(shape.group, found["kind"])
            return found
        case _:
            return value
