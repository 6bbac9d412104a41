"""An index of the sessions that live, by their identifier, in whose order they are looked after.

With the one by the time of their preparation SQLite went through all sessions that ever were instead.
"""

from __future__ import annotations

from penstock.migrations import create_index, drop_index, namespace

revision = "0003"
down_revision = "0002"
_LIVE = "phase IN ('ACCEPTED', 'WAITING', 'PREPARING', 'AVAILABLE', 'RUNNING', 'RELEASING')"


def upgrade() -> None:
    """Replace the index."""
    ns = namespace("execplanner")
    create_index(ns, "execplanner_session_living", "session", ["id"], where=_LIVE)
    drop_index(ns, "execplanner_session_live", "session")


def downgrade() -> None:
    """Put the former index back."""
    ns = namespace("execplanner")
    create_index(ns, "execplanner_session_live", "session", ["prepares"], where=_LIVE)
    drop_index(ns, "execplanner_session_living", "session")
