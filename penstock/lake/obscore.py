"""The table ``ivoa.obscore``: ObsCore 1.1 as ObsTAP demands it, one row for each file of the lake.

The first thirty columns are the mandatory ones (ObsCore 1.1 App. C.1), with the standard's names, units, UCDs and
utypes; the next are those of its optional columns that a scan can fill (App. C.2); the last is ours and leads to
``lake.files``.

``s_region`` is an STC-S string with the xtype that ADQL 2.0 gave it, which every client reads. The whole footprint lies
within ``s_fov`` / 2 of (``s_ra``, ``s_dec``), so a reader may narrow a search of regions by them.

``access_url`` is stored as a path (see `penstock.tables.Column`) and leads to the DataLink service, since a file has
as many URLs as replicas.
"""

# ruff: noqa: E501  (a table reads best with a row on a line)

from __future__ import annotations

from enum import StrEnum
from urllib.parse import quote

from penstock.tables import Column, ForeignKey, Table
from penstock.votable.model import Datatype

TABLE_UTYPE = "ivo://ivoa.net/std/ObsCore#core-1.1"


class DataproductType(StrEnum):
    """What a data product is (ObsCore 1.1 s3.3.1)."""

    IMAGE = "image"
    CUBE = "cube"
    SPECTRUM = "spectrum"
    SED = "sed"
    TIMESERIES = "timeseries"
    VISIBILITY = "visibility"
    EVENT = "event"
    MEASUREMENTS = "measurements"


def access_path(publisher_did: str) -> str:
    """Return the path under which DataLink answers for a publisher DID."""
    return f"/datalink/links?ID={quote(publisher_did, safe='')}"


_Row = tuple[str, Datatype, str | None, str, str, str]

