"""The composition root of the Execution Planner."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from execplanner.core.description import TEXT, TITLE, capabilities
from execplanner.core.facility import Facility
from execplanner.facilities import read_facility, this_host
from execplanner.settings import ExecPlannerSettings
from execplanner.web import PlannerHandlers, render_error
from penstock.auth.opening import security_methods
from penstock.edge.app import new_service_app
from penstock.edge.vosi import add_vosi
from penstock.ivoid import resource_ivoid
from penstock.regext import Capability
from penstock.service import Description, Resources, Service
from penstock.settings import Settings
from penstock.vosi import Availability, capabilities_document
from uws.app import installed_job_types, longest_duration_s
from uws.app import service as uws
from uws.ports import JobType

PATH = "/execplanner"


async def open_planner(resources: Resources) -> web.Application:
    """Return the application, for the installed job types where the settings name no facility."""
    return open_for(resources, installed_job_types())


def open_for(resources: Resources, job_types: Mapping[str, JobType]) -> web.Application:
    """Return the application for the facility that the settings name, else for this host with `job_types`."""
    settings = resources.settings.section(ExecPlannerSettings)
    started = resources.clock()
    app = new_service_app(render_error)
    facility = _facility(resources.settings, settings, job_types)
    PlannerHandlers(resources, facility, PATH, settings.max_document_bytes).add_routes(app)

    async def availability() -> Availability:
        return Availability(available=True, up_since=started)

    add_vosi(
        app,
        base_url=lambda request: resources.urls.absolute(request, PATH),
        capabilities=lambda url: capabilities_document(_capabilities(resources.settings, url)),
        availability=availability,
        changed=started,
    )
    return app


def _facility(
    settings: Settings, section: ExecPlannerSettings, job_types: Mapping[str, JobType]
) -> Callable[[str], Facility]:
    if section.facility_file is not None:
        given = read_facility(section.facility_file)
        return lambda _base_url: given
    limit = longest_duration_s(settings)
    return lambda base_url: this_host(settings.authority, f"{base_url}{uws.path}/jobs", job_types, max_duration_s=limit)


def _capabilities(settings: Settings, base_url: str) -> tuple[Capability, ...]:
    return capabilities(base_url, _standard_id(settings), security_methods=security_methods(settings))


def _standard_id(settings: Settings) -> str:
    given = settings.section(ExecPlannerSettings).standard_id
    return given or resource_ivoid(settings.authority, "std/executionbroker")


def describe(settings: Settings, base_url: str) -> Description:
    """Return what the planner offers at its base URL."""
    return Description(
        title=TITLE,
        text=TEXT,
        capabilities=_capabilities(settings, base_url),
        subjects=("computational-methods",),
    )


service = Service(name="execplanner", path=PATH, open=open_planner, describe=describe, settings=ExecPlannerSettings)
