"""Create the table of what other TAP services said of themselves."""

from __future__ import annotations

from sqlalchemy import Column, Text

from penstock.migrations import create_table, drop_table, namespace

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the table."""
    create_table(
        namespace("tap_schema"),
        "upstream",
        Column("name", Text, primary_key=True),
        Column("source", Text, nullable=False),
        Column("url", Text),
        Column("document", Text),
        Column("harvested", Text),
        Column("tried", Text, nullable=False),
        Column("problem", Text),
    )


def downgrade() -> None:
    """Drop the table."""
    drop_table(namespace("tap_schema"), "upstream")
