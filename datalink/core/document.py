"""The VOTable around the list of links, with a description of the service itself (DataLink 1.1 s3.3.1, s4)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from datalink.core.links import FIELDS, STANDARD_ID, Addresses
from penstock.dali.formats import DATALINK_TYPE
from penstock.votable.document import (
    Document,
    Frame,
    Info,
    Param,
    QueryStatus,
    Serialization,
    ServiceDescriptor,
)

INFOS = (Info(name="standardID", value=STANDARD_ID),)


def _param(name: str, value: str) -> Param:
    return Param(name=name, datatype="char", arraysize="*", value=value)


INPUTS = (
    Param(
        name="ID",
        datatype="char",
        arraysize="*",
        ucd="meta.id;meta.main",
        description="A publisher DID or scope:name; may be repeated",
    ),
    Param(
        name="SITE",
        datatype="char",
        arraysize="*",
        description="Storage site near the caller: replicas are listed nearest first",
    ),
    Param(
        name="LAT",
        datatype="double",
        unit="deg",
        ucd="pos.earth.lat",
        minimum="-90",
        maximum="90",
        description="Geographic latitude of the caller, an alternative to SITE",
    ),
    Param(
        name="LON",
        datatype="double",
        unit="deg",
        ucd="pos.earth.lon",
        minimum="-360",
        maximum="360",
        description="Geographic longitude of the caller, an alternative to SITE",
    ),
    Param(
        name="PAGE",
        datatype="int",
        minimum="1",
        description="Which page of the members of a dataset or container is listed; the first if not given",
    ),
)


def links_document(addresses: Addresses) -> Document:
    """Return the document of a call of the links resource, which describes itself (DataLink 1.1 s4.4)."""
    this = ServiceDescriptor(
        id="links",
        name="links",
        description="Links and replicas of files of the data lake",
        utype="adhoc:this",
        params=(
            _param("standardID", STANDARD_ID),
            _param("accessURL", addresses.links),
            _param("contentType", DATALINK_TYPE),
        ),
        inputs=INPUTS,
    )
    return Document(
        fields=FIELDS,
        table_description="Links of the identifiers that were asked for",
        services=(this,),
    )


@lru_cache(maxsize=16)
def frame_of(addresses: Addresses) -> Frame:
    """Return what surrounds the rows, which are TABLEDATA (DataLink 1.1 s3.3.1).

    It is the same for every call under one address, and making it takes longer than the rows of one ID.
    """
    return Frame(links_document(addresses), Serialization.TABLEDATA)


@lru_cache(maxsize=16)
def header_of(addresses: Addresses) -> bytes:
    """Return the document before its rows."""
    return frame_of(addresses).header(INFOS)


def footer_of(addresses: Addresses, services: Iterable[ServiceDescriptor], *, overflow: bool) -> bytes:
    """Return the document after its rows, with the services to which they led."""
    trailing = (Info(name="QUERY_STATUS", value=QueryStatus.OVERFLOW),) if overflow else ()
    return frame_of(addresses).footer(trailing, services)
