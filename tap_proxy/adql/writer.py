"""What the parts that write SQL need of the whole."""

from __future__ import annotations

from typing import Protocol

from tap_proxy.adql.bound import Bound
from tap_proxy.adql.dialect import Dialect


class Writer(Protocol):
    """What writes values; `grouped` tells whether columns must be those that a query groups by."""

    dialect: Dialect
    grouped: bool

    def value(self, bound: Bound) -> str:
        """Return a value as SQL."""

    def parameter(self, text: str) -> str:
        """Return a string as SQL."""
