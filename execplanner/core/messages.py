"""What the broker has to say about a request: reasons for a NO, and warnings.

The kinds are those that the existing broker uses, spelt well, so that clients can match them; a message carries a JSON
pointer to what was asked for in ``values.path``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from penstock.dali.values import format_timestamp

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_LONGEST_VALUE = 200


class Level(StrEnum):
    """How grave a message is: an ERROR is a reason for a NO."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


class Urn(StrEnum):
    """The kinds of message."""

    BAD_VALUE = "urn:bad-value"
    DUPLICATE_RESOURCE = "urn:duplicate-resource"
    EXECUTABLE_REQUIRED = "urn:executable-required"
    IMAGE_DIGEST_MISMATCH = "urn:image-digest-mismatch"
    INPUT_SYNTAX_FAIL = "urn:input-syntax-fail"
    INVALID_VALUE = "urn:invalid-value"
    MISSING_REQUIRED_VALUE = "urn:missing-required-value"
    MISSING_VALUE = "urn:missing-value"
    NOT_SUPPORTED = "urn:not-supported"
    RESOURCE_LIMIT = "urn:resource-limit"
    RESOURCE_NOT_FOUND = "urn:resource-not-found"
    STORAGE_REQUIRED = "urn:storage-required"
    NOT_AUTHORIZED = "urn:not-authorized"
    LOCALITY_UNKNOWN = "urn:locality-unknown"
    PEER_TIMEOUT = "urn:peer-timeout"
    PEER_ERROR = "urn:peer-error"
    PEER_LOOP = "urn:peer-loop"
    SESSION = "urn:session"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message by the Message Templates idea: a sentence with ``${name}`` in it, and the values of the names."""

    kind: str
    template: str
    level: Level = Level.ERROR
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The sentence."""
        return _VARIABLE.sub(lambda match: self.values.get(match[1], match[0]), self.template)

    @property
    def pointer(self) -> str:
        """The JSON pointer to what it is about, empty for the whole."""
        return self.values.get("path", "")

    def item(self, time: datetime) -> dict[str, Any]:
        """Return the message as documents have it."""
        return {
            "kind": str(self.kind),
            "time": format_timestamp(time),
            "level": str(self.level),
            "template": self.template,
            "values": dict(self.values),
            "message": self.text,
        }


def reason(kind: Urn, template: str, pointer: str = "", /, **values: object) -> Message:
    """Return a reason for a NO."""
    return Message(kind=kind, template=template, values=_values(pointer, values))


def warning(kind: Urn, template: str, pointer: str = "", /, **values: object) -> Message:
    """Return a warning, which turns no YES into a NO."""
    return Message(kind=kind, template=template, level=Level.WARN, values=_values(pointer, values))


def _values(pointer: str, values: Mapping[str, object]) -> dict[str, str]:
    shown = {name: printable(str(value)) for name, value in values.items()}
    return {"path": printable(pointer), **shown} if pointer else shown


def printable(text: str) -> str:
    """Return a caller's text cut short, without what cannot be printed: it comes back in XML, too."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[:_LONGEST_VALUE])


def items(messages: Iterable[Message], time: datetime) -> list[dict[str, Any]]:
    """Return messages as documents have them."""
    return [message.item(time) for message in messages]


def pointer_to(parent: str, name: str | int) -> str:
    """Return the JSON pointer of a member (RFC 6901 s3)."""
    return f"{parent}/{str(name).replace('~', '~0').replace('/', '~1')}"
