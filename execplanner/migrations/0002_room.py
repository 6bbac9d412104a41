"""An index by the start of what is reserved, and one by how long it lasts.

The search for room looks only at what began near the time that is asked for: the longest reservation of a facility says
how near that is.
"""

from __future__ import annotations

import sqlalchemy as sa

from penstock.migrations import create_index, drop_index, namespace

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Replace the index."""
    ns = namespace("execplanner")
    create_index(ns, "execplanner_reservation_begins", "reservation", ["facility", "begins", "ends"])
    create_index(ns, "execplanner_reservation_longest", "reservation", ["facility", sa.text("(ends - begins)")])
    drop_index(ns, "execplanner_reservation_room", "reservation")


def downgrade() -> None:
    """Put the former index back."""
    ns = namespace("execplanner")
    create_index(ns, "execplanner_reservation_room", "reservation", ["facility", "ends", "begins"])
    drop_index(ns, "execplanner_reservation_longest", "reservation")
    drop_index(ns, "execplanner_reservation_begins", "reservation")
