"""Sessions as rows, and rows as sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from execplanner.core.phases import Phase
from execplanner.core.request import Amounts
from execplanner.core.slots import Rows, rows_of
from execplanner.keeping import Creation, OfferSet, Reservation, Session
from penstock.direct import Row


def session_row(session: Session) -> dict[str, Any]:
    """Return the row of a session."""
    return {
        "id": session.id,
        "offerset_id": session.offerset_id,
        "seq": session.seq,
        "owner": session.owner,
        "facility": session.facility,
        "phase": str(session.phase),
        "version": session.version,
        "created": session.created,
        "modified": session.modified or session.created,
        "expires": session.expires,
        "prepares": session.prepares,
        "begins": session.begins,
        "ends": session.ends,
        "dialect": session.dialect,
        "name": session.name,
        "document": as_json(session.document),
        "messages": as_json(session.messages),
        "connectors": as_json(session.connectors),
        "handle": session.handle,
        "peer": session.peer,
        "untidy": int(session.untidy),
    }


def session_of(row: Row) -> Session:
    """Return the session of a row."""
    given = dict(row)
    return Session(
        **given
        | {
            "phase": Phase(row["phase"]),
            "document": orjson.loads(row["document"]),
            "messages": tuple(orjson.loads(row["messages"])),
            "connectors": tuple(orjson.loads(row["connectors"])),
            "untidy": bool(row["untidy"]),
        }
    )


def offerset_row(offerset: OfferSet) -> dict[str, Any]:
    """Return the row of a set of offers."""
    return {
        "id": offerset.id,
        "owner": offerset.owner,
        "created": offerset.created,
        "dialect": offerset.dialect,
        "result": offerset.result,
        "name": offerset.name,
        "messages": as_json(offerset.messages),
    }


def offerset_of(row: Row) -> OfferSet:
    """Return the set of offers of a row."""
    return OfferSet(**dict(row) | {"messages": tuple(orjson.loads(row["messages"]))})


def reservation_row(one: Reservation) -> dict[str, Any]:
    """Return the row of a reservation."""
    return {
        "session_id": one.session_id,
        "facility": one.facility,
        "owner": one.owner,
        "begins": one.begins,
        "ends": one.ends,
        "expires": one.expires,
        **amounts_row(one.amounts),
    }


def amounts_row(amounts: Amounts) -> dict[str, int]:
    """Return the columns of amounts."""
    return {
        "cores": amounts.cores,
        "memory_bytes": amounts.memory_bytes,
        "gpus": amounts.gpus,
        "store_bytes": amounts.store_bytes,
    }


def taken_by_facility(rows: Sequence[Row]) -> dict[str, Rows]:
    """Return what rows of reservations hold; their first column is the facility."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for row in rows:
        name, *values = row.values() if isinstance(row, Mapping) else tuple(row)
        found.setdefault(name, []).append(tuple(values))
    return {name: rows_of(values) for name, values in found.items()}


def creation_row(creation: Creation) -> dict[str, Any]:
    """Return the row of a creation."""
    return {
        "key": creation.key,
        "fingerprint": creation.fingerprint,
        "id": creation.id,
        "created": creation.created,
    }


def as_json(value: Mapping[str, Any] | tuple[Mapping[str, Any], ...]) -> str:
    """Return JSON text."""
    return orjson.dumps(value).decode()
