"""Terms of VOResource 1.0 that the vocabularies have since replaced (RegTAP 1.2 s4.5).

The translations are those that the vocabularies at http://www.ivoa.net/rdf/voresource/ state as ``useInstead``.
"""

from __future__ import annotations

_RELATIONSHIPS = {
    "mirror-of": "isidenticalto",
    "service-for": "isservicefor",
    "served-by": "isservedby",
    "derived-from": "isderivedfrom",
}
_DATES = {"representative": "collected", "creation": "created", "update": "updated"}


def relationship_type(term: str | None) -> str | None:
    """Return the present term for the type of a relationship; both are in lower case."""
    return _RELATIONSHIPS.get(term, term) if term else None


def date_role(term: str | None) -> str | None:
    """Return the present term for what a date stands for; both are in lower case."""
    return _DATES.get(term, term) if term else None
