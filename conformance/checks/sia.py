"""SIA 2.0: searching images and cubes by parameters."""

from __future__ import annotations

from typing import Final

from conformance.bench import Bench, Pairs, pairs
from conformance.checks.obscore import COLUMNS
from conformance.checks.tap_sync import answered, refused
from conformance.client import Reply, Request
from conformance.documents import VOTable, votable
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

LABELS: Final = ("UsageFault", "TransientFault", "FatalFault", "DefaultFault")
POSITIONS: Final = ("CIRCLE 12 34 0.5", "RANGE 12 12.5 34 36", "POLYGON 12 34 14 34 14 36 12 36")
INTERVALS: Final = ("BAND", "TIME", "FOV", "SPATRES", "SPECRP", "EXPTIME", "TIMERES")
WRONG: Final = (
    ("POS", "CIRCLE 12"),
    ("POS", "TRIANGLE 1 2 3"),
    ("BAND", "blue"),
    ("TIME", "yesterday"),
    ("CALIB", "high"),
)
# parameter: the column that it selects by (SIA 2.0 s2.1.10 to s2.1.17)
EXACT: Final = {
    "ID": "obs_publisher_did",
    "COLLECTION": "obs_collection",
    "DPTYPE": "dataproduct_type",
    "CALIB": "calib_level",
    "FACILITY": "facility_name",
    "INSTRUMENT": "instrument_name",
    "TARGET": "target_name",
    "FORMAT": "access_format",
}


async def search(bench: Bench, parameters: Pairs = (), *, maxrec: int = 5) -> VOTable:
    """Search, and return what was found."""
    return answered(await bench.known(bench.url, [*pairs(parameters), ("MAXREC", str(maxrec))]))


@check("sia.query", "3.1")
async def query(bench: Bench) -> None:
    """A search is answered by a VOTable with the status OK (SIA 2.0 s3.1)."""
    await search(bench)


@check("sia.columns", "3.1")
async def columns(bench: Bench) -> None:
    """The answer has the mandatory fields of ObsCore (SIA 2.0 s3.1)."""
    missing = COLUMNS.keys() - {name.lower() for name in (await search(bench)).names()}
    require(not missing, f"the answer lacks {', '.join(sorted(missing))}")


@check("sia.metadata", "3.1")
async def metadata(bench: Bench) -> None:
    """The fields have the units and the UCDs of ObsCore (SIA 2.0 s3.1)."""
    for field in (await search(bench)).fields:
        if field.name.lower() in COLUMNS:
            _, unit, ucd, _ = COLUMNS[field.name.lower()]
            require(field.unit == unit, f"{field.name} has the unit {field.unit!r} instead of {unit!r}")
            require(field.ucd.lower() == ucd.lower(), f"{field.name} has the UCD {field.ucd!r} instead of {ucd!r}")


@check("sia.maxrec-zero", "2.2.1")
async def maxrec_zero(bench: Bench) -> None:
    """MAXREC=0 gives the fields and no rows (SIA 2.0 s2.2.1)."""
    found = await search(bench, maxrec=0)
    require(found.fields, "MAXREC=0 gives no fields")
    require(not found.rows, f"MAXREC=0 gives {len(found.rows)} rows")


@check("sia.maxrec-overflow", "2.2.1")
async def maxrec_overflow(bench: Bench) -> None:
    """Rows beyond MAXREC are dropped, and the answer says OVERFLOW (SIA 2.0 s2.2.1)."""
    if len((await search(bench)).rows) < 2:
        raise NotApplicable("the service has fewer than two images")
    found = await search(bench, maxrec=1)
    require(len(found.rows) == 1, f"MAXREC=1 gives {len(found.rows)} rows")
    require(found.overflowed(), "rows were dropped, and no QUERY_STATUS says OVERFLOW")


@check("sia.pos", "2.1.1")
async def pos(bench: Bench) -> None:
    """POS takes a circle, a range and a polygon, and several of them (SIA 2.0 s2.1.1)."""
    for value in POSITIONS:
        await search(bench, {"POS": value})
    await search(bench, [("POS", value) for value in POSITIONS])


@check("sia.intervals", "2.1.2")
async def intervals(bench: Bench) -> None:
    """Numbers are selected by an interval, one that is open, or one value (SIA 2.0 s2.1.2 to s2.1.9)."""
    for name in INTERVALS:
        for value in ("1 2", "-Inf 2", "1 +Inf", "1"):
            await search(bench, {name: value})


@check("sia.exact", "2.1.10")
async def exact(bench: Bench) -> None:
    """What is selected by a value has that value (SIA 2.0 s2.1.10 to s2.1.17)."""
    everything = await search(bench)
    if not everything.rows:
        raise NotApplicable("the service has no images")
    for name, column in EXACT.items():
        value = everything.column(column)[0].strip()
        if not value:
            continue
        found = await search(bench, {name: value})
        others = set(map(str.strip, found.column(column))) - {value}
        require(found.rows, f"{name}={value} finds nothing")
        require(not others, f"{name}={value} finds rows with {', '.join(sorted(others))}")


@check("sia.nothing", "2.1")
async def nothing(bench: Bench) -> None:
    """What nothing has is answered by an empty table (SIA 2.0 s2.1)."""
    found = await search(bench, {"ID": "ivo://example.org/no-such-collection?no-such-image"})
    require(not found.rows, f"an identifier that does not exist finds {len(found.rows)} rows")


@check("sia.bad-values", "3.2")
async def bad_values(bench: Bench) -> None:
    """A value that cannot be understood is an error (SIA 2.0 s3.2)."""
    for name, value in WRONG:
        refused(await bench.get(bench.url, {name: value}), f"{name}={value}")


@check("sia.error-label", "3.2")
async def error_label(bench: Bench) -> None:
    """The message of an error begins with the word of a fault (SIA 2.0 s3.2)."""
    found = votable(await bench.get(bench.url, dict([WRONG[0]])), any_status=True)
    said = [info.text for info in found.infos if info.name == "QUERY_STATUS"]
    require(any(one.startswith(LABELS) for one in said), f"the message is {said[:1] or 'missing'}")


@check("sia.post", "2.1")
async def post(bench: Bench) -> None:
    """POST gives what GET gives (SIA 2.0 s2.1, DALI 1.2 s2.2)."""
    by_get = await search(bench)
    reply = await bench.send(Request(method="POST", url=bench.url, form=(("MAXREC", "5"),), follow=True))
    require(len(answered(reply).rows) == len(by_get.rows), "POST gives another number of rows")


@check("sia.self-description", "3.1.2", Level.SHOULD)
async def self_description(bench: Bench) -> None:
    """The answer describes the search itself and its parameters (SIA 2.0 s3.1.2)."""
    resources = (await search(bench)).root.iter("{*}RESOURCE")
    described = [one for one in resources if one.get("utype") in ("adhoc:service", "adhoc:this")]  # DataLink 1.1 s4.4
    names = [one.get("value", "") for each in described for one in each.iter("{*}PARAM")]
    require(
        any(one.lower().startswith("ivo://ivoa.net/std/sia#query-2") for one in names),
        "no service descriptor has the standardID of SIA",
    )


@check("sia.format-unknown", "DALI 1.2 s4.3.3", Level.SHOULD)
async def format_unknown(bench: Bench) -> None:
    """A format that the service cannot write is an error (DALI 1.2 s4.3.3)."""
    reply: Reply = await bench.get(bench.url, {"MAXREC": "1", "RESPONSEFORMAT": "application/x-no-such-format"})
    refused(reply, "an unknown format")
