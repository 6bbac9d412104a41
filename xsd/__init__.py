"""Schemas of every document that Penstock writes or checks, so that checking needs no network.

`catalogue` lists the schemas with the official file that each one stands for, `validate` judges a document, and
`explain` says the same at more length.
"""

from __future__ import annotations

from xsd.catalogue import Edition, SchemaEntry, catalogue
from xsd.explanation import explain
from xsd.validation import Finding, validate

__all__ = ["Edition", "Finding", "SchemaEntry", "catalogue", "explain", "validate"]
