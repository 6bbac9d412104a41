"""The VOSI endpoints of a service (VOSI 1.1 s3, DALI 1.2 s2.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from aiohttp import ETag, web

from penstock.dali.errors import NotFound
from penstock.dali.values import refuse
from penstock.edge.compression import compress
from penstock.edge.params import read_parameters
from penstock.tables import Schema
from penstock.vosi import Availability, Detail, availability_document, find_table, table_document, tableset_document

_XML: Any = {"content_type": "text/xml", "charset": "utf-8"}
_DETAILS: dict[str, Detail] = {"min": "min", "max": "max"}


def add_vosi(
    app: web.Application,
    *,
    base_url: Callable[[web.Request], str],
    capabilities: Callable[[str], bytes | Awaitable[bytes]],
    availability: Callable[[], Awaitable[Availability]],
    changed: datetime | Callable[[], datetime],
    tables: Callable[[], Awaitable[Sequence[Schema]]] | None = None,
) -> None:
    """Add GET and HEAD of ``/capabilities``, ``/availability`` and, where there are tables, ``/tables``.

    Parameters
    ----------
    app
        The application of the service.
    base_url
        Gives the base URL of the service for a request, without a slash at its end.
    capabilities
        Writes the capabilities document for a base URL, at once or after having looked at something.
    availability
        Looks whether the service can do its work.
    changed
        When capabilities and tables last changed; where they do not, the start of the process will do.
    tables
        Gives the published tables.
    """

    def last_change() -> datetime:
        return changed if isinstance(changed, datetime) else changed()

    async def show_capabilities(request: web.Request) -> web.Response:
        """Say what the service can do."""
        document = capabilities(base_url(request))
        return _xml(request, document if isinstance(document, bytes) else await document, last_change())

    async def show_availability(_request: web.Request) -> web.Response:
        """Say whether the service can do its work."""
        document = availability_document(await availability())
        return web.Response(body=document, headers={"Cache-Control": "no-store"}, **_XML)

    app.router.add_get("/capabilities", show_capabilities)
    app.router.add_get("/availability", show_availability)
    if tables is not None:
        _add_tables(app, tables, last_change)


def available_unless(
    problem: Callable[[], Awaitable[str | None]], since: datetime
) -> Callable[[], Awaitable[Availability]]:
    """Return what tells that a service is available since an instant, unless there is a problem now."""

    async def availability() -> Availability:
        found = await problem()
        return Availability(available=found is None, up_since=since, notes=(found,) if found else ())

    return availability


def _add_tables(
    app: web.Application, tables: Callable[[], Awaitable[Sequence[Schema]]], changed: Callable[[], datetime]
) -> None:
    async def show_tables(request: web.Request) -> web.Response:
        """Describe all tables; ``detail=min`` leaves out their columns."""
        asked = (await read_parameters(request)).single("detail") or "max"
        detail = _DETAILS.get(asked)
        if detail is None:
            raise refuse("detail", asked, "min or max")
        return _xml(request, tableset_document(await tables(), detail), changed())

    async def show_table(request: web.Request) -> web.Response:
        """Describe one table, by its name as a query spells it."""
        name = request.match_info["name"]
        found = find_table(await tables(), name)
        if found is None:
            raise NotFound(f"There is no table {name[:120]}; /tables lists them all.")
        return _xml(request, table_document(*found), changed())

    app.router.add_get("/tables", show_tables)
    app.router.add_get("/tables/{name:.+}", show_table)


def _xml(request: web.Request, document: bytes, changed: datetime) -> web.Response:
    """Answer with a document, or tell a client that it has it already (RFC 9110 s13.1.2)."""
    known = ETag(sha256(document).hexdigest()[:32], is_weak=True)  # one for all content codings
    if any(tag.value in {known.value, "*"} for tag in request.if_none_match or ()):
        response = web.Response(status=304, headers={"Vary": "Accept-Encoding"})
    else:
        response = web.Response(body=document, **_XML)
        compress(request, response)
    response.etag, response.last_modified = known, changed
    return response
