"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.second_chance import STATUS
from tests.support.postgres import fresh_database
from tests.support.rucio.server import Rucio, running_rucio
from tests.support.scheduling import FileByFile, longest_first

# How long an example takes says nothing of what it shows, on a busy machine least of all.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Note how the run ended, for `tests.second_chance`."""
    cache = getattr(session.config, "cache", None)
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set(STATUS, int(exitstatus))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the longest begin, where several processes share the tests."""
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile | None:
    """Return who shares out the tests, if they are shared out by files."""
    return FileByFile(config, log) if config.option.dist == "loadfile" else None


@pytest.fixture
def postgres_url() -> str:
    """The URL of an empty PostgreSQL database."""
    return fresh_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each engine in turn."""
    return f"sqlite:///{tmp_path / 'test.db'}" if request.param == "sqlite" else fresh_database()


@pytest.fixture(scope="session")
def rucio() -> Iterator[Rucio]:
    """A real Rucio, one for each test process."""
    with running_rucio() as server:
        yield server
