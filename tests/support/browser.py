"""A real browser that remembers what its console complained about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.systems import missing

PATIENCE_MS = 30_000


def require_chromium() -> str:
    """Return the path of the chromium command."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        missing("Chromium", "apt install chromium")
    assert found
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start Chromium without a window."""
    path = require_chromium()
    with sync_playwright() as playwright:
        # Its sandbox needs rights that containers do not give.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, *, complaints: bool = False, **options: Any) -> Iterator[Page]:
    """Open a page in a context of its own; complaints on its console fail the test, unless they are expected."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    try:
        yield page
    finally:
        context.close()
    assert complaints or heard == []
