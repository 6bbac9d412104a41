"""Searches with parameters, answered by the engine of TAP: SIA 2.0 and Simple Cone Search, each a service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from aiohttp import web

from penstock.auth.opening import security_methods
from penstock.dali.errors import ServiceError, ServiceUnavailable, UsageError
from penstock.dali.params import Parameters
from penstock.edge.app import new_service_app
from penstock.edge.errors import ErrorRenderer, votable_error, votable_response
from penstock.edge.pages import render_page
from penstock.edge.params import read_parameters
from penstock.edge.vosi import add_vosi
from penstock.regext import Extension, InputParam, Interface
from penstock.service import Description, Resources
from penstock.settings import Settings
from penstock.vosi import Capability, capabilities_document, vosi_capabilities
from penstock.votable.document import Info, Param, ServiceDescriptor, error_document
from tap_proxy.app import ENGINE
from tap_proxy.core.formats import SIA_FORMATS, TAP_FORMATS
from tap_proxy.core.request import RowLimits, TapQuery
from tap_proxy.core.scs import INPUTS as CONE_INPUTS
from tap_proxy.core.scs import ConeSearch, read_cone
from tap_proxy.core.sia import INPUTS as IMAGE_INPUTS
from tap_proxy.core.sia import read_image_query
from tap_proxy.plugin import scs, sia
from tap_proxy.service import Run
from tap_proxy.settings import TapSettings
from tap_proxy.web import availability, parameter_limits, send_result

_ENDPOINTS = (
    ("query", "searches"),
    ("capabilities", "says what the service can do"),
    ("availability", "says whether it can do it now"),
)


_VOSI_TYPES = {"double": "real", "int": "integer"}  # (VODataService 1.2 s3.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A protocol of searches: where it is, how its parameters become a query, how it is described.

    `required` are the parameters without which there is no search; `self_describing` says whether results have the
    description too.
    """

    path: str
    title: str
    text: str
    standard_id: str
    version: str
    parameters: tuple[Param, ...]
    read: Callable[[Parameters, RowLimits], TapQuery]
    render_error: ErrorRenderer = votable_error
    extension: Callable[[TapSettings], Extension | None] = lambda _settings: None
    required: tuple[str, ...] = ()
    self_describing: bool = False

    async def open(self, resources: Resources) -> web.Application:
        """Make the application of the service."""
        engine = await resources.shared(ENGINE)
        settings, opened = resources.settings.section(TapSettings), resources.clock()
        limits, app = parameter_limits(settings), new_service_app(self.render_error)

        def base_url(request: web.Request) -> str:
            return resources.urls.absolute(request, self.path)

        @lru_cache(maxsize=16)
        def this(base: str) -> ServiceDescriptor:
            return self.descriptor(base)

        async def search(request: web.Request) -> web.StreamResponse:
            """Search observations."""
            query = self.read(await read_parameters(request, limits), engine.limits)
            described = this(base_url(request)) if self.self_describing else None
            query = replace(query, standard_id=self.standard_id, this=described)
            base = resources.urls.base(request)
            run = Run(now=resources.clock(), base_url=base, time_limit_s=settings.query_time_limit_s)
            return await send_result(request, engine, query, run)

        async def front_page(request: web.Request) -> web.StreamResponse:
            """Say what the service is, to people; who asks with parameters, and forgot ``/query``, is answered."""
            if request.query_string:
                return await search(request)
            endpoints = [(f"{base_url(request)}/{path}", what) for path, what in _ENDPOINTS]
            return render_page("landing.html", title=self.title, text=self.text, endpoints=endpoints)

        add_vosi(
            app,
            base_url=base_url,
            capabilities=lambda base: capabilities_document(self.capabilities(resources.settings, base)),
            availability=partial(availability, engine, opened),
            changed=opened,
        )
        app.router.add_get("/query", search)
        app.router.add_post("/query", search)
        for place in ("", "/"):
            app.router.add_get(place, front_page)
        return app

    def describe(self, settings: Settings, base_url: str) -> Description:
        """Say what the service offers at a base URL."""
        return Description(
            title=self.title,
            text=self.text,
            capabilities=self.capabilities(settings, base_url),
            resource_type="vs:CatalogService",
        )

    def descriptor(self, base_url: str) -> ServiceDescriptor:
        """Return what the service says of itself in its results (SIA 2.0 s3.1.2)."""
        told = {"standardID": self.standard_id, "accessURL": f"{base_url}/query"}
        return ServiceDescriptor(
            id="this_service",
            name="this",
            description=self.text,
            params=tuple(Param(name=name, datatype="char", arraysize="*", value=value) for name, value in told.items()),
            inputs=(*self.parameters, *_COMMON),
        )

    def capabilities(self, settings: Settings, base_url: str) -> tuple[Capability, ...]:
        """Return the capabilities at a base URL."""
        search = Capability(
            standard_id=self.standard_id,
            interfaces=(
                Interface(
                    access_url=f"{base_url}/query",
                    use="base",
                    role="std",
                    version=self.version,
                    security_methods=security_methods(settings),
                    query_types=("GET", "POST"),
                    result_type="application/x-votable+xml",
                    params=tuple(
                        _input_param(param, required=param.name in self.required)
                        for param in (*self.parameters, *_COMMON)
                    ),
                ),
            ),
            extension=self.extension(settings.section(TapSettings)),
        )
        return (*vosi_capabilities(base_url), search)


_COMMON = (
    Param(name="MAXREC", datatype="int", minimum="0", description="How many rows at most; 0 for the columns only"),
    Param(name="RESPONSEFORMAT", datatype="char", arraysize="*", description="Form of the result; else VOTable"),
)


def _input_param(param: Param, *, required: bool) -> InputParam:
    datatype = "string" if param.arraysize else _VOSI_TYPES[param.datatype]
    return InputParam(
        name=param.name,
        datatype=datatype,
        unit=param.unit,
        ucd=param.ucd,
        description=param.description,
        use="required" if required else "optional",
    )


def image_error(_request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render an error with the fault that SIA calls it by (SIA 2.0 s3.2)."""
    match error:
        case UsageError():
            fault = "UsageFault"
        case ServiceUnavailable():
            fault = "TransientFault"
        case _:
            fault = "FatalFault"
    return votable_response(error_document(f"{fault}: {error.message}"), status)


def cone_error(_request: web.Request, error: ServiceError, status: int) -> web.Response:
    """Render an error as both DALI and SCS want it (SCS 1.03 s2.3)."""
    message = error.labelled()
    return votable_response(error_document(message, infos=(Info(name="Error", value=message),)), status)


SIA = Search(
    path=sia.path,
    title="SIA",
    text="Images and cubes of a data lake by position, wavelength, time and what made them (SIA 2.0).",
    standard_id="ivo://ivoa.net/std/SIA#query-2.0",
    version="2.0",
    parameters=IMAGE_INPUTS,
    read=lambda params, limits: read_image_query(params, formats=SIA_FORMATS, limits=limits),
    render_error=image_error,
    self_describing=True,
)
SCS = Search(
    path=scs.path,
    title="Cone search",
    text="Observations of a data lake around a position (SCS 1.03).",
    standard_id="ivo://ivoa.net/std/ConeSearch",
    version="1.03",
    parameters=CONE_INPUTS,
    required=("RA", "DEC", "SR"),
    read=lambda params, limits: read_cone(params, formats=TAP_FORMATS, limits=limits),
    render_error=cone_error,
    extension=lambda settings: ConeSearch(max_records=settings.maxrec_hard),
)
