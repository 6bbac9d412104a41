"""Where records, the registries that are harvested, and what was refused of them are kept."""

from __future__ import annotations

from registry.store.records import RecordStore
from registry.store.sources import SourceStore
from registry.store.tables import RegistryTables

__all__ = ["RecordStore", "RegistryTables", "SourceStore"]
