"""VOTable results, with the service descriptors that lead from rows to DataLink (DataLink 1.1 s4)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

import pyarrow as pa

from penstock.dali.formats import DATALINK_TYPE, VotableVersion
from penstock.dali.formats import Serialization as Named
from penstock.votable.document import Document, Frame, Info, Param, QueryStatus, Serialization, ServiceDescriptor
from penstock.votable.model import ByIdentity, Field
from penstock.votable.stream import VOTableWriter
from tap_proxy.core.formats.model import Outcome, ResultHead

LINKS_STANDARD_ID = "ivo://ivoa.net/std/DataLink#links-1.1"
PUBLISHER_DID_UTYPES = frozenset({"obscore:curation.publisherdid"})


class VotableResultWriter:
    """Writes a VOTable; a failure on the way is told after the table (DALI 1.2 s5.4.2)."""

    tells_failure: ClassVar[bool] = True

    def __init__(self, head: ResultHead, serialization: Named, version: VotableVersion) -> None:
        written = Serialization(serialization)
        fields, frame = _framed(ByIdentity(head.fields), head.links_url, written, ByIdentity(head.this), version)
        self._writer = VOTableWriter(Document(fields=fields, infos=_infos(head)), written, frame=frame)

    def begin(self) -> bytes:
        """Return the document up to the rows."""
        return self._writer.begin()

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return the rows of a batch."""
        return self._writer.rows(batch)

    def end(self, outcome: Outcome) -> tuple[bytes]:
        """Return the rest of the document, with a trailing QUERY_STATUS where it is not OK."""
        return (self._writer.end(outcome.status, outcome.message),)


def without_data(head: ResultHead, outcome: Outcome) -> bytes:
    """Return a VOTable that tells all but the rows of a result, for other formats to take along."""
    _, frame = _framed(ByIdentity(head.fields), head.links_url, None, ByIdentity(head.this))
    ended = Info(name="QUERY_STATUS", value=outcome.status, text=outcome.message)
    return frame.header(_infos(head)) + frame.footer(() if outcome.status is QueryStatus.OK else (ended,))


def _infos(head: ResultHead) -> tuple[Info, ...]:
    return tuple(Info(name=name, value=value) for name, value in head.infos)


@lru_cache(maxsize=128)
def _framed(
    fields: ByIdentity[tuple[Field, ...]],
    links_url: str | None,
    serialization: Serialization | None,
    this: ByIdentity[ServiceDescriptor | None],
    version: VotableVersion = "1.4",
) -> tuple[tuple[Field, ...], Frame]:
    """Return the fields as they go out and what surrounds their rows, the same for each run of one statement."""
    marked, services = link_services(fields.held, links_url)
    services += (this.held,) if this.held else ()
    return marked, Frame(Document(fields=marked, services=services, version=version), serialization)


def link_services(
    fields: tuple[Field, ...], links_url: str | None
) -> tuple[tuple[Field, ...], tuple[ServiceDescriptor, ...]]:
    """Return the fields, columns of publisher DIDs given an XML ID, and a descriptor for each such column.

    A column is known by its utype, which an alias or a join does not change. Without such a column there is none:
    the descriptor takes the identifier from the row (DataLink 1.1 s4).
    """
    if links_url is None:
        return fields, ()
    marked: list[Field] = []
    services: list[ServiceDescriptor] = []
    for field in fields:
        if (field.utype or "").lower() in PUBLISHER_DID_UTYPES and field.datatype in ("char", "unicodeChar"):
            number = len(services) + 1
            field = replace(field, id=f"publisher_did_{number}")  # the field as it goes out
            services.append(_links_service(f"links_{number}", f"publisher_did_{number}", links_url))
        marked.append(field)
    return tuple(marked), tuple(services)


def _links_service(service_id: str, column_id: str, links_url: str) -> ServiceDescriptor:
    return ServiceDescriptor(
        id=service_id,
        name="links",
        description="Replicas of the dataset and what belongs to it",
        params=(
            _text("standardID", LINKS_STANDARD_ID),
            _text("accessURL", links_url),
            _text("contentType", DATALINK_TYPE),
        ),
        inputs=(Param(name="ID", datatype="char", arraysize="*", ucd="meta.id;meta.main", ref=column_id),),
    )


def _text(name: str, value: str) -> Param:
    return Param(name=name, datatype="char", arraysize="*", value=value)
