"""Revisions of the namespace ``lake``."""
