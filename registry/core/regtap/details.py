"""Single values for which the other tables have no column, by their paths in the record (RegTAP 1.2 s8.13, App. A)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import TypeAlias

from lxml import etree

from registry.core.regtap.values import Row, clean, text_of

_OF_RESOURCES = (
    "accessURL",
    "coverage/footprint",
    "coverage/footprint/@ivo-id",
    "deprecated",
    "endorsedVersion",
    "facility",
    "format",
    "format/@isMIMEType",
    "full",
    "instrument",
    "instrument/@ivo-id",
    "managedAuthority",
    "managingOrg",
    "rights",
    "rights/@rightsURI",
    "schema/@namespace",
)

_AXES = ("lat", "long")
_EXTENTS = ("maxImageExtent", "maxImageSize", "maxQueryRegionSize")
_LIMITS = ("executionDuration", "outputLimit", "retentionPeriod", "uploadLimit")
_OF_CAPABILITIES = (
    "complianceLevel",
    "creationType",
    "dataModel",
    "dataModel/@ivo-id",
    "dataSource",
    "defaultMaxRecords",
    "imageServiceType",
    "interface/securityMethod/@standardID",
    "interface/testQueryString",
    "language/name",
    "language/version/@ivo-id",
    "maxAperture",
    "maxFileSize",
    *(f"{extent}/{axis}" for extent in _EXTENTS for axis in _AXES),
    "maxImageSize",
    "maxRecords",
    "maxSR",
    "maxSearchRadius",
    "outputFormat/@ivo-id",
    "outputFormat/alias",
    "outputFormat/mime",
    *(f"{limit}/{kind}" for limit in _LIMITS for kind in ("default", "hard")),
    *(f"{limit}/{kind}/@unit" for limit in ("outputLimit", "uploadLimit") for kind in ("default", "hard")),
    "supportedFrame",
    *(f"testQuery/{name}" for name in ("catalog", "dec", "extras", "queryDataCmd", "ra", "size", "sr", "verb")),
    *(f"testQuery/pos/{name}" for name in ("lat", "long", "refframe")),
    *(f"testQuery/size/{axis}" for axis in _AXES),
    "uploadMethod/@ivo-id",
    "verbosity",
)  # fmt: skip


_PATHS = (*(f"/{path}" for path in _OF_RESOURCES), *(f"/capability/{path}" for path in _OF_CAPABILITIES))
_ELEMENTS = frozenset(path for path in _PATHS if "@" not in path)
_ATTRIBUTES = {path.rpartition("/@")[0]: path.rpartition("/@")[2] for path in _PATHS if "@" in path}
_WAYS = frozenset("/".join(path.split("/")[:length]) for path in _PATHS for length in range(2, path.count("/") + 2))
"""The paths and all that lead to them: what lies elsewhere need not be looked at."""

Found: TypeAlias = tuple[int | None, str, str]


def detail_rows(record: etree._Element) -> Iterator[tuple[str, Row]]:
    """Yield the rows of ``res_detail``, each once; the case of values is kept."""
    capabilities = count(1)
    found: dict[Found, None] = {}
    for child in record.iterchildren("*"):
        cap_index = next(capabilities) if child.tag == "capability" else None
        found.update(dict.fromkeys(_details(child, f"/{child.tag}", cap_index)))
    for cap_index, xpath, value in found:
        yield "res_detail", {"cap_index": cap_index, "detail_xpath": xpath, "detail_value": value}


def _details(element: etree._Element, path: str, cap_index: int | None) -> Iterator[Found]:
    if path not in _WAYS:
        return
    value = text_of(element) if path in _ELEMENTS else None
    if value:
        yield cap_index, path, value
    name = _ATTRIBUTES.get(path)
    value = clean(element.get(name)) if name else None
    if value:
        yield cap_index, f"{path}/@{name}", value
    for child in element.iterchildren("*"):
        yield from _details(child, f"{path}/{child.tag}", cap_index)
