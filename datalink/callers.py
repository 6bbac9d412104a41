"""The circumstances of a request, as the use-cases want them."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from datalink.core.links import Addresses
from datalink.core.nearest import Hint, site_of
from datalink.core.services import Offers
from datalink.service import Caller
from datalink.settings import DataLinkSettings
from penstock.auth.middleware import principal_of
from penstock.dali.params import Parameters
from penstock.dali.values import parse_int
from penstock.service import Resources

_MOST_PAGES = 10**6
OffersAt = Callable[[str], Offers]
"""Gives the services that run, for the base URL of the host."""


class Callers:
    """Reads who asks, and from where.

    Parameters
    ----------
    resources
        What the process shares.
    settings
        Which site is near which network.
    path
        Where the host mounts the service.
    offers
        The services to which links may lead.
    """

    def __init__(self, resources: Resources, settings: DataLinkSettings, path: str, offers: OffersAt) -> None:
        self._resources = resources
        self._settings = settings
        self._path = path
        self._offers = offers

    def addresses(self, request: web.Request) -> Addresses:
        """Return the URLs of this service as the caller reaches them."""
        return Addresses(self._resources.urls.absolute(request, self._path))

    def read(self, request: web.Request, params: Parameters) -> Caller:
        """Return the circumstances of a request.

        Raises
        ------
        UsageError
            A parameter cannot be understood.
        """
        urls, settings = self._resources.urls, self._settings
        page = params.single("PAGE")
        return Caller(
            principal=principal_of(request),
            now=self._resources.clock(),
            hint=Hint.read(params),
            addresses=self.addresses(request),
            offers=self._offers(urls.base(request)),
            network_site=site_of(urls.client_address(request), settings.site_by_network),
            page=parse_int("PAGE", page, minimum=1, maximum=_MOST_PAGES) if page else 1,
        )
