"""From bytes to documents of the first dialect, and back: JSON, YAML and XML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from execplanner.core.answer import write
from execplanner.core.dialects import DialectName, speak, unify
from execplanner.core.messages import Message, Urn, warning
from execplanner.core.model import ROOTS
from execplanner.core.reading import read_values
from execplanner.core.shapes import Reader
from execplanner.core.xml import XML_TYPES, read_xml, write_xml


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A document as it was read, the dialect that it was in, and what was passed over."""

    document: Mapping[str, Any]
    dialect: DialectName
    warnings: tuple[Message, ...] = ()


def read_given(body: bytes, media_type: str, root: str) -> Given:
    """Read a document.

    Parameters
    ----------
    root
        Which one, by the name of its root element in XML: see `ROOTS`.

    Raises
    ------
    UsageError
        It cannot be read, or is not of the shape that it must have.
    UnsupportedMediaType
        It is of a type that is not read.
    """
    if media_type in XML_TYPES or media_type.endswith("+xml"):
        values: Any = read_xml(body, root)
        typed = False
    else:
        values, typed = read_values(body, media_type)
    document, dialect = unify(values)
    reader = Reader(typed=typed)
    found = reader.read(ROOTS[root], document)
    warnings = list(reader.warnings)
    if dialect is DialectName.D3 and isinstance(values, Mapping) and _several_starts(values):
        warnings.append(warning(Urn.NOT_SUPPORTED, "Of several start intervals the first is tried.", "/schedule"))
    return Given(document=found, dialect=dialect, warnings=tuple(warnings))


def _several_starts(values: Mapping[str, Any]) -> bool:
    schedule = values.get("schedule")
    requested = schedule.get("requested") if isinstance(schedule, Mapping) else None
    start = requested.get("start") if isinstance(requested, Mapping) else None
    return isinstance(start, list) and len(start) > 1


def write_document(document: Mapping[str, Any], root: str, form: str, dialect: DialectName) -> bytes:
    """Write a document of the first dialect in a form (json, yaml, xml) and, but for XML, in a dialect.

    The XML of other dialects was never published; it is always that of the first.
    """
    if form == "xml":
        return write_xml(root, document)
    return write(speak(document, dialect), form)
