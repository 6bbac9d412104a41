"""Create the table of jobs of other TAP services that work for jobs of ours."""

from __future__ import annotations

from sqlalchemy import Column, Text

from penstock.migrations import create_table, drop_table, namespace

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table."""
    create_table(
        namespace("tap_schema"),
        "upstream_job",
        Column("job_id", Text, primary_key=True),
        Column("upstream", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("request", Text, nullable=False),
        Column("ends", Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    drop_table(namespace("tap_schema"), "upstream_job")
