"""Jobs, their parameters and results, and what must still be done for them."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    ns = namespace("uws")
    create_table(
        ns,
        "job",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("creation_time", sa.Text, nullable=False),
        sa.Column("start_time", sa.Text),
        sa.Column("end_time", sa.Text),
        sa.Column("quote", sa.Text),
        sa.Column("destruction", sa.Text),
        sa.Column("execution_duration_s", sa.Integer, nullable=False),
        sa.Column("deadline", sa.Text),
        sa.Column("worker", sa.Text),
        sa.Column("lease_until", sa.Text),
        sa.Column("error_type", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("info", sa.Text, nullable=False),
    )
    create_table(
        ns,
        "job_parameter",
        sa.Column("job_id", sa.Text, sa.ForeignKey(ns.reference("job", "id"), ondelete="CASCADE"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("blob", sa.Text),
        sa.Column("media_type", sa.Text),
    )
    create_table(
        ns,
        "job_result",
        sa.Column("job_id", sa.Text, sa.ForeignKey(ns.reference("job", "id"), ondelete="CASCADE"), primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
    )
    create_table(
        ns,
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("taken", sa.Text),
    )
    create_index(ns, "uws_job_owner", "job", ["owner", "id"])
    create_index(ns, "uws_job_owner_phase", "job", ["owner", "phase", "id"])
    create_index(ns, "uws_job_owner_type", "job", ["owner", "type", "id"])
    create_index(ns, "uws_job_destruction", "job", ["destruction"])
    create_index(ns, "uws_job_deadline", "job", ["deadline"])
    create_index(ns, "uws_job_lease", "job", ["lease_until"])
    create_index(ns, "uws_outbox_job", "outbox", ["job_id"])


def downgrade() -> None:
    """Drop the tables, those that point to others first."""
    ns = namespace("uws")
    for table in ("outbox", "job_result", "job_parameter", "job"):
        drop_table(ns, table)
