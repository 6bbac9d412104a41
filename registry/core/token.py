"""Resumption tokens that hold all the state of a list, so that the server holds none (OAI-PMH 2.0 s3.5).

A list goes on after the last (datestamp, identifier) that was sent. Records that change meanwhile move to the end, so
none is lost; one may come twice. A check value finds tokens that were altered or cut; it keeps no secret, because
everything in a token could be asked for openly.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from registry.core.oai import ErrorCode, OaiError, Selection, Verb

_CHECK_BYTES = 8
_MAX_LENGTH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a list goes on.

    `after` is the last (datestamp, identifier) sent, None at the beginning, `cursor` how many were, `size` how many
    there were at the beginning, `expires` a stamp.
    """

    verb: Verb
    selection: Selection
    after: tuple[str, str] | None
    cursor: int
    size: int
    expires: str


_POSITIONS = TypeAdapter(Position)


def encode(position: Position) -> str:
    """Write a token."""
    content = _POSITIONS.dump_json(position)
    return base64.urlsafe_b64encode(_check(content) + content).decode().rstrip("=")


def decode(text: str, *, verb: Verb, now: str) -> Position:
    """Read a token that `encode` wrote for the same verb.

    Raises
    ------
    OaiError
        badResumptionToken: it is none, was altered, belongs to another verb, or has expired.
    """
    position = _read(text)
    if position is None:
        raise _bad("The resumption token is not one of this repository, or was altered.")
    if position.verb != verb:
        raise _bad(f"The resumption token belongs to {position.verb}.")
    if position.expires < now:
        raise _bad(f"The resumption token expired at {position.expires}; begin the list again.")
    return position


def _read(text: str) -> Position | None:
    if len(text) > _MAX_LENGTH or not text.isascii():
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    content = data[_CHECK_BYTES:]
    if data[:_CHECK_BYTES] != _check(content):
        return None
    try:
        return _POSITIONS.validate_json(content)
    except ValidationError:
        return None


def _check(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_CHECK_BYTES, person=b"penstock-oai").digest()


def _bad(message: str) -> OaiError:
    return OaiError(ErrorCode.BAD_RESUMPTION_TOKEN, message)
