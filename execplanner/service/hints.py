"""Facilities that had no room a moment ago."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from execplanner.core.columns import Column
from penstock.clock import Clock

_KEPT_S = 30.0
_NOT_AT_ONCE_S = 60.0


class Hints:
    """By how many seconds facilities were late for requests that could start at once; it is soon forgotten.

    Only the order in which facilities are asked depends on it.

    Parameters
    ----------
    clock
        What time it is.
    size
        How many facilities there are.
    """

    def __init__(self, clock: Clock, size: Callable[[], int]) -> None:
        self._clock = clock
        self._size = size
        self._late_s: Column = np.zeros(0)
        self._since = 0.0

    def late_s(self) -> Column:
        """Return the seconds, zero for those of which nothing is known."""
        now, size = self._clock().timestamp(), self._size()
        if len(self._late_s) != size or now - self._since > _KEPT_S:
            self._late_s, self._since = np.zeros(size), now
        return self._late_s

    def note(self, number: int, late_s: float = _NOT_AT_ONCE_S) -> None:
        """Remember that a facility does not have all that was wished at once."""
        self.late_s()[number] = max(late_s, 1.0)
