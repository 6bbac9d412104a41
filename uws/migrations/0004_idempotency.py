"""Creations that must not happen twice, by the client's Idempotency-Key."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    ns = namespace("uws")
    create_table(
        ns,
        "creation",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("time", sa.Text, nullable=False),
    )
    create_index(ns, "uws_creation_time", "creation", ["time"])


def downgrade() -> None:
    """Drop the table."""
    drop_table(namespace("uws"), "creation")
