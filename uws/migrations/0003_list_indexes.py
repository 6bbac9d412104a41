"""Indexes by which a page of a job list costs the same however many jobs there are (see `uws.store.lists`).

Those for what comes due hold only the jobs for which something can.
"""

from __future__ import annotations

from penstock.migrations import create_index, drop_index, namespace

revision = "0003"
down_revision = "0002"

_BEFORE = {
    "uws_job_owner": ("owner", "id"),
    "uws_job_owner_phase": ("owner", "phase", "id"),
    "uws_job_owner_type": ("owner", "type", "id"),
    "uws_job_destruction": ("destruction",),
    "uws_job_deadline": ("deadline",),
    "uws_job_lease": ("lease_until",),
}
_AFTER = {
    "uws_job_phase": ("phase", "id"),
    "uws_job_owner_phase": ("owner", "phase", "id"),
    "uws_job_type_phase": ("type", "phase", "id"),
    "uws_job_owner_type_phase": ("owner", "type", "phase", "id"),
}
_DUE = {
    "uws_job_destruction": ("destruction", "destruction IS NOT NULL AND phase <> 'ARCHIVED'"),
    "uws_job_deadline": ("deadline", "deadline IS NOT NULL"),
    "uws_job_lease": ("lease_until", "lease_until IS NOT NULL"),
}


def upgrade() -> None:
    """Replace the indexes."""
    ns = namespace("uws")
    for name in _BEFORE:
        drop_index(ns, name, "job")
    for name, columns in _AFTER.items():
        create_index(ns, name, "job", columns)
    for name, (column, where) in _DUE.items():
        create_index(ns, name, "job", [column], where=where)


def downgrade() -> None:
    """Put the former ones back."""
    ns = namespace("uws")
    for name in (*_AFTER, *_DUE):
        drop_index(ns, name, "job")
    for name, columns in _BEFORE.items():
        create_index(ns, name, "job", columns)
