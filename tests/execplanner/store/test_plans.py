"""How SQLite finds what is asked for while a request waits: by an index, however long the history is."""

from __future__ import annotations

from pathlib import Path

from execplanner.store.statements import Statements
from penstock.db import Database
from penstock.direct import Statement
from penstock.migrations import upgrade

DO = Statements.of("sqlite")
INDEXES = [
    (DO.live, "execplanner_session_living"),
    (DO.untidy, "execplanner_session_untidy"),
    (DO.of_offerset, "execplanner_session_offerset"),
    (DO.open_offers, "execplanner_reservation_owner"),
    (DO.totals, "execplanner_reservation_begins"),
    (DO.reserved, "execplanner_reservation_begins"),
]


async def steps_of(db: Database, statement: Statement) -> list[str]:
    async with db.read() as connection:
        values = tuple(statement.fixed.get(name) for name in statement.names)
        found = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.sql}", values)
        return [row.detail for row in found]


async def test_nothing_goes_through_a_history(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/penstock.db")
    try:
        await upgrade(db, {"execplanner": "execplanner.migrations"})
        for statement, index in INDEXES:
            steps = await steps_of(db, statement)
            assert any(f"INDEX {index}" in step for step in steps), steps
            assert not any(step.startswith("SCAN execplanner__") and "INDEX" not in step for step in steps), steps
    finally:
        await db.close()
