"""Requests of every generation are understood, and answered as they were asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from execplanner.core.kinds import read_kind
from tests.execplanner.hosting import K, Site, serving

D2 = "https://www.purl.org/ivoa.net/EB/schema/v1.0/types"
D3 = "https://www.purl.org/ivoa.net/EB/schema/types"
PLACE = "https://example.org/a.ipynb"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as running:
        yield running


SPRING: dict[str, Any] = {
    "executable": {"kind": f"{D2}/executable/jupyter-notebook-1.0", "meta": {"name": "n"}, "location": PLACE},
    "schedule": {"requested": {"duration": "PT1H"}},
    "compute": {
        "kind": f"{D2}/computer/simple-compute-resource-1.0",
        "cores": {"min": 5, "max": 15},
        "memory": {"min": 3, "max": 9},
    },
    "storage": [{"kind": f"{D2}//storage/simple-storage-resource-1.0", "meta": {"name": "s"}}],
    "volumes": [
        {"kind": f"{D2}/volume/simple-volume-mount-1.0", "path": "/d", "mode": "READWRITE", "resources": ["s"]}
    ],
}
FLAT: dict[str, Any] = {
    "executable": {"type": f"{D3}/executables/jupyter-notebook-1.0", "name": "n", "location": PLACE},
    "resources": {
        "compute": [
            {
                "type": f"{D3}/compute/simple-compute-resource-1.0",
                "name": "c",
                "cores": {"requested": {"min": 2, "max": 4}},
                "memory": {"requested": {"min": 3}},
            }
        ]
    },
    "schedule": {"requested": {"duration": "PT2H", "start": ["2026-01-01T00:00:00Z/2099-01-01T00:00:00Z"]}},
}


async def test_spring_2026_is_spoken(site: Site) -> None:
    document = await site.ask(SPRING, "/offersets")
    assert document["kind"] == f"{D2}/offerset/execution-offerset-1.0"
    [offer] = document["offers"]
    assert offer["compute"]["kind"] == f"{D2}/compute/simple-compute-resource-1.0"
    assert offer["compute"]["cores"] == {"min": 8, "max": 8}
    assert offer["compute"]["memory"] == {"min": 9, "max": 9}
    assert offer["compute"]["volumes"][0]["resource"] == "s"
    _, other = await site.json("GET", f"/sessions/{offer['meta']['uuid']}?DIALECT=D1")
    assert other["executable"]["kind"] == f"{K}/executable/jupyter-notebook.yaml"


@pytest.mark.parametrize("wrapped", [False, True])
async def test_the_flat_dialect_of_2025_is_spoken(site: Site, wrapped: bool) -> None:
    document = await site.ask({"request": FLAT} if wrapped else FLAT)
    assert document["type"] == f"{D3}/offerset/execution-offerset-1.0"
    [offer] = document["offers"]
    assert offer["executable"]["type"] == f"{D3}/executable/jupyter-notebook-1.0"
    assert offer["executable"]["name"] == "n"
    assert offer["compute"]["cores"] == {"offered": {"min": 4, "max": 4}}
    assert offer["schedule"]["available"]["duration"] == "PT2H"
    update = {"update": {"type": "uri:enum-value-update", "path": "state", "value": "ACCEPTED"}}
    status, session = await site.json("POST", f"/offers/{offer['uuid']}", json=update)
    assert (status, session["phase"], session["uuid"]) == (200, "ACCEPTED", offer["uuid"])


async def test_the_oldest_path_answers_in_yaml_if_nothing_is_said(site: Site) -> None:
    async with site.client.post("/execplanner/request", json={"request": FLAT}, allow_redirects=False) as response:
        assert response.content_type == "application/yaml"


@pytest.mark.parametrize(
    "uri",
    [
        f"{K}/executable/jupyter-notebook.yaml",
        f"{D2}/executable/jupyter-notebook-1.0",
        f"{D3}/executables/jupyter-notebook-1.0",
        "https://www.purl.org/ivoa.net/EB/schema/v1.0//types/executable/jupyter-notebook-1.0",
        "https://www.purl.org/ivoa.net/executable-types/jupyter-notebook",
        "https://purl.org/esap.escape.eu/task-type/jupyter-notebook",
        "uri://jupyter-notebook",
        "jupyter-notebook",
        "urn:penstock:kind:executable:jupyter-notebook",
    ],
)
def test_a_kind_is_known_by_every_spelling(uri: str) -> None:
    assert read_kind(uri, "executable") == "jupyter-notebook"


@pytest.mark.parametrize("uri", ["https://example.org/kinds/executable/jupyter-notebook", f"{K}/data/x.yaml", "a:b"])
def test_somebody_elses_kind_stays_what_it_is(uri: str) -> None:
    assert read_kind(uri, "executable") == uri
