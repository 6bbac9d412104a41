"""Links that the metadata of a file or a dataset name: previews, documentation, provenance and the like.

A key ``link_preview`` holds one or more targets, separated by white space. A target is an absolute URL (http, https) or
a DID of the lake. Whoever may write metadata of a file may thus add links to it, and nothing but links.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from datalink.core.links import Addresses, Link
from datalink.core.terms import NOTEBOOK, PROVENANCE
from penstock.dali.errors import UsageError
from penstock.dali.formats import DATALINK_TYPE
from penstock.lake.port import Did

PREFIX: Final = "link_"
# Terms of http://www.ivoa.net/rdf/datalink/core that metadata may use, and two of ours.
CORE: Final = (
    "progenitor", "derivation", "auxiliary", "weight", "error", "noise", "calibration", "bias", "dark", "flat",
    "preview", "preview-image", "preview-plot", "thumbnail", "documentation", "detached-header", "coderived",
    "counterpart",
)  # fmt: skip
OWN: Final = (PROVENANCE, NOTEBOOK)
MOST_TARGETS: Final = 100
_PREVIEWS: Final = frozenset({"preview", "preview-image", "preview-plot", "thumbnail"})
_TYPES: Final = {
    ".fits": "application/fits",
    ".gif": "image/gif",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".vot": "application/x-votable+xml",
    ".webp": "image/webp",
    ".xml": "application/xml",
}


def key_of(term: str) -> str:
    """Return the metadata key of a term; keys of lakes know no hyphens."""
    return PREFIX + term.replace("-", "_")


_KEYS: Final = {key_of(term): term for term in (*CORE, *(term.name for term in OWN))}
_OWN_BY_NAME: Final = {term.name: term for term in OWN}


def related(identifier: str, metadata: Mapping[str, str], addresses: Addresses) -> Iterator[Link]:
    """Yield a row for each target that the metadata name; what is no target is passed over."""
    for key, targets in metadata.items():
        term = _KEYS.get(key)
        if term is not None:
            rows = (_row(identifier, term, target, addresses) for target in targets.split()[:MOST_TARGETS])
            yield from filter(None, rows)


def _row(identifier: str, term: str, target: str, addresses: Addresses) -> Link | None:
    own = _OWN_BY_NAME.get(term)
    semantics = addresses.term(own) if own else f"#{term}"
    url, content_type = _target(term, target, addresses)
    if url is None:
        return None
    return Link(
        id=identifier,
        access_url=url,
        description=f"{term.replace('-', ' ').capitalize()}: {target}",
        semantics=semantics,
        content_type=content_type,
    )


def _target(term: str, target: str, addresses: Addresses) -> tuple[str | None, str | None]:
    """Return where a target is and its media type: of a DID its links, of a preview its bytes."""
    try:
        if "://" in target:
            parts = urlsplit(target)
            fits = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
            return (target, _type_of(parts.path)) if fits else (None, None)
        did = Did.parse(target)
    except (UsageError, ValueError):
        return None, None
    if term in _PREVIEWS:
        return addresses.data(did), _type_of(did.name)
    return addresses.links_of(did), DATALINK_TYPE


def _type_of(name: str) -> str | None:
    dot = name.rfind(".")
    return _TYPES.get(name[dot:].lower()) if dot >= 0 else None
