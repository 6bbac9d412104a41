from __future__ import annotations

import re

import jinja2
import pytest

from penstock.edge.pages import render_page


def landing(**context) -> str:
    values = {"title": "TAP", "text": "Queries.", "endpoints": [("https://penstock.example/tap/sync", "Queries")]}
    return render_page("landing.html", **{**values, **context}).text


def test_a_page_stands_alone_and_says_its_language_and_headings() -> None:
    page = landing()
    assert '<html lang="en">' in page
    assert "<h1>TAP</h1>" in page
    assert '<a href="https://penstock.example/tap/sync">' in page
    assert not re.search(r"<(script|link|img|iframe)\b", page)


def test_what_a_page_is_given_cannot_become_markup() -> None:
    page = landing(title="<script>alert(1)</script>", endpoints=[('"><script>', "<b>")])
    assert "<script>" not in page
    assert "<b>" not in page


def test_a_page_may_load_nothing() -> None:
    response = render_page("landing.html", status=404, title="a", text="b", endpoints=())
    assert response.status == 404
    assert response.content_type == "text/html"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def test_a_value_that_a_template_needs_is_not_left_blank() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_page("landing.html", title="a", text="b")
