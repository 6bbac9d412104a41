"""SODA over HTTP: the resource {sync} (SODA 1.0 s2.1, s5)."""

from __future__ import annotations

from aiohttp import web

from datalink.core.links import Addresses
from datalink.core.nearest import Hint
from datalink.core.soda import read_single
from datalink.core.soda_description import TEXT, TITLE
from datalink.cutouts import Cutouts
from datalink.service import Caller
from datalink.settings import SodaSettings
from penstock.auth.middleware import principal_of
from penstock.edge.files import ServedFile, serve_file
from penstock.edge.pages import render_page
from penstock.edge.params import read_parameters
from penstock.service import Resources

_ENDPOINTS = (
    ("sync", "A part of a file: ID, and CIRCLE, POLYGON, POS, BAND, TIME, POL or PIXELS"),
    ("async", "Many parts of many files, as a job"),
    ("capabilities", "VOSI capabilities"),
    ("availability", "VOSI availability"),
)


class SodaHandlers:
    """The handlers of one application.

    Parameters
    ----------
    resources
        What the process shares.
    cutouts
        The use-cases.
    settings
        Limits.
    path, links_path
        Where the host mounts the service, and the links of DataLink.
    """

    def __init__(
        self, resources: Resources, cutouts: Cutouts, settings: SodaSettings, *, path: str, links_path: str
    ) -> None:
        self._resources = resources
        self._cutouts = cutouts
        self._settings = settings
        self._path = path
        self._links_path = links_path

    def add_routes(self, app: web.Application) -> None:
        """Add everything but jobs and VOSI."""
        for root in ("", "/"):
            app.router.add_get(root, self.front_page)
        app.router.add_get("/sync", self.sync)
        app.router.add_post("/sync", self.sync)

    async def sync(self, request: web.Request) -> web.StreamResponse:
        """Cut a part out of a file; 204 where the file has nothing there (SODA 1.0 s5.1)."""
        identifier, cut = read_single(await read_parameters(request))
        async with self._cutouts.source(identifier, self._caller(request)) as source:
            made = await self._cutouts.cut(source, cut, time_limit_s=self._settings.time_limit_s)
            if made is None:
                return web.Response(status=204)
            file = ServedFile(path=made.path, media_type=made.media_type, checksum=made.tag, filename=made.filename)
            return await serve_file(request, file)

    async def front_page(self, request: web.Request) -> web.Response:
        """Show people where things are."""
        base = self._resources.urls.absolute(request, self._path)
        endpoints = [(f"{base}/{name}", about) for name, about in _ENDPOINTS]
        return render_page("landing.html", title=TITLE, text=TEXT, endpoints=endpoints)

    def _caller(self, request: web.Request) -> Caller:
        return Caller(
            principal=principal_of(request),
            now=self._resources.clock(),
            hint=Hint(),
            addresses=Addresses(self._resources.urls.absolute(request, self._links_path)),
        )
