"""ObsCore: the thirty mandatory columns, seven optional ones, and the way to the lake's files."""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, create_table, drop_table, namespace

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the table and the indexes of its usual searches."""
    ns = namespace("ivoa")
    create_table(
        ns,
        "obscore",
        sa.Column("dataproduct_type", sa.Text),
        sa.Column("calib_level", sa.Integer, nullable=False),
        sa.Column("obs_collection", sa.Text, nullable=False),
        sa.Column("obs_id", sa.Text, nullable=False),
        sa.Column("obs_publisher_did", sa.Text, nullable=False),
        sa.Column("access_url", sa.Text),
        sa.Column("access_format", sa.Text),
        sa.Column("access_estsize", sa.BigInteger),
        sa.Column("target_name", sa.Text),
        sa.Column("s_ra", sa.Double),
        sa.Column("s_dec", sa.Double),
        sa.Column("s_fov", sa.Double),
        sa.Column("s_region", sa.Text),
        sa.Column("s_resolution", sa.Double),
        sa.Column("s_xel1", sa.BigInteger),
        sa.Column("s_xel2", sa.BigInteger),
        sa.Column("t_min", sa.Double),
        sa.Column("t_max", sa.Double),
        sa.Column("t_exptime", sa.Double),
        sa.Column("t_resolution", sa.Double),
        sa.Column("t_xel", sa.BigInteger),
        sa.Column("em_min", sa.Double),
        sa.Column("em_max", sa.Double),
        sa.Column("em_res_power", sa.Double),
        sa.Column("em_xel", sa.BigInteger),
        sa.Column("o_ucd", sa.Text),
        sa.Column("pol_states", sa.Text),
        sa.Column("pol_xel", sa.BigInteger),
        sa.Column("facility_name", sa.Text),
        sa.Column("instrument_name", sa.Text),
        sa.Column("obs_title", sa.Text),
        sa.Column("obs_creator_name", sa.Text),
        sa.Column("obs_release_date", sa.Text),
        sa.Column("proposal_id", sa.Text),
        sa.Column("s_pixel_scale", sa.Double),
        sa.Column("em_ucd", sa.Text),
        sa.Column("o_unit", sa.Text),
        sa.Column("lake_did", sa.Text, primary_key=True),
    )
    create_index(ns, "ivoa_obscore_publisher_did", "obscore", ["obs_publisher_did"], unique=True)
    create_index(ns, "ivoa_obscore_position", "obscore", ["s_dec", "s_ra"])
    create_index(ns, "ivoa_obscore_ra", "obscore", ["s_ra"])
    create_index(ns, "ivoa_obscore_collection", "obscore", ["obs_collection"])
    create_index(ns, "ivoa_obscore_time", "obscore", ["t_min"])
    create_index(ns, "ivoa_obscore_energy", "obscore", ["em_min"])


def downgrade() -> None:
    """Drop the table."""
    drop_table(namespace("ivoa"), "obscore")
