"""Revisions of the baskets' tables."""
