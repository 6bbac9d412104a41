"""Facilities, reservations and history for `bench.planner`, made inside the database: a million rows in seconds.

Nothing is drawn at random: what a row holds is scattered by a multiplication with its number, so that every run sees
the same. One database goes from one size to the next: reservations are added, those of a load are known by their expiry
and taken away, and the tables that hold a history change places with those that hold none.
"""

from __future__ import annotations

import json
import time
from typing import Any

import sqlalchemy as sa

from bench.jobs import series
from execplanner.store.tables import Tables
from penstock.db import Database
from penstock.migrations import upgrade

_AT_ONCE = 40
_MEAN_MS = 7_500_000
_TWO_DAYS_MS = 172_800_000
_CAPACITIES = (256, 512, 1024)
_PAGE = 10_000


def record(number: int) -> dict[str, Any]:
    """Return the record of a facility."""
    cores = _CAPACITIES[number % 3]
    return {
        "id": f"ivo://bench.example/facility/{number}",
        "title": f"Facility {number}",
        "site": f"site-{number % 50}",
        "storage_sites": [f"RSE-{number % 50}"],
        "kinds": {"jupyter-notebook": {}, "docker-container": {"policy": {"allow": ["ghcr.io/*"]}}},
        "executors": {"main": {"plugin": "process", "estimates": False}},
        "capacity": {"cores": cores, "memory": f"{cores * 4}Gi", "store": "10T", "duration": "24h"},
        "costs": {"monetary": {"core_hour": (1 + number * 7 % 19) / 100}, "carbon": {"core_hour": 0.01}},
    }


