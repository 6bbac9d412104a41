"""What was harvested of files, what was rejected, and the rules of staging."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import add_column, create_index, create_table, drop_column, drop_table, namespace

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column and the tables."""
    ns = namespace("lake")
    add_column(ns, "files", sa.Column("metadata", sa.Text))
    create_table(
        ns,
        "rejected",
        sa.Column("did", sa.Text, primary_key=True),
        sa.Column("column_name", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("in_obscore", sa.Integer, nullable=False),
        sa.Column("found_at", sa.Text, nullable=False),
    )
    create_table(
        ns,
        "rules",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("expires", sa.Text),
    )
    create_table(
        ns,
        "rule_files",
        sa.Column("rule", sa.Text, sa.ForeignKey(ns.reference("rules", "id")), primary_key=True),
        sa.Column("did", sa.Text, primary_key=True),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
    )
    create_index(ns, "lake_rejected_scope", "rejected", ["scope"])
    create_index(ns, "lake_rule_files_did", "rule_files", ["did"])


def downgrade() -> None:
    """Drop them."""
    ns = namespace("lake")
    for table in ("rule_files", "rules", "rejected"):
        drop_table(ns, table)
    drop_column(ns, "files", "metadata")
