"""HiPS: the files of a hierarchical survey of the sky, and the properties that describe it (HiPS 1.0)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from penstock.dali.errors import NotFound
from penstock.regext import Capability, Interface

TITLE = "HiPS"
TEXT = "Hierarchical surveys of the sky that are stored in a data lake, for Aladin and its like (HiPS 1.0)."
STANDARD_ID = "ivo://ivoa.net/std/hips#hips-1.0"
LIST_STANDARD_ID = "ivo://ivoa.net/std/hips#hipslist-1.0"
PROPERTIES = "properties"
MAX_PROPERTIES_BYTES = 256 * 1024
MAX_ORDER = 29
_PER_DIRECTORY = 10_000

REQUIRED = (
    "creator_did",
    "obs_title",
    "dataproduct_type",
    "hips_version",
    "hips_release_date",
    "hips_status",
    "hips_tile_format",
    "hips_order",
    "hips_frame",
)
"""Keywords without which a survey is not described (HiPS 1.0 s4.4.1)."""
_LISTED = ("creator_did", "hips_release_date", "hips_service_url", "hips_status", "obs_title", "hips_order")
_PRODUCTS = {"image", "cube", "catalog", "meta"}

_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
_ENDING = r"(jpg|png|fits|webp|tsv|xml)"
_TILE = re.compile(rf"Norder([0-9]{{1,2}})/Dir([0-9]{{1,19}})/Npix([0-9]{{1,19}})(?:_[0-9]{{1,6}})?\.{_ENDING}")
_ALLSKY = re.compile(rf"Norder([0-9]{{1,2}})/Allsky(?:_[0-9]{{1,6}})?\.{_ENDING}")
_OTHERS = {
    PROPERTIES: "text/plain; charset=utf-8",
    "Moc.fits": "application/fits",
    "metadata.fits": "application/fits",
    "metadata.xml": "application/x-votable+xml",
    "preview.jpg": "image/jpeg",
}
_TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "fits": "application/fits",
    "tsv": "text/tab-separated-values; charset=utf-8",
    "xml": "application/x-votable+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The properties of a survey, and what is wrong with them."""

    values: Mapping[str, str]
    problems: tuple[str, ...]


def media_type(path: str) -> str:
    """Return the media type of a file of a survey, by its path below the survey's root (HiPS 1.0 s4.1).

    Raises
    ------
    NotFound
        A survey has no such file.
    """
    if path in _OTHERS:
        return _OTHERS[path]
    if (allsky := _ALLSKY.fullmatch(path)) and int(allsky[1]) <= MAX_ORDER:
        return _TYPES[allsky[2]]
    tile = _TILE.fullmatch(path)
    if tile is None or not _is_tile(int(tile[1]), int(tile[2]), int(tile[3])):
        raise NotFound("A HiPS has no such file.")
    return _TYPES[tile[4]]


def _is_tile(order: int, directory: int, pixel: int) -> bool:
    """Tell whether there is such a cell, and whether it stands in its directory."""
    return order <= MAX_ORDER and pixel < 12 << 2 * order and directory == pixel - pixel % _PER_DIRECTORY


def read_properties(text: str) -> Survey:
    """Read a properties file: ``keyword = value`` a line, ``#`` before comments (HiPS 1.0 s4.4.1)."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        keyword, equals, value = line.partition("=")
        if equals and _KEYWORD.fullmatch(keyword.strip()):
            values.setdefault(keyword.strip(), value.strip())
    return Survey(values=values, problems=tuple(_problems(values)))


def _problems(values: Mapping[str, str]) -> Iterable[str]:
    for keyword in REQUIRED:
        if not values.get(keyword):
            yield f"{keyword} is missing"
    order = values.get("hips_order", "0")
    if not (order.isascii() and order.isdecimal() and len(order) < 3 and int(order) <= MAX_ORDER):
        yield f"hips_order = {order[:20]} is no order"
    if values.get("dataproduct_type", "image") not in _PRODUCTS:
        yield f"dataproduct_type = {values['dataproduct_type'][:40]} is not one of {', '.join(sorted(_PRODUCTS))}"
    did = values.get("creator_did", "ivo://")
    if not did.lower().startswith("ivo://"):
        yield f"creator_did = {did[:80]} is no IVOA identifier"


def written_properties(survey: Survey, service_url: str) -> str:
    """Write properties as they are served: with the URL under which this very copy is (HiPS 1.0 s4.4.1)."""
    values = {**survey.values, "hips_service_url": service_url}
    return "".join(f"{keyword:<20} = {value}\n" for keyword, value in values.items())


def hips_list(surveys: Iterable[tuple[str, Survey]]) -> str:
    """Write the list of a server: a record for each survey and its URL, a blank line between them (HiPS 1.0 s5.2)."""
    records = []
    for url, survey in surveys:
        values = {**survey.values, "hips_service_url": url}
        records.append("".join(f"{key:<20} = {values[key]}\n" for key in _LISTED if key in values))
    return "\n".join(records)


def capabilities(base_url: str, names: Iterable[str]) -> tuple[Capability, ...]:
    """Return the capabilities of the server and of each survey (HiPS 1.0 s5.3)."""
    return (
        _capability(LIST_STANDARD_ID, f"{base_url}/list"),
        *(_capability(STANDARD_ID, f"{base_url}/{name}/") for name in names),
    )


def _capability(standard_id: str, url: str) -> Capability:
    interface = Interface(access_url=url, use="full" if url.endswith("/list") else "base", role="std", version="1.0")
    return Capability(standard_id=standard_id, interfaces=(interface,))
