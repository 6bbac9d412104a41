"""Cone searches in milliseconds, however many observations there are."""

from __future__ import annotations

from penstock.migrations import create_zone_index, drop_index, namespace

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the index on zones of declination."""
    create_zone_index(namespace("ivoa"), "ivoa_obscore_zone", "obscore", ra="s_ra", dec="s_dec")


def downgrade() -> None:
    """Drop it."""
    drop_index(namespace("ivoa"), "ivoa_obscore_zone", "obscore")
