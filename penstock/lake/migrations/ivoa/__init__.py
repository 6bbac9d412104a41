"""Revisions of the namespace ``ivoa``."""
