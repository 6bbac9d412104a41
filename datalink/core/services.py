"""Descriptors of the services that rows of links lead to (DataLink 1.1 s4).

A descriptor serves all rows of a document and takes the identifier from the row; only cut-outs have one per file where
ObsCore knows the limits of the file, so that a client can offer what there is to be cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from datalink.core.known import Observed
from datalink.core.links import ID_FIELD
from datalink.core.soda_description import filters_of
from penstock.votable.document import Param, ServiceDescriptor
from penstock.votable.model import Datatype

CUTOUT, STAGING, COMPUTE = "cutout", "staging", "compute"
STAGE_JOB = "lake.stage"
_MOST_OPTIONS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A service that runs: where, and by the identifier of which standard."""

    url: str
    standard_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """The services that rows may lead to; None for one that does not run in this deployment.

    `sites` are those to which files can be staged, as far as they are known.
    """

    cutouts: Offered | None = None
    jobs: Offered | None = None
    planner: Offered | None = None
    sites: tuple[str, ...] = ()


@lru_cache(maxsize=256)  # a client goes through a table by calls for the same files
def cutout_service(offered: Offered, limits: Observed, number: int = 0) -> ServiceDescriptor:
    """Describe cut-outs (SODA 1.0 s4), with the limits of one file where they are known."""
    return ServiceDescriptor(
        id=cutout_id(number),
        name=cutout_id(number),
        description="Cuts a part out of the file",
        params=_called(offered),
        inputs=(_identifier(), *filters_of(limits)),
    )


def cutout_id(number: int) -> str:
    """Return the XML ID of the cut-outs of a file, numbered from 1; 0 stands for those of all others."""
    return f"{CUTOUT}_{number}" if number else CUTOUT


@lru_cache(maxsize=16)  # what is written of a descriptor is kept by the descriptor itself
def staging_service(offered: Offered, sites: tuple[str, ...]) -> ServiceDescriptor:
    """Describe staging, which is the creation of a job: by POST, unlike what callers assume without being told.

    A caller knows it by the standardID and by the media type of what comes back (DataLink 1.1 s4.1).
    """
    return ServiceDescriptor(
        id=STAGING,
        name="staging",
        description="Brings the file to a storage site for a time: POST the parameters to create a job, then follow it",
        params=(*_called(offered), _text("contentType", "text/xml")),
        inputs=(
            _text("JOBTYPE", STAGE_JOB, description="What kind of job it is"),
            _identifier(),
            _text("SITE", "", description="Storage site that is to hold a replica", options=sites[:_MOST_OPTIONS]),
            _number("LIFETIME", "s", "time.duration", "How long the replica is to stay there", datatype="long"),
            _text("PHASE", "RUN", description="Starts the job at once"),
        ),
    )


@lru_cache(maxsize=16)
def compute_service(offered: Offered) -> ServiceDescriptor:
    """Describe the question where a task can run that needs the file."""
    return ServiceDescriptor(
        id=COMPUTE,
        name="compute",
        description="Tells whether and where a kind of task can run that needs the file",
        params=(*_called(offered), _text("contentType", "application/json")),
        inputs=(
            _text("tasktype", "", description="The kind of task"),
            _identifier("taskinfo.data"),
        ),
    )


def _called(offered: Offered) -> tuple[Param, ...]:
    return _text("standardID", offered.standard_id), _text("accessURL", offered.url)


def _identifier(name: str = "ID") -> Param:
    return Param(
        name=name,
        datatype="char",
        arraysize="*",
        ucd="meta.id;meta.main",
        ref=ID_FIELD,
        description="The identifier of the row",
    )


def _text(
    name: str, value: str, *, ucd: str | None = None, description: str | None = None, options: tuple[str, ...] = ()
) -> Param:
    return Param(
        name=name, datatype="char", arraysize="*", value=value, ucd=ucd, description=description, options=options
    )


def _number(name: str, unit: str, ucd: str, description: str, *, datatype: Datatype) -> Param:
    return Param(name=name, datatype=datatype, unit=unit, ucd=ucd, description=description, minimum="1")
