"""SIA 2.0: the parameters of an image search, as ADQL on ObsCore (SIA 2.0 s2).

Conditions of different parameters all hold; of several values of one parameter any does (SIA 2.0 s2.1). Values stand in
the query as numbers that were parsed, or as strings with their quotes doubled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from penstock.dali.errors import UsageError
from penstock.dali.formats import FormatTable
from penstock.dali.params import Parameters
from penstock.dali.shapes import Circle, Point, Polygon, Range, parse_pos
from penstock.dali.values import Interval, maxrec, parse_float, parse_int, parse_interval, refuse, runid
from penstock.votable.document import Param
from tap_proxy.core.request import RowLimits, TapQuery

TABLE = "ivoa.obscore"
KINDS = ("image", "cube")
IMAGES = f"dataproduct_type IN {KINDS}"
STATES = ("I", "Q", "U", "V", "RR", "LL", "RL", "LR", "XX", "YY", "XY", "YX", "POLI", "POLA")
_OVERLAPS = {"BAND": ("em_min", "em_max"), "TIME": ("t_min", "t_max")}
_WITHIN = {
    "FOV": "s_fov",
    "SPATRES": "s_resolution",
    "SPECRP": "em_res_power",
    "EXPTIME": "t_exptime",
    "TIMERES": "t_resolution",
}
_EQUALS = {
    "ID": "obs_publisher_did",
    "COLLECTION": "obs_collection",
    "FACILITY": "facility_name",
    "INSTRUMENT": "instrument_name",
    "TARGET": "target_name",
    "FORMAT": "access_format",
    "DPTYPE": "dataproduct_type",
}
PARAMETERS = ("POS", *_OVERLAPS, "POL", *_WITHIN, *_EQUALS, "CALIB")
_POS_TEXT = (
    "Region that images overlap, in degrees: CIRCLE longitude latitude radius, RANGE west east south north, "
    "or POLYGON and its vertices"
)
_INTERVALS = {
    "BAND": ("m", "em.wl", "Wavelengths in vacuum that images overlap"),
    "TIME": ("d", "time.interval;obs.exposure", "Times that images overlap, as Modified Julian Date"),
    "FOV": ("deg", "phys.angSize;instr.fov", "Field of view"),
    "SPATRES": ("arcsec", "pos.angResolution", "Spatial resolution"),
    "SPECRP": (None, "spect.resolution", "Spectral resolving power"),
    "EXPTIME": ("s", "time.duration;obs.exposure", "Exposure time"),
    "TIMERES": ("s", "time.resolution", "Resolution in time"),
}
_TEXTS = {
    "ID": ("meta.ref.ivoid", "Publisher's identifier of the dataset"),
    "COLLECTION": ("meta.id", "Collection of data"),
    "FACILITY": ("meta.id;instr.tel", "Telescope or other facility"),
    "INSTRUMENT": ("meta.id;instr", "Instrument"),
    "TARGET": ("meta.id;src", "Target of the observation"),
    "FORMAT": ("meta.code.mime", "Media type of what access_url leads to"),
}
_STEPS = 8  # edges of a range along a parallel become so many great circles
_WIDEST_DEG = 90.0
_FARTHEST_DEG = 85.0


def _inputs() -> Iterator[Param]:
    yield Param(name="POS", datatype="char", arraysize="*", unit="deg", ucd="pos", description=_POS_TEXT)
    for name, (unit, ucd, text) in _INTERVALS.items():
        yield Param(name=name, datatype="double", arraysize="2", xtype="interval", unit=unit, ucd=ucd, description=text)
    for name, (ucd, text) in _TEXTS.items():
        yield Param(name=name, datatype="char", arraysize="*", ucd=ucd, description=text)
    for name, ucd, text, options in (
        ("POL", "meta.code;phys.polarization", "Polarization state", STATES),
        ("DPTYPE", "meta.id", "Kind of data product", KINDS),
    ):
        yield Param(name=name, datatype="char", arraysize="*", ucd=ucd, description=text, options=options)
    text = "Level of calibration"
    yield Param(name="CALIB", datatype="int", ucd="meta.code;obs.calib", minimum="0", maximum="4", description=text)


INPUTS = tuple(_inputs())
"""The parameters by which the service describes itself (SIA 2.0 s3.1.2)."""


def read_image_query(params: Parameters, *, formats: FormatTable, limits: RowLimits) -> TapQuery:
    """Return the query on ObsCore that an image search stands for.

    Raises
    ------
    UsageError
        A value is wrong.
    """
    conditions = [IMAGES, *_conditions(params)]
    return TapQuery(
        text=f"SELECT * FROM {TABLE} WHERE {' AND '.join(conditions)}",  # noqa: S608  # numbers, and strings quoted
        language="ADQL",
        format=formats.choose(params),
        maxrec=limits.of(maxrec(params)),
        runid=runid(params),
    )


def _conditions(params: Parameters) -> Iterator[str]:
    rules: dict[str, Callable[[str, str], str]] = {"POS": _pos, "POL": _pol, "CALIB": _calib}
    rules |= dict.fromkeys(_OVERLAPS, _overlaps) | dict.fromkeys(_WITHIN, _within) | dict.fromkeys(_EQUALS, _equals)
    rules["ID"] = _identifier
    for name in PARAMETERS:
        choices = [rules[name](name, value.strip()) for value in params.all(name) if value.strip()]
        if choices:
            yield f"({' OR '.join(choices)})"


def _overlaps(name: str, text: str) -> str:
    low, high = _OVERLAPS[name]
    interval = _interval(name, text)
    bounds = []
    if math.isfinite(interval.upper):
        bounds.append(f"{low} <= {_number(interval.upper)}")
    if math.isfinite(interval.lower):
        bounds.append(f"{high} >= {_number(interval.lower)}")
    return _all(bounds, known=low)


def _within(name: str, text: str) -> str:
    column, interval = _WITHIN[name], _interval(name, text)
    bounds = []
    if math.isfinite(interval.lower):
        bounds.append(f"{column} >= {_number(interval.lower)}")
    if math.isfinite(interval.upper):
        bounds.append(f"{column} <= {_number(interval.upper)}")
    return _all(bounds, known=column)


def _all(bounds: list[str], *, known: str) -> str:
    return f"({' AND '.join(bounds)})" if bounds else f"{known} IS NOT NULL"


def _interval(name: str, text: str) -> Interval:
    """Read an interval, or one number that is both of its ends."""
    if len(text.split()) == 1:
        value = parse_float(name, text)
        if not math.isfinite(value):
            raise refuse(name, text, "a number, or two with -Inf and +Inf for open ends")
        return Interval(lower=value, upper=value)
    return parse_interval(name, text)


def _equals(name: str, text: str) -> str:
    return f"{_EQUALS[name]} = {_string(text)}"


def _identifier(name: str, text: str) -> str:
    """Return a condition for an identifier, whose part for registries has one case (IVOA Identifiers 2.0 s2.2)."""
    registered, mark, local = text.partition("?")
    usual = registered.lower() + mark + local if registered.lower().startswith("ivo://") else text
    return " OR ".join(_equals(name, spelling) for spelling in dict.fromkeys((text, usual)))


def _calib(name: str, text: str) -> str:
    return f"calib_level = {parse_int(name, text, minimum=0, maximum=4)}"


def _pol(name: str, text: str) -> str:
    state = text.upper()
    if state not in STATES:
        raise UsageError(f"{name}={text[:40]!r} is no polarization state; there are {', '.join(STATES)}.")
    return f"pol_states LIKE '%/{state}/%'"


def _pos(name: str, text: str) -> str:
    """Return a condition for what overlaps a shape: by its outline, or by its centre where it has none."""
    match parse_pos(name, text):
        case Circle(centre=centre, radius_deg=radius):
            return _touching(f"CIRCLE({_coordinates((centre,))}, {_number(radius)})")
        case Polygon(vertices=vertices):
            return _touching(f"POLYGON({_coordinates(vertices)})")
        case Range() as box:
            return _in_range(box)


def _touching(shape: str) -> str:
    centre = f"s_region IS NULL AND 1 = CONTAINS(POINT(s_ra, s_dec), {shape})"
    return f"(1 = INTERSECTS(s_region, {shape}) OR ({centre}))"


def _in_range(box: Range) -> str:
    """Return a condition for centres within, and for outlines that reach in where great circles can stand for edges."""
    west, east = _number(box.west_deg), _number(box.east_deg)
    if box.west_deg <= box.east_deg:
        longitude = f"s_ra BETWEEN {west} AND {east}"
    else:
        longitude = f"(s_ra >= {west} OR s_ra <= {east})"
    centre = f"(s_dec BETWEEN {_number(box.south_deg)} AND {_number(box.north_deg)} AND {longitude})"
    outline = _outline(box)
    return f"({centre} OR 1 = INTERSECTS(s_region, POLYGON({_coordinates(outline)})))" if outline else centre


def _outline(box: Range) -> tuple[Point, ...]:
    width = box.east_deg - box.west_deg + (360 if box.west_deg > box.east_deg else 0)
    farthest = max(abs(box.south_deg), abs(box.north_deg))
    if not 0 < width <= _WIDEST_DEG or farthest > _FARTHEST_DEG or box.south_deg == box.north_deg:
        return ()
    longitudes = [(box.west_deg + width * step / _STEPS) % 360 for step in range(_STEPS + 1)]
    south = [Point(ra_deg=longitude, dec_deg=box.south_deg) for longitude in longitudes]
    north = [Point(ra_deg=longitude, dec_deg=box.north_deg) for longitude in reversed(longitudes)]
    return (*south, *north)


def _coordinates(points: tuple[Point, ...]) -> str:
    return ", ".join(f"{_number(point.ra_deg)}, {_number(point.dec_deg)}" for point in points)


def _number(value: float) -> str:
    return repr(float(value))


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
