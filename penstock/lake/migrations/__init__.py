"""Revisions of the tables of the lake, a package for each namespace."""
