"""Pages for people: small, self-contained, readable without scripts.

A page carries its style, and its script where it has one, and nothing else may be loaded or run: the policy names both
by their hash. So a page works below any path and any proxy, and what callers wrote can never become a program.
No page tells the next one where its reader came from, because the URL of a job may be all that protects it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from aiohttp import web

_STYLE = "page.css"
_ICON = "icon.svg"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("penstock.edge", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(
    template: str,
    /,
    *,
    status: int = 200,
    script: str | None = None,
    forms_lead_to: str = "",
    **context: Any,
) -> web.Response:
    """Render a template that extends ``base.html``; every value in `context` is escaped.

    Parameters
    ----------
    template
        A file of ``templates``.
    status
        The HTTP status.
    script
        A file of ``static`` that the page runs; it may ask this server for more.
    forms_lead_to
        The origin to which answers to forms redirect, where that may not be the one that the browser knows us by.
    """
    program = _static(script) if script else ""
    given = {"style": _static(_STYLE), "script": program, "icon": _icon_url(), **context}
    page = _environment().get_template(template).render(given)
    headers = {"Content-Security-Policy": _policy(program, forms_lead_to), "Referrer-Policy": "no-referrer"}
    return web.Response(text=page, status=status, content_type="text/html", headers=headers)


def icon() -> web.Response:
    """Return the icon of the host, which browsers ask for by themselves."""
    headers = {
        "Cache-Control": "max-age=86400",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    return web.Response(text=_static(_ICON), content_type="image/svg+xml", headers=headers)


@cache
def _icon_url() -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(_static(_ICON).encode()).decode()}"


@cache
def _static(name: str) -> str:
    return files("penstock.edge").joinpath("static", name).read_text()


@cache
def _policy(program: str, forms_lead_to: str) -> str:
    parts = [
        "default-src 'none'",
        f"style-src '{_digest(_static(_STYLE))}'",
        "img-src data:",
        f"form-action 'self' {forms_lead_to}".rstrip(),
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
    if program:
        parts += [f"script-src '{_digest(program)}'", "connect-src 'self'"]
    return "; ".join(parts)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
