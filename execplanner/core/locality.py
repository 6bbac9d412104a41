"""Where data are, and how long it takes to bring them to a facility.

A file that has an online replica at one of the facility's storage sites is local. Any other is moved from the site
whose link is the fastest; links work at the same time, files of one link one after the other. A replica on tape must be
recalled first. What is at a URL is fetched by the facility's own bandwidth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from execplanner.core.facility import Facility
from execplanner.core.messages import Message, Urn, reason, warning

TAPE_S: Final = 1800.0
"""How long a recall from tape is taken to last."""
_ANYWHERE: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Data, and the sites that have them: online, and on tape; `anywhere` may be fetched by a URL."""

    pointer: str
    size_bytes: int
    online: frozenset[str] = frozenset()
    tape: frozenset[str] = frozenset()
    anywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What must be moved to a facility, and how long that takes."""

    bytes_local: int = 0
    bytes_to_move: int = 0
    seconds: float = 0.0
    reasons: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Locality:
    """All data of a request, and how far sites are from each other (`distances`: to one from others, 1 is near)."""

    data: tuple[Located, ...] = ()
    distances: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    messages: tuple[Message, ...] = ()


def unknown_size(pointer: str, assumed: int) -> Message:
    """Return the warning for data of which nobody knows the size."""
    text = "The size of ${path} is not known; ${assumed} bytes are assumed."
    return warning(Urn.MISSING_VALUE, text, pointer, assumed=assumed)


def transfer_to(facility: Facility, locality: Locality) -> Transfer:
    """Return what must be moved to a facility."""
    local = moved = 0
    links: dict[str, float] = {}
    reasons: list[Message] = []
    for one in locality.data:
        if one.online.intersection(facility.storage_sites):
            local += one.size_bytes
            continue
        way = _fastest(facility, one, locality.distances)
        if way is None:
            reasons.append(reason(Urn.RESOURCE_NOT_FOUND, "No copy of ${path} can be read now.", one.pointer))
            continue
        link, seconds = way
        moved += one.size_bytes
        links[link] = links.get(link, 0.0) + seconds
    return Transfer(
        bytes_local=local, bytes_to_move=moved, seconds=max(links.values(), default=0.0), reasons=tuple(reasons)
    )


def _fastest(facility: Facility, data: Located, distances: Mapping[str, Mapping[str, int]]) -> tuple[str, float] | None:
    ways: list[tuple[float, str]] = []
    for sites, delay_s in ((data.online, 0.0), (data.tape, TAPE_S)):
        for site in sites:
            near = delay_s and site in facility.storage_sites
            speed = float("inf") if near else _bandwidth(facility, site, distances)
            ways.append((delay_s + data.size_bytes / speed, site))
    if data.anywhere:
        ways.append((data.size_bytes / facility.bandwidth, _ANYWHERE))
    if not ways:
        return None
    seconds, site = min(ways)
    return site, seconds


def _bandwidth(facility: Facility, site: str, distances: Mapping[str, Mapping[str, int]]) -> float:
    """Return the bytes a second that come from a site: what the record says, else by the distance."""
    if site in facility.links:
        return facility.links[site]
    known = [distances[own][site] for own in facility.storage_sites if site in distances.get(own, {})]
    return facility.bandwidth / max(1, min(known, default=1))


def transfer_key(facility: Facility) -> tuple[object, ...]:
    """Return what of a facility decides about transfers: equal keys, equal transfers."""
    return facility.storage_sites, facility.bandwidth, tuple(sorted(facility.links.items()))


def site_names(facilities: Sequence[Facility]) -> frozenset[str]:
    """Return the storage sites that any facility is near."""
    return frozenset(site for facility in facilities for site in facility.storage_sites)
