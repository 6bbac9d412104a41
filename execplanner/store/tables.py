"""The tables, as the statements see them; the revisions in `execplanner.migrations` make them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from penstock.db import Dialect, Namespace

SCHEMA = "execplanner"
_TEXTS = ("id", "offerset_id", "owner", "facility", "phase", "dialect", "name", "document", "messages", "connectors")
_NUMBERS = ("version", "created", "modified", "expires", "prepares", "begins", "ends", "untidy", "seq")
AMOUNTS = ("cores", "memory_bytes", "gpus", "store_bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of one engine."""

    facility: sa.Table
    offerset: sa.Table
    session: sa.Table
    reservation: sa.Table
    creation: sa.Table

    @classmethod
    @cache
    def of(cls, dialect: Dialect) -> Tables:
        """Return the tables for a dialect."""
        ns = Namespace.of(dialect, SCHEMA)
        return cls(
            facility=ns.table("facility", *_texts("id", "record"), *_numbers("modified")),
            offerset=ns.table(
                "offerset", *_texts("id", "owner", "dialect", "result", "name", "messages"), *_numbers("created")
            ),
            session=ns.table("session", *_texts(*_TEXTS, "handle", "peer"), *_numbers(*_NUMBERS)),
            reservation=ns.table(
                "reservation",
                *_texts("session_id", "facility", "owner"),
                *_numbers("begins", "ends", "expires", *AMOUNTS),
            ),
            creation=ns.table("creation", *_texts("key", "fingerprint", "id"), *_numbers("created")),
        )


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger) for name in names]