_MANDATORY: tuple[_Row, ...] = (  # name, datatype, unit, UCD, utype, description
    ("dataproduct_type", "char", None, "meta.code.class", "ObsDataset.dataProductType", "Kind of the data product: image, cube, spectrum, sed, timeseries, visibility, event or measurements"),
    ("calib_level", "int", None, "meta.code;obs.calib", "ObsDataset.calibLevel", "Calibration: 0 raw instrumental data, 1 standard format, 2 calibrated, 3 combined or enhanced, 4 analysed"),
    ("obs_collection", "unicodeChar", None, "meta.id", "DataID.collection", "Collection that the file belongs to"),
    ("obs_id", "unicodeChar", None, "meta.id", "DataID.observationID", "Observation that the file comes from; files of one observation share it"),
    ("obs_publisher_did", "char", None, "meta.ref.ivoid", "Curation.publisherDID", "IVOA identifier of the file in this data lake"),
    ("access_url", "char", None, "meta.ref.url", "Access.reference", "URL of the DataLink document that lists the replicas of the file"),
    ("access_format", "char", None, "meta.code.mime", "Access.format", "Media type of what access_url leads to"),
    ("access_estsize", "long", "kbyte", "phys.size;meta.file", "Access.size", "Size of the file"),
    ("target_name", "unicodeChar", None, "meta.id;src", "Target.name", "Object that was observed"),
    ("s_ra", "double", "deg", "pos.eq.ra", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1", "ICRS right ascension of the centre"),
    ("s_dec", "double", "deg", "pos.eq.dec", "Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2", "ICRS declination of the centre"),
    ("s_fov", "double", "deg", "phys.angSize;instr.fov", "Char.SpatialAxis.Coverage.Bounds.Extent.diameter", "Diameter of the circle about the centre that holds the whole footprint"),
    ("s_region", "char", None, "pos.outline;obs.field", "Char.SpatialAxis.Coverage.Support.Area", "Footprint on the sky, in STC-S"),
    ("s_resolution", "double", "arcsec", "pos.angResolution", "Char.SpatialAxis.Resolution.Refval.value", "Spatial resolution, full width at half maximum"),
    ("s_xel1", "long", None, "meta.number", "Char.SpatialAxis.numBins1", "Number of pixels along the first spatial axis"),
    ("s_xel2", "long", None, "meta.number", "Char.SpatialAxis.numBins2", "Number of pixels along the second spatial axis"),
    ("t_min", "double", "d", "time.start;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StartTime", "Start of the observation, MJD in UTC"),
    ("t_max", "double", "d", "time.end;obs.exposure", "Char.TimeAxis.Coverage.Bounds.Limits.StopTime", "End of the observation, MJD in UTC"),
    ("t_exptime", "double", "s", "time.duration;obs.exposure", "Char.TimeAxis.Coverage.Support.Extent", "Exposure time"),
    ("t_resolution", "double", "s", "time.resolution", "Char.TimeAxis.Resolution.Refval.value", "Time resolution"),
    ("t_xel", "long", None, "meta.number", "Char.TimeAxis.numBins", "Number of samples along the time axis"),
    ("em_min", "double", "m", "em.wl;stat.min", "Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit", "Shortest wavelength, in vacuum"),
    ("em_max", "double", "m", "em.wl;stat.max", "Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit", "Longest wavelength, in vacuum"),
    ("em_res_power", "double", None, "spect.resolution", "Char.SpectralAxis.Resolution.ResolPower.refVal", "Spectral resolving power, wavelength over its resolution"),
    ("em_xel", "long", None, "meta.number", "Char.SpectralAxis.numBins", "Number of channels along the spectral axis"),
    ("o_ucd", "char", None, "meta.ucd", "Char.ObservableAxis.ucd", "UCD of the observable: what the pixel values are"),
    ("pol_states", "char", None, "meta.code;phys.polarization", "Char.PolarizationAxis.stateList", "Polarisation states, as in /I/Q/U/V/"),
    ("pol_xel", "long", None, "meta.number", "Char.PolarizationAxis.numBins", "Number of polarisation states"),
    ("facility_name", "unicodeChar", None, "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name", "Telescope or observatory"),
    ("instrument_name", "unicodeChar", None, "meta.id;instr", "Provenance.ObsConfig.Instrument.name", "Instrument"),
)  # fmt: skip

_OPTIONAL: tuple[_Row, ...] = (
    ("obs_title", "unicodeChar", None, "meta.title;obs", "DataID.Title", "Title of the file, where its header has one"),
    ("obs_creator_name", "unicodeChar", None, "meta.id", "DataID.Creator", "Person or institution that made the file"),
    ("obs_release_date", "char", None, "time.release", "Curation.releaseDate", "When the file becomes public; NULL if it is"),
    ("proposal_id", "unicodeChar", None, "meta.id;obs.proposal", "Provenance.Proposal.identifier", "Proposal or programme"),
    ("s_pixel_scale", "double", "arcsec", "phys.angSize;instr.pixel", "Char.SpatialAxis.Sampling.RefVal.SamplingPeriod", "Size of a pixel at the centre"),
    ("em_ucd", "char", None, "meta.ucd", "Char.SpectralAxis.ucd", "UCD of the spectral axis of the file itself"),
    ("o_unit", "char", None, "meta.unit", "Char.ObservableAxis.unit", "Unit of the observable"),
)  # fmt: skip

_NOT_NULL = frozenset({"calib_level", "obs_collection", "obs_id", "obs_publisher_did"})
_INDEXED = frozenset({"obs_collection", "obs_publisher_did", "s_dec", "s_ra", "t_min", "em_min"})
_XTYPES = {"s_region": "adql:REGION", "obs_release_date": "timestamp"}


def _column(row: _Row) -> Column:
    name, datatype, unit, ucd, utype, description = row
    return Column(
        name=name,
        datatype=datatype,
        arraysize="*" if datatype in ("char", "unicodeChar") else None,
        xtype=_XTYPES.get(name),
        unit=unit,
        ucd=ucd,
        utype=f"obscore:{utype}",
        description=description,
        indexed=name in _INDEXED,
        principal=not name.endswith(("_xel", "_xel1", "_xel2", "_unit", "em_ucd")),
        std=True,
        nullable=name not in _NOT_NULL,
        url_path=name == "access_url",
    )


MANDATORY = tuple(_column(row) for row in _MANDATORY)
OPTIONAL = tuple(_column(row) for row in _OPTIONAL)
LAKE_DID = Column(
    name="lake_did",
    datatype="unicodeChar",
    arraysize="*",
    ucd="meta.id",
    description="Data identifier scope:name of the file in the lake, as in lake.files",
    indexed=True,
    nullable=False,
)

OBSCORE = Table(
    name="obscore",
    columns=(*MANDATORY, *OPTIONAL, LAKE_DID),
    description="Observations in the data lake, one row for each file (ObsCore 1.1)",
    utype=TABLE_UTYPE,
    foreign_keys=(
        ForeignKey(
            target_table="lake.files", pairs=(("lake_did", "did"),), description="The file that the row describes"
        ),
    ),
)
