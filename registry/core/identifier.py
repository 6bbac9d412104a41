"""IVOA identifiers of resources (IVOA Identifiers 2.0 s2)."""

from __future__ import annotations

import re

_RESOURCE = re.compile(r"ivo://(\w[\w.!~*'()+=-]{2,})((?:/[\w.!~*'()+=-]+)*)")
_MAX_LENGTH = 500


def authority_of(ivoid: str) -> str | None:
    """Return the naming authority in lower case; None if `ivoid` is no identifier of a resource.

    A part after a question mark or a number sign names something inside a resource (IVOA Identifiers 2.0 s2.2.2).
    """
    match = _RESOURCE.fullmatch(ivoid)
    return match[1].lower() if match and len(ivoid) <= _MAX_LENGTH else None


def is_authority(ivoid: str) -> bool:
    """Tell whether an identifier is that of a naming authority: it has no path."""
    match = _RESOURCE.fullmatch(ivoid)
    return match is not None and not match[2]


def identifier_key(ivoid: str) -> str:
    """Return what all spellings of one identifier share: case does not count (IVOA Identifiers 2.0 s2.2)."""
    return ivoid.lower()
