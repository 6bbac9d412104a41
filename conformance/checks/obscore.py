"""ObsCore 1.1: the table ivoa.obscore of a TAP service."""

from __future__ import annotations

from conformance.bench import Bench
from conformance.checks.tap_sync import answered, query, rows_of
from conformance.documents import VOTable
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

# The mandatory columns (ObsCore 1.1 appendix C).
COLUMNS = {
    # name: (whether it is a number, unit, UCD, utype without its prefix)
    "dataproduct_type": (False, "", "meta.code.class", "ObsDataset.dataProductType"),
    "calib_level": (True, "", "meta.code;obs.calib", "ObsDataset.calibLevel"),
    "obs_collection": (False, "", "meta.id", "DataID.collection"),
    "obs_id": (False, "", "meta.id", "DataID.observationID"),
    "obs_publisher_did": (False, "", "meta.ref.ivoid", "Curation.publisherDID"),
    "access_url": (False, "", "meta.ref.url", "Access.reference"),
    "access_format": (False, "", "meta.code.mime", "Access.format"),
    "access_estsize": (True, "kbyte", "phys.size;meta.file", "Access.size"),
    "target_name": (False, "", "meta.id;src", "Target.name"),
    "s_ra": (True, "deg", "pos.eq.ra", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1"),
    "s_dec": (True, "deg", "pos.eq.dec", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2"),
    "s_fov": (True, "deg", "phys.angSize;instr.fov", "Char.SpatialAxis.Coverage.Bounds.Extent.diameter"),
    "s_region": (False, "", "pos.outline;obs.field", "Char.SpatialAxis.Coverage.Support.Area"),
    "s_resolution": (True, "arcsec", "pos.angResolution", "Char.SpatialAxis.Resolution.Refval.value"),
    "s_xel1": (True, "", "meta.number", "Char.SpatialAxis.numBins1"),
    "s_xel2": (True, "", "meta.number", "Char.SpatialAxis.numBins2"),
    "t_min": (True, "d", "time.start;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StartTime"),
    "t_max": (True, "d", "time.end;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StopTime"),
    "t_exptime": (True, "s", "time.duration;obs.exposure", "Char.TimeAxis.Coverage.Support.Extent"),
    "t_resolution": (True, "s", "time.resolution", "Char.TimeAxis.Resolution.Refval.value"),
    "t_xel": (True, "", "meta.number", "Char.TimeAxis.numBins"),
    "em_min": (True, "m", "em.wl;stat.min", "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit"),
    "em_max": (True, "m", "em.wl;stat.max", "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit"),
    "em_res_power": (True, "", "spect.resolution", "Char.SpectralAxis.Resolution.ResolPower.refVal"),
    "em_xel": (True, "", "meta.number", "Char.SpectralAxis.numBins"),
    "o_ucd": (False, "", "meta.ucd", "Char.ObservableAxis.ucd"),
    "pol_states": (False, "", "meta.code;phys.polarization", "Char.PolarizationAxis.stateList"),
    "pol_xel": (True, "", "meta.number", "Char.PolarizationAxis.numBins"),
    "facility_name": (False, "", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name"),
    "instrument_name": (False, "", "meta.id;instr", "Provenance.ObsConfig.Instrument.name"),
}
NUMBERS = {"short", "int", "long", "float", "double", "unsignedByte"}
PRODUCTS = {"image", "cube", "spectrum", "sed", "timeseries", "visibility", "event", "measurements", ""}
FILLED = ("calib_level", "obs_collection", "obs_id", "obs_publisher_did")
DESCRIPTION = """SELECT column_name, datatype, unit, ucd, utype FROM TAP_SCHEMA.columns
 WHERE table_name IN ('ivoa.obscore', 'ivoa.ObsCore', 'ivoa.Obscore', 'IVOA.OBSCORE')"""


async def description(bench: Bench) -> dict[str, dict[str, str]]:
    """Return what TAP_SCHEMA says of each column of ivoa.obscore."""
    found = await rows_of(bench, " ".join(DESCRIPTION.split()))
    if not found.rows:
        raise NotApplicable("the service has no table ivoa.obscore")
    names = [name.lower() for name in found.names()]
    rows = [dict(zip(names, row, strict=True)) for row in found.rows]
    return {row["column_name"].strip('"').lower(): row for row in rows}


async def _selected(bench: Bench, what: str) -> VOTable:
    await description(bench)
    return answered(await query(bench, f"SELECT {what}"))


@check("obscore.columns", "C")
async def columns(bench: Bench) -> None:
    """TAP_SCHEMA lists the thirty mandatory columns of ivoa.obscore (ObsCore 1.1 appendix C)."""
    missing = COLUMNS.keys() - (await description(bench)).keys()
    require(not missing, f"ivoa.obscore lacks {', '.join(sorted(missing))}")


@check("obscore.selectable", "C")
async def selectable(bench: Bench) -> None:
    """The mandatory columns can be selected (ObsCore 1.1 appendix C)."""
    found = await _selected(bench, f"TOP 1 {', '.join(COLUMNS)} FROM ivoa.obscore")
    names = [name.lower() for name in found.names()]
    require(names == list(COLUMNS), f"the fields are {', '.join(names)}")


@check("obscore.types", "C")
async def types(bench: Bench) -> None:
    """Numbers are declared as numbers, and texts as texts (ObsCore 1.1 appendix C)."""
    told = await description(bench)
    for name, (number, *_) in COLUMNS.items():
        said = told.get(name, {}).get("datatype", "")
        fits = said in NUMBERS if number else said not in NUMBERS or name == "s_region"
        require(fits or not said, f"{name} is declared as {said}")


@check("obscore.metadata", "C", Level.SHOULD)
async def metadata(bench: Bench) -> None:
    """Units, UCDs and utypes are those of the standard (ObsCore 1.1 appendix C)."""
    told = await description(bench)
    for name, (_, unit, ucd, utype) in COLUMNS.items():
        if name in told:
            said = told[name]
            require(said["unit"] == unit, f"{name} has the unit {said['unit']!r} instead of {unit!r}")
            require(said["ucd"].lower() == ucd.lower(), f"{name} has the UCD {said['ucd']!r} instead of {ucd!r}")
            short = said["utype"].lower().removeprefix("obscore:")
            require(short == utype.lower(), f"{name} has the utype {said['utype']!r} instead of obscore:{utype}")


@check("obscore.filled", "C")
async def filled(bench: Bench) -> None:
    """The columns that must have a value have one in every row (ObsCore 1.1 appendix C)."""
    for name in FILLED:
        found = await _selected(bench, f"TOP 1 obs_id FROM ivoa.obscore WHERE {name} IS NULL")
        require(not found.rows, f"{name} is null in some row")


@check("obscore.calib-level", "4.2")
async def calib_level(bench: Bench) -> None:
    """The calibration level is 0 to 4 (ObsCore 1.1 s4.2)."""
    found = await _selected(bench, "TOP 1 calib_level FROM ivoa.obscore WHERE calib_level < 0 OR calib_level > 4")
    require(not found.rows, f"calib_level has the values {found.rows[:1]}")


@check("obscore.product-types", "4.1", Level.SHOULD)
async def product_types(bench: Bench) -> None:
    """The data product types are those of the standard, in lower case (ObsCore 1.1 s4.1)."""
    found = await _selected(bench, "DISTINCT dataproduct_type FROM ivoa.obscore")
    wrong = set(found.column("dataproduct_type")) - PRODUCTS
    require(not wrong, f"dataproduct_type has the values {', '.join(sorted(map(repr, wrong)))}")


@check("obscore.ranges", "4", Level.SHOULD)
async def ranges(bench: Bench) -> None:
    """Positions are on the sphere, intervals do not end before they begin (ObsCore 1.1 s4)."""
    for wrong in ("s_ra < 0", "s_ra > 360", "s_dec < -90", "s_dec > 90", "t_min > t_max", "em_min > em_max"):
        found = await _selected(bench, f"TOP 1 obs_id FROM ivoa.obscore WHERE {wrong}")
        require(not found.rows, f"there are rows with {wrong}")
