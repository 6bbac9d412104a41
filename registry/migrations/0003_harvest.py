"""Where records come from, whom they were harvested from, and what was refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from penstock.db import physical_name
from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0003"
down_revision = "0002"

_ADDED = (
    ("key", sa.Text(), sa.text("''")),
    ("origin", sa.Text(), sa.text("'deployment'")),
    ("managed", sa.Boolean(), sa.true()),
    ("type", sa.Text(), sa.text("''")),
    ("title", sa.Text(), sa.text("''")),
    ("status", sa.Text(), sa.text("''")),
    ("generation", sa.Integer(), sa.text("0")),
)
_OLD_INDEX = "registry_record_updated"


def upgrade() -> None:
    """Widen the table of records, and create the others."""
    ns = namespace("registry")
    schema, record = physical_name(ns.dialect, ns.schema, "record")
    op.drop_index(_OLD_INDEX, record, schema=schema)
    for name, kind, default in _ADDED:
        op.add_column(record, sa.Column(name, kind, nullable=False, server_default=default), schema=schema)
    table = sa.table(record, sa.column("ivoid"), sa.column("key"), schema=schema)
    op.execute(sa.update(table).values(key=sa.func.lower(table.c.ivoid)))
    create_index(ns, "registry_record_managed", "record", ["managed", "updated", "ivoid"])
    create_index(ns, "registry_record_key", "record", ["key"], unique=True)
    create_index(ns, "registry_record_origin", "record", ["origin", "generation"])
    create_table(
        ns,
        "source",
        sa.Column("url", sa.Text, primary_key=True),
        sa.Column("set", sa.Text, nullable=False),
        sa.Column("watermark", sa.Text),
        sa.Column("token", sa.Text),
        sa.Column("begun", sa.Text),
        sa.Column("full", sa.Boolean, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("attempted", sa.Text),
        sa.Column("finished", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
    )
    create_table(
        ns,
        "quarantine",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("ivoid", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.Column("xml", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop what was added; records that were harvested go with it."""
    ns = namespace("registry")
    schema, record = physical_name(ns.dialect, ns.schema, "record")
    drop_table(ns, "quarantine")
    drop_table(ns, "source")
    table = sa.table(record, sa.column("managed"), schema=schema)
    op.execute(sa.delete(table).where(sa.not_(table.c.managed)))
    for name in ("registry_record_managed", "registry_record_key", "registry_record_origin"):
        op.drop_index(name, record, schema=schema)
    for name, _, _ in _ADDED:
        op.drop_column(record, name, schema=schema)
    create_index(ns, _OLD_INDEX, "record", ["updated", "ivoid"])
