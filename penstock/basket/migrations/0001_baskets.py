"""Baskets and what is in them."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    ns = namespace("basket")
    create_table(
        ns,
        "basket",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("items", sa.BigInteger, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("changed", sa.Text, nullable=False),
    )
    create_index(ns, "basket_basket_changed", "basket", ["owner", "changed"])
    create_table(
        ns,
        "item",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("media_type", sa.Text),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("job", sa.Text),
        sa.Column("created", sa.Text, nullable=False),
    )
    create_index(ns, "basket_item_reference", "item", ["owner", "name", "reference"], unique=True)


def downgrade() -> None:
    """Drop the tables."""
    ns = namespace("basket")
    drop_table(ns, "item")
    drop_table(ns, "basket")
