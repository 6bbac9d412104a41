"""Jobs in a database."""

from __future__ import annotations

from uws.store.clock import database_clock
from uws.store.sql import SqlStore
from uws.store.tables import Tables

__all__ = ["SqlStore", "Tables", "database_clock"]
