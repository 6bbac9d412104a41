"""The SHA-256 of results."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import add_column, drop_column, namespace

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column; results that are there already have none."""
    add_column(namespace("uws"), "job_result", sa.Column("sha256", sa.Text))


def downgrade() -> None:
    """Drop the column."""
    drop_column(namespace("uws"), "job_result", "sha256")
