"""The statements, compiled once for each engine.

Names of values: those of the columns where a row is written, `of_` and a name where one is looked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from execplanner.core.phases import LIVE, Phase
from execplanner.store.tables import AMOUNTS, Tables
from penstock.db import Dialect
from penstock.direct import Statement

_FACILITIES, _OWNERS = 0x45504641, 0x45504F57  # any constants: they keep these locks apart from others


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What the store executes."""

    reserved: Statement
    totals: Statement
    drop_expired: Statement
    add_offerset: Statement
    add_session: Statement
    add_reservation: Statement
    remember: Statement
    creation: Statement
    open_offers: Statement
    offerset: Statement
    lock_offerset: Statement
    of_offerset: Statement
    session: Statement
    update: Statement
    confirm: Statement
    release: Statement
    reject_siblings: Statement
    release_siblings: Statement
    resize: Statement
    others: Statement
    live: Statement
    untidy: Statement
    forget: Statement
    facilities: Statement
    add_all: Statement | None
    lock_facilities: Statement | None
    lock_owner: Statement | None

    @classmethod
    @cache
    def of(cls, dialect: Dialect) -> Statements:
        """Compile the statements for a dialect."""
        t = Tables.of(dialect)
        clauses = {**_planning(t, dialect), **_changing(t), **_looking(t)}
        compiled: dict[str, Any] = {name: Statement.of(clause, dialect) for name, clause in clauses.items()}
        for name, clause in (("lock_facilities", _lock_facilities()), ("lock_owner", _lock_owner())):
            compiled[name] = Statement.of(clause, dialect) if dialect == "postgresql" else None
        compiled["add_all"] = _add_all(t) if dialect == "postgresql" else None
        return cls(**compiled)


def _text(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.Text)


def _number(name: str) -> sa.BindParameter[int]:
    return sa.bindparam(name, type_=sa.BigInteger)


def among(column: sa.ColumnElement[str], name: str, dialect: Dialect) -> sa.ColumnElement[bool]:
    """Return the condition that a column is one of many texts: a list in PostgreSQL, JSON in SQLite."""
    if dialect == "postgresql":
        return column == sa.any_(sa.bindparam(name, type_=postgresql.ARRAY(sa.Text)))
    return column.in_(sa.select(_named(name, dialect).c.value))


def _lock_owner() -> sa.Select[Any]:
    return sa.select(sa.func.pg_advisory_xact_lock(sa.literal_column(str(_OWNERS)), sa.func.hashtext(_text("of_name"))))


def _lock_facilities() -> sa.Select[Any]:
    """Return the statement that takes the locks of facilities in the order of their keys: nobody waits in a ring."""
    named = _named("facilities", "postgresql")
    keys = sa.select(sa.func.hashtext(named.c.value).label("key")).order_by("key").subquery()
    return sa.select(sa.func.pg_advisory_xact_lock(sa.literal_column(str(_FACILITIES)), keys.c.key))


def _add_all(t: Tables) -> Statement:
    """Return the statement that adds `offersets`, `sessions` and `reservations`, each given as a JSON list of rows.

    PostgreSQL is asked once instead of three times.
    """
    rows = {"offersets": t.offerset, "sessions": t.session, "reservations": t.reservation}
    inserts = [
        f"INSERT INTO {table.fullname} SELECT * FROM json_populate_recordset(NULL::{table.fullname}, ${number}::json)"  # noqa: S608  # our own names
        for number, table in enumerate(rows.values(), 1)
    ]
    return Statement(f"WITH o AS ({inserts[0]}), s AS ({inserts[1]}) {inserts[2]}", tuple(rows), {})


def _named(name: str, dialect: Dialect) -> sa.TableValuedAlias:
    """Return many texts as a table with the column `value`: a list in PostgreSQL, JSON in SQLite."""
    if dialect == "postgresql":
        texts = sa.bindparam(name, type_=postgresql.ARRAY(sa.Text))
        return sa.func.unnest(texts).table_valued(sa.column("value", sa.Text)).render_derived()
    return sa.func.json_each(_text(name)).table_valued(sa.column("value", sa.Text))


