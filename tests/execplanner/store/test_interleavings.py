"""100,000 random things happen to offers, by clocks that disagree: what is promised is never more than there is."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import TypeVar

import pytest
import sqlalchemy as sa

from execplanner.core.phases import LIVE, Event, Phase
from execplanner.core.slots import peak, rows_of, vector
from execplanner.keeping import Change
from execplanner.store.sql import SqlKeeper
from execplanner.store.tables import Tables
from penstock.db import Database
from penstock.direct import Work
from tests.execplanner.store.builders import HOUR, NOW, ROOM, holding, movable, offer

T = TypeVar("T")
EVENTS = 100_000
SKEW_MS = 5_000
VALID_MS = 20_000
FACILITIES = ("f", "g", "h")
RUN = (Event.PREPARE, Event.START, Event.RELEASE, Event.COMPLETE, Event.FAIL)


class Memory:
    """The keeper's own transactions, on a database in memory."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.row_factory = sqlite3.Row
        connection.isolation_level = None
        engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=sa.pool.StaticPool)
        Tables.of("sqlite").session.metadata.create_all(engine)
        for table in Tables.of("sqlite").__slots__:
            found = getattr(Tables.of("sqlite"), table)
            found.metadata.create_all(engine)
        connection.execute("CREATE INDEX room ON execplanner__reservation (facility, begins)")
        connection.execute("CREATE INDEX ids ON execplanner__session (id)")
        connection.execute("CREATE INDEX sets ON execplanner__session (offerset_id)")
        connection.execute("CREATE INDEX offersets ON execplanner__offerset (id)")
        connection.execute("CREATE INDEX held ON execplanner__reservation (session_id)")
        self.keeper = SqlKeeper(Database("sqlite:////nonexistent/never-opened.db"))

    def do(self, work: Work[T]) -> T:
        self._connection.execute("BEGIN")
        try:
            step = next(work)
            while True:
                rows: list[sqlite3.Row] = []
                for values in step.values:
                    sql, arguments = step.statement.sql, step.statement.arguments(values)
                    rows = self._connection.execute(sql, arguments).fetchall()
                step = work.send(rows)  # type: ignore[arg-type]
        except StopIteration as end:
            self._connection.execute("COMMIT")
            value: T = end.value
            return value

    def rows(self, sql: str, *arguments: object) -> list[sqlite3.Row]:
        return self._connection.execute(sql, arguments).fetchall()


@pytest.fixture
def memory() -> Iterator[Memory]:
    with closing(sqlite3.connect(":memory:")) as connection:
        yield Memory(connection)


def require_room(memory: Memory, facility: str) -> None:
    """See that all that is reserved at a facility fits, whatever the clocks say."""
    columns = "begins, ends, cores, memory_bytes, gpus, store_bytes"
    found = memory.rows(f"SELECT {columns} FROM execplanner__reservation WHERE facility=?", facility)
    most = peak(rows_of([tuple(row) for row in found]), 0, 2**62)
    assert all(used <= there for used, there in zip(vector(most), vector(ROOM.capacity), strict=True)), most


def test_no_interleaving_overbooks(memory: Memory) -> None:
    chance = random.Random(20261121)
    now = NOW
    sessions: list[str] = []
    counts: dict[str, int] = {}
    for number in range(EVENTS):
        now += chance.randrange(0, 1000)
        seen = now + chance.randrange(-SKEW_MS, SKEW_MS)  # what the clock of some process shows
        if chance.random() < 0.4 or not sessions:
            offers = [
                offer(
                    chance.choice(FACILITIES),
                    cores=chance.randrange(1, 4),
                    begins=now + chance.randrange(0, 3) * HOUR // 2,
                    now=seen,
                    expires=seen + VALID_MS,
                )
                for _ in range(chance.choice((1, 1, 1, 2)))
            ]
            if chance.random() < 0.1:
                offers = [movable(one, hours=chance.randrange(0, 2)) for one in offers]
            held = memory.do(memory.keeper._hold(holding(*offers, now=seen)))
            sessions += [one.id for one in held.sessions]
            what = "hold" if held.kept else "full"
            for place in {one.facility for one in held.sessions}:  # nothing else adds to what is reserved
                require_room(memory, place)
        else:
            chosen = chance.choice(sessions[-12:])
            event = chance.choice((Event.ACCEPT, Event.ACCEPT, Event.REJECT, Event.CANCEL, *RUN))
            outcome = memory.do(memory.keeper._change(chosen, Change(event=event), seen))
            assert outcome.session is not None
            what = f"{event} {'refused' if outcome.refused else 'done'}"
        counts[what] = counts.get(what, 0) + 1
        if number % 5000 == 0:
            require_tokens(memory)
    require_tokens(memory)
    assert counts["hold"] > EVENTS / 100
    assert counts["full"] > EVENTS / 100
    assert counts["ACCEPT done"] > EVENTS / 100
    assert counts["ACCEPT refused"] > EVENTS / 100


def require_tokens(memory: Memory) -> None:
    """See that whatever runs has its reservation for good, and that nothing else has one for good."""
    live = ", ".join(f"'{phase}'" for phase in LIVE)
    firm = {row[0] for row in memory.rows("SELECT session_id FROM execplanner__reservation WHERE expires IS NULL")}
    runs = {row[0] for row in memory.rows(f"SELECT id FROM execplanner__session WHERE phase IN ({live})")}
    assert firm == runs
    twice = (
        "SELECT offerset_id FROM execplanner__session WHERE phase NOT IN (?, ?, ?, ?, ?) GROUP BY 1 HAVING count(*)>1"
    )
    offered = (Phase.OFFERED, Phase.REJECTED, Phase.EXPIRED, Phase.CANCELLED, Phase.FAILED)
    assert memory.rows(twice, *map(str, offered)) == []
