"""Which replica a process of ours reads: a file here if there is one, else what can be fetched."""

from __future__ import annotations

from collections.abc import Sequence

from datalink.core.links import best
from penstock.lake.port import Replica


def at_hand(replicas: Sequence[Replica]) -> Replica | None:
    """Return the first replica that is a file here, else the first that can be had over HTTP; None if none can."""
    here = (replica for replica in replicas if replica.online and replica.path is not None)
    return next(here, None) or best(replicas)
