"""What facilities and kinds there are; these resources are our own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

from execplanner.core.answer import facility_document, write
from execplanner.core.columns import FacilityTable
from execplanner.core.facility import Facility
from execplanner.core.kinds import read_kind, write_kind
from execplanner.core.locality import Locality, transfer_to
from execplanner.core.model import EXECUTABLE
from execplanner.core.quantity import parse_size
from execplanner.core.request import Source
from execplanner.core.stages import may_use
from execplanner.service.locating import Locator
from execplanner.web.forms import LISTS, answer, form_of, query_of
from penstock.auth.middleware import principal_of
from penstock.auth.principal import Principal
from penstock.dali.errors import NotFound, UsageError
from penstock.dali.params import Parameters
from penstock.edge.pages import render_page
from penstock.edge.urls import Urls
from penstock.lake.port import Did

_MOST = 1000
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


class CatalogueHandlers:
    """The handlers.

    Parameters
    ----------
    table
        Gives the facilities.
    locator
        Knows where data are.
    urls, path
        Where the host is, and where it mounts the service.
    """

    def __init__(self, table: Callable[[], FacilityTable], locator: Locator, urls: Urls, path: str) -> None:
        self._table = table
        self._locator = locator
        self._urls = urls
        self._path = path

    def add_routes(self, app: web.Application) -> None:
        """Add the resources."""
        for root in ("", "/"):
            app.router.add_get(root, self.front_page)
        app.router.add_get("/facilities", self.facilities)
        app.router.add_get("/kinds", self.kinds)

    async def facilities(self, request: web.Request) -> web.Response:
        """Search the facilities: by kind, size, GPU, site, and by data, those nearest to which come first."""
        params = query_of(request)
        form = form_of(request, params, LISTS)
        caller, base = principal_of(request), self._urls.base(request)
        found = [one for one in self._table().facilities if _fits(one, params, caller)]
        located = await self._located(params, caller, found)
        entries = []
        for facility, transfer in located:
            entry = facility_document(facility, base)
            if transfer is not None:
                entry["data"] = transfer
            entries.append(entry)
        last = params.single("LAST")
        most = min(int(last), _MOST) if last is not None and _NUMBER.fullmatch(last) else _MOST
        return answer(write({"facilities": entries[:most]}, form.key), form)

    async def _located(
        self, params: Parameters, caller: Principal, found: list[Facility]
    ) -> list[tuple[Facility, dict[str, Any] | None]]:
        texts = params.all("DATA")
        if not texts:
            return [(one, None) for one in found]
        sources = [Source(pointer=f"DATA={text[:80]}", did=Did.parse(text)) for text in texts]
        sites = frozenset(site for one in found for site in one.storage_sites)
        locality: Locality = await self._locator.locate(sources, caller, sites)
        unknown = next((one for one in locality.messages if one.level == "ERROR"), None)
        if unknown is not None:
            raise NotFound(unknown.text)
        reached = [(one, transfer_to(one, locality)) for one in found]
        reached.sort(key=lambda pair: (bool(pair[1].reasons), pair[1].bytes_to_move, pair[1].seconds))
        return [
            (
                facility,
                {
                    "bytes_local": transfer.bytes_local,
                    "bytes_to_move": transfer.bytes_to_move,
                    "transfer_s": round(transfer.seconds, 3),
                    "reachable": not transfer.reasons,
                },
            )
            for facility, transfer in reached
        ]

    async def kinds(self, request: web.Request) -> web.Response:
        """List the kinds of executable: their URIs, and how many facilities run each."""
        form = form_of(request, query_of(request), LISTS)
        caller = principal_of(request)
        counts = dict.fromkeys(EXECUTABLE.kinds, 0)
        sessions = dict.fromkeys(EXECUTABLE.kinds, 0)
        for facility in self._table().facilities:
            for name in facility.kinds if may_use(facility, caller) else ():
                counts[name] = counts.get(name, 0) + 1
                sessions[name] = sessions.get(name, 0) + (facility.executor_for(name) is not None)
        entries = [
            {
                "name": name,
                "kind": write_kind("executable", name) if name in EXECUTABLE.kinds else name,
                "facilities": counts[name],
                "sessions": sessions[name],
            }
            for name in sorted(counts)
        ]
        return answer(write({"kinds": entries}, form.key), form)

    async def front_page(self, request: web.Request) -> web.Response:
        """Show people where things are."""
        base = self._urls.absolute(request, self._path)
        example = next((name for one in self._table().facilities for name in sorted(one.kinds)), "KIND")
        endpoints = (
            (f"{base}/accepts?tasktype={example}", "Whether a kind of task can run here, and how to hand it over"),
            (f"{base}/requests", "Where to ask for offers"),
            (f"{base}/sessions", "Your sessions"),
            (f"{base}/facilities", "The facilities that are known here"),
            (f"{base}/kinds", "The kinds of executable"),
            (f"{base}/capabilities", "VOSI capabilities"),
            (f"{base}/availability", "VOSI availability"),
        )
        text = "Where can I run this? Ask before you bring your work."
        return render_page("landing.html", title="Execution Planner", text=text, endpoints=endpoints)


def _fits(facility: Facility, params: Parameters, caller: Principal) -> bool:
    return may_use(facility, caller) and all(_tests(facility, params))


def _tests(facility: Facility, params: Parameters) -> Iterator[bool]:
    limits = facility.limits
    for kind in params.all("KIND"):
        yield kind in facility.kinds or read_kind(kind, "executable") in facility.kinds
    for site in params.all("SITE"):
        yield site in (facility.site, *facility.storage_sites)
    for model in params.all("GPU"):
        known = [one.lower() for one in limits.gpu_models]
        yield (limits.gpus or 0) >= int(model) if _NUMBER.fullmatch(model) else model.lower() in known
    for name, limit in (("CORES", limits.cores), ("GPUS", limits.gpus)):
        for text in params.all(name):
            if not _NUMBER.fullmatch(text):
                raise UsageError(f"{name}={text[:40]!r} is not a whole number.")
            yield limit is None or limit >= int(text)
    for text in params.all("MEMORY"):
        yield limits.memory_bytes is None or limits.memory_bytes >= parse_size("MEMORY", text)
