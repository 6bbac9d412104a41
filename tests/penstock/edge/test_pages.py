from __future__ import annotations

import base64
import hashlib
import re

import jinja2
import pytest

from penstock.edge.pages import icon, render_page
from tests.support.systems import ROOT

STYLE = (ROOT / "penstock/edge/static/page.css").read_text()
LIGHT, DARK = re.findall(r":root \{(.*?)\n *\}", STYLE, re.DOTALL)
ON_PAPER = ("ink", "soft", "accent", "bad")
PAIRS = [
    *((front, back) for front in ON_PAPER for back in ("paper", "card")),
    ("on-accent", "accent"),
    *((name, f"{name}-bg") for name in ("wait", "run", "good", "bad", "idle")),
]


def landing(**context) -> str:
    values = {"title": "TAP", "text": "Queries.", "endpoints": [("https://penstock.example/tap/sync", "Queries")]}
    return render_page("landing.html", **{**values, **context}).text


def test_a_page_stands_alone_and_says_its_language_and_headings() -> None:
    page = landing()
    assert '<html lang="en">' in page
    assert "<h1>TAP</h1>" in page
    assert '<a href="https://penstock.example/tap/sync">' in page
    assert not re.search(r"<(script|iframe)\b", page)
    assert re.findall(r"(?:src=|<link.*href=)\"(.{5})", page) == ["data:", "data:"]


def test_what_a_page_is_given_cannot_become_markup() -> None:
    page = landing(title="<script>alert(1)</script>", endpoints=[('"><script>', "<b>")])
    assert "<script>" not in page
    assert "<b>" not in page


def test_a_page_may_load_and_run_nothing_but_what_it_carries() -> None:
    response = render_page("landing.html", status=404, title="a", text="b", endpoints=())
    assert response.status == 404
    assert response.content_type == "text/html"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "script-src" not in policy


@pytest.mark.parametrize(("element", "directive"), [("style", "style-src"), ("script", "script-src")])
def test_the_policy_names_style_and_script_by_their_hash(element: str, directive: str) -> None:
    response = render_page("landing.html", script="jobs.js", title="a", text="b", endpoints=())
    [content] = re.findall(f"<{element}>(.*?)</{element}>", response.text or "", re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    assert f"{directive} 'sha256-{digest}'" in response.headers["Content-Security-Policy"]


def test_forms_may_lead_to_the_public_address() -> None:
    given = {"title": "a", "text": "b", "endpoints": ()}
    response = render_page("landing.html", forms_lead_to="https://penstock.example", **given)
    assert "form-action 'self' https://penstock.example;" in response.headers["Content-Security-Policy"]


def test_a_value_that_a_template_needs_is_not_left_blank() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render_page("landing.html", title="a", text="b")


def test_the_icon_is_a_picture() -> None:
    assert icon().content_type == "image/svg+xml"


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    channels = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize(("front", "back"), PAIRS)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_can_be_read_on_its_ground(scheme: str, front: str, back: str) -> None:
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", scheme))
    dim, bright = sorted((luminance(colours[front]), luminance(colours[back])))
    assert (bright + 0.05) / (dim + 0.05) >= 4.5  # WCAG 2.2, AA
