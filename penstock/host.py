"""The host: opens what services share, mounts them on one port, and closes everything in order.

`open_resources` serves any process, a worker too; `open_host` adds the services that listen.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import aiohttp
import structlog
from aiohttp import web
from aiohttp.log import server_logger
from isal import isal_zlib

from penstock.auth.middleware import install_authentication
from penstock.auth.opening import AUTHENTICATORS, open_authenticator
from penstock.clock import utc_now
from penstock.context import SERVICES, database, published_schemas
from penstock.db import Database, async_url
from penstock.edge.app import new_service_app
from penstock.edge.body import install_body_timeout
from penstock.edge.connection import NotHttp
from penstock.edge.errors import negotiated_error
from penstock.edge.health import Readiness, add_health
from penstock.edge.origins import install_origins
from penstock.edge.pages import icon, render_page
from penstock.edge.request_id import AccessLogger, install_request_ids
from penstock.edge.urls import Urls
from penstock.lake.catalogue import Catalogue
from penstock.lake.port import DataLake
from penstock.metrics import Metrics
from penstock.openapi import describe_routes
from penstock.plugins import Group, Registry
from penstock.service import Description, Resources, Service
from penstock.settings import Settings, SettingsError

DRAIN_S = 3.0
BACKLOG = 1024
MAX_REQUEST_LINE = 64 * 1024  # ADQL in the query string of a GET is longer than web servers expect
LakeOpener = Callable[[Settings, Database, AsyncExitStack], Awaitable[DataLake]]
log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_resources(
    settings: Settings, *, migrate: bool = True, served: Iterable[str] = ()
) -> AsyncIterator[Resources]:
    """Open what the services of a process share; the process of a job need not migrate the database first.

    `served` are the names of the services that the process will serve.

    Raises
    ------
    SettingsError
        A setting does not fit the world: no such plugin, no such database.
    """
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(database(settings, migrate=migrate))
        readiness = Readiness()
        readiness.add("database", lambda: _database_answers(db))
        lake = await _open_lake(settings, db, stack)
        yield Resources(
            settings=settings,
            db=db,
            lake=lake,
            urls=Urls(settings.base_url, settings.trusted_proxies),
            clock=utc_now,
            authenticator=await open_authenticator(settings, utc_now, stack),
            readiness=readiness,
            stack=stack,
            schemas=published_schemas(),
            served=frozenset(served),
        )


def load_resources(settings: Settings) -> None:
    """Load the code of what `open_resources` opens, and open nothing: for a process that others are forked from."""
    url = async_url(settings.database)
    url.get_dialect().import_dbapi()
    Catalogue.of("postgresql" if url.get_backend_name() == "postgresql" else "sqlite")
    Registry(Group.LAKES, object).get(settings.lake)
    AUTHENTICATORS.get(settings.authenticator)
    published_schemas()


async def _open_lake(settings: Settings, db: Database, stack: AsyncExitStack) -> DataLake:
    opener: LakeOpener = Registry(Group.LAKES, object).get(settings.lake)  # type: ignore[assignment]
    try:
        return await opener(settings, db, stack)
    except OSError as error:
        raise SettingsError(f"the lake {settings.lake!r} cannot be opened: {error}") from error


async def _database_answers(db: Database) -> str | None:
    async with db.read() as connection:
        await connection.exec_driver_sql("SELECT 1")
    return None


@asynccontextmanager
async def open_host(settings: Settings, names: Sequence[str] = ()) -> AsyncIterator[web.Application]:
    """Open the services called `names` (all, if none) and give the application that serves them.

    Raises
    ------
    SettingsError
        A name is not an installed service, or a setting does not fit the world.
    """
    services = chosen_services(names)
    async with open_resources(settings, served=[service.name for service in services]) as resources:
        metrics = Metrics()
        root = new_service_app(negotiated_error)
        root.middlewares.insert(0, metrics.middleware)
        install_request_ids(root)
        install_body_timeout(root, settings.body_idle_s)
        root.on_response_prepare.append(_name_server)
        install_origins(root, settings.browser_origins)
        for service in services:
            app = await service.open(resources)
            install_authentication(app, resources.authenticator)
            root.add_subapp(service.path, app)
            log.debug("service opened", service=service.name)
        _add_own_routes(root, resources, services, metrics)
        yield root


def chosen_services(names: Sequence[str]) -> list[Service]:
    """Return the services called `names`; all that are installed, if none.

    Raises
    ------
    SettingsError
        A name is not an installed service.
    """
    unknown = [name for name in names if name not in SERVICES.names()]
    if unknown:
        raise SettingsError(f"there is no service {unknown[0]!r}; installed: {', '.join(SERVICES.names())}")
    return [SERVICES.get(name) for name in (names or SERVICES.names())]


def _add_own_routes(root: web.Application, resources: Resources, services: Sequence[Service], metrics: Metrics) -> None:
    async def front_page(request: web.Request) -> web.Response:
        """Show the services that run here."""
        base = resources.urls.base(request)
        return render_page(
            "host.html", title="Penstock", base_url=base, services=_describe(resources.settings, services, base)
        )

    async def openapi(request: web.Request) -> web.Response:
        """Describe every route as OpenAPI 3.1."""
        return web.json_response(describe_routes(root, resources.urls.base(request)))

    async def show_metrics(_request: web.Request) -> web.Response:
        """Show the counters, for Prometheus."""
        return metrics.render()

    async def show_icon(_request: web.Request) -> web.Response:
        """Show the icon that browsers put beside the name of a page."""
        return icon()

    root.router.add_get("/", front_page)
    root.router.add_get("/favicon.ico", show_icon)
    root.router.add_get("/openapi.json", openapi)
    root.router.add_get("/metrics", show_metrics)
    add_health(root, resources.readiness)


def _describe(settings: Settings, services: Sequence[Service], base: str) -> Mapping[str, Description]:
    return {base + service.path: service.describe(settings, base + service.path) for service in services}


async def _name_server(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


SERVER = f"Penstock/{version('penstock')} IVOA/TAP-1.1 IVOA/UWS-1.1 IVOA/DataLink-1.1"


def bind(host: str, port: int) -> socket.socket:
    """Take the address before anything slow is done: who connects meanwhile waits.

    Raises
    ------
    SettingsError
        Somebody else has it, or it is not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # an address that is bound only can be bound by another, too
    except (OSError, UnicodeError) as error:
        listener.close()
        raise SettingsError(_why_not_bound(host, port, error)) from error
    return listener


