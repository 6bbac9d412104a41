"""Files, the sites that hold them, their replicas, and marks about the whole."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    ns = namespace("lake")
    create_table(
        ns,
        "files",
        sa.Column("did", sa.Text, primary_key=True),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("adler32", sa.Text),
        sa.Column("md5", sa.Text),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("public_from", sa.Text),
    )
    create_table(
        ns,
        "sites",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("title", sa.Text),
        sa.Column("latitude_deg", sa.Double),
        sa.Column("longitude_deg", sa.Double),
        sa.Column("medium", sa.Text, nullable=False),
    )
    create_table(
        ns,
        "replicas",
        sa.Column("did", sa.Text, sa.ForeignKey(ns.reference("files", "did")), primary_key=True),
        sa.Column("site", sa.Text, sa.ForeignKey(ns.reference("sites", "name")), primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("path", sa.Text),
        sa.Column("modified_ns", sa.BigInteger),
    )
    create_table(
        ns,
        "marks",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text),
    )
    create_index(ns, "lake_files_name", "files", ["scope", "name"], unique=True)
    create_index(ns, "lake_replicas_site", "replicas", ["site"])
    create_index(ns, "lake_replicas_path", "replicas", ["path"])


def downgrade() -> None:
    """Drop the tables, those that point to others first."""
    ns = namespace("lake")
    for table in ("marks", "replicas", "sites", "files"):
        drop_table(ns, table)
