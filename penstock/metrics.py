"""Prometheus metrics of the host: how many requests, how long they took."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("service", "method", "status")
        self._requests = Counter("penstock_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "penstock_request_seconds", "Time to the end of the answer", ("service",),
            buckets=BUCKETS_S, registry=self._registry,
        )  # fmt: skip
        self._open = Gauge(
            "penstock_requests_in_progress", "Requests not yet answered", ("service",), registry=self._registry
        )

    def render(self) -> web.Response:
        """Return the metrics in Prometheus's text form."""
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Observe every request."""
        started = time.monotonic()
        # what the router does not know is one label: callers must not be able to invent more
        service = "unknown" if request.match_info.http_exception else request.path.split("/")[1]
        status = 499  # the client went away
        in_progress = self._open.labels(service)
        in_progress.inc()
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            in_progress.dec()
            self._requests.labels(service, request.method, str(status)).inc()
            self._seconds.labels(service).observe(time.monotonic() - started)
