"""Simple Cone Search 1.03: what is around a position."""

from __future__ import annotations

import math
from typing import Final

from conformance.bench import Bench
from conformance.client import Reply
from conformance.documents import VOTABLE_TYPES, Field, VOTable, parsed, votable
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

# The fields that must be there, each once: UCD and datatypes (SCS 1.03 s2.2).
FIELDS: Final = {
    "ID_MAIN": {"char", "unicodeChar", "int", "long"},
    "POS_EQ_RA_MAIN": {"double"},
    "POS_EQ_DEC_MAIN": {"double"},
}
CONE: Final = (180.0, 0.0, 1.0)
WRONG: Final = (
    {"RA": "x", "DEC": "0", "SR": "1"},
    {"RA": "10", "DEC": "100", "SR": "1"},
    {"RA": "10", "DEC": "0", "SR": "-1"},
)
MISSING: Final[tuple[dict[str, str], ...]] = ({"RA": "10", "DEC": "0"}, {"DEC": "0", "SR": "1"}, {})


async def cone(bench: Bench, **parameters: str) -> VOTable:
    """Search the cone that the profile or the capabilities name, with further parameters."""
    ra, dec, radius = bench.profile.cone or CONE
    asked = {"RA": str(ra), "DEC": str(dec), "SR": str(radius), **parameters}
    return votable(await bench.known(bench.url, asked), typed=False)


def _of_ucd(found: VOTable, ucd: str) -> list[Field]:
    return [field for field in found.fields if field.ucd.upper() == ucd]


@check("scs.query", "2.2")
async def query(bench: Bench) -> None:
    """A cone is answered by a VOTable with one table (SCS 1.03 s2.2)."""
    found = await cone(bench)
    require(len(list(found.root.iter("{*}TABLE"))) == 1, "the VOTable has not exactly one TABLE")


@check("scs.fields", "2.2")
async def fields(bench: Bench) -> None:
    """One field each is the identifier, the right ascension and the declination (SCS 1.03 s2.2)."""
    found = await cone(bench)
    for ucd, datatypes in FIELDS.items():
        have = _of_ucd(found, ucd)
        require(len(have) == 1, f"{len(have)} fields have the UCD {ucd}")
        require(have[0].datatype in datatypes, f"the field of {ucd} has the datatype {have[0].datatype}")


@check("scs.within", "2.1")
async def within(bench: Bench) -> None:
    """What is found is within the cone (SCS 1.03 s2.1)."""
    found = await cone(bench)
    if not found.rows:
        raise NotApplicable("the cone is empty: name another in the profile")
    ra, dec, radius = bench.profile.cone or CONE
    names = [_of_ucd(found, ucd)[:1] for ucd in ("POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN")]
    require(all(names), "the table has no position")
    longitudes, latitudes = (found.column(one[0].name) for one in names)
    distances = [_distance(ra, dec, float(a), float(d)) for a, d in zip(longitudes, latitudes, strict=True)]
    require(max(distances) <= radius * 1.001 + 1e-6, f"a row is {max(distances):.3f} degrees away, SR is {radius}")


def _distance(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Return the angle between two directions, in degrees."""
    a, d, b, e = map(math.radians, (ra, dec, other_ra, other_dec))
    haversine = math.sin((d - e) / 2) ** 2 + math.cos(d) * math.cos(e) * math.sin((a - b) / 2) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(haversine))))


@check("scs.zero-radius", "2.1", Level.SHOULD)
async def zero_radius(bench: Bench) -> None:
    """A radius of 0 gives the fields and no error (SCS 1.03 s2.1)."""
    found = await cone(bench, SR="0")
    require(found.fields, "SR=0 gives no fields")


@check("scs.verbosity", "2.1")
async def verbosity(bench: Bench) -> None:
    """VERB chooses how many columns there are, from 1 to 3 (SCS 1.03 s2.1)."""
    widths = [len((await cone(bench, VERB=value)).fields) for value in ("1", "2", "3")]
    require(widths == sorted(widths), f"VERB=1, 2 and 3 give {widths} columns")


@check("scs.missing-parameters", "2.3")
async def missing_parameters(bench: Bench) -> None:
    """A request without its parameters is answered by a VOTable with an Error (SCS 1.03 s2.3)."""
    for query_ in MISSING:
        said = ", ".join(query_) or "nothing"
        require(_error(await bench.get(bench.url, query_)), f"a request with {said} is answered without an Error")


@check("scs.bad-values", "2.3")
async def bad_values(bench: Bench) -> None:
    """A value that cannot be is answered by a VOTable with an Error (SCS 1.03 s2.3)."""
    for query_ in WRONG:
        said = "&".join(f"{name}={value}" for name, value in query_.items())
        require(_error(await bench.get(bench.url, query_)), f"{said} is answered without an Error")


def _error(reply: Reply) -> bool:
    """Say whether an answer is a VOTable with an INFO or a PARAM called Error (SCS 1.03 s2.3)."""
    require(reply.media_type in VOTABLE_TYPES, f"an error is sent as {reply.media_type or 'nothing'}")
    root = parsed(reply, "VOTABLE")
    said = [*root.iter("{*}INFO"), *root.iter("{*}PARAM")]
    return any(one.get("name") == "Error" or one.get("ID") == "Error" for one in said)
