"""The records of tests/registry/records as a database holds them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lxml import etree

from penstock.context import migrations
from penstock.db import Database
from penstock.migrations import upgrade
from registry.regtap_store import write_many

FOLDER = Path(__file__).parents[1] / "records"


@cache
def texts() -> dict[str, bytes]:
    """Return the records by the names of their files."""
    return {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.xml"))}


def record(name: str) -> etree._Element:
    """Return a record of its own to change."""
    return etree.fromstring(texts()[name])


def identifier(name: str) -> str:
    """Return the identifier that a record gives itself."""
    return str(record(name).findtext("identifier"))


async def fill(db: Database) -> None:
    """Put all records into the tables."""
    async with db.write() as connection:
        await write_many(connection, {identifier(name): record(name) for name in texts()})


async def prepare(url: str) -> None:
    """Bring a database to the newest revision of every service, and put all records into it."""
    db = Database(url)
    await upgrade(db, migrations())
    await fill(db)
    await db.close()
