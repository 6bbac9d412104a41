"""What SODA says of itself: its capabilities, and its parameters with the limits of a file (SODA 1.0 s4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from datalink.core.known import Observed
from datalink.core.soda import MEDIA_TYPE, STOKES
from penstock.dali.values import format_float
from penstock.regext import Capability, InputParam, Interface
from penstock.vosi import vosi_capabilities
from penstock.votable.document import Param

TITLE = "SODA"
TEXT = "Cut-outs of images and cubes of a data lake, by position, wavelength, time, polarisation or pixels (SODA 1.0)."
SYNC, ASYNC = "ivo://ivoa.net/std/SODA#sync-1.0", "ivo://ivoa.net/std/SODA#async-1.0"

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
    description="Region that the cut-out is to cover: CIRCLE, RANGE or POLYGON and its numbers in degrees, ICRS",
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
    description="First and last pixel of each axis from 1 on; -Inf and +Inf leave an end open: an extension",
)
FILTERS = (CIRCLE, POLYGON, POS, BAND, TIME, POL, PIXELS)


def filters_of(observed: Observed) -> tuple[Param, ...]:
    """Return the filters with the limits within which a file has data, as far as they are known (SODA 1.0 s4.2)."""
    return tuple(_within(param, observed) for param in FILTERS)


def _within(param: Param, observed: Observed) -> Param:
    """Return a parameter with its VALUES; circle and polygon have only a MAX (SODA 1.0 s4.2)."""
    match param.name:
        case "CIRCLE":
            return replace(param, maximum=_circle(observed))
        case "POLYGON":
            return replace(param, maximum=_outline(observed.s_region))
        case "BAND":
            return replace(param, minimum=_text(observed.em_min), maximum=_text(observed.em_max))
        case "TIME":
            return replace(param, minimum=_text(observed.t_min), maximum=_text(observed.t_max))
        case "POL":
            states = (state.strip().upper() for state in (observed.pol_states or "").split("/"))
            return replace(param, options=tuple(state for state in states if state in STOKES) or tuple(STOKES))
        case _:
            return param


def _text(number: float | None) -> str | None:
    return None if number is None else format_float(number)


def _circle(observed: Observed) -> str | None:
    if observed.s_ra is None or observed.s_dec is None or not observed.s_fov:
        return None
    return " ".join(map(format_float, (observed.s_ra, observed.s_dec, observed.s_fov / 2)))


def _outline(s_region: str | None) -> str | None:
    """Return the vertices of a footprint that is one polygon in ICRS; None for any other."""
    kind, _, rest = (s_region or "").strip().partition(" ")
    frame, _, numbers = rest.strip().partition(" ")
    if kind.upper() != "POLYGON" or frame.upper() != "ICRS":
        return None
    words = numbers.split()
    return " ".join(words) if len(words) >= 6 and all(map(_is_number, words)) else None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


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