def _is_held(t: Tables, named: sa.TableValuedAlias) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions for what is held at a facility at any instant between `from` and `to`.

    What began longer before than the longest reservation of the facility lasts has ended. So only reservations near the
    interval are looked at, however many there are before and after it.
    """
    r, any_one = t.reservation.c, t.reservation.alias("any_one").c
    lasts = any_one.ends - any_one.begins
    longest = sa.select(lasts).where(any_one.facility == named.c.value).order_by(lasts.desc()).limit(1).correlate(named)
    return (
        r.facility == named.c.value,
        r.begins > _number("from") - longest.scalar_subquery(),
        r.begins < _number("to"),
        r.ends > _number("from"),
        sa.or_(r.expires.is_(None), r.expires > _number("now")),
    )


def _held(t: Tables, dialect: Dialect) -> sa.Select[Any]:
    """Return the query for what is held at `facilities`, a row for each reservation."""
    r, named = t.reservation.c, _named("facilities", dialect)
    first, *others = _is_held(t, named)
    columns = (r.facility, r.begins, r.ends, *(r[name] for name in AMOUNTS))
    return sa.select(*columns).select_from(named.join(t.reservation, first)).where(*others)


def _totals(t: Tables, dialect: Dialect) -> sa.Select[Any]:
    """Return the query for the sums of what is held at each of `facilities`, as JSON in the order of `AMOUNTS`.

    A sum for each facility needs no sorting, which would take as long as the rest.
    """
    named = _named("facilities", dialect)
    pack = sa.func.json_build_array if dialect == "postgresql" else sa.func.json_array
    sums = pack(*(sa.func.coalesce(sa.func.sum(t.reservation.c[name]), sa.literal_column("0")) for name in AMOUNTS))
    held = sa.select(sa.cast(sums, sa.Text)).where(*_is_held(t, named)).correlate(named).scalar_subquery()
    return sa.select(named.c.value.label("facility"), held.label("amounts"))


def _planning(t: Tables, dialect: Dialect) -> dict[str, sa.ClauseElement]:
    r = t.reservation.c
    expired = (
        sa.select(r.session_id)
        .where(among(r.facility, "facilities", dialect), r.expires <= _number("now"))
        .with_for_update(skip_locked=True)
    )
    insert = postgresql_insert if dialect == "postgresql" else sqlite_insert
    owner = sa.or_(r.owner == _text("of_owner"), sa.and_(r.owner.is_(None), _text("of_owner").is_(None)))
    some = sa.select(r.session_id).where(owner, r.expires > _number("now")).limit(_number("most")).subquery()
    return {
        "totals": _totals(t, dialect),
        "reserved": _held(t, dialect),
        "others": _held(t, dialect).where(r.session_id != _text("of_id")),
        "drop_expired": sa.delete(t.reservation).where(r.session_id.in_(expired.scalar_subquery())),
        "add_offerset": sa.insert(t.offerset),
        "add_session": sa.insert(t.session),
        "add_reservation": sa.insert(t.reservation),
        "remember": insert(t.creation).on_conflict_do_nothing().returning(t.creation.c.key),
        "creation": sa.select(t.creation).where(t.creation.c.key == _text("of_key")),
        "open_offers": sa.select(sa.func.count().label("offers")).select_from(some),
    }


def _changing(t: Tables) -> dict[str, sa.ClauseElement]:
    s, r = t.session.c, t.reservation.c
    changed = ("phase", "modified", "handle", "connectors", "messages", "untidy", "ends", "document")
    siblings = sa.select(s.id).where(s.offerset_id == _text("of_offerset"), s.id != _text("of_id"))
    return {
        "lock_offerset": sa.select(t.offerset.c.id).where(t.offerset.c.id == _text("of_offerset")).with_for_update(),
        "update": sa.update(t.session)
        .where(s.id == _text("of_id"), s.version == _number("of_version"))
        .values(
            {**{name: sa.bindparam(f"new_{name}", type_=s[name].type) for name in changed}, "version": s.version + 1}
        )
        .returning(s.id),
        "confirm": sa.update(t.reservation)
        .where(r.session_id == _text("of_id"), r.expires > _number("now"))
        .values(expires=sa.null())
        .returning(r.session_id),
        "release": sa.delete(t.reservation).where(r.session_id == _text("of_id")),
        "reject_siblings": sa.update(t.session)
        .where(
            s.offerset_id == _text("of_offerset"),
            s.id != _text("of_id"),
            s.phase == sa.literal_column(f"'{Phase.OFFERED}'"),
        )
        .values(phase=str(Phase.REJECTED), modified=_number("now"), version=s.version + 1),
        "release_siblings": sa.delete(t.reservation).where(r.session_id.in_(siblings)),
        "resize": sa.update(t.reservation)
        .where(r.session_id == _text("of_id"), r.expires > _number("now"))
        .values({name: sa.bindparam(f"new_{name}", type_=sa.BigInteger) for name in ("ends", *AMOUNTS)})
        .returning(r.session_id),
        "forget": sa.delete(t.session).where(s.id == _text("of_id")),
    }


def _looking(t: Tables) -> dict[str, sa.ClauseElement]:
    s = t.session.c
    live = s.phase.in_([sa.literal_column(f"'{one}'") for one in Phase if one in LIVE])
    return {
        "offerset": sa.select(t.offerset).where(t.offerset.c.id == _text("of_id")),
        "of_offerset": sa.select(t.session).where(s.offerset_id == _text("of_id")).order_by(s.seq),
        "session": sa.select(t.session).where(s.id == _text("of_id")),
        "live": sa.select(t.session).where(live, s.id > _text("after")).order_by(s.id).limit(_number("most")),
        "untidy": sa.select(t.session)
        .where(s.untidy == sa.literal_column("1"))
        .order_by(s.modified)
        .limit(_number("most")),
        "facilities": sa.select(t.facility.c.id, t.facility.c.record).order_by(t.facility.c.id),
    }
