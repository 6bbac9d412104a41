"""Tables that the operator has added: what is published of them."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_table, drop_table, namespace

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    create_table(
        namespace("tap_schema"),
        "own_table",
        sa.Column("schema_name", sa.Text, primary_key=True),
        sa.Column("table_name", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("row_count", sa.BigInteger, nullable=False),
        sa.Column("added", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("in_place", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    drop_table(namespace("tap_schema"), "own_table")
