"""The official schemas, where they are at hand: the oracle for ours."""

from __future__ import annotations

import csv
import hashlib
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from xsd import Edition
from xsd.catalogue import entries

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "xsd"
needed = pytest.mark.skipif(not FOLDER.is_dir(), reason="the official schemas are not beside the project")


@cache
def by_digest() -> dict[str, Path]:
    return {hashlib.sha256(file.read_bytes()).hexdigest(): file for file in FOLDER.glob("*.xsd")}


@cache
def by_url() -> dict[str, Path]:
    with (FOLDER / "CATALOGUE.tsv").open(encoding="utf-8", newline="") as stream:
        return {row["url"]: FOLDER / row["file"] for row in csv.DictReader(stream, dialect=csv.excel_tab)}


def file_of(entry) -> Path:
    if entry.official_sha256:
        return by_digest()[entry.official_sha256]
    return FOLDER / entry.official_url.rpartition("/")[2]


@cache
def compiled(edition: Edition) -> etree.XMLSchema:
    root = etree.Element("{http://www.w3.org/2001/XMLSchema}schema", targetNamespace="urn:official")
    for entry in entries(edition):
        etree.SubElement(
            root,
            "{http://www.w3.org/2001/XMLSchema}import",
            namespace=entry.namespace,
            schemaLocation=file_of(entry).as_uri(),
        )
    return etree.XMLSchema(root)
