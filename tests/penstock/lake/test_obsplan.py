from __future__ import annotations

import sqlalchemy as sa

from penstock.db import physical_name
from penstock.lake.obsplan import EXPRESSIONS, OBSPLAN
from tests.penstock.lake.builders import open_store

FULL = {
    "obs_collection": "survey",
    "calib_level": 1,
    "facility_name": "La Silla",
    "t_min": 59000.0,
    "t_max": 59000.1,
    "t_exptime": 60.0,
}


def observation(name: str, obs_id: str, **other: object) -> dict[str, object]:
    return FULL | {"obs_id": obs_id, "obs_publisher_did": f"ivo://x/y?{name}", "lake_did": f"survey:{name}"} | other


async def test_each_observation_with_a_time_and_a_telescope_is_there_once(database_url: str) -> None:
    rows = [
        observation("b", "one", t_exptime=2.0),
        observation("a", "one", t_exptime=1.0),
        observation("c", "two"),
        observation("d", "three", t_min=None),
        observation("e", "four", facility_name=None),
        observation("f", "one", obs_collection="other"),
    ]
    async with open_store(database_url) as store:
        async with store.db.write() as connection:
            for row in rows:
                await connection.execute(sa.insert(store.tables.obscore).values(row))
        view = ".".join(part for part in physical_name(store.db.dialect, "ivoa", "obsplan") if part)
        async with store.db.read() as connection:
            found = (await connection.exec_driver_sql(f"SELECT * FROM {view} ORDER BY obs_collection, obs_id")).all()
    assert [(row.obs_collection, row.obs_id) for row in found] == [
        ("other", "one"),
        ("survey", "one"),
        ("survey", "two"),
    ]
    assert found[1].t_exptime == found[1].t_plan_exptime == 1.0
    assert {(row.execution_status, row.category, row.priority) for row in found} == {("Performed", "Other", 0)}


def test_every_column_that_is_described_is_one_of_the_view() -> None:
    assert [column.name for column in OBSPLAN.columns] == list(EXPRESSIONS)