class Filling:
    """A database that goes from one size to the next.

    Parameters
    ----------
    url
        An empty database.
    history
        How many sessions have ended when there is a history; they are kept aside while there is none.
    most
        The most reservations that there will be: they are spread over at least two days so that about
        `_AT_ONCE` are held at any instant of a facility, at most.
    """

    def __init__(self, url: str, history: int, most: int) -> None:
        self._db = Database(url)
        self._history, self._most = history, most
        self._facilities = self._held = 0
        self._now = round(time.time() * 1000)
        self._t = Tables.of(self._db.dialect)
        self._aged = False

    async def begin(self) -> None:
        """Make the tables, and those of history."""
        await upgrade(self._db, {"execplanner": "execplanner.migrations"})
        if self._history:
            offerset, session = self._t.offerset, self._t.session
            await self._make_aside(offerset, self._end_sets(_aside(offerset)), self._history // 4)
            await self._make_aside(session, self._end_sessions(_aside(session)), self._history)

    async def facilities(self, count: int) -> None:
        """Have other facilities, without reservations."""
        self._facilities, self._held = count, 0
        await self._do(f"DELETE FROM {self._t.facility.fullname}")
        await self._do(f"DELETE FROM {self._t.reservation.fullname}")
        for first in range(0, count, _PAGE):
            records = map(record, range(first, min(first + _PAGE, count)))
            rows = [{"id": one["id"], "record": json.dumps(one), "modified": self._now} for one in records]
            async with self._db.write() as connection:
                await connection.execute(sa.insert(self._t.facility), rows)

    async def become(self, reservations: int, *, aged: bool) -> None:
        """Take away what was offered, have more reservations, and a history or none."""
        table = self._t.reservation
        await self._do(f"DELETE FROM {table.fullname} WHERE expires IS NOT NULL")
        if reservations > self._held:
            indexes = await self._indexes(table)
            for name, _ in indexes:
                await self._do(f"DROP INDEX {name}")
            await self._do(self._reserve(table.fullname), first=self._held, count=reservations - self._held)
            for _, definition in indexes:
                await self._do(definition)
            self._held = reservations
        if aged is not self._aged:
            await self._swap(self._t.offerset)
            await self._swap(self._t.session)
            self._aged = aged
        await self._settle()

    async def _make_aside(self, table: sa.Table, filling: str, count: int) -> None:
        """Make a filled table that can take the place of one."""
        aside = _aside(table)
        await self._do(f"CREATE TABLE {aside} AS SELECT * FROM {table.fullname} WHERE 0 = 1")
        await self._do(filling, count=count)
        await self._do(f"CREATE UNIQUE INDEX {table.name}_ids ON {aside} (id)")
        for name, definition in await self._indexes(table):
            plain = name.rpartition(".")[2]
            await self._do(definition.replace(plain, f"{plain}_aside").replace(f" {table.fullname} ", f" {aside} "))

    async def _swap(self, table: sa.Table) -> None:
        """Let a table and the one that was put aside change places."""
        spare = f"{table.name}_spare"
        full, other = table.fullname, table.fullname.removesuffix(table.name) + spare
        await self._do(f"ALTER TABLE {full} RENAME TO {spare}")
        await self._do(f"ALTER TABLE {_aside(table)} RENAME TO {table.name}")
        await self._do(f"ALTER TABLE {other} RENAME TO {table.name}_aside")

    async def _indexes(self, table: sa.Table) -> list[tuple[str, str]]:
        """Return the indexes of a table that are not its key: name and definition."""
        query = (
            "SELECT schemaname || '.' || indexname, indexdef FROM pg_indexes WHERE indexname NOT LIKE '%_pkey'"
            " AND schemaname || '.' || tablename = :of"
            if self._db.dialect == "postgresql"
            else "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = :of"
        )
        async with self._db.read() as connection:
            found = await connection.execute(sa.text(query), {"of": table.fullname})
            return [(name, definition) for name, definition in found]

    def _reserve(self, table: str) -> str:
        span_ms = max(_TWO_DAYS_MS, self._most // self._facilities * _MEAN_MS // _AT_ONCE)
        return f"""
            INSERT INTO {table} (session_id, facility, owner, begins, ends, cores, memory_bytes, gpus, store_bytes)
            SELECT {self._padded("'r'", "m", 12)}, 'ivo://bench.example/facility/' || (m % {self._facilities}),
                'user ' || (m % 1000), begins, begins + 600000 + m * 40503 % 13800000,
                1 + m / {self._facilities} % 4, 1073741824, 0, 0
            FROM (SELECT m, {self._now - 3_600_000} + m * 2654435761 % {span_ms} AS begins
                FROM (SELECT n - 1 + :first AS m FROM {series(self._db.dialect)}) AS numbers) AS placed"""

    def _end_sets(self, table: str) -> str:
        return f"""
            INSERT INTO {table} (id, owner, created, dialect, result, messages)
            SELECT {self._padded("'01900000-0000-7000-9000-'", "n - 1", 12)}, 'user ' || (n % 1000),
                {self._now - 86_400_000} - n, 'D1', 'YES', '[]'
            FROM {series(self._db.dialect)}"""

    def _end_sessions(self, table: str) -> str:
        return f"""
            INSERT INTO {table} (id, offerset_id, seq, owner, facility, phase, version, created, modified, prepares,
                begins, ends, dialect, document, messages, connectors, untidy)
            SELECT {self._padded("'01900000-0000-7000-8000-'", "m", 12)},
                {self._padded("'01900000-0000-7000-9000-'", "m / 4", 12)}, m % 4, 'user ' || (m / 4 % 1000),
                'ivo://bench.example/facility/' || (m % 1000),
                CASE m % 4 WHEN 0 THEN 'COMPLETED' WHEN 1 THEN 'EXPIRED' ELSE 'REJECTED' END,
                2, past, past, past, past, past, 'D1', '{{}}', '[]', '[]', 0
            FROM (SELECT m, {self._now - 86_400_000} - m AS past
                FROM (SELECT n - 1 AS m FROM {series(self._db.dialect)}) AS numbers) AS placed"""

    def _padded(self, prefix: str, number: str, width: int) -> str:
        if self._db.dialect == "postgresql":
            return f"{prefix} || lpad(CAST({number} AS text), {width}, '0')"
        return f"{prefix} || printf('%0{width}d', {number})"

    async def _do(self, statement: str, **values: int) -> None:
        async with self._db.write() as connection:
            if self._db.dialect == "sqlite":
                await connection.exec_driver_sql("PRAGMA cache_size=-262144")
            await connection.execute(sa.text(statement), values)

    async def _settle(self) -> None:
        """Let the engine know its tables, and finish what it would do later."""
        async with self._db.engine.connect() as connection:
            if self._db.dialect == "postgresql":
                alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
                for table in (self._t.reservation, self._t.session, self._t.offerset):
                    await alone.exec_driver_sql(f"VACUUM ANALYZE {table.fullname}")
            else:
                await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    async def end(self) -> None:
        """Close the connections."""
        await self._db.close()


def _aside(table: sa.Table) -> str:
    return f"{table.fullname}_aside"
