"""Creating a job once, however often the request is sent (draft-ietf-httpapi-idempotency-key-header).

A client that never saw the answer to a creation sends it again with the same Idempotency-Key, and is led to the job
that it made. Keys belong to their caller. Where nobody is known the key alone is what tells callers apart: whoever
knows it and what it was sent with is led to the job, so it must be as hard to guess as the URL of the job is.

What is compared is what the request means, not its bytes: the boundary of a multipart form is another each time.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from penstock.auth.principal import Principal
from penstock.dali.errors import ServiceUnavailable, UsageError
from penstock.dali.params import Part
from uws.ports import Creation

HEADER = "Idempotency-Key"
REMEMBERED_FOR = timedelta(hours=24)
_SHORTEST_ANONYMOUS = 20
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')


class KeyReused(UsageError):
    """A key came again with another request."""

    status_hint = 422


class UnderWay(ServiceUnavailable):
    """The same request came a moment earlier."""


def parse_key(values: Sequence[str]) -> str | None:
    """Read the values of the header: a string in quotes (RFC 9651 s3.3.3) or, as many send it, without; None if none.

    Raises
    ------
    UsageError
        There are several, or it is no key.
    """
    if not values:
        return None
    text = values[0].strip()
    if quoted := _QUOTED.fullmatch(text):
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    if len(values) > 1 or not _KEY.fullmatch(text):
        raise UsageError(f"{HEADER} takes one key of up to 255 visible ASCII characters, such as a UUID.")
    return text


def scoped(key: str, caller: Principal) -> str:
    """Return under what a key is remembered: it tells callers apart and the key cannot be had from it.

    Raises
    ------
    UsageError
        The caller is anonymous, and others could guess the key.
    """
    if caller.anonymous and len(key) < _SHORTEST_ANONYMOUS:
        raise UsageError(
            f"Without authentication an {HEADER} has {_SHORTEST_ANONYMOUS} characters or more that nobody can guess: "
            "use a random UUID."
        )
    return hashlib.sha256(f"{caller.subject or ''}\0{key}".encode()).hexdigest()


async def fingerprint(asked: object, parts: Sequence[Part]) -> str:
    """Return what is the same for two requests only if they ask for the same: of files their content counts.

    Parameters
    ----------
    asked
        All but the files, with a `repr` that says everything.
    parts
        The files.
    """
    digests = [(part.name, part.media_type, await asyncio.to_thread(_digest, part.content)) for part in parts]
    return hashlib.sha256(repr((asked, digests)).encode(errors="surrogatepass")).hexdigest()


def require_same(known: Creation, asked: Creation) -> None:
    """See that a request which comes again is the one that came before.

    Raises
    ------
    KeyReused
        It is another.
    """
    if known.fingerprint != asked.fingerprint:
        raise KeyReused(f"This {HEADER} was used for another request: give each its own.")


def _digest(content: Path | bytes) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
