"""Which services of this deployment links may lead to: those that this process serves, and those that settings name.

Each is known by what it says of itself, by the identifier of a standard; a link to a service that does not run helps
nobody, so an installed service alone does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from datalink.callers import OffersAt
from datalink.core.services import STAGE_JOB, Offered, Offers
from datalink.core.soda_description import SYNC
from datalink.settings import DataLinkSettings
from penstock.lake.port import StagingLake
from penstock.plugins import Group, Registry
from penstock.regext import Capability
from penstock.service import Resources, Service

UWS = "ivo://ivoa.net/std/UWS#rest-1.1"
ACCEPTS_KEY = "#accepts-1.0"  # below the deployment's own authority: no standard names the interface yet
_SERVICES: Registry[Service] = Registry(Group.SERVICES, Service)
_JOB_TYPES: Registry[object] = Registry(Group.JOB_TYPES, object)


def offers_of(resources: Resources, settings: DataLinkSettings) -> OffersAt:
    """Return what gives the services that run, for the base URL of the host."""

    def of_this_process(name: str, base_url: str, fits: Callable[[str], bool]) -> Offered | None:
        if name not in resources.served:
            return None
        service = _SERVICES.get(name)
        described = service.describe(resources.settings, base_url + service.path)
        return _offered(described.capabilities, fits)

    @lru_cache(maxsize=16)
    def offers_at(base_url: str) -> Offers:
        jobs = planner = None
        if settings.jobs_url is not None:
            jobs = Offered(url=settings.jobs_url, standard_id=UWS)
        elif STAGE_JOB in _JOB_TYPES.names() and isinstance(resources.lake, StagingLake):
            jobs = of_this_process("uws", base_url, UWS.__eq__)
        if settings.planner_url is not None:
            standard_id = f"ivo://{resources.settings.authority}/std/executionbroker{ACCEPTS_KEY}"
            planner = Offered(url=settings.planner_url, standard_id=standard_id)
        else:
            planner = of_this_process("execplanner", base_url, lambda standard_id: standard_id.endswith(ACCEPTS_KEY))
        cutouts = of_this_process("soda", base_url, SYNC.__eq__)
        return Offers(cutouts=cutouts, jobs=jobs, planner=planner)

    return offers_at


def _offered(capabilities: Iterable[Capability], fits: Callable[[str], bool]) -> Offered | None:
    """Return the standard interface of the first capability whose standardID fits."""
    for capability in capabilities:
        if capability.standard_id is not None and fits(capability.standard_id):
            return Offered(url=capability.interfaces[0].access_url, standard_id=capability.standard_id)
    return None
