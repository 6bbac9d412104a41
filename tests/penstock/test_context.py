"""What a process says of a database that it cannot use, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from penstock.context import database
from penstock.settings import Settings, SettingsError


def settings(folder: Path, url: str | None = None) -> Settings:
    return Settings(data_dir=folder, database_url=url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("garbage", "setting database_url: it is no URL"),
        ("postgresql://u:SECRET@127.0.0.1:1/d", "cannot be used: .*127.0.0.1"),
        ("postgresql://u:SECRET@127.0.0.1:1/d?nonsense=1", "a parameter that is not known: .*nonsense"),
        ("sqlite:////nonexistent/x.db", "cannot be used: unable to open"),
    ],
)
async def test_a_database_that_cannot_be_used_is_one_line_without_its_password(
    tmp_path: Path, url: str, says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        async with database(settings(tmp_path, url)):
            pass
    assert "SECRET" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "penstock.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(SettingsError, match="not a database"):
        async with database(settings(tmp_path)):
            pass


async def test_the_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with database(settings(tmp_path)) as db, db.write() as connection:
        await connection.execute(text("UPDATE registry__alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"made by a newer version: .*9999"):
        async with database(settings(tmp_path)):
            pass
