"""Records and their stamps."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table."""
    ns = namespace("registry")
    create_table(
        ns,
        "record",
        sa.Column("ivoid", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("updated", sa.Text, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("xml", sa.Text, nullable=False),
    )
    create_index(ns, "registry_record_updated", "record", ["updated", "ivoid"])


def downgrade() -> None:
    """Drop the table."""
    drop_table(namespace("registry"), "record")
