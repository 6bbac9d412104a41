"""Lakes made for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from penstock.context import LAKE_MIGRATIONS
from penstock.db import Database
from penstock.lake.port import Site
from penstock.lake.scan import Report, Scan
from penstock.lake.store import LakeStore
from penstock.lake.tree import Tree
from penstock.migrations import upgrade
from tests.penstock.lake.fits.builders import TAN, image, to_bytes

AUTHORITY = "lake.example"
HERE = Site(name="here", latitude_deg=1.5, longitude_deg=-2.5)


@asynccontextmanager
async def open_store(url: str, authority: str = AUTHORITY) -> AsyncIterator[LakeStore]:
    """Give the catalogue of an empty lake."""
    db = Database(url)
    try:
        await upgrade(db, LAKE_MIGRATIONS)
        yield LakeStore(db, authority)
    finally:
        await db.close()


def write(path: Path, **cards: Any) -> Path:
    """Write a small image with cards of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(to_bytes(image(TAN | cards)))
    return path


async def scan(store: LakeStore, path: Path, *, site: Site = HERE, collection: str = "col", **more: Any) -> Report:
    """Scan a tree."""
    return await Scan(store=store, tree=Tree(path=path, collection=collection), site=site, **more).run()


def counts(report: Report) -> tuple[int, int, int, int, int]:
    """Return added, updated, unchanged, vanished and skipped."""
    return report.added, report.updated, report.unchanged, report.vanished, len(report.skipped)
