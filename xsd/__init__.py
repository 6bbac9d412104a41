"""Schemas of every document that Penstock writes or checks, so that checking needs no network."""
