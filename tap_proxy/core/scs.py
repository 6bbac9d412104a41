"""Simple Cone Search 1.03: the parameters of a cone, as ADQL on ObsCore (SCS 1.03 s2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from lxml import etree

from penstock.dali.errors import UsageError
from penstock.dali.formats import FormatTable
from penstock.dali.params import Parameters
from penstock.dali.values import maxrec, parse_float, parse_int, runid
from penstock.votable.document import Param
from tap_proxy.core.request import RowLimits, TapQuery

TABLE = "ivoa.obscore"
_LEAST = "obs_publisher_did, s_ra, s_dec"
_USUAL = "target_name, dataproduct_type, obs_collection, obs_id, t_min, em_min, em_max, access_url, access_format"
_COLUMNS = {1: _LEAST, 2: f"{_LEAST}, {_USUAL}", 3: "*"}
_UCDS = {"obs_publisher_did": "ID_MAIN", "s_ra": "POS_EQ_RA_MAIN", "s_dec": "POS_EQ_DEC_MAIN"}  # SCS 1.03 s2.2
MAX_RADIUS_DEG = 180.0
INPUTS = (
    Param(name="RA", datatype="double", unit="deg", ucd="pos.eq.ra", description="Right ascension of the middle"),
    Param(name="DEC", datatype="double", unit="deg", ucd="pos.eq.dec", description="Declination of the middle"),
    Param(name="SR", datatype="double", unit="deg", ucd="phys.angSize", description="Radius; 0 wants columns only"),
    Param(name="VERB", datatype="int", ucd="meta.code", description="How many columns: 1 for few, 3 for all"),
)


def read_cone(params: Parameters, *, formats: FormatTable, limits: RowLimits) -> TapQuery:
    """Return the query on ObsCore that a cone search stands for; a radius of 0 wants the columns only (SCS 1.03 s2.1).

    Raises
    ------
    UsageError
        A value is missing or wrong.
    """
    ra, dec = _number(params, "RA", 0, 360), _number(params, "DEC", -90, 90)
    radius = _number(params, "SR", 0, MAX_RADIUS_DEG)
    verbosity = parse_int("VERB", params.single("VERB") or "2", minimum=1, maximum=3)
    cone = f"1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE({ra!r}, {dec!r}, {radius!r}))"
    return TapQuery(
        text=f"SELECT {_COLUMNS[verbosity]} FROM {TABLE} WHERE {cone}",  # noqa: S608  # numbers only
        language="ADQL",
        format=formats.choose(params),
        maxrec=0 if radius == 0 else limits.of(maxrec(params)),
        runid=runid(params),
        ucds=_UCDS,
    )


def _number(params: Parameters, name: str, least: float, most: float) -> float:
    text = (params.single(name) or "").strip()
    if not text:
        raise UsageError(f"{name} is missing; it is a number of degrees from {least} to {most}.")
    value = parse_float(name, text)
    if not least <= value <= most:
        raise UsageError(f"{name}={text[:40]} must be from {least} to {most} degrees.")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ConeSearch:
    """What a cone search adds to a capability (SimpleDALRegExt 1.1 s3.1).

    The test query is to find something: one row of all the sky is there wherever there are any.
    """

    xsi_type: ClassVar[str] = "cs:ConeSearch"
    max_records: int

    def elements(self) -> Iterator[etree._Element]:
        """Yield the children that follow the interfaces."""
        yield _element("maxSR", MAX_RADIUS_DEG)
        yield _element("maxRecords", self.max_records)
        yield _element("verbosity", "true")
        query = etree.Element("testQuery")
        whole = {"ra": 0.0, "dec": 0.0, "sr": MAX_RADIUS_DEG, "verb": 1, "extras": "MAXREC=1"}
        query.extend([_element(name, value) for name, value in whole.items()])
        yield query


def _element(name: str, value: object) -> etree._Element:
    element = etree.Element(name)
    element.text = str(value)
    return element
