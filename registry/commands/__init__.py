"""``penstock registry``: what an operator does with the registry."""

from __future__ import annotations

from registry.commands import harvesting, records
from registry.commands.frame import app

__all__ = ["app", "harvesting", "records"]
