"""What a container executable says, for services that take an image and a command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from execplanner.executors.programs import text_of, texts_of
from execplanner.ports import Work
from penstock.dali.errors import UsageError

_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:-]*", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


def images(work: Work) -> Sequence[str]:
    """Return the names of the image, by digest where one is given.

    Raises
    ------
    UsageError
        There is none, or one cannot be a name.
    """
    given = work.executable.get("image")
    locations = texts_of(given, "locations") if isinstance(given, Mapping) else []
    if not isinstance(given, Mapping) or not locations:
        raise UsageError("The image has no location.")
    digest = text_of(given, "digest")
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise UsageError("The digest of the image is not sha256: and 64 hexadecimal digits.")
    for location in locations:
        if not _IMAGE.fullmatch(location):
            raise UsageError(f"{location[:200]!r} is no name of an image.")
    return [f"{_untagged(location)}@{digest}" if digest else location for location in locations]


def image(work: Work) -> str:
    """Return the first name of the image, without privileges: raises `UsageError` where the work asks for them."""
    if work.executable.get("privileged"):
        raise UsageError("Containers are never privileged here.")
    return images(work)[0]


def argv(work: Work) -> list[str]:
    """Return the whole command; empty where the image has one of its own."""
    entrypoint = text_of(work.executable, "entrypoint")
    return [*([entrypoint] if entrypoint else []), *texts_of(work.executable, "command")]


def _untagged(location: str) -> str:
    before, colon, after = location.rpartition(":")
    return before if colon and "/" not in after else location
