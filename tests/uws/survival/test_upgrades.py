"""Two versions of the schema at once: one process has brought the database up to date, others still run."""

from __future__ import annotations

import asyncio
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest

from penstock.db import Database
from penstock.migrations import upgrade
from tests.support.server import serve
from tests.uws.survival.test_restarts import document, ended, run

NEXT = """
import sqlalchemy as sa
from penstock.migrations import add_column, create_index, create_table, namespace

revision = "9999"
down_revision = "{newest}"


def upgrade():
    ns = namespace("uws")
    add_column(ns, "job", sa.Column("colour", sa.Text))
    create_table(ns, "palette", sa.Column("colour", sa.Text, primary_key=True))
    create_index(ns, "uws_job_colour", "job", ["colour"])
"""


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The package of the revisions of a version that is to come, which adds a column and a table."""
    package = tmp_path / "revisions" / "next_uws_revisions"
    shutil.copytree(str(files("uws.migrations")), package, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max(path.name.partition("_")[0] for path in package.glob("[0-9]*.py"))
    (package / "9999_next.py").write_text(NEXT.format(newest=newest))
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.delitem(sys.modules, package.name, raising=False)
    return package.name


async def _upgrade(url: str, package: str) -> None:
    db = Database(url)
    try:
        await upgrade(db, {"uws": package})
    finally:
        await db.close()


async def test_a_server_that_runs_goes_on_when_a_newer_one_has_changed_the_tables(
    database_url: str, next_version: str, tmp_path: Path
) -> None:
    with serve(tmp_path / "data", "uws", PENSTOCK_DATABASE_URL=database_url) as server:
        async with aiohttp.ClientSession() as client:
            running = await run(client, server.base, JOBTYPE="sleep", DURATION="3")
            waits = asyncio.create_task(ended(client, server.base + running))
            await _upgrade(database_url, next_version)
            later = await run(client, server.base, JOBTYPE="echo", MESSAGE="x")
            assert (await ended(client, server.base + later))["phase"] == "COMPLETED"
            assert (await waits)["phase"] == "COMPLETED"
            assert len((await document(client, f"{server.base}/uws/jobs"))["jobs"]) == 2
