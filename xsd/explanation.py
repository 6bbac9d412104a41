"""Say what is wrong with a document at more length, with xmlschema.

libxml2 is fast and terse; xmlschema names the element with its path and says what was expected there. It is some
hundred times slower, so it is for people who mend a document, not for checking every answer.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from lxml import etree

from xsd.catalogue import SCHEMAS, Edition
from xsd.validation import Finding, Unreadable, bare, driver, edition_of, prefixed

if TYPE_CHECKING:
    import xmlschema


def explain(document: bytes | etree._Element, *, edition: Edition | None = None) -> list[Finding]:
    """Judge a document and explain each fault; an empty list means that none was found.

    Parameters
    ----------
    document
        The bytes as they came, or a parsed root element, which is not changed.
    edition
        As for `validate`.
    """
    try:
        root = bare(document)
    except Unreadable as error:
        return [error.finding]
    schema = _compiled(edition or edition_of(root))
    return [_finding(error) for error in schema.iter_errors(cast("xmlschema.XMLResource", root))]


@cache
def _compiled(edition: Edition) -> xmlschema.XMLSchema10:
    import xmlschema  # here, because it takes a tenth of the time in which commands start, and few explain

    # lax: xmlschema takes some derivations of VOTable's and STC's types for illegal that libxml2 and Xerces accept
    return xmlschema.XMLSchema10(
        driver(edition).decode(), base_url=SCHEMAS.as_uri(), allow="local", validation="lax", defuse="always"
    )


def _finding(error: xmlschema.XMLSchemaValidationError) -> Finding:
    line = getattr(error.elem, "sourceline", None) or error.sourceline or 1
    return Finding(line=line, path=error.path or "/", message=prefixed(error.reason or error.message))
