"""JSON objects described once: a table of members writes a record, reads it, and is its JSON Schema.

So what is written, what is read and what is published as a schema cannot differ. Members that begin with ``_`` are
hints to front ends and no part of the record: every schema lets them pass, every reader drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Any, Generic, TypeVar, assert_never

from penstock.dali.errors import UsageError
from uws.core.document import ABSENT

T = TypeVar("T")
Json = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Presence(Enum):
    """How a member stands for a field."""

    ALWAYS = auto()
    NULL = auto()  # always there, null where the field is None
    OPTIONAL = auto()  # left out where the field is None
    NILLABLE = auto()  # left out where the field is ABSENT, null where it is None
    FILLED = auto()  # left out where the field is empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of value; `read` raises `UsageError` where it is another, whose place the second argument names."""

    schema: Mapping[str, Any]
    read: Callable[[Any, str], Any]
    write: Callable[[Any], Any] = lambda value: value
    empty: Any = None
    shape: Shape[Any] | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """A member: its name in JSON, the field of the record, what it holds, when it is there, what it says."""

    name: str
    field: str
    kind: Kind
    presence: Presence
    about: str

    def schema(self) -> Json:
        """Return the schema of the value."""
        null = self.presence in (Presence.NULL, Presence.NILLABLE)
        schema = dict(self.kind.schema)
        return {**schema, "description": self.about} | ({"type": [schema["type"], "null"]} if null else {})


class Shape(Generic[T]):
    """A kind of JSON object.

    Parameters
    ----------
    title
        Its name among other schemas.
    record
        The dataclass that it is the form of.
    members
        The table.
    """

    def __init__(self, title: str, record: type[T], members: tuple[Member, ...]) -> None:
        self.title = title
        self.members = members
        self._record = record

    def write(self, record: T) -> Json:
        """Return the JSON object of a record."""
        return dict(self._written(record))

    def read(self, data: Any, where: str = "the document") -> T:
        """Read a record.

        Raises
        ------
        UsageError
            The value is not of this shape.
        """
        if not isinstance(data, dict):
            raise UsageError(f"{where} must be a JSON object.")
        return self._record(**{member.field: _read(member, data) for member in self.members})

    def schema(self, *names: str) -> Json:
        """Return the JSON Schema, of some members only if they are named; other shapes are ``#/$defs/``."""
        members = [member for member in self.members if not names or member.name in names]
        always = [member.name for member in members if names or member.presence in (Presence.ALWAYS, Presence.NULL)]
        return {
            "title": self.title,
            "type": "object",
            "properties": {member.name: member.schema() for member in members},
            "patternProperties": {"^_": True},
            "required": always,
            "additionalProperties": False,
        }

    def definitions(self) -> dict[str, Json]:
        """Return the schemas of the shapes within this one."""
        found: dict[str, Json] = {}
        for member in self.members:
            if (inner := member.kind.shape) is not None:
                found |= {inner.title: inner.schema(), **inner.definitions()}
        return found

    def _written(self, record: T) -> Iterator[tuple[str, Any]]:
        for member in self.members:
            value = getattr(record, member.field)
            match member.presence:
                case Presence.ALWAYS | Presence.NULL:
                    there = True
                case Presence.OPTIONAL:
                    there = value is not None
                case Presence.NILLABLE:
                    there = value is not ABSENT
                case Presence.FILLED:
                    there = bool(value)
                case _ as never:
                    assert_never(never)
            if there:
                yield member.name, None if value is None else member.kind.write(value)


def _read(member: Member, data: Json) -> Any:
    value = data.get(member.name)
    if value is not None:
        return member.kind.read(value, member.name)
    match member.presence:
        case Presence.ALWAYS if member.kind.empty is None:
            raise UsageError(f"{member.name} is missing.")
        case Presence.ALWAYS | Presence.FILLED:
            return member.kind.empty
        case Presence.NILLABLE:
            return None if member.name in data else ABSENT
        case Presence.NULL | Presence.OPTIONAL:
            return None
        case _ as never:
            assert_never(never)


def text(**more: Any) -> Kind:
    """Return the kind of all texts; `more` is said of them in the schema."""
    return Kind(schema={"type": "string", **more}, read=_reader(str, "a text"))


def integer(minimum: int, maximum: int) -> Kind:
    """Return the kind of integers; the bounds are for the schema, a document of another service is kept as it is."""
    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Kind(schema=schema, read=_reader(int, "an integer"))


def one_of(*values: str, name: str) -> Kind:
    """Return the kind of some words."""

    def read(value: Any, where: str) -> str:
        if value not in values:
            raise UsageError(f"{where}={str(value)[:40]!r} is no {name}.")
        return str(value)

    return Kind(schema={"type": "string", "enum": list(values)}, read=read)


def member_of(enum: type[StrEnum], *, name: str) -> Kind:
    """Return the kind of the members of an enumeration."""
    words = one_of(*(member.value for member in enum), name=name)
    return Kind(
        schema=words.schema,
        read=lambda value, where: enum(words.read(value, where)),
        write=lambda member: member.value,
    )


def one(shape: Shape[T]) -> Kind:
    """Return the kind of one object of a shape."""
    schema = {"$ref": f"#/$defs/{shape.title}"}
    return Kind(schema=schema, read=shape.read, write=shape.write, shape=shape)


def many(shape: Shape[T]) -> Kind:
    """Return the kind of arrays of a shape."""

    def read(value: Any, where: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise UsageError(f"{where} must be an array.")
        return tuple(shape.read(item, f"each of {where}") for item in value)

    schema = {"type": "array", "items": {"$ref": f"#/$defs/{shape.title}"}}
    return Kind(schema=schema, read=read, write=lambda items: list(map(shape.write, items)), empty=(), shape=shape)


def _reader(kind: type, what: str) -> Callable[[Any, str], Any]:
    def read(value: Any, where: str) -> Any:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UsageError(f"{where} must be {what}.")
        return value

    return read


FLAG = Kind(schema={"type": "boolean"}, read=_reader(bool, "true or false"))
ANYTHING = Kind(schema={"type": "object"}, read=_reader(dict, "a JSON object"), write=dict)
TEXTS = Kind(
    schema={"type": "object", "additionalProperties": {"type": "string"}},
    read=lambda value, where: {name: str(each) for name, each in ANYTHING.read(value, where).items()},
    write=dict,
    empty={},
)
