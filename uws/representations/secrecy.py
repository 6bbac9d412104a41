"""What keeps the address of a job, and the page that shows it, out of other hands.

Whoever knows the address of an anonymous job may use it, so no browser may tell it to the next server. Results and
uploads come from callers: one that a browser would run as a program runs without the rights of this origin.
"""

from __future__ import annotations

from aiohttp import web

_PROGRAMS = ("text/html", "application/xhtml+xml", "image/svg+xml", "application/xml", "text/xml")


async def guard(request: web.Request, response: web.StreamResponse) -> None:
    """Add the headers to an answer about a job; for ``on_response_prepare`` of an application."""
    if "job_id" not in request.match_info:
        return
    headers = response.headers
    headers.setdefault("Referrer-Policy", "no-referrer")
    if response.content_type in _PROGRAMS and request.match_info.keys() & {"result_id", "name"}:
        headers.setdefault("Content-Security-Policy", "sandbox")
        headers.setdefault("X-Content-Type-Options", "nosniff")
