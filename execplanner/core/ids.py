"""Identifiers of offer sets and sessions: UUIDs of version 7, which sort by time and cannot be guessed (RFC 9562 s5.7).

A session's job in UWS has the same 128 bits, as UWS writes identifiers.
"""

from __future__ import annotations

import re
from uuid import UUID

RANDOM_BYTES = 10
_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_id(now_ms: int, random: bytes) -> str:
    """Return an identifier made at an instant, of `RANDOM_BYTES` random bytes."""
    noise = int.from_bytes(random[:RANDOM_BYTES])
    number = (now_ms & (1 << 48) - 1) << 80
    number |= 0x7 << 76 | (noise >> 62 & 0xFFF) << 64
    number |= 0b10 << 62 | noise & (1 << 62) - 1
    return str(UUID(int=number))


def made_at(text: str) -> int | None:
    """Return the milliseconds at which an identifier was made, None of a text that cannot be one of ours."""
    return int(text[:8] + text[9:13], 16) if is_id(text) and text[14] == "7" else None


def is_id(text: str) -> bool:
    """Tell whether a text can be an identifier."""
    return _TEXT.fullmatch(text) is not None
