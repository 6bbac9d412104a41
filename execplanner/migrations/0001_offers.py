"""Facilities, sets of offers, sessions, and what is reserved for them.

Reservations are all that is looked at when an offer is made. There is one for each offer that may still be accepted and
for each session that runs, so that the search takes no longer for a long history.
"""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    ns = namespace("execplanner")
    create_table(
        ns,
        "facility",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("modified", sa.BigInteger, nullable=False),
    )
    create_table(
        ns,
        "offerset",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("messages", sa.Text, nullable=False),
    )
    create_index(ns, "execplanner_offerset_owner", "offerset", ["owner", "id"])
    create_index(ns, "execplanner_offerset_created", "offerset", ["created"])
    create_table(
        ns,
        "session",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("offerset_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("facility", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("modified", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("prepares", sa.BigInteger, nullable=False),
        sa.Column("begins", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("messages", sa.Text, nullable=False),
        sa.Column("connectors", sa.Text, nullable=False),
        sa.Column("handle", sa.Text),
        sa.Column("peer", sa.Text),
        sa.Column("untidy", sa.Integer, nullable=False),
    )
    create_index(ns, "execplanner_session_offerset", "session", ["offerset_id", "seq"])
    create_index(ns, "execplanner_session_owner", "session", ["owner", "id"])
    live = "phase IN ('ACCEPTED', 'WAITING', 'PREPARING', 'AVAILABLE', 'RUNNING', 'RELEASING')"
    create_index(ns, "execplanner_session_live", "session", ["prepares"], where=live)
    create_index(ns, "execplanner_session_untidy", "session", ["modified"], where="untidy = 1")
    create_table(
        ns,
        "reservation",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("facility", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("begins", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("cores", sa.BigInteger, nullable=False),
        sa.Column("memory_bytes", sa.BigInteger, nullable=False),
        sa.Column("gpus", sa.BigInteger, nullable=False),
        sa.Column("store_bytes", sa.BigInteger, nullable=False),
    )
    create_index(ns, "execplanner_reservation_room", "reservation", ["facility", "ends", "begins"])
    open_only = "expires IS NOT NULL"
    create_index(ns, "execplanner_reservation_expiry", "reservation", ["facility", "expires"], where=open_only)
    create_index(ns, "execplanner_reservation_owner", "reservation", ["owner", "expires"], where=open_only)
    create_table(
        ns,
        "creation",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    create_index(ns, "execplanner_creation_created", "creation", ["created"])


def downgrade() -> None:
    """Drop the tables."""
    ns = namespace("execplanner")
    for table in ("creation", "reservation", "session", "offerset", "facility"):
        drop_table(ns, table)
