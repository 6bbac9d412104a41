"""What SODA says of itself: its parameters, its capabilities, and descriptors for documents of links (SODA 1.0 s4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from datalink.core.soda import MEDIA_TYPE, STOKES
from penstock.regext import Capability, InputParam, Interface
from penstock.vosi import vosi_capabilities
from penstock.votable.document import Param, ServiceDescriptor

TITLE = "SODA"
TEXT = "Cut-outs of images and cubes of a data lake, by position, wavelength, time, polarisation or pixels (SODA 1.0)."
SYNC, ASYNC = "ivo://ivoa.net/std/SODA#sync-1.0", "ivo://ivoa.net/std/SODA#async-1.0"
SYNC_DESCRIPTOR, ASYNC_DESCRIPTOR = "soda-sync", "soda-async"
"""XML IDs of the descriptors, to which `service_def` of a row refers."""

ID = Param(
    name="ID",
    datatype="char",
    arraysize="*",
    ucd="meta.ref.url;meta.curation",
    description="Publisher DID or scope:name of the file",
)
CIRCLE = Param(
    name="CIRCLE",
    datatype="double",
    arraysize="3",
    xtype="circle",
    unit="deg",
    ucd="pos.outline;obs",
    description="Circle that the cut-out is to cover: right ascension, declination and radius, ICRS",
)
POLYGON = Param(
    name="POLYGON",
    datatype="double",
    arraysize="*",
    xtype="polygon",
    unit="deg",
    ucd="pos.outline;obs",
    description="Polygon that the cut-out is to cover: right ascension and declination of each vertex, ICRS",
)
POS = Param(
    name="POS",
    datatype="char",
    arraysize="*",
    ucd="pos.outline;obs",
    description="Region that the cut-out is to cover: CIRCLE, RANGE or POLYGON and its numbers",
)
BAND = Param(
    name="BAND",
    datatype="double",
    arraysize="2",
    xtype="interval",
    unit="m",
    ucd="em.wl;stat.interval",
    description="Interval of wavelengths",
)
TIME = Param(
    name="TIME",
    datatype="double",
    arraysize="2",
    xtype="interval",
    unit="d",
    ucd="time.interval;obs.exposure",
    description="Interval of time: MJD in UTC",
)
POL = Param(
    name="POL",
    datatype="char",
    arraysize="*",
    ucd="meta.code;phys.polarization",
    description="Polarisation state; several are kept together",
)
PIXELS = Param(
    name="PIXELS",
    datatype="double",
    arraysize="*",
    unit="pixel",
    description="First and last pixel of each axis, counted from 1: an extension of this service",
)
FILTERS = (CIRCLE, POLYGON, POS, BAND, TIME, POL, PIXELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """For which values a file has data (SODA 1.0 s4.2); None where that is not known.

    `circle` and `polygon` are numbers in degrees, as their parameters take them.
    """

    circle: str | None = None
    polygon: str | None = None
    band: tuple[str, str] | None = None
    time: tuple[str, str] | None = None
    pol: tuple[str, ...] = ()

    @classmethod
    def of(cls, obscore: Mapping[str, str]) -> Self:
        """Read it off columns of ObsCore, those that are there: s_region, em_min, em_max, t_min, t_max, pol_states."""
        shape, _, rest = obscore.get("s_region", "").partition(" ")
        numbers = rest.removeprefix("ICRS ").strip()
        states = (state.strip().upper() for state in obscore.get("pol_states", "").split("/"))
        return cls(
            circle=numbers if shape.upper() == "CIRCLE" else None,
            polygon=numbers if shape.upper() == "POLYGON" else None,
            band=_limits(obscore, "em_min", "em_max"),
            time=_limits(obscore, "t_min", "t_max"),
            pol=tuple(state for state in states if state in STOKES),
        )


def _limits(obscore: Mapping[str, str], low: str, high: str) -> tuple[str, str] | None:
    found = obscore.get(low), obscore.get(high)
    return (found[0], found[1]) if found[0] and found[1] else None


def soda_descriptors(
    base_url: str, *, id_ref: str | None = None, id_value: str = "", domain: Domain = Domain()
) -> tuple[ServiceDescriptor, ServiceDescriptor]:
    """Return the descriptors of {sync} and {async}, to stand in a VOTable.

    Parameters
    ----------
    base_url
        Of the SODA service, without a slash at its end.
    id_ref
        The XML ID of the column from which the values of ID come; None where there is one value.
    id_value
        That value.
    domain
        For which values there are data, where the descriptor is of one file.
    """
    identifier = replace(ID, ref=id_ref, value="" if id_ref else id_value)
    inputs = (identifier, *(_within(param, domain) for param in FILTERS))
    return (
        ServiceDescriptor(
            id=SYNC_DESCRIPTOR,
            name="SODA cut-out",
            description="A part of the file, at once",
            params=_params(SYNC, f"{base_url}/sync", MEDIA_TYPE),
            inputs=inputs,
        ),
        ServiceDescriptor(
            id=ASYNC_DESCRIPTOR,
            name="SODA cut-outs by a job",
            description="Parts of the file, as results of a job (UWS)",
            params=_params(ASYNC, f"{base_url}/async", "text/xml"),
            inputs=inputs,
        ),
    )


def _params(standard: str, url: str, content_type: str) -> tuple[Param, ...]:
    given = (("standardID", standard), ("accessURL", url), ("contentType", content_type))
    return tuple(Param(name=name, datatype="char", arraysize="*", value=value) for name, value in given)


def _within(param: Param, domain: Domain) -> Param:
    """Return a parameter with its VALUES; circle and polygon have only a MAX (SODA 1.0 s4.2)."""
    match param.name:
        case "CIRCLE":
            return replace(param, maximum=domain.circle)
        case "POLYGON":
            return replace(param, maximum=domain.polygon)
        case "BAND" if domain.band:
            return replace(param, minimum=domain.band[0], maximum=domain.band[1])
        case "TIME" if domain.time:
            return replace(param, minimum=domain.time[0], maximum=domain.time[1])
        case "POL":
            return replace(param, options=domain.pol or tuple(STOKES))
        case _:
            return param


def capabilities(base_url: str, *, security_methods: tuple[str | None, ...] = ()) -> tuple[Capability, ...]:
    """Return the capabilities of the service at a base URL (no slash at its end) (SODA 1.0 s2.5)."""

    def resource(standard: str, name: str, methods: tuple[Literal["GET", "POST"], ...]) -> Capability:
        interface = Interface(
            access_url=f"{base_url}/{name}",
            use="full" if name == "sync" else "base",
            role="std",
            version="1.0",
            security_methods=security_methods,
            query_types=methods,
            result_type=MEDIA_TYPE if name == "sync" else None,
            params=tuple(_input(param) for param in (ID, *FILTERS)),
        )
        return Capability(standard_id=standard, interfaces=(interface,))

    return (*vosi_capabilities(base_url), resource(SYNC, "sync", ("GET", "POST")), resource(ASYNC, "async", ("POST",)))


def _input(param: Param) -> InputParam:
    return InputParam(
        name=param.name,
        datatype="real" if param.datatype == "double" else "string",
        arraysize=param.arraysize if param.datatype == "double" else None,
        description=param.description,
        unit=param.unit,
        ucd=param.ucd,
        use="required" if param.name == "ID" else "optional",
        std=param.name != "PIXELS",
    )
