"""IVOA identifiers of a deployment (IVOA Identifiers 2.0)."""

from __future__ import annotations

from urllib.parse import quote, unquote

from penstock.dali.errors import NotFound
from penstock.lake.port import Did

_COLLECTION = "lake"


def resource_ivoid(authority: str, path: str) -> str:
    """Return the identifier of a resource of the deployment: ``ivo://authority/path``."""
    return f"ivo://{authority}/{path}"


def publisher_did(authority: str, did: Did) -> str:
    """Return the publisher dataset identifier of a file (IVOA Identifiers 2.0 s4.1): ``ivo://authority/lake?scope:name``.

    The part after the question mark is percent-encoded where a URI demands it.
    """
    return f"{resource_ivoid(authority, _COLLECTION)}?{quote(did.scope, safe='')}:{quote(did.name, safe='/')}"


def lake_did(authority: str, text: str) -> Did:
    """Read a DID from a publisher DID of this deployment or from a plain ``scope:name``.

    Raises
    ------
    UsageError
        `text` is neither.
    NotFound
        It is an IVOA identifier, but not one of this lake.
    """
    if not text.lower().startswith("ivo://"):
        return Did.parse(text)
    registry_part, mark, local = text.partition("?")
    if registry_part.lower() != resource_ivoid(authority, _COLLECTION).lower() or not mark:
        raise NotFound(f"{text[:200]!r} is not an identifier of this data lake")
    return Did.parse(unquote(local))
