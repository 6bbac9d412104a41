"""Offers and sessions in the database."""

from execplanner.store.sql import SqlKeeper

__all__ = ["SqlKeeper"]