def _why_not_bound(host: str, port: int, error: OSError | UnicodeError) -> str:
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen on host {host!r} ({reason}): give --host an address of this machine, such as 127.0.0.1"
    return f"cannot listen on {host}:{port} ({reason}): choose another with --port, 0 takes any free one"


async def serve(
    settings: Settings, names: Sequence[str], *, listener: socket.socket, announce: Callable[[str, Sequence[str]], None]
) -> None:
    """Serve until SIGINT or SIGTERM, then let requests end for `DRAIN_S` seconds.

    `announce` is told the base URL and the paths of the services when they answer.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    server_logger.addFilter(NotHttp())
    aiohttp.set_zlib_backend(isal_zlib)  # several times as fast as zlib; answers are larger, by half on ObsCore
    async with open_host(settings, names) as app:
        runner = web.AppRunner(
            app,
            handler_cancellation=True,
            access_log_class=AccessLogger,
            shutdown_timeout=DRAIN_S,
            max_line_size=MAX_REQUEST_LINE,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, listener, backlog=BACKLOG).start()
            gc.collect()
            gc.freeze()  # what was opened lives as long as the process: the collector need not look at it again
            gc.enable()
            announce(settings.own_url, [service.path for service in chosen_services(names)])
            await stop.wait()
        finally:
            await runner.cleanup()
