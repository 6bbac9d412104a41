"""What keeps the address of a job, and the page that shows it, out of other hands.

Whoever knows the address of an anonymous job may use it, so no browser may tell it to the next server. Results and
uploads come from callers, of whatever type they say: what a browser would run in them has no rights of this origin.
"""

from __future__ import annotations

from aiohttp import web

_SHOWN_BY_PLUGIN = "application/pdf"  # which browsers do not show in a sandbox


async def guard(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to an answer about a job; for ``on_response_prepare`` of an application."""
    if "job_id" not in request.match_info:
        return
    headers = response.headers
    headers.setdefault("Referrer-Policy", "no-referrer")
    if request.match_info.keys() & {"result_id", "name"}:
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if response.content_type != _SHOWN_BY_PLUGIN:
            headers.setdefault("Content-Security-Policy", "sandbox")
