"""The groups of which the owner of a job was when creating it."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import add_column, drop_column, namespace

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; owners of jobs that are there already count as being in no group."""
    add_column(namespace("uws"), "job", sa.Column("owner_groups", sa.Text))


def downgrade() -> None:
    """Drop the column."""
    drop_column(namespace("uws"), "job", "owner_groups")
