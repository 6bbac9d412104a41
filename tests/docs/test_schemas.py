"""The schemas in the documents are those that are served; PENSTOCK_UPDATE_GOLDEN=1 writes them."""

from __future__ import annotations

import json
import os

import pytest

from tests.support.systems import ROOT
from uws.core.shapes import DIALECT
from uws.openapi import PUBLISHED

FOLDER = ROOT / "docs" / "schemas"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_schema_in_the_documents_is_the_one_that_is_served(name: str) -> None:
    file = FOLDER / f"{name}.json"
    current = json.dumps({"$schema": DIALECT, **PUBLISHED[name].schema}, indent=2) + "\n"
    if os.environ.get("PENSTOCK_UPDATE_GOLDEN"):
        file.write_text(current)
    assert file.read_text() == current


def test_no_other_schemas_are_published() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(PUBLISHED)
