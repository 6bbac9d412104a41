"""ObsLocTAP: observations by their first files."""

from __future__ import annotations

from penstock.lake.obsplan import definition
from penstock.migrations import create_index, create_view, drop_index, drop_view, namespace

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the view, and the index by which it finds the first file of an observation."""
    ns = namespace("ivoa")
    create_index(ns, "ivoa_obscore_observation", "obscore", ["obs_collection", "obs_id", "lake_did"])
    create_view(ns, "obsplan", definition, of="obscore")


def downgrade() -> None:
    """Drop both."""
    ns = namespace("ivoa")
    drop_view(ns, "obsplan")
    drop_index(ns, "ivoa_obscore_observation", "obscore")
