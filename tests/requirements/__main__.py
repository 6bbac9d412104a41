"""Writes docs/requirements.md: ``python -m tests.requirements``."""

from __future__ import annotations

from tests.requirements.page import PAGE, render

PAGE.write_text(render())
