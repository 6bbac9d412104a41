"""Revisions of the tables of UWS."""
