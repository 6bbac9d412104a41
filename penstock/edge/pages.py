"""Pages for people: small, self-contained, readable without scripts."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from aiohttp import web

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("penstock.edge", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(template: str, /, *, status: int = 200, **context: Any) -> web.Response:
    """Render a template that extends ``base.html``; every value in `context` is escaped."""
    page = _environment().get_template(template).render(context)
    headers = {"Content-Security-Policy": _POLICY}
    return web.Response(text=page, status=status, content_type="text/html", headers=headers)
