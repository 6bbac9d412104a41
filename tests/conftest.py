"""Fixtures of all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.postgres import fresh_database


@pytest.fixture
def postgres_url() -> str:
    """The URL of an empty PostgreSQL database."""
    return fresh_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each engine in turn."""
    return f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else fresh_database()
