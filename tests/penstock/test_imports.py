"""What processes load before they are asked for anything: every start of a server, a command or a job pays for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

JOBS = "import uws.worker_app; from penstock.context import complete_settings_type; complete_settings_type()"
NAMES = "import penstock.cli; from penstock.plugins import *; import typer; Registry(Group.COMMANDS, typer.Typer).all()"
SETTINGS = "from penstock.context import complete_settings_type, migrations; complete_settings_type(); migrations()"
SLOW = {"alembic", "astropy", "mocpy", "pyvo", "xmlschema", "celery"}
SERVING = SLOW | {"aiohttp", "sqlalchemy", "lxml", "numpy", "pyarrow", "asyncpg", "jinja2", "lark", "structlog"}
DOING = SERVING | {"asyncio", "orjson", "pydantic", "rich", "yaml"}


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [(JOBS, SLOW), (SETTINGS, SERVING), (NAMES, DOING)],
    ids=["jobs do without what few need", "settings do without services", "help does without what does it"],
)
def test_nothing_slow_is_loaded_before_it_is_needed(code: str, unwanted: set[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert unwanted & set(told.stdout.split()) == set()
