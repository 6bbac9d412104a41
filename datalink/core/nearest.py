"""Which replica is nearest to the caller.

A caller may say where they are, by the name of a storage site or by coordinates; both parameters are our own
extensions (``SITE``; ``LAT`` and ``LON`` in degrees). Of one who does not, the deployment may know by the network that
the request comes from (setting ``site_by_network``). Replicas are then ordered by what can be read now, by how far the
lake itself ranks their site from the caller's, by distance on the ground, by how many clients speak their protocol, and
by the name of the site, so that the same question always gets the same order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from types import MappingProxyType
from typing import Self

from datalink.core.replicas import scheme_of
from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters
from penstock.dali.values import parse_float
from penstock.lake.port import Replica, Site

Place = tuple[float, float]
"""Geodetic latitude and longitude in degrees."""

EARTH_RADIUS_KM = 6371.0
_SHOWN_SITES = 20
_SCHEMES = ("file", "https", "http", "davs", "dav", "root", "roots", "xroot", "s3", "s3s", "gsiftp", "srm")
_RANKS = {scheme: rank for rank, scheme in enumerate(_SCHEMES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Where a caller says they are: `site` is a name, coordinates are geodetic degrees."""

    site: str | None = None
    latitude_deg: float | None = None
    longitude_deg: float | None = None

    @classmethod
    def read(cls, params: Parameters) -> Self:
        """Read SITE, or LAT and LON.

        Raises
        ------
        UsageError
            A coordinate is no number or out of range, only one of the two was given, or SITE was given besides.
        """
        site = params.single("SITE") or None
        latitude = _degrees(params, "LAT", 90.0)
        longitude = _degrees(params, "LON", 360.0)
        if (latitude is None) != (longitude is None):
            raise UsageError("LAT and LON belong together; one of them is missing.")
        if site is not None and latitude is not None:
            raise UsageError("Say where you are either with SITE or with LAT and LON, not with both.")
        return cls(site=site, latitude_deg=latitude, longitude_deg=longitude)

    def __bool__(self) -> bool:
        return self.site is not None or self.latitude_deg is not None


class Nearness:
    """Orders replicas for one caller.

    Parameters
    ----------
    hint
        Where the caller is, if they said so.
    sites
        The sites of the lake; none are needed where there is no hint.
    ranks
        How far the lake ranks other sites from the one of the hint, the nearest least; those that are not ranked come
        after all that are.

    Raises
    ------
    UsageError
        The hint names a site that the lake does not have.
    """

    def __init__(self, hint: Hint, sites: Sequence[Site] = (), ranks: Mapping[str, int] = MappingProxyType({})) -> None:
        self._home = hint.site
        self._ranks = ranks
        self._distances_km: Mapping[str, float] = {}
        if hint:
            here = _place(hint, sites)
            places = {site.name: _pair(site.latitude_deg, site.longitude_deg) for site in sites}
            self._distances_km = {
                name: great_circle_km(here, place) for name, place in places.items() if here and place
            }

    def order(self, replicas: Sequence[Replica]) -> tuple[Replica, ...]:
        """Return the replicas: readable ones first, then the nearest first, then by protocol and name of the site."""
        return tuple(sorted(replicas, key=self._key)) if len(replicas) > 1 else tuple(replicas)

    def _key(self, replica: Replica) -> tuple[bool, bool, float, float, int, str]:
        distance_km = self._distances_km.get(replica.site, math.inf)
        scheme = "file" if replica.path is not None else scheme_of(replica)
        rank = _RANKS.get(scheme, len(_RANKS))
        far = self._ranks.get(replica.site, math.inf)
        return (not replica.online, replica.site != self._home, far, distance_km, rank, replica.site)


def site_of(address: str | None, site_by_network: Mapping[IPv4Network | IPv6Network, str]) -> str | None:
    """Return the site of the smallest network that holds an address, None if there is none."""
    if address is None or not site_by_network:
        return None
    ip = ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    holding = [network for network in site_by_network if ip in network]
    return site_by_network[max(holding, key=lambda network: network.prefixlen)] if holding else None


def _degrees(params: Parameters, name: str, limit: float) -> float | None:
    text = params.single(name)
    if text is None or not text.strip():
        return None
    value = parse_float(name, text)
    if not -limit <= value <= limit:
        raise UsageError(f"{name}={text[:40]} is not between {-limit:g} and {limit:g} degrees.")
    return value


def _place(hint: Hint, sites: Sequence[Site]) -> Place | None:
    if hint.site is None:
        return _pair(hint.latitude_deg, hint.longitude_deg)
    by_name = {site.name: site for site in sites}
    if hint.site not in by_name:
        known = ", ".join(sorted(by_name)[:_SHOWN_SITES]) or "none"
        raise UsageError(f"SITE={hint.site[:80]} is not a site of this lake; its sites are: {known}.")
    return _pair(by_name[hint.site].latitude_deg, by_name[hint.site].longitude_deg)


def _pair(latitude_deg: float | None, longitude_deg: float | None) -> Place | None:
    return None if latitude_deg is None or longitude_deg is None else (latitude_deg, longitude_deg)


def great_circle_km(a: Place, b: Place) -> float:
    """Return the distance between two places along a great circle, by the haversine formula."""
    lat_a, lon_a, lat_b, lon_b = map(math.radians, (*a, *b))
    haversine = (
        math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(haversine)))
